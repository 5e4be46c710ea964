package lb

import (
	"maps"
	"slices"

	"keepgo/ipvsctl"
)

// State is what a new Node needs to go on from here.
func (n *Node) State() State { return n.state(nil) }

// state leaves out what some of the pools are, so that they are known alone.
func (n *Node) state(without map[int]bool) State {
	s := n.rest(without)
	s.Stood = n.stood()
	s.Pools, s.Checks = make(map[string]ipvsctl.PoolState, len(n.pools)), make(map[string][]Verdict, len(n.verdicts))
	for i := range n.pools {
		if key := n.pools[i].plan.Key; without[i] {
			s.Pools[key] = ipvsctl.PoolState{}
		} else {
			s.Pools[key] = n.pools[i].State()
		}
	}
	for i, v := range n.verdicts {
		if !without[n.plan.Owners[i].Pool] {
			s.Checks[n.ids[i]] = append(s.Checks[n.ids[i]], v)
		}
	}
	return s
}

// rest is what little there is in it beside pools, checks and services.
func (n *Node) rest(without map[int]bool) State {
	s := State{Marks: map[string]uint32{}, Slow: map[string]map[ipvsctl.DestKey]int{}}
	for i := range n.pools {
		p := n.pools[i].plan
		if without[i] {
			continue
		}
		if ages := n.pools[i].slowState(); ages != nil {
			s.Slow[p.Key] = ages
		}
		if p.Mark != 0 {
			s.Marks[p.Key] = p.Mark
		}
	}
	for _, p := range n.plan.Paths {
		s.Marks[p.Key] = p.Service.FWMark
	}
	return s
}

// stood are the services in the kernel.
func (n *Node) stood() []ipvsctl.ServiceKey {
	keys := make([]ipvsctl.ServiceKey, 0, len(n.plan.Services)+len(n.plan.Paths))
	for i := range n.plan.Services {
		keys = append(keys, n.plan.Services[i].Key)
	}
	for i := range n.plan.Paths {
		keys = append(keys, n.plan.Paths[i].Service)
	}
	return keys
}

// Forget takes out what an older process had in the kernel and the plan has not,
// because the configuration changed while there was none.
func (n *Node) Forget(state *State) (acts []Action) {
	if state == nil || len(state.Stood) == 0 {
		return nil
	}
	stays := n.plan.PathTable()
	for _, s := range n.plan.Services {
		stays[s.Key] = ipvsctl.Entry{}
	}
	for _, k := range state.Stood {
		if _, is := stays[k]; !is {
			acts = append(acts, Action{Kind: ActRemove, Key: k})
		}
	}
	return acts
}

// adopt makes the pools of the plan and hands them what state knows of them:
// verdicts of checks that stay, servers and quorum of virtual servers that
// stay. Those whose place in the old node stay has go on as they are. The edges, a
// list a pool, tell what that turned.
func (n *Node) adopt(state *State, old *Node, stay []int) [][]ipvsctl.Edge {
	n.plan.keepMarks(state.Marks)
	n.plan.share()
	n.pools = make([]pool, len(n.plan.Pools))
	known := make([]map[ipvsctl.DestKey]ipvsctl.ServerState, len(n.pools))
	for i := range n.pools {
		if k := place(stay, i); k >= 0 {
			n.pools[i] = old.pools[k]
			n.pools[i].plan = &n.plan.Pools[i]
			continue
		}
		n.pools[i] = newPool(&n.plan.Pools[i])
		known[i] = make(map[ipvsctl.DestKey]ipvsctl.ServerState)
		for _, s := range state.Pools[n.plan.Pools[i].Key].Servers {
			known[i][s.Key] = s
		}
	}
	n.assign()
	n.adoptVerdicts(state, known, old, stay)
	n.adoptFollows()
	edges := make([][]ipvsctl.Edge, len(n.pools))
	for i := range n.pools {
		if place(stay, i) >= 0 {
			continue
		}
		var prior *ipvsctl.PoolState
		if s, ok := state.Pools[n.plan.Pools[i].Key]; ok {
			prior = &s
		}
		edges[i] = n.pools[i].begin(prior)
		n.pools[i].resumeSlow(state.Slow[n.plan.Pools[i].Key])
	}
	return edges
}

// place is which of the old pools goes on as the pool, -1 if none does.
func place(stay []int, pool int) int {
	if stay == nil {
		return -1
	}
	return stay[pool]
}

func newPool(plan *Pool) pool {
	return pool{plan: plan, orders: make([]*Order, len(plan.Servers)), servers: make([]tally, len(plan.Servers))}
}

