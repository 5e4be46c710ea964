package integration

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// pdu is an advert to be sent. It is made here byte by byte, apart from the code
// under test. What a pdu says nothing of is right.
type pdu struct {
	version  uint8 // 3
	vrid     uint8 // 51
	priority uint8
	interval uint16 // as it stands in the packet; 10 centiseconds or 1 second
	addrs    []string
	ipv6     bool
	src, dst string
	ttl      uint8 // 255
	pass     string

	// wrong changes the VRRP part before its checksum is made, ruin the whole
	// frame at the end. cut leaves that many bytes of the VRRP part.
	wrong func(v []byte) []byte
	ruin  func(frame []byte) []byte
	cut   int
	proto uint8 // 112
}

func (p *pdu) complete() {
	or(&p.version, 3)
	or(&p.vrid, 51)
	or(&p.ttl, 255)
	or(&p.proto, 112)
	or(&p.interval, map[uint8]uint16{2: 1}[p.version])
	or(&p.interval, 10)
	if p.ipv6 {
		or(&p.src, "fe80::2")
		or(&p.dst, "ff02::12")
	}
	or(&p.src, "10.0.0.2")
	or(&p.dst, "224.0.0.18")
	if p.addrs == nil && p.ipv6 {
		p.addrs = []string{"fe80::100"}
	}
	if p.addrs == nil {
		p.addrs = []string{"10.0.0.100"}
	}
}

func or[T comparable](at *T, value T) {
	var zero T
	if *at == zero {
		*at = value
	}
}

// frame is the Ethernet frame. to is the MAC address for unicast.
func (p pdu) frame(from, to net.HardwareAddr) []byte {
	p.complete()
	src, dst := netip.MustParseAddr(p.src), netip.MustParseAddr(p.dst)
	v := p.body()
	if p.wrong != nil {
		v = p.wrong(v)
	}
	sum := uint32(0)
	if p.version != 2 || p.ipv6 {
		sum = pseudo(src, dst, len(v))
	}
	binary.BigEndian.PutUint16(v[6:], plus(sum, v))
	if p.cut > 0 {
		v = v[:p.cut-1]
	}
	b := append(ethernet(dst, from, to), p.header(src, dst, len(v))...)
	b = append(b, v...)
	if p.ruin != nil {
		b = p.ruin(b)
	}
	return b
}

// body is the VRRP part, RFC 9568 section 5.1 and RFC 3768 section 5.1.
func (p *pdu) body() []byte {
	v := []byte{p.version<<4 | 1, p.vrid, p.priority, byte(len(p.addrs))}
	v = binary.BigEndian.AppendUint16(v, p.interval)
	v = append(v, 0, 0)
	for _, a := range p.addrs {
		v = append(v, netip.MustParseAddr(a).AsSlice()...)
	}
	if p.version == 2 {
		v = append(v, make([]byte, 8)...)
		if p.pass != "" {
			v[4] = 1
			copy(v[len(v)-8:], p.pass)
		}
	}
	return v
}

// ethernet is the header, with the multicast addresses of RFC 1112 section 6.4
// and RFC 2464 section 7.
func ethernet(dst netip.Addr, from, to net.HardwareAddr) []byte {
	d, kind := dst.AsSlice(), []byte{8, 0}
	if dst.Is6() {
		kind = []byte{0x86, 0xdd}
	}
	switch {
	case !dst.IsMulticast():
	case dst.Is4():
		to = net.HardwareAddr{1, 0, 0x5e, d[1] & 0x7f, d[2], d[3]}
	default:
		to = net.HardwareAddr{0x33, 0x33, d[12], d[13], d[14], d[15]}
	}
	return append(append(append([]byte{}, to...), from...), kind...)
}

// header is the IP header, RFC 791 section 3.1 and RFC 8200 section 3.
func (p *pdu) header(src, dst netip.Addr, length int) []byte {
	if p.ipv6 {
		b := []byte{0x6c, 0, 0, 0, byte(length >> 8), byte(length), p.proto, p.ttl}
		return append(append(b, src.AsSlice()...), dst.AsSlice()...)
	}
	length += 20
	b := []byte{0x45, 0xc0, byte(length >> 8), byte(length), 0, 1, 0, 0, p.ttl, p.proto, 0, 0}
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return b
}

