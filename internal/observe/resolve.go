package observe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"keepgo/internal/whohas"
)

// onLink is the name of the link that an address is reached by without a router.
func onLink(a netip.Addr) (string, error) {
	routes, err := netlink.RouteGet(a.AsSlice())
	if err != nil || len(routes) == 0 {
		return "", fmt.Errorf("the route to %s: %w", a, err)
	}
	link, err := netlink.LinkByIndex(routes[0].LinkIndex)
	switch {
	case err != nil:
		return "", fmt.Errorf("the route to %s: %w", a, err)
	case routes[0].Gw != nil:
		return "", fmt.Errorf("%s is behind the router %s: who answers by MAC is not seen from here", a, routes[0].Gw)
	case link.Attrs().Flags&net.FlagLoopback != 0:
		return "", fmt.Errorf("%s is this machine's own: who answers by MAC is not seen from here", a)
	}
	return link.Attrs().Name, nil
}

// Raw says why nobody can be asked here by ARP, nil if that is allowed
// (packet(7): CAP_NET_RAW).
func Raw() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("a socket for ARP: %w (CAP_NET_RAW)", err)
	}
	return unix.Close(fd)
}

// arpAsker asks by ARP on one link.
type arpAsker struct {
	file     *os.File
	question []byte
	mac      net.HardwareAddr
	vip      netip.Addr
}

// Where things stand in a frame of ARP: RFC 826, with an Ethernet header.
const (
	arpOp     = 20
	arpSender = 22 // its MAC, and behind that its address
	arpEnd    = 42
)

func newARP(vip netip.Addr, link *net.Interface) (asker, error) {
	if len(link.HardwareAddr) != 6 {
		return nil, fmt.Errorf("%s has no MAC address: no ARP there", link.Name)
	}
	proto := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ARP))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(proto))
	if err != nil {
		return nil, fmt.Errorf("ARP on %s: %w (CAP_NET_RAW)", link.Name, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: proto, Ifindex: link.Index}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("ARP on %s: %w", link.Name, err)
	}
	return &arpAsker{os.NewFile(uintptr(fd), "arp"), whohas.Frame(link.HardwareAddr, netip.Addr{}, vip), link.HardwareAddr, vip}, nil
}

func (a *arpAsker) means() string { return "arp" }
func (a *arpAsker) close()        { a.file.Close() }

// send leaves what cannot be sent unanswered.
func (a *arpAsker) send(int) { _, _ = a.file.Write(a.question) }

func (a *arpAsker) listen(answer func(int, string)) {
	buf := make([]byte, 256)
	for {
		n, err := a.file.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			continue // the link is down: packet(7) says so once
		}
		if mac, ok := a.ours(buf[:n]); ok {
			answer(-1, mac.String())
		}
	}
}

// ours reads an answer to us of who has the address.
func (a *arpAsker) ours(b []byte) (mac net.HardwareAddr, ok bool) {
	if len(b) < arpEnd || !bytes.Equal(b[:6], a.mac) || binary.BigEndian.Uint16(b[12:]) != unix.ETH_P_ARP || binary.BigEndian.Uint16(b[arpOp:]) != 2 {
		return nil, false
	}
	return net.HardwareAddr(b[arpSender : arpSender+6]), bytes.Equal(b[arpSender+6:arpSender+10], a.vip.AsSlice())
}

// ndAsker asks by neighbour solicitation.
type ndAsker struct {
	conn *icmp.PacketConn
	to   *net.IPAddr
	body []byte
	vip  netip.Addr
}

// Parts of neighbour discovery, RFC 4861.
const (
	ndHops   = 255 // section 7.1.1
	optTLLA  = 2   // section 4.6.1
	naTarget = 8   // section 4.4
	naLen    = 24  // up to its options
)

func newND(vip netip.Addr, link *net.Interface) (asker, error) {
	conn, err := icmp.ListenPacket("ip6:ipv6-icmp", "::")
	if err != nil {
		return nil, fmt.Errorf("neighbour solicitations on %s: %w", link.Name, err)
	}
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeNeighborAdvertisement)
	p := conn.IPv6PacketConn()
	for _, err := range []error{p.SetICMPFilter(&filter), p.SetMulticastHopLimit(ndHops), p.SetMulticastInterface(link), p.SetMulticastLoopback(false)} {
		if err != nil {
			conn.Close()
			return nil, fmt.Errorf("neighbour solicitations on %s: %w", link.Name, err)
		}
	}
	group := &net.IPAddr{IP: whohas.Group(vip).AsSlice(), Zone: link.Name}
	return &ndAsker{conn, group, whohas.Body(link.HardwareAddr, vip), vip}, nil
}

func (a *ndAsker) means() string { return "nd" }
func (a *ndAsker) close()        { a.conn.Close() }

// send leaves what cannot be sent unanswered.
func (a *ndAsker) send(int) {
	m := icmp.Message{Type: ipv6.ICMPTypeNeighborSolicitation, Body: &icmp.RawBody{Data: a.body}}
	if b, err := m.Marshal(nil); err == nil {
		_, _ = a.conn.WriteTo(b, a.to)
	}
}

func (a *ndAsker) listen(answer func(int, string)) {
	buf := make([]byte, 1500)
	for {
		n, _, err := a.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // what an unreachable network says
		}
		if mac, ok := a.ours(buf[:n]); ok {
			answer(-1, mac.String())
		}
	}
}

// ours reads a solicited advertisement of the address, with its MAC.
func (a *ndAsker) ours(b []byte) (mac net.HardwareAddr, ok bool) {
	const solicited = 0x40 // section 4.4
	if len(b) < naLen+8 || b[4]&solicited == 0 || !bytes.Equal(b[naTarget:naTarget+16], a.vip.AsSlice()) || b[naLen] != optTLLA || b[naLen+1] != 1 {
		return nil, false
	}
	return net.HardwareAddr(b[naLen+2 : naLen+8]), true
}
