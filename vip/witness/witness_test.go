package witness

import (
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// host is one end of a wire: a network namespace with one interface, that says
// nothing by itself.
type host struct {
	ns    netns.NsHandle
	index int
	mac   MAC
	fd    int
}

// wire makes two hosts joined by a veth pair. The calling thread is locked and
// dies with the test; it is left in the first.
func wire(t *testing.T) (a, b *host) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: makes network namespaces and packet sockets")
	}
	runtime.LockOSThread()
	origin, err := netns.Get()
	must(t, err)
	t.Cleanup(func() {
		_ = netns.Set(origin)
		origin.Close()
	})
	a, b = newHost(t), newHost(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(a.ns)}))
	b.up(t)
	a.up(t)
	b.carrier(t)
	a.carrier(t)
	return a, b
}

func newHost(t *testing.T) *host {
	t.Helper()
	ns, err := netns.New()
	must(t, err)
	t.Cleanup(func() { ns.Close() })
	must(t, os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0))
	return &host{ns: ns}
}

func (h *host) up(t *testing.T) {
	t.Helper()
	must(t, netns.Set(h.ns))
	link, err := netlink.LinkByName("eth0")
	must(t, err)
	must(t, netlink.LinkSetUp(link))
	h.index, h.mac = link.Attrs().Index, MAC(link.Attrs().HardwareAddr)
	h.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(h.fd) })
}

// carrier waits until frames pass: the kernel tells both ends in its own time.
// It leaves the thread with h.
func (h *host) carrier(t *testing.T) {
	t.Helper()
	must(t, netns.Set(h.ns))
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		link, err := netlink.LinkByIndex(h.index)
		must(t, err)
		if link.Attrs().OperState == netlink.OperUp {
			return
		}
	}
	t.Fatal("the wire does not come up")
}

// send puts a frame on the wire.
func (h *host) send(t *testing.T, frame []byte) {
	t.Helper()
	var protocol [2]byte
	copy(protocol[:], frame[typeAt:])
	addr := unix.SockaddrLinklayer{Ifindex: h.index, Protocol: binary.NativeEndian.Uint16(protocol[:]), Halen: 6}
	copy(addr.Addr[:], frame)
	must(t, unix.Sendto(h.fd, frame, 0, &addr))
}

// says is a frame in which a station claims an address.
func says(t *testing.T, addr string, m MAC) []byte {
	t.Helper()
	a := netip.MustParseAddr(addr)
	frame := "advertisement"
	if a.Is4() {
		frame = "announcement"
	}
	for _, tt := range frames {
		if tt.name != frame {
			continue
		}
		b := unhex(t, tt.frame)
		copy(b[srcAt:], m[:])
		if a.Is4() {
			copy(b[arpSHA:], m[:])
			copy(b[arpSPA:], a.AsSlice())
		} else {
			copy(b[naTarget:], a.AsSlice())
			copy(b[naOptions+2:], m[:])
		}
		return b
	}
	panic(frame)
}

func open(t *testing.T) (*Door, <-chan Event) {
	t.Helper()
	events := make(chan Event, 1000)
	d, err := Open(func(e Event) { events <- e })
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d, events
}

// next is the next event of one kind. The first frame of all wakes another tap
// than the one that reads it, so Alive comes before or after.
func next[E Event](t *testing.T, events <-chan Event) E {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case e := <-events:
			if e, ok := e.(E); ok {
				return e
			}
		case <-deadline:
			var e E
			t.Fatalf("no %T", e)
		}
	}
}

func targets(link int, addrs ...string) (all []Target) {
	for _, a := range addrs {
		all = append(all, Target{link, netip.MustParseAddr(a)})
	}
	return all
}

// TestConflict: of what comes in, and of what goes out, one claim after the
// other is told that is another's.
func TestConflict(t *testing.T) {
	a, b := wire(t)
	d, events := open(t)
	x, y, own := MAC{2, 1}, MAC{2, 2}, MAC{0, 0, 0x5e, 0, 1, 51}
	must(t, d.Set(1, nil, targets(a.index, "192.0.2.1", "2001:db8::1")))
	must(t, d.Watch(a.index, "eth0", a.mac, own))
	owner := 1
	expect := func(name, addr string, m MAC) {
		t.Helper()
		got := next[Conflict](t, events)
		if got.Addr != netip.MustParseAddr(addr) || got.MAC != m || got.Link != a.index || got.Name != "eth0" || got.Owner != owner {
			t.Errorf("%s: %+v", name, got)
		}
	}
	b.send(t, says(t, "192.0.2.1", x))
	expect("first", "192.0.2.1", x)
	b.send(t, says(t, "2001:db8::1", x))
	expect("advertisement", "2001:db8::1", x)
	b.send(t, says(t, "192.0.2.1", x))   // again
	b.send(t, says(t, "192.0.2.2", x))   // of another address
	b.send(t, says(t, "192.0.2.1", own)) // ours
	b.send(t, says(t, "192.0.2.1", a.mac))
	a.send(t, says(t, "192.0.2.1", MAC{2, 9})) // going out
	b.send(t, says(t, "192.0.2.1", y))
	expect("another station", "192.0.2.1", y)

	must(t, d.Set(2, nil, targets(a.index, "192.0.2.2", "192.0.2.1")))
	must(t, d.Set(1, targets(a.index, "192.0.2.1", "2001:db8::1"), nil))
	owner = 2
	b.send(t, says(t, "2001:db8::1", y))
	b.send(t, says(t, "192.0.2.2", x))
	expect("of another owner", "192.0.2.2", x)
	must(t, d.Watch(a.index, "eth0", a.mac))
	b.send(t, says(t, "192.0.2.1", own))
	expect("no more ours", "192.0.2.1", own)

	must(t, d.Set(2, targets(a.index, "192.0.2.2", "192.0.2.1"), nil))
	b.send(t, says(t, "192.0.2.2", y))
	d.Forget(a.index)
	must(t, d.Set(2, nil, targets(a.index, "192.0.2.3")))
	must(t, d.Watch(a.index, "eth0"))
	b.send(t, says(t, "192.0.2.3", y))
	expect("after all", "192.0.2.3", y)
}

