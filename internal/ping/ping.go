// Package ping sends ICMP echo requests and reads their answers.
package ping

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Conn asks one address.
type Conn struct {
	conn *icmp.PacketConn
	dst  netip.Addr
	to   net.Addr
	buf  [1500]byte
	id   int // that requests carry; of a datagram socket, its own
}

// Dial opens a socket in the network of the calling thread: a raw one, or where
// that is forbidden the kernel's for everybody (net.ipv4.ping_group_range).
func Dial(dst netip.Addr) (*Conn, error) {
	raw, datagram, any := "ip4:icmp", "udp4", "0.0.0.0"
	if dst.Is6() {
		raw, datagram, any = "ip6:ipv6-icmp", "udp6", "::"
	}
	c := &Conn{dst: dst, to: &net.IPAddr{IP: dst.AsSlice(), Zone: dst.Zone()}, id: int(time.Now().UnixNano() & 0xffff)}
	var first, err error
	if c.conn, first = icmp.ListenPacket(raw, any); first == nil {
		return c, nil
	}
	if c.conn, err = icmp.ListenPacket(datagram, any); err != nil {
		return nil, fmt.Errorf("ping %s: %w", dst, errors.Join(first, err))
	}
	c.to = &net.UDPAddr{IP: dst.AsSlice(), Zone: dst.Zone()}
	if own, ok := c.conn.LocalAddr().(*net.UDPAddr); ok {
		c.id = own.Port // ping(7): the kernel makes it the identifier
	}
	return c, nil
}

// Close ends Receive too.
func (c *Conn) Close() error { return c.conn.Close() }

// Send asks, with the low 16 bits of a number.
func (c *Conn) Send(seq int) error {
	var kind icmp.Type = ipv4.ICMPTypeEcho
	if c.dst.Is6() {
		kind = ipv6.ICMPTypeEchoRequest
	}
	m := icmp.Message{Type: kind, Body: &icmp.Echo{ID: c.id, Seq: seq & 0xffff}}
	b, err := m.Marshal(nil)
	if err == nil {
		_, err = c.conn.WriteTo(b, c.to)
	}
	return err
}

// Receive waits for an answer and returns the low 16 bits of its number. After
// Close it returns net.ErrClosed.
func (c *Conn) Receive() (seq int, err error) {
	for {
		n, from, err := c.conn.ReadFrom(c.buf[:])
		if errors.Is(err, net.ErrClosed) {
			return 0, err
		}
		if err != nil {
			continue // what an unreachable network says
		}
		if seq, ok := c.ours(from, c.buf[:n]); ok {
			return seq, nil
		}
	}
}

// ours says whether a packet answers one of our requests, and which.
func (c *Conn) ours(from net.Addr, b []byte) (seq int, ok bool) {
	proto := ipv4.ICMPTypeEchoReply.Protocol()
	if c.dst.Is6() {
		proto = ipv6.ICMPTypeEchoReply.Protocol()
	}
	m, err := icmp.ParseMessage(proto, b)
	if err != nil || m.Type != ipv4.ICMPTypeEchoReply && m.Type != ipv6.ICMPTypeEchoReply {
		return 0, false
	}
	echo, ok := m.Body.(*icmp.Echo)
	if !ok || echo.ID != c.id || !sender(from).Equal(c.dst.AsSlice()) {
		return 0, false
	}
	return echo.Seq, true
}

func sender(a net.Addr) net.IP {
	switch a := a.(type) {
	case *net.IPAddr:
		return a.IP
	case *net.UDPAddr:
		return a.IP
	}
	return nil
}
