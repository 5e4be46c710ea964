package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/netlab"
	"keepgo/vrrp"
)

// voice is a virtual router that the bench plays the master of.
type voice struct {
	link int
	vrid uint8
}

// speaker sends the adverts of many routers, spread evenly over the interval,
// until it is stopped.
type speaker struct {
	stop chan struct{}
	done chan error
}

// speak starts one.
func (g *rig) speak(voices []voice, interval time.Duration) *speaker {
	s := &speaker{stop: make(chan struct{}), done: make(chan error, 1)}
	frames := make([][]byte, len(voices))
	for i, v := range voices {
		frames[i] = g.advert(v, 200, interval)
	}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		s.done <- s.run(g.out, voices, frames, interval)
	}()
	return s
}

// run sends what is due, and sleeps until the next is. The thread sleeps in the
// kernel: the runtime's timers are up to a millisecond late.
func (s *speaker) run(out []*netlab.Injector, voices []voice, frames [][]byte, interval time.Duration) error {
	begin := monotonic()
	for n := 0; ; n++ {
		wait(begin + time.Duration(n)*interval/time.Duration(len(voices)))
		select {
		case <-s.stop:
			return nil
		default:
		}
		i := n % len(voices)
		if err := out[voices[i].link].Send(frames[i]); err != nil {
			return fmt.Errorf("sending adverts: %w", err)
		}
	}
}

// end stops it, with the clock's time after its last advert.
func (s *speaker) end() (time.Duration, error) {
	close(s.stop)
	err := <-s.done
	return wall(), err
}

func monotonic() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // it cannot fail, clock_gettime(2)
	return time.Duration(ts.Nano())
}

// wait sleeps until an instant of the monotonic clock.
func wait(until time.Duration) {
	ts := unix.NsecToTimespec(int64(until))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}

// advert is the whole frame of an advert of the bench's own machine.
func (g *rig) advert(v voice, priority uint8, interval time.Duration) []byte {
	p := vrrp.Packet{Version: 3, Type: 1, VRID: v.vrid, Priority: priority, Interval: interval,
		Addresses: vrrp.AppendAddress(nil, vipOf(v.link, int(v.vrid), 0))}
	src := hostAddr(v.link, 200)
	return ethernet(g.peer.MAC(linkName(v.link)), src, vrrp.GroupIPv4, p.AppendTo(nil, src, vrrp.GroupIPv4))
}

// ethernet puts a packet into an IPv4 header, RFC 791 section 3.1, and a frame
// to the group's address, RFC 1112 section 6.4.
func ethernet(mac net.HardwareAddr, src, dst netip.Addr, payload []byte) []byte {
	group := dst.As4()
	b := append([]byte{1, 0, 0x5e, group[1] & 0x7f, group[2], group[3]}, mac...)
	b = append(b, 0x08, 0x00)
	head := []byte{0x45, 0xc0, 0, 0, 0, 0, 0, 0, vrrp.TTL, vrrp.Protocol, 0, 0}
	binary.BigEndian.PutUint16(head[2:], uint16(20+len(payload)))
	head = append(append(head, src.AsSlice()...), dst.AsSlice()...)
	var sum uint32
	for i := 0; i < len(head); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(head[i:]))
	}
	binary.BigEndian.PutUint16(head[10:], ^uint16(sum+sum>>16))
	return append(append(b, head...), payload...)
}

// question is an ARP request of the bench's machine.
func (g *rig) question(link int, ip netip.Addr) []byte {
	mac := g.peer.MAC(linkName(link))
	b := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac...)
	b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	b = append(append(b, mac...), hostAddr(link, 200).AsSlice()...)
	return append(append(b, make([]byte, 6)...), ip.AsSlice()...)
}