// TestManyAddresses: beyond what the kernel tells apart, and back.
func TestManyAddresses(t *testing.T) {
	a, b := wire(t)
	d, events := open(t)
	must(t, d.Watch(a.index, "eth0", a.mac))
	addr := netip.MustParseAddr("192.0.2.1")
	for i := range maxListed + 10 {
		must(t, d.Set(i, nil, []Target{{a.index, addr}}))
		b.send(t, says(t, addr.String(), MAC{2, 2}))
		if got := next[Conflict](t, events); got.Addr != addr {
			t.Fatalf("%d: %+v", i, got)
		}
		addr = addr.Next()
	}
	for i, old := 0, netip.MustParseAddr("192.0.2.1"); i < maxListed+9; i, old = i+1, old.Next() {
		must(t, d.Set(i, []Target{{a.index, old}}, nil))
	}
	b.send(t, says(t, "192.0.2.1", MAC{2, 3}))
	b.send(t, says(t, addr.Prev().String(), MAC{2, 3}))
	if got := next[Conflict](t, events); got.Addr != addr.Prev() {
		t.Errorf("at last %+v", got)
	}
}

// TestKernelAnswers: another host that has the address and is asked for it.
func TestKernelAnswers(t *testing.T) {
	a, b := wire(t)
	must(t, netns.Set(b.ns))
	link, err := netlink.LinkByIndex(b.index)
	must(t, err)
	addr, err := netlink.ParseAddr("192.0.2.1/24")
	must(t, err)
	must(t, netlink.AddrAdd(link, addr))
	must(t, netns.Set(a.ns))
	d, events := open(t)
	must(t, d.Set(1, nil, targets(a.index, "192.0.2.1")))
	must(t, d.Watch(a.index, "eth0", a.mac))
	question := says(t, "192.0.2.9", a.mac)
	copy(question[arpSPA+10:], []byte{192, 0, 2, 1})
	a.send(t, question)
	if got := next[Conflict](t, events); got.MAC != b.mac {
		t.Errorf("%+v, want %x", got, b.mac)
	}
}

func TestAlive(t *testing.T) {
	a, b := wire(t)
	d, events := open(t)
	must(t, d.Await(a.index)) // of a link that is not watched there is nothing to know
	must(t, d.Watch(a.index, "eth0", a.mac))
	must(t, d.Await(a.index))
	plain := func(dst string, src MAC) []byte {
		frame := unhex(t, dst+station+"88b5")
		copy(frame[srcAt:], src[:])
		return append(frame, make([]byte, 46)...)
	}
	a.send(t, plain("ffffffffffff", MAC{2, 1}))
	b.send(t, plain("0180c2000000", MAC{2, 2}))
	b.send(t, plain("ffffffffffff", a.mac))
	if d.Alive(a.index) {
		t.Error("alive before anything came")
	}
	b.send(t, plain("ffffffffffff", MAC{2, 3}))
	b.send(t, plain("ffffffffffff", MAC{2, 4}))
	if got := next[Alive](t, events); got != (Alive{a.index, "eth0", MAC{2, 3}}) {
		t.Errorf("%+v", got)
	}
	must(t, d.Watch(a.index, "lan", a.mac))
	if !d.Alive(a.index) {
		t.Error("not alive any more")
	}
	d.Forget(a.index)
	if d.Alive(a.index) {
		t.Error("alive, and forgotten")
	}
	must(t, d.Watch(a.index, "lan", a.mac))
	must(t, d.Await(a.index))
	b.send(t, plain("ffffffffffff", MAC{2, 5}))
	if got := next[Alive](t, events); got != (Alive{a.index, "lan", MAC{2, 5}}) {
		t.Errorf("again %+v", got)
	}
}

