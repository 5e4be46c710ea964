package lb

import (
	"encoding/binary"
	"errors"
	"slices"

	"keepgo/ipvsctl"
)

// Packed is a State to be kept: it is made, sent and thrown away far more often
// than anybody asks what it says.
type Packed struct {
	Rest                 State  // without the following
	Pools, Checks, Stood []byte // State.Pools, State.Checks, State.Stood
}

// Pack is the node's state, packed.
func (n *Node) Pack() *Packed {
	p := &Packed{Rest: n.rest(nil), Pools: make([]byte, 0, 128*len(n.pools)), Checks: make([]byte, 0, 96*len(n.verdicts)), Stood: packServices(n.stood())}
	for i := range n.pools {
		p.Pools = appendPool(p.Pools, n.pools[i].plan.Key, n.pools[i].State())
	}
	for i := range n.verdicts {
		p.Checks = appendVerdicts(p.Checks, n.ids[i], n.verdicts[i:i+1])
	}
	return p
}

// Stood are the services of a plan, packed as those of a State are. Whose mark the
// configuration does not say is left out: the process may have given it another.
func (p *Plan) Stood() []byte {
	keys := make([]ipvsctl.ServiceKey, 0, len(p.Services))
	for i := range p.Services {
		if s := &p.Services[i]; s.Key.FWMark == 0 || p.Pools[s.Pools[0]].Mark != s.Key.FWMark {
			keys = append(keys, s.Key)
		}
	}
	return packServices(keys)
}

// Beside is the state with further services in the kernel, as Stood packs them; of
// nil it knows nothing else.
func (p *Packed) Beside(stood []byte) *Packed {
	if len(stood) == 0 {
		return p
	}
	var more Packed
	if p != nil {
		more = *p
	}
	more.Stood = slices.Concat(more.Stood, stood)
	return &more
}

// Pack packs a state; nil stays nil.
func (s *State) Pack() *Packed {
	if s == nil {
		return nil
	}
	p := &Packed{Rest: *s, Stood: packServices(s.Stood)}
	p.Rest.Pools, p.Rest.Checks, p.Rest.Stood = nil, nil, nil
	p.Pools, _ = s.Pools.GobEncode() // neither fails
	p.Checks, _ = s.Checks.GobEncode()
	return p
}

// State unpacks; nil stays nil. It fails where what was packed is damaged.
func (p *Packed) State() (*State, error) {
	if p == nil {
		return nil, nil
	}
	s := p.Rest
	err := errors.Join(s.Pools.GobDecode(p.Pools), s.Checks.GobDecode(p.Checks))
	r := reader{rest: string(p.Stood)}
	for r.rest != "" && !r.bad {
		s.Stood = append(s.Stood, r.service())
	}
	if err = errors.Join(err, r.verdict()); err != nil {
		return nil, err
	}
	return &s, nil
}

func packServices(keys []ipvsctl.ServiceKey) []byte {
	b := make([]byte, 0, 16*len(keys))
	for _, k := range keys {
		b = appendServer(b, ipvsctl.DestKey{Addr: k.Addr, Port: k.Port})
		b = append(b, k.Protocol, flag(k.IPv6, 1))
		b = binary.AppendUvarint(b, uint64(k.FWMark))
	}
	return b
}

func (r *reader) service() ipvsctl.ServiceKey {
	at := r.server()
	return ipvsctl.ServiceKey{Addr: at.Addr, Port: at.Port, Protocol: r.flags(), IPv6: r.flags()&1 != 0, FWMark: uint32(r.unsigned())}
}
