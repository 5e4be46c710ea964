package ipvsctl

import "fmt"

// EdgeKind is what happened to a Pool.
type EdgeKind uint8

// The edges of a pool.
const (
	ServerUp      EdgeKind = iota // a server came alive, or new into the configuration
	ServerDown                    // a server failed, or left the configuration
	ServerStopped                 // a server was taken out because the daemon ends
	WeightChanged                 // the effective weight went From, To
	QuorumGained                  // Live reached Quorum + Hysteresis
	QuorumLost                    // Live fell below Quorum - Hysteresis, or to 0
	SorryIn                       // the sorry server answers
	SorryOut                      // the sorry server is not needed any more
	PoolFilled                    // the alive servers are back in the table
	PoolEmptied                   // the alive servers are out, for the sorry server's sake
)

// Edge is one event of a pool that people, scripts and mails are told of.
type Edge struct {
	Kind    EdgeKind
	Server  DestKey // the real server or the sorry server
	Inhibit bool    // the server stays in the table while it is out

	From, To int  // WeightChanged: effective weights
	Alive    bool // WeightChanged: the server is up

	Quorum, Hysteresis int   // QuorumGained, QuorumLost
	Live               int64 // the live weight that decided
	Start              bool  // QuorumLost: it was not there to begin with
}

func (p *Pool) serverEdge(i int) Edge {
	e := Edge{Kind: ServerDown, Server: p.config.Servers[i].Key, Inhibit: p.config.Servers[i].Inhibit}
	if p.servers[i].up {
		e.Kind = ServerUp
	}
	return e
}

func (p *Pool) quorumEdge(kind EdgeKind) Edge {
	return Edge{Kind: kind, Quorum: p.config.Quorum, Hysteresis: p.config.Hysteresis, Live: p.live}
}

// Text is the edge as keepalived's log tells it. vs is the name of the virtual
// server, protocol the one its real servers are named with.
func (e Edge) Text(vs string, protocol uint8) string {
	rs := e.Server.Name(protocol)
	switch e.Kind {
	case ServerUp:
		return e.choose("Adding service %s to VS %s", "Enabling service %s of VS %s", rs, vs)
	case ServerDown:
		return e.choose("Removing service %s from VS %s", "Disabling service %s of VS %s", rs, vs)
	case ServerStopped:
		return fmt.Sprintf("Shutting down service %s from VS %s", rs, vs)
	case WeightChanged:
		return fmt.Sprintf("Changing weight from %d to %d for %s service %s of VS %s",
			e.From, e.To, map[bool]string{true: "active", false: "inactive"}[e.Alive], rs, vs)
	case SorryIn:
		return e.choose("Adding sorry server %s to VS %s", "Enabling sorry server %s to VS %s", rs, vs)
	case SorryOut:
		return e.choose("Removing sorry server %s from VS %s", "Disabling sorry server %s from VS %s", rs, vs)
	case PoolFilled:
		return "Adding alive servers to the pool for VS " + vs
	case PoolEmptied:
		return "Removing alive servers from the pool for VS " + vs
	}
	return fmt.Sprintf("%s for VS %s", e.Verdict(), vs)
}

func (e Edge) choose(plain, inhibited, rs, vs string) string {
	if e.Inhibit {
		plain = inhibited
	}
	return fmt.Sprintf(plain, rs, vs)
}

// Verdict is how the live weight stands to the threshold of the quorum:
// "Gained quorum 2+1=3 <= 4" or "Lost quorum 2-1=1 > 0"; "" for other edges.
func (e Edge) Verdict() string {
	up, down := int64(e.Quorum)+int64(e.Hysteresis), int64(e.Quorum)-int64(e.Hysteresis)
	switch {
	case e.Kind == QuorumGained:
		return fmt.Sprintf("Gained quorum %d+%d=%d <= %d", e.Quorum, e.Hysteresis, up, e.Live)
	case e.Kind != QuorumLost:
		return ""
	case e.Start:
		return fmt.Sprintf("Starting with quorum down %d-%d=%d > %d", e.Quorum, e.Hysteresis, down, e.Live)
	}
	return fmt.Sprintf("Lost quorum %d-%d=%d > %d", e.Quorum, e.Hysteresis, down, e.Live)
}
