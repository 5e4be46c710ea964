package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func addrs(list ...string) (out []Address) {
	for _, a := range list {
		out = append(out, Address{Addr: netip.MustParseAddr(a), Link: "lo", Index: 1})
	}
	return out
}

// everything is a want that uses every set.
var everything = Want{
	Drop: addrs("10.1.0.9", "2001:db8::9", "fe80::99"),
	Guards: []Guard{
		{Link: "lo", Index: 1, Base: 1, IPv4: true},
		{Link: "vrrp.52", Index: 1, Base: 1, IPv6: true, Shared: netip.MustParseAddr("fe80::1")},
	},
}

// TestRuleset holds the whole tables against testdata; KEEPGO_GOLDEN=1 rewrites it.
func TestRuleset(t *testing.T) {
	for name, o := range map[string]Options{
		"default": {Priority: DefaultPriority},
		"index":   {Priority: 5, Table: "other", ByIndex: true, Counters: true},
		"drop":    {Priority: DefaultPriority, DropReports: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.open(o)
			w.set(d, 1, everything)
			got := w.nft("list", "ruleset")
			golden := filepath.Join("testdata", name+".nft")
			if os.Getenv("KEEPGO_GOLDEN") != "" {
				w.must(os.WriteFile(golden, []byte(got), 0o644))
			}
			want, err := os.ReadFile(golden)
			w.must(err)
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			w.set(d, 1, Want{})
			if got := w.nft("list", "ruleset"); got != "" {
				t.Errorf("left behind:\n%s", got)
			}
		})
	}
}

func TestElementsComeAndGo(t *testing.T) {
	w := newWorld(t)
	d := w.open(Options{})
	w.set(d, 1, Want{Drop: addrs("10.1.0.9", "10.1.0.10")})
	chain := w.nft("-a", "list", "chain", "ip", "keepalived", "in")
	w.set(d, 2, Want{Drop: addrs("10.1.0.10", "10.1.0.11", "2001:db8::1")})
	w.set(d, 1, Want{})
	set := w.nft("list", "set", "ip", "keepalived", "vips")
	if !strings.Contains(set, "elements = { 10.1.0.10, 10.1.0.11 }") {
		t.Error(set)
	}
	if now := w.nft("-a", "list", "chain", "ip", "keepalived", "in"); now != chain {
		t.Errorf("the table was built anew:\n%s%s", chain, now)
	}
	w.set(d, 2, Want{Drop: addrs("2001:db8::1")})
	if all := w.nft("list", "ruleset"); strings.Contains(all, "table ip ") || !strings.Contains(all, "table ip6 ") {
		t.Error(all)
	}
}

func TestBaseChanges(t *testing.T) {
	w := newWorld(t)
	d := w.open(Options{})
	guard := Guard{Link: "vrrp.51", Index: 7, Base: 1, IPv4: true}
	w.set(d, 1, Want{Guards: []Guard{guard}})
	guard.Base = 99
	w.set(d, 1, Want{Guards: []Guard{guard}})
	// nft lists the bytes of the index as a number in network byte order.
	want := fmt.Sprintf(`elements = { "vrrp.51" : %d }`, binary.BigEndian.Uint32([]byte(indexKey(99))))
	if got := w.nft("list", "map", "ip", "keepalived", "vmac_map"); !strings.Contains(got, want) {
		t.Error(got)
	}
}

func TestManyAddresses(t *testing.T) {
	w := newWorld(t)
	d := w.open(Options{})
	var want Want
	for i := range 5000 {
		want.Drop = append(want.Drop,
			Address{Addr: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})},
			Address{Addr: netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 14: byte(i >> 8), 15: byte(i)})})
	}
	w.set(d, 1, want)
	for _, family := range []string{"ip", "ip6"} {
		if n := strings.Count(w.nft("-j", "list", "set", family, "keepalived", "vips"), `"10.1.`) +
			strings.Count(w.nft("-j", "list", "set", family, "keepalived", "vips"), `"2001:`); n != 5000 {
			t.Errorf("%s: %d elements", family, n)
		}
	}
	w.set(d, 1, Want{Drop: want.Drop[:2]})
	if got := w.nft("list", "set", "ip", "keepalived", "vips"); !strings.Contains(got, "elements = { 10.1.0.0 }") {
		t.Error(got)
	}
}

