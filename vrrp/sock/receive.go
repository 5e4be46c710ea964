package sock

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MaxPacket is the longest IP packet that is received. Version 3 over IPv4 with
// 255 addresses needs 1,088 bytes; IPv6 is bounded by the MTU.
const MaxPacket = 1500

// batch is how many packets one call takes at most.
const batch = 8

// Received is a packet as it arrived. It holds its own bytes.
type Received struct {
	Src, Dst netip.Addr // without zone
	IfIndex  int        // the interface it arrived at
	TTL      uint8      // TTL or hop limit
	At       time.Time  // when the kernel got it, by the wall clock; zero if it did not say

	buf        [MaxPacket]byte
	start, end int
}

// Data is the packet behind its IP header.
func (r *Received) Data() []byte { return r.buf[r.start:r.end] }

// Header is the IPv4 header; IPv6 sockets hand out none.
func (r *Received) Header() []byte { return r.buf[:r.start] }

// Room is memory that packets are received into. All Conns that one goroutine
// reads may share it.
type Room struct {
	packets [batch]Received
	oob     [batch][256]byte
	from    [batch]unix.RawSockaddrInet6 // the larger of the two families
	iov     [batch]unix.Iovec
	msgs    [batch]mmsghdr
}

// mmsghdr is a packet for recvmmsg(2) and sendmmsg(2), include/linux/socket.h.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// NewRoom makes a Room.
func NewRoom() *Room {
	r := &Room{}
	for i := range r.msgs {
		r.iov[i].Base = &r.packets[i].buf[0]
		r.iov[i].SetLen(MaxPacket)
		h := &r.msgs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&r.from[i]))
		h.Iov = &r.iov[i]
		h.SetIovlen(1)
		h.Control = &r.oob[i][0]
	}
	return r
}

// arm makes the memory ready for the next packets: the kernel writes over
// lengths.
func (r *Room) arm() {
	for i := range r.msgs {
		h := &r.msgs[i].hdr
		h.Namelen = uint32(unsafe.Sizeof(r.from[i]))
		h.SetControllen(len(r.oob[i]))
	}
}

// Read hands the packets that have come to Config.Receive, as many as there is
// room for; more tells that others may be waiting. An error is the socket's own,
// or one that the network reported to it: others may be waiting all the same.
func (c *Conn) Read(r *Room) (more bool, err error) {
	if c.fd < 0 {
		return false, net.ErrClosed
	}
	r.arm()
	n, errno := recvmmsg(c.fd, &r.msgs)
	switch errno {
	case 0:
	case unix.EAGAIN:
		return false, nil
	case unix.EINTR:
		return true, nil
	default:
		c.stats.Errors++
		return true, fmt.Errorf("vrrp socket on %s: receiving: %w", c.cfg.where(), errno)
	}
	for i := range n {
		c.deliver(r, i)
	}
	return n == batch, nil
}

// deliver reads the headers of the i-th packet and hands it on.
func (c *Conn) deliver(r *Room, i int) {
	p, m := &r.packets[i], &r.msgs[i]
	p.Src, p.Dst, p.IfIndex, p.TTL, p.At = netip.Addr{}, netip.Addr{}, 0, 0, time.Time{}
	p.parseControl(r.oob[i][:m.hdr.Controllen])
	ok := m.hdr.Flags&unix.MSG_TRUNC == 0
	if c.cfg.is4() {
		ok = ok && p.parseHeader(int(m.len))
	} else {
		p.Src = netip.AddrFrom16(r.from[i].Addr)
		p.start, p.end = 0, int(m.len)
	}
	switch {
	case !ok:
		c.stats.Malformed++
	case p.Src == c.cfg.Source.WithZone(""):
		c.stats.Own++
	default:
		c.cfg.Receive(p)
	}
}

// parseHeader reads the IPv4 header that a raw socket hands out, RFC 791
// section 3.1. The kernel has looked at it; nothing is believed all the same.
func (p *Received) parseHeader(n int) bool {
	b := p.buf[:n]
	if n < 20 || b[0]>>4 != 4 {
		return false
	}
	start, end := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:4]))
	if start < 20 || end < start || end > n {
		return false
	}
	p.TTL = b[8]
	p.Src = netip.AddrFrom4([4]byte(b[12:16]))
	p.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	p.start, p.end = start, end
	return true
}

// parseControl reads what the kernel says beside the packet.
func (p *Received) parseControl(oob []byte) {
	for len(oob) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return
		}
		p.control(int(h.Level), int(h.Type), data)
		oob = rest
	}
}

// control reads one control message; its numbers are in the machine's order.
func (p *Received) control(level, kind int, data []byte) {
	ne := binary.NativeEndian
	switch {
	case level == unix.SOL_SOCKET && kind == unix.SO_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
		ts := (*unix.Timespec)(unsafe.Pointer(&data[0]))
		p.At = time.Unix(ts.Unix())
	case level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		p.IfIndex = int(ne.Uint32(data))
	case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		p.Dst = netip.AddrFrom16([16]byte(data[:16]))
		p.IfIndex = int(ne.Uint32(data[16:]))
	case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_HOPLIMIT && len(data) >= 4:
		p.TTL = uint8(ne.Uint32(data))
	}
}

// recvmmsg is recvmmsg(2) without waiting.
func recvmmsg(fd int, msgs *[batch]mmsghdr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(msgs)), batch, unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}
