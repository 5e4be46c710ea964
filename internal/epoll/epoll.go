// Package epoll lets one goroutine hear many descriptors, and do on the spot what
// they ask for: handed from goroutine to goroutine, what comes would wake several
// threads. Doors and loops that have many sockets stand on it.
//
// Its calls that never wait do not let the runtime know that they enter the
// kernel: that would wake its monitor for each.
package epoll

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Set is an epoll(7) instance: its descriptor.
type Set int

// NewSet makes one.
func NewSet() (Set, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("epoll_create: %w", err)
	}
	return Set(fd), nil
}

// Control adds, changes or removes a descriptor: op is EPOLL_CTL_ADD, _MOD or
// _DEL, and events are what it is heard for, epoll_ctl(2).
func (s Set) Control(op, fd int, events uint32) error {
	if err := unix.EpollCtl(int(s), op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// Ready writes down who is ready, and tells how many there are, without waiting.
// events is not empty.
func (s Set) Ready(events []unix.EpollEvent) int {
	n, err := s.wait(events, 0)
	if err != nil {
		return 0
	}
	return n
}

// Wait does the same once anybody is, or after a time, in whole milliseconds. The
// thread sleeps in the kernel, and the runtime does not know: this is for a thread
// that nobody else needs.
func (s Set) Wait(events []unix.EpollEvent, limit time.Duration) (int, error) {
	for {
		n, err := s.wait(events, int(limit.Milliseconds()))
		if err != unix.EINTR {
			return n, err
		}
	}
}

// wait is epoll_wait(2).
func (s Set) wait(events []unix.EpollEvent, ms int) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(s), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(ms), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Close closes it.
func (s Set) Close() error { return unix.Close(int(s)) }

// Watched is a Set that a goroutine waits for: the runtime's poller watches it.
// Another Set may stand in it.
type Watched struct {
	file *os.File
	raw  syscall.RawConn
}

// NewWatched makes one.
func NewWatched() (*Watched, error) {
	s, err := NewSet()
	if err != nil {
		return nil, err
	}
	_ = unix.SetNonblock(int(s), true) // it cannot fail; without, package os would read it with a thread of its own
	w := &Watched{file: os.NewFile(uintptr(s), "epoll")}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		w.file.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return w, nil
}

// Control is that of the Set. Of one that is closed it fails.
func (w *Watched) Control(op, fd int, events uint32) (err error) {
	if e := w.raw.Control(func(ep uintptr) { err = Set(ep).Control(op, fd, events) }); e != nil {
		return e
	}
	return err
}

// Ready is that of the Set, outside of a turn.
func (w *Watched) Ready(events []unix.EpollEvent) (n int) {
	_ = w.raw.Control(func(ep uintptr) { n = Set(ep).Ready(events) }) // nobody is, once it is closed
	return n
}

// Serve waits until anybody is ready and calls turn, again while there may be
// more, until Close, which its error tells of.
func (w *Watched) Serve(turn func(Set) (more bool)) error {
	return w.raw.Read(func(ep uintptr) bool {
		for turn(Set(ep)) {
		}
		return false
	})
}

// Close ends Serve, once the turn is over.
func (w *Watched) Close() error { return w.file.Close() }
