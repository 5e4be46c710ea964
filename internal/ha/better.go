package ha

import (
	"net/netip"
	"slices"
	"time"

	"keepgo/vip"
	"keepgo/vrrp"
)

// freshBoot is how long after its boot a machine may still find ports of
// switches that do not pass frames yet.
const freshBoot = 5 * time.Minute

// frames hears that an interface lets frames in.
func (n *Node) frames(now vrrp.Time, link string, acts []Action) []Action {
	if n.framed[link] {
		return acts
	}
	n.framed[link] = true
	for _, m := range n.members {
		if m.plan.Key.Link == link {
			acts = n.step(now, m, vrrp.Event{Kind: vrrp.EventFrames}, acts)
		}
	}
	return acts
}

// Awaited are the interfaces on which the first frame is waited for: EventFrames
// is to tell of it.
func (n *Node) Awaited(now vrrp.Time) (links []string) {
	if now >= n.framesBy {
		return nil
	}
	for _, m := range n.members {
		if link := m.plan.Key.Link; !n.framed[link] && !slices.Contains(links, link) {
			links = append(links, link)
		}
	}
	return links
}

// leaves tells whether an address is left alone where another hand removes it.
func (in *Instance) leaves(address netip.Prefix) bool {
	return slices.ContainsFunc(in.Addresses, func(a vip.Address) bool { return a.NoTrack && a.Prefix == address })
}

// lost hears that another hand removed something of an instance, which stands
// again by now. Where that costs mastership it costs it in the whole group.
func (n *Node) lost(now vrrp.Time, id int, address netip.Prefix, acts []Action) []Action {
	m := n.byID[id]
	if m == nil || m.gone || !m.plan.ReleaseLost || m.router.State() != vrrp.Master || m.plan.leaves(address) {
		return acts
	}
	if m.group == nil {
		return n.step(now, m, vrrp.Event{Kind: vrrp.EventLost}, acts)
	}
	var orders []vrrp.Order
	for i := range m.group.members {
		orders = append(orders, vrrp.Order{Member: i, Kind: vrrp.EventLost})
	}
	return n.perform(now, m.group, orders, acts)
}

// drifts follows how the virtual addresses of the master differ from ours.
func (m *member) drifts(err error, advert *vrrp.Packet, p *Packet, acts []Action) []Action {
	switch {
	case err == vrrp.ErrAddresses && m.drift() == "":
		m.rarities().drift = m.codec.Explain(err, advert, &p.Arrival)
	case err != vrrp.ErrAddresses && m.drift() != "" && !m.plan.Expect.FirstOnly && p.Src == m.master:
		m.agrees()
		m.told &^= bit(vrrp.ErrAddresses)
		return m.log(acts, "the adverts from %s carry our virtual addresses again", p.Src)
	}
	return acts
}
