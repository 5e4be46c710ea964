package capture

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// ARP (RFC 826) and neighbour discovery (RFC 4861).
const (
	arpLen       = 28
	ethernetIPv4 = "\x00\x01\x08\x00\x06\x04" // hardware and protocol of an ARP packet, with their lengths
	arpRequest   = 1
	arpReply     = 2

	solicitation   = 135 // RFC 4861 section 4.3
	advertisement  = 136 // section 4.4
	ndLen          = 24  // of both, without options
	solicited      = 0x40
	optSource      = 1 // link-layer addresses, section 4.6.1
	optTarget      = 2
	neighbourLimit = 255 // hop limit, sections 7.1.1 and 7.1.2
)

func itoa(n int) string { return strconv.Itoa(n) }

// decodeARP reads ARP of IPv4 over Ethernet.
func (p *Packet) decodeARP(b []byte) bool {
	if len(b) < arpLen || string(b[:6]) != ethernetIPv4 {
		return false
	}
	op, sender, target := binary.BigEndian.Uint16(b[6:]), netip.AddrFrom4([4]byte(b[14:])), netip.AddrFrom4([4]byte(b[24:]))
	p.Claims, p.Addr, p.Asked = MAC(b[8:]), sender, target
	switch {
	case op != arpRequest && op != arpReply:
		return false
	case sender == target:
		p.Kind = Announcement
	case op == arpReply:
		p.Kind = Answer
	case sender.IsUnspecified():
		p.Kind, p.Addr, p.Claims = Probe, netip.Addr{}, MAC{}
	default:
		p.Kind = Question
	}
	if p.Claims == (MAC{}) && p.Kind != Probe {
		p.fault("the hardware address is zero")
	}
	if p.Claims[0]&1 != 0 {
		p.fault("the hardware address %s is that of a group", p.Claims)
	}
	return true
}

// decodeND reads neighbour solicitations and advertisements; of one that was
// cut the checksum cannot be known.
func (p *Packet) decodeND(b []byte, cut bool) bool {
	if len(b) < ndLen || b[0] != solicitation && b[0] != advertisement || b[1] != 0 {
		return false
	}
	target := netip.AddrFrom16([16]byte(b[8:]))
	if p.TTL != neighbourLimit {
		p.fault("hop limit %d, not 255: nobody believes it", p.TTL)
	}
	if !cut && !p.summed(b) {
		p.fault("bad checksum")
	}
	if b[0] == advertisement {
		p.advertisement(b, target)
		return true
	}
	p.Asked = target
	if p.Src.IsUnspecified() {
		p.Kind = Probe
		return true
	}
	p.Kind, p.Addr, p.Claims = Question, p.Src, option(b[ndLen:], optSource, p.MAC)
	return true
}

func (p *Packet) advertisement(b []byte, target netip.Addr) {
	p.Kind, p.Addr, p.Claims = Announcement, target, option(b[ndLen:], optTarget, p.MAC)
	if b[4]&solicited == 0 {
		return
	}
	p.Kind, p.Asked = Answer, p.Dst
	if p.Dst.IsMulticast() {
		p.fault("it answers nobody: solicited, and sent to a group")
	}
}

// option is the link-layer address among the options of neighbour discovery, or
// else what the frame came from.
func option(b []byte, kind byte, from MAC) MAC {
	for len(b) >= 8 {
		size := 8 * int(b[1])
		if b[0] == kind && size == 8 {
			return MAC(b[2:])
		}
		if size == 0 {
			break
		}
		b = b[min(size, len(b)):]
	}
	return from
}

// summed checks the checksum of RFC 4443 section 2.3. One that the sending
// machine left to its hardware is not there yet.
func (p *Packet) summed(b []byte) bool {
	if p.Out {
		return true
	}
	src, dst := p.Src.As16(), p.Dst.As16()
	sum := uint32(len(b)) + icmpv6
	for _, part := range [][]byte{src[:], dst[:], b} {
		for ; len(part) >= 2; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
		if len(part) == 1 {
			sum += uint32(part[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum == 0xffff
}
