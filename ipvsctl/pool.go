package ipvsctl

import (
	"cmp"
	"math"
	"slices"
)

// Server is a real server, or the sorry server, of a Pool.
type Server struct {
	Key         DestKey
	Destination Destination // its Weight is the configured one
	// Inhibit keeps the server in the table with weight 0 instead of taking it
	// out (inhibit_on_failure, sorry_server_inhibit).
	Inhibit bool
	// Down makes the server start out of service (alpha). It has no meaning
	// for the sorry server.
	Down bool
}

// PoolConfig is what the configuration says about the servers behind one
// virtual service. A Pool keeps its Servers: they must not change any more.
type PoolConfig struct {
	Service    Service
	Servers    []Server // of several with the same key the first counts
	Sorry      *Server  // nil: none
	Quorum     int      // least live weight of a service that is up
	Hysteresis int      // how far beyond the quorum the live weight must go to turn the service
}

// PoolState is the memory of a Pool: what a new one starts from after a
// reload, a crash or an upgrade.
type PoolState struct {
	Up      bool          // quorum is met
	Sorry   DestKey       // the sorry server that answers; the zero value: none
	Servers []ServerState // in the order of the configuration
}

// ServerState is the state of one real server of a Pool.
type ServerState struct {
	Key        DestKey
	Up         bool
	Weight     int // effective; dynamic checks may make it negative, which counts as 0
	Configured int // weight of the configuration
}

// Pool is the set of real servers behind one virtual service: who is alive,
// whether their weight makes the quorum, and whether the sorry server answers
// instead (keepalived: perform_svr_state and update_quorum_state). It is not
// safe for concurrent use.
type Pool struct {
	config  PoolConfig  // its Servers are distinct
	servers []condition // parallel to config.Servers
	order   []int32     // indices of the servers, by key
	live    int64       // sum of the weights of the servers that are up
	up      bool
}

// condition is how a server of the configuration is now.
type condition struct {
	weight int // effective
	up     bool
}

// NewPool makes the pool the configuration asks for. Without prior state every
// server not marked Down is up at once and the quorum is met when their weight
// reaches quorum + hysteresis. With prior state servers that stay keep theirs,
// a changed configured weight moves the effective one by as much, and the
// edges tell what the change of configuration did.
func NewPool(config PoolConfig, prior *PoolState) (*Pool, []Edge) {
	p := &Pool{config: config}
	p.config.Servers, p.order = distinct(config.Servers)
	p.servers = make([]condition, len(p.config.Servers))
	for i := range p.servers {
		s := &p.config.Servers[i]
		p.servers[i] = condition{up: !s.Down, weight: int(s.Destination.Weight)}
		p.live += p.servers[i].counts()
	}
	if prior == nil {
		return p, p.start()
	}
	return p, p.resume(*prior)
}

// distinct leaves the first of several servers with the same key, and tells their
// order by key.
func distinct(servers []Server) ([]Server, []int32) {
	order := make([]int32, len(servers))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Or(servers[a].Key.Compare(servers[b].Key), cmp.Compare(a, b)) })
	first := slices.CompactFunc(slices.Clone(order), func(a, b int32) bool { return servers[a].Key == servers[b].Key })
	if len(first) == len(order) {
		return servers, order
	}
	slices.Sort(first)
	all := make([]Server, len(first))
	for i, k := range first {
		all[i] = servers[k]
	}
	return distinct(all)
}

// Place is the index of a server among the distinct ones of the configuration, and
// whether the pool has it.
func (p *Pool) Place(key DestKey) (int, bool) {
	i, found := slices.BinarySearchFunc(p.order, key, func(i int32, key DestKey) int { return p.config.Servers[i].Key.Compare(key) })
	if !found {
		return 0, false
	}
	return int(p.order[i]), true
}

