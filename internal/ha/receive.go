package ha

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"time"

	"keepgo/vrrp"
)

// Wire is a socket adverts travel on. Instances that agree in all of it share
// one. It is a comparable value.
type Wire struct {
	Link    string // "" for unicast without an interface
	Index   int    // of the interface
	IPv6    bool
	Unicast bool
	AH      bool // auth_type AH: whole IP packets of protocol 51
	Source  netip.Addr
	Group   netip.Addr // multicast destination
}

// Packet is a received packet.
type Packet struct {
	Wire Wire
	At   time.Time // the wall clock, for auth_hmac
	vrrp.Arrival
}

// audience are the instances a packet of a wire may be for, by VRID.
type audience []*member

// of are those of a VRID, in the order of the plan.
func (a audience) of(vrid uint8) audience {
	first, _ := slices.BinarySearchFunc(a, vrid, (*member).compareVRID)
	end := first
	for end < len(a) && a[end].plan.Key.VRID == vrid {
		end++
	}
	return a[first:end]
}

func (m *member) compareVRID(vrid uint8) int { return cmp.Compare(m.plan.Key.VRID, vrid) }

// lookup is the wire that was heard last, and its audience: what comes next most
// often comes on the same.
type lookup struct {
	wire Wire
	audience
}

// Wire is the socket an instance speaks on; ok is false while it has no
// address or interface to speak from.
func (n *Node) Wire(id int) (w Wire, ok bool) {
	m := n.byID[id]
	if m == nil {
		return Wire{}, false
	}
	return m.wire()
}

func (m *member) wire() (Wire, bool) {
	k := m.plan.Key
	w := Wire{Link: m.link, Index: int(m.index), IPv6: k.IPv6, Unicast: k.Unicast, AH: m.codec.AH(), Source: m.source, Group: m.plan.Group}
	bound := k.Link != "" || k.VRF != ""
	return w, m.source.IsValid() && (m.index != 0 || !bound) && m.plan.Unusable == ""
}

// wired are the members that have a wire now, in their order: most share the one of
// the member before.
func (n *Node) wired() iter.Seq2[*member, Wire] {
	return func(yield func(*member, Wire) bool) {
		for _, m := range n.members {
			if w, ok := m.wire(); ok && !yield(m, w) {
				return
			}
		}
	}
}

// Use is what a socket is needed for.
type Use struct {
	TTL    uint8   // to send with
	VRIDs  []uint8 // of those who listen; nil for all, so that strangers are heard
	Buffer int     // bytes of the receive buffer; 0 leaves it to the socket
}

// Wires are the sockets needed now.
func (n *Node) Wires() map[Wire]Use {
	wires := map[Wire]Use{}
	var last Wire
	var u Use
	for m, w := range n.wired() {
		if w != last {
			wires[last] = u
			last, u = w, wires[w]
		}
		u.TTL, u.Buffer = m.plan.TTL, u.Buffer+m.buffer
		if !n.plan.LogStrangers {
			u.VRIDs = append(u.VRIDs, m.plan.Key.VRID)
		}
	}
	wires[last] = u
	delete(wires, Wire{}) // nobody's: a wire has a source
	return wires
}

// Plug tells by which numbers the loop knows the sockets that stand. What Compose
// makes has that of its own, so that nobody looks for it with each advert.
func (n *Node) Plug(sockets map[Wire]int) {
	for _, m := range n.byID {
		m.socket = 0
	}
	var last Wire
	var number int
	for m, w := range n.wired() {
		if w != last {
			last, number = w, sockets[w]
		}
		m.socket = int32(number)
	}
}

// indexWires notes who listens where.
func (n *Node) indexWires() {
	n.byWire, n.routers = map[Wire]audience{}, map[neighbour]bool{}
	n.last = lookup{}
	var last Wire
	var on audience
	for m, w := range n.wired() {
		if w != last {
			n.byWire[last] = on
			last, on = w, n.byWire[w]
		}
		on = append(on, m)
		if n.plan.LogStrangers {
			n.routers[neighbour{w.Link, w.IPv6, m.plan.Key.VRID}] = true
		}
	}
	n.byWire[last] = on
	delete(n.byWire, Wire{}) // nobody's: a wire has a source
	for _, a := range n.byWire {
		slices.SortStableFunc(a, func(m, o *member) int { return m.compareVRID(o.plan.Key.VRID) })
	}
}

