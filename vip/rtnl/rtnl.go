// Package rtnl keeps addresses, routes and rules through rtnetlink(7). It is
// told what each owner wants, makes the kernel agree without asking it first,
// and puts back what others take away, or the kernel drops without a word. It
// also follows the links of its network namespace. Why anything is wanted is
// not known here.
package rtnl

import (
	"net/netip"
	"slices"
	"sync"

	"keepgo/vip"
)

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of Event, with the fields they carry.
const (
	// Applied: the addresses of a Set of Owner were carried out; Set is what of
	// them stands now. Routes and rules follow at once. It is told again when an
	// address has passed the duplicate address detection that was asked for
	// (RFC 4862 section 5.4): before, it is not in Set.
	Applied EventKind = iota
	// Standing: of a Set of Owner that takes the kernel a while the addresses in
	// Set stand already, none of which was told before. Applied follows.
	Standing
	// Restored: Address, Route or Rule of Owner was gone, or could not be added
	// before, and stands now. Port is the netlink port of who removed it, most
	// often its process number; 0 if unknown, as for every IPv6 address, or if
	// the kernel dropped it by itself.
	Restored
	// Failed: Address, Route or Rule of Owner could not be added or removed, Err
	// says why and what to do. What is wanted is tried again; Err is told once.
	Failed
	// LinkChanged: Link is new, or its state or its own addresses changed.
	LinkChanged
	// LinkGone: Link vanished or lost its name.
	LinkGone
	// AddressChanged: Address came to its link, or with Gone it went; whose it is
	// and who did it does not matter. Only Link and Prefix of it are valid. What
	// stands when the door opens is not told.
	AddressChanged
	// Resynced: the kernel dropped notifications and everything was read anew.
	// A larger Options.ReceiveBuffer avoids it.
	Resynced
)

// Event is something the door has to tell; fields that its kind does not
// mention are zero.
type Event struct {
	Kind    EventKind
	Owner   int
	Set     vip.Set     // of Applied or Standing; not to be changed
	Address vip.Address // valid if Route and Rule are nil
	Route   *vip.Route  // not to be changed
	Rule    *vip.Rule   // not to be changed
	Gone    bool
	Port    uint32
	Taken   bool // Restored: it stood, and was removed
	Err     error
	Link    Link
}

// Link is an interface as the kernel last described it. It is a comparable value.
type Link struct {
	Name  string
	Index int
	MTU   int
	Admin bool // IFF_UP
	// Up is IFF_UP and IFF_RUNNING of netdevice(7). A VLAN or macvlan stops
	// running with the link below it.
	Up           bool
	HardwareAddr [6]byte // of Ethernet links; else zero
	// Of IPoIB links (RFC 4391 section 9.1.1) instead: the link's own address
	// and that for all.
	InfiniBand, InfiniBandAll [20]byte
	ARP                       bool // an Ethernet or IPoIB link without IFF_NOARP
	// Forwarding is net.ipv6.conf.LINK.forwarding: whether the host is a
	// router there (R flag of RFC 4861 section 4.4).
	Forwarding bool
	Table      uint32 // of a VRF; else 0
	// Below is the index of the link that a macvlan, macvtap, ipvlan or ipvtap
	// shares its wire with; 0 for others, and where that is in another namespace.
	Below     int
	Multicast bool // IFF_MULTICAST
}

// DefaultReceiveBuffer is the size of the event socket's buffer in bytes: room
// for some ten thousand notifications.
const DefaultReceiveBuffer = 16 << 20

// Options of a Door.
type Options struct {
	// Notify is called from the door's goroutine, so it must not block; it may
	// call the door. Applied is told the moment the addresses stand.
	Notify func(Event)
	// ReceiveBuffer is the size of the event socket's buffer in bytes; 0 means
	// DefaultReceiveBuffer.
	ReceiveBuffer int
}

// Door is the way to the addresses, routes and rules of one network namespace.
type Door struct {
	notify   func(Event)
	commands *commander
	listener *listener
	changes  chan []change
	closing  chan struct{}
	closed   sync.Once
	done     chan struct{}
	wake     chan struct{}

	box struct { // what callers want and the goroutine has not taken yet
		sync.Mutex
		owners []int // in the order they came
		wants  map[int]vip.Want
		clean  vip.Want
		after  []func() // what to call once that is carried out
	}
	links linkTable
	state state // the goroutine's own
}

