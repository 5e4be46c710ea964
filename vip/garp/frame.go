package garp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Target is one address to announce on one link. It is a comparable value.
type Target struct {
	IfIndex int
	// Lane numbers the queue that the packets of one protocol share; 0 is that of
	// IfIndex. Spacing is the least time between two of them: it should be the
	// same for all of a lane.
	Lane         int
	Spacing      time.Duration
	Addr         netip.Addr
	HardwareAddr [6]byte // the sender's, as the neighbours shall learn it
	IPoIB        IPoIB   // in the place of HardwareAddr on an IPoIB link, else zero
	Router       bool    // IPv6: the host forwards on this link (RFC 4861 section 4.4, R flag)
	Extra        bool    // announced every Schedule.Extra as well
}

// Lengths of the two frames with their Ethernet header. An ARP frame is not
// padded to 60 bytes: the driver does that.
const (
	etherLen = 14
	arpLen   = etherLen + 28               // RFC 826
	naLen    = etherLen + 40 + naFixed + 8 // RFC 8200 section 3, and one option, RFC 4861 section 4.6.1
	naFixed  = 24                          // RFC 4861 section 4.4
	hopLimit = 255                         // RFC 4861 section 7.1.2: others are discarded
	icmpv6   = 58                          // next header, RFC 4443 section 1
	naType   = 136                         // RFC 4861 section 4.4
	optTLLA  = 2                           // Target Link-Layer Address, RFC 4861 section 4.6
	flagR    = 0x80                        // RFC 4861 section 4.4
	flagO    = 0x20                        // override what the neighbour has cached
)

// allNodes is the link-local all-nodes multicast address, RFC 4291 section
// 2.7.1, with its Ethernet form, RFC 2464 section 7; broadcast is all stations.
var (
	allNodes    = netip.MustParseAddr("ff02::1").As16()
	allNodesMAC = []byte{0x33, 0x33, 0, 0, 0, 1}
	broadcast   = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// frame is a finished frame and where it goes. Its memory serves for one after
// the other: it takes less to write a frame than to keep one for each address.
type frame struct {
	target   *Target
	bytes    []byte
	to       []byte // hardware address
	protocol uint16 // EtherType
	bare     bool   // without its link header, which the kernel adds
}

// address is the target's, as it is announced.
func (t *Target) address() netip.Addr { return t.Addr.Unmap().WithZone("") }

// speaks tells whether a target is announced: it is not without hardware
// address, since nobody resolves addresses on such a link.
func (t *Target) speaks() bool {
	return t.Addr.IsValid() && (t.HardwareAddr != [6]byte{} || t.IPoIB != IPoIB{})
}

// write makes f the announcement of a target.
func (f *frame) write(t *Target) {
	addr := t.address()
	f.target, f.bytes, f.to = t, f.bytes[:0], f.to[:0]
	f.protocol, f.bare = unix.ETH_P_IPV6, t.IPoIB != IPoIB{}
	if addr.Is4() {
		f.protocol = unix.ETH_P_ARP
	}
	switch {
	case f.bare:
		t.IPoIB.write(f, addr)
	case addr.Is4():
		f.to = append(f.to, broadcast...)
		f.bytes = appendEthernet(f.bytes, broadcast, t.HardwareAddr[:], unix.ETH_P_ARP)
		f.bytes = appendARP(f.bytes, hardwareEthernet, t.HardwareAddr[:], broadcast, addr)
	default:
		f.to = append(f.to, allNodesMAC...)
		f.bytes = appendEthernet(f.bytes, allNodesMAC, t.HardwareAddr[:], unix.ETH_P_IPV6)
		f.bytes = appendNA(f.bytes, t.Router, addr, []byte{optTLLA, 1}, t.HardwareAddr[:])
	}
}

func appendEthernet(b, dst, src []byte, kind uint16) []byte {
	b = append(append(b, dst...), src...)
	return binary.BigEndian.AppendUint16(b, kind)
}

// hardwareEthernet is the hardware type of Ethernet, RFC 826.
const hardwareEthernet = 1

// appendARP appends a gratuitous ARP request: sender and target are the
// address itself (RFC 5227 section 2.3 calls it an announcement), and the
// target hardware address is the broadcast address, as keepalived sends it.
func appendARP(b []byte, hardware uint16, station, all []byte, a netip.Addr) []byte {
	addr := a.As4()
	b = binary.BigEndian.AppendUint16(b, hardware)
	b = append(b, 0x08, 0x00, byte(len(station)), byte(len(addr)), 0, 1) // IPv4, a request
	b = append(append(b, station...), addr[:]...)
	return append(append(b, all...), addr[:]...)
}

// appendNA appends an unsolicited neighbour advertisement to all nodes, from
// the address itself, that overrides what they have cached (RFC 4861 section
// 7.2.6). Its option, of the given head, tells the link-layer address.
func appendNA(b []byte, router bool, a netip.Addr, option, station []byte) []byte {
	addr := a.As16()
	b = append(b, 0x60, 0, 0, 0, 0, byte(naFixed+len(option)+len(station)), icmpv6, hopLimit)
	b = append(append(b, addr[:]...), allNodes[:]...)

	start := len(b)
	flags := byte(flagO)
	if router {
		flags |= flagR
	}
	b = append(b, naType, 0, 0, 0, flags, 0, 0, 0)
	b = append(append(append(b, addr[:]...), option...), station...)
	binary.BigEndian.PutUint16(b[start+2:], checksum(addr, allNodes, b[start:]))
	return b
}

// checksum is that of ICMPv6 with its pseudo-header, RFC 4443 section 2.3. The
// checksum field of body is zero, and its length even.
func checksum(src, dst [16]byte, body []byte) uint16 {
	sum := uint32(len(body)) + icmpv6
	for _, part := range [][]byte{src[:], dst[:], body} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
