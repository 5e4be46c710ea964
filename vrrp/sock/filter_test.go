package sock

import (
	stdos "os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/net/bpf"

	"keepgo/vrrp"
)

// TestFilter runs the program on every VRID: those in the set come in whole,
// others and packets too short do not.
func TestFilter(t *testing.T) {
	v4, v6 := Config{Source: group4}, Config{Source: group6}
	ah := Config{Source: group4, AH: true}
	plain, options := ip(0x45, 24), append(ip(0x46, 28), 0, 0, 0, 0)
	sets := [][]uint8{{}, {51}, {0, 31, 32, 255}, {1, 2, 3, 64, 65, 127, 128, 200, 254}}
	for _, set := range sets {
		for _, c := range []struct {
			name   string
			cfg    Config
			header []byte
		}{
			{"IPv4", v4, plain}, {"IPv4 with options", v4, options},
			{"AH", ah, append(plain[:20:20], make([]byte, 24)...)}, {"IPv6", v6, nil},
		} {
			vm, err := bpf.NewVM(filter(c.cfg.vridOffset(), set))
			must(t, err)
			for vrid := range 256 {
				pkt := append(c.header[:len(c.header):len(c.header)], 0x21, byte(vrid), 100)
				n, err := vm.Run(pkt)
				if want := contains(set, uint8(vrid)); err != nil || (n > 0) != want || n > 0 && n < len(pkt) {
					t.Fatalf("%s, set %v: VRID %d lets %d bytes in: %v", c.name, set, vrid, n, err)
				}
			}
			if n, _ := vm.Run(append(c.header[:len(c.header):len(c.header)], 0x21)); n != 0 {
				t.Errorf("%s: a packet without VRID comes in", c.name)
			}
		}
	}
}

func contains(set []uint8, v uint8) bool {
	for _, s := range set {
		if s == v {
			return true
		}
	}
	return false
}

// TestSetVRIDs: the kernel takes the program, on every kind of socket, and takes
// the next one, and none.
func TestSetVRIDs(t *testing.T) {
	a, b := wire(t)
	for name, c := range map[string]struct {
		a, b Config
		send func(c *Conn, vrid uint8) error
	}{
		"multicast4": {a.multicast4(), b.multicast4(), func(c *Conn, v uint8) error { return c.Send(of(v), group4) }},
		"unicast4":   {a.unicast4(), b.unicast4(), func(c *Conn, v uint8) error { return c.Send(of(v), b.addr4) }},
		"multicast6": {a.multicast6(), b.multicast6(), func(c *Conn, v uint8) error { return c.Send(of(v), group6) }},
		"unicast6":   {a.unicast6(), b.unicast6(), func(c *Conn, v uint8) error { return c.Send(of(v), b.addr6) }},
		"AH":         {sealed(a.multicast4()), sealed(b.multicast4()), func(c *Conn, v uint8) error { return c.Send(sealedOf(v, a), group4) }},
	} {
		out, _ := a.open(t, c.a)
		in, got := b.open(t, c.b)
		hears := func(step string, want ...uint8) {
			t.Helper()
			for _, v := range []uint8{7, 8, 9} {
				must(t, c.send(out, v))
			}
			for _, v := range want {
				r := receive(t, got)
				if at := arrived(&r); at.VRID(c.b.AH) != v {
					t.Errorf("%s, %s: VRID %d, want %d", name, step, at.VRID(c.b.AH), v)
				}
			}
		}
		hears("at first", 7, 8, 9)
		must(t, in.SetVRIDs([]uint8{8, 9}))
		hears("two", 8, 9)
		must(t, in.SetVRIDs([]uint8{9}))
		hears("one", 9)
		must(t, in.SetVRIDs(nil))
		must(t, in.SetVRIDs(nil))
		hears("all", 7, 8, 9)
		if n := got.rest(t); n != 0 {
			t.Errorf("%s: %d packets too many", name, n)
		}
	}
}

// of is a packet of the given virtual router.
func of(vrid uint8) []byte { return []byte{0x21, vrid, 100, 0, 0, 1, 0, 0} }

func sealed(cfg Config) Config {
	cfg.AH = true
	return cfg
}

func sealedOf(vrid uint8, a *host) []byte {
	var c vrrp.Codec
	p := vrrp.Packet{Version: 2, VRID: vrid, Interval: time.Second, AuthType: vrrp.AuthAH}
	c.Configure(&p, &vrrp.Expect{Version: 2, Interval: time.Second, AuthType: vrrp.AuthAH})
	c.Compose(time.Time{}, 100, a.addr4)
	return c.AppendTo(nil, group4)
}

// TestFlood: a flood for other virtual routers costs a Conn that is not even
// read neither one packet of its own nor memory. The sender waits for a second
// Conn now and then, so that nothing is lost on the way.
func TestFlood(t *testing.T) {
	const rounds, size, kib = 100, 500, 1 << 10
	a, b := wire(t)
	out, _ := a.open(t, a.multicast4())
	quiet, own := b.open(t, b.multicast4())
	must(t, quiet.SetVRIDs([]uint8{51}))
	pace, marks := b.open(t, b.multicast4())
	must(t, pace.SetVRIDs([]uint8{52}))

	foreign, ours, mark := of(200), of(51), of(52)
	before := allocated()
	for i := range rounds {
		for range size {
			must(t, out.Send(foreign, group4))
		}
		ours[2] = byte(i)
		must(t, out.Send(ours, group4))
		must(t, out.Send(mark, group4))
		receive(t, marks)
	}
	if grown := allocated() - before; grown > rounds*(4*kib) {
		t.Errorf("%d packets allocate %d KiB", rounds*size, grown/kib)
	}
	for i := range rounds {
		if r := receive(t, own); r.Data()[2] != byte(i) {
			t.Fatalf("advert %d came, want %d", r.Data()[2], i)
		}
	}
	if n := own.rest(t); n != 0 {
		t.Errorf("%d packets of others came in", n)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestEcho: what the network brings back of our own is counted, and not heard,
// where the kernel lets it in at all.
func TestEcho(t *testing.T) {
	a, b := wire(t)
	must(t, netns.Set(a.ns))
	must(t, stdos.WriteFile("/proc/sys/net/ipv4/conf/all/accept_local", []byte("1"), 0))
	us, got := a.open(t, sealed(a.multicast4()))
	mirror, _ := b.open(t, sealed(b.multicast4()))
	must(t, mirror.Send(sealedOf(51, a), group4))
	must(t, mirror.Send(sealedOf(52, b), group4))
	if r := receive(t, got); r.Src != b.addr4 || us.Stats().Own != 1 {
		t.Errorf("heard %v, %d of our own", r.Src, us.Stats().Own)
	}
}