// Open enters the network namespace of the calling thread, reads its links and
// addresses and starts to follow them. It needs CAP_NET_ADMIN to change any.
func Open(o Options) (*Door, error) {
	if o.ReceiveBuffer == 0 {
		o.ReceiveBuffer = DefaultReceiveBuffer
	}
	if o.Notify == nil {
		o.Notify = func(Event) {}
	}
	d := &Door{
		notify:  o.Notify,
		changes: make(chan []change, 4),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		wake:    make(chan struct{}, 1),
		state:   newState(),
	}
	d.box.wants = make(map[int]vip.Want)
	var err error
	if d.listener, err = newListener(o.ReceiveBuffer); err != nil {
		return nil, err
	}
	if d.commands, err = newCommander(); err != nil {
		d.listener.file.Close()
		return nil, err
	}
	d.commands.index = d.links.index
	if err := d.load(); err != nil {
		d.commands.close()
		d.listener.file.Close()
		return nil, err
	}
	go d.listen()
	go d.run()
	return d, nil
}

// Set is SetAll for an owner of nothing but addresses.
func (d *Door) Set(owner int, want vip.Set) { d.SetAll(owner, vip.Want{Addresses: want}) }

// SetAll replaces what an owner wants. It never blocks; a want that was not
// carried out yet is forgotten for the newer one. What two owners want stands
// until neither does, as the first of them described it. Addresses come first,
// then routes, then rules, and go the other way round. The door keeps want: it
// must not be changed afterwards.
func (d *Door) SetAll(owner int, want vip.Want) {
	d.box.Lock()
	if _, waits := d.box.wants[owner]; !waits {
		d.box.owners = append(d.box.owners, owner)
	}
	d.box.wants[owner] = want
	d.box.Unlock()
	d.poke()
}

// Clean is CleanAll for nothing but addresses.
func (d *Door) Clean(set vip.Set) { d.CleanAll(vip.Want{Addresses: set}) }

// CleanAll removes leftovers of an earlier run: what of all nobody wants. That
// most of it does not stand is no error. It never blocks.
func (d *Door) CleanAll(all vip.Want) {
	d.box.Lock()
	c := &d.box.clean
	c.Addresses = append(c.Addresses, all.Addresses...)
	c.Routes = append(c.Routes, all.Routes...)
	c.Rules = append(c.Rules, all.Rules...)
	d.box.Unlock()
	d.poke()
}

// After has do called from the door's goroutine, so it must not block, once all
// that was set and is to be cleaned until now is carried out, as far as the kernel
// lets it. It never blocks.
func (d *Door) After(do func()) {
	d.box.Lock()
	d.box.after = append(d.box.after, do)
	d.box.Unlock()
	d.poke()
}

func (d *Door) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Close carries out what was Set last and stops. What is wanted then stays: to
// withdraw it, Set every owner to nil before.
func (d *Door) Close() error {
	var err error
	d.closed.Do(func() {
		close(d.closing)
		<-d.done
		d.commands.close()
		err = d.listener.file.Close()
	})
	return err
}

// LinkByName is the current view of one link.
func (d *Door) LinkByName(name string) (Link, bool) { return d.links.named(name) }

// Name is the name of the link of an index, "" if there is none.
func (d *Door) Name(index int) string { return d.links.name(index) }

// Links is every link by its index.
func (d *Door) Links() []Link {
	all := d.links.all()
	slices.SortFunc(all, func(a, b Link) int { return a.Index - b.Index })
	return all
}

// Addresses is what stands on a link beside the wanted addresses, but for those
// wanted as its own (vip.Want.Own), oldest first, without IPv6 addresses still
// under duplicate address detection: the candidates for the link's primary
// address. Leftovers of an earlier run are
// among them until Clean or Set has dealt with them.
func (d *Door) Addresses(link string) []netip.Prefix { return d.links.addresses(link) }
