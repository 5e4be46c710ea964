package probe

import (
	"container/heap"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/checker"
	"keepgo/internal/epoll"
)

// batch is how many attempts begin before any of them is looked at again: of a
// server nearby, the handshake of the first is over by then.
const batch = 16

// poller leads attempts by their sockets, and tells when it is time for others.
// All stand in an epoll(7), which the runtime's poller watches: one goroutine
// waits for whatever comes first, and does on the spot what can be done, with
// system calls that never wait. Handed from goroutine to goroutine a probe would
// wake several threads.
type poller struct {
	events [64]unix.EpollEvent
	set    *epoll.Watched
	turn   bell // for whoever has attempts to begin
	limit  bell // the time of an attempt is over
	done   chan struct{}

	due, late bool // the bells rang

	mu      sync.Mutex
	waiting deadlines
	known   map[int32]*attempt // the same, by descriptor
	alarm   time.Time          // when limit rings, zero never
}

// crew is whom a poller works for.
type crew interface {
	// wake is called once the turn has come. It begins some attempts by lead, and
	// tells whether there are more.
	wake() (more bool)
	// attempted takes an outcome, stream an attempt whose answer is too long to
	// keep.
	attempted(*attempt, checker.Outcome)
	stream(*attempt)
}

// newPoller starts one; nil, where the kernel has not what it takes.
func newPoller() *poller {
	set, err := epoll.NewWatched()
	if err != nil {
		return nil
	}
	p := &poller{set: set, done: make(chan struct{}), known: map[int32]*attempt{}}
	if err = p.hang(&p.turn); err == nil {
		err = p.hang(&p.limit)
	}
	if err != nil {
		p.free()
		return nil
	}
	return p
}

// hang makes a bell. It is heard once for each time it rings.
func (p *poller) hang(b *bell) (err error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	*b = bell(fd)
	return p.set.Control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN|unix.EPOLLET)
}

// free closes what it has.
func (p *poller) free() {
	p.set.Close()
	for _, b := range []bell{p.turn, p.limit} {
		if b > 0 {
			unix.Close(int(b))
		}
	}
}

// close ends it. No attempt waits any more.
func (p *poller) close() {
	p.set.Close()
	<-p.done
	p.free()
}

// bell rings once after a time: timerfd_create(2).
type bell int

// set has it ring after a time, and not at another.
func (b bell) set(after time.Duration) {
	_ = unix.TimerfdSettime(int(b), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(after, 1)))}, nil) // it cannot fail
}

// serve waits until close.
func (p *poller) serve(c crew) {
	defer close(p.done)
	_ = p.set.Serve(func(set epoll.Set) bool { return p.round(set, c) }) // its error is that of close
}

// round goes on with all that are ready, begins some that are due, and ends those
// whose time is over although nobody was too busy to look. more says that there
// is more to do.
func (p *poller) round(set epoll.Set, c crew) (more bool) {
	n := set.Ready(p.events[:])
	for _, e := range p.events[:n] {
		switch int(e.Fd) {
		case int(p.turn):
			p.due = true
		case int(p.limit):
			p.late = true
		default:
			p.ready(e, c)
		}
	}
	all := n < len(p.events)
	if p.late && all {
		p.late = false
		p.expire(c)
	}
	if p.due {
		p.due = c.wake()
	}
	return !all || p.due
}

// lead begins attempts and goes on with them while that needs no waiting. Those
// that have to wait are heard of later.
func (p *poller) lead(all []*attempt, c crew) {
	now := time.Now()
	some := all[:0]
	for _, a := range all {
		a.start = now
		if o, over := a.begin(now); over {
			end(a, o, c)
		} else {
			some = append(some, a)
		}
	}
	now = time.Now() // that the others of the batch took their time is not the server's
	for _, a := range some {
		a.start = now
	}
	for ready := true; ready && len(some) > 0; {
		some, ready = look(some, c)
	}
	for _, a := range some {
		if !p.add(a) {
			end(a, checker.Outcome{Answer: checker.Local}, c)
		}
	}
}

