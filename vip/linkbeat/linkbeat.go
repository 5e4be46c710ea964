// Package linkbeat asks interfaces once a second whether they have a link, as
// keepalived does where a driver does not report it. Who wants to know is not
// known here.
package linkbeat

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Method is a way to ask.
type Method uint8

const (
	// Any tries the others in their order and stays with the first that works.
	Any Method = iota
	// MII reads the basic mode status register of the transceiver (IEEE 802.3
	// clause 22.2.4.2).
	MII
	// Ethtool is ETHTOOL_GLINK of linux/ethtool.h.
	Ethtool
	// Flags are IFF_UP and IFF_RUNNING of netdevice(7). The other methods look
	// at them too, once they have found a link.
	Flags
)

// String is the method in keepalived's words.
func (m Method) String() string {
	return [...]string{"any way", "MII", "ETHTOOL", "IOCTL"}[m&3]
}

// interval is keepalived's.
const interval = time.Second

// Poll is an interface to ask, and how to begin. A method that does not work
// there is replaced by one that does.
type Poll struct {
	Link   string
	Method Method
}

// Event tells that the link of an interface came or went, with the method that
// says so. The first answer is told in any case.
type Event struct {
	Link   string
	Up     bool
	Method Method
}

// Door asks the interfaces of one network namespace.
type Door struct {
	notify  func(Event)
	ask     func(link string, m Method) (up bool, err error)
	hang    func() // closes the socket
	wake    chan struct{}
	closing chan struct{}
	closed  sync.Once
	done    chan struct{}

	mu    sync.Mutex
	polls []Poll
}

// Open enters the network namespace of the calling thread. notify is called
// from the door's goroutine, so it must not block.
func Open(notify func(Event)) (*Door, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a socket to ask interfaces for their link: %w", err)
	}
	return start(notify, kernel{fd}.ask, func() { unix.Close(fd) }), nil
}

func start(notify func(Event), ask func(string, Method) (bool, error), hang func()) *Door {
	d := &Door{
		notify: notify, ask: ask, hang: hang,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	go d.run()
	return d
}

// Set replaces the interfaces to ask. It never blocks. Those that are new are
// asked at once.
func (d *Door) Set(polls []Poll) {
	d.mu.Lock()
	d.polls = polls
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Close ends the door; nothing is told after it.
func (d *Door) Close() {
	d.closed.Do(func() {
		close(d.closing)
		<-d.done
		d.hang()
	})
}

// beat is what is known of an interface.
type beat struct {
	poll   Poll
	method Method // that works; Any while none is known
	up     bool
	told   bool
}

// run is the door's goroutine. A driver may take milliseconds for an answer.
func (d *Door) run() {
	defer close(d.done)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	beats := map[string]*beat{}
	for {
		select {
		case <-d.wake:
			beats = d.adopt(beats)
		case <-ticker.C:
		case <-d.closing:
			return
		}
		for _, b := range beats {
			d.listen(b)
		}
	}
}

// adopt takes over what to ask; what is known of an interface stays.
func (d *Door) adopt(old map[string]*beat) map[string]*beat {
	d.mu.Lock()
	defer d.mu.Unlock()
	beats := make(map[string]*beat, len(d.polls))
	for _, p := range d.polls {
		b := old[p.Link]
		if b == nil || b.poll != p {
			b = &beat{poll: p}
		}
		beats[p.Link] = b
	}
	return beats
}

// listen asks one interface and tells what is new.
func (d *Door) listen(b *beat) {
	up := d.pulse(b)
	if b.told && up == b.up {
		return
	}
	b.up, b.told = up, true
	d.notify(Event{Link: b.poll.Link, Up: up, Method: b.method})
}

// pulse is whether an interface has a link, by the method that works. One that
// vanished may come back as another.
func (d *Door) pulse(b *beat) bool {
	for _, m := range b.methods() {
		up, err := d.ask(b.poll.Link, m)
		if err == unix.ENODEV {
			b.method = Any
			return false
		}
		if err != nil && m != Flags {
			continue
		}
		b.method = m
		if up && m != Flags {
			up, err = d.ask(b.poll.Link, Flags)
		}
		return up || err != nil && err != unix.ENODEV
	}
	return true
}

// methods are those to try: the one that worked, or what was asked for, before
// the others in their order.
func (b *beat) methods() []Method {
	first := b.method
	if first == Any {
		first = b.poll.Method
	}
	list := []Method{first, MII, Ethtool, Flags}
	if first == Any {
		list = list[1:]
	}
	return list
}
