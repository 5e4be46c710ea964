package nft

import (
	"net/netip"
	"strings"
	"testing"

	"keepgo/internal/netlab"
	"keepgo/ipvsctl"
)

func (w *world) marks(early bool) *Marks {
	w.t.Helper()
	var m *Marks
	w.must(w.director.Do(func() (err error) {
		m, err = OpenMarks(MarkOptions{Report: w.note, Table: "keepalived_ipvs", Early: early})
		return err
	}))
	w.t.Cleanup(m.Close)
	return m
}

// lists waits until what nft(8) lists has every text.
func (w *world) lists(texts ...string) {
	w.t.Helper()
	out := ""
	if !netlab.Until(patience, func() bool {
		out = w.nft("list", "ruleset")
		for _, s := range texts {
			if !strings.Contains(strings.Join(strings.Fields(out), " "), s) {
				return false
			}
		}
		return true
	}) {
		w.t.Fatalf("want %q in\n%s", texts, out)
	}
}

func TestMarks(t *testing.T) {
	w := newWorld(t)
	w.nft("add", "table", "ip", "keepalived_ipvs") // left by an earlier life
	m := w.marks(false)
	every := ipvsctl.ServiceKey{Protocol: 17, Addr: netip.MustParseAddr("192.0.2.100")}
	m.Set(MarkWant{Priority: -7, Marks: map[ipvsctl.ServiceKey]uint32{key(vip): 1000, key(vip6): 1000, every: 1001}})
	w.lists("table ip keepalived_ipvs", "type filter hook input priority filter - 7; policy accept;",
		"elements = { 192.0.2.100 . 80 : goto mark-1000 }", "elements = { 192.0.2.100 : goto mark-1001 }",
		"ip daddr . tcp dport vmap @tcp_map", "meta l4proto udp ip daddr vmap @udp_any_port_map", "chain mark-1001 { meta mark set 0x000003e9 }",
		"table ip6 keepalived_ipvs", "elements = { 2001:db8::100 . 80 : goto mark-1000 }")

	w.nft("delete", "table", "ip6", "keepalived_ipvs")
	w.lists("table ip6 keepalived_ipvs")
	if !netlab.Until(patience, func() bool { _, told := w.told(Repaired); return told }) {
		t.Error("nobody was told of the repair")
	}
	m.Leave(true)
	w.nft("delete", "table", "ip6", "keepalived_ipvs")
	m.Set(MarkWant{Marks: map[ipvsctl.ServiceKey]uint32{key(vip): 1005}})
	w.lists("192.0.2.100 . 80 : goto mark-1005", "priority filter;")
	if out := w.nft("list", "ruleset"); strings.Contains(out, "ip6") || strings.Contains(out, "udp") {
		t.Errorf("not wanted any more:\n%s", out)
	}
	w.must(m.Clear())
	if out := w.nft("list", "ruleset"); strings.Contains(out, "keepalived_ipvs") {
		t.Errorf("left behind:\n%s", out)
	}
	if ev, failed := w.told(Failed); failed {
		t.Error(ev.Err)
	}
}

// TestMarksBalance: what is marked early is balanced by its mark here.
func TestMarksBalance(t *testing.T) {
	w := newWorld(t)
	m := w.marks(true)
	w.set(ipvsctl.ServiceKey{FWMark: 1000}, entry("rr", "10.1.0.11:80", "10.1.0.12:80"))
	w.set(ipvsctl.ServiceKey{FWMark: 1000, IPv6: true}, entry("rr", "[fd00::11]:80", "[fd00::12]:80"))
	m.Set(MarkWant{Marks: map[ipvsctl.ServiceKey]uint32{
		key(vip): 1000, key("192.0.2.100:8080"): 1000, {Protocol: 6, Addr: netip.MustParseAddr("2001:db8::100")}: 1000,
	}})
	w.lists("table ip6 keepalived_ipvs")
	for _, to := range []string{vip, "192.0.2.100:8080", vip6, "[2001:db8::100]:99"} {
		if got := w.shares(to, 6); got["rs1"] != 3 || got["rs2"] != 3 {
			t.Errorf("%s: %v", to, got)
		}
	}
}

// TestMarksOfMany is that thousands of addresses fit.
func TestMarksOfMany(t *testing.T) {
	w := newWorld(t)
	m := w.marks(false)
	many := map[ipvsctl.ServiceKey]uint32{}
	for a := netip.MustParseAddr("10.7.0.1"); len(many) < 1<<16; a = a.Next() {
		many[ipvsctl.ServiceKey{Protocol: 6, Addr: a, Port: 80}] = 1000
	}
	m.Set(MarkWant{Marks: many})
	w.lists("10.7.0.1 . 80 : goto mark-1000", "10.8.0.0 . 80 : goto mark-1000")
}
