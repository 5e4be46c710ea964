package snmp

import (
	"net/netip"

	"keepgo/confparse"
	"keepgo/internal/agentx"
)

// virtual is a virtual address of an instance.
type virtual struct {
	*confparse.Address
	on       *instance
	excluded bool   // from adverts
	link     string // where it stands, or will
}

func (s *snapshot) addresses(list []instance) table {
	rows := cells(list, func(i *instance) (of []virtual) {
		for k := range i.c.Addresses {
			a := &i.c.Addresses[k]
			of = append(of, virtual{a, i, false, i.place(a)})
		}
		for k := range i.c.Excluded {
			a := &i.c.Excluded[k]
			of = append(of, virtual{a, i, true, i.place(a)})
		}
		return of
	})
	type A = cell[virtual]
	return newTable(vrrp.Add(6, 1), rows, byCell, []column[A]{
		{2, func(a *A) agentx.Value { return family(a.of.Prefix.Addr()) }},
		{3, func(a *A) agentx.Value { return address(a.of.Prefix.Addr()) }},
		{4, func(a *A) agentx.Value { return a.of.broadcast() }},
		{5, func(a *A) agentx.Value { return agentx.Gauge(uint64(a.of.Prefix.Bits())) }},
		{6, func(a *A) agentx.Value { return scope(a.of.Scope) }},
		{7, func(a *A) agentx.Value { return agentx.Int(int32(s.index(a.of.link))) }},
		{8, func(a *A) agentx.Value { return text(a.of.link) }},
		{9, func(a *A) agentx.Value { return text(a.of.Label) }},
		{10, func(a *A) agentx.Value { return truth(a.of.on.now.Standing) }},
		{11, func(a *A) agentx.Value { return truth(!a.of.excluded) }},
		{12, func(a *A) agentx.Value { return address(a.of.Peer.Addr()) }},
	})
}

// broadcast is 0.0.0.0 where none is configured; IPv6 has none.
func (v *virtual) broadcast() agentx.Value {
	switch {
	case v.Broadcast.IsValid():
		return address(v.Broadcast)
	case v.Prefix.Addr().Is4():
		return address(netip.IPv4Unspecified())
	}
	return none
}

// place is the interface of an address: that of the instance, one made for
// addresses elsewhere, or the configured one.
func (i *instance) place(a *confparse.Address) string {
	if i.link != i.c.Interface && (a.Interface == "" || a.Interface == i.c.Interface) {
		return i.link
	}
	for _, d := range i.now.Devices {
		if a.UseVMAC && d.Parent == a.Interface && d.Name != "" {
			return d.Name
		}
	}
	if a.Interface == "" {
		return i.link
	}
	return a.Interface
}
