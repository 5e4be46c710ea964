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

// outgoing is what all packets of a Conn are sent with.
type outgoing struct {
	oob   []byte // IP_PKTINFO or IPV6_PKTINFO: the source and the interface
	flags uintptr
}

// prepare lays that out. A unicast socket is bound to its source; a multicast one
// is bound to the group and says its source with every packet.
func (c *Conn) prepare() {
	o := &c.out
	o.flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
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
}

const (
	// BatchSize is how many packets a Batch holds at most.
	BatchSize = 128

	batchBytes = 16 << 10 // of them; an advert of one address has 12
)

// Batch is packets on their way. Those of one Conn that stand one behind the other
// go with one call, sendmmsg(2). All Conns of one goroutine may share it.
type Batch struct {
	room  []byte // the packets, one behind the other; it never grows
	n     int
	conns [BatchSize]*Conn
	dsts  [BatchSize]netip.Addr
	to    [BatchSize]unix.RawSockaddrInet6 // the larger of the two families
	iov   [BatchSize]unix.Iovec
	msgs  [BatchSize]mmsghdr
}

// NewBatch makes a Batch.
func NewBatch() *Batch {
	b := &Batch{room: make([]byte, 0, batchBytes)}
	for i := range b.msgs {
		h := &b.msgs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&b.to[i]))
		h.Iov = &b.iov[i]
		h.SetIovlen(1)
	}
	return b
}

// Room is where the next packet is to be appended, before Add.
func (b *Batch) Room() []byte { return b.room[len(b.room):] }

// Full tells that the Batch must be sent before there is room for another packet.
func (b *Batch) Full() bool { return b.n == BatchSize || cap(b.room)-len(b.room) < MaxPacket }

// Add puts in the VRRP packet pkt, or with Config.AH the IP packet, that c is to
// send to dst. pkt must stay as it is until Send. It does not allocate.
func (b *Batch) Add(c *Conn, pkt []byte, dst netip.Addr) {
	i := b.n
	b.n++
	b.room = b.room[:min(len(b.room)+len(pkt), cap(b.room))]
	b.conns[i], b.dsts[i] = c, dst
	b.iov[i].Base = unsafe.SliceData(pkt)
	b.iov[i].SetLen(len(pkt))
	h := &b.msgs[i].hdr
	h.Namelen = c.address(&b.to[i], dst)
	h.Control = unsafe.SliceData(c.out.oob)
	h.SetControllen(len(c.out.oob))
}

// address writes a destination for the kernel, which refuses one of another
// family, and tells how long it is.
func (c *Conn) address(to *unix.RawSockaddrInet6, dst netip.Addr) uint32 {
	if dst.Is4() {
		to4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(to))
		*to4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: dst.As4()}
		return unix.SizeofSockaddrInet4
	}
	*to = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: dst.As16(), Scope_id: c.cfg.zone(dst)}
	return unix.SizeofSockaddrInet6
}

// Send sends all packets in their order, and empties the Batch. sent is told of
// each, by its number in the Batch: one that fails stops no other. It never waits:
// when the kernel's buffer is full a packet is lost and its error says so. It does
// not allocate unless one fails.
func (b *Batch) Send(sent func(i int, err error)) {
	for at := 0; at < b.n; {
		n, err := b.conns[at].send(b.msgs[at:b.run(at)])
		for range n {
			sent(at, nil)
			at++
		}
		if err != nil {
			sent(at, fmt.Errorf("vrrp socket on %s: sending to %s: %w", b.conns[at].cfg.where(), b.dsts[at], err))
			at++
		}
	}
	clear(b.conns[:b.n])
	clear(b.iov[:b.n])
	b.n, b.room = 0, b.room[:0]
}

// run is where the packets of a Conn end that begin at i.
func (b *Batch) run(i int) int {
	c := b.conns[i]
	for i < b.n && b.conns[i] == c {
		i++
	}
	return i
}

// send sends packets, and tells how many it could; an error is that of the next.
func (c *Conn) send(msgs []mmsghdr) (int, error) {
	if c.fd < 0 {
		return 0, net.ErrClosed
	}
	n, errno := sendmmsg(c.fd, msgs, c.out.flags)
	if errno != 0 {
		return 0, errno
	}
	return n, nil
}

// sendmmsg is sendmmsg(2) without waiting. What fails behind the first packet is
// said by the next call, which begins with it.
func sendmmsg(fd int, msgs []mmsghdr, flags uintptr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), flags, 0, 0)
	return int(n), errno
}
