package sock

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	stdos "os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

var (
	group4 = netip.MustParseAddr("224.0.0.18")
	group6 = netip.MustParseAddr("ff02::12")
	ttl255 = uint8(255)
)

// host is one end of a wire: a network namespace with one interface.
type host struct {
	ns    netns.NsHandle
	link  string
	index int
	addr4 netip.Addr
	addr6 netip.Addr // link-local
}

// wire makes two hosts joined by a veth pair. The calling thread is locked and
// dies with the test.
func wire(t *testing.T) (a, b *host) {
	t.Helper()
	if stdos.Getuid() != 0 {
		t.Skip("needs root: makes network namespaces and raw sockets")
	}
	runtime.LockOSThread()
	origin, err := netns.Get()
	must(t, err)
	a, b = newHost(t, "a0", "10.9.0.1", "fe80::1"), newHost(t, "b0", "10.9.0.2", "fe80::2")
	must(t, netns.Set(a.ns))
	attrs := netlink.NewLinkAttrs()
	attrs.Name = a.link
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: b.link, PeerNamespace: netlink.NsFd(b.ns)}))
	a.up(t)
	b.up(t)
	a.carrier(t)
	b.carrier(t)
	t.Cleanup(func() {
		netns.Set(origin)
		origin.Close()
	})
	return a, b
}

func newHost(t *testing.T, link, addr4, addr6 string) *host {
	t.Helper()
	ns, err := netns.New()
	must(t, err)
	t.Cleanup(func() { ns.Close() })
	return &host{ns: ns, link: link, addr4: netip.MustParseAddr(addr4), addr6: netip.MustParseAddr(addr6)}
}

// up gives the interface its addresses and sets it up.
func (h *host) up(t *testing.T) {
	t.Helper()
	must(t, netns.Set(h.ns))
	lo, err := netlink.LinkByName("lo")
	must(t, err)
	must(t, netlink.LinkSetUp(lo))
	link, err := netlink.LinkByName(h.link)
	must(t, err)
	h.index = link.Attrs().Index
	addr, err := netlink.ParseAddr(h.addr4.String() + "/24")
	must(t, err)
	must(t, netlink.AddrAdd(link, addr))
	addr, err = netlink.ParseAddr(h.addr6.String() + "/64")
	must(t, err)
	addr.Flags = unix.IFA_F_NODAD
	must(t, netlink.AddrAdd(link, addr))
	must(t, netlink.LinkSetUp(link))
}

// carrier waits until packets pass: the kernel tells both ends in its own time.
func (h *host) carrier(t *testing.T) {
	t.Helper()
	must(t, netns.Set(h.ns))
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		link, err := netlink.LinkByName(h.link)
		must(t, err)
		if link.Attrs().OperState == netlink.OperUp {
			return
		}
	}
	t.Fatalf("%s does not come up", h.link)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// single is for one packet after the other.
var single = NewBatch()

// Send sends one packet.
func (c *Conn) Send(pkt []byte, dst netip.Addr) (err error) {
	single.Add(c, pkt, dst)
	single.Send(func(_ int, e error) { err = e })
	return err
}

// inbox is what a Conn received.
type inbox struct {
	conn *Conn
	room *Room
	list []Received
}

// open opens a Conn on h, and an inbox for what it receives.
func (h *host) open(t *testing.T, cfg Config) (*Conn, *inbox) {
	t.Helper()
	must(t, netns.Set(h.ns))
	in := &inbox{room: NewRoom()}
	cfg.Receive = func(r *Received) { in.list = append(in.list, *r) }
	var err error
	in.conn, err = Open(cfg)
	must(t, err)
	t.Cleanup(func() { in.conn.Close() })
	return in.conn, in
}

// await waits until a Conn is readable.
func await(t *testing.T, c *Conn) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(c.FD()), Events: unix.POLLIN}}
	for end := time.Now().Add(5 * time.Second); ; {
		if n, err := unix.Poll(fds, 100); n > 0 && err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("nothing arrived")
		}
	}
}

// rest reads what has come, and counts what nobody took.
func (in *inbox) rest(t *testing.T) int {
	t.Helper()
	for {
		more, err := in.conn.Read(in.room)
		must(t, err)
		if !more {
			return len(in.list)
		}
	}
}

func (h *host) multicast4() Config {
	return Config{Link: h.link, IfIndex: h.index, Source: h.addr4, Group: group4}
}

func (h *host) multicast6() Config {
	return Config{Link: h.link, IfIndex: h.index, Source: h.addr6, Group: group6}
}

