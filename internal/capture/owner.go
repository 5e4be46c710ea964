package capture

import (
	"net/netip"
	"time"
)

// ownerKey is an address on a VLAN.
type ownerKey struct {
	vlan uint16
	addr netip.Addr
}

// claimant is a station that said that it has an address.
type claimant struct {
	mac         MAC
	first, last time.Time
}

// owner is who said that they have an address, the newest last.
type owner struct {
	claims  [maxClaimants]claimant
	n       int
	touched time.Time
}

const (
	maxClaimants = 4
	// claimTime is how long a claim counts: a neighbour cache asks again
	// sooner.
	claimTime = 30 * time.Second
)

// vrrpMAC tells whether a MAC is that of the virtual router, RFC 9568 section
// 7.3.
func vrrpMAC(m MAC, key routerKey) bool {
	family := byte(1)
	if key.ipv6 {
		family = 2
	}
	return m == MAC{0, 0, 0x5e, 0, family, key.vrid}
}

// claim notes whose MAC a packet says an address has, and finds two that say
// so. A master takes an address over by an announcement: that is no fault.
func (w *Watcher) claim(p *Packet, virtual bool) {
	if p.Addr.IsUnspecified() || !p.Addr.IsValid() || p.Addr.IsMulticast() {
		return
	}
	o := w.owner(p)
	if o == nil {
		return
	}
	before, rival := o.note(p)
	key, isVIP := w.vips[p.Addr]
	if virtual && isVIP && w.stranger(p, key) {
		p.fault("%s is a virtual address, and %s is no master of VRID %d: a real server that is not silent (keepgo rs verify), or a master that did not let go", p.Addr, p.Claims, key.vrid)
		return
	}
	switch {
	case rival == nil || isVIP && w.rightful(p, key):
	case before:
		p.fault("two machines say that they have %s: %s did %s ago", p.Addr, rival.mac, rounded(p.At.Sub(rival.last)))
	case p.Kind == Answer:
		p.fault("duplicate address: %s said %s ago that it has %s, and now another one answers", rival.mac, rounded(p.At.Sub(rival.last)), p.Addr)
	}
}

// owner is what is known of an address, nil for a new one too many.
func (w *Watcher) owner(p *Packet) *owner {
	key := ownerKey{p.VLAN, p.Addr}
	o := w.owners[key]
	if o == nil {
		if len(w.owners) >= maxAddresses {
			w.forget(p.At)
		}
		if len(w.owners) >= maxAddresses {
			return nil
		}
		o = &owner{}
		w.owners[key] = o
	}
	o.touched = p.At
	return o
}

// forget drops one address that was not heard of for a while: it looks at a few.
func (w *Watcher) forget(now time.Time) {
	looks := 0
	for key, o := range w.owners {
		if looks++; looks > 16 {
			return
		}
		if now.Sub(o.touched) > claimTime {
			delete(w.owners, key)
			return
		}
	}
}

// note notes a claim. before tells that the same station had claimed the
// address, and rival is another one that claimed it since then, or at all.
func (o *owner) note(p *Packet) (before bool, rival *claimant) {
	own := -1
	for i := range o.claims[:o.n] {
		if o.claims[i].mac == p.Claims {
			own = i
		} else if p.At.Sub(o.claims[i].last) <= claimTime {
			rival = &claimant{o.claims[i].mac, o.claims[i].first, o.claims[i].last}
		}
	}
	mine := claimant{mac: p.Claims, first: p.At, last: p.At}
	if own >= 0 {
		mine.first, before = o.claims[own].first, p.At.Sub(o.claims[own].last) <= claimTime
		if rival != nil && !rival.last.After(o.claims[own].last) {
			rival = nil // it has been quiet since
		}
		copy(o.claims[own:o.n], o.claims[own+1:o.n])
		o.n--
	} else if o.n == maxClaimants {
		copy(o.claims[:], o.claims[1:])
		o.n--
	}
	o.claims[o.n] = mine
	o.n++
	return before, rival
}

// stranger tells whether a virtual address is claimed by none of its masters,
// although there are some.
func (w *Watcher) stranger(p *Packet, key routerKey) bool {
	r := w.routers[key]
	return r != nil && r.best(p.At) != nil && !vrrpMAC(p.Claims, key) && r.speaks(p.Claims, p.At) == nil
}

// rightful tells whether a station is the best master of a router, or has the
// router's own MAC.
func (w *Watcher) rightful(p *Packet, key routerKey) bool {
	r := w.routers[key]
	if r == nil {
		return false
	}
	best := r.best(p.At)
	return best != nil && (vrrpMAC(p.Claims, key) || best == r.speaks(p.Claims, p.At))
}
