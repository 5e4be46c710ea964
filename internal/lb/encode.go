package lb

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"keepgo/ipvsctl"
)

// What a State has of tens of thousands of servers crosses the process boundary
// whenever one of them turns. It is written by hand: package gob would take as long
// for it as a reload takes for all the rest.

// poolStates are what is known of pools, by Pool.Key.
type poolStates map[string]ipvsctl.PoolState

// verdicts are what is known of checks, by checker.Check.Identity; equal checks in
// their order.
type verdicts map[string][]Verdict

// GobEncode implements gob.GobEncoder.
func (p poolStates) GobEncode() ([]byte, error) {
	b := make([]byte, 0, 64+128*len(p))
	for key, s := range p {
		b = appendPool(b, key, s)
	}
	return b, nil
}

func appendPool(b []byte, key string, s ipvsctl.PoolState) []byte {
	b = appendText(b, key)
	b = append(b, flag(s.Up, 1))
	b = appendServer(b, s.Sorry)
	b = binary.AppendUvarint(b, uint64(len(s.Servers)))
	for _, srv := range s.Servers {
		b = appendServer(b, srv.Key)
		b = append(b, flag(srv.Up, 1))
		b = binary.AppendVarint(b, int64(srv.Weight))
		b = binary.AppendVarint(b, int64(srv.Configured))
	}
	return b
}

// GobDecode implements gob.GobDecoder.
func (p *poolStates) GobDecode(b []byte) error {
	*p = poolStates{}
	r := reader{rest: string(b)}
	for r.rest != "" && !r.bad {
		key := r.text()
		s := ipvsctl.PoolState{Up: r.flags()&1 != 0, Sorry: r.server()}
		n := r.count()
		s.Servers = slices.Grow(s.Servers, int(min(n, uint64(len(r.rest))/serverSize)))
		for ; n > 0 && !r.bad; n-- {
			s.Servers = append(s.Servers, ipvsctl.ServerState{Key: r.server(), Up: r.flags()&1 != 0, Weight: r.number(), Configured: r.number()})
		}
		(*p)[key] = s
	}
	return r.verdict()
}

// serverSize is how many bytes a server takes at least.
const serverSize = 6

// GobEncode implements gob.GobEncoder.
func (v verdicts) GobEncode() ([]byte, error) {
	b := make([]byte, 0, 64+64*len(v))
	for key, list := range v {
		b = appendVerdicts(b, key, list)
	}
	return b, nil
}

func appendVerdicts(b []byte, key string, list []Verdict) []byte {
	b = appendText(b, key)
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, one := range list {
		b = append(b, flag(one.Up, 1)|flag(one.Dynamic, 2))
		b = binary.AppendVarint(b, int64(one.Weight))
		b = binary.AppendVarint(b, int64(one.Rising))
		b = appendText(b, one.Why)
	}
	return b
}

// GobDecode implements gob.GobDecoder. Those of equal checks may stand apart.
func (v *verdicts) GobDecode(b []byte) error {
	*v = verdicts{}
	r := reader{rest: string(b)}
	for r.rest != "" && !r.bad {
		key := r.text()
		list := (*v)[key]
		for n := r.count(); n > 0 && !r.bad; n-- {
			f := r.flags()
			list = append(list, Verdict{Up: f&1 != 0, Dynamic: f&2 != 0, Weight: r.number(), Rising: r.number(), Why: r.text()})
		}
		(*v)[key] = list
	}
	return r.verdict()
}

func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendServer(b []byte, k ipvsctl.DestKey) []byte {
	var room [64]byte
	addr, _ := k.Addr.AppendBinary(room[:0]) // it never fails
	b = append(binary.AppendUvarint(b, uint64(len(addr))), addr...)
	return binary.BigEndian.AppendUint16(b, k.Port)
}

// reader takes apart what the functions above wrote. The texts that it gives are
// parts of the whole, which cost nothing more.
type reader struct {
	rest string
	bad  bool
}

var errState = errors.New("the state of virtual servers is damaged")

func (r *reader) verdict() error {
	if r.bad {
		return errState
	}
	return nil
}

// take is the next n bytes.
func (r *reader) take(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, ""
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) flags() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

// unsigned is a number as binary.AppendUvarint writes it.
func (r *reader) unsigned() (n uint64) {
	for shift := uint(0); shift < 64; shift += 7 {
		c := r.flags()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.bad = true
	return 0
}

// number is one as binary.AppendVarint writes it.
func (r *reader) number() int {
	n := r.unsigned()
	return int(n>>1) ^ -int(n&1)
}

// count is how many things follow, of at least a byte each.
func (r *reader) count() uint64 {
	n := r.unsigned()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) text() string { return r.take(r.unsigned()) }

func (r *reader) server() (k ipvsctl.DestKey) {
	addr := r.text()
	if port := r.take(2); !r.bad {
		k.Port = uint16(port[0])<<8 | uint16(port[1])
	}
	if k.Addr.UnmarshalBinary([]byte(addr)) != nil {
		r.bad, k.Addr = true, netip.Addr{}
	}
	return k
}
