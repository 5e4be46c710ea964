package lb

import (
	"keepgo/internal/status"
	"keepgo/ipvsctl"
)

// Expected is the table that should stand while the virtual servers of the plan
// are as a daemon tells that they are. One that it does not tell of counts as
// just begun. Servers in a slow start have their full weight here.
func (p *Plan) Expected(services []status.Service) ipvsctl.Table {
	told := make(map[string]*status.Service, len(services))
	for i := range services {
		told[services[i].Name] = &services[i]
	}
	n := &Node{plan: p, pools: make([]pool, len(p.Pools))}
	for i := range n.pools {
		n.pools[i] = newPool(&p.Pools[i])
		n.pools[i].be(told[p.Pools[i].Name])
	}
	return n.Table()
}

// be makes the pool itself, as the status of its service is.
func (p *pool) be(s *status.Service) {
	config := p.plan.Config
	if s == nil {
		p.Pool, _ = ipvsctl.NewPool(config, nil)
		return
	}
	prior := ipvsctl.PoolState{Up: s.Up}
	if s.Sorry && config.Sorry != nil {
		prior.Sorry = config.Sorry.Key
	}
	told := make(map[string]*status.Server, len(s.Servers))
	for i := range s.Servers {
		told[s.Servers[i].Name] = &s.Servers[i]
	}
	for i, server := range p.plan.Servers {
		if t := told[server.Name]; t != nil {
			c := &config.Servers[i]
			w := int(c.Destination.Weight)
			prior.Servers = append(prior.Servers, ipvsctl.ServerState{Key: c.Key, Up: t.Up, Weight: t.Weight, Configured: w})
		}
	}
	p.Pool, _ = ipvsctl.NewPool(config, &prior)
}
