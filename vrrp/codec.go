package vrrp

import (
	"fmt"
	"net/netip"
	"time"
)

// control is the type of service of adverts: internetwork control, CS6, RFC 791
// section 3.1 and RFC 4594 section 3.2.
const control = 0xc0

// Codec writes the adverts of one virtual router and reads those of others. It
// holds what has to be remembered from packet to packet: sequence numbers, who
// was heard when, and which checksum the others expect. The zero Codec is not
// ready; see Configure.
type Codec struct {
	advert *Packet // what is sent, but for its priority
	expect *Expect
	auth   *ah     // auth_type AH
	sign   *signer // auth_hmac

	// Of the advert that was composed last:
	src      netip.Addr
	id       uint16 // of the IP header, per advert and never 0
	priority uint8
	signed   bool // behind it comes the trailer of sign

	oldSum bool // a peer counts checksums the old way, so all are written so
}

// Configure sets what is sent, but for the priority, and what is expected. The
// Codec keeps both, and they must not be changed afterwards. On a reload the memory
// of the Codec stays: a new key or interval costs no advert.
func (c *Codec) Configure(advert *Packet, expect *Expect) {
	c.advert, c.expect = advert, expect
	c.configureAH()
	switch {
	case expect.HMAC == nil:
		c.sign = nil
	case c.sign == nil:
		c.sign = &signer{}
		fallthrough
	default:
		c.sign.configure(c.expect)
	}
}

func (c *Codec) configureAH() {
	if c.expect.Version != 2 || c.expect.AuthType != AuthAH {
		c.auth = nil
		return
	}
	if c.auth == nil {
		c.auth = &ah{}
	}
	c.auth.rekey(c.expect.Auth, c.expect.Unicast)
}

// packet is the advert that was composed last.
func (c *Codec) packet() Packet {
	p := *c.advert
	p.Type, p.Priority = advertisement, c.priority
	if c.auth != nil {
		p.Auth = [8]byte{} // the password is a key, and not to be seen
	}
	return p
}

// AH tells whether whole IPv4 packets of ProtocolAH are written and read.
func (c *Codec) AH() bool { return c.auth != nil }

// Sequence is AH's last sequence number. A process that replaces another sets
// it with Continue, or its adverts would be taken for replays.
func (c *Codec) Sequence() uint32 {
	if c.auth == nil {
		return 0
	}
	return c.auth.seq
}

// Ahead is the sequence number that is n further than the last, or the highest
// but one: what a process may go on from that does not know the last.
func (c *Codec) Ahead(n uint32) uint32 {
	if c.auth == nil {
		return 0
	}
	return uint32(min(uint64(max(c.auth.seq, c.auth.floor))+uint64(n), lastSequence-1))
}

// Continue makes what is sent go on behind the sequence number of an earlier
// Codec, or behind one that its Ahead gave.
func (c *Codec) Continue(seq uint32) {
	if c.auth != nil {
		c.auth.floor = seq
	}
}

// Compose begins a new advert from src: it gets its priority, the next sequence
// number and, with auth_hmac, its signature of the wall time now.
func (c *Codec) Compose(now time.Time, priority uint8, src netip.Addr) {
	c.priority, c.src = priority, src
	if c.id++; c.id == 0 {
		c.id = 1
	}
	if c.auth != nil {
		c.auth.advance()
	}
	if c.signed = c.sign != nil && c.sign.signs(); c.signed {
		p := c.packet()
		c.sign.sign(now, &p, src)
	}
}

// AppendTo appends the advert that was composed last as it goes to dst, once
// for each peer of unicast. With AH it is a whole IP packet.
func (c *Codec) AppendTo(b []byte, dst netip.Addr) []byte {
	p := c.packet()
	p.OldSum = !dst.IsMulticast() && (p.OldSum || c.oldSum)
	if c.auth != nil {
		return c.auth.appendTo(b, &p, c.id, c.src, dst)
	}
	if b = p.AppendTo(b, c.src, dst); c.signed {
		b = append(b, c.sign.trailer[:]...)
	}
	return b
}

// Arrival is a packet as it came.
type Arrival struct {
	Src, Dst netip.Addr
	TTL      uint8
	Header   []byte // the IPv4 header; only AH needs it
	Data     []byte // what stands behind the IP header
}

// VRID is the virtual router that the packet speaks of, 0 where it is too short
// to say; ah tells that it is one of ProtocolAH.
func (a *Arrival) VRID(ah bool) uint8 {
	i := 1
	if ah {
		i += ahLen
	}
	if len(a.Data) <= i {
		return 0
	}
	return a.Data[i]
}

// Read decodes a packet that came at the wall time now, and checks it in
// keepalived's order. Its error is a PacketError; Expect.Accepted tells whether
// the advert counts all the same. master is whom the router follows, for
// Expect.FirstOnly. The Packet refers to the Arrival's memory.
func (c *Codec) Read(now time.Time, a *Arrival, master netip.Addr) (Packet, error) {
	data, err := c.unwrap(a)
	if err != nil {
		return Packet{}, err
	}
	p, rest, err := decode(data, a.Src, a.Dst)
	if err != nil {
		return p, err
	}
	size := len(data) - len(rest)
	if c.sign == nil || len(rest) != extLen {
		if !padding(len(rest), size, a.Dst) {
			return p, ErrLength
		}
		rest = nil
	}
	return p, c.check(now, &p, a, data[:size], rest, master)
}

