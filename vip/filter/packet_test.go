package filter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"keepgo/internal/netlab"
	"keepgo/internal/netlab/testns"
)

// pair is a director with a door and its client, on one wire.
type pair struct {
	*world
	director, client *netlab.Host
	door             *Door
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{world: newListener(t)}
	lab := testns.Lab(t)
	wire, err := lab.Switch("wire")
	p.must(err)
	p.director, err = lab.Host("director")
	p.must(err)
	p.client, err = lab.Host("client")
	p.must(err)
	p.must(p.director.Attach("eth0", wire, prefixes("10.1.0.1/24", "10.1.0.9/24", "2001:db8::1/64", "2001:db8::9/64", "fe80::99/64")...))
	p.must(p.client.Attach("eth0", wire, prefixes("10.1.0.2/24", "2001:db8::2/64", "fe80::2/64")...))
	p.must(p.director.Do(func() (err error) {
		p.door, err = Open(Options{Notify: p.note, Counters: true})
		return err
	}))
	t.Cleanup(func() { p.door.Close() })
	return p
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// answers reports whether the director answers: it refuses connections to a
// port nobody listens on, at once.
func (p *pair) answers(address string, wait time.Duration) bool {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	for ctx.Err() == nil { // a wire just plugged may be unreachable at first
		c, err := p.client.Dial(ctx, "tcp", net.JoinHostPort(address, "9"))
		if errors.Is(err, syscall.ECONNREFUSED) {
			return true
		}
		if err == nil {
			c.Close()
		}
	}
	return false
}

// scoped is a link-local address on the client's wire. The zone is a number: the
// standard library's cache of names knows no namespaces.
func (p *pair) scoped(addr string) string {
	return fmt.Sprintf("%s%%%d", addr, p.link(p.client, "eth0").Attrs().Index)
}

const brief = 300 * time.Millisecond

func TestNoAcceptDrops(t *testing.T) {
	p := newPair(t)
	vips := []string{"10.1.0.9", "2001:db8::9", p.scoped("fe80::99")}
	others := []string{"10.1.0.1", "2001:db8::1"}
	for _, a := range append(vips, others...) {
		if !p.answers(a, patience) {
			t.Fatalf("%s does not answer from the start", a)
		}
	}
	index := p.link(p.director, "eth0").Attrs().Index
	p.set(p.door, 1, Want{Drop: []Address{
		{Addr: netip.MustParseAddr("10.1.0.9")}, {Addr: netip.MustParseAddr("2001:db8::9")},
		{Addr: netip.MustParseAddr("fe80::99"), Link: "eth0", Index: index},
	}})
	p.forgetNeighbours()
	for _, a := range vips {
		if p.answers(a, brief) {
			t.Errorf("%s answers", a)
		}
		ip := netip.MustParseAddr(a).WithZone("")
		if mac := p.neighbour(ip); mac != p.director.MAC("eth0").String() {
			t.Errorf("%s: the client has %q for its MAC", a, mac)
		}
	}
	for _, a := range others {
		if !p.answers(a, patience) {
			t.Errorf("%s answers no more", a)
		}
	}
	p.set(p.door, 1, Want{})
	for _, a := range vips {
		if !p.answers(a, patience) {
			t.Errorf("%s does not answer again", a)
		}
	}
}

func TestLinkLocalIsOfItsLink(t *testing.T) {
	p := newPair(t)
	p.set(p.door, 1, Want{Drop: []Address{{Addr: netip.MustParseAddr("fe80::99"), Link: "other0"}}})
	if !p.answers(p.scoped("fe80::99"), patience) {
		t.Error("another link's address is dropped")
	}
}

func (p *pair) link(h *netlab.Host, name string) netlink.Link {
	p.t.Helper()
	l, err := h.Netlink().LinkByName(name)
	p.must(err)
	return l
}

func (p *pair) forgetNeighbours() {
	p.t.Helper()
	h := p.client.Netlink()
	list, err := h.NeighList(p.link(p.client, "eth0").Attrs().Index, netlink.FAMILY_ALL)
	p.must(err)
	for _, n := range list {
		_ = h.NeighDel(&n) // multicast entries stay
	}
}

// neighbour is the MAC the client has learnt for an address.
func (p *pair) neighbour(ip netip.Addr) string {
	p.t.Helper()
	list, err := p.client.Netlink().NeighList(p.link(p.client, "eth0").Attrs().Index, netlink.FAMILY_ALL)
	p.must(err)
	for _, n := range list {
		if n.IP.Equal(ip.AsSlice()) {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

// vmac makes a VMAC as vip/link does.
func (p *pair) vmac(name, mac string) Guard {
	p.t.Helper()
	h, base := p.director.Netlink(), p.link(p.director, "eth0").Attrs().Index
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = name, base
	attrs.HardwareAddr, _ = net.ParseMAC(mac)
	p.must(h.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_PRIVATE}))
	return Guard{Link: name, Index: p.link(p.director, name).Attrs().Index, Base: base, IPv4: true, IPv6: true}
}

// ear listens on the client's wire.
func (p *pair) ear() *os.File {
	p.t.Helper()
	var f *os.File
	p.must(p.client.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(htons(unix.ETH_P_ALL)))
		f = os.NewFile(uintptr(fd), "ear")
		return err
	}))
	p.t.Cleanup(func() { f.Close() })
	return f
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// hear waits for a frame and returns its sender; "" if none came in time.
func hear(f *os.File, wait time.Duration, ok func(frame []byte) bool) string {
	buf := make([]byte, 2048)
	_ = f.SetReadDeadline(time.Now().Add(wait))
	for {
		n, err := f.Read(buf)
		if err != nil {
			return ""
		}
		if n > 14 && ok(buf[:n]) {
			return net.HardwareAddr(buf[6:12]).String()
		}
	}
}

