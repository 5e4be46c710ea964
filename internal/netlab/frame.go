package netlab

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Offsets and lengths of the headers the sniffer reads.
const (
	ethLen  = 14 // destination, source, type
	ipv4Len = 20 // without options; RFC 791 section 3.1
	ipv6Len = 40 // RFC 8200 section 3
	ahLen   = 24 // authentication header with a check value of 96 bits; RFC 4302 section 2, RFC 2403
	arpLen  = 28 // Ethernet and IPv4; RFC 826
	naLen   = 24 // neighbour advertisement up to its options; RFC 4861 section 4.4
)

const (
	protoVRRP = 112 // RFC 9568 section 5.1.1.4
	protoAH   = 51  // RFC 4302 section 2
	icmpNS    = 135 // RFC 4861 section 4.3
	icmpNA    = 136 // RFC 4861 section 4.4
)

// parseIP finds the payload of an Ethernet frame that carries the protocol.
func parseIP(b []byte, proto4, proto6 byte) (src, dst netip.Addr, payload []byte, ok bool) {
	if len(b) < ethLen {
		return
	}
	ip := b[ethLen:]
	switch binary.BigEndian.Uint16(b[12:]) {
	case unix.ETH_P_IP:
		if len(ip) < ipv4Len || ip[9] != proto4 {
			return
		}
		head := int(ip[0]&15) * 4
		if head < ipv4Len || len(ip) < head {
			return
		}
		return netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:])), ip[head:], true
	case unix.ETH_P_IPV6:
		if len(ip) < ipv6Len || ip[6] != proto6 {
			return
		}
		return netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:])), ip[ipv6Len:], true
	}
	return
}

// parseAdvert reads an Ethernet frame as a VRRP advert of either version, as
// far as both are alike: RFC 9568 section 5.1 and RFC 3768 section 5.1.
func parseAdvert(b []byte) (Advert, bool) {
	src, dst, v, ok := parseIP(b, protoVRRP, protoVRRP)
	if !ok {
		src, dst, v, ok = parseAH(b)
	}
	if !ok || len(v) < 8 || v[0]&15 != 1 {
		return Advert{}, false
	}
	frame := bytes.Clone(b)
	return Advert{Src: src, Dst: dst, MAC: frame[6:12], Version: v[0] >> 4, VRID: v[1], Priority: v[2],
		Frame: frame, PDU: frame[len(b)-len(v):]}, true
}

// parseAH finds the advert behind an authentication header, RFC 2338 section
// 5.3.6.3.
func parseAH(b []byte) (src, dst netip.Addr, payload []byte, ok bool) {
	src, dst, ah, ok := parseIP(b, protoAH, protoAH)
	if !ok || len(ah) < ahLen || ah[0] != protoVRRP {
		return src, dst, nil, false
	}
	return src, dst, ah[ahLen:], true
}

// parseARP reads an Ethernet frame as an ARP packet or a neighbour
// advertisement.
func parseARP(b []byte) (ARP, bool) {
	if len(b) >= ethLen+arpLen && binary.BigEndian.Uint16(b[12:]) == unix.ETH_P_ARP {
		p := b[ethLen:]
		return ARP{
			MAC:    net.HardwareAddr(bytes.Clone(p[8:14])),
			Sender: netip.AddrFrom4([4]byte(p[14:])),
			Target: netip.AddrFrom4([4]byte(p[24:])),
			Reply:  binary.BigEndian.Uint16(p[6:]) == 2,
			Frame:  bytes.Clone(b),
		}, true
	}
	_, _, na, ok := parseIP(b, 0, unix.IPPROTO_ICMPV6)
	if !ok || len(na) < naLen || na[0] != icmpNA {
		return ARP{}, false
	}
	target := netip.AddrFrom16([16]byte(na[8:]))
	solicited := na[4]&0x40 != 0
	frame := bytes.Clone(b)
	return ARP{MAC: frame[6:12], Sender: target, Target: target, Reply: true, Solicited: solicited, Frame: frame}, true
}
