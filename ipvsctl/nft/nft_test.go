package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"keepgo/internal/netlab"
	"keepgo/ipvsctl"
)

const vip, vip6 = "192.0.2.100:80", "[2001:db8::100]:80"

func TestBalances(t *testing.T) {
	w := newWorld(t)
	w.set(key(vip), entry("wrr", "10.1.0.11:80*3", "10.1.0.12:80*1"))
	if got := w.shares(vip, 40); got["rs1"] != 30 || got["rs2"] != 10 {
		t.Errorf("wrr 3:1 gave %v", got)
	}
	usage, err := w.door.Usage()
	w.must(err)
	if n := usage[key(vip)].Servers[destination("10.1.0.11:80")]; n.Connections != 30 || n.PacketsIn < 90 || n.BytesOut == 0 {
		t.Errorf("counters of rs1: %+v", n)
	}
	w.set(key(vip), entry("wrr", "10.1.0.11:80*997", "10.1.0.12:80*991")) // many slots
	w.set(key(vip), entry("wrr", "10.1.0.11:80*1009", "10.1.0.12:80*1013"))
	if got := w.shares(vip, 20); got["rs1"] < 9 || got["rs2"] < 9 {
		t.Errorf("about equal weights gave %v", got)
	}
	w.set(key(vip6), entry("rr", "[fd00::11]:80", "[fd00::12]:80"))
	if got := w.shares(vip6, 20); got["rs1"] != 10 || got["rs2"] != 10 {
		t.Errorf("rr over IPv6 gave %v", got)
	}
	w.nft("list", "ruleset") // its author can read it
}

func destination(s string) ipvsctl.DestKey {
	a := netip.MustParseAddrPort(s)
	return ipvsctl.DestKey{Addr: a.Addr(), Port: a.Port()}
}

// A connection stays where it is, whatever changes around it.
func TestConnectionsStay(t *testing.T) {
	w := newWorld(t)
	w.set(key(vip), entry("rr", "10.1.0.11:80"))
	c, err := w.dial(vip)
	w.must(err)
	defer c.Close()
	for _, next := range []ipvsctl.Entry{
		entry("rr", "10.1.0.11:80", "10.1.0.12:80"),
		entry("wrr", "10.1.0.11:80*0", "10.1.0.12:80*7"),
		entry("sh", "10.1.0.12:80"),
	} {
		w.set(key(vip), next)
		if got := w.ask(c); got != "rs1 192.0.2.2" {
			t.Errorf("after a change to %v the connection is with %q", next, got)
		}
	}
	if got := w.shares(vip, 4); got["rs2"] != 4 {
		t.Errorf("new connections go to %v", got)
	}
	w.must(w.door.Clear())
	if got := w.nft("list", "tables"); strings.Contains(got, TableName) {
		t.Errorf("left behind: %s", got)
	}
}

// A table goes with its last service, and comes again; those of others do not
// notice.
func TestTablesGoWithServices(t *testing.T) {
	w := newWorld(t)
	tables := func(want ...string) {
		t.Helper()
		got := slices.Sorted(strings.Lines(w.nft("list", "tables")))
		if !cmp.Equal(got, want, cmpopts.EquateEmpty()) {
			t.Errorf("tables %q, want %q", got, want)
		}
	}
	const ip, ip6, direct = "table ip " + TableName + "\n", "table ip6 " + TableName + "\n", "table netdev " + TableName + "_direct4\n"
	four, six := entry("rr", "10.1.0.11:80"), entry("rr", "[fd00::11]:80")
	w.set(key(vip), four)
	w.set(key(vip6), six)
	tables(ip, ip6)
	c, err := w.dial(vip)
	w.must(err)
	defer c.Close()
	w.door.Set(nil, []ipvsctl.ServiceKey{key(vip6)})
	w.must(w.door.Sync())
	tables(ip)
	if got := w.ask(c); got != "rs1 192.0.2.2" {
		t.Errorf("a connection of the other family is with %q", got)
	}
	w.set(key(vip6), six)
	if got := w.shares(vip6, 2); got["rs1"] != 2 {
		t.Errorf("that came again answers %v", got)
	}
	w.set(key(vip), directly("rr", "10.1.0.11:80")) // to another table of the family
	tables(ip6, direct)
	w.set(key(vip), four)
	tables(ip, ip6)
	if got := w.shares(vip, 2); got["rs1"] != 2 {
		t.Errorf("that moved to and fro answers %v", got)
	}
	w.door.Close()
	w.door = w.open() // another life, where nothing is wanted of one family
	w.set(key(vip), four)
	tables(ip)
	w.nft("flush", "chain", "ip", TableName, "prerouting")
	w.door.Set(nil, []ipvsctl.ServiceKey{key(vip)})
	w.must(w.door.Sync())
	tables()
}