// TestDownAndUp: a tap outlives its link's being down.
func TestDownAndUp(t *testing.T) {
	a, b := wire(t)
	d, events := open(t)
	must(t, d.Set(1, nil, targets(a.index, "192.0.2.1")))
	must(t, d.Watch(a.index, "eth0", a.mac))
	link, err := netlink.LinkByIndex(a.index)
	must(t, err)
	must(t, netlink.LinkSetDown(link))
	must(t, netlink.LinkSetUp(link))
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		b.send(t, says(t, "192.0.2.1", MAC{2, 1}))
		select {
		case e := <-events:
			if _, ok := e.(Conflict); ok {
				return
			}
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("nothing is heard")
}

// TestFlood: after more than a tap reads, and loses, it hears again. It ends
// amid the flood.
func TestFlood(t *testing.T) {
	a, b := wire(t)
	d, events := open(t)
	must(t, d.Set(1, nil, targets(a.index, "192.0.2.1", "192.0.2.2")))
	must(t, d.Watch(a.index, "eth0", a.mac))
	flood, other := says(t, "192.0.2.1", MAC{2, 1}), says(t, "192.0.2.2", MAC{2, 2})
	for range 100 * maxBurst {
		b.send(t, flood)
	}
	for deadline, heard := time.Now().Add(10*time.Second), 0; heard < 2; {
		b.send(t, other)
		select {
		case e := <-events:
			if _, ok := e.(Conflict); ok {
				heard++
			}
		case <-time.After(10 * time.Millisecond):
			if time.Now().After(deadline) {
				t.Fatal("the other claim is not heard")
			}
		}
	}
	for range 2 * maxBurst {
		b.send(t, flood)
	}
	must(t, d.Close())
}

// TestOnlyNeeded: a socket is open as long as it is of use.
func TestOnlyNeeded(t *testing.T) {
	a, b := wire(t)
	d, events := open(t)
	taps := func(want ...bool) {
		t.Helper()
		d.mu.Lock()
		defer d.mu.Unlock()
		for kind, tap := range d.links[a.index].taps {
			if tap != nil != want[kind] {
				t.Errorf("tap %d is open: %v", kind, tap != nil)
			}
		}
	}
	must(t, d.Watch(a.index, "eth0", a.mac))
	taps(false, false, false)
	must(t, d.Await(a.index))
	taps(true, false, false)
	must(t, d.Set(1, nil, targets(a.index, "192.0.2.1")))
	must(t, d.Set(2, nil, targets(a.index, "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.2")))
	taps(true, true, true)
	must(t, d.Set(2, targets(a.index, "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.2"), nil))
	b.send(t, says(t, "192.0.2.9", b.mac))
	next[Alive](t, events)
	taps(false, true, false)
	must(t, d.Set(1, targets(a.index, "192.0.2.1"), nil))
	taps(false, false, false)
	if len(d.held) > 0 {
		t.Errorf("%v is left", d.held)
	}
}

func TestNoLink(t *testing.T) {
	wire(t)
	d, _ := open(t)
	must(t, d.Watch(4711, "gone0"))
	if err := d.Await(4711); err == nil {
		t.Error("a frame is awaited on a link that is not there")
	}
	if err := d.Set(1, nil, targets(4711, "192.0.2.1")); err == nil {
		t.Error("claims are listened for on a link that is not there")
	}
	d.Forget(4711)
	d.Forget(4711)
	must(t, d.Close())
	must(t, d.Watch(1, "lo"))
	must(t, d.Set(1, nil, targets(1, "192.0.2.1")))
}

// TestNoAllocation: a flood of claims, ours, foreign or told already, costs no
// memory.
func TestNoAllocation(t *testing.T) {
	d, events := open(t)
	l := &link{index: 1, name: "eth0"}
	arp, na := &tap{kind: tapARP}, &tap{kind: tapNA}
	l.taps[tapARP], l.taps[tapNA] = arp, na
	d.links[1] = l
	for _, target := range targets(1, "192.0.2.1", "2001:db8::1") {
		d.hold(1, target, +1)
	}
	d.own[MAC{2, 2}] = 1
	now := time.Unix(1000, 0)
	flood := [][]byte{
		says(t, "192.0.2.1", MAC{2, 1}), says(t, "192.0.2.1", MAC{2, 2}), says(t, "192.0.2.2", MAC{2, 1}),
		says(t, "2001:db8::1", MAC{2, 1}), says(t, "2001:db8::2", MAC{2, 1}), {},
	}
	hear := func() {
		for _, b := range flood {
			d.heard(l, arp, b, now)
			d.heard(l, na, b, now)
		}
	}
	hear()
	if len(events) != 2 {
		t.Errorf("%d events", len(events))
	}
	if n := testing.AllocsPerRun(100, hear); n > 0 {
		t.Errorf("%v allocations", n)
	}
	d.links = map[int]*link{} // its taps have no sockets
}
