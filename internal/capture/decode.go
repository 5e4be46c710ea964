package capture

import (
	"encoding/binary"
	"net/netip"

	"keepgo/vrrp"
)

// EtherTypes, and where things stand in headers.
const (
	typeIPv4  = 0x0800
	typeARP   = 0x0806
	typeIPv6  = 0x86dd
	typeVLAN  = 0x8100 // IEEE 802.1Q
	typeQinQ  = 0x88a8
	etherLen  = 14
	cookedLen = 16 // LINKTYPE_LINUX_SLL
	cooked2   = 20 // LINKTYPE_LINUX_SLL2
	sentByUs  = 4  // packet type of both: PACKET_OUTGOING
	ipv4Len   = 20 // RFC 791 section 3.1
	ipv6Len   = 40 // RFC 8200 section 3
	icmpv6    = 58 // RFC 4443 section 1
	maxTags   = 2
)

// link is a frame without its link header.
type link struct {
	mac   MAC
	vlan  uint16
	proto uint16
	data  []byte
	out   bool
}

// unlink reads the link header of a frame.
func unlink(f *Frame) (l link, ok bool) {
	b := f.Data
	switch {
	case f.Type == Ethernet && len(b) >= etherLen:
		l = link{mac: MAC(b[6:]), proto: binary.BigEndian.Uint16(b[12:]), data: b[etherLen:]}
	case f.Type == Cooked && len(b) >= cookedLen:
		l = link{proto: binary.BigEndian.Uint16(b[14:]), data: b[cookedLen:], out: b[1] == sentByUs}
		copy(l.mac[:], b[6:12])
	case f.Type == Cooked2 && len(b) >= cooked2:
		l = link{proto: binary.BigEndian.Uint16(b), data: b[cooked2:], out: b[10] == sentByUs}
		copy(l.mac[:], b[12:18])
	case (f.Type == Raw || f.Type == rawBSD) && len(b) > 0:
		l = link{proto: typeIPv4, data: b}
		if b[0]>>4 == 6 {
			l.proto = typeIPv6
		}
	default:
		return l, false
	}
	l.out = l.out || f.Out
	for range maxTags {
		if l.proto != typeVLAN && l.proto != typeQinQ || len(l.data) < 4 {
			break
		}
		l.vlan, l.proto = binary.BigEndian.Uint16(l.data)&0x0fff, binary.BigEndian.Uint16(l.data[2:])
		l.data = l.data[4:]
	}
	return l, true
}

// Decode reads a frame; ok is false for what is none of the kinds. Nothing in it
// is compared with other packets yet. The Packet refers to the frame's memory.
func Decode(f *Frame) (p Packet, ok bool) {
	l, ok := unlink(f)
	if !ok {
		return p, false
	}
	p = Packet{At: f.At, Out: l.out, VLAN: l.vlan, MAC: l.mac}
	switch l.proto {
	case typeARP:
		ok = p.decodeARP(l.data)
	case typeIPv4:
		ok = p.decodeIPv4(l.data)
	case typeIPv6:
		ok = p.decodeIPv6(l.data)
	default:
		ok = false
	}
	if !ok {
		return Packet{}, false
	}
	if len(f.Data) < f.Len && p.broken {
		p.Faults = []string{"the capture cut it short: it has " + itoa(len(f.Data)) + " of " + itoa(f.Len) + " bytes"}
	}
	return p, true
}

// decodeIPv4 finds the advert in an IPv4 packet.
func (p *Packet) decodeIPv4(b []byte) bool {
	if len(b) < ipv4Len || b[0]>>4 != 4 || b[9] != vrrp.Protocol && b[9] != vrrp.ProtocolAH {
		return false
	}
	head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	p.Src, p.Dst, p.TTL = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), b[8]
	if head < ipv4Len || total < head || len(b) < head {
		p.Kind, p.broken = Advert, b[9] == vrrp.Protocol
		p.fault("IPv4 header of %d bytes in a packet of %d", head, total)
		return p.broken
	}
	if fragment := binary.BigEndian.Uint16(b[6:]) & 0x3fff; fragment != 0 {
		p.Kind, p.broken = Advert, b[9] == vrrp.Protocol
		p.fault("it is a fragment: an advert fits in one packet")
		return p.broken
	}
	return p.decodeAdvert(b[9], b[:head], b[head:min(total, len(b))])
}

// decodeIPv6 finds an advert or a message of neighbour discovery in an IPv6
// packet. Extension headers are not used by either.
func (p *Packet) decodeIPv6(b []byte) bool {
	if len(b) < ipv6Len || b[0]>>4 != 6 {
		return false
	}
	p.Src, p.Dst, p.TTL = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), b[7]
	end := ipv6Len + int(binary.BigEndian.Uint16(b[4:]))
	data := b[ipv6Len:min(end, len(b))]
	switch b[6] {
	case vrrp.Protocol, vrrp.ProtocolAH:
		return p.decodeAdvert(b[6], b[:ipv6Len], data)
	case icmpv6:
		return p.decodeND(data, end > len(b))
	}
	return false
}

// decodeAdvert reads what stands behind the IP header.
func (p *Packet) decodeAdvert(protocol uint8, header, data []byte) bool {
	p.Kind = Advert
	p.arrival = vrrp.Arrival{Src: p.Src, Dst: p.Dst, TTL: p.TTL, Header: header, Data: data}
	if protocol == vrrp.ProtocolAH {
		if !p.unwrapAH(data) {
			return false
		}
		data = data[4*(int(data[1])+2):]
	}
	var err error
	p.VRRP, p.Key, err = vrrp.DecodeSigned(data, p.Src, p.Dst)
	switch err {
	case nil:
		p.form()
	case vrrp.ErrVersion:
		p.broken = true
		p.fault("VRRP version %d: there are 2 and 3", p.VRRP.Version)
	default:
		p.broken = true
		p.fault("%d bytes of VRRP, which does not fit what they say of themselves", len(data))
	}
	return true
}

// unwrapAH reads an authentication header (RFC 4302 section 2); ok is false
// where no VRRP is behind it.
func (p *Packet) unwrapAH(b []byte) bool {
	if len(b) < 12 || b[0] != vrrp.Protocol || len(b) < 4*(int(b[1])+2) {
		return false
	}
	p.AH, p.Sequence = true, binary.BigEndian.Uint32(b[8:])
	return true
}

// form finds what is wrong with an advert whoever it is for.
func (p *Packet) form() {
	v := &p.VRRP
	if v.Type != 1 {
		p.fault("VRRP type %d: only advertisements (1) exist", v.Type)
	}
	if p.TTL != vrrp.TTL && p.Dst.IsMulticast() {
		p.fault("TTL/hop limit %d, not %d: it was forwarded, or its sender is no VRRP router", p.TTL, vrrp.TTL)
	}
	if v.Sum == vrrp.SumBad {
		p.fault("bad checksum")
	}
	if v.Interval == 0 {
		p.fault("interval 0")
	}
	if v.VRID == 0 {
		p.fault("VRID 0: they begin with 1")
	}
	if v.Version == 2 && v.AuthType > vrrp.AuthAH {
		p.fault("unknown authentication type %d", v.AuthType)
	}
	if v.Version == 2 && v.AuthType == vrrp.AuthAH && !p.AH && p.Src.Is4() {
		p.fault("authentication type AH without the header")
	}
}