func TestPersistence(t *testing.T) {
	w := newWorld(t)
	e := entry("rr", "10.1.0.11:80", "10.1.0.12:80")
	e.Service.Timeout = time.Minute
	w.set(key(vip), e)
	got := w.shares(vip, 10)
	if len(got) != 1 {
		t.Fatalf("one client was sent to %v", got)
	}
	// Its server stays the client's while it has weight 0, and no longer.
	here := destination("10.1.0.11:80")
	if got["rs2"] > 0 {
		here = destination("10.1.0.12:80")
	}
	e.Destinations[here] = ipvsctl.Destination{Weight: 0}
	w.set(key(vip), e)
	if again := w.shares(vip, 4); !cmp.Equal(again, map[string]int{first(got): 4}) {
		t.Errorf("with weight 0 the client went to %v, before to %v", again, got)
	}
	delete(e.Destinations, here)
	w.set(key(vip), e)
	if again := w.shares(vip, 4); again[first(got)] != 0 {
		t.Errorf("a server that is gone still gets %v", again)
	}
}

func first(m map[string]int) string {
	for k := range m {
		return k
	}
	return ""
}

func TestFullNAT(t *testing.T) {
	w := newWorld(t)
	e := entry("rr", "10.1.0.11:80")
	for _, c := range []struct{ source, seen string }{
		{"", "rs1 192.0.2.2"},
		{ipvsctl.AutoSource, "rs1 10.1.0.1"},
		{"10.1.0.7", "rs1 10.1.0.7"},
	} {
		e.Service.Source = c.source
		w.set(key(vip), e)
		conn, err := w.dial(vip)
		w.must(err)
		if got := w.ask(conn); got != c.seen {
			t.Errorf("source %q: the server saw %q, want %q", c.source, got, c.seen)
		}
		conn.Close()
	}
}

func TestWithoutServer(t *testing.T) {
	w := newWorld(t)
	w.set(key(vip), entry("rr"))
	if c, err := w.dial(vip); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a service without servers answers %v, %v", c, err)
	}
	w.set(key(vip), entry("rr", "10.1.0.12:80"))
	if got := w.shares(vip, 2); got["rs2"] != 2 {
		t.Errorf("then %v", got)
	}
}

func TestAnyPortAndMark(t *testing.T) {
	w := newWorld(t)
	e := entry("rr", "10.1.0.11:0")
	e.Service.Timeout = time.Minute
	w.set(key("192.0.2.100:0"), e)
	if got := w.shares(vip, 2); got["rs1"] != 2 {
		t.Errorf("port 0 gave %v", got)
	}
	w.door.Set(nil, []ipvsctl.ServiceKey{key("192.0.2.100:0")})
	w.nft("-f", "/dev/stdin") // no input: nft is there
	w.nft("add table ip mangle; add chain ip mangle pre { type filter hook prerouting priority mangle; }; add rule ip mangle pre ip daddr 192.0.2.100 tcp dport 80 meta mark set 7")
	w.set(ipvsctl.ServiceKey{FWMark: 7}, entry("rr", "10.1.0.12:80"))
	if got := w.shares(vip, 2); got["rs2"] != 2 {
		t.Errorf("mark 7 gave %v", got)
	}
}

func TestRepairs(t *testing.T) {
	w := newWorld(t)
	w.set(key(vip), entry("rr", "10.1.0.11:80"))
	w.nft("add", "table", "ip", "theirs")
	for _, harm := range []string{"flush ruleset", "delete table ip " + TableName, "flush chain ip " + TableName + " prerouting", "flush map ip " + TableName + " services"} {
		w.nft(strings.Fields(harm)...)
		var ev Event
		ok := netlab.Until(patience, func() (told bool) { ev, told = w.told(Repaired); return told })
		if !ok || !strings.Contains(ev.By, "nft") {
			t.Fatalf("%s: not repaired, or by nobody: %+v", harm, ev)
		}
		if got := w.shares(vip, 1); got["rs1"] != 1 {
			t.Errorf("after %s: %v", harm, got)
		}
	}
	w.door.Leave(true)
	w.nft("flush", "map", "ip", TableName, "services")
	w.set(key(vip6), entry("rr", "[fd00::11]:80")) // the door has heard of it by the time this stands
	if got, err := w.door.Read(); err != nil || len(got) != 1 {
		t.Errorf("what was to be left is %v, %v", got, err)
	}
	w.nft("add", "table", "ip", "theirs")
	w.must(w.door.Clear())
	if got := w.nft("list", "tables"); strings.TrimSpace(got) != "table ip theirs" {
		t.Errorf("in the end there is %q", got)
	}
}

