package garp

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is one packet(7) socket for every link: each frame carries its own
// link address. A second one sends frames without link header; it is opened for
// the first of them, since the kernel takes some ten milliseconds to close one.
type socket struct {
	raw   int
	bare  int // -1 until it is needed
	heads [maxBatch]mmsghdr
	iovs  [maxBatch]unix.Iovec
	dests [maxBatch]linkAddr
}

// linkAddr is struct sockaddr_ll with room for long hardware addresses, which
// packet(7) takes.
type linkAddr struct {
	head unix.RawSockaddrLinklayer
	_    [12]byte
}

// set fills in where a frame goes, and returns the length of that.
func (a *linkAddr) set(f *frame) uint32 {
	a.head = unix.RawSockaddrLinklayer{
		Family: unix.AF_PACKET, Ifindex: int32(f.target.IfIndex), Protocol: toNetwork(f.protocol), Halen: uint8(len(f.to)),
	}
	begins := unsafe.Offsetof(a.head.Addr)
	whole := (*[unsafe.Sizeof(linkAddr{})]byte)(unsafe.Pointer(a))
	copy(whole[begins:], f.to)
	return max(unix.SizeofSockaddrLinklayer, uint32(begins)+uint32(len(f.to)))
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	head unix.Msghdr
	n    uint32
}

// sendTimeout bounds how long a link whose queue does not drain holds up the
// others, in microseconds.
const sendTimeout = 100_000

// newSocket opens the first socket.
func newSocket() (*socket, error) {
	s := &socket{bare: -1}
	var err error
	if s.raw, err = packetSocket(unix.SOCK_RAW); err != nil {
		return nil, err
	}
	for i := range s.heads {
		s.iovs[i].SetLen(1)
		h := &s.heads[i].head
		h.Name = (*byte)(unsafe.Pointer(&s.dests[i]))
		h.Iov = &s.iovs[i]
		h.SetIovlen(1)
	}
	return s, nil
}

// packetSocket opens one of them. Protocol 0 receives nothing, and a full queue
// makes send wait rather than fail.
func packetSocket(kind int) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening a packet socket for gratuitous ARP (it needs CAP_NET_RAW): %w", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: sendTimeout}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("setting the time limit of a packet socket: %w", err)
	}
	return fd, nil
}

func (s *socket) close() error {
	if s.bare < 0 {
		return unix.Close(s.raw)
	}
	return errors.Join(unix.Close(s.raw), unix.Close(s.bare))
}

// fd is the socket for frames of a kind.
func (s *socket) fd(bare bool) (fd int, err error) {
	if !bare {
		return s.raw, nil
	}
	if s.bare < 0 {
		s.bare, err = packetSocket(unix.SOCK_DGRAM)
	}
	return s.bare, err
}

// send sends frames with sendmmsg(2): as many as go through one socket.
func (s *socket) send(frames []*frame) (int, error) {
	frames = frames[:min(len(frames), maxBatch)]
	fd, err := s.fd(frames[0].bare)
	if err != nil {
		return 0, err
	}
	for i, f := range frames {
		if f.bare != frames[0].bare {
			frames = frames[:i]
			break
		}
		s.iovs[i].Base = &f.bytes[0]
		s.iovs[i].SetLen(len(f.bytes))
		s.heads[i].head.Namelen = s.dests[i].set(f)
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd),
			uintptr(unsafe.Pointer(&s.heads[0])), uintptr(len(frames)), 0, 0, 0)
		runtime.KeepAlive(frames)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// toNetwork gives v in network byte order, as sll_protocol wants it.
func toNetwork(v uint16) uint16 {
	b := [2]byte{byte(v >> 8), byte(v)}
	return *(*uint16)(unsafe.Pointer(&b))
}
