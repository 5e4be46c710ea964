package linkbeat

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// card is a network card that answers to some methods.
type card struct {
	mu    sync.Mutex
	does  map[Method]bool // whether there is a link, by the methods that work
	gone  bool
	asked []string
}

func (c *card) ask(_ string, m Method) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, m.String())
	up, works := c.does[m]
	switch {
	case c.gone:
		return false, unix.ENODEV
	case !works:
		return false, unix.EOPNOTSUPP
	}
	return up, nil
}

// set changes the card, and forgets what it was asked.
func (c *card) set(gone bool, does map[Method]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone, c.does, c.asked = gone, does, nil
}

// TestPolling goes through the life of a card, a second a step.
func TestPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &card{}
		var told []string
		d := start(func(e Event) { told = append(told, fmt.Sprint(e.Link, " ", e.Up, " ", e.Method)) }, c.ask, func() {})
		defer d.Close()
		time.Sleep(interval / 2)
		steps := []struct {
			name  string
			gone  bool
			does  map[Method]bool
			poll  []Poll
			asked string
			told  string
		}{
			{"the first way that works", false, map[Method]bool{Ethtool: true, Flags: true}, []Poll{{Link: "eth0"}}, "MII ETHTOOL IOCTL", "[eth0 true ETHTOOL]"},
			{"it is kept", false, map[Method]bool{MII: false, Ethtool: true, Flags: true}, nil, "ETHTOOL IOCTL", "[]"},
			{"the link is lost", false, map[Method]bool{Ethtool: false, Flags: true}, nil, "ETHTOOL", "[eth0 false ETHTOOL]"},
			{"the link is there, the interface is down", false, map[Method]bool{Ethtool: true, Flags: false}, nil, "ETHTOOL IOCTL", "[]"},
			{"all is well", false, map[Method]bool{Ethtool: true, Flags: true}, nil, "ETHTOOL IOCTL", "[eth0 true ETHTOOL]"},
			{"it vanishes", true, nil, nil, "ETHTOOL", "[eth0 false any way]"},
			{"another card comes", false, map[Method]bool{MII: true, Flags: true}, nil, "MII IOCTL", "[eth0 true MII]"},
			{"asked in another way, which does not work", false, map[Method]bool{MII: true, Flags: true}, []Poll{{"eth0", Ethtool}}, "ETHTOOL MII IOCTL", "[eth0 true MII]"},
			{"nothing but flags", false, map[Method]bool{Flags: true}, nil, "MII MII ETHTOOL IOCTL", "[]"},
			{"not asked any more", false, nil, []Poll{}, "", "[]"},
		}
		for _, s := range steps {
			told = nil
			c.set(s.gone, s.does)
			if s.poll != nil {
				d.Set(s.poll)
				synctest.Wait()
			} else {
				time.Sleep(interval)
				synctest.Wait()
			}
			if got := strings.Join(c.asked, " "); got != s.asked {
				t.Errorf("%s: asked %s, not %s", s.name, got, s.asked)
			}
			if got := fmt.Sprint(told); got != s.told {
				t.Errorf("%s: told %s, not %s", s.name, got, s.told)
			}
		}
	})
}

// TestTransceiver reads registers as cards have them.
func TestTransceiver(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		regs []uint16 // as they are read one after the other
		up   bool
		none bool
	}{
		{"link", []uint16{0x1140, 0x796d, 0x796d}, true, false},
		{"no link", []uint16{0x1140, 0x7949, 0x7949}, false, false},
		{"latched", []uint16{0x1140, 0x7949, 0x796d}, true, false},
		{"nobody there", []uint16{0xffff, 0xffff}, false, true},
		{"no status", []uint16{0x1140, 0}, false, true},
		{"broken", []uint16{0x1140}, false, true},
	} {
		var which []uint16
		up, err := readStatus(func(register uint16) (uint16, error) {
			which = append(which, register)
			if len(which) > len(c.regs) {
				return 0, broken
			}
			return c.regs[len(which)-1], nil
		})
		if up != c.up || (err != nil) != c.none {
			t.Errorf("%s: %v, %v", c.name, up, err)
		}
		if want := []uint16{control, status, status}[:len(which)]; !slices.Equal(which, want) {
			t.Errorf("%s: registers %v, not %v", c.name, which, want)
		}
	}
}

// TestKernel asks a veth, which knows ETHTOOL alone, as its other end goes down
// and up, and as it vanishes.
func TestKernel(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: makes a network namespace")
	}
	runtime.LockOSThread() // the thread dies with the test
	ns, err := netns.New()
	must(t, err)
	defer ns.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "a0"
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "b0"}))
	set := func(name string, f func(netlink.Link) error) {
		l, err := netlink.LinkByName(name)
		must(t, err)
		must(t, f(l))
	}
	set("a0", netlink.LinkSetUp)
	set("b0", netlink.LinkSetUp)
	events := make(chan Event, 8)
	d, err := Open(func(e Event) { events <- e })
	must(t, err)
	defer d.Close()
	d.Set([]Poll{{"a0", MII}})
	expect := func(want Event) {
		t.Helper()
		for end := time.After(20 * time.Second); ; {
			select {
			case e := <-events:
				if e == want {
					return
				}
			case <-end:
				t.Fatalf("never told %+v", want)
			}
		}
	}
	expect(Event{"a0", true, Ethtool})
	set("b0", netlink.LinkSetDown)
	expect(Event{"a0", false, Ethtool})
	set("b0", netlink.LinkSetUp)
	expect(Event{"a0", true, Ethtool})
	set("a0", netlink.LinkSetDown)
	expect(Event{"a0", false, Ethtool})
	set("a0", netlink.LinkSetUp)
	expect(Event{"a0", true, Ethtool})
	d.Set([]Poll{{"a0", Flags}})
	expect(Event{"a0", true, Flags})
	set("a0", netlink.LinkDel)
	expect(Event{"a0", false, Any})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