// state is the state of a server by its index.
func (p *Pool) state(i int) ServerState {
	c, s := &p.config.Servers[i], p.servers[i]
	return ServerState{Key: c.Key, Up: s.up, Weight: s.weight, Configured: int(c.Destination.Weight)}
}

// counts is the share of a server in the live weight.
func (s condition) counts() int64 {
	if !s.up {
		return 0
	}
	return int64(max(s.weight, 0))
}

// start decides the first state of the quorum. keepalived tells of it only
// when the sorry server has to step in.
func (p *Pool) start() []Edge {
	p.up = p.met()
	if !p.SorryActive() {
		return nil
	}
	lost := p.quorumEdge(QuorumLost)
	lost.Start = true
	return []Edge{lost, p.sorryEdge(SorryIn)}
}

// resume takes over the state of servers that stay, then looks at the quorum.
func (p *Pool) resume(prior PoolState) []Edge {
	var edges []Edge
	old := make(map[DestKey]ServerState, len(prior.Servers))
	for _, s := range prior.Servers {
		old[s.Key] = s
		if _, stays := p.Place(s.Key); !stays && s.Up {
			edges = append(edges, Edge{Kind: ServerDown, Server: s.Key})
		}
	}
	for i := range p.servers {
		edges = p.resumeServer(edges, i, old)
	}
	p.up = prior.Up
	edges = p.swapSorry(edges, prior.Sorry)
	return p.settle(edges)
}

func (p *Pool) resumeServer(edges []Edge, i int, old map[DestKey]ServerState) []Edge {
	s, now := &p.servers[i], p.state(i)
	was, known := old[now.Key]
	if !known {
		if s.up {
			edges = append(edges, p.serverEdge(i))
		}
		return edges
	}
	p.live -= s.counts()
	*s = condition{up: was.Up, weight: was.Weight + now.Configured - was.Configured}
	p.live += s.counts()
	if s.weight != was.Weight {
		edges = append(edges, Edge{Kind: WeightChanged, Server: now.Key, From: was.Weight, To: s.weight, Alive: s.up})
	}
	return edges
}

// swapSorry tells of a sorry server that a change of configuration took away
// or brought while it is needed.
func (p *Pool) swapSorry(edges []Edge, was DestKey) []Edge {
	var now DestKey
	if p.SorryActive() {
		now = p.config.Sorry.Key
	}
	if now == was {
		return edges
	}
	if was != (DestKey{}) {
		edges = append(edges, Edge{Kind: SorryOut, Server: was})
	}
	if now != (DestKey{}) {
		edges = append(edges, p.sorryEdge(SorryIn))
	}
	return edges
}

func (p *Pool) sorryEdge(kind EdgeKind) Edge {
	return Edge{Kind: kind, Server: p.config.Sorry.Key, Inhibit: p.config.Sorry.Inhibit}
}

// Step takes in the verdict on one server: alive or not, and its effective
// weight. The edges are what a human wants to hear of it, in keepalived's
// order; none means nothing changed. A server that is not in the pool, as one
// whose last check outlived a reload, is passed over.
func (p *Pool) Step(key DestKey, up bool, weight int) []Edge {
	i, ok := p.Place(key)
	if !ok {
		return nil
	}
	s := &p.servers[i]
	var edges []Edge
	if weight != s.weight {
		edges = append(edges, Edge{Kind: WeightChanged, Server: key, From: s.weight, To: weight, Alive: s.up})
	}
	turned := up != s.up
	p.live -= s.counts()
	s.up, s.weight = up, weight
	p.live += s.counts()
	if turned {
		edges = append(edges, p.serverEdge(i))
	}
	return p.settle(edges)
}

// met says whether the live weight is enough to turn the service up. A service
// with no live weight at all is never up.
func (p *Pool) met() bool {
	return p.live > 0 && p.live >= int64(p.config.Quorum)+int64(p.config.Hysteresis)
}

