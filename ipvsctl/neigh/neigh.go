// Package neigh follows, with rtnetlink, how servers by direct routing are
// reached: through which interface, and with which hardware addresses. IPVS does
// the same inside the kernel.
package neigh

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	vnl "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

const (
	// every is the time between two looks. Each has the kernel confirm the
	// addresses of servers, as packets sent to them would: base_reachable_time is
	// 30 s (Documentation/networking/ip-sysctl.rst).
	every = 10 * time.Second
	// unresolved is the time between looks while a server's address is not known.
	unresolved = time.Second
	// pause gathers changes that come together.
	pause = 20 * time.Millisecond
	// busy bounds the time spent on looking, where much changes: a twentieth.
	busy = 20
	// longest bounds what that may put a look off: on a machine that is busy with
	// other things a look takes long, and a server waits for its address.
	longest = 3 * time.Second
)

// Options say who hears of what was found.
type Options struct {
	// Report gets all ways when one changed, from the door's goroutine.
	Report func(ipvsctl.Ways)
	// Trouble gets what could not be asked; the same is told once.
	Trouble func(error)
}

// Door follows servers. Its methods are safe for concurrent use.
type Door struct {
	opt    Options
	handle *vnl.Handle
	events *netlink.Conn
	wake   chan struct{}
	done   chan struct{}
	closed sync.Once
	gone   sync.WaitGroup

	mu      sync.Mutex
	servers map[ipvsctl.ServiceKey][]netip.Addr

	// Of the goroutine alone.
	ways   ipvsctl.Ways
	failed string
}

// Open enters the network namespace of the calling thread. Servers are asked for
// with CAP_NET_ADMIN; without it, what the kernel knows by itself is followed.
func Open(opt Options) (*Door, error) {
	d := &Door{opt: opt, wake: make(chan struct{}, 1), done: make(chan struct{}), servers: map[ipvsctl.ServiceKey][]netip.Addr{}}
	var err error
	if d.handle, err = vnl.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("opening an rtnetlink socket: %w", err)
	}
	groups := uint32(0)
	for _, g := range []uint{unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR} {
		groups |= 1 << (g - 1)
	}
	if d.events, err = netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: groups}); err != nil {
		d.handle.Close()
		return nil, fmt.Errorf("opening an rtnetlink socket: %w", err)
	}
	d.gone.Add(2)
	go d.listen()
	go d.run()
	return d, nil
}

// Set gives the newest want of services that changed, and services that are not
// wanted any more: their servers by direct routing are followed.
func (d *Door) Set(changed ipvsctl.Table, removed []ipvsctl.ServiceKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range removed {
		delete(d.servers, k)
	}
	for k, e := range changed {
		delete(d.servers, k)
		for dk := range e.Destinations {
			if e.Direct() {
				d.servers[k] = append(d.servers[k], dk.Addr.Unmap())
			}
		}
	}
	d.nudge()
}

// nudge has the goroutine look.
func (d *Door) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Close ends the door.
func (d *Door) Close() {
	d.closed.Do(func() {
		close(d.done)
		d.events.Close()
		d.gone.Wait()
		d.handle.Close()
	})
}

// listen has the goroutine look when anything changed.
func (d *Door) listen() {
	defer d.gone.Done()
	for {
		if _, err := d.events.Receive(); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		d.nudge()
	}
}

func (d *Door) run() {
	defer d.gone.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	soon, last := false, time.Duration(0)
	for {
		select {
		case <-d.done:
			return
		case <-d.wake:
			if !soon {
				timer.Reset(max(pause, rest(last)))
			}
			soon = true
			continue
		case <-timer.C:
		}
		begin := time.Now()
		soon = false
		next := every
		if !d.look() {
			next = unresolved
		}
		last = time.Since(begin)
		timer.Reset(max(next, rest(last)))
	}
}

// rest is how long to leave the kernel alone after a look that took so long.
func rest(took time.Duration) time.Duration { return min(busy*took, longest) }

// look finds the ways anew, and tells of them if one changed. It reports whether
// every server can be reached.
func (d *Door) look() bool {
	ways, err := d.find()
	if err != nil {
		if d.failed != err.Error() {
			d.failed = err.Error()
			d.opt.Trouble(fmt.Errorf("finding the servers of DR: %w; it is tried again", err))
		}
		return false
	}
	d.failed = ""
	if !slices.Equal(ways.Links, d.ways.Links) || !maps.Equal(ways.Hops, d.ways.Hops) {
		d.ways = ways
		d.opt.Report(ways)
	}
	for _, hop := range ways.Hops {
		if !hop.Reaches() {
			return false
		}
	}
	return true
}

