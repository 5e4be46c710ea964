package nft

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keepgo/internal/netlab"
	"keepgo/internal/netlab/testns"
	"keepgo/ipvsctl"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 10 * time.Second

// world is a director with a door, a client before it and two servers behind.
// Servers tell their name and the address they are asked from.
type world struct {
	t                testing.TB
	director, client *netlab.Host
	server           [2]*netlab.Host
	outside          *netlab.Switch
	door             *Door

	mu     sync.Mutex
	events []Event
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t}
	lab := testns.Lab(t)
	host := func(name string) *netlab.Host {
		h, err := lab.Host(name)
		w.must(err)
		return h
	}
	outside, err := lab.Switch("outside")
	w.must(err)
	w.outside = outside
	inside, err := lab.Switch("inside")
	w.must(err)
	w.director, w.client = host("director"), host("client")
	w.must(w.director.Attach("eth0", outside, prefixes("192.0.2.1/24", "192.0.2.100/24", "2001:db8::1/64", "2001:db8::100/64")...))
	w.must(w.director.Attach("eth1", inside, prefixes("10.1.0.1/24", "10.1.0.7/24", "fd00::1/64")...))
	w.must(w.director.Sysctl("net/ipv4/ip_forward", "1"))
	w.must(w.director.Sysctl("net/ipv6/conf/all/forwarding", "1"))
	w.must(w.client.Attach("eth0", outside, prefixes("192.0.2.2/24", "192.0.2.3/24", "2001:db8::2/64")...))
	for i := range w.server {
		w.server[i] = host(fmt.Sprintf("rs%d", i+1))
		w.must(w.server[i].Attach("eth0", inside, prefixes(fmt.Sprintf("10.1.0.1%d/24", i+1), fmt.Sprintf("fd00::1%d/64", i+1))...))
		w.must(w.server[i].DefaultRoute(netip.MustParseAddr("10.1.0.1")))
		w.must(w.server[i].DefaultRoute(netip.MustParseAddr("fd00::1")))
		w.serve(w.server[i], fmt.Sprintf("10.1.0.1%d:80", i+1))
		w.serve(w.server[i], fmt.Sprintf("[fd00::1%d]:80", i+1))
	}
	w.door = w.open()
	return w
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func (w *world) open() *Door {
	w.t.Helper()
	var d *Door
	w.must(w.director.Do(func() (err error) {
		d, err = Open(Options{Report: w.note})
		return err
	}))
	w.t.Cleanup(d.Close)
	return d
}

func (w *world) note(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// told takes the first event of a kind off the list.
func (w *world) told(k Kind) (Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.events, func(e Event) bool { return e.Kind == k })
	if i < 0 {
		return Event{}, false
	}
	e := w.events[i]
	w.events = slices.Delete(w.events, i, i+1)
	return e, true
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// serve answers each line with the server's name and the client's address.
func (w *world) serve(h *netlab.Host, address string) {
	w.t.Helper()
	var ln net.Listener
	var err error
	if !netlab.Until(patience, func() bool { // an IPv6 address may take a moment
		ln, err = h.Listen("tcp", address)
		return err == nil
	}) {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				peer, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				buf := make([]byte, 64)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					fmt.Fprintf(c, "%s %s", h.Name, peer)
				}
			}()
		}
	}()
}

// dial connects from the client.
func (w *world) dial(vip string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := w.client.Dial(ctx, "tcp", vip)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(patience))
	}
	return c, err
}

// ask asks over a connection that stands.
func (w *world) ask(c net.Conn) string {
	w.t.Helper()
	_, err := io.WriteString(c, "?")
	w.must(err)
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	w.must(err)
	return string(buf[:n])
}

// shares asks n times and counts who answered.
func (w *world) shares(vip string, n int) map[string]int {
	w.t.Helper()
	got := map[string]int{}
	for range n {
		c, err := w.dial(vip)
		w.must(err)
		name, _, _ := strings.Cut(w.ask(c), " ")
		got[name]++
		c.Close()
	}
	return got
}

// nft runs nft(8) on the director.
func (w *world) nft(args ...string) (out string) {
	w.t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		w.t.Skip("needs nft: Debian package nftables")
	}
	w.must(w.director.Do(func() error {
		b, err := exec.Command(path, args...).CombinedOutput()
		if out = string(b); err != nil {
			err = fmt.Errorf("nft %s: %w: %s", strings.Join(args, " "), err, b)
		}
		return err
	}))
	return out
}

func key(vip string) ipvsctl.ServiceKey {
	a := netip.MustParseAddrPort(vip)
	return ipvsctl.ServiceKey{Protocol: 6, Addr: a.Addr(), Port: a.Port()}.Canonical()
}

// entry is a service with destinations like "10.1.0.11:80*3".
func entry(scheduler string, dests ...string) ipvsctl.Entry {
	e := ipvsctl.Entry{Service: ipvsctl.Service{Scheduler: scheduler}, Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
	for _, s := range dests {
		at, weight, _ := strings.Cut(s, "*")
		a := netip.MustParseAddrPort(at)
		d := ipvsctl.Destination{Weight: 1}
		if weight != "" {
			fmt.Sscan(weight, &d.Weight)
		}
		e.Destinations[ipvsctl.DestKey{Addr: a.Addr(), Port: a.Port()}] = d
	}
	return e
}

// set makes one service stand.
func (w *world) set(k ipvsctl.ServiceKey, e ipvsctl.Entry) {
	w.t.Helper()
	if refused := w.door.Set(ipvsctl.Table{k: e}, nil); refused != nil {
		w.t.Fatal(refused)
	}
	w.must(w.door.Sync())
	if ev, failed := w.told(Failed); failed {
		w.t.Fatal(ev.Err)
	}
}
