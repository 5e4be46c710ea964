package netfilter

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Packet is a packet that comes in.
type Packet struct {
	Link     string // that it comes in by
	Index    int
	IPv6     bool
	Protocol uint8  // 112, or 51 with an authentication header
	Header   []byte // of IP
	// Anyone says that the source address in Header is made up.
	Anyone bool
	Group  bool // it is sent by multicast
}

// truth is whether a packet is what a rule asks.
type truth uint8

const (
	no truth = iota
	maybe
	yes
)

// machine carries out the expressions of one rule.
type machine struct {
	walk  *walk
	chain *Chain
	bank  [4 * bankRegister]byte
	known [4 * bankRegister]bool
	match truth
	end   decision
	found *expr.Verdict
}

// bankRegister is the size of NFT_REG_1 to 4; NFT_REG32_00 to 15 are the same
// bytes in fours (linux/netfilter/nf_tables.h).
const bankRegister = 16

// run says whether the packet matches, and what becomes of it then: a verdict,
// or a decision of a target.
func (m *machine) run(list []expr.Any) (truth, *expr.Verdict, decision) {
	m.match = yes
	for _, e := range list {
		if m.step(e); m.match == no {
			break
		}
	}
	return m.match, m.found, m.end
}

// at is where a register stands in the bank, and how much room is there.
func (m *machine) at(reg uint32, size int) (from, to int, ok bool) {
	switch {
	case reg >= 1 && reg <= 4:
		from = int(reg-1) * bankRegister
	case reg >= 8 && reg < 24:
		from = int(reg-8) * 4
	default:
		return 0, 0, false
	}
	to = from + size
	return from, to, size > 0 && to <= len(m.bank)
}

// load puts a value into a register; nil is one that nobody knows.
func (m *machine) load(reg uint32, value []byte) {
	size := len(value)
	if value == nil {
		size = bankRegister
	}
	from, to, ok := m.at(reg, size)
	for i := from; ok && i < to; i++ {
		m.known[i] = value != nil
		if value != nil {
			m.bank[i] = value[i-from]
		}
	}
}

// value is what a register holds; nil for what nobody knows.
func (m *machine) value(reg uint32, size int) []byte {
	from, to, ok := m.at(reg, size)
	if !ok || slices.Contains(m.known[from:to], false) {
		return nil
	}
	return m.bank[from:to]
}

func (m *machine) step(e expr.Any) {
	switch e := e.(type) {
	case *expr.Meta:
		if !e.SourceRegister {
			m.load(e.Register, m.meta(e.Key))
		}
	case *expr.Payload:
		if e.OperationType == expr.PayloadLoad {
			m.load(e.DestRegister, m.payload(e))
		}
	case *expr.Ct:
		if !e.SourceRegister {
			m.load(e.Register, connection(e))
		}
	case *expr.Bitwise:
		m.bitwise(e)
	case *expr.Immediate:
		m.load(e.Register, e.Data)
	case *expr.Cmp:
		m.ask(m.value(e.Register, len(e.Data)), func(v []byte) bool { return compare(e.Op, bytes.Compare(v, e.Data)) })
	case *expr.Range:
		m.ask(m.value(e.Register, len(e.FromData)), func(v []byte) bool {
			return (bytes.Compare(v, e.FromData) >= 0 && bytes.Compare(v, e.ToData) <= 0) == (e.Op == expr.CmpOpEq)
		})
	case *expr.Lookup:
		m.lookup(e)
	case *expr.Verdict:
		m.found = e
	case *expr.Reject:
		m.end = dropped
	case *expr.Target:
		m.target(e.Name)
	case *expr.Counter, *expr.Log, *expr.Objref, *expr.Notrack:
	default:
		m.match = maybe
	}
}

// ask lowers the match by the answer to a question about a value.
func (m *machine) ask(v []byte, holds func([]byte) bool) {
	switch {
	case v == nil:
		m.match = maybe
	case !holds(v):
		m.match = no
	}
}

func compare(op expr.CmpOp, order int) bool {
	switch op {
	case expr.CmpOpEq:
		return order == 0
	case expr.CmpOpNeq:
		return order != 0
	case expr.CmpOpLt:
		return order < 0
	case expr.CmpOpLte:
		return order <= 0
	case expr.CmpOpGt:
		return order > 0
	}
	return order >= 0
}

// Families and packet types of the kernel: linux/netfilter.h, linux/if_packet.h.
const (
	protoIPv4  = 2
	protoIPv6  = 10
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	toHost     = 0
	toGroup    = 2
	stateNew   = 1 << 3 // linux/netfilter/nf_conntrack_common.h, as nftables shows it
	nameLength = 16     // IFNAMSIZ
)