// unwrap is the VRRP part of a.
func (c *Codec) unwrap(a *Arrival) ([]byte, error) {
	switch {
	case c.auth == nil:
		return a.Data, nil
	case len(a.Data) < ahLen+headerLen:
		return nil, ErrLength
	}
	return a.Data[ahLen:], nil
}

// check asks all that there is to ask of p, whose bytes are body and trailer.
func (c *Codec) check(now time.Time, p *Packet, a *Arrival, body, trailer []byte, master netip.Addr) error {
	x := c.expect
	if err := x.checkForm(p, a.TTL); err != nil {
		return err
	}
	notice := c.checkSignature(now, a, body, trailer)
	if !x.Accepted(notice) {
		return notice
	}
	if err := x.checkAuth(p, a.Src); err != nil {
		return err
	}
	if c.auth != nil {
		if err := c.auth.open(a.Header, a.Data); err != nil {
			return err
		}
	}
	if err := x.checkBody(p, a.Src, a.Dst, a.TTL); err != nil {
		return err
	}
	c.oldSum = c.oldSum || p.Sum == SumOldUnicast && !x.NoOldChecksum
	if err := c.notices(p, a.Src, master); err != nil {
		return err
	}
	return notice
}

// checkSignature is auth_hmac. A stranger is refused before a hash is made.
func (c *Codec) checkSignature(now time.Time, a *Arrival, body, trailer []byte) error {
	switch {
	case c.sign == nil:
		return nil
	case c.expect.Unicast && c.expect.peer(a.Src) == nil:
		return ErrSource
	}
	return c.sign.verify(now, body, trailer, a.Src)
}

// notices leaves out the addresses of a master that was heard before, where the
// operator says so.
func (c *Codec) notices(p *Packet, src, master netip.Addr) error {
	x := c.expect
	if x.FirstOnly && src == master {
		known := *x
		known.Addresses, x = nil, &known
	}
	return x.notices(p, src)
}

// Explain is err, which Read gave for p and a just now, with its numbers and
// what to do.
func (c *Codec) Explain(err error, p *Packet, a *Arrival) string {
	switch err {
	case ErrLength:
		return c.explainLength(a)
	case ErrAH:
		return fmt.Sprintf("packet from %s is not signed as `auth_type AH` is: is it VRRP?", a.Src)
	case ErrAHDigest:
		return fmt.Sprintf("advert from %s has a wrong integrity check value: set the same `auth_pass` on all (the first 8 characters count), and let nothing rewrite it on the way", a.Src)
	case ErrAHReplay:
		return fmt.Sprintf("advert from %s has an old sequence number, ours is %d: it is a replay, or its sender has just started and will follow", a.Src, c.Sequence())
	}
	if c.sign == nil {
		return c.expect.Explain(err, p, a.Src, a.TTL)
	}
	return c.explainSignature(err, p, a)
}

// explainLength tells a signed advert, which a router without auth_hmac cannot
// read, from a broken packet.
func (c *Codec) explainLength(a *Arrival) string {
	if _, rest, err := decode(a.Data, a.Src, a.Dst); err == nil && c.sign == nil && len(rest) == extLen {
		return fmt.Sprintf("advert from %s is signed: configure `auth_hmac` here too, with `mode receive-only` until all routers have it", a.Src)
	}
	return fmt.Sprintf("packet from %s has %d bytes, which does not fit what it says of itself", a.Src, len(a.Data))
}

func (c *Codec) explainSignature(err error, p *Packet, a *Arrival) string {
	s := c.sign
	switch err {
	case ErrExtMissing:
		return fmt.Sprintf("advert from %s is not signed: configure `auth_hmac` there, or here `mode permissive` until it is", a.Src)
	case ErrExtMalformed:
		return fmt.Sprintf("advert from %s has a signature of an unknown kind", a.Src)
	case ErrExtStale:
		return fmt.Sprintf("advert from %s was signed %s by our clock, and `time_window` is %ds: set the clocks, or it is a replay", a.Src, signed(s.age), s.window)
	case ErrExtKey:
		return fmt.Sprintf("advert from %s is signed with key %d, which we do not have: add it to `auth_hmac` before it becomes active anywhere", a.Src, s.key)
	case ErrExtDigest:
		return fmt.Sprintf("advert from %s has a wrong signature: key %d is not the same there, or the packet was changed", a.Src, s.key)
	case ErrExtReplay:
		return fmt.Sprintf("advert from %s was heard before: it is a replay, or two routers use that address", a.Src)
	case ErrExtClock:
		return fmt.Sprintf("advert from %s was signed %s by our clock, which is more than half of `time_window` (%ds): set the clocks before adverts are dropped", a.Src, signed(s.age), s.window)
	}
	return c.expect.Explain(err, p, a.Src, a.TTL)
}

// signed is how long ago something was, in words.
func signed(age time.Duration) string {
	if age < 0 {
		return (-age).String() + " in the future"
	}
	return age.String() + " ago"
}
