package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// bareLoops take what the machine itself needs, without a daemon.
func bareLoops(g *rig) error {
	for _, f := range []func(*rig) error{bareWake, bareAddresses, bareConnect, bareWords} {
		if err := f(g); err != nil {
			return err
		}
	}
	return nil
}

// bareWake is how late a thread that does nothing else is woken, 100 times a
// second: timerfd_create(2).
func bareWake(g *rig) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var count [8]byte
	for range g.few(1000, 300) {
		at := monotonic() + 10*time.Millisecond
		if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at))}, nil); err != nil {
			return err
		}
		if _, err := unix.Read(fd, count[:]); err != nil {
			return err
		}
		g.note("wake-up", millis(monotonic()-at))
	}
	return nil
}

// bareAddresses puts a thousand addresses on an interface with one message
// after another in a few sends, announces them with sendmmsg(2), and takes them
// off.
func bareAddresses(g *rig) error {
	link, err := g.dir.Netlink().LinkByName(linkName(0))
	if err != nil {
		return err
	}
	out, err := g.dir.Inject(linkName(0))
	if err != nil {
		return err
	}
	frames := make([][]byte, 1000)
	for n := range frames {
		frames[n] = gratuitous(link.Attrs().HardwareAddr, vipOf(0, 1+n/250, n%250))
	}
	return g.dir.Do(func() error {
		for range 10 {
			begin := monotonic()
			if err := changeAddrs(unix.RTM_NEWADDR, link.Attrs().Index, len(frames)); err != nil {
				return err
			}
			stand := monotonic()
			if err := out.Burst(frames); err != nil {
				return err
			}
			end := monotonic()
			g.note("1000 announced", millis(end-stand))
			g.note("1000 both", millis(end-begin))
			begin = monotonic()
			if err := changeAddrs(unix.RTM_DELADDR, link.Attrs().Index, len(frames)); err != nil {
				return err
			}
			g.note("1000 removed", millis(monotonic()-begin))
		}
		return nil
	})
}

// gratuitous announces an address, RFC 5944 section 4.6.
func gratuitous(mac net.HardwareAddr, ip netip.Addr) []byte {
	b := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac...)
	b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	b = append(append(b, mac...), ip.AsSlice()...)
	return append(append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ip.AsSlice()...)
}

// changeAddrs adds or removes n addresses, with an answer for the last alone.
func changeAddrs(kind, index, n int) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var batch []byte
	for i := range n {
		flags := unix.NLM_F_CREATE
		if i == n-1 {
			flags |= unix.NLM_F_ACK
		}
		req := nl.NewNetlinkRequest(kind, flags)
		head := nl.NewIfAddrmsg(unix.AF_INET)
		head.Index, head.Prefixlen = uint32(index), 32
		req.AddData(head)
		req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, vipOf(0, 1+i/250, i%250).AsSlice()))
		if batch = append(batch, req.Serialize()...); len(batch) > 16<<10 || i == n-1 {
			if err := unix.Sendto(fd, batch, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	buf := make([]byte, 4096)
	size, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return err
	}
	if size < 20 || binary.NativeEndian.Uint32(buf[16:]) != 0 {
		return fmt.Errorf("changing %d addresses: the kernel answers % x", n, buf[:min(size, 20)])
	}
	return nil
}

// bareConnect connects and closes, one after the other.
func bareConnect(g *rig) error {
	stop, err := g.serve("tcp")
	if err != nil {
		return err
	}
	defer stop()
	to := &unix.SockaddrInet4{Port: 80, Addr: hostAddr(0, 200).As4()}
	return g.dir.Do(func() error {
		ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			return err
		}
		defer unix.Close(ep)
		for range g.few(20, 10) {
			begin, err := threadTime()
			if err != nil {
				return err
			}
			for range 100 {
				if err := connect(ep, to); err != nil {
					return err
				}
			}
			end, err := threadTime()
			if err != nil {
				return err
			}
			g.note("connect", float64(end-begin)/float64(100*time.Microsecond))
		}
		return nil
	})
}

// threadTime is the processor time of the calling thread.
func threadTime() (time.Duration, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano()), err
}

func connect(ep int, to unix.Sockaddr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
		return err
	}
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT}); err != nil {
		return err
	}
	var events [1]unix.EpollEvent
	for {
		_, err := unix.EpollWait(ep, events[:], 1000)
		if err != unix.EINTR {
			break
		}
	}
	failed, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if failed != 0 {
		return unix.Errno(failed)
	}
	return err
}

// bareWords splits the largest configuration into words.
func bareWords(g *rig) error {
	text := farm{services: 10000, servers: 4, checker: "TCP_CHECK", every: 3600}.String()
	for range 5 {
		begin, n := monotonic(), 0
		for line := range strings.Lines(text) {
			n += len(strings.Fields(line))
		}
		if n == 0 {
			return fmt.Errorf("no words")
		}
		g.note("words", millis(monotonic()-begin))
	}
	return nil
}
