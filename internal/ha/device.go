package ha

import (
	"cmp"
	"net/netip"
	"slices"

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
		d.MAC = ownMAC(c)
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

// ownMAC is the MAC that use_vmac names, zero if none.
func ownMAC(c *confparse.Instance) (mac [6]byte) {
	if copy(mac[:], c.VMAC.MAC) == 5 {
		mac[5] = c.VRID
	}
	return mac
}

// carry plans what carries each address: the instance's own device those of its
// interface and family, a further VMAC those for which one is asked, and the
// interface itself the rest.
func (in *Instance) carry(c *confparse.Instance, g *confparse.Global) {
	own := DeviceKey{c.Interface, c.IPv6}
	at := map[DeviceKey]int{}
	for _, a := range append(slices.Clone(c.Addresses), c.Excluded...) {
		key, carrier := DeviceKey{a.Interface, a.Prefix.Addr().Is6()}, 0
		switch {
		case in.Device != nil && key == own:
			carrier = 1
		case a.UseVMAC || c.VMAC.Addresses && key != own:
			if at[key] == 0 {
				in.Extra = append(in.Extra, in.extra(c, key, g.VMACAddrPrefix))
				at[key] = 1 + len(in.Extra)
			}
			carrier = at[key]
		}
		in.Carriers = append(in.Carriers, carrier)
	}
	if in.Device == nil && in.Extra == nil {
		in.Carriers = nil
	}
}

// extra plans a further VMAC. A MAC of the instance's own is good for one of
// them on each interface.
func (in *Instance) extra(c *confparse.Instance, key DeviceKey, prefix string) Device {
	d := Device{Parent: key.Parent, IPv6: key.IPv6, VRID: c.VRID, Prefix: prefix, NoIPv6: !key.IPv6, MAC: ownMAC(c)}
	for _, o := range in.Devices() {
		if o.Parent == d.Parent && o.MAC == d.MAC {
			d.MAC = [6]byte{}
		}
	}
	return d
}

// Devices are all interfaces made for the instance, its own first.
func (in *Instance) Devices() []Device {
	if in.Device == nil {
		return in.Extra
	}
	return append([]Device{*in.Device}, in.Extra...)
}

// equipped tells whether ActDevice is about anything.
func (in *Instance) equipped() bool { return in.Device != nil || len(in.Extra) > 0 || in.Promote }

// stands is a device of an instance as the kernel has it.
type stands struct {
	name   string // "" while there is none
	index  int
	source netip.Addr // the link-local address it was given
	up     bool       // it was seen up since it was made: from then on being down says something
}

// devices are all of an instance.
type devices struct {
	own   stands   // of plan.Device
	extra []stands // parallel to plan.Extra
}

// device is how the member's own device stands.
func (m *member) device() (s stands) {
	if m.made != nil {
		s = m.made.own
	}
	return s
}

// extra is how its further devices stand.
func (m *member) extra() []stands {
	if m.made == nil {
		return nil
	}
	return m.made.extra
}

// same tells whether nothing has changed about a device.
func (s stands) same(o stands) bool {
	return s.name == o.name && s.index == o.index && s.source == o.source
}

// deviceName is the name of the k-th of plan.Devices(), "" while it is not there.
func (m *member) deviceName(k int) string {
	switch {
	case m.plan.Device == nil:
		return m.extra()[k].name
	case k == 0:
		return m.device().name
	}
	return m.extra()[k-1].name
}

// sees notes that a further device is up.
func (m *member) sees(l *Link) {
	for i := range m.extra() {
		if s := &m.made.extra[i]; l.Up && s.name == l.Name && s.index == l.Index {
			s.up = true
		}
	}
}

// extraOf finds one of a member's further devices, -1 if there is none.
func (m *member) extraOf(key DeviceKey) int {
	return slices.IndexFunc(m.plan.Extra, func(d Device) bool { return d.Key() == key })
}

// made hears that a device stands, or without a name that it is gone.
func (n *Node) made(now vrrp.Time, ev *Event, acts []Action) []Action {
	m, l := n.byID[ev.ID], &ev.Link
	if m == nil {
		return acts
	}
	var at *stands
	if i := m.extraOf(ev.Device); m.plan.Device != nil && m.plan.Device.Key() == ev.Device {
		at = &m.made.own
	} else if i >= 0 {
		at = &m.made.extra[i]
	}
	is := stands{name: l.Name, index: l.Index, source: ev.Source}
	if known := n.links[l.Name]; known.Index == l.Index {
		is.up = known.Up
	}
	if at == nil || at.same(is) {
		return acts
	}
	old := at.name
	*at = is
	n.reindex(m, old, is.name)
	if !n.running {
		return acts
	}
	if m.router.State() != vrrp.Master && !m.resumed && l.Name != "" { // it may have been adopted
		acts = append(acts, Action{Kind: ActClean, ID: m.id})
	}
	acts = n.rewire(now, []*member{m}, acts)
	acts = append(acts, Action{Kind: ActSettle, ID: m.id})
	return n.reconsider(now, m, acts)
}

// speaks is the interface that adverts leave through, and its index.
func (n *Node) speaks(m *member) (link string, index int) {
	if d := m.plan.Device; d != nil && !d.XmitBase {
		return m.device().name, m.device().index
	}
	link = cmp.Or(m.plan.Key.Link, m.plan.Key.VRF)
	return link, n.links[link].Index
}

// placed is all that is the instance's, where it belongs. What belongs on a
// device that is not there is left out.
func (m *member) placed() vip.Want {
	w := vip.Want{Addresses: m.plan.Addresses, Routes: m.plan.Routes, Rules: m.plan.Rules}
	if len(m.plan.Carriers) == 0 {
		return w
	}
	w.Addresses = make(vip.Set, 0, len(m.plan.Addresses))
	for i, a := range m.plan.Addresses {
		switch c := m.plan.Carriers[i]; c {
		case 0:
		case 1:
			a.Link = m.device().name
		default:
			a.Link = m.extra()[c-2].name
		}
		if a.Link != "" {
			w.Addresses = append(w.Addresses, a)
		}
	}
	return w
}

// Places is all that a plan may place on interfaces that it does not make.
func (p *Plan) Places() vip.Want {
	w := vip.Want{Addresses: slices.Clone(p.Static.Addresses), Routes: slices.Clone(p.Static.Routes), Rules: slices.Clone(p.Static.Rules)}
	for _, in := range p.Instances {
		for k, a := range in.Addresses {
			if len(in.Carriers) == 0 || in.Carriers[k] == 0 {
				w.Addresses = append(w.Addresses, a)
			}
		}
		w.Routes = append(w.Routes, in.Routes...)
		w.Rules = append(w.Rules, in.Rules...)
	}
	return w
}
