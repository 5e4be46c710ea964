package daemon

import (
	"maps"
	"slices"

	"keepgo/internal/lb"
	"keepgo/vip"
)

// place says in a plan of the VRRP half where the process is to go on.
func (p *parent) place(c *child, m *toChild, replaced bool) {
	if !c.ready {
		m.Sequences = maps.Clone(p.counted)
	}
	if c.told == nil {
		m.HA.Left = p.left()
	}
	m.Resume = nil
	if m.Replaces = replaced || c.died; replaced {
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

// inForce notes that a child has a plan in force. One that was handed another
// meanwhile is not ready before it has that.
func (p *parent) inForce(c *child, masters []string) {
	if c == p.vrrp {
		p.renamed(masters)
	}
	if c.answered++; c.answered != c.handed {
		return
	}
	if c.ready = true; c == p.vrrp {
		p.onBus.planned(c, p.doing == "Reload")
	}
	if c == p.lvs && c.needed && !p.balances() { // it took out what was left
		c.stop(false)
		p.servers = nil
	}
	p.completed()
}

// renamed notes who is MASTER once a plan is in force: a reload may have given
// an instance another name without a change of its state.
func (p *parent) renamed(masters []string) {
	clear(p.masters)
	for _, name := range masters {
		p.masters[name] = true
	}
}

// handsOver notes that the LVS process is told of a plan: until it has done with that,
// what stands may be its services, or still those of the one before.
func (p *parent) handsOver(plan *lb.Plan) {
	p.stood = append(p.stood, plan.Stood()...)
	if p.servers != nil {
		p.stood = append(p.stood, p.servers.Stood...)
	}
}

// withdrawn notes that the LVS process is to take all services away.
func (p *parent) withdrawn() {
	if p.servers != nil {
		p.stood = append(p.stood, p.servers.Stood...)
	}
	p.servers = nil
}

// cameAway notes that what the configurations before this one placed is gone: all
// that the child was told of is done, or it has ended in order.
func (p *parent) cameAway(c *child) {
	c.died = false
	switch c {
	case p.lvs:
		p.stood = nil
	case p.vrrp:
		p.former, p.bequest = nil, vip.Want{}
		if c.running() && !p.places() { // there is nothing else to do
			c.stop(false)
		}
	}
}
