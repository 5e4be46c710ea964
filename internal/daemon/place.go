package daemon

import (
	"maps"
	"slices"

	"keepgo/vip"
)

// place says in a plan of the VRRP half where the process is to go on.
func (p *parent) place(c *child, m *toChild, replaced bool) {
	if !c.ready {
		m.Sequences = maps.Clone(p.counted)
	}
	m.Resume = nil
	if replaced {
		m.HA.Left = p.left()
		m.Resume = slices.Collect(maps.Keys(p.masters))
	}
}

// left is what the configurations placed from which the last VRRP process was
// not seen to have come away.
func (p *parent) left() (w vip.Want) {
	for _, cfg := range p.former {
		plan, _ := routed(cfg)
		was := plan.Places()
		w.Addresses = append(w.Addresses, was.Addresses...)
		w.Routes = append(w.Routes, was.Routes...)
		w.Rules = append(w.Rules, was.Rules...)
	}
	return w
}
