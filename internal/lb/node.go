package lb

import (
	"maps"
	"net/netip"
	"slices"

	"keepgo/checker"
	"keepgo/ipvsctl"
)

// EventKind says what a Node hears.
type EventKind uint8

// The events of a Node.
const (
	EventResult EventKind = iota // Event.Result is a verdict on a check
	EventReload                  // Event.Plan replaces the plan
	EventStop                    // take everything out and end
	EventFile                    // the tracked file Name says Number
	EventOrders                  // Orders replace those of the plan
	EventSecond                  // a second passed
	EventHere                    // Here tells which of Plan.Watched are on this machine
)

// Event is one thing that happened; fields its kind does not use are zero.
type Event struct {
	Kind   EventKind
	Result checker.Result
	Plan   *Plan
	Stay   []int // with Plan, of an Update: which of its pools did not change; nil for none
	Name   string
	Number int
	Here   map[netip.Addr]bool
	Orders []Order
}

// ActionKind says what a Node wants done.
type ActionKind uint8

// The actions of a Node.
const (
	ActSet    ActionKind = iota // Want(Service) changed: what should stand
	ActRemove                   // the service Key should not stand any more
	ActLog                      // write Text
	ActNotify                   // tell Edge
)

// Action is one thing to do; fields its kind does not use are zero.
type Action struct {
	Kind    ActionKind
	Service int // index into Plan.Services
	Key     ipvsctl.ServiceKey
	Text    string // of ActLog; why, of ActNotify
	Edge    Edge
}

// Node keeps the pools of a plan. It is not safe for concurrent use.
type Node struct {
	plan     *Plan
	pools    []pool
	verdicts []Verdict // parallel to plan.Checks
	ids      []string  // their identities, parallel too

	numbers    map[string]int   // in the tracked files, as last heard
	influences []influence      // parallel to plan.Follows
	followers  map[string][]int // into plan.Follows, by file
	here       map[netip.Addr]bool
}

// pool is a Pool at work.
type pool struct {
	*ipvsctl.Pool
	plan    *Pool
	orders  []*Order // parallel to plan.Servers, nil for none
	servers []tally  // parallel to plan.Servers

	slowOnes int // servers in their slow start
}

// tally sums up the verdicts on one server.
type tally struct {
	failed int // checks that fail
	shift  int // what dynamic checks and files add to the configured weight

	slow bool // in its slow start
	age  int  // of it, in seconds
}

// NewNode starts a plan, from nothing or from the state an older Node left. The
// actions set every service and tell what is worth telling.
func NewNode(plan *Plan, state *State) (*Node, []Action) {
	if state == nil {
		state = &State{}
	}
	n := &Node{plan: plan}
	edges := n.adopt(state, &Node{}, nil)
	acts := n.Forget(state)
	for i := range plan.Services {
		acts = append(acts, Action{Kind: ActSet, Service: i})
	}
	for i := range n.pools {
		acts = n.pools[i].tell(acts, edges[i], cause{})
	}
	return n, n.greet(state, acts)
}

// greet tells of the first state of the servers of virtual servers that state
// does not know, if that is wanted.
func (n *Node) greet(state *State, acts []Action) []Action {
	if !n.plan.Greet {
		return acts
	}
	for i := range n.pools {
		p := &n.pools[i]
		if _, known := state.Pools[p.plan.Key]; known {
			continue
		}
		acts = p.greet(acts)
	}
	return acts
}

// Plan is the plan that holds now; read only.
func (n *Node) Plan() *Plan { return n.plan }

// Want is what should stand in IPVS for a service: an index into
// Plan.Services.
func (n *Node) Want(service int) ipvsctl.Entry {
	s := &n.plan.Services[service]
	first := &n.pools[s.Pools[0]]
	e := ipvsctl.Entry{Service: first.plan.Config.Service, Destinations: first.Destinations()}
	if len(s.Pools) == 1 && s.Key.Port == 0 && s.Key.FWMark == 0 {
		return e
	}
	all := make(map[ipvsctl.DestKey]ipvsctl.Destination, len(e.Destinations))
	for _, p := range s.Pools {
		dests := n.pools[p].Destinations()
		for _, k := range slices.SortedFunc(maps.Keys(dests), ipvsctl.DestKey.Compare) { // the same one of two every time
			d := dests[k]
			k.Port = s.port(k, d.Forward)
			if _, stands := all[k]; !stands {
				all[k] = d
			}
		}
	}
	e.Destinations = all
	return e
}

