package lb

import "keepgo/internal/status"

// Status tells the state of every virtual server and its real servers. Why is
// the reason of the first check that fails, else of the last that was heard.
func (n *Node) Status() []status.Service {
	out := make([]status.Service, len(n.pools))
	for i := range n.pools {
		p := &n.pools[i]
		s := status.Service{Name: p.plan.Name, Up: p.Up(), Sorry: p.SorryActive(), Suspended: p.plan.asleep(n.here), Servers: make([]status.Server, len(p.plan.Servers))}
		for j := range s.Servers {
			state, _ := p.Server(p.plan.Config.Servers[j].Key)
			s.Servers[j] = status.Server{Name: p.plan.Servers[j].Name, Up: state.Up, Weight: state.Weight}
			if o := p.orders[j]; o != nil {
				s.Servers[j].Order = o.Kind
			}
		}
		out[i] = s
	}
	n.reasons(out)
	return out
}

func (n *Node) reasons(out []status.Service) {
	failing := make(map[Owner]bool)
	for i, v := range n.verdicts {
		o := n.plan.Owners[i]
		s := &out[o.Pool].Servers[o.Server]
		s.Checks = append(s.Checks, status.Check{Kind: n.plan.Checks[i].Probe.Keyword(), Up: v.Up, Why: v.Why})
		if v.Why == "" || failing[o] {
			continue
		}
		s.Why = v.Why
		failing[o] = !v.Up
	}
}
