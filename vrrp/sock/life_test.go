package sock

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSourceNotThere sends from addresses that are not on the machine:
// mcast_src_ip may name any, and a master whose last address went hands over
// from it.
func TestSourceNotThere(t *testing.T) {
	a, b := wire(t)
	for _, c := range []struct {
		name   string
		cfg    Config
		hear   Config
		dst    netip.Addr
		source string
	}{
		{"multicast 4", a.multicast4(), b.multicast4(), group4, "10.9.0.77"},
		{"multicast 6", a.multicast6(), b.multicast6(), group6, "fe80::77"},
		{"unicast 4", a.unicast4(), b.unicast4(), b.addr4, "10.9.0.77"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Source = netip.MustParseAddr(c.source)
			out, _ := a.open(t, c.cfg)
			_, got := b.open(t, c.hear)
			must(t, out.Send(advert, c.dst))
			if r := receive(t, got); r.Src != c.cfg.Source {
				t.Errorf("it came from %v", r.Src)
			}
		})
	}
}

// TestSetBuffer changes the receive buffer of an open socket.
func TestSetBuffer(t *testing.T) {
	a, _ := wire(t)
	size := func(c *Conn) int {
		n, err := unix.GetsockoptInt(c.FD(), unix.SOL_SOCKET, unix.SO_RCVBUF)
		must(t, err)
		return n / 2 // socket(7): the kernel doubles it
	}
	cfg := a.multicast4()
	cfg.Buffer = 100_000
	c, _ := a.open(t, cfg)
	if n := size(c); n != 100_000 {
		t.Errorf("it begins with %d bytes", n)
	}
	for _, want := range []int{300_000, 5_000} {
		must(t, c.SetBuffer(want))
		if n := size(c); n != want {
			t.Errorf("%d bytes after %d were asked for", n, want)
		}
	}
	must(t, c.SetBuffer(0))
	if n := size(c); n != defaultBuffer {
		t.Errorf("the default is %d bytes", n)
	}
}
