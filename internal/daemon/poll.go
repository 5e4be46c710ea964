package daemon

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poll lets one goroutine hear many descriptors. They stand in an epoll(7) of
// their own, which is what the runtime's poller watches: it is readable when any
// of them is. Whoever is ready is read with calls that never wait, and that the
// runtime is not told of. So an advert that comes wakes one thread, on which all
// is done; handed from goroutine to goroutine it would wake three.
type poll struct {
	file   *os.File
	raw    syscall.RawConn
	ready  map[int32]func() (more bool) // by descriptor
	events [64]unix.EpollEvent
}

func newPoll() (*poll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or package os would read it with a thread of its own
		unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p := &poll{file: os.NewFile(uintptr(fd), "epoll"), ready: map[int32]func() bool{}}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p, nil
}

// add has ready called while fd is readable. It takes what there is without
// waiting, and tells whether there may be more.
func (p *poll) add(fd int, ready func() (more bool)) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := p.control(unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	p.ready[int32(fd)] = ready
	return nil
}

// remove forgets a descriptor, before it is closed.
func (p *poll) remove(fd int) {
	delete(p.ready, int32(fd))
	_ = p.control(unix.EPOLL_CTL_DEL, fd, &unix.EpollEvent{})
}

func (p *poll) control(op, fd int, event *unix.EpollEvent) (err error) {
	if e := p.raw.Control(func(ep uintptr) { err = unix.EpollCtl(int(ep), op, fd, event) }); e != nil {
		return e
	}
	return err
}

// serve waits until something is ready and calls turn, again while there may be
// more, until the poll is closed. A turn lets hear, with p.round.
func (p *poll) serve(turn func(ep uintptr) (more bool)) error {
	return p.raw.Read(func(ep uintptr) bool {
		for turn(ep) {
		}
		return false
	})
}

// round lets everybody who is ready take what there is, once.
func (p *poll) round(ep uintptr) (more bool) {
	n := p.wait(ep)
	more = n == len(p.events)
	for i := range n {
		if ready := p.ready[p.events[i].Fd]; ready != nil && ready() {
			more = true
		}
	}
	return more
}

// wait is epoll_wait(2) without waiting.
func (p *poll) wait(ep uintptr) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, ep, uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// close ends serve.
func (p *poll) close() { p.file.Close() }