// adoptVerdicts gives every check its old verdict, or the one it starts with:
// up, or with alpha down, unless its server was judged before by other checks.
func (n *Node) adoptVerdicts(state *State, known []map[ipvsctl.DestKey]ipvsctl.ServerState, old *Node, stay []int) {
	n.verdicts = make([]Verdict, len(n.plan.Checks))
	n.ids = make([]string, len(n.plan.Checks))
	used := map[string]int{}
	var had []int // where the checks of each old pool began
	if stay != nil {
		had = old.plan.spans()
	}
	for i := 0; i < len(n.plan.Checks); i++ {
		c, o := &n.plan.Checks[i], n.plan.Owners[i]
		if k := place(stay, o.Pool); k >= 0 { // all of its checks at once
			copy(n.verdicts[i:], old.verdicts[had[k]:had[k+1]])
			i += copy(n.ids[i:], old.ids[had[k]:had[k+1]]) - 1
			continue
		}
		id := c.Identity()
		n.ids[i] = id
		if old := state.Checks[id]; used[id] < len(old) {
			n.verdicts[i] = old[used[id]]
			used[id]++
		} else {
			was := known[o.Pool][n.plan.Pools[o.Pool].Config.Servers[o.Server].Key]
			n.verdicts[i].Up = !c.Alpha || was.Up
		}
		n.pools[o.Pool].count(o.Server, n.verdicts[i], +1)
	}
}

// begin makes the pool itself once the verdicts on its servers are counted.
func (p *pool) begin(prior *ipvsctl.PoolState) []ipvsctl.Edge {
	config := p.plan.Config
	for i := range config.Servers {
		if up, _ := p.verdict(i); up {
			continue
		}
		if &config.Servers[0] == &p.plan.Config.Servers[0] { // the plan's are shared
			config.Servers = slices.Clone(config.Servers)
		}
		config.Servers[i].Down = true
	}
	var edges []ipvsctl.Edge
	p.Pool, edges = ipvsctl.NewPool(config, prior)
	p.slow(edges)
	for i := range p.servers {
		edges = append(edges, p.judge(i)...)
	}
	return edges
}

// reload replaces the plan. Services whose entry stays equal are left alone, and
// pools that did not change go on as they are, unless something of the whole plan
// may have another effect on them now.
func (n *Node) reload(plan *Plan, stay []int, acts []Action) []Action {
	old := *n
	if len(plan.Follows)+len(old.plan.Follows) > 0 || !slices.Equal(plan.Orders, old.plan.Orders) {
		stay = nil
	}
	goOn := make(map[int]bool, len(stay))
	for _, k := range stay {
		goOn[k] = true
	}
	delete(goOn, -1)
	state := old.state(goOn)
	n.plan = plan
	edges := n.adopt(&state, &old, stay)
	acts = n.change(&old, stay, acts)

	left := map[string]*pool{}
	for i := range old.pools {
		if !goOn[i] {
			left[old.pools[i].plan.Key] = &old.pools[i]
		}
	}
	for i := range n.pools {
		if p := &n.pools[i]; place(stay, i) < 0 {
			acts = p.tell(acts, edges[i], cause{body: "=> Removing <=", was: left[p.plan.Key]})
			delete(left, p.plan.Key)
		}
	}
	for i := range old.pools {
		if p := &old.pools[i]; !goOn[i] && left[p.plan.Key] != nil {
			acts = p.tell(acts, p.Stop(true), cause{quiet: !p.plan.Omega, body: "=> Removing <="})
		}
	}
	return n.greet(&state, acts)
}

// change appends what turns the old table into the new one.
func (n *Node) change(old *Node, stay []int, acts []Action) []Action {
	had := make(map[ipvsctl.ServiceKey]int, len(old.plan.Services))
	for i, s := range old.plan.Services {
		had[s.Key] = i
	}
	for i := range n.plan.Services {
		s := &n.plan.Services[i]
		was, stands := had[s.Key]
		if !stands || !s.goesOn(&old.plan.Services[was], stay) && !equal(old.Want(was), n.Want(i)) {
			acts = append(acts, Action{Kind: ActSet, Service: i})
		}
		delete(had, s.Key)
	}
	for _, s := range old.plan.Services {
		if _, left := had[s.Key]; left {
			acts = append(acts, Action{Kind: ActRemove, Key: s.Key})
		}
	}
	return acts
}

// goesOn tells whether all that stands behind a service are pools that go on as
// they are.
func (s *Service) goesOn(was *Service, stay []int) bool {
	return s.Unscheduled == was.Unscheduled &&
		slices.EqualFunc(s.Pools, was.Pools, func(now, then int) bool { return place(stay, now) == then })
}

func equal(a, b ipvsctl.Entry) bool {
	return a.Service == b.Service && maps.Equal(a.Destinations, b.Destinations)
}
