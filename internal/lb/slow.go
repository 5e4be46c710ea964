package lb

import "keepgo/ipvsctl"

// A server with slow_start that came back gets its weight little by little: the
// table has 1 at first, and each second more. Quorum, logs and notifications
// know the full weight alone.

// slow begins or ends slow starts as servers come and go.
func (p *pool) slow(edges []ipvsctl.Edge) []ipvsctl.Edge {
	for _, e := range edges {
		i, ok := p.Place(e.Server)
		if !ok {
			continue
		}
		switch e.Kind {
		case ipvsctl.ServerUp:
			p.servers[i].age = 0
			p.setSlow(i, p.plan.Servers[i].SlowStart > 0)
		case ipvsctl.ServerDown:
			p.setSlow(i, false)
		}
	}
	return edges
}

func (p *pool) setSlow(server int, slow bool) {
	if p.servers[server].slow == slow {
		return
	}
	p.servers[server].slow = slow
	p.slowOnes--
	if slow {
		p.slowOnes += 2
	}
}

// second lets a second pass.
func (n *Node) second(acts []Action) []Action {
	for i := range n.pools {
		p := &n.pools[i]
		if p.slowOnes == 0 {
			continue
		}
		for j := range p.servers {
			if s := &p.servers[j]; s.slow {
				s.age++
				p.setSlow(j, s.age < p.plan.Servers[j].SlowStart)
			}
		}
		acts = p.set(acts)
	}
	return acts
}

// Destinations is what should stand, with the weights of slow starts.
func (p *pool) Destinations() map[ipvsctl.DestKey]ipvsctl.Destination {
	dests := p.Pool.Destinations()
	if p.slowOnes == 0 || p.SorryActive() {
		return dests
	}
	for i, s := range p.servers {
		key := p.plan.Config.Servers[i].Key
		if d, stands := dests[key]; stands && s.slow && d.Weight > 0 {
			d.Weight = uint32(max(1, uint64(d.Weight)*uint64(s.age)/uint64(p.plan.Servers[i].SlowStart)))
			dests[key] = d
		}
	}
	return dests
}

// slowState is how long servers are in their slow start, in seconds.
func (p *pool) slowState() map[ipvsctl.DestKey]int {
	if p.slowOnes == 0 {
		return nil
	}
	ages := map[ipvsctl.DestKey]int{}
	for i, s := range p.servers {
		if s.slow {
			ages[p.plan.Config.Servers[i].Key] = s.age
		}
	}
	return ages
}

// resumeSlow goes on with slow starts.
func (p *pool) resumeSlow(ages map[ipvsctl.DestKey]int) {
	for key, age := range ages {
		state, _ := p.Server(key)
		if i, ok := p.Place(key); ok && state.Up && age < p.plan.Servers[i].SlowStart {
			p.servers[i].age = age
			p.setSlow(i, true)
		}
	}
}
