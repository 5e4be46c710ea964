package netlab

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Injector puts Ethernet frames on a host's cable as they are, whatever stands
// in them.
type Injector struct{ file *os.File }

// Inject opens an interface of the host for frames of any content. Close of the
// lab closes it.
func (h *Host) Inject(name string) (*Injector, error) {
	link, err := h.space.handle.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("host %s, interface %s: %w", h.Name, name, err)
	}
	i := new(Injector)
	err = h.Do(func() error {
		// Protocol 0: it sends and hears nothing, packet(7).
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		i.file = os.NewFile(uintptr(fd), "injector")
		return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index})
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: frames on %s: %w", h.Name, name, err)
	}
	h.lab.onClose(func() { i.file.Close() })
	return i, nil
}

// Send puts one frame on the cable.
func (i *Injector) Send(frame []byte) error {
	_, err := i.file.Write(frame)
	return err
}

// floodBatch is how many frames of a flood go with one system call.
const floodBatch = 64

// Flood puts frames on the cable, one after the other and from the first again,
// as many a second as asked for and for as long. It tells how many went out: a
// busy machine may fall behind.
func (i *Injector) Flood(frames [][]byte, perSecond int, during time.Duration) (sent int, err error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); time.Since(begin) < during; <-tick.C {
		due := int(float64(perSecond) * time.Since(begin).Seconds())
		for sent < due {
			n, err := i.batch(frames, sent, min(due-sent, floodBatch))
			if err != nil && !errors.Is(err, unix.ENOBUFS) {
				return sent, err
			}
			sent += n
			if n == 0 {
				break
			}
		}
	}
	return sent, nil
}

// Burst puts frames on the cable once, as fast as it goes.
func (i *Injector) Burst(frames [][]byte) error {
	for sent := 0; sent < len(frames); {
		n, err := i.batch(frames, sent, min(len(frames)-sent, floodBatch))
		if err != nil {
			return err
		}
		sent += n
	}
	return nil
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	_ uint32
	_ [4]byte
}

// batch sends the n frames that begin with number first.
func (i *Injector) batch(frames [][]byte, first, n int) (int, error) {
	var msgs [floodBatch]mmsghdr
	var iovs [floodBatch]unix.Iovec
	for k := range n {
		f := frames[(first+k)%len(frames)]
		iovs[k].Base = &f[0]
		iovs[k].SetLen(len(f))
		msgs[k].Iov = &iovs[k]
		msgs[k].SetIovlen(1)
	}
	raw, err := i.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var sent uintptr
	var errno unix.Errno
	err = raw.Control(func(fd uintptr) {
		sent, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&msgs[0])), uintptr(n), 0, 0, 0)
	})
	if errno != 0 {
		return 0, errno
	}
	return int(sent), err
}