// look goes on with attempts that are ready, once. ready says that any was.
// Those that are not over are left.
func look(all []*attempt, c crew) (left []*attempt, ready bool) {
	var room [batch]unix.PollFd
	fds := room[:len(all)]
	for i, a := range all {
		fds[i] = unix.PollFd{Fd: int32(a.fd), Events: unix.POLLOUT}
		if a.sent {
			fds[i].Events = unix.POLLIN
		}
	}
	if pollRaw(fds) == 0 {
		return all, false
	}
	left = all[:0]
	for i, a := range all {
		if fds[i].Revents == 0 {
			left = append(left, a)
		} else if o, over := a.advance(uint32(fds[i].Revents)); over {
			end(a, o, c)
		} else if a.long() {
			c.stream(a)
		} else {
			left = append(left, a)
		}
	}
	return left, true
}

// end tells the outcome of an attempt that does not wait.
func end(a *attempt, o checker.Outcome, c crew) {
	if a.fd >= 0 {
		closeRaw(a.fd)
	}
	c.attempted(a, o)
}

// add lets an attempt wait; false for one that was called off.
func (p *poller) add(a *attempt) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET)
	if !a.connected {
		events |= unix.EPOLLOUT
	}
	if a.dropped || p.set.Control(unix.EPOLL_CTL_ADD, a.fd, events) != nil {
		return false
	}
	p.known[int32(a.fd)] = a
	heap.Push(&p.waiting, a)
	p.arm()
	return true
}

// arm has limit ring when the first time is over. That it rings too early does no
// harm. The caller holds mu.
func (p *poller) arm() {
	if len(p.waiting) > 0 && (p.alarm.IsZero() || p.waiting[0].limit.Before(p.alarm)) {
		p.alarm = p.waiting[0].limit
		p.limit.set(time.Until(p.alarm))
	}
}

// drop takes an attempt out that nobody wants to hear of; false, if it does not
// wait and will come to its end by itself.
func (p *poller) drop(a *attempt) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a.dropped = true
	if a.place < 0 {
		return false
	}
	p.remove(a)
	a.free()
	closeRaw(a.fd)
	return true
}

// remove makes an attempt one that does not wait. The caller holds mu.
func (p *poller) remove(a *attempt) {
	heap.Remove(&p.waiting, a.place)
	delete(p.known, int32(a.fd))
}

// ready goes on with one attempt that waited.
func (p *poller) ready(e unix.EpollEvent, c crew) {
	a, o, over := p.advance(e)
	switch {
	case over:
		end(a, o, c)
	case a != nil && a.long():
		_ = p.set.Control(unix.EPOLL_CTL_DEL, a.fd, 0)
		c.stream(a)
	}
}

// advance lets the attempt of an event advance. One that needs not wait for more
// is taken out.
func (p *poller) advance(e unix.EpollEvent) (a *attempt, o checker.Outcome, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a = p.known[e.Fd]; a == nil {
		return nil, o, false
	}
	was := a.limit
	if o, over = a.advance(e.Events); over || a.long() {
		p.remove(a)
	} else if a.limit != was {
		heap.Fix(&p.waiting, a.place)
		p.arm()
	}
	return a, o, over
}

// expire ends the attempts whose time is over.
func (p *poller) expire(c crew) {
	for now := time.Now(); ; {
		a := p.expired(now)
		if a == nil {
			return
		}
		end(a, a.expired(), c)
	}
}

// expired takes out an attempt whose time is over; nil, when there is none.
func (p *poller) expired(now time.Time) *attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 || now.Before(p.waiting[0].limit) {
		p.alarm = time.Time{}
		p.arm()
		return nil
	}
	a := p.waiting[0]
	p.remove(a)
	return a
}

// deadlines is the heap of the attempts that wait, by the time they have.
type deadlines []*attempt

// Len implements heap.Interface.
func (d deadlines) Len() int { return len(d) }

// Less implements heap.Interface.
func (d deadlines) Less(i, j int) bool { return d[i].limit.Before(d[j].limit) }

// Swap implements heap.Interface.
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push implements heap.Interface.
func (d *deadlines) Push(x any) {
	a := x.(*attempt)
	a.place = len(*d)
	*d = append(*d, a)
}

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	a := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	a.place = -1
	return a
}
