// Package whohas makes the frames that ask a link who has an address.
package whohas

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	arpwire "github.com/mdlayher/arp"
	"golang.org/x/sys/unix"
)

// Frame is the Ethernet frame that asks who has an address: ARP for IPv4, else
// a neighbour solicitation that comes from an address of ours, or from nobody
// (the unspecified address; the answer then goes to all nodes, RFC 4861 section
// 7.2.4). The ARP request has an empty sender address, as in RFC 5227 section
// 2.1.1: it asks and leaves no trace in anybody's cache.
func Frame(mac net.HardwareAddr, own, ip netip.Addr) []byte {
	if ip.Is4() {
		return arp(mac, ip)
	}
	return solicitation(mac, own, ip)
}

func arp(mac net.HardwareAddr, ip netip.Addr) []byte {
	question := arpwire.Packet{
		HardwareType: 1, HardwareAddrLength: 6, ProtocolType: unix.ETH_P_IP, IPLength: 4, // RFC 826: Ethernet, IPv4
		Operation:          arpwire.OperationRequest,
		SenderHardwareAddr: mac, SenderIP: netip.IPv4Unspecified(), TargetIP: ip,
	}
	b, _ := question.MarshalBinary() // "never returns an error"
	return append(ethernet(slices.Repeat([]byte{0xff}, 6), mac, unix.ETH_P_ARP), b...)
}

func ethernet(dst, src []byte, proto uint16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, src...), proto)
}

// Group is the solicited-node group of an IPv6 address, RFC 4291 section 2.7.1.
func Group(ip netip.Addr) netip.Addr {
	target, group := ip.As16(), netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(group[13:], target[13:])
	return netip.AddrFrom16(group)
}

// Body is a neighbour solicitation behind its checksum: RFC 4861 section 4.3,
// with the option of section 4.6.1 where a MAC is given.
func Body(mac net.HardwareAddr, ip netip.Addr) []byte {
	target := ip.As16()
	b := append(make([]byte, 4), target[:]...)
	if len(mac) == 6 {
		b = append(append(b, 1, 1), mac...)
	}
	return b
}

func solicitation(mac net.HardwareAddr, own, ip netip.Addr) []byte {
	const kind, hops = 135, 255 // sections 4.3 and 7.1.1
	src, group := own.As16(), Group(ip).As16()
	option := mac
	if own.IsUnspecified() {
		option = nil // section 4.3
	}
	body := append([]byte{kind, 0, 0, 0}, Body(option, ip)...)
	b := ethernet(append([]byte{0x33, 0x33}, group[12:]...), mac, unix.ETH_P_IPV6) // RFC 2464 section 7
	b = append(b, 0x60, 0, 0, 0, 0, byte(len(body)), unix.IPPROTO_ICMPV6, hops)
	b = append(append(b, src[:]...), group[:]...)
	binary.BigEndian.PutUint16(body[2:], checksum(src, group, body))
	return append(b, body...)
}

// checksum is that of ICMPv6: RFC 4443 section 2.3.
func checksum(src, dst [16]byte, body []byte) uint16 {
	sum := uint32(len(body) + unix.IPPROTO_ICMPV6)
	for _, part := range [][]byte{src[:], dst[:], body} { // each of an even length
		for ; len(part) > 1; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
