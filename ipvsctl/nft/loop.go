package nft

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

const (
	// pause is the least time between two repairs: two programs that fight over
	// a table shall not keep two processors busy.
	pause = time.Second
	// retry is when what failed is tried again.
	retry = 5 * time.Second
)

// run is the door's goroutine.
func (d *Door) run() {
	defer close(d.gone)
	if err := d.wire.Enter(); err != nil {
		d.fail(fmt.Errorf("entering the network namespace: %w; it needs CAP_SYS_ADMIN", err))
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-d.closing:
			return
		case f := <-d.do:
			f()
			continue
		case by := <-d.wire.Damages:
			if d.leave.Load() {
				continue
			}
			d.damaged = true
			d.forget()
			if by != "" {
				d.by = by
			}
			timer.Reset(time.Until(d.repaired.Add(pause)))
			continue
		case <-d.wake:
		case <-timer.C:
		}
		next := time.Hour
		if !d.settle() {
			next = retry
		}
		timer.Reset(next)
	}
}

// settle makes the kernel agree with what is wanted, in one transaction, and
// tells how that went. It reports whether nothing is left to do.
func (d *Door) settle() bool {
	if d.adopt {
		d.adoptStanding()
	}
	if d.damaged {
		d.repaired = time.Now()
	}
	err := d.commit(d.take())
	if err != nil && d.built != [families]bool{} { // it may have been changed a moment ago
		d.forget()
		err = d.commit(d.take())
	}
	if err != nil {
		d.forget()
		d.fail(err)
		return false
	}
	d.succeed()
	if err := d.left.expire(); err != nil {
		d.opt.Report(Event{Kind: Failed, Err: err})
	}
	return true
}

// take is what changed since the last time, and how callers want that now: all,
// if nothing is known to stand.
func (d *Door) take() (want ipvsctl.Table, dirty map[ipvsctl.ServiceKey]struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dirty, d.dirty = d.dirty, map[ipvsctl.ServiceKey]struct{}{}
	d.turnWays(dirty)
	if d.built == [families]bool{} {
		return maps.Clone(d.want), all(d.want)
	}
	want = make(ipvsctl.Table, len(dirty))
	for k := range dirty {
		if e, wanted := d.want[k]; wanted {
			want[k] = e
		}
	}
	return want, dirty
}

// forget goes on as if nothing was known about the kernel: all is built anew.
func (d *Door) forget() {
	d.have, d.members, d.built = ipvsctl.Table{}, [families]int{}, [families]bool{}
	for f := range families {
		d.kept[f] = newKept()
	}
}

// adoptStanding goes on with what an earlier life left, if it can be read. The
// rules are written anew, whatever they are; memory and counters stay.
func (d *Door) adoptStanding() {
	d.adopt = false
	have, err := d.read()
	if err != nil || len(have) == 0 || d.opt.SourcesOnly {
		return
	}
	for f := range families {
		if err := d.table(f).recall(d.wire.Read); err != nil {
			d.forget()
			return
		}
	}
	d.have = have
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, e := range have {
		t := d.table(home(k, e))
		t.use(k, e, 1)
		t.kept.settled()
		d.members[t.family]++
		d.built[t.family], d.stands[t.family] = true, true
		d.dirty[k] = struct{}{}
	}
}

func (d *Door) fail(err error) {
	err = explain(err)
	if d.failed != err.Error() {
		d.failed = err.Error()
		d.opt.Report(Event{Kind: Failed, Err: err})
	}
}

func (d *Door) succeed() {
	if d.failed != "" {
		d.opt.Report(Event{Kind: Recovered})
	}
	if d.damaged && len(d.have) > 0 {
		d.opt.Report(Event{Kind: Repaired, By: d.by})
	}
	d.failed, d.damaged, d.by = "", false, ""
}

// commit sends the difference between what stands and want. A table goes with its
// last service.
func (d *Door) commit(want ipvsctl.Table, dirty map[ipvsctl.ServiceKey]struct{}) error {
	members := d.after(want, dirty)
	for f := range families {
		if members[f] == 0 && d.stands[f] {
			d.table(f).remove(d.wire.Draft)
		}
		if members[f] == 0 {
			continue
		}
		if err := d.fill(d.table(f), want, dirty); err != nil {
			return errors.Join(err, d.wire.Dial()) // with an empty draft
		}
	}
	if err := d.wire.Flush(); err != nil {
		return err
	}
	for f := range families {
		if members[f] == 0 {
			d.kept[f] = newKept()
		}
		d.built[f] = members[f] > 0
		d.stands[f] = d.built[f]
	}
	d.members = members
	for k := range dirty {
		if !d.opt.SourcesOnly { // IPVS has flows of its own
			d.left.leave(k, d.have[k], want[k])
		}
		delete(d.have, k)
	}
	for k, e := range want {
		d.have[k] = e
	}
	return nil
}

// after is how many services each table has once want stands.
func (d *Door) after(want ipvsctl.Table, dirty map[ipvsctl.ServiceKey]struct{}) [families]int {
	members := d.members
	for k := range dirty {
		if e, stands := d.have[k]; stands {
			members[home(k, e)]--
		}
		if e, stays := want[k]; stays {
			members[home(k, e)]++
		}
	}
	return members
}

// fill asks for what a family lacks of what is dirty, or for all of it.
func (d *Door) fill(t *table, want ipvsctl.Table, dirty map[ipvsctl.ServiceKey]struct{}) error {
	if !d.built[t.family] {
		if err := t.build(d.wire.Draft); err != nil {
			return err
		}
	}
	for k := range dirty {
		if err := t.turn(d.wire.Draft, k, d.have, want); err != nil {
			return err
		}
	}
	if err := t.turnShared(d.wire.Draft); err != nil {
		return err
	}
	return t.addLate(d.wire.Draft)
}

func all(t ipvsctl.Table) map[ipvsctl.ServiceKey]struct{} {
	keys := make(map[ipvsctl.ServiceKey]struct{}, len(t))
	for k := range t {
		keys[k] = struct{}{}
	}
	return keys
}

// turn asks for what turns one service from what it is to what it shall be.
func (t *table) turn(c *nftables.Conn, k ipvsctl.ServiceKey, have, want ipvsctl.Table) error {
	old, stands := have[k]
	e, stays := want[k]
	stands = stands && home(k, old) == t.family
	stays = stays && home(k, e) == t.family
	if stands {
		t.use(k, old, -1)
	}
	if stays {
		t.use(k, e, 1)
	}
	switch {
	case t.sources, !stands && !stays:
		return nil
	case !stays:
		return t.service(k, old).remove(c)
	case !stands:
		return t.service(k, e).add(c)
	}
	return t.service(k, e).change(c, t.service(k, old))
}

// use adds n uses of what a service shares with others.
func (t *table) use(k ipvsctl.ServiceKey, e ipvsctl.Entry, n int) {
	if t.direct() {
		return
	}
	t.lead(k, e, n)
	if !t.sources {
		t.count(k, e, n)
	}
}

// turnShared asks for what services share, as it is used now.
func (t *table) turnShared(c *nftables.Conn) error {
	if t.direct() {
		return t.turnDirect(c)
	}
	if err := t.turnSources(c); err != nil {
		return err
	}
	return t.turnCounters(c)
}

// raze deletes the tables, whoever built them.
func (d *Door) raze() error {
	for f := range families {
		d.table(f).remove(d.wire.Draft)
		if err := d.wire.Flush(); err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EAFNOSUPPORT) {
			return explain(err)
		}
	}
	d.forget()
	d.adopt, d.stands = false, [families]bool{}
	return nil
}