func isIGMP(b []byte) bool { return b[12] == 8 && b[13] == 0 && b[14+9] == unix.IPPROTO_IGMP }

// icmp6 accepts a type of ICMPv6, behind a hop-by-hop header if there is one.
func icmp6(kind byte) func([]byte) bool {
	return func(b []byte) bool {
		if b[12] != 0x86 || b[13] != 0xdd || len(b) < 14+40+16 {
			return false
		}
		next, rest := b[14+6], b[14+40:]
		if next == unix.IPPROTO_HOPOPTS {
			next, rest = rest[0], rest[8:]
		}
		return next == unix.IPPROTO_ICMPV6 && rest[0] == kind
	}
}

// join makes the director's kernel report membership on an interface.
func (p *pair) join(link string, n int) {
	p.t.Helper()
	p.must(p.director.Do(func() error {
		l, err := net.InterfaceByName(link)
		if err != nil {
			return err
		}
		for _, group := range []string{fmt.Sprintf("224.0.1.%d", n), fmt.Sprintf("ff05::%x", n)} {
			c, err := net.ListenMulticastUDP("udp", l, &net.UDPAddr{IP: net.ParseIP(group)})
			if err != nil {
				return err
			}
			p.t.Cleanup(func() { c.Close() })
		}
		return nil
	}))
}

func TestReportsLeaveThroughTheBase(t *testing.T) {
	for _, drop := range []bool{false, true} {
		t.Run(fmt.Sprintf("drop %v", drop), func(t *testing.T) {
			p := newPair(t)
			p.must(p.door.Close())
			p.must(p.director.Do(func() (err error) {
				p.door, err = Open(Options{Notify: p.note, DropReports: drop})
				return err
			}))
			const mac = "00:00:5e:00:01:33"
			guard, ear := p.vmac("vrrp.51", mac), p.ear()
			p.must(p.director.Netlink().LinkSetUp(p.link(p.director, "vrrp.51")))
			p.join("vrrp.51", 50)
			if got := hear(ear, patience, isIGMP); got != mac {
				t.Fatalf("an unguarded VMAC reports by IGMP from %q", got)
			}
			p.set(p.door, 1, Want{Guards: []Guard{guard}})
			base := p.director.MAC("eth0").String()
			for name, ok := range map[string]func([]byte) bool{"IGMP": isIGMP, "MLD": icmp6(mldReport2)} {
				p.join("vrrp.51", 60+len(name))
				report := func(b []byte) bool { return ok(b) && mentions(b, 60+len(name)) }
				if drop {
					if got := hear(ear, time.Second, report); got != "" {
						t.Errorf("%s report from %s", name, got)
					}
				} else if got := hear(ear, patience, report); got != base {
					t.Errorf("%s report from %q, want %s", name, got, base)
				}
			}
		})
	}
}

// mentions reports whether a membership report names the groups of a number.
func mentions(b []byte, n int) bool {
	six := netip.MustParseAddr(fmt.Sprintf("ff05::%x", n)).As16()
	return bytes.Contains(b[14:], six[:]) || bytes.Contains(b[14:], []byte{224, 0, 1, byte(n)})
}

func TestRouterSolicitations(t *testing.T) {
	p := newPair(t)
	guard, ear := p.vmac("vrrp.52", "00:00:5e:00:02:34"), p.ear()
	p.must(p.director.Sysctl("net/ipv6/conf/vrrp.52/router_solicitation_delay", "0"))
	cycle := func(wait time.Duration) string {
		p.must(p.director.SetLink("vrrp.52", false))
		p.must(p.director.SetLink("vrrp.52", true))
		return hear(ear, wait, func(b []byte) bool { return icmp6(routerSolicit)(b) && b[11] == 0x34 })
	}
	if got := cycle(patience); got == "" {
		t.Fatal("an unguarded VMAC solicits nothing by itself")
	}
	p.set(p.door, 1, Want{Guards: []Guard{guard}})
	for hear(ear, brief, func([]byte) bool { return true }) != "" { // what was on its way
	}
	if got := cycle(time.Second); got != "" {
		t.Errorf("solicited by %s", got)
	}
}

// TestSharedLinkLocal: the VMAC has the base's link-local address, and only the
// base answers for it.
func TestSharedLinkLocal(t *testing.T) {
	p := newPair(t)
	const mac = "00:00:5e:00:02:34"
	guard := p.vmac("vrrp.52", mac)
	p.must(p.director.Sysctl("net/ipv6/conf/vrrp.52/addr_gen_mode", "1"))
	p.must(p.director.Netlink().LinkSetUp(p.link(p.director, "vrrp.52")))
	p.must(p.director.AddAddr("vrrp.52", netip.MustParsePrefix("fe80::99/64")))
	shared := netip.MustParseAddr("fe80::99").As16()
	replies := func() (macs map[string]bool) {
		p.forgetNeighbours()
		ear := p.ear()
		macs = make(map[string]bool)
		p.answers(p.scoped("fe80::99"), brief)
		for {
			from := hear(ear, brief, func(b []byte) bool { return icmp6(neighbourReply)(b) && bytes.Contains(b[14:], shared[:]) })
			if from == "" {
				return macs
			}
			macs[from] = true
		}
	}
	for deadline := time.Now().Add(patience); !replies()[mac]; {
		if time.Now().After(deadline) {
			t.Fatal("an unguarded VMAC keeps quiet by itself")
		}
	}
	guard.Shared = netip.MustParseAddr("fe80::99")
	p.set(p.door, 1, Want{Guards: []Guard{guard}})
	if got := replies(); got[mac] || !got[p.director.MAC("eth0").String()] {
		t.Errorf("replies from %v", got)
	}
}
