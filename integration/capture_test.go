package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"keepgo/internal/capture"
)

// tcpdumpLine is what tcpdump -v says of an advert.
var tcpdumpLine = regexp.MustCompile(`(?m)(\S+) > (\S+): (?:.*: )?VRRPv(\d), Advertisement, (?:\(ttl \d+\), )?vrid (\d+), prio (\d+),.* intvl (\d+)(c?)s, length \d+,? ?(.*addrs(?:\(\d+\))?: ?([^"]*?)(?: auth .*)?)?$`)

// agreesWithTCPDump reads frames with tcpdump and with us.
func agreesWithTCPDump(t *testing.T, frames [][]byte) {
	t.Helper()
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Log("needs tcpdump to compare with")
		return
	}
	var file bytes.Buffer
	w := must(capture.NewWriter(&file))(t)
	var want []string
	for _, data := range frames {
		f := capture.Frame{At: time.Unix(1e9, 0), Type: capture.Ethernet, Data: data}
		p, ok := capture.Decode(&f)
		if err := w.Write(&f); err != nil || !ok || len(p.Faults) > 0 {
			t.Errorf("%v: not read as it should be: %v %s", err, ok, p.AppendText(nil))
		}
		var o struct {
			VRRP struct{ Addresses []netip.Addr }
		}
		text := must(json.Marshal(&p))(t)
		if err := json.Unmarshal(text, &o); err != nil {
			t.Fatal(err)
		}
		v := &p.VRRP
		want = append(want, strings.TrimSpace(fmt.Sprintf("%s > %s: %d %d %d %s %s", p.Src, p.Dst, v.Version, v.VRID, v.Priority, v.Interval,
			strings.Trim(fmt.Sprint(o.VRRP.Addresses), "[]"))))
	}
	cmd := exec.Command("tcpdump", "-v", "-n", "-t", "-r", "-")
	cmd.Stdin = &file
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump: %v", err)
	}
	var got []string
	for _, m := range tcpdumpLine.FindAllStringSubmatch(string(out), -1) {
		n, _ := strconv.Atoi(m[6])
		interval := time.Duration(n) * time.Second
		if m[7] == "c" {
			interval = time.Duration(n) * 10 * time.Millisecond
		}
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s > %s: %s %s %s %s %s", m[1], m[2], m[3], m[4], m[5], interval, strings.ReplaceAll(m[9], ",", " "))))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("tcpdump reads\n%s\nand we\n%s\nof\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), out)
	}
}

// exit is the status a process ended with.
func exit(err error) int {
	if e := (*exec.ExitError)(nil); errors.As(err, &e) {
		return e.ExitCode()
	}
	return 0
}

// TestCapture: a healthy pair has no faults by its own file; against another
// file, and when a stranger speaks, the faults are told. What tcpdump writes is
// read, and what we write tcpdump reads.
func TestCapture(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ours, ours)
	k := wire{version: 2, auth: "PASS"}
	w.a.configure(confA(k).String())
	w.b.configure(confB(k).String())
	other := filepath.Join(w.lab.Dir, "other.conf")
	w.do(os.WriteFile(other, []byte(strings.Replace(confA(k).String(), "advert_int 1", "advert_int 2", 1)), 0o644))
	begin := time.Now()
	pcap := filepath.Join(w.lab.Dir, "capture.pcap")
	healthy := must(w.b.Start(keepgo, "capture", lanLink, "-f", w.b.conf, "--pcap", pcap, "--only", "vrrp", "--count", "3", "--for", "60s"))(t)
	w.a.start()
	w.eventually("the better one speaks", func() bool { return len(w.a.speaks(begin)) > 0 }) // and no other ever does
	w.b.start()
	w.becomesMaster(w.a, vip4, begin)
	if err := healthy.Err(); err != nil || !strings.Contains(healthy.Log(), "3 packets, 0 with faults") ||
		!strings.Contains(healthy.Log(), " 10.0.0.1 > 224.0.0.18 VRRPv2 vrid 51 prio 150 every 1s auth PASS 10.0.0.100\n") {
		t.Errorf("of a healthy pair: %v\n%s", err, healthy.Log())
	}
	again := must(w.b.Start(keepgo, "capture", "--read", pcap))(t)
	if err := again.Err(); err != nil || again.Log() != healthy.Log() {
		t.Errorf("read again: %v\n%s\nand not\n%s", err, again.Log(), healthy.Log())
	}
	wrong := must(w.b.Start(keepgo, "capture", lanLink, "-f", other, "--only", "vrrp", "--count", "2", "--for", "60s"))(t)
	if err := wrong.Err(); exit(err) != 1 || !strings.Contains(wrong.Log(), "has interval 1s, ours is 2s") {
		t.Errorf("by another file: %v\n%s", err, wrong.Log())
	}
	if _, err := exec.LookPath("tcpdump"); err == nil {
		theirs := filepath.Join(w.lab.Dir, "tcpdump.pcap")
		if p := must(w.b.Start("tcpdump", "-i", lanLink, "-Z", "root", "-c", "2", "-w", theirs, "proto", "112"))(t); p.Err() != nil {
			t.Fatalf("tcpdump: %s", p.Log())
		}
		if p := must(w.b.Start(keepgo, "capture", "--read", theirs, "--json"))(t); p.Err() != nil || strings.Count(p.Log(), `"vrid":51,"priority":150`) != 2 {
			t.Errorf("of tcpdump's file: %v\n%s", p.Err(), p.Log())
		}
	}
	w.naive()
	w.split(w.b)
}

// naive is a real server that answers ARP for the virtual address.
func (w *world) naive() {
	w.t.Helper()
	h := w.host("naive", 30)
	p := must(w.client.Start(keepgo, "capture", lanLink, "--for", "60s"))(w.t)
	w.eventually("an advert is heard", func() bool { return strings.Contains(p.Log(), "vrid 51") })
	w.do(h.AddAddr("lo", netip.PrefixFrom(vip4, 32)))
	w.eventually("a real server that answers is told of", func() bool {
		_, err := w.client.WhoHas(lanLink, vip4, 10*time.Millisecond)
		return err == nil && strings.Contains(p.Log(), h.MAC(lanLink).String()+" is no master of VRID 51: a real server that is not silent")
	})
	w.do(h.DelAddr("lo", netip.PrefixFrom(vip4, 32)))
	w.do(p.Signal(os.Interrupt))
	if err := p.Err(); exit(err) != 1 {
		w.t.Errorf("ends with %v", err)
	}
}

// split makes the partner a second master, which both directors' captures see.
func (w *world) split(d *director) {
	w.t.Helper()
	two := must(w.client.Start(keepgo, "capture", lanLink, "--for", "60s"))(w.t)
	w.do(w.nft(d, "add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }; add rule inet deaf in ip protocol 112 drop"))
	w.eventually("two masters are told of", func() bool {
		return strings.Contains(two.Log(), "! two masters: 10.0.0.1 (priority 150) speaks too, and is the better one")
	})
	w.eventually("its announcements are told of", func() bool {
		return strings.Contains(two.Log(), "10.0.0.100 is at "+d.MAC(lanLink).String())
	})
	w.do(two.Signal(os.Interrupt))
	if err := two.Err(); exit(err) != 1 || !strings.Contains(two.Log(), " with faults\n") {
		w.t.Errorf("ends with %v", err)
	}
}

// nft runs a script of nft on a director.
func (w *world) nft(d *director, script string) error {
	return d.Do(func() error {
		if out, err := exec.Command("nft", script).CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w: %s", err, out)
		}
		return nil
	})
}
