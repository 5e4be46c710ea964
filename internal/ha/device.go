package ha

import (
	"cmp"
	"net/netip"

	"keepgo/confparse"
	"keepgo/vip"
	"keepgo/vrrp"
)

// device plans the interface of an instance's own, if it has one.
func device(c *confparse.Instance, g *confparse.Global) *Device {
	d := &Device{Parent: c.Interface, VRID: c.VRID, IPv6: c.IPv6, Prefix: g.VMACPrefix}
	switch {
	case c.UseVMAC:
		d.Name, d.Notify, d.XmitBase = c.VMACName, c.VMAC.Notify, c.VMAC.XmitBase
		if copy(d.MAC[:], c.VMAC.MAC) == 5 {
			d.MAC[5] = c.VRID
		}
	case c.IPVLAN != nil:
		d.IPVLAN = true
		d.Name, d.Mode, d.Address = c.IPVLAN.Name, c.IPVLAN.Mode, c.IPVLAN.Addr
	default:
		return nil
	}
	d.NoIPv6 = !c.IPv6
	for _, a := range c.Excluded {
		d.NoIPv6 = d.NoIPv6 && a.Prefix.Addr().Is4()
	}
	return d
}

// stands is the device of an instance as the kernel has it.
type stands struct {
	name   string // "" while there is none
	index  int
	source netip.Addr // the link-local address it was given
}

// made hears that an instance's device stands under a name, or with an empty
// name that it is gone.
func (n *Node) made(now vrrp.Time, id int, name string, index int, source netip.Addr, acts []Action) []Action {
	m := n.byID[id]
	if m == nil || m.plan.Device == nil || m.device == (stands{name, index, source}) {
		return acts
	}
	m.device = stands{name, index, source}
	n.indexLinks()
	if !n.running {
		return acts
	}
	if m.router.State() != vrrp.Master && !m.resumed && name != "" { // it may have been adopted
		acts = append(acts, Action{Kind: ActClean, ID: m.id})
	}
	acts = n.rewire(now, []*member{m}, acts)
	acts = append(acts, Action{Kind: ActSettle, ID: m.id})
	if m.router.State() == vrrp.Master {
		acts = append(acts, Action{Kind: ActAnnounce, ID: m.id})
	}
	return n.reconsider(now, m, acts)
}

// speaks is the interface that adverts leave through, and its index.
func (n *Node) speaks(m *member) (link string, index int) {
	if d := m.plan.Device; d != nil && !d.XmitBase {
		return m.device.name, m.device.index
	}
	link = cmp.Or(m.plan.Key.Link, m.plan.Key.VRF)
	return link, n.links[link].Index
}

// placed is all that is the instance's, where it belongs: the addresses of its
// own interface stand on its device.
func (m *member) placed() vip.Want {
	w := vip.Want{Addresses: m.plan.Addresses, Routes: m.plan.Routes, Rules: m.plan.Rules}
	if m.plan.Device == nil {
		return w
	}
	w.Addresses = make(vip.Set, 0, len(m.plan.Addresses))
	for _, a := range m.plan.Addresses {
		if a.Link == m.plan.Key.Link && a.Prefix.Addr().Is6() == m.plan.Key.IPv6 {
			a.Link = m.device.name
		}
		if a.Link != "" {
			w.Addresses = append(w.Addresses, a)
		}
	}
	return w
}
