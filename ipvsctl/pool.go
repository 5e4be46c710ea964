package ipvsctl

import "math"

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
// virtual service.
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
	config  PoolConfig
	servers []ServerState
	given   []Server // parallel to servers
	index   map[DestKey]int
	live    int64 // sum of the weights of the servers that are up
	up      bool
}

// NewPool makes the pool the configuration asks for. Without prior state every
// server not marked Down is up at once and the quorum is met when their weight
// reaches quorum + hysteresis. With prior state servers that stay keep theirs,
// a changed configured weight moves the effective one by as much, and the
// edges tell what the change of configuration did.
func NewPool(config PoolConfig, prior *PoolState) (*Pool, []Edge) {
	p := &Pool{config: config, index: make(map[DestKey]int, len(config.Servers))}
	for _, s := range config.Servers {
		p.add(s)
	}
	if prior == nil {
		return p, p.start()
	}
	return p, p.resume(*prior)
}

func (p *Pool) add(s Server) {
	if _, twice := p.index[s.Key]; twice {
		return
	}
	w := int(s.Destination.Weight)
	p.index[s.Key] = len(p.servers)
	p.given = append(p.given, s)
	p.servers = append(p.servers, ServerState{Key: s.Key, Up: !s.Down, Weight: w, Configured: w})
	p.live += p.servers[len(p.servers)-1].counts()
}

// counts is the share of a server in the live weight.
func (s ServerState) counts() int64 {
	if !s.Up {
		return 0
	}
	return int64(max(s.Weight, 0))
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
		if _, stays := p.index[s.Key]; !stays && s.Up {
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
	s := &p.servers[i]
	was, known := old[s.Key]
	if !known {
		if s.Up {
			edges = append(edges, p.serverEdge(i))
		}
		return edges
	}
	p.live -= s.counts()
	s.Up = was.Up
	s.Weight = was.Weight + s.Configured - was.Configured
	p.live += s.counts()
	if s.Weight != was.Weight {
		edges = append(edges, Edge{Kind: WeightChanged, Server: s.Key, From: was.Weight, To: s.Weight, Alive: s.Up})
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
	i, ok := p.index[key]
	if !ok {
		return nil
	}
	s := &p.servers[i]
	var edges []Edge
	if weight != s.Weight {
		edges = append(edges, Edge{Kind: WeightChanged, Server: key, From: s.Weight, To: weight, Alive: s.Up})
	}
	turned := up != s.Up
	p.live -= s.counts()
	s.Up, s.Weight = up, weight
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
		if s := &p.servers[i]; s.Up {
			s.Up = false
			edges = append(edges, Edge{Kind: kind, Server: s.Key})
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
	i, ok := p.index[key]
	if !ok {
		return ServerState{}, false
	}
	return p.servers[i], true
}

// State is a copy of what a new pool needs to go on from here.
func (p *Pool) State() PoolState {
	s := PoolState{Up: p.up, Servers: append([]ServerState(nil), p.servers...)}
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
		switch {
		case s.Up && !sorry:
			dests[s.Key] = weighted(p.given[i].Destination, s.Weight)
		case p.given[i].Inhibit:
			dests[s.Key] = weighted(p.given[i].Destination, 0)
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