// receive checks a packet and lets its instance hear it. In INIT and FAULT
// nothing is heard.
func (n *Node) receive(now vrrp.Time, p *Packet, acts []Action) []Action {
	vrid := p.VRID(p.Wire.AH)
	m := n.addressee(p, vrid)
	if m == nil {
		return n.estrange(now, p, vrid, acts)
	}
	if m.router.State() == vrrp.Init || m.router.State() == vrrp.Fault {
		return acts
	}
	advert, err := m.codec.Read(p.At, &p.Arrival, m.master)
	m.peers.meet(now, p.Src, advert.Priority, err)
	if err != nil {
		m.stats.CountError(err)
		acts = m.complain(err, &advert, p, acts)
		acts = n.accuse(now, m, err, p, acts)
		if !m.plan.Expect.Accepted(err) {
			n.refused(now, m, err, &advert, p)
			return acts
		}
	}
	if m.plan.Router.OwnerIgnoresAdverts && m.plan.Router.Priority == vrrp.Owner && !m.held {
		return m.ignores(p, acts)
	}
	acts = m.drifts(err, &advert, p, acts)
	heard := advert.Heard(p.Src)
	m.stats.CountHeard(heard)
	interval := m.router.MasterInterval()
	acts = n.step(now, m, vrrp.Event{Kind: vrrp.EventAdvert, Heard: heard}, acts)
	if m.router.MasterInterval() < interval {
		n.hasten()
	}
	if master := m.router.LastMaster().From; master != m.master {
		m.master, m.told = master, m.told&bit(err) // what was told of it just now is enough
		if err != vrrp.ErrAddresses {
			m.agrees()
		}
	}
	return m.reserve(acts)
}

// addressee is the instance a packet is for. Unicast instances may share a
// VRID; the one that knows the sender is meant.
func (n *Node) addressee(p *Packet, vrid uint8) *member {
	if n.last.wire != p.Wire {
		n.last = lookup{p.Wire, n.byWire[p.Wire]}
	}
	candidates := n.last.audience.of(vrid)
	if len(candidates) == 0 {
		return nil
	}
	for _, m := range candidates[1:] {
		if m.knows(p.Src) {
			return m
		}
	}
	return candidates[0]
}

func (m *member) knows(src netip.Addr) bool {
	for i := range m.plan.Expect.Peers {
		if m.plan.Expect.Peers[i].Addr == src {
			return true
		}
	}
	return false
}

// complain logs what is wrong with a packet: each kind once until the state or
// the master changes, so that a broken neighbour cannot flood the log.
func (m *member) complain(err error, advert *vrrp.Packet, p *Packet, acts []Action) []Action {
	if bit(err) == 0 || m.told&bit(err) != 0 {
		return acts
	}
	m.told |= bit(err)
	why := m.codec.Explain(err, advert, &p.Arrival)
	if err == vrrp.ErrAddresses {
		why += m.policy()
	}
	return m.log(acts, "%s", why)
}

// faultEvery is how often at most a router's wrong packets are told of: whoever
// floods it is to have no more effect than that.
const faultEvery = 100 * time.Millisecond

// accuse tells of a wrong packet, where somebody wants to hear of each.
func (n *Node) accuse(now vrrp.Time, m *member, err error, p *Packet, acts []Action) []Action {
	fault, ok := err.(vrrp.PacketError)
	if !n.plan.Faults || !ok || now < m.rare.known().calm {
		return acts
	}
	m.rarities().calm = now + faultEvery
	return append(acts, Action{Kind: ActFault, ID: m.id, Fault: fault, Text: p.Src.String()})
}

// ignores tells once that adverts are dropped unheard (owner_ignore_adverts).
func (m *member) ignores(p *Packet, acts []Action) []Action {
	if m.told&ignored != 0 {
		return acts
	}
	m.told |= ignored
	return m.log(acts, "advert from %s is ignored: we are the address owner (owner_ignore_adverts)", p.Src)
}

// ignored is the bit of owner_ignore_adverts among what was told; no fault of a
// packet has it.
const ignored = 1

// bit is the place of a fault among those told, 0 for none.
func bit(err error) uint32 {
	if kind, ok := err.(vrrp.PacketError); ok {
		return 1 << kind
	}
	return 0
}

// policy is what becomes of an advert with other addresses than ours.
func (m *member) policy() string {
	if m.plan.Expect.DropOther {
		return "; until then it is dropped (vip_mismatch drop), and two are MASTER"
	}
	return "; it counts all the same"
}

// Advert is one of an instance, ready to be written.
type Advert struct {
	*Instance
	Socket int // the number that Plug gave to the one it leaves through; 0 for none
	codec  *vrrp.Codec
}

// Compose makes the advert that an ActSend of Step asks for, once: its priority and,
// where it is signed, its number and the wall time.
func (a *Action) Compose(wall time.Time) Advert {
	m := a.speaker
	m.codec.Compose(wall, a.Priority, m.source)
	return Advert{m.plan, int(m.socket), &m.codec}
}

// AppendTo appends the advert as it goes to dst, until another of its instance is
// composed. It does not allocate while b has room.
func (a *Advert) AppendTo(b []byte, dst netip.Addr) []byte { return a.codec.AppendTo(b, dst) }
