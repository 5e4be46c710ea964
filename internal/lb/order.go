package lb

import (
	"fmt"
	"net/netip"
	"strings"

	"keepgo/checker"
	"keepgo/ipvsctl"
)

// The kinds of Order.
const (
	Drain  = "drain"  // no new connections; those that stand go on
	Down   = "down"   // out of service, whatever its checks say
	Up     = "up"     // in service, whatever its checks say
	Weight = "weight" // Order.Weight, whatever its checks say of the weight
)

// Order is what the operator says of one server of one virtual server. It
// outlives the plan: names stay.
type Order struct {
	Service, Server string // Pool.Name and Server.Name
	Kind            string
	Weight          int // with Kind Weight
}

// over puts an order, which may be nil, over what the checks say.
func (o *Order) over(up bool, weight int) (bool, int) {
	switch {
	case o == nil:
	case o.Kind == Drain:
		return up, 0
	case o.Kind == Down:
		return false, weight
	case o.Kind == Up:
		return true, weight
	case o.Kind == Weight:
		return up, o.Weight
	}
	return up, weight
}

// assign gives each server the order that the plan has for it.
func (n *Node) assign() {
	type place struct{ service, server string }
	orders := map[place]*Order{}
	for i := range n.plan.Orders {
		o := &n.plan.Orders[i]
		orders[place{o.Service, o.Server}] = o
	}
	for i := range n.pools {
		p := &n.pools[i]
		if len(orders) == 0 {
			clear(p.orders)
			continue
		}
		for j := range p.orders {
			p.orders[j] = orders[place{p.plan.Name, p.plan.Servers[j].Name}]
		}
	}
}

// obey puts other orders in force.
func (n *Node) obey(orders []Order, acts []Action) []Action {
	n.plan.Orders = orders
	before := make([][]*Order, len(n.pools))
	for i := range n.pools {
		before[i] = append(before[i], n.pools[i].orders...)
	}
	n.assign()
	for i := range n.pools {
		p := &n.pools[i]
		var edges []ipvsctl.Edge
		for j := range p.orders {
			if p.orders[j] != before[i][j] {
				edges = append(edges, p.judge(j)...)
			}
		}
		if len(edges) > 0 {
			acts = p.set(acts)
		}
		acts = p.tell(acts, edges, cause{body: "=> By order <=", why: "by order"})
	}
	return acts
}

// Target is one server of one virtual server, by their names.
type Target struct{ Service, Server string }

// Find finds servers as an operator names them: by address, by address and port
// (10.0.0.2:80, [fd00::2]:80), or as the status does ([10.0.0.2]:tcp:80). With
// service "" they are those of every virtual server.
func (p *Plan) Find(server, service string) ([]Target, error) {
	var found []Target
	known := service == ""
	for i := range p.Pools {
		pool := &p.Pools[i]
		if service != "" && !called(service, pool.Name) {
			continue
		}
		known = true
		for j := range pool.Servers {
			if called(server, pool.Servers[j].Name) {
				found = append(found, Target{pool.Name, pool.Servers[j].Name})
			}
		}
	}
	switch {
	case !known:
		return nil, fmt.Errorf("no virtual server is called %q; keepgo status lists them", service)
	case len(found) == 0:
		return nil, fmt.Errorf("no real server is called %q; keepgo status lists them", server)
	}
	return found, nil
}

// Named are the checks of a virtual server, or of a real server wherever it
// stands, that an operator names as for Find; "" names all. Idle are the servers
// among them that no probe asks for.
func (p *Plan) Named(word string) (checks []checker.ID, idle []Target) {
	probed := map[Owner][]checker.ID{}
	for i, o := range p.Owners {
		probed[o] = append(probed[o], checker.ID(i))
	}
	for i := range p.Pools {
		pool := &p.Pools[i]
		whole := word == "" || called(word, pool.Name)
		for j := range pool.Servers {
			name := pool.Servers[j].Name
			if !whole && !called(word, name) {
				continue
			}
			ids := probed[Owner{i, j}]
			checks = append(checks, ids...)
			if len(ids) == 0 {
				idle = append(idle, Target{pool.Name, name})
			}
		}
	}
	return checks, idle
}

// called tells whether an operator's word means a thing of a name such as
// [10.0.0.2]:tcp:80.
func called(word, name string) bool {
	if word == name {
		return true
	}
	addr, rest, found := strings.Cut(strings.TrimPrefix(name, "["), "]:")
	_, port, two := strings.Cut(rest, ":")
	if !found || !two {
		return false
	}
	if a, err := netip.ParseAddr(word); err == nil {
		return a.String() == addr
	}
	if ap, err := netip.ParseAddrPort(word); err == nil {
		return ap.Addr().String() == addr && fmt.Sprint(ap.Port()) == port
	}
	return false
}
