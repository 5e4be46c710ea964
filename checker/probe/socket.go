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
		err = os.NewSyscallError("connect", unix.Connect(fd, sockaddr(p.Target, p.BindLink)))
		if pending = errors.Is(err, unix.EINPROGRESS); pending {
			err = nil
		}
	}
	if err != nil {
		unix.Close(fd)
	}
	return fd, pending, err
}

// prepare does what comes before connect(2).
func prepare(fd int, p *checker.Probe, kind int) error {
	if err := mark(fd, p); err != nil {
		return err
	}
	if !p.Bind.IsValid() {
		return nil
	}
	option := unix.IP_BIND_ADDRESS_NO_PORT // ip(7): the port is chosen by connect, so that there are enough
	level := unix.SOL_IP
	if p.Bind.Port() != 0 {
		level, option = unix.SOL_SOCKET, unix.SO_REUSEADDR
	}
	if kind == unix.SOCK_STREAM || p.Bind.Port() != 0 {
		if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sockaddr(p.Bind, p.BindLink)))
}

// sockaddr is an address as system calls take it. A link-local one is that of
// the link.
func sockaddr(a netip.AddrPort, link string) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	s := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if a.Addr().IsLinkLocalUnicast() && link != "" {
		if l, err := net.InterfaceByName(link); err == nil {
			s.ZoneId = uint32(l.Index)
		}
	}
	return s
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
	err = raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			failed = os.NewSyscallError("getsockopt", err)
		case code != 0:
			failed = os.NewSyscallError("connect", unix.Errno(code))
		default:
			_, err = unix.Getpeername(int(fd)) // ENOTCONN before the handshake is over
			return err == nil
		}
		return true
	})
	if failed != nil {
		return failed
	}
	return err
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
