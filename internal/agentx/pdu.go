package agentx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Type is what a packet asks or answers (RFC 2741 section 6.1).
type Type uint8

// The types of packets.
const (
	Open            Type = 1
	Close           Type = 2
	Register        Type = 3
	Unregister      Type = 4
	Get             Type = 5
	GetNext         Type = 6
	GetBulk         Type = 7
	TestSet         Type = 8
	CommitSet       Type = 9
	UndoSet         Type = 10
	CleanupSet      Type = 11
	Notify          Type = 12
	Ping            Type = 13
	IndexAllocate   Type = 14
	IndexDeallocate Type = 15
	AddCaps         Type = 16
	RemoveCaps      Type = 17
	Response        Type = 18
)

// Flags of a packet (RFC 2741 section 6.1).
const (
	withContext  = 0x08 // NON_DEFAULT_CONTEXT
	networkOrder = 0x10 // NETWORK_BYTE_ORDER
)

// Errors of a Response (RFC 2741 section 6.2.16, RFC 3416 section 3).
const (
	NoAccess        = 6
	WrongType       = 7
	WrongValue      = 10
	errCommitFailed = 14
	errUndoFailed   = 15
	NotWritable     = 17
	NotOpen         = 257
	errContext      = 262 // unsupportedContext
	Duplicate       = 263 // duplicateRegistration
	errParse        = 266
)

// headerLen is that of every packet, and maxPayload the largest one that is
// read: a master asks for a few hundred objects at a time.
const (
	headerLen  = 20
	version    = 1
	maxPayload = 64 << 10
)

// Packet is any packet. What its Type does not carry is zero.
type Packet struct {
	Type        Type
	Flags       uint8
	Session     uint32
	Transaction uint32
	ID          uint32 // a response has that of what it answers
	Context     []byte

	Timeout  uint8  // Open, Register; in seconds
	Priority uint8  // Register
	RangeSub uint8  // Register
	Upper    uint32 // Register with RangeSub
	Reason   uint8  // Close
	OID      OID    // Open: of the sub-agent; Register: the subtree; AddCaps
	Text     []byte // Open, AddCaps: description

	Ranges         []Range // Get, GetNext, GetBulk
	NonRepeaters   uint16  // GetBulk
	MaxRepetitions uint16

	UpTime uint32 // Response, in hundredths of a second
	Error  uint16
	Index  uint16 // of the bind that Error is of, from 1
	Binds  []Bind // Response, TestSet, Notify
}

// wire is a packet that is written, or read: the same steps do both.
type wire interface {
	byte(*uint8)
	short(*uint16)
	long(*uint32)
	skip(n int)
	oid(*OID, *bool)
	text(*[]byte)
	ranges(*[]Range)
	binds(*[]Bind)
}

// body goes through what stands behind the header (RFC 2741 section 6.2). It
// says false of a type that is not known.
func (p *Packet) body(w wire) bool {
	if p.Flags&withContext != 0 && p.Type.inContext() {
		w.text(&p.Context)
	}
	switch p.Type {
	case Open:
		w.byte(&p.Timeout)
		w.skip(3)
		w.oid(&p.OID, nil)
		w.text(&p.Text)
	case Close:
		w.byte(&p.Reason)
		w.skip(3)
	case Register, Unregister:
		p.region(w)
	case Get, GetNext:
		w.ranges(&p.Ranges)
	case GetBulk:
		w.short(&p.NonRepeaters)
		w.short(&p.MaxRepetitions)
		w.ranges(&p.Ranges)
	case AddCaps:
		w.oid(&p.OID, nil)
		w.text(&p.Text)
	case RemoveCaps:
		w.oid(&p.OID, nil)
	case TestSet, Notify, IndexAllocate, IndexDeallocate:
		w.binds(&p.Binds)
	case Response:
		w.long(&p.UpTime)
		w.short(&p.Error)
		w.short(&p.Index)
		w.binds(&p.Binds)
	case CommitSet, UndoSet, CleanupSet, Ping:
	default:
		return false
	}
	return true
}

