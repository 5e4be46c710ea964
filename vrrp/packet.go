package vrrp

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Protocol is VRRP's number in the IP header, RFC 9568 section 5.1.1.4.
const Protocol = 112

// TTL is what every multicast advert is sent with and must arrive with, RFC
// 9568 section 5.1.1.3: no router may have forwarded it.
const TTL = 255

const (
	headerLen     = 8 // RFC 9568 section 5.2
	authLen       = 8 // RFC 2338 section 5.3.10, kept by RFC 3768
	advertisement = 1 // RFC 9568 section 5.2.2: the only type
	// minEthernet is the shortest Ethernet payload; what is shorter on the
	// wire was padded, and some senders count the padding. A VLAN tag takes 4
	// bytes of it, a counted frame check sequence adds 4.
	minEthernet = 46
	etherWord   = 4
	ipv4Header  = 20
	// centisecond is the unit of version 3, RFC 9568 section 5.2.7.
	centisecond = 10 * time.Millisecond
)

// GroupIPv4 and GroupIPv6 are the multicast groups of RFC 9568 section 5.1.
var (
	GroupIPv4 = netip.AddrFrom4([4]byte{224, 0, 0, 18})
	GroupIPv6 = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x12})
)

// Authentication types of version 2, RFC 2338 section 5.3.6.
const (
	AuthNone uint8 = 0
	AuthPass uint8 = 1
	AuthAH   uint8 = 2
)

// Sum says how the checksum of a received packet was made.
type Sum uint8

// The checksums that are seen on wires.
const (
	SumBad        Sum = iota // fits no way of counting
	SumGood                  // as the RFC of the version says
	SumPlain                 // version 3 over IPv4 without pseudo header (v3_checksum_as_v2)
	SumOldUnicast            // pseudo header with 224.0.0.18 for a unicast packet (old_unicast_checksum)
)

// Packet is a VRRP advertisement without its IP header.
type Packet struct {
	Version  uint8 // 2 or 3
	Type     uint8 // 1
	VRID     uint8
	Priority uint8
	AuthType uint8   // version 2
	Auth     [8]byte // version 2 over IPv4; keepalived leaves it out over IPv6
	Sum      Sum     // of a decoded packet
	// PlainSum leaves the pseudo header out of a version 3 IPv4 checksum.
	PlainSum bool
	// OldSum counts 224.0.0.18 instead of the peer into the checksum of a
	// version 3 IPv4 unicast packet (old_unicast_checksum).
	OldSum bool
	// TTL is that of the IP header Codec writes for AH; 0 is 255.
	TTL uint8
	// Interval is in whole seconds up to 255 in version 2, in centiseconds up
	// to 40.95 s in version 3.
	Interval time.Duration
	// Addresses are the virtual addresses one after the other, 4 or 16 bytes
	// each; see AppendAddress. A decoded packet's lie in the buffer it came in.
	Addresses []byte
}

// AppendAddress appends a to the address list b of a Packet.
func AppendAddress(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		four := a.As4()
		return append(b, four[:]...)
	}
	sixteen := a.As16()
	return append(b, sixteen[:]...)
}

// addressLen is the length of one address of the family of a.
func addressLen(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 16
}

// AppendTo appends p as it goes from src to dst and returns the longer b. It
// does not allocate while b has room. src and dst give the family; version 3
// counts them into the checksum.
func (p *Packet) AppendTo(b []byte, src, dst netip.Addr) []byte {
	start := len(b)
	b = p.appendBody(b, addressLen(dst))
	if p.OldSum && dst.Is4() {
		dst = GroupIPv4
	}
	body := b[start:]
	sum := sumBytes(0, body)
	if !p.plain(dst) {
		sum = sumPseudo(sum, src, dst, len(body))
	}
	binary.BigEndian.PutUint16(body[6:8], ^fold(sum))
	return b
}

