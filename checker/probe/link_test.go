package probe

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"keepgo/checker"
	"keepgo/internal/netlab"
	"keepgo/internal/netlab/testns"
)

// TestLinkLocal asks a server by its link-local address, through bind_if.
func TestLinkLocal(t *testing.T) {
	lab := testns.Lab(t)
	sw, err := lab.Switch("lan")
	if err != nil {
		t.Fatal(err)
	}
	target, source := netip.MustParseAddr("fe80::2"), netip.MustParseAddr("fe80::1")
	hosts := map[string]*netlab.Host{}
	for name, addr := range map[string]netip.Addr{"asks": source, "answers": target} {
		h, err := lab.Host(name)
		if err != nil {
			t.Fatal(err)
		}
		hosts[name] = h
		if err := h.Attach("eth0", sw, netip.PrefixFrom(addr, 64)); err != nil {
			t.Fatal(err)
		}
		settle(t, h)
	}
	asks, answers := hosts["asks"], hosts["answers"]
	from := make(chan string, 16)
	err = answers.Do(func() error {
		l, err := net.Listen("tcp", "[::]:80")
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				from <- netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().WithZone("").String()
				conn.Close()
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pingers.restore()
	for name, p := range map[string]checker.Probe{
		"TCP":            {Kind: checker.TCP},
		"TCP, bound":     {Kind: checker.TCP, Bind: netip.AddrPortFrom(source, 0)},
		"TCP, from port": {Kind: checker.TCP, Bind: netip.AddrPortFrom(source, 4444)},
		"ping":           {Kind: checker.Ping, Bind: netip.AddrPortFrom(source, 0)},
		"UDP":            {Kind: checker.UDP, Bind: netip.AddrPortFrom(source, 0), Datagram: &checker.Datagram{}},
	} {
		p.Target, p.BindLink, p.Mark = netip.AddrPortFrom(target, 80), "eth0", 7
		want := checker.Passed
		if p.Kind == checker.UDP { // nobody listens: the ICMP error is the proof that it came
			want = checker.Failed
		}
		c := quick(p)
		c.Timeout = 10 * time.Second
		asks.Do(func() error {
			if o := Once(t.Context(), c, 0); o.Answer != want || want == checker.Failed && o.Why != "connection refused" {
				t.Errorf("%s: answer %d: %s", name, o.Answer, o.Why)
			}
			return nil
		})
		if p.Kind == checker.TCP {
			if got := <-from; p.Bind.IsValid() && got != source.String() {
				t.Errorf("%s: came from %s", name, got)
			}
		}
	}
}

// settle waits until the addresses of a host may be used.
func settle(t *testing.T, h *netlab.Host) {
	t.Helper()
	usable := netlab.Until(30*time.Second, func() bool {
		l, err := h.Netlink().LinkByName("eth0")
		if err != nil || l.Attrs().OperState != netlink.OperUp {
			return false
		}
		addrs, err := h.Netlink().AddrList(l, netlink.FAMILY_V6)
		for _, a := range addrs {
			if a.Flags&0x40 != 0 { // IFA_F_TENTATIVE
				return false
			}
		}
		return err == nil && len(addrs) > 0
	})
	if !usable {
		t.Fatalf("%s has no usable address", h.Name)
	}
}