func (p *Packet) region(w wire) {
	w.byte(&p.Timeout)
	w.byte(&p.Priority)
	w.byte(&p.RangeSub)
	w.skip(1)
	w.oid(&p.OID, nil)
	if p.RangeSub != 0 {
		w.long(&p.Upper)
	}
}

// inContext says which packets may name a context (RFC 2741 section 6.1.1).
func (t Type) inContext() bool {
	switch t {
	case Register, Unregister, Get, GetNext, GetBulk, TestSet, Notify, Ping, IndexAllocate, IndexDeallocate, AddCaps, RemoveCaps:
		return true
	}
	return false
}

// Append appends the packet to b, in network byte order.
func (p *Packet) Append(b []byte) []byte {
	begin := len(b)
	flags := p.Flags&^withContext | networkOrder
	if p.Context != nil {
		flags |= withContext
	}
	b = append(b, version, byte(p.Type), flags, 0)
	for _, n := range []uint32{p.Session, p.Transaction, p.ID, 0} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	w := &writer{b}
	q := *p
	q.Flags = flags
	q.body(w)
	binary.BigEndian.PutUint32(w.b[begin+16:], uint32(len(w.b)-begin-headerLen))
	return w.b
}

// header is what is known of a packet from its first 20 bytes.
type header struct {
	p       Packet
	order   binary.ByteOrder
	payload int
}

// readHeader reads the header of a packet. A wrong one cannot be read past: the
// connection is of no use any more.
func readHeader(b []byte) (h header, err error) {
	h.p.Type, h.p.Flags, h.order = Type(b[1]), b[2], binary.LittleEndian
	if h.p.Flags&networkOrder != 0 {
		h.order = binary.BigEndian
	}
	h.p.Session, h.p.Transaction, h.p.ID = h.order.Uint32(b[4:]), h.order.Uint32(b[8:]), h.order.Uint32(b[12:])
	length := h.order.Uint32(b[16:])
	switch {
	case b[0] != version:
		return h, fmt.Errorf("version %d of AgentX, not 1", b[0])
	case length > maxPayload:
		return h, fmt.Errorf("a packet of %d bytes, more than %d", length, maxPayload)
	case length%4 != 0:
		return h, fmt.Errorf("a packet of %d bytes, which is no multiple of 4", length)
	}
	h.payload = int(length)
	return h, nil
}

var errShort = errors.New("it ends too early")

// decode reads what stands behind the header.
func (h header) decode(payload []byte) (Packet, error) {
	r := &reader{b: payload, order: h.order}
	p := h.p
	switch known := p.body(r); {
	case !known:
		return p, fmt.Errorf("a packet of the unknown type %d", p.Type)
	case r.err != nil:
		return p, fmt.Errorf("a packet of type %d: %w", p.Type, r.err)
	}
	return p, nil
}

// Read reads the next packet of a stream, of either byte order. After an error
// the stream is of no use any more.
func Read(r io.Reader) (Packet, error) {
	head := make([]byte, headerLen)
	if _, err := io.ReadFull(r, head); err != nil {
		return Packet{}, err
	}
	h, err := readHeader(head)
	if err != nil {
		return Packet{}, err
	}
	payload := make([]byte, h.payload)
	if _, err := io.ReadFull(r, payload); err != nil {
		return Packet{}, err
	}
	return h.decode(payload)
}

// Decode reads one whole packet, of either byte order.
func Decode(b []byte) (Packet, error) {
	if len(b) < headerLen {
		return Packet{}, errShort
	}
	h, err := readHeader(b)
	if err == nil && len(b) != headerLen+h.payload {
		err = errShort
	}
	if err != nil {
		return Packet{}, err
	}
	return h.decode(b[headerLen:])
}
