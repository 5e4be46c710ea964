// Package genl is the door to the kernel's IPVS table: generic netlink, family
// "IPVS" of linux/ip_vs.h. It keeps the services it was given as they should
// be and leaves every other service of the table alone.
package genl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"keepgo/ipvsctl"
)

// DefaultRepair is how often a Door looks whether its services still stand.
const DefaultRepair = 10 * time.Second

const (
	// attempts bounds how often a service is read again and corrected in one
	// go while another hand changes it too.
	attempts = 3
	// shownErrors bounds how many refusals of one service an event spells out.
	shownErrors = 5
)

// ErrClosed is the answer of a Door after Close.
var ErrClosed = errors.New("IPVS: closed")

// Kind is what an Event tells.
type Kind uint8

// The events of a Door.
const (
	Failed    Kind = iota // Err; it is tried again at the next look and the next Set
	Recovered             // the service stands as it should after a failure
	Repaired              // another hand had changed the service; Ops put it back
)

// Event is news from a Door. Service is the zero value where the whole table
// is concerned.
type Event struct {
	Kind    Kind
	Service ipvsctl.ServiceKey
	Err     error
	Ops     []ipvsctl.Op
}

// Options say how a Door works; the zero value is good.
type Options struct {
	// Repair is the time between two looks at the table; 0 means
	// DefaultRepair, less means never.
	Repair time.Duration
	// Report hears events, one at a time, from the door's goroutine. It must
	// not call the door. The same failure is told once, not at every look.
	Report func(Event)
}

// Door holds services in the kernel's table. Its methods are safe for
// concurrent use.
type Door struct {
	opt  Options
	wake chan struct{}
	do   chan func()
	stop context.CancelFunc
	done <-chan struct{} // closed by stop
	gone chan struct{}   // closed when the goroutine has ended

	mu    sync.Mutex
	want  ipvsctl.Table                   // canonical; what was last Set
	dirty map[ipvsctl.ServiceKey]struct{} // Set since they were last applied

	// Of the goroutine alone.
	home   *namespace
	conn   *conn         // nil after trouble
	have   ipvsctl.Table // what the kernel is believed to hold of ours
	queue  []ipvsctl.ServiceKey
	failed map[ipvsctl.ServiceKey]string // last failure told
}

// Open opens the IPVS table of the calling thread's network namespace, loading
// the ip_vs module if need be. The error is ErrNoIPVS where the kernel has
// none.
func Open(opt Options) (*Door, error) {
	if opt.Repair == 0 {
		opt.Repair = DefaultRepair
	}
	if opt.Report == nil {
		opt.Report = func(Event) {}
	}
	home, err := currentNamespace()
	if err != nil {
		return nil, err
	}
	c, err := dial()
	if err != nil {
		home.close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &Door{
		opt: opt, wake: make(chan struct{}, 1), do: make(chan func()),
		stop: cancel, done: ctx.Done(), gone: make(chan struct{}),
		want: ipvsctl.Table{}, dirty: map[ipvsctl.ServiceKey]struct{}{},
		home: home, conn: c, have: ipvsctl.Table{}, failed: map[ipvsctl.ServiceKey]string{},
	}
	go d.run()
	return d, nil
}

// Set gives the newest want of the services that changed, and the services
// that are not wanted any more. It never blocks: the kernel follows soon, and
// trouble is reported. A service that already stands is adopted: it is changed
// where it differs and keeps its connections.
func (d *Door) Set(changed ipvsctl.Table, removed []ipvsctl.ServiceKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range removed {
		k = k.Canonical()
		if _, ours := d.want[k]; ours {
			delete(d.want, k)
			d.dirty[k] = struct{}{}
		}
	}
	for k, e := range changed {
		k = k.Canonical()
		d.want[k] = e.Canonical(k)
		d.dirty[k] = struct{}{}
	}
	d.nudge()
}

func (d *Door) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Sync waits until everything Set before has been applied, as far as the
// kernel let it.
func (d *Door) Sync() error { return d.call(d.settle) }

// Look reads every service of ours now, puts back what another hand changed,
// and waits until that is done.
func (d *Door) Look() error {
	return d.call(func() {
		d.settle()
		d.startLook()
		for len(d.queue) > 0 {
			d.lookNext()
		}
	})
}

// Clear removes our services from the kernel, and waits until they are gone.
// Services of others stay.
func (d *Door) Clear() error {
	return d.call(func() {
		d.mu.Lock()
		for k := range d.want {
			delete(d.want, k)
			d.dirty[k] = struct{}{}
		}
		d.mu.Unlock()
		d.settle()
	})
}

// Flush empties the kernel's whole table, of others' services too, then puts
// back ours.
func (d *Door) Flush() (err error) {
	closed := d.call(func() {
		if err = d.connect(); err != nil {
			return
		}
		if err = d.conn.flush(); err != nil {
			return
		}
		d.mu.Lock()
		for k := range d.want {
			d.dirty[k] = struct{}{}
		}
		d.mu.Unlock()
		clear(d.have)
		d.settle()
	})
	return errors.Join(closed, err)
}

// Close ends the door. What it put into the table stays there.
func (d *Door) Close() {
	d.stop()
	<-d.gone
}

// call runs f on the door's goroutine and waits for it.
func (d *Door) call(f func()) error {
	ran := make(chan struct{})
	select {
	case d.do <- func() { defer close(ran); f() }:
	case <-d.done:
		return ErrClosed
	}
	<-ran
	return nil
}

func (d *Door) run() {
	defer close(d.gone)
	defer d.drop()
	defer d.home.close()
	var looks <-chan time.Time
	if d.opt.Repair > 0 {
		ticker := time.NewTicker(d.opt.Repair)
		defer ticker.Stop()
		looks = ticker.C
	}
	for d.turn(looks) {
	}
}

// turn does the next thing; a look goes one service at a time, so that news
// never waits for it to end.
func (d *Door) turn(looks <-chan time.Time) bool {
	idle := make(chan struct{})
	if len(d.queue) > 0 {
		close(idle)
	}
	select {
	case <-d.done:
		return false
	case <-d.wake:
		d.settle()
		return true
	case f := <-d.do:
		f()
		return true
	case <-looks:
		d.startLook()
		return true
	case <-idle:
		d.lookNext()
		return true
	}
}

// connect opens the sockets again after trouble.
func (d *Door) connect() error {
	if d.conn != nil {
		return nil
	}
	return d.home.within(func() (err error) {
		d.conn, err = dial()
		return err
	})
}

// drop closes the sockets and forgets what the kernel was believed to hold.
func (d *Door) drop() {
	if d.conn != nil {
		d.conn.close()
	}
	d.conn = nil
	clear(d.have)
}

// tell reports the outcome for a service: a failure that is news, or the end
// of one.
func (d *Door) tell(k ipvsctl.ServiceKey, err error) {
	was, failing := d.failed[k]
	switch {
	case err == nil && failing:
		delete(d.failed, k)
		d.opt.Report(Event{Kind: Recovered, Service: k})
	case err != nil && err.Error() != was:
		d.failed[k] = err.Error()
		d.opt.Report(Event{Kind: Failed, Service: k, Err: err})
	}
}

// joined is up to shownErrors of errs as one error; nil for none.
func joined(errs []error) error {
	if more := len(errs) - shownErrors; more > 0 {
		errs = append(slices.Clone(errs[:shownErrors]), fmt.Errorf("and %d more like these", more))
	}
	return errors.Join(errs...)
}