// addresses are those of all servers, each once.
func (d *Door) addresses() map[netip.Addr]struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[netip.Addr]struct{}{}
	for _, list := range d.servers {
		for _, a := range list {
			all[a] = struct{}{}
		}
	}
	return all
}

// find asks the kernel: for interfaces, for the route to each server, and for the
// hardware address of the next on it.
func (d *Door) find() (ipvsctl.Ways, error) {
	ways := ipvsctl.Ways{Hops: map[netip.Addr]ipvsctl.Hop{}}
	servers := d.addresses()
	if len(servers) == 0 {
		return ways, nil
	}
	links, err := d.handle.LinkList()
	if err != nil {
		return ways, err
	}
	index := make(map[int]*vnl.LinkAttrs, len(links))
	for _, l := range links {
		index[l.Attrs().Index] = l.Attrs()
	}
	ways.Links = incoming(links, index)
	known, err := d.known()
	if err != nil {
		return ways, err
	}
	for a := range servers {
		ways.Hops[a] = d.way(a, index, known)
	}
	return ways, nil
}

// incoming are the interfaces that packets of clients may come in through: nobody
// knows which they choose, so it is every Ethernet interface, unless it is a port
// of another one (a bridge, a bond), which sees its packets too.
func incoming(links []vnl.Link, index map[int]*vnl.LinkAttrs) (list []ipvsctl.Link) {
	masters := map[int]string{}
	for _, l := range links {
		masters[l.Attrs().Index] = l.Type()
	}
	for _, l := range links {
		a := l.Attrs()
		if len(a.HardwareAddr) != 6 || a.Flags&unix.IFF_LOOPBACK != 0 || a.EncapType != "ether" {
			continue
		}
		if kind := masters[a.MasterIndex]; a.MasterIndex != 0 && kind != "vrf" {
			continue
		}
		list = append(list, ipvsctl.Link{Name: a.Name, Index: a.Index})
	}
	slices.SortFunc(list, func(a, b ipvsctl.Link) int { return a.Index - b.Index })
	return list
}

// neighbour is an address on the network of an interface.
type neighbour struct {
	link int
	addr netip.Addr
}

// valid are the states in which the kernel would send: NUD_VALID of
// include/net/neighbour.h.
const valid = vnl.NUD_PERMANENT | vnl.NUD_NOARP | vnl.NUD_REACHABLE | vnl.NUD_PROBE | vnl.NUD_STALE | vnl.NUD_DELAY

// known are the hardware addresses that the kernel knows.
func (d *Door) known() (map[neighbour][6]byte, error) {
	list, err := d.handle.NeighList(0, 0)
	all := map[neighbour][6]byte{}
	for _, n := range list {
		a, ok := netip.AddrFromSlice(n.IP)
		if ok && n.State&valid != 0 && len(n.HardwareAddr) == 6 {
			all[neighbour{n.LinkIndex, a.Unmap()}] = [6]byte(n.HardwareAddr)
		}
	}
	return all, err
}

// way is the way to a server; the zero value if there is none, or none yet. The
// kernel is asked to find or confirm the hardware address.
func (d *Door) way(a netip.Addr, index map[int]*vnl.LinkAttrs, known map[neighbour][6]byte) (h ipvsctl.Hop) {
	routes, err := d.handle.RouteGet(a.AsSlice())
	if err != nil || len(routes) == 0 {
		return h
	}
	r := routes[0]
	if r.Type == unix.RTN_LOCAL {
		return ipvsctl.Hop{Local: true}
	}
	link := index[r.LinkIndex]
	if link == nil || len(link.HardwareAddr) != 6 {
		return h
	}
	next := a
	if via, ok := netip.AddrFromSlice(r.Gw); ok {
		next = via.Unmap()
	}
	d.resolve(link.Index, next)
	mac, is := known[neighbour{link.Index, next}]
	if before := d.ways.Hops[a]; !is && before.Link == link.Index {
		mac = before.To // it does not answer just now: whether it lives is for health checks to say
	} else if !is {
		return h
	}
	return ipvsctl.Hop{Link: link.Index, From: [6]byte(link.HardwareAddr), To: mac}
}

// resolve has the kernel find or confirm an address, as a packet to it would. An
// answer changes the neighbour table, which is heard of.
func (d *Door) resolve(link int, a netip.Addr) {
	n := &vnl.Neigh{LinkIndex: link, Family: vnl.FAMILY_V4, State: vnl.NUD_NONE, Flags: vnl.NTF_USE, IP: a.AsSlice()}
	if a.Is6() {
		n.Family = vnl.FAMILY_V6
	}
	_ = d.handle.NeighSet(n) // without the right to, health checks have it found
}
