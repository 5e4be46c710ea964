package ha

import (
	"fmt"
	"net/netip"
	"slices"
)

// source is the address the instance's adverts leave from; not valid while
// there is none.
func (n *Node) source(m *member) netip.Addr {
	d := m.plan.Device
	switch s := m.plan.Router.Source; {
	case s.IsValid() && m.plan.TrackSource && !n.stands(m, s):
		return netip.Addr{}
	case s.IsValid():
		return s
	case d != nil && d.Address.IsValid():
		return d.Address.Addr()
	case d != nil && d.IPv6 && !d.XmitBase:
		return m.device().source
	}
	return n.own(m)
}

// own is the address that the instance's interface lends it: the one it has as
// long as that stands, else the oldest that is no virtual one.
func (n *Node) own(m *member) (oldest netip.Addr) {
	for _, a := range n.links[m.plan.Key.Link].Addresses {
		switch {
		case n.virtual(a) || a.Is6() != m.plan.Key.IPv6 || a.Is6() && !a.IsLinkLocalUnicast():
		case a == m.source:
			return a
		case !oldest.IsValid():
			oldest = a
		}
	}
	return oldest
}

// stands tells whether an address is on the instance's interface or device, or
// without an interface on any.
func (n *Node) stands(m *member, a netip.Addr) bool {
	if m.plan.Key.Link != "" {
		return slices.Contains(n.links[m.plan.Key.Link].Addresses, a) || slices.Contains(n.links[m.device().name].Addresses, a)
	}
	for _, l := range n.links {
		if slices.Contains(l.Addresses, a) {
			return true
		}
	}
	return false
}

// judgeSpeech faults an instance that cannot send adverts.
func (n *Node) judgeSpeech(m *member, v *verdict) {
	k := &m.plan.Key
	switch {
	case v.cause != "":
	case !k.Unicast && n.links[k.Link].Unicast:
		v.cause = fmt.Sprintf("interface %s carries no multicast; name the other routers in unicast_peer", k.Link)
	case n.source(m).IsValid():
	case m.plan.Router.Source.IsValid():
		v.cause = fmt.Sprintf("source address %s is not on %s", m.plan.Router.Source, anywhere(k.Link))
	default:
		v.cause = fmt.Sprintf("interface %s has no %s address to send from", k.Link, family(k.IPv6))
	}
}

func anywhere(link string) string {
	if link == "" {
		return "any interface"
	}
	return link
}

func family(ipv6 bool) string {
	if ipv6 {
		return "IPv6 link-local"
	}
	return "IPv4"
}

// indexSources notes which addresses are virtual.
func (n *Node) indexSources() {
	n.vips = make([]netip.Addr, 0, len(n.plan.Instances))
	for _, p := range n.plan.Instances {
		for i := range p.Addresses {
			n.vips = append(n.vips, p.Addresses[i].Prefix.Addr())
		}
	}
	slices.SortFunc(n.vips, netip.Addr.Compare)
}

// virtual tells whether an address is that of an instance.
func (n *Node) virtual(a netip.Addr) bool {
	_, found := slices.BinarySearchFunc(n.vips, a, netip.Addr.Compare)
	return found
}