func (h *host) unicast4() Config {
	return Config{Source: h.addr4, Unicast: true}
}

func (h *host) unicast6() Config {
	return Config{Link: h.link, IfIndex: h.index, Source: h.addr6, Unicast: true}
}

// receive takes the next packet.
func receive(t *testing.T, in *inbox) Received {
	t.Helper()
	for len(in.list) == 0 {
		await(t, in.conn)
		_, err := in.conn.Read(in.room)
		must(t, err)
	}
	r := in.list[0]
	in.list = in.list[1:]
	return r
}

// advert is a version 2 packet of VRID 51 and priority 100 without addresses.
// Nobody here looks at its checksum.
var advert = []byte{0x21, 51, 100, 0, 0, 1, 0x7a, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0}

func TestSendReceive(t *testing.T) {
	a, b := wire(t)
	cases := []struct {
		name     string
		a, b     Config
		dst      netip.Addr
		from, to netip.Addr
	}{
		{"multicast4", a.multicast4(), b.multicast4(), group4, a.addr4, group4},
		{"unicast4", a.unicast4(), b.unicast4(), b.addr4, a.addr4, b.addr4},
		{"multicast6", a.multicast6(), b.multicast6(), group6, a.addr6, group6},
		{"unicast6", a.unicast6(), b.unicast6(), b.addr6, a.addr6, b.addr6},
	}
	const kernel64 = 64 // net.ipv6.conf.default.hop_limit
	for _, c := range cases {
		sender, echo := a.open(t, c.a)
		_, got := b.open(t, c.b)
		must(t, sender.Send(advert, c.dst))
		r := receive(t, got)
		ttl := uint8(ttl255)
		if c.name == "unicast6" {
			ttl = kernel64
		}
		if r.Src != c.from || r.Dst != c.to || r.TTL != ttl || r.IfIndex != b.index {
			t.Errorf("%s: got %v -> %v, TTL %d, interface %d; want %v -> %v, TTL %d, interface %d",
				c.name, r.Src, r.Dst, r.TTL, r.IfIndex, c.from, c.to, ttl, b.index)
		}
		if !bytes.Equal(r.Data(), advert) {
			t.Errorf("%s: got % x, want % x", c.name, r.Data(), advert)
		}
		if age := time.Since(r.At); age < 0 || age > time.Minute {
			t.Errorf("%s: arrived at %v, %v ago", c.name, r.At, age)
		}
		if echo.rest(t) != 0 {
			t.Errorf("%s: the sender heard itself", c.name)
		}
	}
}

func TestIPv4Header(t *testing.T) {
	a, b := wire(t)
	cfg := a.multicast4()
	sender, _ := a.open(t, cfg)
	_, got := b.open(t, b.multicast4())
	must(t, sender.Send(advert, group4))
	r := receive(t, got)
	header := r.buf[:20]
	if header[1] != control {
		t.Errorf("TOS is %#x, want %#x", header[1], control)
	}
	if header[6] != 0 || header[7] != 0 {
		t.Errorf("fragment field is %x, want zero", header[6:8])
	}
}

func TestUnicastTTL(t *testing.T) {
	a, b := wire(t)
	cfg := a.unicast4()
	cfg.TTL = 7
	sender, _ := a.open(t, cfg)
	_, got := b.open(t, b.unicast4())
	must(t, sender.Send(advert, b.addr4))
	if r := receive(t, got); r.TTL != 7 {
		t.Errorf("TTL is %d, want 7", r.TTL)
	}
}

// TestCastsApart: a multicast Conn does not hear unicast and the reverse. The
// last packet proves that all before it have passed.
func TestCastsApart(t *testing.T) {
	a, b := wire(t)
	multi, _ := a.open(t, a.multicast4())
	uni, _ := a.open(t, a.unicast4())
	_, gotMulti := b.open(t, b.multicast4())
	_, gotUni := b.open(t, b.unicast4())
	must(t, uni.Send(advert, b.addr4))
	must(t, multi.Send(advert, group4))
	must(t, uni.Send(advert, b.addr4))
	if r := receive(t, gotMulti); r.Dst != group4 {
		t.Errorf("multicast heard a packet to %v", r.Dst)
	}
	for range 2 {
		if r := receive(t, gotUni); r.Dst != b.addr4 {
			t.Errorf("unicast heard a packet to %v", r.Dst)
		}
	}
	if gotMulti.rest(t)+gotUni.rest(t) != 0 {
		t.Error("a packet arrived twice")
	}
}