// pseudo is the sum of the pseudo header, RFC 9568 section 5.2.8.
func pseudo(src, dst netip.Addr, length int) uint32 {
	sum := uint32(length) + 112
	for _, a := range [][]byte{src.AsSlice(), dst.AsSlice()} {
		for i, v := range a {
			sum += uint32(v) << (8 * (^i & 1))
		}
	}
	return sum
}

// plus is the checksum of b on top of a sum.
func plus(sum uint32, b []byte) uint16 {
	sum += uint32(^checksum(b))
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// view is an advert as it was seen, field by field.
type view struct {
	frame    []byte
	ip       []byte // its header
	ah       []byte // the authentication header, if there is one
	v        []byte // the VRRP part
	version  uint8
	priority uint8
	addrs    []string
	data     []byte // behind the addresses
}

// look reads an advert that the sniffer took for one.
func look(frame []byte) *view {
	f := &view{frame: frame, ip: frame[14:34]}
	size := 4
	if isIPv6(frame) {
		f.ip, size = frame[14:54], 16
	}
	f.v = frame[14+len(f.ip):]
	if isIPv4(frame) && f.ip[9] == 51 {
		f.ah, f.v = f.v[:24], f.v[24:]
	}
	f.version, f.priority = f.v[0]>>4, f.v[2]
	rest := f.v[8:]
	for range f.v[3] {
		if len(rest) < size {
			break
		}
		a, _ := netip.AddrFromSlice(rest[:size])
		f.addrs, rest = append(f.addrs, a.String()), rest[size:]
	}
	f.data = rest
	return f
}

// interval is the field as it stands in the packet.
func (f *view) interval() int {
	if f.version == 2 {
		return int(f.v[5])
	}
	return int(binary.BigEndian.Uint16(f.v[4:]) & 0xfff)
}

// sums says whether the checksums are right.
func (f *view) sums() string {
	src, dst := f.ends()
	sum := uint32(0)
	if f.version != 2 || dst.Is6() {
		sum = pseudo(src, dst, len(f.v))
	}
	if plus(sum, f.v) != 0 || isIPv4(f.frame) && checksum(f.ip) != 0 {
		return "wrong"
	}
	return "right"
}

// ends are its addresses.
func (f *view) ends() (src, dst netip.Addr) {
	n := 4
	if isIPv6(f.frame) {
		n = 16
	}
	at := len(f.ip) - 2*n
	src, _ = netip.AddrFromSlice(f.ip[at : at+n])
	dst, _ = netip.AddrFromSlice(f.ip[at+n:])
	return src, dst
}

// String is the advert in words, for tests to ask for some of them.
func (f *view) String() string {
	src, dst := f.ends()
	words := []string{
		"to=" + net.HardwareAddr(f.frame[:6]).String(), "from=" + net.HardwareAddr(f.frame[6:12]).String(),
		"src=" + src.String(), "dst=" + dst.String(),
		fmt.Sprintf("version=%d type=%d vrid=%d priority=%d count=%d", f.version, f.v[0]&15, f.v[1], f.priority, f.v[3]),
		fmt.Sprintf("int=%d sums=%s length=%d", f.interval(), f.sums(), len(f.v)),
		"addrs=" + strings.Join(f.addrs, ","), "data=" + hex.EncodeToString(f.data),
	}
	if f.version == 2 {
		words = append(words, fmt.Sprintf("auth=%d", f.v[4]))
	}
	if isIPv4(f.frame) {
		words = append(words, fmt.Sprintf("ttl=%d tos=%#x frag=%x proto=%d ihl=%d", f.ip[8], f.ip[1], f.ip[6:8], f.ip[9], f.ip[0]&15))
	} else {
		words = append(words, fmt.Sprintf("ttl=%d class=%#x proto=%d", f.ip[7], f.ip[0]<<4|f.ip[1]>>4, f.ip[6]))
	}
	if f.ah != nil {
		words = append(words, fmt.Sprintf("ah=%x spi=%x seq=%d", f.ah[:4], f.ah[4:8], binary.BigEndian.Uint32(f.ah[8:])))
	}
	return strings.Join(words, " ")
}