// lost says whether the live weight is too little for the service to stay up.
func (p *Pool) lost() bool {
	return p.live == 0 || p.live < int64(p.config.Quorum)-int64(p.config.Hysteresis)
}

// settle turns the quorum if the live weight crossed its threshold.
func (p *Pool) settle(edges []Edge) []Edge {
	switch {
	case !p.up && p.met():
		p.up = true
		edges = append(edges, p.quorumEdge(QuorumGained))
		if p.config.Sorry != nil {
			edges = append(edges, Edge{Kind: PoolFilled}, p.sorryEdge(SorryOut))
		}
	case p.up && p.lost():
		p.up = false
		edges = append(edges, p.quorumEdge(QuorumLost))
		if p.config.Sorry != nil {
			edges = append(edges, p.sorryEdge(SorryIn), Edge{Kind: PoolEmptied})
		}
	}
	return edges
}

// Stop takes every server out, as when the service leaves the configuration
// (removed) or the daemon ends. The pool is empty of live servers afterwards;
// its service should leave the table.
func (p *Pool) Stop(removed bool) []Edge {
	kind := ServerStopped
	if removed {
		kind = ServerDown
	}
	var edges []Edge
	if p.SorryActive() {
		edges = append(edges, p.sorryEdge(SorryOut))
	}
	p.config.Sorry = nil
	for i := range p.servers {
		if s := &p.servers[i]; s.up {
			s.up = false
			edges = append(edges, Edge{Kind: kind, Server: p.config.Servers[i].Key})
		}
	}
	p.live = 0
	return p.settle(edges)
}

// Up says whether the quorum is met.
func (p *Pool) Up() bool { return p.up }

// Live is the sum of the effective weights of the servers that are up.
func (p *Pool) Live() int64 { return p.live }

// SorryActive says whether the sorry server stands in for the real servers.
func (p *Pool) SorryActive() bool { return !p.up && p.config.Sorry != nil }

// Server is the state of one real server, and whether the pool has it.
func (p *Pool) Server(key DestKey) (ServerState, bool) {
	i, ok := p.Place(key)
	if !ok {
		return ServerState{}, false
	}
	return p.state(i), true
}

// State is a copy of what a new pool needs to go on from here.
func (p *Pool) State() PoolState {
	s := PoolState{Up: p.up, Servers: make([]ServerState, len(p.servers))}
	for i := range s.Servers {
		s.Servers[i] = p.state(i)
	}
	if p.SorryActive() {
		s.Sorry = p.config.Sorry.Key
	}
	return s
}

// Entry is what should stand in IPVS for this service now.
func (p *Pool) Entry() Entry {
	return Entry{Service: p.config.Service, Destinations: p.Destinations()}
}

// Destinations is the servers that should stand in IPVS now. While the sorry
// server answers, real servers are out, or have weight 0 where they are
// inhibited; a sorry server that is a real server too counts as the one it is
// needed for.
func (p *Pool) Destinations() map[DestKey]Destination {
	dests := make(map[DestKey]Destination, len(p.servers)+1)
	sorry := p.SorryActive()
	for i, s := range p.servers {
		c := &p.config.Servers[i]
		switch {
		case s.up && !sorry:
			dests[c.Key] = weighted(c.Destination, s.weight)
		case c.Inhibit:
			dests[c.Key] = weighted(c.Destination, 0)
		}
	}
	p.placeSorry(dests)
	return dests
}

func (p *Pool) placeSorry(dests map[DestKey]Destination) {
	s := p.config.Sorry
	if s == nil {
		return
	}
	_, taken := dests[s.Key]
	switch {
	case p.SorryActive():
		dests[s.Key] = s.Destination
	case s.Inhibit && !taken:
		dests[s.Key] = weighted(s.Destination, 0)
	}
}

// weighted is d with an effective weight, clamped to what the kernel takes.
func weighted(d Destination, weight int) Destination {
	d.Weight = uint32(min(max(weight, 0), math.MaxInt32))
	return d
}
