package sock

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// outgoing is all that one send needs, laid out once.
type outgoing struct {
	pkt   []byte
	oob   []byte // IP_PKTINFO or IPV6_PKTINFO: the source and the interface
	to4   unix.SockaddrInet4
	to6   unix.SockaddrInet6
	flags int
	err   error
	send  func(fd uintptr) bool
}

// prepare lays out what all sends have in common. A unicast socket is bound to
// its source; a multicast one is bound to the group and says its source with
// every packet.
func (c *Conn) prepare() {
	c.out.flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	c.out.send = c.sendmsg
	if c.cfg.Unicast {
		return
	}
	if c.cfg.is4() {
		c.out.flags |= unix.MSG_DONTROUTE
		cm := ipv4.ControlMessage{Src: c.cfg.Source.AsSlice(), IfIndex: c.cfg.IfIndex}
		c.out.oob = cm.Marshal()
		return
	}
	cm := ipv6.ControlMessage{Src: c.cfg.Source.WithZone("").AsSlice(), IfIndex: c.cfg.IfIndex}
	c.out.oob = cm.Marshal()
}

// Send sends the VRRP packet pkt, or with Config.AH the IP packet, to dst, of the family of the Conn. It never
// waits: when the kernel's buffer is full the packet is lost and the error says
// so. It does not allocate unless it fails.
func (c *Conn) Send(pkt []byte, dst netip.Addr) error {
	if dst.Is4() != c.cfg.is4() {
		return fmt.Errorf("vrrp socket on %s: %s is of another family", c.cfg.where(), dst)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.address(dst)
	c.out.pkt, c.out.err = pkt, nil
	err := c.raw.Write(c.out.send)
	c.out.pkt = nil
	if err == nil {
		err = c.out.err
	}
	if err != nil {
		return fmt.Errorf("vrrp socket on %s: sending to %s: %w", c.cfg.where(), dst, err)
	}
	return nil
}

// address sets the destination of the next send.
func (c *Conn) address(dst netip.Addr) {
	if c.cfg.is4() {
		c.out.to4.Addr = dst.As4()
		return
	}
	c.out.to6.Addr = dst.As16()
	c.out.to6.ZoneId = 0
	if dst.IsLinkLocalUnicast() || dst.IsLinkLocalMulticast() {
		c.out.to6.ZoneId = uint32(c.cfg.IfIndex)
	}
}

// sendmsg is one try; it is done whatever came of it.
func (c *Conn) sendmsg(fd uintptr) bool {
	o := &c.out
	var to unix.Sockaddr = &o.to4
	if !c.cfg.is4() {
		to = &o.to6
	}
	_, o.err = unix.SendmsgN(int(fd), o.pkt, o.oob, to, o.flags)
	return true
}

// recvmsg is recvmsg(2) with memory of the caller. The wrapper of x/sys makes
// an address for every packet.
func recvmsg(fd uintptr, m *unix.Msghdr) (int, unix.Errno) {
	n, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(m)), unix.MSG_DONTWAIT)
	return int(n), errno
}
