package rtnl

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"keepgo/internal/netlab/testns"
	"keepgo/vip"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 10 * time.Second

// world is a network namespace with the veth pair v0 and v1 in it, a door, and
// a hand beside the door that does what other programs do.
type world struct {
	t    testing.TB
	hand *netlink.Handle
	door *Door

	mu     sync.Mutex
	events []Event
	news   chan struct{}
}

func newWorld(t testing.TB, o Options) *world {
	t.Helper()
	testns.Enter(t)
	w := &world{t: t, news: make(chan struct{}, 1)}
	var err error
	if w.hand, err = netlink.NewHandle(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.hand.Close)
	w.pair("v0", "v1")
	o.Notify = w.note
	if w.door, err = Open(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.door.Close() })
	return w
}

func (w *world) note(e Event) {
	w.mu.Lock()
	w.events = append(w.events, e)
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// pair makes a veth pair that is up.
func (w *world) pair(a, b string) {
	w.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = a
	w.must(w.hand.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: b}))
	w.must(w.hand.LinkSetUp(w.link(a)))
	w.must(w.hand.LinkSetUp(w.link(b)))
}

// running waits until the door sees the links run: the kernel tells of a
// carrier up to a second late.
func (w *world) running(links ...string) {
	w.t.Helper()
	deadline := time.After(patience)
	for _, name := range links {
		for l, _ := w.door.LinkByName(name); !l.Up; l, _ = w.door.LinkByName(name) {
			select {
			case <-w.news:
			case <-deadline:
				w.t.Fatalf("%s does not run", name)
			}
		}
	}
}

func (w *world) link(name string) netlink.Link {
	w.t.Helper()
	l, err := w.hand.LinkByName(name)
	w.must(err)
	return l
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// expect waits for an event that ok accepts and takes it, and all before it,
// off the list.
func (w *world) expect(what string, ok func(Event) bool) Event {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		seen := slices.Clone(w.events)
		if i := slices.IndexFunc(w.events, ok); i >= 0 {
			e := w.events[i]
			w.events = w.events[i+1:]
			w.mu.Unlock()
			return e
		}
		w.mu.Unlock()
		select {
		case <-w.news:
		case <-deadline:
			w.t.Fatalf("no event %s; saw %v", what, seen)
		}
	}
}

func (w *world) expectKind(k EventKind) Event {
	w.t.Helper()
	return w.expect(fmt.Sprintf("of kind %d", k), func(e Event) bool { return e.Kind == k })
}

// set makes the door want set and waits until it was applied.
func (w *world) set(owner int, set vip.Set) Event {
	w.t.Helper()
	w.door.Set(owner, set)
	return w.expect("applied", func(e Event) bool { return e.Kind == Applied && e.Owner == owner })
}

// kernel lists the addresses of a link but for IPv6 link-local ones.
func (w *world) kernel(link string) map[string]netlink.Addr {
	w.t.Helper()
	addrs, err := w.hand.AddrList(w.link(link), netlink.FAMILY_ALL)
	w.must(err)
	m := make(map[string]netlink.Addr)
	for _, a := range addrs {
		if !a.IP.IsLinkLocalUnicast() {
			m[a.IPNet.String()] = a
		}
	}
	return m
}

func has(m map[string]netlink.Addr, prefix string) bool {
	_, ok := m[prefix]
	return ok
}

// remove takes an address away as another program would.
func (w *world) remove(link, prefix string) {
	w.t.Helper()
	a, err := netlink.ParseAddr(prefix)
	w.must(err)
	w.must(w.hand.AddrDel(w.link(link), a))
}

func (w *world) add(link, prefix string) {
	w.t.Helper()
	a, err := netlink.ParseAddr(prefix)
	w.must(err)
	w.must(w.hand.AddrAdd(w.link(link), a))
}

func address(link, prefix string) vip.Address {
	return vip.Address{Link: link, Prefix: netip.MustParsePrefix(prefix), Preferred: -1}
}

func names(set vip.Set) []string {
	var out []string
	for _, a := range set {
		out = append(out, a.Prefix.String())
	}
	return out
}

// sysctl writes a value of this namespace: the file belongs to the thread's.
func (w *world) sysctl(path, value string) {
	w.t.Helper()
	w.must(os.WriteFile("/proc/sys/"+path, []byte(value), 0o644))
}
