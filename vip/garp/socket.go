package garp

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is one packet(7) socket for every link: each frame carries its own
// link address.
type socket struct {
	fd    int
	heads [maxBatch]mmsghdr
	iovs  [maxBatch]unix.Iovec
	dests [maxBatch]unix.RawSockaddrLinklayer
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	head unix.Msghdr
	n    uint32
}

// sendTimeout bounds how long a link whose queue does not drain holds up the
// others, in microseconds.
const sendTimeout = 100_000

// newSocket opens the socket. Protocol 0 receives nothing, and a full queue
// makes send wait rather than fail.
func newSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a packet socket for gratuitous ARP (it needs CAP_NET_RAW): %w", err)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: sendTimeout}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("setting the time limit of a packet socket: %w", err)
	}
	s := &socket{fd: fd}
	for i := range s.heads {
		s.iovs[i].SetLen(1)
		s.dests[i].Family, s.dests[i].Halen = unix.AF_PACKET, 6
		h := &s.heads[i].head
		h.Name = (*byte)(unsafe.Pointer(&s.dests[i]))
		h.Namelen = unix.SizeofSockaddrLinklayer
		h.Iov = &s.iovs[i]
		h.SetIovlen(1)
	}
	return s, nil
}

func (s *socket) close() error { return unix.Close(s.fd) }

// send sends frames with sendmmsg(2).
func (s *socket) send(frames []*frame) (int, error) {
	frames = frames[:min(len(frames), maxBatch)]
	for i, f := range frames {
		s.iovs[i].Base = &f.bytes[0]
		s.iovs[i].SetLen(len(f.bytes))
		d := &s.dests[i]
		d.Ifindex = int32(f.target.IfIndex)
		d.Protocol = toNetwork(f.protocol())
		copy(d.Addr[:], f.bytes[:6])
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd),
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
