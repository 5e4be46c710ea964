package main

import (
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"keepgo/internal/epoll"
	"keepgo/vrrp"
)

// bareSpeak sends the adverts of as many masters, which were started at once: one
// thread, one timer, a socket for each link, one send for each advert.
func bareSpeak(instances int, interval time.Duration, whole, quick int) func(*rig) error {
	return func(g *rig) error {
		s := &shape{instances: instances, interval: interval, priority: 255, vips: 1}
		var cpu time.Duration
		begin := wall()
		g.ring.forget()
		err := g.dir.Do(func() (err error) {
			cpu, err = g.masterLoop(s, time.Duration(g.few(whole, quick))*time.Second)
			return err
		})
		if err != nil {
			return err
		}
		return g.rhythm(s, stretch{begin, wall()}, cpu)
	}
}

// masterLoop speaks for all of them, and tells the processor time it took.
func (g *rig) masterLoop(s *shape, during time.Duration) (time.Duration, error) {
	a, err := newAlarm()
	if err != nil {
		return 0, err
	}
	defer a.close()
	socks, err := vrrpSockets(s.links())
	if err != nil {
		return 0, err
	}
	defer closeAll(socks)
	packets := make([][]byte, s.instances)
	for i := range packets {
		packets[i] = s.advert(voiceOf(i))
	}
	before, begin := threadTime(), monotonic()
	for at := time.Duration(0); at <= during; at += s.interval {
		if err := a.wait(begin + at); err != nil {
			return 0, err
		}
		for i, p := range packets {
			if err := unix.Sendto(socks[voiceOf(i).link], p, 0, vrrpGroup); err != nil {
				return 0, err
			}
		}
	}
	return threadTime() - before, nil
}

// vrrpGroup is whom adverts are for.
var vrrpGroup = &unix.SockaddrInet4{Addr: vrrp.GroupIPv4.As4()}

// speaking, as the first argument, has the program say one advert and end.
const speaking = "speak"

func speakOnce() error {
	socks, err := vrrpSockets(1)
	if err != nil {
		return err
	}
	s := shape{instances: 1, interval: time.Second, priority: 255}
	return unix.Sendto(socks[0], s.advert(voiceOf(0)), 0, vrrpGroup)
}

// bareLives starts a program that does no more, again and again.
func bareLives(g *rig) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for range 10 {
		g.ring.forget()
		begin := wall()
		p, err := g.dir.Start(self, speaking)
		if err != nil {
			return err
		}
		if err := p.Err(); err != nil {
			return fmt.Errorf("%w: %s", err, p.Log())
		}
		at, err := g.advertAt(func(*frame) bool { return true })
		if err != nil {
			return err
		}
		g.note("first advert", millis(at-begin))
	}
	return nil
}

// advert is what the director says, without its IP header.
func (s *shape) advert(v voice) []byte {
	p := vrrp.Packet{Version: 3, Type: 1, VRID: v.vrid, Priority: uint8(s.priority), Interval: s.interval,
		Addresses: vrrp.AppendAddress(nil, vipOf(v.link, int(v.vrid), 0))}
	return p.AppendTo(nil, hostAddr(v.link, 1), vrrp.GroupIPv4)
}

// vrrpSockets are one for each link, in the namespace of the calling thread: RFC
// 9568 section 5.1.
func vrrpSockets(links int) (socks []int, err error) {
	for i := range links {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, vrrp.Protocol)
		if err != nil {
			closeAll(socks)
			return nil, err
		}
		socks = append(socks, fd)
		if err := bindVRRP(fd, i); err != nil {
			closeAll(socks)
			return nil, fmt.Errorf("VRRP socket on %s: %w", linkName(i), err)
		}
	}
	return socks, nil
}

func bindVRRP(fd, link int) error {
	if err := unix.BindToDevice(fd, linkName(link)); err != nil {
		return err
	}
	own := hostAddr(link, 1).As4()
	if err := unix.SetsockoptInet4Addr(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, own); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, vrrp.TTL); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0); err != nil {
		return err
	}
	return unix.SetsockoptIPMreq(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreq{Multiaddr: vrrp.GroupIPv4.As4(), Interface: own})
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// bareHear reads the adverts of as many masters as they come.
func bareHear(instances int) func(*rig) error {
	return func(g *rig) error {
		sp := g.speak(voices(instances), 100*time.Millisecond)
		err := g.dir.Do(func() error {
			return g.backupLoop(fmt.Sprintf("cpu %d heard", instances), len(g.out), time.Duration(g.few(10, 3))*time.Second)
		})
		if _, failed := sp.end(); failed != nil {
			return failed
		}
		return err
	}
}

// backupLoop waits for adverts at all sockets at once, and reads one at a time.
func (g *rig) backupLoop(key string, links int, during time.Duration) error {
	socks, err := vrrpSockets(links)
	if err != nil {
		return err
	}
	defer closeAll(socks)
	set, err := epoll.NewSet()
	if err != nil {
		return err
	}
	defer set.Close()
	for _, fd := range socks {
		if err := set.Control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN); err != nil {
			return err
		}
	}
	var events [8]unix.EpollEvent
	var packet [256]byte
	heard := 0
	before, begin := threadTime(), monotonic()
	for monotonic()-begin < during {
		n, err := set.Wait(events[:], time.Second)
		if err != nil {
			return err
		}
		for _, e := range events[:n] {
			if _, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(e.Fd), uintptr(unsafe.Pointer(&packet)), uintptr(len(packet))); errno != 0 {
				return fmt.Errorf("reading an advert: %w", errno)
			}
			heard++
		}
	}
	if heard == 0 {
		return fmt.Errorf("no advert is heard")
	}
	g.note(key, millis(threadTime()-before)/float64(heard)*1000)
	return nil
}