// TestMulticastWithoutRoute: the interface is enough, no route and no address
// of ours decides.
func TestMulticastWithoutRoute(t *testing.T) {
	a, b := wire(t)
	other := a.multicast4()
	_, got := b.open(t, b.multicast4())
	sender, _ := a.open(t, other)
	must(t, netns.Set(a.ns))
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	must(t, err)
	for i := range routes {
		must(t, netlink.RouteDel(&routes[i]))
	}
	must(t, sender.Send(advert, group4))
	if r := receive(t, got); r.Src != a.addr4 {
		t.Errorf("came from %v, want %v", r.Src, a.addr4)
	}
}

func TestSendErrors(t *testing.T) {
	a, _ := wire(t)
	c, _ := a.open(t, a.multicast4())
	if err := c.Send(advert, group6); !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EINVAL) {
		t.Errorf("other family: %v", err)
	}
	must(t, netns.Set(a.ns))
	link, err := netlink.LinkByName(a.link)
	must(t, err)
	must(t, netlink.LinkSetDown(link))
	if err := c.Send(advert, group4); !errors.Is(err, unix.ENETDOWN) && !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("interface down: %v", err)
	}
	must(t, netlink.LinkDel(link))
	if err := c.Send(advert, group4); err == nil {
		t.Error("interface gone: no error")
	}
	must(t, c.Close())
	if err := c.Send(advert, group4); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := c.Read(NewRoom()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading what is closed: %v", err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	source := netip.MustParseAddr("10.9.0.1")
	none := func(*Received) {}
	cases := []struct {
		cfg  Config
		want string
	}{
		{Config{Receive: none}, "no source address"},
		{Config{Source: source}, "nobody to receive"},
		{Config{Source: source, Receive: none, Group: group4}, "needs an interface"},
		{Config{Source: source, Receive: none, Link: "x0", IfIndex: 9, Group: group6}, "no multicast group"},
		{Config{Source: source, Receive: none, Link: "x0", IfIndex: 9, Group: source}, "no multicast group"},
		{Config{Source: group6, Receive: none, Unicast: true, AH: true}, "is for IPv4"},
	}
	for _, c := range cases {
		if _, err := Open(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.cfg, err, c.want)
		}
	}
}

func TestOpenNoInterface(t *testing.T) {
	a, _ := wire(t)
	must(t, netns.Set(a.ns))
	cfg := a.multicast4()
	cfg.Link, cfg.Receive = "gone0", func(*Received) {}
	_, err := Open(cfg)
	if err == nil || !strings.Contains(err.Error(), "gone0") || !errors.Is(err, unix.ENODEV) {
		t.Errorf("got %v, want ENODEV that names gone0", err)
	}
}

// TestSourceNotYet: the unicast source may come later; adverts leave from it
// all the same.
func TestSourceNotYet(t *testing.T) {
	a, b := wire(t)
	cfg := a.unicast4()
	cfg.Source = netip.MustParseAddr("10.9.0.77")
	c, _ := a.open(t, cfg)
	must(t, c.Send(advert, b.addr4))
	must(t, netns.Set(a.ns))
	link, err := netlink.LinkByName(a.link)
	must(t, err)
	addr, err := netlink.ParseAddr("10.9.0.77/24")
	must(t, err)
	must(t, netlink.AddrAdd(link, addr))
	must(t, c.Send(advert, b.addr4))
}