// A new life goes on with what stands, memory and counters too.
func TestAdopts(t *testing.T) {
	w := newWorld(t)
	e := entry("rr", "10.1.0.11:80", "10.1.0.12:80")
	e.Service.Timeout = time.Minute
	w.set(key(vip), e)
	before := w.shares(vip, 2)
	w.door.Close()
	w.door = w.open()
	w.set(key(vip), e)
	if after := w.shares(vip, 2); !cmp.Equal(before, after) {
		t.Errorf("the client went to %v, then to %v", before, after)
	}
	usage, err := w.door.Usage()
	w.must(err)
	if n := usage[key(vip)].Connections; n != 4 {
		t.Errorf("%d connections were counted, want 4", n)
	}
}

func TestRefuses(t *testing.T) {
	w := newWorld(t)
	bad := entry("wlc", "10.1.0.11:80")
	bad.Destinations[destination("10.1.0.11:80")] = ipvsctl.Destination{Forward: ipvsctl.ForwardTunnel, Upper: 5}
	w.set(key(vip), entry("rr", "10.1.0.11:80"))
	err := w.door.Set(ipvsctl.Table{key(vip): bad}, nil)[key(vip)]
	if err == nil {
		t.Fatal("not refused")
	}
	w.must(w.door.Sync())
	for _, word := range []string{"wlc", "use wrr", "TUN", "uthreshold"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in: %v", word, err)
		}
	}
	if stands, err := w.door.Read(); err != nil || len(stands) != 0 {
		t.Errorf("what was refused stands: %v %v", stands, err)
	}
}

// What was set is what is read back, after any sequence of changes.
func TestReadsBack(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(t *rapid.T) {
		want, err := w.door.Read()
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 3).Draw(t, "steps") {
			changed, removed := ipvsctl.Table{}, []ipvsctl.ServiceKey{}
			for _, k := range rapid.SliceOfN(anyKey(), 0, 4).Draw(t, "keys") {
				if _, twice := changed[k]; twice {
					continue
				}
				if delete(want, k); rapid.Bool().Draw(t, "remove") {
					removed = append(removed, k)
					continue
				}
				e := anyEntry(t, k).Canonical(k)
				changed[k], want[k] = e, e
			}
			removed = without(removed, changed)
			if refused := w.door.Set(changed, removed); refused != nil {
				t.Fatal(refused)
			}
		}
		w.door.Sync()
		if ev, failed := w.told(Failed); failed {
			t.Fatal(ev.Err)
		}
		got, err := w.door.Read()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Fatalf("wanted - got +\n%s", diff)
		}
	})
	w.nft("list", "ruleset")
}

func without(list []ipvsctl.ServiceKey, t ipvsctl.Table) (out []ipvsctl.ServiceKey) {
	for _, k := range list {
		if _, there := t[k]; !there {
			out = append(out, k)
		}
	}
	return out
}

func anyKey() *rapid.Generator[ipvsctl.ServiceKey] {
	return rapid.Custom(func(t *rapid.T) ipvsctl.ServiceKey {
		k := ipvsctl.ServiceKey{Protocol: rapid.SampledFrom([]uint8{6, 17, 132}).Draw(t, "protocol")}
		k.Port = rapid.SampledFrom([]uint16{0, 53, 80}).Draw(t, "port")
		k.Addr = rapid.SampledFrom([]netip.Addr{netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("2001:db8::100")}).Draw(t, "vip")
		if rapid.IntRange(0, 4).Draw(t, "mark") == 0 {
			k = ipvsctl.ServiceKey{FWMark: rapid.Uint32Range(1, 3).Draw(t, "value"), IPv6: rapid.Bool().Draw(t, "six")}
		}
		return k.Canonical()
	})
}

