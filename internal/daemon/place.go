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
		m.HA.Left, m.Replaces = p.left(), true
		m.Resume = slices.Collect(maps.Keys(p.masters))
	}
}

// left is what the last VRRP process may have left: what it said if its parent
// died, and what the configurations place from which it was not seen to have come
// away.
func (p *parent) left() (w vip.Want) {
	w.Add(p.bequest)
	for _, cfg := range p.former {
		plan, _ := routed(cfg)
		w.Add(plan.Places())
	}
	return w
}
