package rtnl

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// NoOwner is Event.Owner where Clean failed.
const NoOwner = -1

// listen hands notifications on until the door closes.
func (d *Door) listen() {
	for {
		batch, err := d.listener.read()
		if err != nil {
			return
		}
		select {
		case d.changes <- batch:
		case <-d.done:
			return
		}
	}
}

// run is the door's goroutine. What is wanted goes before everything else.
func (d *Door) run() {
	defer close(d.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		d.takeWants()
		d.repair(time.Now())
		d.tellLinks()
		timer.Reset(d.wait(time.Now()))
		select {
		case <-d.wake:
		case batch := <-d.changes:
			d.takeWants()
			d.learn(batch)
			d.repair(time.Now()) // before anyone is told that addresses are missing
		case <-timer.C:
		case <-d.closing:
			d.takeWants()
			return
		}
	}
}

// wait is how long nothing is due.
func (d *Door) wait(now time.Time) time.Duration {
	next := d.state.next()
	if next.IsZero() {
		return time.Hour
	}
	return next.Sub(now)
}

// takeWants carries out what callers left in the box.
func (d *Door) takeWants() {
	d.box.Lock()
	owners, wants, clean, after := d.box.owners, d.box.wants, d.box.clean, d.box.after
	if len(owners)+len(after) == 0 && clean.Empty() {
		d.box.Unlock()
		return
	}
	d.box.owners, d.box.wants, d.box.clean, d.box.after = nil, make(map[int]vip.Want), vip.Want{}, nil
	d.box.Unlock()
	for _, owner := range owners {
		d.want(owner, wants[owner])
	}
	d.cleanUp(clean)
	d.flush()
	for _, do := range after {
		do()
	}
}

// want queues the difference between what owner wanted and wants now: what goes
// in the order rules, routes, addresses, then what comes the other way round.
func (d *Door) want(owner int, want vip.Want) {
	s := &d.state
	have := s.claims[owner].want()
	want.Rules = numbered(want.Rules)
	addRules := d.dropRules(owner, have.Rules, want.Rules)
	addRoutes := d.dropRoutes(owner, have.Routes, want.Routes)
	begin, fresh := len(s.queue), want.Addresses
	for _, op := range vip.Diff(have.Addresses, want.Addresses) {
		if op.Kind == vip.Remove {
			if e := s.release(owner, op.Address); e != nil {
				d.queueRemove(e, owner)
			}
			continue
		}
		for fresh[0] != op.Address { // additions come in the order of want
			fresh = fresh[1:]
		}
		if e := s.claim(owner, &fresh[0]); e != nil {
			e.own = want.Own
			d.queueAdd(e, false)
		}
	}
	s.retrack(have.Addresses, want.Addresses)
	s.marks = append(s.marks, mark{owner, begin, len(s.queue)})
	d.addRoutes(owner, addRoutes)
	d.addRules(owner, addRules)
	if s.claims[owner] = claimOf(want); want.Empty() {
		delete(s.claims, owner)
	}
}

// queueAdd asks for an entry, or notes that its link is missing.
func (d *Door) queueAdd(e *entry, repair bool) {
	index, err := d.place(e)
	if err != nil {
		d.refused(e, err, time.Time{})
		return
	}
	d.state.queue = append(d.state.queue, request{kind: vip.Add, entry: e, index: index, repair: repair})
}

// place is the index under which an entry will stand, or why it cannot now.
func (d *Door) place(e *entry) (int, error) {
	switch {
	case e.rule != nil:
		return 1, nil
	case e.route != nil:
		return 1, d.placeRoute(e)
	}
	link, ok := d.links.named(e.address.Link)
	if !ok {
		return 0, fmt.Errorf("there is no interface %s; the address is added when it appears", e.address.Link)
	}
	if !e.own {
		d.links.removeAddress(link.Index, kernelKey(*e.address).Prefix)
	}
	return link.Index, nil
}

// queueRemove asks for the removal of an entry nobody wants any more, even of
// one that seems to be gone: it may have come back unseen.
func (d *Door) queueRemove(e *entry, owner int) {
	index := e.index
	switch {
	case e.route != nil && d.placeRoute(e) != nil:
		return // it went with its link
	case e.rank() == 0 && index == 0:
		if index = d.links.index(e.address.Link); index == 0 {
			return
		}
	}
	d.state.queue = append(d.state.queue, request{kind: vip.Remove, entry: e, index: index, owner: owner})
}

// cleanUp queues the removal of leftovers.
func (d *Door) cleanUp(all vip.Want) {
	p := &d.state.policy
	for _, r := range all.Rules {
		if p.rules[r.Key()] == nil {
			d.queueRemove(&entry{rule: &r}, NoOwner)
		}
	}
	for _, r := range all.Routes {
		if p.routes[r.String()] == nil {
			e := &entry{route: &r}
			p.file(e)
			d.queueRemove(e, NoOwner)
			p.unfile(e)
		}
	}
	for _, a := range all.Addresses {
		if d.state.find(kernelKey(a)) == nil {
			d.queueRemove(&entry{address: &a}, NoOwner)
		}
	}
}

