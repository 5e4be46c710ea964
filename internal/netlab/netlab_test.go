package netlab

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/internal/whohas"
)

func newLab(t *testing.T) *Lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: network namespaces are made")
	}
	l, err := New()
	if err != nil {
		t.Skipf("needs the right to make network namespaces: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
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

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair is two hosts, a at 10.9.0.1 and b at 10.9.0.2, on one switch.
func pair(t *testing.T, l *Lab) (a, b *Host) {
	t.Helper()
	sw := must(l.Switch("lan"))(t)
	a, b = must(l.Host("a"))(t), must(l.Host("b"))(t)
	check(t, a.Attach("eth0", sw, netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("fd09::1/64")))
	check(t, b.Attach("eth0", sw, netip.MustParsePrefix("10.9.0.2/24"), netip.MustParsePrefix("fd09::2/64")))
	return a, b
}

func TestPing(t *testing.T) {
	for _, dst := range []string{"10.9.0.2", "fd09::2"} {
		t.Run(dst, func(t *testing.T) {
			l := newLab(t)
			a, b := pair(t, l)
			p := must(a.Ping(netip.MustParseAddr(dst), time.Millisecond))(t)
			answers := func() bool { return p.AnsweredSince(time.Now().Add(-20 * time.Millisecond)) }
			if !Until(30*time.Second, answers) {
				t.Fatal("no answer")
			}
			pulled := time.Now()
			check(t, b.Cable("eth0", false))
			silent := func() bool { return p.Gap(pulled) > 100*time.Millisecond }
			if !Until(30*time.Second, silent) {
				t.Fatal("the cable is out and answers come")
			}
			check(t, b.Cable("eth0", true))
			back := time.Now()
			if !Until(10*time.Second, func() bool { return p.AnsweredSince(back) }) {
				t.Fatal("no answer after the cable came back")
			}
			if gap := p.Gap(pulled); gap < 100*time.Millisecond {
				t.Errorf("gap %v does not cover the silence", gap)
			}
		})
	}
}

func TestWhoHasFindsEveryHolder(t *testing.T) {
	l := newLab(t)
	a, b := pair(t, l)
	c := must(l.Host("c"))(t)
	check(t, c.Attach("eth0", l.switches[0], netip.MustParsePrefix("10.9.0.3/24")))
	ask := func(ip string) int {
		return len(must(a.WhoHas("eth0", netip.MustParseAddr(ip), 300*time.Millisecond))(t))
	}
	var macs []net.HardwareAddr
	Until(30*time.Second, func() bool {
		macs = must(a.WhoHas("eth0", netip.MustParseAddr("10.9.0.2"), 300*time.Millisecond))(t)
		return len(macs) > 0
	})
	if len(macs) != 1 || !bytes.Equal(macs[0], b.MAC("eth0")) {
		t.Errorf("10.9.0.2 is at %v, want %v", macs, b.MAC("eth0"))
	}
	if n := ask("10.9.0.9"); n != 0 {
		t.Errorf("%d hosts answer for an address that nobody has", n)
	}
	vip := netip.MustParsePrefix("10.9.0.9/32")
	check(t, b.AddAddr("eth0", vip))
	check(t, c.AddAddr("eth0", vip))
	if n := ask("10.9.0.9"); n != 2 {
		t.Errorf("%d hosts answer for an address on two", n)
	}
	if !b.Holds(vip.Addr()) || a.Holds(vip.Addr()) {
		t.Error("Holds does not tell who has the address")
	}
	check(t, b.DelAddr("eth0", vip))
	if b.Holds(vip.Addr()) {
		t.Error("the removed address still stands")
	}
}

func TestSniffer(t *testing.T) {
	l := newLab(t)
	a, b := pair(t, l)
	s := must(l.Sniff())(t)
	var begin time.Time
	answered := func() bool { // a wire just plugged may lose the first
		begin = time.Now()
		return len(must(a.WhoHas("eth0", netip.MustParseAddr("10.9.0.2"), 300*time.Millisecond))(t)) == 1
	}
	if !Until(30*time.Second, answered) || !Until(30*time.Second, func() bool { return len(s.ARPs(begin)) >= 2 }) {
		t.Fatalf("seen %v", s.ARPs(time.Time{}))
	}
	arps := s.ARPs(begin)
	if len(arps) != 2 {
		t.Fatalf("a question and an answer were seen as %d packets: %v", len(arps), arps)
	}
	if q, r := arps[0], arps[1]; q.From != a || r.From != b || q.Reply || !r.Reply || r.Sender != q.Target {
		t.Errorf("seen question %+v, answer %+v", q, r)
	}
	if time.Since(arps[0].At) > time.Minute {
		t.Errorf("kernel timestamp %v", arps[0].At)
	}
}

func TestParseAdvert(t *testing.T) {
	eth := "\x01\x00\x5e\x00\x00\x12\x02\x00\x00\x00\x00\x07\x08\x00"
	ip := "\x45\xc0\x00\x20\x00\x01\x00\x00\xff\x70\x00\x00\x0a\x09\x00\x01\xe0\x00\x00\x12"
	vrrp := "\x31\x33\x96\x01\x00\x0a\x00\x00\x0a\x09\x00\x09"
	a, ok := parseAdvert([]byte(eth + ip + vrrp))
	if !ok || a.Version != 3 || a.VRID != 51 || a.Priority != 150 ||
		a.Src.String() != "10.9.0.1" || a.Dst.String() != "224.0.0.18" || a.MAC.String() != "02:00:00:00:00:07" {
		t.Errorf("parsed %v %+v", ok, a)
	}
	for n := range len(eth + ip + vrrp[:8]) {
		if _, ok := parseAdvert([]byte((eth + ip + vrrp)[:n])); ok {
			t.Errorf("accepted %d bytes", n)
		}
	}
}

func TestParseAdvertBehindAH(t *testing.T) {
	eth := "\x01\x00\x5e\x00\x00\x12\x02\x00\x00\x00\x00\x07\x08\x00"
	ip := "\x45\xc0\x00\x40\x00\x01\x00\x00\xff\x33\x00\x00\x0a\x09\x00\x01\xe0\x00\x00\x12"
	ah := "\x70\x04\x00\x00\x0a\x09\x00\x01\x00\x00\x00\x01" + strings.Repeat("i", 12)
	vrrp := "\x21\x33\x96\x01\x02\x01\x00\x00\x0a\x09\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00"
	a, ok := parseAdvert([]byte(eth + ip + ah + vrrp))
	if !ok || a.Version != 2 || a.VRID != 51 || a.Priority != 150 || string(a.PDU) != vrrp || string(a.Frame) != eth+ip+ah+vrrp {
		t.Errorf("parsed %v %+v", ok, a)
	}
}

// TestAskFor: questions are answered, in both families, and what a host sends
// that the sniffer is to ignore is not noted.
func TestAskFor(t *testing.T) {
	l := newLab(t)
	a, b := pair(t, l)
	s := must(l.Sniff())(t)
	check(t, s.Ignore(a.MAC("eth0")))
	for _, ip := range []string{"10.9.0.2", "fd09::2"} {
		from, ip := netip.MustParseAddr("fd09::1"), netip.MustParseAddr(ip)
		check(t, a.AskFor("eth0", ip, from, 20*time.Millisecond))
		answered := func() bool {
			return slices.ContainsFunc(s.ARPs(time.Time{}), func(r ARP) bool {
				return r.From == b && r.Sender == ip && r.Reply && !r.Gratuitous() && bytes.Equal(r.MAC, b.MAC("eth0"))
			})
		}
		if !Until(30*time.Second, answered) {
			t.Errorf("nobody answers for %v: %v", ip, s.ARPs(time.Time{}))
		}
	}
	for _, r := range s.ARPs(time.Time{}) {
		if r.From == a {
			t.Errorf("noted although it was to be ignored: %+v", r)
		}
	}
}

func TestFlood(t *testing.T) {
	l := newLab(t)
	a, _ := pair(t, l)
	s := must(l.Sniff())(t)
	in := must(a.Inject("eth0"))(t)
	frames := [][]byte{whohas.Frame(a.MAC("eth0"), netip.Addr{}, netip.MustParseAddr("10.9.0.2")), whohas.Frame(a.MAC("eth0"), netip.Addr{}, netip.MustParseAddr("10.9.0.3"))}
	sent := must(in.Flood(frames, 1000, 100*time.Millisecond))(t)
	if sent == 0 || sent > 101 {
		t.Errorf("%d frames in 100 ms at 1000 a second", sent)
	}
	seen := func() (n int) {
		for _, r := range s.ARPs(time.Time{}) {
			if r.From == a {
				n++
			}
		}
		return n
	}
	if !Until(30*time.Second, func() bool { return seen() == sent }) {
		t.Errorf("%d sent, %d seen", sent, seen())
	}
}

func TestProcess(t *testing.T) {
	l := newLab(t)
	a, b := pair(t, l)
	p := must(a.Start("sh", "-c", "echo ready; sleep 60 & sleep 60"))(t)
	bystander := must(b.Start("sleep", "60"))(t)
	ready := func() bool { return strings.Contains(p.Log(), "ready") && len(a.PIDs()) == 3 }
	if !Until(30*time.Second, ready) {
		t.Fatalf("log %q", p.Log())
	}
	check(t, a.KillAll())
	if p.Err() == nil {
		t.Error("a killed process ended with status 0")
	}
	if pids := a.PIDs(); len(pids) != 0 {
		t.Errorf("left behind: %v", pids)
	}
	check(t, bystander.Signal(syscall.Signal(0)))
}

func TestDialAndListen(t *testing.T) {
	l := newLab(t)
	a, b := pair(t, l)
	ln := must(b.Listen("tcp", "10.9.0.2:80"))(t)
	defer ln.Close()
	go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "from b") }))
	client := http.Client{Transport: &http.Transport{DialContext: a.Dial, DisableKeepAlives: true}}
	req := must(http.NewRequestWithContext(context.Background(), "GET", "http://10.9.0.2/", nil))(t)
	res := must(client.Do(req))(t)
	defer res.Body.Close()
	if body := must(io.ReadAll(res.Body))(t); string(body) != "from b" {
		t.Errorf("answer %q", body)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	l := newLab(t)
	a, _ := pair(t, l)
	must(l.Sniff())(t)
	must(a.Ping(netip.MustParseAddr("10.9.0.2"), time.Millisecond))(t)
	p := must(a.Start("sleep", "60"))(t)
	check(t, l.Close())
	if p.Err() == nil {
		t.Error("the process outlived the lab")
	}
	if _, err := os.Stat(l.Dir); !os.IsNotExist(err) {
		t.Errorf("the directory outlived the lab: %v", err)
	}
	check(t, l.Close())
}
