package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/checker"
)

// socket is a connected socket: of a probe that waits, in the care of the
// runtime's poller. net.Dialer would take twice the time of the kernel to make
// one; a probe of a healthy server mostly needs no more than the system calls.
type socket struct {
	*os.File
	peer netip.AddrPort
	stop func() bool // no longer calls it off when the context ends
}

// begin opens a socket with the source address, device and mark of p and
// connects it. pending says that a handshake is still under way.
func begin(p *checker.Probe, kind, protocol int) (fd int, pending bool, err error) {
	family := unix.AF_INET
	if !p.Target.Addr().Is4() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, false, os.NewSyscallError("socket", err)
	}
	if err = prepare(fd, p, kind); err == nil {
		err = connect(fd, p)
		if pending = errors.Is(err, unix.EINPROGRESS); pending {
			err = nil
		}
	}
	if err != nil {
		closeRaw(fd)
	}
	return fd, pending, err
}

// connect begins to connect. That a virtual address has no route here says
// nothing of the server.
func connect(fd int, p *checker.Probe) error {
	call, err := "connect", connectRaw(fd, p.Target, zone(p.Target, p.BindLink))
	if p.Via.IsValid() && errors.Is(err, unix.ENETUNREACH) {
		call = "route to the virtual address"
	}
	return os.NewSyscallError(call, err)
}

// prepare does what comes before connect(2).
func prepare(fd int, p *checker.Probe, kind int) error {
	if err := mark(fd, p); err != nil {
		return err
	}
	bind, err := origin(fd, p, kind)
	if err != nil || !bind.IsValid() {
		return err
	}
	option := unix.IP_BIND_ADDRESS_NO_PORT // ip(7): the port is chosen by connect, so that there are enough
	level := unix.SOL_IP
	if bind.Port() != 0 {
		level, option = unix.SOL_SOCKET, unix.SO_REUSEADDR
	}
	if kind == unix.SOCK_STREAM || bind.Port() != 0 {
		if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sockaddr(bind, p.BindLink)))
}

// origin is where the probe comes from, the zero value for the kernel's choice.
// Asked at an address of this host, the kernel would choose that one, and the
// server would have its own for the client. A connection by Via ends with a
// reset, so that IPVS forgets it in 10 s (ip_vs_proto_tcp.c, CLOSE): its port may
// lead to another server's probe next.
func origin(fd int, p *checker.Probe, kind int) (netip.AddrPort, error) {
	if !p.Via.IsValid() {
		return p.Bind, nil
	}
	if kind == unix.SOCK_STREAM {
		if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
			return p.Bind, os.NewSyscallError("setsockopt", err)
		}
	}
	if p.Bind.Addr().IsValid() && !p.Bind.Addr().IsUnspecified() {
		return p.Bind, nil
	}
	from, err := toward(p.Via, p.BindLink)
	if from == p.Target.Addr() {
		return p.Bind, os.NewSyscallError("choose a source: name one with bindto, the kernel prefers the virtual address", unix.EADDRNOTAVAIL)
	}
	return netip.AddrPortFrom(from, p.Bind.Port()), err
}

// toward is the address that packets from here to a server have.
func toward(server netip.Addr, link string) (netip.Addr, error) {
	family := unix.AF_INET
	if server.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return netip.Addr{}, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err = mark(fd, &checker.Probe{BindLink: link}); err != nil {
		return netip.Addr{}, err
	}
	const discard = 9 // nothing is sent
	if err = unix.Connect(fd, sockaddr(netip.AddrPortFrom(server, discard), link)); err != nil {
		return netip.Addr{}, os.NewSyscallError("connect", err)
	}
	own, err := unix.Getsockname(fd)
	switch a := own.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr), nil
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr), nil
	}
	return netip.Addr{}, os.NewSyscallError("getsockname", err)
}

// sockaddr is an address as system calls take it. A link-local one is that of
// the link.
func sockaddr(a netip.AddrPort, link string) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: zone(a, link)}
}

// zone is the index of the link that a link-local address is of, 0 for others.
func zone(a netip.AddrPort, link string) uint32 {
	if !a.Addr().Is6() || !a.Addr().IsLinkLocalUnicast() || link == "" {
		return 0
	}
	l, err := net.InterfaceByName(link)
	if err != nil {
		return 0
	}
	return uint32(l.Index)
}

// mark sets SO_MARK and SO_BINDTODEVICE, socket(7).
func mark(fd int, p *checker.Probe) error {
	if p.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(p.Mark)); err != nil {
			return os.NewSyscallError(fmt.Sprintf("setting fwmark %d", p.Mark), err)
		}
	}
	if p.BindLink != "" {
		if err := unix.BindToDevice(fd, p.BindLink); err != nil {
			return os.NewSyscallError("binding to interface "+p.BindLink, err)
		}
	}
	return nil
}

// wrap hands a descriptor to the poller. The end of ctx closes it.
func wrap(ctx context.Context, fd int, peer netip.AddrPort) *socket {
	s := &socket{File: os.NewFile(uintptr(fd), peer.String()), peer: peer}
	s.stop = context.AfterFunc(ctx, func() { s.File.Close() })
	return s
}

// dial connects to the target of p over TCP, within timeout.
func dial(ctx context.Context, p *checker.Probe, timeout time.Duration) (*socket, error) {
	fd, pending, err := begin(p, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	s := wrap(ctx, fd, p.Target)
	if pending {
		err = s.established(time.Now().Add(timeout))
	}
	if err == nil {
		return s, nil
	}
	s.Close()
	return nil, err
}

// established waits until the handshake is over.
func (s *socket) established(deadline time.Time) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	if err = s.SetWriteDeadline(deadline); err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) (over bool) {
		over, failed = handshakeOver(int(fd))
		return over
	})
	if failed != nil {
		return failed
	}
	return err
}

// handshakeOver tells whether a handshake came to its end, and by which error.
func handshakeOver(fd int) (bool, error) {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return true, os.NewSyscallError("getsockopt", err)
	case code != 0:
		return true, os.NewSyscallError("connect", unix.Errno(code))
	}
	_, err = unix.Getpeername(fd) // ENOTCONN before
	return err == nil, nil
}

// Close ends the socket.
func (s *socket) Close() error {
	s.stop()
	return s.File.Close()
}

// LocalAddr implements net.Conn; nobody asks.
func (s *socket) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (s *socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.peer) }
