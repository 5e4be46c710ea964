package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A bare loop takes what the machine itself needs for the work, without a daemon
// around it. It waits in raw system calls, which Go's scheduler does not see: to
// tell it would cost more than to wait.

// alarm is a timer that a thread waits for: timerfd_create(2).
type alarm int

func newAlarm() (alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	return alarm(fd), err
}

func (a alarm) close() { unix.Close(int(a)) }

// wait sleeps until an instant.
func (a alarm) wait(at time.Duration) error {
	if err := unix.TimerfdSettime(int(a), unix.TFD_TIMER_ABSTIME, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(at))}, nil); err != nil {
		return err
	}
	var count [8]byte
	if _, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(a), uintptr(unsafe.Pointer(&count)), 8); errno != 0 && errno != unix.EINTR {
		return errno
	}
	return nil
}

// bareWake is how late a thread that does nothing else is woken, 100 times a
// second.
func bareWake(g *rig) error {
	a, err := newAlarm()
	if err != nil {
		return err
	}
	defer a.close()
	return g.dir.Do(func() error {
		for range g.few(1000, 300) {
			at := monotonic() + 10*time.Millisecond
			if err := a.wait(at); err != nil {
				return err
			}
			g.note("wake-up", millis(monotonic()-at))
		}
		return nil
	})
}

// bareAddresses puts n addresses on an interface with one message after another
// in a few sends, announces them with sendmmsg(2), and takes them off.
func bareAddresses(n int) func(*rig) error {
	return func(g *rig) error {
		link, err := g.dir.Netlink().LinkByName(linkName(0))
		if err != nil {
			return err
		}
		out, err := g.dir.Inject(linkName(0))
		if err != nil {
			return err
		}
		s, key := wide(n), fmt.Sprintf("%d addresses", n)
		frames := make([][]byte, n)
		for i := range frames {
			frames[i] = gratuitous(link.Attrs().HardwareAddr, s.vip(0, i))
		}
		return g.dir.Do(func() error {
			for range 5 {
				begin := monotonic()
				if err := changeAddrs(unix.RTM_NEWADDR, link.Attrs().Index, &s); err != nil {
					return err
				}
				if err := out.Burst(frames); err != nil {
					return err
				}
				g.note(key, millis(monotonic()-begin))
				begin = monotonic()
				if err := changeAddrs(unix.RTM_DELADDR, link.Attrs().Index, &s); err != nil {
					return err
				}
				g.note(key+" release", millis(monotonic()-begin))
			}
			return nil
		})
	}
}

// gratuitous announces an address, RFC 5944 section 4.6.
func gratuitous(mac net.HardwareAddr, ip netip.Addr) []byte {
	b := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac...)
	b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	b = append(append(b, mac...), ip.AsSlice()...)
	return append(append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ip.AsSlice()...)
}

// changeAddrs adds or removes the addresses of an instance, with an answer for
// the last alone.
func changeAddrs(kind, index int, s *shape) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var batch []byte
	for i := range s.vips {
		flags := unix.NLM_F_CREATE
		if i == s.vips-1 {
			flags |= unix.NLM_F_ACK
		}
		req := nl.NewNetlinkRequest(kind, flags)
		head := nl.NewIfAddrmsg(unix.AF_INET)
		head.Index, head.Prefixlen = uint32(index), 32
		req.AddData(head)
		req.AddData(nl.NewRtAttr(unix.IFA_LOCAL, s.vip(0, i).AsSlice()))
		if batch = append(batch, req.Serialize()...); len(batch) > 16<<10 || i == s.vips-1 {
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
		return fmt.Errorf("changing %d addresses: the kernel answers % x", s.vips, buf[:min(size, 20)])
	}
	return nil
}

// threadTime is the processor time of the calling thread.
func threadTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // it cannot fail, clock_gettime(2)
	return time.Duration(ts.Nano())
}

// bareWords splits the largest configuration into words.
func bareWords(g *rig) error {
	text := largeFarm(10000).String()
	for range 5 {
		begin, n := monotonic(), 0
		for line := range strings.Lines(text) {
			n += len(strings.Fields(line))
		}
		if n == 0 {
			return fmt.Errorf("no words")
		}
		g.note("test 10000 services", millis(monotonic()-begin))
	}
	return nil
}
