package look

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ipHeader is that of a packet: RFC 791 section 3.1, RFC 8200 section 3.
func ipHeader(src, dst netip.Addr, protocol, hops uint8, size int) []byte {
	if dst.Is6() {
		h := make([]byte, 8, 40)
		h[0], h[6], h[7] = 0x60, protocol, hops
		binary.BigEndian.PutUint16(h[4:], uint16(size))
		return append(append(h, src.AsSlice()...), dst.AsSlice()...)
	}
	h := make([]byte, 12, 20)
	h[0], h[8], h[9] = 0x45, hops, protocol
	binary.BigEndian.PutUint16(h[2:], uint16(20+size))
	h = append(append(h, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(h[10:], ^fold(sum(0, h)))
	return h
}

func sum(s uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// checksum counts the pseudo header in: RFC 9293 section 3.1, RFC 8200 section
// 8.1.
func checksum(src, dst netip.Addr, protocol uint8, b []byte) uint16 {
	s := sum(sum(0, src.AsSlice()), dst.AsSlice()) + uint32(protocol) + uint32(len(b))
	return ^fold(sum(s, b))
}

// Flags of TCP: RFC 9293 section 3.1.
const (
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// segment is a packet of TCP without data.
func segment(src, dst netip.AddrPort, seq uint32, flags byte) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, src.Port())
	binary.BigEndian.PutUint16(b[2:], dst.Port())
	binary.BigEndian.PutUint32(b[4:], seq)
	b[12], b[13] = 5<<4, flags
	binary.BigEndian.PutUint16(b[14:], 1024)
	binary.BigEndian.PutUint16(b[16:], checksum(src.Addr(), dst.Addr(), unix.IPPROTO_TCP, b))
	return append(ipHeader(src.Addr(), dst.Addr(), unix.IPPROTO_TCP, 64, len(b)), b...)
}

// reply is an answer of TCP to a first packet.
type reply struct {
	from, to netip.AddrPort
	ack      uint32
	flags    byte
}

// parseReply reads the packet behind a frame's Ethernet header; ok is false for
// what answers no first packet.
func parseReply(b []byte) (r reply, ok bool) {
	var src, dst netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[9] == unix.IPPROTO_TCP && int(b[0]&15)*4 >= 20 && len(b) >= int(b[0]&15)*4:
		src, dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		b = b[int(b[0]&15)*4:]
	case len(b) >= 40 && b[0]>>4 == 6 && b[6] == unix.IPPROTO_TCP:
		src, dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		b = b[40:]
	default:
		return r, false
	}
	if len(b) < 20 {
		return r, false
	}
	r = reply{from: netip.AddrPortFrom(src, binary.BigEndian.Uint16(b)), to: netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:])),
		ack: binary.BigEndian.Uint32(b[8:]), flags: b[13]}
	return r, r.flags&flagRST != 0 || r.flags&(flagSYN|flagACK) == flagSYN|flagACK
}