// appendBody appends p with a zero checksum; an address has size bytes.
func (p *Packet) appendBody(b []byte, size int) []byte {
	b = append(b, p.Version<<4|advertisement, p.VRID, p.Priority, uint8(len(p.Addresses)/size))
	if p.Version == 2 {
		b = append(b, p.AuthType, uint8(p.Interval/time.Second), 0, 0)
		b = append(b, p.Addresses...)
		return append(b, p.Auth[:p.tail(size)]...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(p.Interval/centisecond)&0x0fff)
	b = append(b, 0, 0)
	return append(b, p.Addresses...)
}

// plain tells whether the checksum leaves out the pseudo header: version 2
// does over IPv4, and version 3 where the operator says so.
func (p *Packet) plain(dst netip.Addr) bool {
	return dst.Is4() && (p.Version == 2 || p.PlainSum)
}

// Heard is what a Router needs to know of p that came from src.
func (p *Packet) Heard(src netip.Addr) Heard {
	h := Heard{From: src, Priority: p.Priority}
	if p.Version == 3 {
		h.Interval = p.Interval
	}
	return h
}

// Decode reads the VRRP part b of a packet from src to dst. ErrLength and
// ErrVersion are all it refuses; everything else is in the Packet for
// Expect.Check to judge. The Packet refers to b and nothing is allocated. VRID
// is filled as soon as b has it.
func Decode(b []byte, src, dst netip.Addr) (Packet, error) {
	p, rest, err := decode(b, src, dst)
	if err == nil && !padding(len(rest), len(b)-len(rest), dst) {
		err = ErrLength
	}
	return p, err
}

// decode is Decode without an opinion on the rest, the bytes behind the packet.
func decode(b []byte, src, dst netip.Addr) (p Packet, rest []byte, err error) {
	if len(b) < headerLen {
		return Packet{}, nil, ErrLength
	}
	p = Packet{Version: b[0] >> 4, Type: b[0] & 0x0f, VRID: b[1], Priority: b[2]}
	if p.Version != 2 && p.Version != 3 {
		return p, nil, ErrVersion
	}
	end := headerLen + int(b[3])*addressLen(dst)
	want := end + p.tail(addressLen(dst))
	if len(b) < want {
		return p, nil, ErrLength
	}
	b, rest = b[:want], b[want:]
	p.Addresses = b[headerLen:end:end]
	p.decodeTimes(b)
	p.Sum = p.checkSum(b, src, dst)
	return p, rest, nil
}

// decodeTimes reads what versions 2 and 3 lay out differently.
func (p *Packet) decodeTimes(b []byte) {
	if p.Version == 3 {
		p.Interval = time.Duration(binary.BigEndian.Uint16(b[4:6])&0x0fff) * centisecond
		return
	}
	p.AuthType = b[4]
	p.Interval = time.Duration(b[5]) * time.Second
	copy(p.Auth[:], b[headerLen+len(p.Addresses):])
}

// tail is the length of what follows the addresses, which have size bytes each.
func (p *Packet) tail(size int) int {
	if p.Version == 2 && size == 4 {
		return authLen
	}
	return 0
}

// padding tells whether n bytes behind a packet of size bytes are none, or the
// padding of a short Ethernet frame, with or without a tag or a counted frame
// check sequence: keepalived asks for the same number modulo 4.
func padding(n, size int, dst netip.Addr) bool {
	pad := minEthernet - ipv4Header - size
	return n == 0 || dst.Is4() && pad > 0 && n <= pad+etherWord && n%etherWord == pad%etherWord
}

// checkSum finds out how the checksum of b was made.
func (p *Packet) checkSum(b []byte, src, dst netip.Addr) Sum {
	const ok = 0xffff
	sum := sumBytes(0, b)
	bare := fold(sum) == ok
	switch {
	case p.plain(dst):
		if bare {
			return SumGood
		}
		return SumBad
	case fold(sumPseudo(sum, src, dst, len(b))) == ok:
		return SumGood
	case !dst.Is4():
		return SumBad
	case bare:
		return SumPlain
	case fold(sumPseudo(sum, src, GroupIPv4, len(b))) == ok:
		return SumOldUnicast
	}
	return SumBad
}

// sumPseudo adds the pseudo header of RFC 9568 section 5.2.8 for n bytes of VRRP.
func sumPseudo(sum uint32, src, dst netip.Addr, n int) uint32 {
	return sumAddr(sumAddr(sum, src), dst) + Protocol + uint32(n)
}

func sumAddr(sum uint32, a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return sumBytes(sum, b[:])
	}
	b := a.As16()
	return sumBytes(sum, b[:])
}

// sumBytes adds b to a ones' complement sum, RFC 1071. A packet is shorter
// than 64 KiB, so 32 bits do not overflow.
func sumBytes(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
