// Package sock is the door of BFD to the network: control packets over UDP, on
// one hop (RFC 5881) and on several (RFC 5883).
package sock

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"keepgo/bfd"
)

const (
	// port and multihopPort are where control packets go: RFC 5881 section 4,
	// RFC 5883 section 5.
	port, multihopPort = 3784, 4784
	// firstPort to 65535 are where they come from: RFC 5881 section 4.
	firstPort = 49152
	// control is class selector 6, as routing protocols are marked: RFC 2474
	// section 4.2.2.
	control = 0xc0
	// attempts to find a source port that is free.
	attempts = 32
	// maxFailures in a row end a reader: the socket will not heal.
	maxFailures = 16
	// maxPacket bounds what is read; an authenticated packet is longer than ours.
	maxPacket = 128
)

// Received is a control packet as it arrived.
type Received struct {
	From, To netip.Addr // without zone
	Hops     int        // TTL or hop limit it had left
	Multihop bool       // it came to the port for several hops
	Packet   bfd.Packet
	Err      error // why it is none; Packet is not valid then
}

// Door listens for control packets in the network namespace that Open was called
// in.
type Door struct {
	conns []net.PacketConn
	done  chan struct{}
}

// Open listens on both families, also on the port for several hops if multihop
// says so. Every packet is handed to receive, from several goroutines. A family
// the kernel lacks is left out; the error is of a port that somebody else has.
func Open(multihop bool, receive func(Received)) (*Door, error) {
	d := &Door{done: make(chan struct{})}
	ports := []int{port}
	if multihop {
		ports = append(ports, multihopPort)
	}
	for _, p := range ports {
		for _, network := range []string{"udp4", "udp6"} {
			err := d.listen(network, p, receive)
			if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) {
				continue
			}
			if err != nil {
				d.Close()
				return nil, fmt.Errorf("BFD: listening on UDP port %d: %w", p, err)
			}
		}
	}
	return d, nil
}

func (d *Door) listen(network string, p int, receive func(Received)) error {
	c, err := net.ListenPacket(network, ":"+strconv.Itoa(p))
	if err != nil {
		return err
	}
	d.conns = append(d.conns, c)
	if network == "udp4" {
		pc := ipv4.NewPacketConn(c)
		if err := pc.SetControlMessage(ipv4.FlagTTL|ipv4.FlagDst, true); err != nil {
			return err
		}
		go read(receive, p == multihopPort, func(b []byte) (int, int, net.IP, net.Addr, error) {
			n, cm, from, err := pc.ReadFrom(b)
			if err != nil || cm == nil {
				return n, 0, nil, from, err
			}
			return n, cm.TTL, cm.Dst, from, nil
		})
		return nil
	}
	pc := ipv6.NewPacketConn(c)
	if err := pc.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagDst, true); err != nil {
		return err
	}
	go read(receive, p == multihopPort, func(b []byte) (int, int, net.IP, net.Addr, error) {
		n, cm, from, err := pc.ReadFrom(b)
		if err != nil || cm == nil {
			return n, 0, nil, from, err
		}
		return n, cm.HopLimit, cm.Dst, from, nil
	})
	return nil
}

// read hands on packets until the socket is closed.
func read(receive func(Received), multihop bool, next func([]byte) (n, hops int, to net.IP, from net.Addr, err error)) {
	buf := make([]byte, maxPacket)
	for failures := 0; failures < maxFailures; {
		n, hops, to, from, err := next(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			failures++
			continue
		}
		failures = 0
		r := Received{Hops: hops, Multihop: multihop}
		if a, ok := from.(*net.UDPAddr); ok {
			r.From = a.AddrPort().Addr().Unmap().WithZone("")
		}
		if a, ok := netip.AddrFromSlice(to); ok {
			r.To = a.Unmap()
		}
		r.Packet, r.Err = bfd.Parse(buf[:n])
		receive(r)
	}
}

// Close ends the listening.
func (d *Door) Close() {
	for _, c := range d.conns {
		c.Close()
	}
}

// Path is the way of one session's packets.
type Path struct {
	Source   netip.Addr // the zero value lets the kernel choose
	Neighbor netip.Addr
	TTL      uint8 // or hop limit
	Multihop bool
}

// Sender sends the packets of one session.
type Sender struct{ conn *net.UDPConn }

// Dial opens the way to a neighbor. The error says why there is none now, such
// as a source address that does not stand yet.
func Dial(p Path) (*Sender, error) {
	to := netip.AddrPortFrom(p.Neighbor, port)
	if p.Multihop {
		to = netip.AddrPortFrom(p.Neighbor, multihopPort)
	}
	from := p.Source
	if !from.IsValid() {
		from = netip.IPv4Unspecified()
		if p.Neighbor.Is6() {
			from = netip.IPv6Unspecified()
		}
	}
	conn, err := dial(from, to)
	if err != nil {
		return nil, err
	}
	if p.Neighbor.Is4() {
		c := ipv4.NewConn(conn)
		err = errors.Join(c.SetTTL(int(p.TTL)), c.SetTOS(control))
	} else {
		c := ipv6.NewConn(conn)
		err = errors.Join(c.SetHopLimit(int(p.TTL)), c.SetTrafficClass(control))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Sender{conn}, nil
}

// dial takes the first source port that is free, beginning at one that the
// neighbor decides: a daemon that is replaced mostly keeps it.
func dial(from netip.Addr, to netip.AddrPort) (conn *net.UDPConn, err error) {
	b := to.Addr().AsSlice()
	start := int(b[len(b)-2])<<8 | int(b[len(b)-1])
	for i := range attempts {
		source := netip.AddrPortFrom(from, uint16(firstPort+(start+i*509)%(1<<16-firstPort)))
		conn, err = net.DialUDP("udp", net.UDPAddrFromAddrPort(source), net.UDPAddrFromAddrPort(to))
		if !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	return conn, err
}

// Send sends a packet. That nobody listens there yet is no error.
func (s *Sender) Send(b []byte) error {
	_, err := s.conn.Write(b)
	if errors.Is(err, unix.ECONNREFUSED) {
		_, err = s.conn.Write(b) // the first reported what became of the packet before
	}
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil
	}
	return err
}

// Close closes the way.
func (s *Sender) Close() { s.conn.Close() }
