package agentx

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// internet is the beginning that identifiers leave out (RFC 2741 section 5.1).
var internet = OID{1, 3, 6, 1}

// writer appends a packet, in network byte order.
type writer struct{ b []byte }

func (w *writer) byte(v *uint8)   { w.b = append(w.b, *v) }
func (w *writer) short(v *uint16) { w.b = binary.BigEndian.AppendUint16(w.b, *v) }
func (w *writer) long(v *uint32)  { w.b = binary.BigEndian.AppendUint32(w.b, *v) }
func (w *writer) skip(n int)      { w.b = append(w.b, make([]byte, n)...) }

func (w *writer) oid(o *OID, include *bool) {
	sub, prefix, flag := *o, byte(0), byte(0)
	if len(sub) > len(internet) && sub.Below(internet) && sub[4] > 0 && sub[4] <= 255 {
		prefix, sub = byte(sub[4]), sub[5:]
	}
	if include != nil && *include {
		flag = 1
	}
	w.b = append(w.b, byte(len(sub)), prefix, flag, 0)
	for _, n := range sub {
		w.long(&n)
	}
}

func (w *writer) text(t *[]byte) {
	n := uint32(len(*t))
	w.long(&n)
	w.b = append(w.b, *t...)
	w.skip(padding(len(*t)))
}

// padding is what fills n bytes up to a multiple of 4.
func padding(n int) int { return -n & 3 }

func (w *writer) ranges(list *[]Range) {
	for i := range *list {
		r := &(*list)[i]
		w.oid(&r.Start, &r.Include)
		w.oid(&r.End, nil)
	}
}

func (w *writer) binds(list *[]Bind) {
	for i := range *list {
		b := &(*list)[i]
		kind := uint16(b.Value.Kind)
		w.short(&kind)
		w.skip(2)
		w.oid(&b.Name, nil)
		b.Value.data(w)
	}
}

// data goes through the value itself (RFC 2741 section 5.4). It says false of a
// kind that is not known.
func (v *Value) data(w wire) bool {
	switch v.Kind {
	case Integer:
		n := uint32(v.Number)
		w.long(&n)
		v.Number = uint64(int64(int32(n)))
	case Counter32, Gauge32, TimeTicks:
		n := uint32(v.Number)
		w.long(&n)
		v.Number = uint64(n)
	case Counter64:
		w64(w, &v.Number)
	case OctetString, IPAddress, Opaque:
		w.text(&v.Text)
	case ObjectID:
		w.oid(&v.OID, nil)
	case Null, NoSuchObject, NoSuchInstance, EndOfMIBView:
	default:
		return false
	}
	return true
}

// w64 goes through a number of eight bytes, whose halves are in the order of
// the packet.
func w64(w wire, n *uint64) {
	high, low := uint32(*n>>32), uint32(*n)
	first, second := &high, &low
	if r, reads := w.(*reader); reads && r.order == binary.LittleEndian {
		first, second = &low, &high
	}
	w.long(first)
	w.long(second)
	*n = uint64(high)<<32 | uint64(low)
}

// reader takes a packet apart. After a fault everything is zero.
type reader struct {
	b     []byte
	order binary.ByteOrder
	err   error
}

// take is the next n bytes; nil where so many are not left.
func (r *reader) take(n int) []byte {
	if r.err == nil && n > len(r.b) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte(v *uint8) {
	if b := r.take(1); b != nil {
		*v = b[0]
	}
}

func (r *reader) short(v *uint16) {
	if b := r.take(2); b != nil {
		*v = r.order.Uint16(b)
	}
}

func (r *reader) long(v *uint32) {
	if b := r.take(4); b != nil {
		*v = r.order.Uint32(b)
	}
}

func (r *reader) skip(n int) { r.take(n) }

func (r *reader) oid(o *OID, include *bool) {
	head := r.take(4)
	if head == nil {
		return
	}
	n, prefix := int(head[0]), uint32(head[1])
	if include != nil {
		*include = head[2] != 0
	}
	if n > maxOID {
		r.err = fmt.Errorf("an object identifier of %d parts, more than %d", n, maxOID)
		return
	}
	body := r.take(4 * n)
	if body == nil || n == 0 && prefix == 0 {
		return
	}
	list := make(OID, 0, n+5)
	if prefix != 0 {
		list = append(append(list, internet...), prefix)
	}
	for ; len(body) > 0; body = body[4:] {
		list = append(list, r.order.Uint32(body))
	}
	*o = list
}

var errHuge = errors.New("a text is longer than the packet")

func (r *reader) text(t *[]byte) {
	var n uint32
	if r.long(&n); r.err == nil && n > maxPayload {
		r.err = errHuge
	}
	if b := r.take(int(n)); b != nil {
		*t = append([]byte{}, b...)
	}
	r.take(padding(int(n)))
}

// ranges and binds go on to the end of the packet: it is bounded.
func (r *reader) ranges(list *[]Range) {
	for r.err == nil && len(r.b) > 0 {
		var s Range
		r.oid(&s.Start, &s.Include)
		r.oid(&s.End, nil)
		*list = append(*list, s)
	}
}

func (r *reader) binds(list *[]Bind) {
	for r.err == nil && len(r.b) > 0 {
		var b Bind
		var kind uint16
		r.short(&kind)
		r.skip(2)
		r.oid(&b.Name, nil)
		if b.Value.Kind = Kind(kind); !b.Value.data(r) && r.err == nil {
			r.err = fmt.Errorf("a value of the unknown type %d", kind)
		}
		*list = append(*list, b)
	}
}
