package capture

import (
	"net/netip"
	"time"

	"keepgo/vrrp"
)

// Expected is a virtual router as a configuration has it.
type Expected struct {
	Name      string // of the instance
	VRID      uint8
	IPv6      bool
	Unicast   bool
	Peers     []netip.Addr // of unicast, which tell apart who shares a VRID
	Expect    vrrp.Expect
	Addresses []netip.Addr // all that the master has
}

// Bounds of what is remembered: more is read, and compared with nothing.
const (
	maxRouters   = 1024
	maxSpeakers  = 8    // of a router
	maxAddresses = 8192 // whose MAC is remembered
)

// Watcher remembers what was said on a link, to find what contradicts it. It is
// for one goroutine.
type Watcher struct {
	all      bool
	expected []expected
	vips     map[netip.Addr]routerKey // and whose they are
	routers  map[routerKey]*router
	owners   map[ownerKey]*owner
}

// expected is what is expected, with its memory.
type expected struct {
	Expected
	codec vrrp.Codec
}

type routerKey struct {
	vlan uint16
	vrid uint8
	ipv6 bool
}

// router is a virtual router that was heard of.
type router struct {
	speakers []speaker // who speak as its masters, at most maxSpeakers
}

// speaker is one station that speaks as master.
type speaker struct {
	src       netip.Addr
	mac       MAC
	at        time.Time
	last      vrrp.Packet // its Addresses are a copy
	adverts   int
	outranked int // adverts in the face of a better master
}

// NewWatcher makes a Watcher that holds adverts against a configuration, which
// may be empty. With all it tells of every question and answer, and not only of
// those about virtual addresses.
func NewWatcher(all bool, list []Expected) *Watcher {
	w := &Watcher{all: all, vips: map[netip.Addr]routerKey{}, routers: map[routerKey]*router{}, owners: map[ownerKey]*owner{}}
	for _, e := range list {
		x := expected{Expected: e}
		x.codec.Configure(&vrrp.Packet{Version: e.Expect.Version, VRID: e.VRID}, &e.Expect)
		w.expected = append(w.expected, x)
		for _, a := range e.Addresses {
			w.vips[a] = routerKey{0, e.VRID, e.IPv6}
		}
	}
	return w
}

// Read reads a frame and adds to its faults what contradicts earlier frames or
// the configuration. ok is false for frames that are not to be told of.
func (w *Watcher) Read(f *Frame) (p Packet, ok bool) {
	p, ok = Decode(f)
	switch {
	case !ok:
		return p, false
	case p.Kind != Advert:
		concerns := w.concerns(&p)
		if p.Kind != Probe {
			w.claim(&p, concerns)
		}
		return p, w.all || concerns || p.Kind == Announcement || p.Kind == Probe || len(p.Faults) > 0
	case !p.broken:
		w.advert(&p)
	}
	return p, true
}

// concerns tells whether a packet is about a virtual address.
func (w *Watcher) concerns(p *Packet) bool {
	_, claimed := w.vips[p.Addr]
	_, asked := w.vips[p.Asked]
	return claimed || asked
}

// advert holds an advert against the others of its router.
func (w *Watcher) advert(p *Packet) {
	x := w.expects(p)
	if x != nil {
		x.check(p)
	}
	key := routerKey{p.VLAN, p.VRRP.VRID, p.Dst.Is6()}
	if p.VRRP.Sum == vrrp.SumBad { // nobody hears it
		return
	}
	r := w.routers[key]
	if r == nil {
		if len(w.routers) >= maxRouters {
			return
		}
		r = &router{}
		w.routers[key] = r
	}
	r.hear(p, x == nil)
	w.learn(p, key)
}

// learn notes the virtual addresses of an advert.
func (w *Watcher) learn(p *Packet, key routerKey) {
	eachAddress(&p.VRRP, p.Dst.Is6(), func(a netip.Addr) {
		if _, known := w.vips[a]; known || len(w.vips) < maxAddresses {
			w.vips[a] = key
		}
	})
}

// expects is what the configuration says of an advert's router, nil for
// nothing.
func (w *Watcher) expects(p *Packet) *expected {
	var found *expected
	for i := range w.expected {
		x := &w.expected[i]
		if x.VRID != p.VRRP.VRID || x.IPv6 != p.Dst.Is6() {
			continue
		}
		for _, peer := range x.Peers {
			if peer == p.Src || peer == p.Dst {
				return x
			}
		}
		if found == nil {
			found = x
		}
	}
	return found
}

// check holds an advert against the configuration as a router does that has it.
// What was found already is not told twice. A capture sees what a router does
// not: its own adverts, and those to each of several unicast peers.
func (x *expected) check(p *Packet) {
	if x.Expect.AuthType == vrrp.AuthAH && x.Expect.Version == 2 && !p.AH && p.VRRP.Version == 2 {
		p.fault("it is not signed as `auth_type AH` is, which %s has", x.Name)
		return
	}
	if p.AH && (x.Expect.AuthType != vrrp.AuthAH || x.Expect.Version != 2) {
		p.fault("it is signed with `auth_type AH`, which %s has not", x.Name)
		return
	}
	advert, err := x.codec.Read(p.At, &p.arrival, netip.Addr{})
	switch {
	case err == nil, p.VRRP.Sum == vrrp.SumBad && err == vrrp.ErrChecksum,
		err == vrrp.ErrTTL && p.Dst.IsMulticast(), err == vrrp.ErrType, err == vrrp.ErrAuthType, err == vrrp.ErrSource,
		x.Unicast && (err == vrrp.ErrAHReplay || err == vrrp.ErrExtReplay):
		return
	}
	p.fault("%s", x.codec.Explain(err, &advert, &p.arrival))
}

// eachAddress calls f for every virtual address of an advert.
func eachAddress(v *vrrp.Packet, ipv6 bool, f func(netip.Addr)) {
	size := 4
	if ipv6 {
		size = 16
	}
	for b := v.Addresses; len(b) >= size; b = b[size:] {
		a, _ := netip.AddrFromSlice(b[:size])
		f(a)
	}
}
