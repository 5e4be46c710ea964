// Package genl is the door to the kernel's IPVS: generic netlink, family "IPVS"
// of linux/ip_vs.h. It keeps the services, the timeouts and the sync daemons it
// was given as they should be, and leaves every other service of the table
// alone.
package genl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"keepgo/ipvsctl"
)

// DefaultRepair is how often a Door looks whether what it was given still
// stands.
const DefaultRepair = time.Second

// attempts bounds how often a service is read again and corrected in one go
// while another hand changes it too.
const attempts = 3

// ErrClosed is the answer of a Door after Close.
var ErrClosed = errors.New("IPVS: closed")

// Options say how a Door works; the zero value is good.
type Options struct {
	// Repair is the time between two looks at the table; 0 means
	// DefaultRepair, less means never. A look at a very large table takes its
	// time, and the next one comes the later.
	Repair time.Duration
	// Report hears events, one at a time, from the door's goroutine. It must
	// not call the door. The same failure is told once, not at every look.
	Report func(Event)
}

// Door holds services, timeouts and sync daemons in the kernel. Its methods are
// safe for concurrent use.
type Door struct {
	opt  Options
	wake chan struct{}
	do   chan func()
	stop context.CancelFunc
	done <-chan struct{} // closed by stop
	gone chan struct{}   // closed when the goroutine has ended

	mu     sync.Mutex
	want   ipvsctl.Table                   // canonical; what was last Set
	dirty  map[ipvsctl.ServiceKey]struct{} // Set since they were last applied
	config config
	idle   bool                            // what others change is left alone
	left   map[ipvsctl.ServiceKey]struct{} // services that are, though idle is not set
	legacy map[ipvsctl.ServiceKey]struct{} // of a Door before, until they are not wanted any more

	// Of the goroutine alone.
	home   *namespace
	conn   *conn         // nil after trouble
	have   ipvsctl.Table // what the kernel is believed to hold of ours
	failed map[subject]string
	look   look
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
		want: ipvsctl.Table{}, dirty: map[ipvsctl.ServiceKey]struct{}{}, left: map[ipvsctl.ServiceKey]struct{}{},
		home: home, conn: c, have: ipvsctl.Table{}, failed: map[subject]string{},
	}
	go d.run()
	return d, nil
}

