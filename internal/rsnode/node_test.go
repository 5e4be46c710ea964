package rsnode

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/vishvananda/netlink"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/netlab/testns"
)

// newNode is a node in a namespace of its own: v0 with 10.1.0.2/24.
func newNode(t *testing.T) (*Node, *[]string) {
	t.Helper()
	testns.Enter(t)
	var said []string
	n := &Node{File: filepath.Join(t.TempDir(), "rs.json"), Ingress: "v0",
		Report: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "v0"}, PeerName: "v1"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lo", "v0", "v1"} {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add(t, "10.1.0.2/24", "v0")
	if err := n.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n, &said
}

func add(t *testing.T, prefix, link string) {
	t.Helper()
	change(t, netlink.AddrAdd, prefix, link)
}

func change(t *testing.T, f func(netlink.Link, *netlink.Addr) error, prefix, link string) {
	t.Helper()
	l, err := netlink.LinkByName(link)
	if err != nil {
		t.Fatal(err)
	}
	a, err := netlink.ParseAddr(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if err := f(l, a); err != nil {
		t.Fatal(err)
	}
}

func vip(addr string) VIP { return VIP{Addr: netip.MustParseAddr(addr)} }

// arp is the four settings of ARP, of all and of v0.
func arp(t *testing.T) (values []int) {
	t.Helper()
	for _, path := range []string{"all/arp_ignore", "all/arp_announce", "v0/arp_ignore", "v0/arp_announce"} {
		v, err := sysctl(conf4 + path)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	return values
}

func wantARP(t *testing.T, what string, want ...int) {
	t.Helper()
	if got := arp(t); !slices.Equal(got, want) {
		t.Errorf("%s: arp_ignore and arp_announce are %v, want %v", what, got, want)
	}
}

func (n *Node) stands(t *testing.T, v VIP) bool {
	t.Helper()
	all, err := n.addresses()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(all, standing{v.prefix(), v.link()})
}

func TestUpAndDownAreCounted(t *testing.T) {
	n, said := newNode(t)
	if err := setSysctl(conf4+"v0/arp_announce", 1); err != nil {
		t.Fatal(err)
	}
	one, two, six := vip("10.1.0.100"), vip("10.1.0.101"), vip("2001:db8::100")
	for range 2 { // the second changes nothing
		if err := n.Up([]VIP{one, two, six}); err != nil {
			t.Fatal(err)
		}
	}
	if len(*said) != 7 {
		t.Errorf("said %q", *said)
	}
	wantARP(t, "up", 1, 2, 1, 2)
	if wrong, err := n.Check([]VIP{one, two, six}, nil); err != nil || len(wrong) > 0 {
		t.Errorf("check: %v %v", wrong, err)
	}
	l, _ := netlink.LinkByName("lo")
	addrs, _ := netlink.AddrList(l, netlink.FAMILY_V4)
	for _, a := range addrs {
		if a.IP.String() == "10.1.0.100" && (a.Label != label || a.Scope != 254 || a.Broadcast != nil) {
			t.Errorf("it stands as %+v", a)
		}
	}
	if err := n.Down([]netip.Addr{one.Addr}); err != nil {
		t.Fatal(err)
	}
	wantARP(t, "one is down", 1, 2, 1, 2)
	if n.stands(t, one) || !n.stands(t, two) || !n.stands(t, six) {
		t.Error("the wrong address is gone")
	}
	if err := n.Down(nil); err != nil {
		t.Fatal(err)
	}
	wantARP(t, "all are down", 0, 0, 0, 1)
	if n.stands(t, two) || n.stands(t, six) {
		t.Error("addresses are left")
	}
	if _, err := os.Stat(n.File); err == nil {
		t.Error("the state is left")
	}
}

func TestSettingsOfOthersAreLeft(t *testing.T) {
	n, said := newNode(t)
	if err := n.Up([]VIP{vip("10.1.0.100")}); err != nil {
		t.Fatal(err)
	}
	if err := setSysctl(conf4+"all/arp_ignore", 2); err != nil {
		t.Fatal(err)
	}
	if err := n.Down(nil); err != nil {
		t.Fatal(err)
	}
	wantARP(t, "down", 2, 0, 0, 0)
	if !strings.Contains(strings.Join(*said, "\n"), "net.ipv4.conf.all.arp_ignore is left at 2") {
		t.Errorf("said %q", *said)
	}
}

// TestEndInTheMidst is what kill -9 leaves at every step: Down makes all of it
// as it was.
func TestEndInTheMidst(t *testing.T) {
	n, _ := newNode(t)
	v := vip("10.1.0.100")
	for steps := range 7 {
		func() {
			defer func() { _ = recover() }()
			left := steps
			whole := n.Report
			defer func() { n.Report = whole }()
			n.Report = func(string, ...any) {
				if left--; left < 0 {
					panic("killed")
				}
			}
			_ = n.Up([]VIP{v})
		}()
		if err := n.Down(nil); err != nil {
			t.Fatal(err)
		}
		wantARP(t, fmt.Sprintf("killed after %d steps", steps), 0, 0, 0, 0)
		if n.stands(t, v) {
			t.Errorf("killed after %d steps: the address is left", steps)
		}
	}
}

func TestCheckFinds(t *testing.T) {
	n, _ := newNode(t)
	v := vip("10.1.0.100")
	if err := n.Up([]VIP{v}); err != nil {
		t.Fatal(err)
	}
	add(t, "10.1.0.100/16", "lo")
	add(t, "10.1.0.100/32", "v0")
	gateway := netip.MustParseAddr("10.1.0.1")
	if err := netlink.RouteAdd(&netlink.Route{Gw: gateway.AsSlice()}); err != nil {
		t.Fatal(err)
	}
	if err := setSysctl(conf4+"v0/arp_announce", 1); err != nil {
		t.Fatal(err)
	}
	wrong, err := n.Check([]VIP{v, vip("10.1.0.102")}, []netip.Addr{gateway})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(wrong, "\n")
	for _, want := range []string{
		"10.1.0.100/16 on lo swallows its subnet 10.1.0.0/16", "10.1.0.100/32 stands on v0, which answers ARP",
		"10.1.0.102/32 on lo does not stand", "net.ipv4.conf.v0.arp_announce is 1", "the default gateway 10.1.0.1 is a director",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not found:\n%s", want, text)
		}
	}
	if len(wrong) != 5 {
		t.Errorf("%d findings, want 5:\n%s", len(wrong), text)
	}
}

func TestWatchPutsBack(t *testing.T) {
	n, said := newNode(t)
	v := vip("10.1.0.100")
	if err := n.Up([]VIP{v}); err != nil {
		t.Fatal(err)
	}
	change(t, netlink.AddrDel, "10.1.0.100/32", "lo")
	if err := setSysctl(conf4+"all/arp_ignore", 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	report := n.Report
	n.Report = func(format string, args ...any) {
		report(format, args...)
		if strings.Contains(format, "stands now") {
			cancel()
		}
	}
	if err := n.Watch(ctx); err != nil {
		t.Fatal(err)
	}
	wantARP(t, "watched", 1, 2, 1, 2)
	if !n.stands(t, v) {
		t.Errorf("it does not stand; said %q", *said)
	}
	if err := n.Down(nil); err != nil {
		t.Fatal(err)
	}
	wantARP(t, "down", 0, 0, 0, 0)
}

const directors = `
vrrp_instance VI {
    interface eth0
    virtual_router_id 51
    unicast_peer {
        10.1.0.9
    }
    virtual_ipaddress {
        10.1.0.1/24
    }
}
virtual_server 10.1.0.100 80 {
    lvs_method DR
    real_server 10.1.0.2 80 {
    }
}
virtual_server 10.1.0.101 80 {
    lvs_method TUN
    real_server 10.1.0.2 80 {
    }
}
virtual_server 10.1.0.102 80 {
    lvs_method NAT
    real_server 10.1.0.3 80 {
    }
}
`

func TestFromConfig(t *testing.T) {
	cfg, errs := confparse.Load(fstest.MapFS{"k": {Data: []byte(directors)}}, "k", syntax.Env{})
	if cfg == nil {
		t.Fatal(errs)
	}
	got, err := FromConfig(cfg, []netip.Addr{netip.MustParseAddr("10.1.0.2")})
	want := []VIP{vip("10.1.0.100"), {Addr: netip.MustParseAddr("10.1.0.101"), Tunnel: true}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v %v, want %v", got, err, want)
	}
	if _, err := FromConfig(cfg, []netip.Addr{netip.MustParseAddr("10.1.0.3")}); err == nil || !strings.Contains(err.Error(), "behind NAT") {
		t.Errorf("behind NAT: %v", err)
	}
	if _, err := FromConfig(cfg, nil); err == nil || !strings.Contains(err.Error(), "--vip") {
		t.Errorf("elsewhere: %v", err)
	}
	if got, want := fmt.Sprint(Directors(cfg)), "[10.1.0.9 10.1.0.1]"; got != want {
		t.Errorf("directors %s, want %s", got, want)
	}
}

func TestTunnelSettings(t *testing.T) {
	got := settings([]VIP{{Addr: netip.MustParseAddr("10.1.0.101"), Tunnel: true}}, "eth0")
	if len(got) != 5 || got[4] != (setting{"net/ipv4/conf/tunl0/rp_filter", 2}) {
		t.Errorf("settings %v", got)
	}
	if got := settings([]VIP{vip("2001:db8::1")}, "eth0"); len(got) != 0 {
		t.Errorf("settings of IPv6: %v", got)
	}
}
