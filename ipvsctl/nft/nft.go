// Package nft is the same table of services as package genl keeps in IPVS, kept
// in nftables, for kernels that have no IPVS: one table of each address family,
// with a chain for each service. Connections are tracked by the kernel, so what
// stands is not disturbed by what changes. Tables of other names are never
// touched.
package nft

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"keepgo/ipvsctl"
)

// TableName is the name of the tables.
const TableName = "keepgo_services"

// ErrClosed is the answer of a Door after Close.
var ErrClosed = errors.New("nftables: closed")

// Kind is what an Event tells.
type Kind uint8

// The events of a Door.
const (
	Failed    Kind = iota // Err; it is tried again
	Refused               // nftables cannot do what Service asks for, Err says what; it is left out
	Recovered             // everything stands as it should after a failure
	Repaired              // another hand had changed the tables, and they were built anew; By is the program, "" if unknown
)

// Event is news from a Door. Fields that its kind does not mention are zero.
type Event struct {
	Kind    Kind
	Service ipvsctl.ServiceKey
	By      string
	Err     error
}

// Counters is what a destination has got since it was put in.
type Counters struct {
	Connections uint64
	// Packets and bytes to and from the destination, through all services that
	// share its address and port. They count only destinations with a port.
	InPackets, InBytes, OutPackets, OutBytes uint64
}

// Options say how a Door works; the zero value is good.
type Options struct {
	// Report hears events, one at a time, from the door's goroutine. It must not
	// call the door. The same failure is told once.
	Report func(Event)
}

// Door holds services in nftables. Its methods are safe for concurrent use.
type Door struct {
	opt     Options
	conn    *nftables.Conn
	socket  *netlink.Conn // under conn
	port    atomic.Uint32 // conn's address: its changes are our own
	events  *netlink.Conn
	space   *os.File // the namespace
	damages chan string
	wake    chan struct{}
	do      chan func()
	closing chan struct{}
	closed  sync.Once
	gone    chan struct{} // closed when the goroutine has ended

	mu    sync.Mutex
	want  ipvsctl.Table                   // canonical, and possible
	dirty map[ipvsctl.ServiceKey]struct{} // Set since they were last applied
	news  []Event                         // refusals that were not told yet

	// Of the goroutine alone.
	have     ipvsctl.Table
	built    [families]bool
	adopt    bool // what stands has not been looked at yet
	failed   string
	damaged  bool
	by       string
	repaired time.Time
}

// Open enters the network namespace of the calling thread. What an earlier life
// left in the tables is adopted by the first Set; nothing is changed before. It
// needs CAP_NET_ADMIN.
func Open(opt Options) (*Door, error) {
	if opt.Report == nil {
		opt.Report = func(Event) {}
	}
	d := &Door{
		opt: opt, damages: make(chan string, 4), wake: make(chan struct{}, 1), do: make(chan func()),
		closing: make(chan struct{}), gone: make(chan struct{}), adopt: true,
		want: ipvsctl.Table{}, dirty: map[ipvsctl.ServiceKey]struct{}{},
	}
	if err := d.open(); err != nil {
		d.release()
		return nil, explain(err)
	}
	go d.listen()
	go d.run()
	return d, nil
}

// Set gives the newest want of the services that changed, and the services that
// are not wanted any more. It never blocks: the kernel follows soon, and trouble
// is reported. What nftables cannot do (see Refuse) is reported and left out.
func (d *Door) Set(changed ipvsctl.Table, removed []ipvsctl.ServiceKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range removed {
		d.unwant(k.Canonical())
	}
	for k, e := range changed {
		k = k.Canonical()
		e = e.Canonical(k)
		if err := Refuse(k, e); err != nil {
			d.news = append(d.news, Event{Kind: Refused, Service: k, Err: err})
			d.unwant(k)
			continue
		}
		d.want[k] = e
		d.dirty[k] = struct{}{}
	}
	d.nudge()
}

// unwant notes that a service shall not stand; d.mu is held.
func (d *Door) unwant(k ipvsctl.ServiceKey) {
	if _, ours := d.want[k]; ours {
		delete(d.want, k)
		d.dirty[k] = struct{}{}
	}
}

func (d *Door) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Sync waits until everything Set before has been applied, as far as the kernel
// let it.
func (d *Door) Sync() error { return d.call(func() { d.settle() }) }

// Read is what stands in the kernel, read back from it.
func (d *Door) Read() (t ipvsctl.Table, err error) {
	closed := d.call(func() { t, err = d.read() })
	return t, errors.Join(closed, err)
}

// Counters are those of every destination.
func (d *Door) Counters() (all map[ipvsctl.ServiceKey]map[ipvsctl.DestKey]Counters, err error) {
	closed := d.call(func() { all, err = d.count() })
	return all, errors.Join(closed, err)
}

// Clear removes our services, and the tables with them, and waits until they are
// gone.
func (d *Door) Clear() (err error) {
	closed := d.call(func() {
		d.mu.Lock()
		clear(d.want)
		clear(d.dirty)
		d.mu.Unlock()
		err = d.raze()
	})
	return errors.Join(closed, err)
}

// Flush builds everything anew, without the counters and the memory of
// persistence that are there.
func (d *Door) Flush() (err error) {
	closed := d.call(func() {
		if err = d.raze(); err == nil {
			d.settle()
		}
	})
	return errors.Join(closed, err)
}

// Close ends the door. What it put into the kernel stays there.
func (d *Door) Close() {
	d.closed.Do(func() {
		close(d.closing)
		<-d.gone
		d.release()
	})
}

// call runs f on the door's goroutine and waits for it.
func (d *Door) call(f func()) error {
	ran := make(chan struct{})
	select {
	case d.do <- func() { defer close(ran); f() }:
	case <-d.gone:
		return ErrClosed
	}
	<-ran
	return nil
}