// flush sends the queue and tells each owner the moment its part is done.
func (d *Door) flush() {
	s := &d.state
	now := time.Now()
	for done := 0; done < len(s.queue); {
		batch := s.queue[done:min(done+maxBatch, len(s.queue))]
		d.commands.do(batch)
		for i := range batch {
			d.answered(&batch[i], now)
		}
		done += len(batch)
		d.tellApplied(done)
		d.tellStanding(batch, done)
	}
	d.tellApplied(len(s.queue))
	s.queue, s.marks = nil, nil // they may have been long
	if len(s.doubts) > 0 {
		d.verify(now)
	}
}

// tellApplied tells the owners whose requests all lie before done.
func (d *Door) tellApplied(done int) {
	marks := d.state.marks
	for len(marks) > 0 && marks[0].end <= done {
		owner := marks[0].owner
		d.notify(Event{Kind: Applied, Owner: owner, Set: d.state.applied(owner)})
		marks = marks[1:]
	}
	d.state.marks = marks
}

// tellStanding tells the owner of whose requests the last batch, which ended at
// done, carried out a part.
func (d *Door) tellStanding(batch []request, done int) {
	marks := d.state.marks
	if len(marks) == 0 || marks[0].begin >= done {
		return
	}
	var set vip.Set
	for _, r := range batch[max(0, len(batch)-(done-marks[0].begin)):] {
		if e := r.entry; r.kind == vip.Add && e.index != 0 && !e.checking {
			set = append(set, *e.address)
		}
	}
	if len(set) > 0 {
		d.notify(Event{Kind: Standing, Owner: marks[0].owner, Set: set})
	}
}

// answered notes the kernel's answer to one request.
func (d *Door) answered(r *request, now time.Time) {
	e := r.entry
	switch {
	case r.kind == vip.Remove:
		if r.err != nil && !gone(r.err) {
			ev := e.event(Failed, r.owner)
			ev.Err = explain(r.kind, e, r.err)
			d.notify(ev)
		}
	case errors.Is(r.err, unix.EEXIST) && doubtful(e):
		d.state.doubts = append(d.state.doubts, e)
	case r.err == nil || errors.Is(r.err, unix.EEXIST):
		d.added(r, now)
	case r.err == errLost:
		d.state.misses(e, now.Add(firstPause))
	case errors.Is(r.err, unix.ENODEV) || errors.Is(r.err, unix.ENETDOWN):
		d.refused(e, explain(r.kind, e, r.err), time.Time{})
	default:
		d.refused(e, explain(r.kind, e, r.err), now.Add(e.patience()))
	}
}

// gone are the answers to the removal of what is not there: of addresses,
// links, routes and rules.
func gone(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT)
}

// added notes that an entry stands, and tells of it when it had been absent.
// What was there all along (EEXIST) is adopted: nothing was wrong.
func (d *Door) added(r *request, now time.Time) {
	e := r.entry
	refusals, taken, port := e.refusals, e.taken, e.taker()
	if e.taken = false; port != 0 {
		e.history.port = 0
	}
	e.checking = r.err == nil && e.rank() == 0 && e.address.DAD && e.address.Prefix.Addr().Is6()
	d.state.stands(e, r.index)
	if e.checking && refusals > 0 { // another try: told once it is known
		e.refusals = refusals
		return
	}
	if !r.repair || (r.err != nil && refusals == 0) {
		return
	}
	if port == d.commands.port { // our own removal of a primary took it along
		return
	}
	if taken {
		e.past().strikes++
		e.past().repaired = now
	}
	d.tellRestored(e, port, taken)
	if e.rank() == 0 {
		d.state.recheckMissing(now) // routes may have waited for it
	}
}

func (d *Door) tellRestored(e *entry, port uint32, taken bool) {
	for _, owner := range e.owners {
		ev := e.event(Restored, owner)
		ev.Port, ev.Taken = port, taken
		d.notify(ev)
	}
}

// refused notes that an entry cannot stand now, and tells its owners once.
func (d *Door) refused(e *entry, err error, due time.Time) {
	d.state.misses(e, due)
	if e.refusals++; e.refusals > 1 {
		return
	}
	for _, owner := range e.owners {
		ev := e.event(Failed, owner)
		ev.Err = err
		d.notify(ev)
	}
}

// repair puts back what is due.
func (d *Door) repair(now time.Time) {
	if at := d.state.resyncAt; !at.IsZero() && !at.After(now) {
		d.resync(now)
	}
	if at := d.state.policy.recheckAt; !at.IsZero() && !at.After(now) {
		d.lookAtRoutes(now)
	}
	for _, e := range d.state.takeDue(now) {
		d.putBack(e)
	}
	if len(d.state.queue) > 0 {
		d.flush()
	}
}

// tellLinks tells of each link that changed, once.
func (d *Door) tellLinks() {
	slices.Sort(d.state.touched)
	for _, index := range slices.Compact(d.state.touched) {
		if link, ok := d.links.indexed(index); ok {
			d.notify(Event{Kind: LinkChanged, Link: link})
		}
	}
	d.state.touched = d.state.touched[:0]
}