func TestNoAllocs(t *testing.T) {
	a, b := wire(t)
	for name, c := range map[string]struct {
		cfg Config
		dst netip.Addr
		pkt []byte
	}{
		"multicast4": {a.multicast4(), group4, advert},
		"unicast4":   {a.unicast4(), b.addr4, advert},
		"multicast6": {a.multicast6(), group6, advert},
		"unicast6":   {a.unicast6(), b.addr6, advert},
		"AH":         {sealed(a.multicast4()), group4, sealedOf(51, a)},
	} {
		conn, _ := a.open(t, c.cfg)
		n := testing.AllocsPerRun(100, func() {
			if err := conn.Send(c.pkt, c.dst); err != nil {
				t.Error(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: Send allocates %v times", name, n)
		}
	}
}

// TestReceiveNoAllocs counts a whole journey: out of one socket, into another.
func TestReceiveNoAllocs(t *testing.T) {
	a, b := wire(t)
	sender, _ := a.open(t, a.multicast4())
	must(t, netns.Set(b.ns))
	heard := 0
	cfg := b.multicast4()
	cfg.Receive = func(r *Received) { heard += len(r.Data()) }
	c, err := Open(cfg)
	must(t, err)
	defer c.Close()
	room := NewRoom()
	n := testing.AllocsPerRun(100, func() {
		if err := sender.Send(advert, group4); err != nil {
			t.Error(err)
		}
		for want := heard + len(advert); heard < want; {
			if _, err := c.Read(room); err != nil {
				t.Fatal(err)
			}
		}
	})
	if n != 0 {
		t.Errorf("a packet allocates %v times", n)
	}
}

// TestManyAtOnce: more packets than there is room for come one after another,
// each with its own bytes, and whether more wait is told.
func TestManyAtOnce(t *testing.T) {
	const count = 2*batch + 1
	a, b := wire(t)
	sender, _ := a.open(t, a.multicast4())
	_, got := b.open(t, b.multicast4())
	last, mark := b.open(t, b.multicast4())
	must(t, last.SetVRIDs([]uint8{count}))
	for i := range count {
		must(t, sender.Send(of(uint8(i+1)), group4))
	}
	receive(t, mark) // so all have come
	for _, want := range []bool{true, true, false} {
		if more, err := got.conn.Read(got.room); err != nil || more != want {
			t.Fatalf("more is %v, want %v: %v", more, want, err)
		}
	}
	for i := range count {
		if r := receive(t, got); r.Data()[1] != uint8(i+1) {
			t.Errorf("packet %d is of VRID %d", i, r.Data()[1])
		}
	}
}

func TestReaderSurvivesErrors(t *testing.T) {
	a, b := wire(t)
	sender, _ := a.open(t, a.multicast4())
	_, got := b.open(t, b.multicast4())
	for _, pkt := range [][]byte{{0x21}, make([]byte, 1400), advert} {
		must(t, sender.Send(pkt, group4))
		if r := receive(t, got); !bytes.Equal(r.Data(), pkt) {
			t.Errorf("sent %d bytes, got %d", len(pkt), len(r.Data()))
		}
	}
}

// TestReadErrors: a failure is told and counted, and is no reason to wait.
func TestReadErrors(t *testing.T) {
	a, _ := wire(t)
	c, in := a.open(t, a.multicast4())
	must(t, unix.Close(c.FD()))
	if more, err := c.Read(in.room); !more || !errors.Is(err, unix.EBADF) || c.Stats().Errors != 1 {
		t.Errorf("more is %v, %d errors: %v", more, c.Stats().Errors, err)
	}
	c.fd = -1
}

// TestParseHeader: a header that lies is refused, whoever made it.
func TestParseHeader(t *testing.T) {
	cases := []struct {
		name  string
		bytes []byte
		ok    bool
	}{
		{"empty", nil, false},
		{"19 bytes", ip(0x45, 19)[:19], false},
		{"header alone", ip(0x45, 20), true},
		{"version 6", ip(0x65, 20), false},
		{"header shorter than 20", ip(0x44, 20), false},
		{"options beyond the packet", ip(0x4f, 20), false},
		{"total length beyond the packet", ip(0x45, 21)[:20], false},
		{"total length within the header", ip(0x45, 19), false},
		{"padding behind", append(ip(0x45, 20), 0, 0), true},
		{"options", append(ip(0x46, 24), 1, 1, 1, 1), true},
	}
	for _, c := range cases {
		var p Received
		n := copy(p.buf[:], c.bytes)
		if ok := p.parseHeader(n); ok != c.ok {
			t.Errorf("%s: ok is %v, want %v", c.name, ok, c.ok)
		} else if ok && len(p.Data()) != 0 {
			t.Errorf("%s: %d bytes of data, want none", c.name, len(p.Data()))
		}
	}
}

func ip(first byte, total int) []byte {
	b := make([]byte, 20)
	b[0], b[2], b[3] = first, byte(total>>8), byte(total)
	return b
}

func FuzzParse(f *testing.F) {
	f.Add(ip(0x45, 20), []byte{})
	f.Add(append(ip(0x46, 40), make([]byte, 20)...), make([]byte, 64))
	f.Fuzz(func(t *testing.T, pkt, oob []byte) {
		var p Received
		n := copy(p.buf[:], pkt)
		if p.parseHeader(n) && p.end > n {
			t.Errorf("data ends at %d of %d", p.end, n)
		}
		p.parseControl(oob)
	})
}