// Table is all that should stand in IPVS.
func (n *Node) Table() ipvsctl.Table {
	t := make(ipvsctl.Table, len(n.plan.Services))
	for i, s := range n.plan.Services {
		t[s.Key] = n.Want(i)
	}
	return t
}

// Step appends what follows from one event to acts: changes of the table first,
// then what people are told.
func (n *Node) Step(ev Event, acts []Action) []Action {
	switch ev.Kind {
	case EventResult:
		return n.hear(&ev.Result, acts)
	case EventReload:
		return n.reload(ev.Plan, ev.Stay, acts)
	case EventStop:
		return n.stop(acts)
	case EventFile:
		return n.hearFile(ev.Name, ev.Number, acts)
	case EventOrders:
		return n.obey(ev.Orders, acts)
	case EventSecond:
		return n.second(acts)
	case EventHere:
		return n.hearHere(ev.Here, acts)
	}
	return acts
}

// Knows tells whether a result says of a check what was known.
func (n *Node) Knows(r *checker.Result) bool {
	return r.ID < 0 || int(r.ID) >= len(n.verdicts) || n.verdicts[r.ID] == verdictOf(r)
}

func verdictOf(r *checker.Result) Verdict {
	return Verdict{Up: r.Up, Dynamic: r.Dynamic, Weight: r.Weight, Rising: r.Rising, Why: r.Why}
}

// hear takes in a verdict. One on no check of this plan is passed over.
func (n *Node) hear(r *checker.Result, acts []Action) []Action {
	if r.ID < 0 || int(r.ID) >= len(n.verdicts) {
		return acts
	}
	o := n.plan.Owners[r.ID]
	p := &n.pools[o.Pool]
	was := n.verdicts[r.ID].Up
	p.count(o.Server, n.verdicts[r.ID], -1)
	n.verdicts[r.ID] = verdictOf(r)
	p.count(o.Server, n.verdicts[r.ID], +1)
	edges := p.judge(o.Server)
	if len(edges) > 0 {
		acts = p.set(acts)
	}
	c := cause{check: &n.plan.Checks[r.ID], why: r.Why}
	acts = p.tell(acts, edges, c)
	if n.plan.MailChecks && was != r.Up && !turned(edges) {
		acts = p.mail(acts, o.Server, c, r.Up)
	}
	return acts
}

// count adds a verdict to a server's tally, or with sign -1 takes it out.
func (p *pool) count(server int, v Verdict, sign int) {
	t := &p.servers[server]
	switch {
	case !v.Up:
		t.failed += sign
	case v.Dynamic:
		t.shift += sign * (v.Weight - p.configured(server))
	}
}

// configured is the weight of a server in the configuration.
func (p *pool) configured(server int) int {
	return int(p.plan.Config.Servers[server].Destination.Weight)
}

// judge gives the pool what the checks of a server say together, or the operator
// instead.
func (p *pool) judge(server int) []ipvsctl.Edge {
	up, weight := p.verdict(server)
	return p.slow(p.Step(p.plan.Config.Servers[server].Key, up, weight))
}

// verdict is whether a server is to be in service, and with what weight.
func (p *pool) verdict(server int) (up bool, weight int) {
	t := p.servers[server]
	return p.orders[server].over(t.failed == 0, p.configured(server)+t.shift)
}

func (p *pool) set(acts []Action) []Action {
	for _, i := range p.plan.Services {
		acts = append(acts, Action{Kind: ActSet, Service: i})
	}
	return acts
}

// stop takes every service out. Only virtual servers with omega run scripts; SNMP
// is told of all.
func (n *Node) stop(acts []Action) []Action {
	for _, s := range n.plan.Services {
		acts = append(acts, Action{Kind: ActRemove, Key: s.Key})
	}
	for i := range n.pools {
		p := &n.pools[i]
		acts = p.tell(acts, p.Stop(false), cause{quiet: !p.plan.Omega, ends: true, body: "=> Shutting down <="})
	}
	return acts
}
