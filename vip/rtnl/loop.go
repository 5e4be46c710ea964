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
	owners, wants, clean := d.box.owners, d.box.wants, d.box.clean
	if len(owners)+len(clean) == 0 {
		d.box.Unlock()
		return
	}
	d.box.owners, d.box.wants, d.box.clean = nil, make(map[int]vip.Set), nil
	d.box.Unlock()
	for _, owner := range owners {
		d.want(owner, wants[owner])
	}
	for _, a := range clean {
		d.cleanUp(a)
	}
	d.flush()
}

// want queues the difference between what owner wanted and wants now.
func (d *Door) want(owner int, want vip.Set) {
	s := &d.state
	for _, op := range vip.Diff(s.claims[owner], want) {
		if op.Kind == vip.Remove {
			if e := s.release(owner, op.Address); e != nil {
				d.queueRemove(e, owner)
			}
		} else if e := s.claim(owner, op.Address); e != nil {
			d.queueAdd(e, false)
		}
	}
	s.claims[owner] = want
	if len(want) == 0 {
		delete(s.claims, owner)
	}
	s.marks = append(s.marks, mark{owner, len(s.queue)})
}

// queueAdd asks for an address, or notes that its link is missing.
func (d *Door) queueAdd(e *entry, repair bool) {
	link, ok := d.links.named(e.address.Link)
	if !ok {
		d.refused(e, fmt.Errorf("there is no interface %s; the address is added when it appears", e.address.Link), time.Time{})
		return
	}
	d.links.removeAddress(link.Index, e.key.Prefix) // no longer the link's own
	d.state.queue = append(d.state.queue, request{op: vip.Op{Kind: vip.Add, Address: e.address}, index: link.Index, entry: e, repair: repair})
}

// queueRemove asks for the removal of an address nobody wants any more, even
// of one that seems to be gone: it may have come back unseen.
func (d *Door) queueRemove(e *entry, owner int) {
	index := e.index
	if index == 0 {
		link, ok := d.links.named(e.address.Link)
		if !ok {
			return
		}
		index = link.Index
	}
	d.state.queue = append(d.state.queue, request{op: vip.Op{Kind: vip.Remove, Address: e.address}, index: index, owner: owner})
}

// cleanUp queues the removal of a leftover.
func (d *Door) cleanUp(a vip.Address) {
	if d.state.entries[kernelKey(a)] != nil {
		return
	}
	if link, ok := d.links.named(a.Link); ok {
		d.state.queue = append(d.state.queue, request{op: vip.Op{Kind: vip.Remove, Address: a}, index: link.Index, owner: NoOwner})
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
	}
	d.tellApplied(len(s.queue))
	clear(s.queue)
	s.queue, s.marks = s.queue[:0], s.marks[:0]
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

// answered notes the kernel's answer to one request.
func (d *Door) answered(r *request, now time.Time) {
	switch {
	case r.op.Kind == vip.Remove:
		if r.err != nil && !gone(r.err) {
			d.notify(Event{Kind: Failed, Owner: r.owner, Address: r.op.Address, Err: explain(r.op, r.err)})
		}
	case r.err == nil || errors.Is(r.err, unix.EEXIST):
		d.added(r, now)
	case r.err == errLost:
		d.state.misses(r.entry, now.Add(firstPause))
	case errors.Is(r.err, unix.ENODEV):
		d.refused(r.entry, explain(r.op, r.err), time.Time{})
	default:
		d.refused(r.entry, explain(r.op, r.err), now.Add(r.entry.patience()))
	}
}

// gone are the answers to the removal of what is not there.
func gone(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENODEV)
}

// added notes that an address stands, and tells of it when it had been absent.
// An address that was there all along (EEXIST) is adopted: nothing was wrong.
func (d *Door) added(r *request, now time.Time) {
	e := r.entry
	refusals, taken, port := e.refusals, e.taken, e.port
	e.taken, e.port = false, 0
	d.state.stands(e, r.index)
	if !r.repair || (r.err != nil && refusals == 0) {
		return
	}
	if port == d.commands.port { // our own removal of a primary took it along
		return
	}
	if taken {
		e.strikes++
		e.repaired = now
	}
	d.tellRestored(e, port)
}

func (d *Door) tellRestored(e *entry, port uint32) {
	for _, owner := range e.owners {
		d.notify(Event{Kind: Restored, Owner: owner, Address: e.address, Port: port})
	}
}

// refused notes that an address cannot stand now, and tells its owners once.
func (d *Door) refused(e *entry, err error, due time.Time) {
	d.state.misses(e, due)
	if e.refusals++; e.refusals > 1 {
		return
	}
	for _, owner := range e.owners {
		d.notify(Event{Kind: Failed, Owner: owner, Address: e.address, Err: err})
	}
}

// repair puts back what is due.
func (d *Door) repair(now time.Time) {
	if at := d.state.resyncAt; !at.IsZero() && !at.After(now) {
		d.resync(now)
	}
	for _, e := range d.state.takeDue(now) {
		d.queueAdd(e, true)
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
