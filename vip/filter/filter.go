// Package filter keeps one nftables table for each address family. It drops
// what is sent to and from virtual addresses that are not to be accepted
// (RFC 9568 section 6.1, Accept_Mode), and keeps VMACs from speaking where only
// the interface below should: a MAC that reports multicast membership or answers
// for another's address moves in every switch. Why any of it is wanted is not
// known here. Tables of other names are never touched.
package filter

import (
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"keepgo/internal/nfwire"
)

const (
	// DefaultTable is the name of the tables where none is configured.
	DefaultTable = "keepalived"
	// DefaultPriority of the base chains: just before filter (nftables_priority).
	DefaultPriority = -1
)

// Address is one whose packets are dropped, but for IPv6 neighbour discovery.
type Address struct {
	Addr netip.Addr
	// Link and Index are the interface of a link-local address, which only there
	// means this host; of others they do not matter.
	Link  string
	Index int
}

// Guard keeps one VMAC quiet: IGMP and MLD reports leave through the interface
// below instead, router solicitations are dropped.
type Guard struct {
	Link  string
	Index int
	Base  int // index of the interface below
	// Families the VMAC speaks.
	IPv4, IPv6 bool
	// Shared is the link-local address that both interfaces have: the VMAC shall
	// not answer for it. The zero value means none.
	Shared netip.Addr
}

// Want is what an owner wants.
type Want struct {
	Drop   []Address
	Guards []Guard
}

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of Event, with the fields they carry.
const (
	// Applied: the last Set of Owner is in force. Drop is that of its Want, not to
	// be changed.
	Applied EventKind = iota
	// Restored: another hand took something out of the tables, and they were
	// built anew. By is the program and its process, "" if unknown.
	Restored
	// Failed: nothing of what changed is in force, Err says why and what to do.
	// It is tried again; Err is told once.
	Failed
	// Warned: Err says what is in force in another way than intended.
	Warned
)

// Event is something the door has to tell; fields that its kind does not
// mention are zero.
type Event struct {
	Kind  EventKind
	Owner int
	Drop  []Address
	By    string
	Err   error
}

// Options of a Door.
type Options struct {
	// Notify is called from the door's goroutine, so it must not block; it may
	// call the door.
	Notify func(Event)
	// Table is the name of the tables; "" means DefaultTable.
	Table string
	// Priority of the base chains.
	Priority int32
	// ByIndex names interfaces by their index: faster by little, but what is set
	// for an interface ends with it (nftables_ifindex).
	ByIndex bool
	// Counters counts the packets of every rule (nftables_counters).
	Counters bool
	// DropReports drops the VMACs' IGMP and MLD reports instead of sending them
	// out of the interface below. The door does so by itself where the kernel
	// lacks nft_dup.
	DropReports bool
}

// Door is the way to the tables of one network namespace.
type Door struct {
	options Options
	wire    *nfwire.Wire
	closing chan struct{}
	closed  sync.Once
	done    chan struct{}
	wake    chan struct{}

	box struct { // what callers want and the goroutine has not taken yet
		sync.Mutex
		owners []int
		wants  map[int]Want
	}
	state state // the goroutine's own
}

// Open enters the network namespace of the calling thread. Nothing is changed
// before the first Set; that replaces tables of the name from an earlier life.
// It needs CAP_NET_ADMIN.
func Open(o Options) (*Door, error) {
	if o.Notify == nil {
		o.Notify = func(Event) {}
	}
	if o.Table == "" {
		o.Table = DefaultTable
	}
	d := &Door{
		options: o,
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		wake:    make(chan struct{}, 1),
		state:   newState(),
	}
	d.box.wants = make(map[int]Want)
	var err error
	if d.wire, err = nfwire.Open(d.options.harms, d.done); err != nil {
		return nil, explain(err)
	}
	go d.wire.Listen()
	go d.run()
	return d, nil
}

// harms reports whether another program took something out of our tables, or
// switched one off.
func (o *Options) harms(c nfwire.Change) bool {
	return c.Removes() && c.Table == o.Table && (c.Family == unix.NFPROTO_IPV4 || c.Family == unix.NFPROTO_IPV6)
}

// Set replaces what an owner wants. It never blocks; a want that was not
// carried out yet is forgotten for the newer one. The door keeps want: it must
// not be changed afterwards. When nobody wants anything of a family, its table
// is deleted.
func (d *Door) Set(owner int, want Want) {
	d.box.Lock()
	if _, waits := d.box.wants[owner]; !waits {
		d.box.owners = append(d.box.owners, owner)
	}
	d.box.wants[owner] = want
	d.box.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Close carries out what was Set last and stops. What is wanted then stays in
// force: to delete the tables, Set every owner to the zero Want before.
func (d *Door) Close() error {
	var err error
	d.closed.Do(func() {
		close(d.closing)
		<-d.done
		err = d.wire.Close()
	})
	return err
}
