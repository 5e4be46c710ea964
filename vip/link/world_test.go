package link

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rtnetlink "github.com/vishvananda/netlink"

	"keepgo/internal/netlab/testns"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 10 * time.Second

// world is a network namespace with the veth pairs v0-v1 and w0-w1 in it, and a
// hand beside the door that does what other programs do.
type world struct {
	t     testing.TB
	hand  *rtnetlink.Handle
	state string // state file

	mu     sync.Mutex
	events []Event
	news   chan struct{}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldWith(t, "0")
}

// newWorldWith leaves rp_filter as the namespace begins, if it is "".
func newWorldWith(t testing.TB, reversePath string) *world {
	t.Helper()
	testns.Enter(t)
	w := &world{t: t, news: make(chan struct{}, 1), state: filepath.Join(t.TempDir(), "link.json")}
	var err error
	if w.hand, err = rtnetlink.NewHandle(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.hand.Close)
	w.must(w.hand.LinkSetUp(w.link("lo")))
	if reversePath != "" {
		w.sysctl(allReversePath, reversePath)
		w.sysctl(defaultReversePath, reversePath)
	}
	w.pair("v0", "v1")
	w.pair("w0", "w1")
	return w
}

// open opens a door that is closed at the end of the test.
func (w *world) open() *Door {
	w.t.Helper()
	d, err := Open(Options{Notify: w.note, StateFile: w.state})
	w.must(err)
	w.t.Cleanup(func() { d.Close() })
	return d
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

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// pair makes a veth pair that is up.
func (w *world) pair(a, b string) {
	w.t.Helper()
	attrs := rtnetlink.NewLinkAttrs()
	attrs.Name = a
	w.must(w.hand.LinkAdd(&rtnetlink.Veth{LinkAttrs: attrs, PeerName: b}))
	w.must(w.hand.LinkSetUp(w.link(b)))
	w.must(w.hand.LinkSetUp(w.link(a)))
}

func (w *world) link(name string) rtnetlink.Link {
	w.t.Helper()
	l, err := w.hand.LinkByName(name)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return l
}

func (w *world) exists(name string) bool {
	_, err := w.hand.LinkByName(name)
	return err == nil
}

// macvlan makes one as another program would.
func (w *world) macvlan(name, parent, mac string, mode rtnetlink.MacvlanMode) {
	w.t.Helper()
	attrs := rtnetlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = name, w.link(parent).Attrs().Index
	attrs.HardwareAddr, _ = net.ParseMAC(mac)
	w.must(w.hand.LinkAdd(&rtnetlink.Macvlan{LinkAttrs: attrs, Mode: mode}))
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
			w.t.Fatalf("no event %s; saw %s", what, describe(seen))
		}
	}
}

func describe(events []Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "\n\tkind %d owner %d %s (%d) on %s %s %s->%s source %v: %v", e.Kind, e.Owner, e.Name, e.Index, e.Base, e.Path, e.Old, e.New, e.Source, e.Err)
	}
	return b.String()
}

func (w *world) expectKind(k EventKind) Event {
	w.t.Helper()
	return w.expect(fmt.Sprintf("of kind %d", k), func(e Event) bool { return e.Kind == k })
}

// never fails if an event of a kind was told.
func (w *world) never(k EventKind) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == k {
			w.t.Errorf("unwanted %s", describe([]Event{e}))
		}
	}
}

// until waits for a condition the kernel brings about.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.t.Fatalf("%s did not come; saw %s", what, describe(w.events))
		}
	}
}

// sysctl writes a value of this namespace: the file belongs to the thread's.
func (w *world) sysctl(path, value string) {
	w.t.Helper()
	w.must(os.WriteFile("/proc/sys/"+path, []byte(value), 0o644))
}

// sysctls reads all settings that the door or keepalived touch.
func (w *world) sysctls() map[string]string {
	w.t.Helper()
	all := make(map[string]string)
	for _, name := range []string{"ipv4/conf/*/arp_ignore", "ipv4/conf/*/arp_filter", "ipv4/conf/*/accept_local", "ipv4/conf/*/rp_filter",
		"ipv4/conf/*/promote_secondaries", "ipv6/conf/*/disable_ipv6", "ipv6/conf/*/addr_gen_mode", "ipv4/conf/*/arp_announce", "ipv6/conf/*/accept_dad"} {
		files, err := filepath.Glob("/proc/sys/net/" + name)
		w.must(err)
		for _, file := range files {
			path := strings.TrimPrefix(file, "/proc/sys/")
			if value, err := readSysctl(path); err == nil {
				all[path] = value
			}
		}
	}
	return all
}

// sources lists the link-local addresses of an interface.
func (w *world) sources(name string) (list []string) {
	addrs, err := w.hand.AddrList(w.link(name), rtnetlink.FAMILY_V6)
	w.must(err)
	for _, a := range addrs {
		list = append(list, a.IPNet.String())
	}
	return list
}
