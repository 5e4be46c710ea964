package garp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"golang.org/x/sys/unix"
)

// Target is one address to announce on one link. It is a comparable value.
type Target struct {
	IfIndex      int
	HardwareAddr [6]byte // the sender's, as the neighbours shall learn it
	IPoIB        IPoIB   // in the place of HardwareAddr on an IPoIB link, else zero
	Addr         netip.Addr
	Router       bool // IPv6: the host forwards on this link (RFC 4861 section 4.4, R flag)
	// Lane numbers the queue that the packets of one protocol share; 0 is that of
	// IfIndex. Spacing is the least time between two of them: it should be the
	// same for all of a lane.
	Lane    int
	Spacing time.Duration
	Extra   bool // announced every Schedule.Extra as well
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
// 2.7.1, with its Ethernet form, RFC 2464 section 7.
var (
	allNodes    = netip.MustParseAddr("ff02::1").As16()
	allNodesMAC = []byte{0x33, 0x33, 0, 0, 0, 1}
)

// frame is a finished frame and where it goes.
type frame struct {
	target   Target
	bytes    []byte
	to       []byte // hardware address
	protocol uint16 // EtherType
	bare     bool   // without its link header, which the kernel adds
}

// newFrame builds the announcement of a target. There is none for a target
// without hardware address: nobody resolves addresses on such a link.
func newFrame(t Target) (frame, bool) {
	t.Addr = t.Addr.Unmap().WithZone("")
	f := frame{target: t, protocol: unix.ETH_P_IPV6}
	if t.Addr.Is4() {
		f.protocol = unix.ETH_P_ARP
	}
	switch {
	case !t.Addr.IsValid():
		return frame{}, false
	case t.IPoIB != IPoIB{}:
		f.bare = true
		f.bytes, f.to = t.IPoIB.frame(t)
		return f, true
	case t.HardwareAddr == [6]byte{}:
		return frame{}, false
	case t.Addr.Is4():
		var err error
		f.bytes, err = appendARP(nil, t)
		f.to = ethernet.Broadcast
		return f, err == nil
	}
	f.to = allNodesMAC
	f.bytes = appendEthernet(nil, allNodesMAC, t.HardwareAddr[:], unix.ETH_P_IPV6)
	f.bytes = appendNA(f.bytes, t, append([]byte{optTLLA, 1}, t.HardwareAddr[:]...))
	return f, true
}

func appendEthernet(b, dst, src []byte, kind uint16) []byte {
	b = append(append(b, dst...), src...)
	return binary.BigEndian.AppendUint16(b, kind)
}

// appendARP appends a gratuitous ARP request: sender and target are the
// address itself (RFC 5227 section 2.3 calls it an announcement), and the
// target hardware address is the broadcast address, as keepalived sends it.
func appendARP(b []byte, t Target) ([]byte, error) {
	p, err := arp.NewPacket(arp.OperationRequest, t.HardwareAddr[:], t.Addr, ethernet.Broadcast, t.Addr)
	if err != nil {
		return b, err
	}
	body, err := p.MarshalBinary()
	if err != nil {
		return b, err
	}
	b = appendEthernet(b, ethernet.Broadcast, t.HardwareAddr[:], unix.ETH_P_ARP)
	return append(b, body...), nil
}

// appendNA appends an unsolicited neighbour advertisement to all nodes, from
// the address itself, that overrides what they have cached (RFC 4861 section
// 7.2.6). option tells the link-layer address.
func appendNA(b []byte, t Target, option []byte) []byte {
	addr := t.Addr.As16()
	b = append(b, 0x60, 0, 0, 0, 0, byte(naFixed+len(option)), icmpv6, hopLimit)
	b = append(append(b, addr[:]...), allNodes[:]...)

	start := len(b)
	flags := byte(flagO)
	if t.Router {
		flags |= flagR
	}
	b = append(b, naType, 0, 0, 0, flags, 0, 0, 0)
	b = append(append(b, addr[:]...), option...)
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
