package neigh

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"keepgo/internal/netlab"
	"keepgo/internal/netlab/testns"
	"keepgo/ipvsctl"
)

const patience = 30 * time.Second

// heard keeps the newest ways.
type heard struct {
	mu   sync.Mutex
	ways ipvsctl.Ways
}

func (h *heard) hear(w ipvsctl.Ways) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ways = w
}

func (h *heard) hop(a string) ipvsctl.Hop {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ways.Hops[netip.MustParseAddr(a)]
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestFollowsServers(t *testing.T) {
	lab := testns.Lab(t)
	director, server := must(lab.Host("director"))(t), must(lab.Host("server"))(t)
	lan, other := must(lab.Switch("lan"))(t), must(lab.Switch("other"))(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(director.Attach("eth0", lan, prefix("192.0.2.1/24"), prefix("2001:db8::1/64")))
	check(director.Attach("eth1", other, prefix("198.51.100.1/24")))
	check(server.Attach("eth0", lan, prefix("192.0.2.11/24"), prefix("2001:db8::11/64")))

	var got heard
	var door *Door
	check(director.Do(func() (err error) {
		door, err = Open(Options{Report: got.hear, Trouble: func(err error) { t.Error(err) }})
		return err
	}))
	defer door.Close()
	service := ipvsctl.Entry{Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
	for _, a := range []string{"192.0.2.11", "2001:db8::11", "192.0.2.12", "203.0.113.5", "192.0.2.1"} {
		service.Destinations[ipvsctl.DestKey{Addr: netip.MustParseAddr(a), Port: 80}] = ipvsctl.Destination{Forward: ipvsctl.ForwardDirect}
	}
	key := ipvsctl.ServiceKey{Protocol: 6, Addr: netip.MustParseAddr("192.0.2.100"), Port: 80}
	door.Set(ipvsctl.Table{key: service}, nil)

	link := must(director.Netlink().LinkByName("eth0"))(t)
	want := ipvsctl.Hop{Link: link.Attrs().Index, From: [6]byte(link.Attrs().HardwareAddr), To: [6]byte(server.MAC("eth0"))}
	reached := func(when string, addrs ...string) {
		t.Helper()
		for _, a := range addrs {
			if !netlab.Until(patience, func() bool { return got.hop(a) == want }) {
				t.Errorf("%s: the way to %s is %+v, want %+v", when, a, got.hop(a), want)
			}
		}
	}
	reached("at first", "192.0.2.11", "2001:db8::11")
	if !netlab.Until(patience, func() bool { return got.hop("192.0.2.1").Local }) {
		t.Error("an own address is not known as one")
	}
	for _, a := range []string{"192.0.2.12", "203.0.113.5"} {
		if got.hop(a).Reaches() {
			t.Errorf("%s is reached by %+v", a, got.hop(a))
		}
	}
	if got.mu.Lock(); len(got.ways.Links) != 2 || got.ways.Links[0].Name != "eth0" || got.ways.Links[1].Name != "eth1" {
		t.Errorf("interfaces: %v", got.ways.Links)
	}
	got.mu.Unlock()

	// The server gets another card, and a second address by a router.
	check(server.Sysctl("net/ipv4/conf/eth0/arp_notify", "1")) // and says so
	mac := []byte{2, 0, 0, 0, 0, 9}
	card := must(server.Netlink().LinkByName("eth0"))(t)
	check(server.Netlink().LinkSetHardwareAddr(card, mac))
	want.To = [6]byte(mac)
	reached("with another card", "192.0.2.11")
	check(director.DefaultRoute(netip.MustParseAddr("192.0.2.11")))
	reached("by a router", "203.0.113.5")

	// One that stops to answer is still sent to: checks say whether it lives.
	check(server.SetLink("eth0", false))
	check(director.Netlink().NeighDel(&netlink.Neigh{LinkIndex: link.Attrs().Index, IP: net.ParseIP("192.0.2.11").To4(), Family: netlink.FAMILY_V4}))
	door.Set(ipvsctl.Table{key: service}, nil)
	if !netlab.Until(patience, func() bool {
		list, err := director.Netlink().NeighList(link.Attrs().Index, netlink.FAMILY_V4)
		return err == nil && slices.ContainsFunc(list, func(n netlink.Neigh) bool {
			return n.IP.String() == "192.0.2.11" && n.State == netlink.NUD_FAILED
		})
	}) {
		t.Error("the door does not ask for a server that is gone")
	}
	reached("without an answer", "192.0.2.11")

	door.Set(nil, []ipvsctl.ServiceKey{key})
	if !netlab.Until(patience, func() bool { return !got.hop("192.0.2.11").Reaches() }) {
		t.Error("a server that is gone is followed")
	}
}

// TestRest: looking takes a twentieth of the time, and a look that the machine
// held up puts the next one off for no longer than a client can wait.
func TestRest(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{0: 0, time.Millisecond: 20 * time.Millisecond, 100 * time.Millisecond: 2 * time.Second, time.Second: longest} {
		if got := rest(took); got != want {
			t.Errorf("after %v it rests for %v, want %v", took, got, want)
		}
	}
}
