package filter

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

const (
	// pause is the least time between two repairs: two programs that fight over
	// a table shall not keep two processors busy.
	pause = time.Second
	// retry is when what failed is tried again.
	retry = 5 * time.Second
	// maxElements in one message: its attributes hold 64 KiB.
	maxElements = 500
)

// run is the door's goroutine.
func (d *Door) run() {
	defer close(d.done)
	if err := d.wire.Enter(); err != nil {
		d.options.Notify(Event{Kind: Warned, Err: fmt.Errorf("entering the network namespace: %w; it needs CAP_SYS_ADMIN", err)})
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var repaired time.Time
	for {
		select {
		case <-d.wake:
		case by := <-d.wire.Damages:
			d.state.damage(by)
			timer.Reset(time.Until(repaired.Add(pause)))
			continue
		case <-timer.C:
		case <-d.closing:
			d.takeWants()
			d.settle()
			return
		}
		d.takeWants()
		next := time.Hour
		if d.state.damaged {
			repaired = time.Now()
		}
		if !d.settle() {
			next = retry
		}
		timer.Reset(next)
	}
}

// damage notes what another hand did.
func (s *state) damage(by string) {
	s.lose()
	s.damaged = true
	if by != "" {
		s.by = by
	}
}

// takeWants notes what callers left in the box.
func (d *Door) takeWants() {
	d.box.Lock()
	owners, wants := d.box.owners, d.box.wants
	d.box.owners, d.box.wants = nil, make(map[int]Want)
	d.box.Unlock()
	for _, owner := range owners {
		d.state.want(&d.options, owner, wants[owner])
	}
}

// settle makes the kernel agree with what is wanted, in one transaction, and
// tells how that went. It reports whether nothing is left to do.
func (d *Door) settle() bool {
	s := &d.state
	err := d.commit()
	if errors.Is(err, unix.ENOENT) && !s.unknown[four] && !s.unknown[six] {
		s.lose() // something was removed a moment ago
		err = d.commit()
	}
	if errors.Is(err, unix.ENOENT) && !s.drop && !d.options.DropReports {
		s.drop = true
		if err = d.commit(); err == nil {
			d.options.Notify(Event{Kind: Warned, Err: errors.New("the kernel cannot duplicate packets (nft_dup_ipv4, nft_dup_ipv6), so VMACs' IGMP and MLD reports are dropped: switches that snoop may need the group configured by hand")})
		} else {
			s.drop = false
		}
	}
	if err != nil {
		s.lose()
		d.fail(err)
		return false
	}
	d.succeed()
	return true
}

func (d *Door) fail(err error) {
	err = explain(err)
	if d.state.failed != err.Error() {
		d.state.failed = err.Error()
		d.options.Notify(Event{Kind: Failed, Err: err})
	}
}

func (d *Door) succeed() {
	s := &d.state
	s.committed()
	s.failed = ""
	if s.damaged && s.size != [families]int{} {
		d.options.Notify(Event{Kind: Restored, By: s.by})
	}
	s.damaged, s.by = false, ""
	for _, owner := range s.owed {
		d.options.Notify(Event{Kind: Applied, Owner: owner, Drop: s.wants[owner].Drop})
	}
	s.owed = s.owed[:0]
}

// commit sends the difference between what stands and what is wanted. That a
// table cannot be deleted where nothing is wanted is no error: the kernel may
// lack the family altogether.
func (d *Door) commit() error {
	s := &d.state
	for f := range families {
		if s.size[f] == 0 && (s.built[f] || s.unknown[f]) {
			newTable(&d.options, f, s.drop).remove(d.wire.Draft)
			if err := d.wire.Flush(); err != nil && s.built[f] {
				return err
			}
			s.forget(f)
		}
	}
	for f := range families {
		if s.size[f] == 0 {
			continue
		}
		if err := d.fill(f); err != nil {
			return errors.Join(err, d.wire.Dial()) // with an empty queue
		}
	}
	return d.wire.Flush()
}

// forget notes that a family has no table.
func (s *state) forget(f family) {
	s.built[f], s.unknown[f] = false, false
	for e := range s.stands {
		if familyOf[e.set] == f {
			delete(s.stands, e)
		}
	}
}

// fill asks for what a family lacks: everything, or a few elements.
func (d *Door) fill(f family) error {
	s := &d.state
	t := newTable(&d.options, f, s.drop)
	if !s.built[f] || s.unknown[f] {
		if err := t.build(d.wire.Draft); err != nil {
			return err
		}
		all := make([]element, 0, s.size[f])
		for e := range s.count {
			if familyOf[e.set] == f {
				all = append(all, e)
			}
		}
		return t.change(all, d.wire.Draft.SetAddElements)
	}
	var add, remove []element
	for e := range s.touched {
		switch {
		case familyOf[e.set] != f:
		case s.count[e] > 0 && !s.stands[e]:
			add = append(add, e)
		case s.count[e] == 0 && s.stands[e]:
			remove = append(remove, e)
		}
	}
	// A map's entry that points elsewhere now is another element: the old one
	// makes room first.
	if err := t.change(remove, d.wire.Draft.SetDeleteElements); err != nil {
		return err
	}
	return t.change(add, d.wire.Draft.SetAddElements)
}

// change hands elements to do, set by set, in messages of bounded size.
func (t *table) change(list []element, do func(*nftables.Set, []nftables.SetElement) error) error {
	var parts [sets][]nftables.SetElement
	for _, e := range list {
		v := nftables.SetElement{Key: []byte(e.key)}
		if t.sets[e.set].IsMap {
			v.Val = []byte(e.data)
		}
		parts[e.set] = append(parts[e.set], v)
	}
	for s, part := range parts {
		for len(part) > 0 {
			n := min(len(part), maxElements)
			if err := do(t.sets[s], part[:n]); err != nil {
				return err
			}
			part = part[n:]
		}
	}
	return nil
}
