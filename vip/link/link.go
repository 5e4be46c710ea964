// Package link makes the interfaces that virtual addresses stand on: macvlans
// with the virtual router's MAC (RFC 9568 section 7.3) and ipvlans. It sets the
// sysctls they need and puts the old values back when nobody needs them any
// more, even after a crash. Why an interface is wanted is not known here.
package link

import (
	"net/netip"
	"os"
	"sync"

	"github.com/mdlayher/netlink"
	rtnetlink "github.com/vishvananda/netlink"
)

// Kind says what a Link is.
type Kind uint8

const (
	// VMAC is a macvlan in private mode: two of them on one parent do not hear
	// each other.
	VMAC Kind = iota
	// IPVLAN is an ipvlan in L2 mode: an interface with its parent's MAC.
	IPVLAN
)

// Mode is what an ipvlan lets its siblings hear, IPVLAN_F_* of linux/if_link.h.
type Mode uint8

// The modes of an ipvlan.
const (
	Bridge Mode = iota
	Private
	VEPA
)

// Link is one interface. It is a comparable value: owners that want the same
// one share it.
type Link struct {
	Kind   Kind
	Parent string // the interface below it
	// Name is the interface's name; "" makes one of Prefix and VRID.
	Name   string
	Prefix string // "" means DefaultPrefix
	VRID   uint8
	IPv6   bool // of an IPv6 instance
	// MAC of a VMAC; the zero value means RouterMAC.
	MAC  [6]byte
	Mode Mode // of an ipvlan
	// Group is the link group, where OwnGroup is set; else it is the parent's.
	Group    uint32
	OwnGroup bool
	// NoIPv6 switches IPv6 off on the interface: an IPv4 instance without IPv6
	// addresses.
	NoIPv6 bool
	// LinkLocal puts the parent's link-local address on the interface, as the
	// source of IPv6 adverts, and follows its changes. Where the parent has
	// none, one is made of the parent's MAC (RFC 4291 appendix A).
	LinkLocal bool
	// Address is one to stand on the interface as long as it is there: that of
	// use_ipvlan. The zero value means none.
	Address netip.Prefix
	// Notify sets the parent's link group once to what it is, for programs that
	// wait for a netlink message about it (netlink_notify_msg).
	Notify bool
}

// Sysctl is a setting below /proc/sys/net to hold at a value.
type Sysctl struct {
	Path  string // below /proc/sys, such as net/ipv4/conf/eth0/promote_secondaries
	Value string
}

// Want is what an owner wants.
type Want struct {
	Links   []Link
	Sysctls []Sysctl
}

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of Event, with the fields they carry beside Owner and Link.
const (
	// Made: Link stands and is up, under Name and Index, on the interface Base
	// of BaseIndex. Source is the link-local address it was given. Told again
	// when any of these changes.
	Made EventKind = iota
	// Gone: the interface of Name vanished, by another hand or with its parent.
	// It is made again as soon as that is possible.
	Gone
	// Failed: Link could not be made or completed, Err says why and what to do.
	// It is tried again; Err is told once.
	Failed
	// Warned: Err says what is not as configured though everything works.
	Warned
	// Tested: whether a frame of Name was seen leaving through its parent; if
	// not, Err says so. The frame is no advert: no router takes notice of it.
	Tested
	// SysctlChanged: the setting of Path went from Old to New; Name is the
	// interface of ours it belongs to, "" for the host's own. No Owner or Link.
	SysctlChanged
)

// NoOwner is Event.Owner where a matter belongs to no owner.
const NoOwner = -1

// Event is something the door has to tell; fields that its kind does not
// mention are zero.
type Event struct {
	Kind      EventKind
	Owner     int
	Link      Link
	Name      string
	Index     int
	Base      string
	BaseIndex int
	Source    netip.Addr
	Path      string
	Old, New  string
	Err       error
}

// Options of a Door.
type Options struct {
	// Notify is called from the door's goroutine, one call at a time, so it must
	// not block; it may call the door.
	Notify func(Event)
	// StateFile keeps what has to be put back, so that it outlives a crash; ""
	// keeps nothing. It belongs on a file system that a reboot empties, such as
	// /run, and to one network namespace.
	StateFile string
}

// Door is the way to the interfaces of one network namespace.
type Door struct {
	notify  func(Event)
	handle  *rtnetlink.Handle
	events  *netlink.Conn
	space   *os.File // the namespace
	changes chan []change
	tests   chan Event
	closing chan struct{}
	closed  sync.Once
	done    chan struct{}
	wake    chan struct{}

	box struct { // what callers want and the goroutine has not taken yet
		sync.Mutex
		owners []int
		wants  map[int]Want
		clean  bool
	}
	state state // the goroutine's own
}

// Open enters the network namespace of the calling thread and reads the state
// file. Nothing is changed before the first Set. It needs CAP_NET_ADMIN to make
// interfaces, and a writable /proc/sys/net.
func Open(o Options) (*Door, error) {
	if o.Notify == nil {
		o.Notify = func(Event) {}
	}
	d := &Door{
		notify:  o.Notify,
		changes: make(chan []change, 4),
		tests:   make(chan Event),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		wake:    make(chan struct{}, 1),
		state:   newState(o.StateFile),
	}
	d.box.wants = make(map[int]Want)
	if err := d.open(); err != nil {
		d.release()
		return nil, err
	}
	go d.listen()
	go d.run()
	return d, nil
}

// Set replaces what an owner wants. It never blocks; a want that was not
// carried out yet is forgotten for the newer one. The door keeps want: it must
// not be changed afterwards. An interface nobody wants any more is deleted if
// the door made it, now or in an earlier life.
func (d *Door) Set(owner int, want Want) {
	d.box.Lock()
	if _, waits := d.box.wants[owner]; !waits {
		d.box.owners = append(d.box.owners, owner)
	}
	d.box.wants[owner] = want
	d.box.Unlock()
	d.poke()
}

// Clean deletes the interfaces and puts back the sysctls that an earlier life
// left, as the state file says, and that nobody wants. To be called once, when
// every owner was Set. It never blocks.
func (d *Door) Clean() {
	d.box.Lock()
	d.box.clean = true
	d.box.Unlock()
	d.poke()
}

func (d *Door) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Close carries out what was Set last and stops. What is wanted then stays, and
// so does its state file: to delete it, Set every owner to the zero Want before.
func (d *Door) Close() error {
	var err error
	d.closed.Do(func() {
		close(d.closing)
		<-d.done
		err = d.release()
	})
	return err
}
