package daemon

import (
	"golang.org/x/sys/unix"

	"keepgo/internal/epoll"
)

// poll lets one goroutine hear many descriptors. They stand in an epoll(7) of
// their own, and that, with whatever else is to rouse the goroutine, in another,
// which is what the runtime's poller watches. Whoever is ready is read with calls
// that never wait, and that the runtime is not told of. So an advert that comes
// wakes one thread, on which all is done; handed from goroutine to goroutine it
// would wake three.
type poll struct {
	outer  *epoll.Watched
	inner  epoll.Set
	ready  map[int32]func() (more bool) // by descriptor
	events [64]unix.EpollEvent
}

func newPoll() (*poll, error) {
	outer, err := epoll.NewWatched()
	if err != nil {
		return nil, err
	}
	inner, err := epoll.NewSet()
	if err != nil {
		outer.Close()
		return nil, err
	}
	p := &poll{outer: outer, inner: inner, ready: map[int32]func() bool{}}
	if err := p.rouse(int(inner)); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// rouse has a turn begin when fd becomes readable.
func (p *poll) rouse(fd int) error { return p.outer.Control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN) }

// hush keeps those that were added from beginning a turn, or no longer. They are
// heard all the same when there is one.
func (p *poll) hush(on bool) error {
	events := uint32(unix.EPOLLIN)
	if on {
		events = 0
	}
	return p.outer.Control(unix.EPOLL_CTL_MOD, int(p.inner), events)
}

// add has ready called while fd is readable. It takes what there is without
// waiting, and tells whether there may be more.
func (p *poll) add(fd int, ready func() (more bool)) error {
	if err := p.inner.Control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN); err != nil {
		return err
	}
	p.ready[int32(fd)] = ready
	return nil
}

// remove forgets a descriptor, before it is closed.
func (p *poll) remove(fd int) {
	delete(p.ready, int32(fd))
	_ = p.inner.Control(unix.EPOLL_CTL_DEL, fd, 0)
}

// serve waits until something is ready and calls turn, again while there may be
// more, until the poll is closed. A turn lets hear, with p.round.
func (p *poll) serve(turn func() (more bool)) error {
	return p.outer.Serve(func(epoll.Set) bool { return turn() })
}

// round lets everybody who is ready take what there is, once.
func (p *poll) round() (more bool) {
	n := p.inner.Ready(p.events[:])
	more = n == len(p.events)
	for i := range n {
		if ready := p.ready[p.events[i].Fd]; ready != nil && ready() {
			more = true
		}
	}
	return more
}

// close ends serve.
func (p *poll) close() {
	p.outer.Close()
	p.inner.Close()
}