// Set gives the newest want of the services that changed, and the services
// that are not wanted any more, ours or inherited. It never blocks: the kernel
// follows soon, and trouble is reported. A service that already stands is adopted: it is changed
// where it differs and keeps its connections.
func (d *Door) Set(changed ipvsctl.Table, removed []ipvsctl.ServiceKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range removed {
		k = k.Canonical()
		delete(d.left, k)
		_, ours := d.want[k]
		_, legacy := d.legacy[k]
		if ours || legacy {
			delete(d.want, k)
			delete(d.legacy, k)
			d.dirty[k] = struct{}{}
		}
	}
	for k, e := range changed {
		k = k.Canonical()
		d.want[k] = e.Canonical(k)
		d.dirty[k] = struct{}{}
		delete(d.left, k)
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

// Leave says whether what others change is left as they made it. Without it, it
// is put back at the next look.
func (d *Door) Leave(it bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = it
}

// Inherit says which services a Door before this one left standing: those count
// as ours where they are not wanted any more.
func (d *Door) Inherit(keys []ipvsctl.ServiceKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.legacy = make(map[ipvsctl.ServiceKey]struct{}, len(keys))
	for _, k := range keys {
		d.legacy[k.Canonical()] = struct{}{}
	}
}

// Yield leaves one service as another hand made it, until it is Set again.
func (d *Door) Yield(k ipvsctl.ServiceKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left[k.Canonical()] = struct{}{}
}

// Look reads everything of ours now, puts back what another hand changed, and
// waits until that is done.
func (d *Door) Look() error {
	return d.call(func() {
		d.settle()
		d.startLook(true)
		for d.look.on {
			d.lookNext()
		}
	})
}

// Clear takes what is ours out of the kernel, and waits until it is gone: the
// sync daemons, the timeouts, which become what they were, and the services.
// Services of others stay, unless whole says to empty the table in one go.
func (d *Door) Clear(whole bool) (err error) {
	closed := d.call(func() {
		d.mu.Lock()
		for k := range d.want {
			delete(d.want, k)
			d.dirty[k] = struct{}{}
		}
		d.config.clear()
		d.mu.Unlock()
		d.settleConfig()
		if whole {
			err = d.flush()
		}
		d.settle()
	})
	return errors.Join(closed, err)
}

// Flush empties the kernel's whole table, of others' services too, then puts
// back ours.
func (d *Door) Flush() (err error) {
	closed := d.call(func() {
		if err = d.flush(); err == nil {
			d.settle()
		}
	})
	return errors.Join(closed, err)
}

// flush empties the table; what is wanted is to be set again.
func (d *Door) flush() error {
	if err := d.connect(); err != nil {
		return err
	}
	if err := d.conn.flush(); err != nil {
		return err
	}
	clear(d.have)
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.dirty)
	for k := range d.want {
		d.dirty[k] = struct{}{}
	}
	return nil
}

// Zero sets the counters of the given services, and of their servers, to 0.
func (d *Door) Zero(keys ...ipvsctl.ServiceKey) (err error) {
	closed := d.call(func() {
		if err = d.connect(); err != nil {
			return
		}
		for _, k := range keys {
			if e := d.conn.order(cmdZero, serviceOnly(k.Canonical())); e != nil {
				err = errors.Join(err, fmt.Errorf("IPVS: cannot zero the counters of %s: %w", k, e))
			}
		}
	})
	return errors.Join(closed, err)
}

// Usage reads the counters of every service of ours, a few at a time, so that
// changes need not wait. A service that does not stand is left out.
func (d *Door) Usage() (map[ipvsctl.ServiceKey]ipvsctl.Usage, error) {
	usage := map[ipvsctl.ServiceKey]ipvsctl.Usage{}
	for keys := range slices.Chunk(d.ours(), few) {
		var err error
		closed := d.call(func() { err = d.readUsage(keys, usage) })
		if err = errors.Join(closed, err); err != nil {
			return usage, err
		}
	}
	return usage, nil
}

// Daemons reads which sync daemons the kernel runs, whoever started them.
func (d *Door) Daemons() (have ipvsctl.Daemons, err error) {
	closed := d.call(func() {
		if err = d.connect(); err == nil {
			have, err = d.conn.daemons()
		}
	})
	return have, errors.Join(closed, err)
}

func (d *Door) readUsage(keys []ipvsctl.ServiceKey, usage map[ipvsctl.ServiceKey]ipvsctl.Usage) error {
	if err := d.connect(); err != nil {
		return err
	}
	for _, k := range keys {
		u, stands, err := d.conn.usage(k)
		if err != nil {
			return err
		}
		if stands {
			usage[k] = u
		}
	}
	return nil
}

// ours is the keys of what is wanted, in order.
func (d *Door) ours() []ipvsctl.ServiceKey {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.SortedFunc(maps.Keys(d.want), ipvsctl.ServiceKey.Compare)
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
	if d.opt.Repair > 0 {
		d.look.timer = time.NewTimer(d.opt.Repair)
		defer d.look.timer.Stop()
	}
	for d.turn() {
	}
}

// turn does the next thing; a look goes one service at a time, so that news
// never waits for it to end.
func (d *Door) turn() bool {
	var looking chan struct{}
	if d.look.on {
		looking = make(chan struct{})
		close(looking)
	}
	select {
	case <-d.done:
		return false
	case <-d.wake:
		d.settle()
	case f := <-d.do:
		f()
	case <-d.look.due():
		d.startLook(false)
	case <-looking:
		d.lookNext()
	}
	return true
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
