// Package capture reads what a link carries of VRRP, ARP and neighbour
// discovery, and says of every packet what is wrong with it. It has no socket:
// frames come from package tap or out of a file.
package capture

import (
	"fmt"
	"net/netip"
	"time"

	"keepgo/vrrp"
)

// LinkType is the kind of a frame's first header, a LINKTYPE_ of
// tcpdump.org/linktypes.html.
type LinkType uint16

// The link types that are read.
const (
	Ethernet LinkType = 1
	Raw      LinkType = 101 // IPv4 or IPv6 without a link header
	rawBSD   LinkType = 12  // the same
	Cooked   LinkType = 113 // LINUX_SLL, as of tcpdump -i any
	Cooked2  LinkType = 276 // LINUX_SLL2
)

// Frame is a frame as it was caught.
type Frame struct {
	At   time.Time
	Type LinkType
	Data []byte // from the link header on
	Len  int    // on the wire: more than Data has if it was cut
	Out  bool   // this machine sent it
}

// MAC is an Ethernet address.
type MAC [6]byte

// String is the address in hexadecimal, with colons.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// MarshalText is String.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Kind says what a Packet is.
type Kind string

// The kinds of packets.
const (
	Advert       Kind = "advert"       // VRRP
	Announcement Kind = "announcement" // gratuitous ARP, unsolicited neighbour advertisement
	Answer       Kind = "answer"       // ARP reply, solicited neighbour advertisement
	Question     Kind = "question"     // ARP request, neighbour solicitation
	Probe        Kind = "probe"        // the same without a sender: is the address free? (RFC 5227, RFC 4862)
)

// Packet is what was read of a frame, and what is wrong with it.
type Packet struct {
	At       time.Time
	Out      bool // this machine sent it
	Kind     Kind
	VLAN     uint16 // 0 for none
	MAC      MAC    // of the frame's sender
	Src, Dst netip.Addr
	TTL      uint8
	Faults   []string

	// Of an advert. Its addresses lie in the frame.
	VRRP     vrrp.Packet
	AH       bool
	Sequence uint32 // of AH
	Key      uint8  // of auth_hmac; 0 for unsigned

	// Of the other kinds: Addr is said to be at Claims, the zero MAC for a
	// question or a probe that says of nobody. Asked is what a question or a
	// probe asks for, and whom an answer is for.
	Addr, Asked netip.Addr
	Claims      MAC

	arrival vrrp.Arrival
	broken  bool // the advert cannot be read
}

// fault notes what is wrong.
func (p *Packet) fault(format string, args ...any) {
	p.Faults = append(p.Faults, fmt.Sprintf(format, args...))
}
