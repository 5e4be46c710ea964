package bus

import (
	"context"
	"sync"
	"time"
)

// A bus that is not there is tried again at growing distances.
const (
	firstAgain = time.Second
	lastAgain  = time.Minute
)

// leastQueue is how many signals may wait for a slow bus, however few instances
// there are. Of more the oldest are forgotten.
const leastQueue = 1024

// signal is something to say.
type signal struct {
	path, member string
	state        State // of VrrpStatusChange
}

// Door is the presence on the bus. Make one with New.
type Door struct {
	opt    Options
	places chan struct{} // of calls
	wake   chan struct{} // something below has changed
	done   chan struct{} // closed once it has left the bus for good

	mu     sync.Mutex
	tree   *tree // nil: it is not to be on the bus
	live   bool  // it is on the bus: what happens is queued
	queue  []signal
	lost   bool // signals were forgotten, and that was told
	closed bool
}

// New makes a door that is not on the bus.
func New(opt Options) *Door {
	d := &Door{opt: opt, places: make(chan struct{}, calls), wake: make(chan struct{}, 1), done: make(chan struct{})}
	go d.run()
	return d
}

// Set says what is to be seen from now on, nil for nothing: then it leaves the
// bus. What is new, or in another state than was told, is told; reloaded says
// that the configuration was read anew. It does not wait for the bus.
func (d *Door) Set(p *Presence, reloaded bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.tree
	d.tree = nil
	if p != nil {
		d.tree = grow(p)
		for _, name := range d.tree.hidden {
			d.opt.Log("D-Bus: %s is not shown: another instance has its interface, virtual_router_id and family", name)
		}
	}
	if d.live && was != nil && d.tree != nil && was.service == d.tree.service {
		d.renew(was, reloaded)
	}
	d.poke()
}

// renew tells how the tree differs from the one before.
func (d *Door) renew(was *tree, reloaded bool) {
	if reloaded {
		d.say(signal{path: d.tree.general, member: "VrrpReloaded"})
	}
	for _, o := range d.tree.objects {
		if old := was.byPath[o.path]; old == nil || old.state != o.state {
			d.say(o.change())
		}
	}
}

// change is the signal of an object's state.
func (o *object) change() signal {
	return signal{path: o.path, member: "VrrpStatusChange", state: o.state}
}

// Tell says that an instance has another state. One that is gone has no other
// any more: its name may be another's from now on. It does not wait for the bus.
func (d *Door) Tell(instance string, s State, gone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tree == nil || d.tree.byName[instance] == nil {
		return
	}
	o := d.tree.byName[instance]
	o.state = s
	if gone {
		delete(d.tree.byName, instance)
	}
	d.say(o.change())
	d.poke()
}

// say queues a signal. Nobody hears what is said before the bus is there.
func (d *Door) say(s signal) {
	if !d.live {
		return
	}
	if len(d.queue) >= max(leastQueue, 4*len(d.tree.objects)) {
		d.queue = d.queue[1:]
		if !d.lost {
			d.lost = true
			d.opt.Log("D-Bus: the bus takes no signals; the oldest are left out")
		}
	}
	d.queue = append(d.queue, s)
}

// poke wakes the goroutine of the connection.
func (d *Door) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// at finds what is at a path: a copy of the object there, nil for none.
func (d *Door) at(path string) (*tree, *object) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tree == nil || d.tree.byPath[path] == nil {
		return d.tree, nil
	}
	o := *d.tree.byPath[path]
	return d.tree, &o
}

// Close leaves the bus for good, with a word to those who listen. It waits for
// the bus until ctx ends.
func (d *Door) Close(ctx context.Context) {
	d.mu.Lock()
	d.closed, d.tree = true, nil
	d.mu.Unlock()
	d.poke()
	select {
	case <-d.done:
	case <-ctx.Done():
	}
}

// run is on the bus for as long as it is to be.
func (d *Door) run() {
	defer close(d.done)
	pause, told := firstAgain, ""
	for {
		select {
		case <-d.wake: // what it was for is seen now
		default:
		}
		service, closed := d.wanted()
		switch {
		case closed:
			return
		case service == "":
			<-d.wake
			continue
		}
		began := time.Now()
		err := d.attend(service)
		if err == nil {
			pause, told = firstAgain, ""
			continue
		}
		if time.Since(began) > pause { // it stood meanwhile
			pause, told = firstAgain, ""
		}
		if err.Error() != told {
			told = err.Error()
			d.opt.Log("D-Bus: %v; tried again at growing distances", err)
		}
		d.rest(pause)
		pause = min(2*pause, lastAgain)
	}
}

// wanted is the name to take, "" for none.
func (d *Door) wanted() (service string, closed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tree != nil {
		service = d.tree.service
	}
	return service, d.closed
}

// rest waits, but not beyond the next change of what is wanted.
func (d *Door) rest(pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.wake:
	}
}
