// Package nft is the same table of services as package genl keeps in IPVS, kept
// in nftables, for kernels that have no IPVS: one table of each address family,
// and two for direct routing, with a chain for each service. Connections are tracked by the kernel, so what
// stands is not disturbed by what changes. Tables of other names are never
// touched.
package nft

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/nfwire"
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
	Recovered             // everything stands as it should after a failure
	Repaired              // another hand had changed the tables, and they were built anew; By is the program, "" if unknown
)

// Event is news from a Door. Fields that its kind does not mention are zero.
type Event struct {
	Kind Kind
	By   string
	Err  error
}

// Options say how a Door works; the zero value is good.
type Options struct {
	// Report hears events, one at a time, from the door's goroutine. It must not
	// call the door. The same failure is told once.
	Report func(Event)
	// SourcesOnly leaves the balancing to IPVS and gives the connections of
	// FULLNAT services another source, no more. IPVS must track its connections
	// (net.ipv4.vs.conntrack).
	SourcesOnly bool
}

// Door holds services in nftables. Its methods are safe for concurrent use.
type Door struct {
	opt     Options
	wire    *nfwire.Wire
	gone    chan struct{} // closed when the goroutine has ended
	leave   atomic.Bool
	wake    chan struct{}
	do      chan func()
	closing chan struct{}
	closed  sync.Once

	mu    sync.Mutex
	want  ipvsctl.Table                   // canonical, and possible
	dirty map[ipvsctl.ServiceKey]struct{} // Set since they were last applied
	heard *ipvsctl.Ways                   // SetWays since they were last applied

	// Of the goroutine alone.
	have     ipvsctl.Table
	left     flows // of servers that left
	ways     ipvsctl.Ways
	members  [families]int  // services of have, by the table they stand in
	built    [families]bool // it is known what stands in the table
	stands   [families]bool // the table may be there
	kept     [families]*kept
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
		opt: opt, gone: make(chan struct{}), wake: make(chan struct{}, 1), do: make(chan func()),
		closing: make(chan struct{}), adopt: true,
		want: ipvsctl.Table{}, dirty: map[ipvsctl.ServiceKey]struct{}{}, left: flows{},
	}
	d.forget()
	var err error
	if d.wire, err = nfwire.Open(harms, d.gone); err != nil {
		return nil, explain(err)
	}
	go d.wire.Listen()
	go d.run()
	return d, nil
}

// Set gives the newest want of the services that changed, and the services that
// are not wanted any more. It never blocks: the kernel follows soon, and trouble
// is reported. What nftables cannot do (see ipvsctl.BeyondNFTables) is left out
// and returned; nil if there is none.
func (d *Door) Set(changed ipvsctl.Table, removed []ipvsctl.ServiceKey) (refused map[ipvsctl.ServiceKey]error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range removed {
		d.unwant(k.Canonical())
	}
	for k, e := range changed {
		k = k.Canonical()
		e = e.Canonical(k)
		if err := d.beyond(k, e); err != nil {
			if refused == nil {
				refused = map[ipvsctl.ServiceKey]error{}
			}
			refused[k] = err
			d.unwant(k)
			continue
		}
		if old, wanted := d.want[k]; wanted && old.Service == e.Service && maps.Equal(old.Destinations, e.Destinations) {
			continue // written anew, it would begin its turns anew
		}
		d.want[k] = e
		d.dirty[k] = struct{}{}
	}
	d.nudge()
	return refused
}

// SetWays gives the newest ways to servers of direct routing (see package neigh).
// A server takes connections once there is one. It never blocks, and keeps w.
func (d *Door) SetWays(w ipvsctl.Ways) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = &w
	d.nudge()
}

// nudge has the goroutine look.
func (d *Door) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// turnWays takes in the newest ways: services whose servers are reached in another
// way are dirty. d.mu is held.
func (d *Door) turnWays(dirty map[ipvsctl.ServiceKey]struct{}) {
	if d.heard == nil {
		return
	}
	old := d.ways.Hops
	d.ways, d.heard = *d.heard, nil
	d.kept[directFour].rewire, d.kept[directSix].rewire = true, true
	for k, e := range d.want {
		for dk := range e.Destinations {
			if e.Direct() && old[dk.Addr] != d.ways.Hops[dk.Addr] {
				dirty[k] = struct{}{}
			}
		}
	}
}

// beyond says what of a service is not possible. Of sources only, marks are not.
func (d *Door) beyond(k ipvsctl.ServiceKey, e ipvsctl.Entry) error {
	if d.opt.SourcesOnly {
		e = ipvsctl.Entry{Service: ipvsctl.Service{Scheduler: "rr", Source: e.Service.Source}}
	}
	return ipvsctl.BeyondNFTables(k, e)
}

// unwant notes that a service shall not stand; d.mu is held.
func (d *Door) unwant(k ipvsctl.ServiceKey) {
	if _, ours := d.want[k]; ours {
		delete(d.want, k)
		d.dirty[k] = struct{}{}
	}
}

// Leave says that what others change stays as they changed it, or no longer.
func (d *Door) Leave(it bool) { d.leave.Store(it) }

// Sync waits until everything Set before has been applied, as far as the kernel
// let it.
func (d *Door) Sync() error { return d.call(func() { d.settle() }) }

// Read is what stands in the kernel, read back from it.
func (d *Door) Read() (t ipvsctl.Table, err error) {
	closed := d.call(func() { t, err = d.read() })
	return t, errors.Join(closed, err)
}

// Usage is what went through our services. Packets and bytes are counted for
// each address, port and protocol of a server, so services that share one have
// the same; servers without a port have none. Nobody knows how many connections
// are open.
func (d *Door) Usage() (usage map[ipvsctl.ServiceKey]ipvsctl.Usage, err error) {
	closed := d.call(func() { usage, err = d.usage() })
	return usage, errors.Join(closed, err)
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
		d.wire.Close()
	})
}

// harms reports whether another program's change is to a table of a Door's.
// Elements that come are no harm: the kernel notes clients by itself.
func harms(c nfwire.Change) bool {
	if !c.Removes() && c.Kind != unix.NFT_MSG_NEWRULE {
		return false
	}
	switch c.Family {
	case unix.NFPROTO_IPV4, unix.NFPROTO_IPV6:
		return c.Table == TableName
	case unix.NFPROTO_NETDEV:
		return slices.Contains(directNames[:], c.Table)
	}
	return false
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