func TestForeignHandsAreRepaired(t *testing.T) {
	for _, hand := range []string{
		"flush ruleset",
		"delete table ip keepalived",
		"flush table ip keepalived",
		"flush set ip keepalived vips",
		"delete element ip keepalived vips { 10.1.0.9 }",
		"add table ip keepalived { flags dormant; }",
	} {
		t.Run(hand, func(t *testing.T) {
			w := newWorld(t)
			d := w.open(Options{})
			w.set(d, 1, Want{Drop: addrs("10.1.0.9", "2001:db8::1")})
			want := w.nft("list", "ruleset")
			w.nft(hand)
			if e := w.expect(Restored); !strings.HasPrefix(e.By, "nft (process ") {
				t.Errorf("by %q", e.By)
			}
			if got := w.nft("list", "ruleset"); got != want {
				t.Error(cmp.Diff(want, got))
			}
		})
	}
}

func TestFightIsSlow(t *testing.T) {
	w := newWorld(t)
	d := w.open(Options{})
	w.set(d, 1, Want{Drop: addrs("10.1.0.9")})
	for range 3 {
		w.nft("flush ruleset")
		w.expect(Restored)
	}
	w.until("the table", func(all string) bool { return strings.Contains(all, "10.1.0.9") })
}

func TestOthersAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.nft("add table ip mine { chain c { type filter hook input priority 0; }; }")
	mine := w.nft("list", "table", "ip", "mine")
	w.nft("add table ip keepalived { chain old { }; }")
	d := w.open(Options{})
	w.set(d, 1, everything)
	if got := w.nft("list", "table", "ip", "keepalived"); strings.Contains(got, "old") {
		t.Errorf("an earlier life's table stands:\n%s", got)
	}
	w.nft("add chain ip mine second")
	w.nft("delete chain ip mine second")
	w.set(d, 1, Want{})
	w.must(d.Close())
	if got := w.nft("list", "ruleset"); got != mine {
		t.Errorf("got\n%s", got)
	}
	for _, e := range w.events {
		if e.Kind != Applied {
			t.Errorf("told %+v", e)
		}
	}
}

func TestLeftoversGoThoughNothingIsWanted(t *testing.T) {
	w := newWorld(t)
	w.nft("add table ip6 keepalived { chain old { }; }")
	d := w.open(Options{})
	w.set(d, 1, Want{})
	if got := w.nft("list", "ruleset"); got != "" {
		t.Error(got)
	}
}

func TestCloseLeavesWhatIsWanted(t *testing.T) {
	w := newWorld(t)
	d := w.open(Options{})
	d.Set(1, Want{Drop: addrs("10.1.0.9")})
	w.must(d.Close())
	w.expect(Applied)
	if got := w.nft("list", "ruleset"); !strings.Contains(got, "10.1.0.9") {
		t.Error(got)
	}
	d = w.open(Options{})
	w.set(d, 1, Want{Drop: addrs("10.1.0.10")})
	if got := w.nft("list", "ruleset"); strings.Contains(got, "10.1.0.9") || !strings.Contains(got, "10.1.0.10") {
		t.Error(got)
	}
}

func TestFailureIsToldOnceAndHealed(t *testing.T) {
	w := newWorld(t)
	d := w.open(Options{Table: strings.Repeat("x", 300)})
	d.Set(1, Want{Drop: addrs("10.1.0.9")})
	t.Log(w.expect(Failed).Err)
	d.Set(1, Want{})
	w.expect(Applied)
}

func TestElementsWithoutInterface(t *testing.T) {
	byIndex, byName := &Options{ByIndex: true}, &Options{}
	vip := Address{Addr: netip.MustParseAddr("fe80::1"), Link: "eth0"}
	if got := byIndex.elements(Want{Drop: []Address{vip, {}}, Guards: []Guard{{Link: "a", Base: 1, IPv4: true}}}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	got := byName.elements(Want{Drop: []Address{vip}, Guards: []Guard{{Link: "a", IPv6: true}}})
	if len(got) != 2 || got[0].set != linkVIPs || len(got[0].key) != 32 || got[1].set != quiet6 {
		t.Errorf("got %v", got)
	}
}

func TestKernelWithoutNFTables(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT} {
		err := explain(fmt.Errorf("receive: %w", errno))
		if !strings.Contains(err.Error(), "modprobe nf_tables") || !errors.Is(err, errno) {
			t.Error(err)
		}
	}
	if err := explain(unix.EPERM); !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Error(err)
	}
}
