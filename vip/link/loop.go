package link

import (
	"fmt"
	"time"
)

const (
	// pause is the least time between two looks the kernel's reports cause: a
	// flapping interface shall not keep a processor busy.
	pause = 50 * time.Millisecond
	// retry is when what failed is tried again though nothing was reported.
	retry = 5 * time.Second
)

// run is the door's goroutine.
func (d *Door) run() {
	defer close(d.done)
	if err := d.enter(); err != nil {
		d.notify(Event{Kind: Failed, Owner: NoOwner, Err: fmt.Errorf("entering the network namespace: %w; it needs CAP_SYS_ADMIN", err)})
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var looked time.Time
	for {
		select {
		case <-d.wake:
		case batch := <-d.changes:
			if d.concerned(batch) {
				timer.Reset(time.Until(looked.Add(pause)))
			}
			continue
		case ev := <-d.tests:
			d.tested(ev)
			continue
		case <-timer.C:
		case <-d.closing:
			d.takeWants()
			d.settle()
			return
		}
		d.takeWants()
		next := time.Hour
		if !d.settle() {
			next = retry
		}
		looked = time.Now()
		timer.Reset(next)
	}
}

// concerned reports whether one of the changes can matter: any of links, and of
// addresses those on our interfaces and the ones below them.
func (d *Door) concerned(batch []change) bool {
	for _, c := range batch {
		if !c.address {
			return true
		}
		for _, e := range d.state.order {
			if e.addressed() && (c.index == e.index || c.index == e.baseIx) {
				return true
			}
		}
	}
	return false
}

// addressed reports whether an address belongs to the interface.
func (e *entry) addressed() bool { return e.want.LinkLocal || e.want.Address.IsValid() }

// takeWants notes what callers left in the box.
func (d *Door) takeWants() {
	d.box.Lock()
	owners, wants := d.box.owners, d.box.wants
	d.box.owners, d.box.wants = nil, make(map[int]Want)
	d.state.cleaned = d.state.cleaned || d.box.clean
	d.box.Unlock()
	for _, owner := range owners {
		d.state.want(owner, wants[owner])
	}
}

// settle makes the kernel agree with what is wanted, in the order that leaves
// no interface up without its sysctls. It reports whether nothing is left to do.
func (d *Door) settle() bool {
	v, err := d.look()
	if err != nil {
		d.fault("links", fmt.Errorf("reading the interfaces: %w", err))
		return false
	}
	d.fault("links", nil)
	for _, e := range d.state.sweep() {
		d.drop(v, e)
	}
	for _, e := range d.state.order {
		d.bind(v, e)
	}
	d.dropLeftovers(v)
	d.save()
	for _, e := range d.state.order {
		d.create(v, e)
	}
	whole := d.settleSysctls(v)
	for _, e := range d.state.order {
		whole = d.complete(v, e) && whole
	}
	d.save()
	return whole
}

// save writes the state file; that it cannot be written stops nothing.
func (d *Door) save() {
	err := d.state.save()
	if err != nil {
		err = fmt.Errorf("noting what has to be put back: %w; after a crash the sysctls stay as they are set now", err)
	}
	d.fault("state file", err)
}

// fault tells of a trouble that belongs to no owner, once until it is over.
func (d *Door) fault(what string, err error) {
	if err == nil {
		delete(d.state.told, what)
		return
	}
	if d.state.told[what] != err.Error() {
		d.state.told[what] = err.Error()
		d.notify(Event{Kind: Failed, Owner: NoOwner, Err: err})
	}
}

// tell tells every owner of an entry.
func (d *Door) tell(e *entry, ev Event) { d.tellTo(e, e.owners, ev) }

// tellTo tells some of them.
func (d *Door) tellTo(e *entry, owners []int, ev Event) {
	ev.Link = e.want
	for _, owner := range owners {
		ev.Owner = owner
		d.notify(ev)
	}
}

// fail tells the owners why an interface is not as it should be, once.
func (d *Door) fail(e *entry, err error) {
	if text := err.Error(); e.failed != text {
		e.failed = text
		d.tell(e, Event{Kind: Failed, Err: err})
	}
}

// warn tells the owners of something that stops nothing, once.
func (d *Door) warn(e *entry, err error) {
	if text := err.Error(); e.warned != text {
		e.warned = text
		d.tell(e, Event{Kind: Warned, Err: err})
	}
}