func anyEntry(t *rapid.T, k ipvsctl.ServiceKey) ipvsctl.Entry {
	e := ipvsctl.Entry{Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
	e.Service.Scheduler = rapid.SampledFrom([]string{"rr", "wrr", "sh", "mh", "dh", "fo", "random"}).Draw(t, "scheduler")
	e.Service.Flags = rapid.SampledFrom([]uint32{0, flagHashPort}).Draw(t, "flags")
	e.Service.Timeout = time.Duration(rapid.SampledFrom([]int{0, 0, 5, 300}).Draw(t, "timeout")) * time.Second
	if e.Service.Timeout > 0 {
		e.Service.Netmask4 = rapid.SampledFrom([][4]byte{{}, {255, 255, 255, 0}}).Draw(t, "mask")
		e.Service.PrefixLen = rapid.SampledFrom([]uint8{0, 64}).Draw(t, "prefix")
	}
	if k.FWMark == 0 {
		sources := []string{"", ipvsctl.AutoSource, "10.1.0.7 10.1.0.1"}
		if k.IPv6 {
			sources[2] = "fd00::7 fd00::1"
		}
		e.Service.Source = rapid.SampledFrom(sources).Draw(t, "source")
	}
	forward := ipvsctl.ForwardNAT
	if k.FWMark == 0 && e.Service.Source == "" && rapid.Bool().Draw(t, "direct") {
		forward = ipvsctl.ForwardDirect
	}
	port := rapid.SampledFrom([]uint16{0, 80}).Draw(t, "server port")
	for i := range rapid.IntRange(0, 3).Draw(t, "servers") {
		a := netip.MustParseAddr(fmt.Sprintf("10.1.0.1%d", i))
		if k.IPv6 {
			a = netip.MustParseAddr(fmt.Sprintf("fd00::1%d", i))
		}
		e.Destinations[ipvsctl.DestKey{Addr: a, Port: port}] = ipvsctl.Destination{Weight: rapid.Uint32Range(0, 5).Draw(t, "weight"), Forward: forward}
	}
	return e
}

// many are n services with four servers each.
func many(n int) ipvsctl.Table {
	table := ipvsctl.Table{}
	for i := range n {
		k := key(fmt.Sprintf("192.0.%d.%d:80", 2+i/250, i%250+1))
		var dests []string
		for s := range 4 {
			dests = append(dests, fmt.Sprintf("10.1.%d.%d:80*%d", i/60, i%60*4+s+1, s+1))
		}
		table[k] = entry("wrr", dests...)
	}
	return table
}

// Our own changes, however many, are not taken for those of others: nothing is
// built twice.
func TestManyServices(t *testing.T) {
	w := newWorld(t)
	w.door.Set(many(1000), nil)
	w.must(w.door.Sync())
	one := key("192.0.2.7:80")
	generation := w.nft("-a", "list", "chain", "ip", TableName, "tcp-192.0.2.9-80")
	for i := range 3 {
		e := many(7)[one]
		e.Destinations[destination("10.1.0.199:80")] = ipvsctl.Destination{Weight: uint32(i)}
		w.set(one, e)
	}
	if now := w.nft("-a", "list", "chain", "ip", TableName, "tcp-192.0.2.9-80"); now != generation {
		t.Errorf("a service that did not change is another:\n%s\nbefore:\n%s", now, generation)
	}
	for _, k := range []Kind{Failed, Repaired} {
		if ev, told := w.told(k); told {
			t.Errorf("told: %+v", ev)
		}
	}
	if got, err := w.door.Read(); err != nil || len(got) != 1000 || len(got[one].Destinations) != 5 {
		t.Errorf("%d services stand, %d servers: %v", len(got), len(got[one].Destinations), err)
	}
}

// Programming many services is one transaction.
func BenchmarkProgram(b *testing.B) {
	w := newWorld(b)
	table := many(1000)
	for b.Loop() {
		w.door.Set(table, nil)
		w.must(w.door.Sync())
		if ev, failed := w.told(Failed); failed {
			b.Fatal(ev.Err)
		}
		b.StopTimer()
		w.must(w.door.Clear())
		b.StartTimer()
	}
}

// A change of one service among many.
func BenchmarkChange(b *testing.B) {
	w := newWorld(b)
	w.door.Set(many(1000), nil)
	w.must(w.door.Sync())
	one := key("192.0.2.7:80")
	i := uint32(0)
	for b.Loop() {
		i++
		e := many(7)[one]
		e.Destinations[destination("10.1.0.199:80")] = ipvsctl.Destination{Weight: i%7 + 1}
		w.door.Set(ipvsctl.Table{one: e}, nil)
		w.must(w.door.Sync())
	}
}