// meta is what the kernel knows of the packet.
func (m *machine) meta(key expr.MetaKey) []byte {
	p := m.walk.packet
	switch key {
	case expr.MetaKeyL4PROTO:
		return []byte{p.Protocol}
	case expr.MetaKeyNFPROTO:
		return []byte{choose[byte](p.IPv6, protoIPv6, protoIPv4)}
	case expr.MetaKeyPROTOCOL:
		return binary.BigEndian.AppendUint16(nil, choose[uint16](p.IPv6, etherIPv6, etherIPv4))
	case expr.MetaKeyIIFNAME:
		return append([]byte(p.Link), make([]byte, max(0, nameLength-len(p.Link)))...)
	case expr.MetaKeyIIF:
		return binary.NativeEndian.AppendUint32(nil, uint32(p.Index))
	case expr.MetaKeyPKTTYPE:
		return []byte{choose[byte](p.Group, toGroup, toHost)}
	}
	return nil
}

func choose[T any](cond bool, a, b T) T {
	if cond {
		return a
	}
	return b
}

// payload is bytes of the packet. Of what is behind the header nothing is said.
func (m *machine) payload(e *expr.Payload) []byte {
	p := m.walk.packet
	from, to := int(e.Offset), int(e.Offset)+int(e.Len)
	if e.Base != expr.PayloadBaseNetworkHeader || from < 0 || to > len(p.Header) || from >= to {
		return nil
	}
	source, end := 12, 16 // RFC 791 section 3.1
	if p.IPv6 {
		source, end = 8, 24 // RFC 8200 section 3
	}
	if p.Anyone && from < end && to > source {
		return nil
	}
	return p.Header[from:to]
}

// connection: adverts begin something new, as nobody answers them.
func connection(e *expr.Ct) []byte {
	if e.Key == expr.CtKeySTATE {
		return binary.NativeEndian.AppendUint32(nil, stateNew)
	}
	return nil
}

func (m *machine) bitwise(e *expr.Bitwise) {
	v := m.value(e.SourceRegister, int(e.Len))
	if v == nil || len(e.Mask) != len(v) || len(e.Xor) != len(v) {
		m.load(e.DestRegister, nil)
		return
	}
	out := make([]byte, len(v))
	for i := range v {
		out[i] = v[i]&e.Mask[i] ^ e.Xor[i]
	}
	m.load(e.DestRegister, out)
}

// lookup asks a set, or a map of verdicts.
func (m *machine) lookup(e *expr.Lookup) {
	s := m.walk.rules.sets[m.chain.Table+" "+e.SetName]
	if !s.known || len(s.elements) == 0 && e.IsDestRegSet {
		m.match = maybe
		return
	}
	size := 0
	if len(s.elements) > 0 {
		size = len(s.elements[0].Key)
	}
	v := m.value(e.SourceRegister, size)
	if v == nil && size > 0 {
		m.match = maybe
		return
	}
	found := s.find(v)
	switch {
	case (found != nil) == e.Invert:
		m.match = no
	case e.IsDestRegSet && found.VerdictData != nil:
		m.found = found.VerdictData
	case e.IsDestRegSet && e.DestRegister == 0: // a verdict, NFT_REG_VERDICT
		m.match, m.end = maybe, unknown
	case e.IsDestRegSet:
		m.load(e.DestRegister, found.Val)
	}
}

// find is the element that a value is in.
func (s *set) find(v []byte) *nftables.SetElement {
	var best *nftables.SetElement
	for i := range s.elements {
		e := &s.elements[i]
		switch {
		case !s.interval && len(e.KeyEnd) == 0:
			if bytes.Equal(e.Key, v) {
				return e
			}
		case len(e.KeyEnd) > 0:
			if bytes.Compare(v, e.Key) >= 0 && bytes.Compare(v, e.KeyEnd) <= 0 {
				return e
			}
		case bytes.Compare(e.Key, v) <= 0 && (best == nil || bytes.Compare(best.Key, e.Key) < 0):
			best = e
		}
	}
	if best == nil || best.IntervalEnd {
		return nil
	}
	return best
}

// target is one of iptables.
func (m *machine) target(name string) {
	switch strings.ToUpper(name) {
	case "REJECT", "DROP":
		m.end = dropped
	case "ACCEPT":
		m.end = accepted
	case "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "TOS", "DSCP", "TRACE", "NOTRACK", "CT", "AUDIT":
	default:
		m.end = unknown
	}
}
