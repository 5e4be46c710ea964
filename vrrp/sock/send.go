package sock

import (
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// outgoing is all that one send needs, laid out once.
type outgoing struct {
	oob   []byte // IP_PKTINFO or IPV6_PKTINFO: the source and the interface
	to4   unix.RawSockaddrInet4
	to6   unix.RawSockaddrInet6
	iov   unix.Iovec
	msg   unix.Msghdr
	flags uintptr
}

// prepare lays out what all sends have in common. A unicast socket is bound to
// its source; a multicast one is bound to the group and says its source with
// every packet.
func (c *Conn) prepare() {
	o := &c.out
	o.flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	o.to4.Family, o.to6.Family = unix.AF_INET, unix.AF_INET6
	o.msg.Iov = &o.iov
	o.msg.SetIovlen(1)
	if c.cfg.is4() {
		o.msg.Name, o.msg.Namelen = (*byte)(unsafe.Pointer(&o.to4)), uint32(unsafe.Sizeof(o.to4))
	} else {
		o.msg.Name, o.msg.Namelen = (*byte)(unsafe.Pointer(&o.to6)), uint32(unsafe.Sizeof(o.to6))
	}
	if c.cfg.Unicast {
		return
	}
	if c.cfg.is4() {
		o.flags |= unix.MSG_DONTROUTE
		cm := ipv4.ControlMessage{Src: c.cfg.Source.AsSlice(), IfIndex: c.cfg.IfIndex}
		o.oob = cm.Marshal()
	} else {
		cm := ipv6.ControlMessage{Src: c.cfg.Source.WithZone("").AsSlice(), IfIndex: c.cfg.IfIndex}
		o.oob = cm.Marshal()
	}
	o.msg.Control = &o.oob[0]
	o.msg.SetControllen(len(o.oob))
}

// Send sends the VRRP packet pkt, or with Config.AH the IP packet, to dst, of the
// family of the Conn. It never waits: when the kernel's buffer is full the packet
// is lost and the error says so. It does not allocate unless it fails.
func (c *Conn) Send(pkt []byte, dst netip.Addr) error {
	switch {
	case dst.Is4() != c.cfg.is4():
		return fmt.Errorf("vrrp socket on %s: %s is of another family", c.cfg.where(), dst)
	case len(pkt) == 0:
		return nil
	case c.fd < 0:
		return fmt.Errorf("vrrp socket on %s: %w", c.cfg.where(), net.ErrClosed)
	}
	c.address(dst)
	c.out.iov.Base = &pkt[0]
	c.out.iov.SetLen(len(pkt))
	errno := sendmsg(c.fd, &c.out.msg, c.out.flags)
	c.out.iov.Base = nil
	if errno != 0 {
		return fmt.Errorf("vrrp socket on %s: sending to %s: %w", c.cfg.where(), dst, errno)
	}
	return nil
}

// address sets the destination of the next send.
func (c *Conn) address(dst netip.Addr) {
	if c.cfg.is4() {
		c.out.to4.Addr = dst.As4()
		return
	}
	c.out.to6.Addr, c.out.to6.Scope_id = dst.As16(), c.cfg.zone(dst)
}

// sendmsg is sendmsg(2) without waiting.
func sendmsg(fd int, m *unix.Msghdr, flags uintptr) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(m)), flags)
	return errno
}
