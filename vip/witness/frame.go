package witness

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// MAC is an Ethernet address.
type MAC [6]byte

// Where things stand in a frame with its Ethernet header.
const (
	srcAt  = 6
	typeAt = 12
	netAt  = 14

	arpOp  = netAt + 6  // RFC 826
	arpSHA = netAt + 8  // sender's hardware address
	arpSPA = netAt + 14 // sender's protocol address
	arpEnd = netAt + 28

	ip6Length = netAt + 4 // RFC 8200 section 3
	ip6Next   = netAt + 6
	ip6Hops   = netAt + 7
	icmpAt    = netAt + 40
	naTarget  = icmpAt + 8 // RFC 4861 section 4.4
	naOptions = naTarget + 16

	icmpv6  = 58  // next header, RFC 4443 section 1
	naType  = 136 // RFC 4861 section 4.4
	naMin   = 24  // bytes of ICMP, RFC 4861 section 7.1.2
	hops    = 255 // the same; others came through a router
	optTLLA = 2   // RFC 4861 section 4.6.1
)

// ethernetIPv4 is what an ARP packet says of its addresses: Ethernet and IPv4,
// of 6 and of 4 bytes (RFC 826).
const ethernetIPv4 = "\x00\x01\x08\x00\x06\x04"

// claim is that a station has an address.
type claim struct {
	link int
	addr netip.Addr
	mac  MAC
}

// parse reads whose address a frame says is whose. An ARP packet says so of its
// sender, be it an answer, a question or an announcement (RFC 5227 section
// 2.4), a neighbour advertisement of its target. A probe claims nothing.
func parse(b []byte) (addr netip.Addr, mac MAC, ok bool) {
	if len(b) < netAt {
		return addr, mac, false
	}
	switch binary.BigEndian.Uint16(b[typeAt:]) {
	case unix.ETH_P_ARP:
		addr, mac, ok = parseARP(b)
	case unix.ETH_P_IPV6:
		addr, mac, ok = parseNA(b)
	}
	return addr, mac, ok && mac != MAC{} && !addr.IsUnspecified() && !addr.IsMulticast()
}

func parseARP(b []byte) (addr netip.Addr, mac MAC, ok bool) {
	if len(b) < arpEnd || string(b[netAt:arpOp]) != ethernetIPv4 {
		return addr, mac, false
	}
	if op := binary.BigEndian.Uint16(b[arpOp:]); op != 1 && op != 2 { // request, reply
		return addr, mac, false
	}
	return netip.AddrFrom4([4]byte(b[arpSPA:])), MAC(b[arpSHA:]), true
}

// parseNA leaves the checksum alone: what was not sent over a wire has none.
func parseNA(b []byte) (addr netip.Addr, mac MAC, ok bool) {
	if len(b) < naOptions || b[netAt]>>4 != 6 || b[ip6Next] != icmpv6 || b[ip6Hops] != hops || b[icmpAt] != naType || b[icmpAt+1] != 0 {
		return addr, mac, false
	}
	length := int(binary.BigEndian.Uint16(b[ip6Length:]))
	if length < naMin {
		return addr, mac, false
	}
	mac, ok = tlla(b[naOptions:min(len(b), icmpAt+length)], MAC(b[srcAt:]))
	return netip.AddrFrom16([16]byte(b[naTarget:])), mac, ok
}

// tlla is the Target Link-Layer Address among options, or else what the frame
// came from.
func tlla(options []byte, from MAC) (MAC, bool) {
	for len(options) >= 8 {
		size := 8 * int(options[1]) // RFC 4861 section 4.6
		if size == 0 {
			return MAC{}, false
		}
		if options[0] == optTLLA {
			return MAC(options[2:]), true
		}
		options = options[min(size, len(options)):]
	}
	return from, true
}
