package sock

import (
	"encoding/binary"
	"errors"
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

// maxFailures in a row end the reader: the socket will not heal.
const maxFailures = 16

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

// reader is the memory of a Conn's goroutine: one packet at a time.
type reader struct {
	pkt  Received
	oob  [256]byte
	from unix.RawSockaddrInet6 // the larger of the two families
	iov  unix.Iovec
	msg  unix.Msghdr
	err  error
	got  bool // something came since the last failure
}

// read receives until the socket is closed.
func (c *Conn) read() {
	defer close(c.done)
	var r reader
	drain := func(fd uintptr) bool { return c.drain(fd, &r) }
	for failures := 0; failures < maxFailures; failures++ {
		r.err = nil
		err := c.raw.Read(drain)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			err = r.err
		}
		if r.got {
			failures, r.got = 0, false
		}
		c.fail(err)
	}
}

// fail reports a failed read.
func (c *Conn) fail(err error) {
	c.errors.Add(1)
	if c.cfg.Failed != nil {
		c.cfg.Failed(fmt.Errorf("vrrp socket on %s: receiving: %w", c.cfg.where(), err))
	}
}

// drain takes all packets there are; false means to wait for more.
func (c *Conn) drain(fd uintptr, r *reader) bool {
	for {
		r.arm()
		n, errno := recvmsg(fd, &r.msg)
		switch errno {
		case 0:
			r.got = true
			c.deliver(r, n)
		case unix.EAGAIN:
			return false
		case unix.EINTR:
		default:
			r.err = errno
			return true
		}
	}
}

// arm makes the memory ready for the next packet.
func (r *reader) arm() {
	r.iov.Base = &r.pkt.buf[0]
	r.iov.SetLen(len(r.pkt.buf))
	r.msg = unix.Msghdr{
		Name:    (*byte)(unsafe.Pointer(&r.from)),
		Namelen: uint32(unsafe.Sizeof(r.from)),
		Iov:     &r.iov,
		Control: &r.oob[0],
	}
	r.msg.SetIovlen(1)
	r.msg.SetControllen(len(r.oob))
}

// deliver reads the headers of the n bytes that came and hands the packet on.
func (c *Conn) deliver(r *reader, n int) {
	p := &r.pkt
	p.Src, p.Dst, p.IfIndex, p.TTL, p.At = netip.Addr{}, netip.Addr{}, 0, 0, time.Time{}
	p.parseControl(r.oob[:r.msg.Controllen])
	ok := r.msg.Flags&unix.MSG_TRUNC == 0
	if c.cfg.is4() {
		ok = ok && p.parseHeader(n)
	} else {
		p.Src = netip.AddrFrom16(r.from.Addr)
		p.start, p.end = 0, n
	}
	switch {
	case !ok:
		c.malformed.Add(1)
	case p.Src == c.cfg.Source.WithZone(""):
		c.own.Add(1)
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
