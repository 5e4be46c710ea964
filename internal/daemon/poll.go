package daemon

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poll lets one goroutine hear many descriptors. They stand in an epoll(7) of
// their own, and that, with whatever else is to rouse the goroutine, in another,
// which is what the runtime's poller watches. Whoever is ready is read with calls
// that never wait, and that the runtime is not told of. So an advert that comes
// wakes one thread, on which all is done; handed from goroutine to goroutine it
// would wake three.
type poll struct {
	file   *os.File // the outer epoll
	raw    syscall.RawConn
	inner  int
	ready  map[int32]func() (more bool) // by descriptor
	events [64]unix.EpollEvent
}

func newPoll() (*poll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	p := &poll{inner: -1, ready: map[int32]func() bool{}}
	if err = unix.SetNonblock(fd, true); err == nil { // or package os would read it with a thread of its own
		p.file = os.NewFile(uintptr(fd), "epoll")
		p.raw, err = p.file.SyscallConn()
	}
	if err == nil {
		p.inner, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	}
	if err == nil {
		err = p.rouse(p.inner)
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p, nil
}

// rouse has a turn begin when fd becomes readable.
func (p *poll) rouse(fd int) error { return p.outer(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN) }

// hush keeps those that were added from beginning a turn, or no longer. They are
// heard all the same when there is one.
func (p *poll) hush(on bool) error {
	events := uint32(unix.EPOLLIN)
	if on {
		events = 0
	}
	return p.outer(unix.EPOLL_CTL_MOD, p.inner, events)
}

// outer changes the outer epoll.
func (p *poll) outer(op, fd int, events uint32) (err error) {
	e := p.raw.Control(func(ep uintptr) {
		err = unix.EpollCtl(int(ep), op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	})
	if e != nil {
		return e
	}
	if err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// add has ready called while fd is readable. It takes what there is without
// waiting, and tells whether there may be more.
func (p *poll) add(fd int, ready func() (more bool)) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(p.inner, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	p.ready[int32(fd)] = ready
	return nil
}

// remove forgets a descriptor, before it is closed.
func (p *poll) remove(fd int) {
	delete(p.ready, int32(fd))
	_ = unix.EpollCtl(p.inner, unix.EPOLL_CTL_DEL, fd, &unix.EpollEvent{})
}

// serve waits until something is ready and calls turn, again while there may be
// more, until the poll is closed. A turn lets hear, with p.round.
func (p *poll) serve(turn func() (more bool)) error {
	return p.raw.Read(func(uintptr) bool {
		for turn() {
		}
		return false
	})
}

// round lets everybody who is ready take what there is, once.
func (p *poll) round() (more bool) {
	n := p.wait()
	more = n == len(p.events)
	for i := range n {
		if ready := p.ready[p.events[i].Fd]; ready != nil && ready() {
			more = true
		}
	}
	return more
}

// wait is epoll_wait(2) without waiting.
func (p *poll) wait() int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.inner), uintptr(unsafe.Pointer(&p.events)), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// close ends serve.
func (p *poll) close() {
	p.file.Close()
	unix.Close(p.inner)
}
