package genl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepgo/internal/guest"
	"keepgo/ipvsctl"
)

// TestGuest runs the tests of this file under a kernel with IPVS where the
// running one has none.
func TestGuest(t *testing.T) {
	if native() {
		t.Skip("the running kernel has IPVS: the tests run on it")
	}
	guest.Tests(t, "^TestIPVS")
}

func TestIPVSEveryShape(t *testing.T) {
	b := newBench(t, -1)
	shaped := func(s ipvsctl.Service, k string, d ipvsctl.Destination) ipvsctl.Entry {
		return ipvsctl.Entry{Service: s, Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{dest(k): d}}
	}
	want := ipvsctl.Table{
		tcp("10.0.0.1:80"): shaped(ipvsctl.Service{Scheduler: "rr"}, "10.0.1.1:8080",
			ipvsctl.Destination{Weight: 3, Upper: 100, Lower: 50}),
		key(17, "10.0.0.1:53"): shaped(ipvsctl.Service{Scheduler: "wlc", Flags: ipvsctl.FlagOnePacket}, "10.0.1.1:53",
			ipvsctl.Destination{Weight: 0, Forward: ipvsctl.ForwardDirect}),
		key(132, "10.0.0.1:9"): shaped(ipvsctl.Service{Scheduler: "wrr"}, "10.0.1.1:9",
			ipvsctl.Destination{Weight: 2147483647, Forward: ipvsctl.ForwardTunnel}),
		tcp("10.0.0.2:0"): shaped(ipvsctl.Service{Scheduler: "rr", Timeout: 360 * time.Second, Netmask4: [4]byte{255, 255, 255, 0}},
			"10.0.1.1:0", ipvsctl.Destination{Weight: 1}),
		tcp("[2001:db8::1]:80"): shaped(ipvsctl.Service{Scheduler: "rr", Timeout: 60 * time.Second, PrefixLen: 64},
			"[2001:db8::2]:80", ipvsctl.Destination{Weight: 1}),
		tcp("10.0.0.3:80"): shaped(ipvsctl.Service{Scheduler: "sh", Flags: 8 | 16}, "[2001:db8::2]:80",
			ipvsctl.Destination{Weight: 1, Forward: ipvsctl.ForwardTunnel, TunnelType: ipvsctl.TunnelGUE, TunnelPort: 6080, TunnelFlags: 1}),
		key(17, "10.0.0.4:5060"): shaped(ipvsctl.Service{Scheduler: "rr", Timeout: 10 * time.Second, Engine: "sip"},
			"10.0.1.1:5060", ipvsctl.Destination{Weight: 1}),
		{FWMark: 8}:             entry("rr", 1, "10.0.1.1:0"),
		{FWMark: 8, IPv6: true}: entry("rr", 1, "[2001:db8::2]:0"),
		tcp("[2001:db8::3]:80"): shaped(ipvsctl.Service{Scheduler: "mh", Flags: 8 | 16}, "10.0.1.1:80",
			ipvsctl.Destination{Weight: 1, Forward: ipvsctl.ForwardTunnel, TunnelType: 2, TunnelFlags: 1}),
		tcp("[2001:db8::4]:80"): shaped(ipvsctl.Service{Scheduler: "rr", Flags: 8 | 16 | 32}, "10.0.1.1:80",
			ipvsctl.Destination{Weight: 1, Forward: ipvsctl.ForwardTunnel, TunnelType: 1, TunnelPort: 7, TunnelFlags: 2}),
		tcp("10.0.0.5:80"):       {Service: ipvsctl.Service{Scheduler: "wlc"}},
		tcp("[2001:db8::1]:443"): {Service: ipvsctl.Service{Scheduler: "wlc"}},
	}
	b.set(want)
	for _, e := range b.take() {
		t.Errorf("event: %v", e.Err)
	}
	b.same(b.kernel(), want)
	got := b.saved()
	wantSaved := []string{
		"-A -f 8 -6 -s rr",
		"-A -f 8 -s rr",
		"-A -t 10.0.0.1:80 -s rr",
		"-A -t 10.0.0.2:0 -s rr -p 360 -M 255.255.255.0",
		"-A -t 10.0.0.3:80 -s sh -b sh-fallback,sh-port",
		"-A -t 10.0.0.5:80 -s wlc",
		"-A -t [2001:db8::1]:443 -s wlc",
		"-A -t [2001:db8::1]:80 -s rr -p 60 -M 64",
		"-A -t [2001:db8::3]:80 -s mh -b mh-fallback,mh-port",
		"-A -t [2001:db8::4]:80 -s rr -b flag-1,flag-2,flag-3",
		"-a -t [2001:db8::3]:80 -r 10.0.1.1:80 -i -w 1 --tun-type gre --tun-csum",
		"-a -t [2001:db8::4]:80 -r 10.0.1.1:80 -i -w 1 --tun-type gue --tun-port 7 --tun-remcsum",
		"-A -u 10.0.0.1:53 -s wlc -o",
		"-A -u 10.0.0.4:5060 -s rr -p 10 --pe sip",
		"-A --sctp-service 10.0.0.1:9 -s wrr",
		"-a -f 8 -6 -r [2001:db8::2]:0 -m -w 1",
		"-a -f 8 -r 10.0.1.1:0 -m -w 1",
		"-a -t 10.0.0.1:80 -r 10.0.1.1:8080 -m -w 3",
		"-a -t 10.0.0.2:0 -r 10.0.1.1:0 -m -w 1",
		"-a -t 10.0.0.3:80 -r [2001:db8::2]:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
		"-a -t [2001:db8::1]:80 -r [2001:db8::2]:80 -m -w 1",
		"-a -u 10.0.0.1:53 -r 10.0.1.1:53 -g -w 0",
		"-a -u 10.0.0.4:5060 -r 10.0.1.1:5060 -m -w 1",
		"-a --sctp-service 10.0.0.1:9 -r 10.0.1.1:9 -i -w 2147483647 --tun-type ipip",
	}
	slices.Sort(wantSaved)
	if diff := cmp.Diff(wantSaved, got); diff != "" {
		t.Errorf("ipvsadm -Sn (-want +got):\n%s", diff)
	}
	if err := b.Look(); err != nil {
		t.Fatal(err)
	}
	for _, e := range b.take() {
		t.Errorf("a look found something to do: %+v", e)
	}
}

func TestIPVSSchedulers(t *testing.T) {
	b := newBench(t, -1)
	want := ipvsctl.Table{}
	for i, s := range []string{"rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"} {
		want[tcp(fmt.Sprintf("10.0.0.1:%d", 1000+i))] = entry(s, 1, "10.0.1.1:80")
	}
	b.set(want)
	for _, e := range b.take() {
		t.Errorf("event: %v", e.Err)
	}
	b.same(b.kernel(), want)
}

func TestIPVSEdits(t *testing.T) {
	b := newBench(t, -1)
	k := tcp("10.0.0.1:80")
	steps := []ipvsctl.Entry{
		entry("rr", 1, "10.0.1.1:80", "10.0.1.2:80"),
		entry("wlc", 1, "10.0.1.1:80", "10.0.1.2:80"),
		entry("wlc", 7, "10.0.1.2:80", "10.0.1.3:80"),
		{Service: ipvsctl.Service{Scheduler: "sh", Timeout: time.Minute, Engine: "sip"}},
		{Service: ipvsctl.Service{Scheduler: "sh"}},
	}
	for _, e := range steps {
		b.set(ipvsctl.Table{k: e})
		b.same(b.kernel(), ipvsctl.Table{k: e})
	}
	b.set(nil, k)
	b.same(b.kernel(), nil)
	for _, e := range b.take() {
		t.Errorf("event: %+v", e)
	}
}

func TestIPVSEngineIsKeptAndTakenAway(t *testing.T) {
	b := newBench(t, -1)
	k := key(17, "10.0.0.1:5060")
	sip := ipvsctl.Service{Scheduler: "rr", Timeout: time.Minute, Engine: "sip"}
	b.set(ipvsctl.Table{k: {Service: sip}})
	sip.Scheduler = "wrr"
	b.set(ipvsctl.Table{k: {Service: sip}})
	if got, want := b.saved(), []string{"-A -u 10.0.0.1:5060 -s wrr -p 60 --pe sip"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	sip.Engine = ""
	b.set(ipvsctl.Table{k: {Service: sip}})
	if got, want := b.saved(), []string{"-A -u 10.0.0.1:5060 -s wrr -p 60"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestIPVSOthersAreLeftAlone(t *testing.T) {
	b := newBench(t, -1)
	b.run("ipvsadm", "-A", "-t", "10.9.9.9:80", "-s", "rr")
	b.run("ipvsadm", "-a", "-t", "10.9.9.9:80", "-r", "10.9.9.1:80", "-m", "-w", "4")
	others := b.kernel()
	k := tcp("10.0.0.1:80")
	b.set(ipvsctl.Table{k: entry("rr", 1, "10.0.1.1:80")})
	b.set(nil, tcp("10.9.9.9:80")) // was never ours
	if err := errors.Join(b.Look(), b.Clear(false)); err != nil {
		t.Fatal(err)
	}
	b.same(b.kernel(), others)
	b.set(ipvsctl.Table{k: entry("rr", 1, "10.0.1.1:80")})
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	b.same(b.kernel(), ipvsctl.Table{k: entry("rr", 1, "10.0.1.1:80")})
}

func TestIPVSYieldedServiceIsLeftUntilItIsSet(t *testing.T) {
	b := newBench(t, -1)
	yielded, other := tcp("10.0.0.1:80"), tcp("10.0.0.2:80")
	want := ipvsctl.Table{yielded: entry("rr", 1, "10.0.1.1:80"), other: entry("rr", 1, "10.0.1.1:80")}
	b.set(want)
	b.Yield(yielded)
	b.run("ipvsadm", "-e", "-t", "10.0.0.1:80", "-r", "10.0.1.1:80", "-m", "-w", "9")
	b.run("ipvsadm", "-D", "-t", "10.0.0.2:80")
	if err := b.Look(); err != nil {
		t.Fatal(err)
	}
	b.same(b.kernel(), ipvsctl.Table{yielded: entry("rr", 9, "10.0.1.1:80"), other: want[other]})
	b.set(ipvsctl.Table{yielded: want[yielded]})
	if err := b.Look(); err != nil {
		t.Fatal(err)
	}
	b.same(b.kernel(), want)
}

func TestIPVSLookPutsBack(t *testing.T) {
	b := newBench(t, -1)
	want := ipvsctl.Table{
		tcp("10.0.0.1:80"): entry("rr", 1, "10.0.1.1:80", "10.0.1.2:80"),
		{FWMark: 3}:        entry("wlc", 2, "10.0.1.1:0"),
	}
	b.set(want)
	for _, hand := range []struct {
		args string
		ops  int // that put it back
	}{
		{"-C", 5},
		{"-D -f 3", 2},
		{"-d -t 10.0.0.1:80 -r 10.0.1.1:80", 1},
		{"-e -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 9", 1},
		{"-e -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 1 -x 7", 1},
		{"-a -t 10.0.0.1:80 -r 10.0.1.7:80 -m", 1},
		{"-E -t 10.0.0.1:80 -s wlc -p 20", 1},
		{"-E -t 10.0.0.1:80 -s rr -p 20 --pe sip", 1},
		{"-A -t 10.7.7.7:80", 0},
		{"-D -t 10.7.7.7:80", 0},
	} {
		b.call(func() { b.look.repairs = nil })
		b.run(append([]string{"ipvsadm"}, strings.Fields(hand.args)...)...)
		if err := b.Look(); err != nil {
			t.Fatal(err)
		}
		events := b.take()
		if hand.ops == 0 && len(events) > 0 || hand.ops > 0 && (len(events) != 1 || events[0].Kind != Repaired || len(events[0].Ops) != hand.ops) {
			t.Errorf("ipvsadm %s: events %+v, want one of %d changes", hand.args, events, hand.ops)
		}
		if hand.ops > 0 {
			b.same(b.kernel(), want)
		}
	}
}

// TestIPVSFightIsToldSeldom: somebody who never stops is heard of ever less.
func TestIPVSFightIsToldSeldom(t *testing.T) {
	b := newBench(t, -1)
	want := ipvsctl.Table{tcp("10.0.0.1:80"): entry("rr", 1, "10.0.1.1:80")}
	b.set(want)
	var times []int
	for range 9 {
		b.run("ipvsadm", "-C")
		if err := b.Look(); err != nil {
			t.Fatal(err)
		}
		b.same(b.kernel(), want)
		for _, e := range b.take() {
			times = append(times, e.Times)
		}
	}
	if !slices.Equal(times, []int{1, 2, 4, 8}) {
		t.Errorf("told at the times %v", times)
	}
}

func TestIPVSLeave(t *testing.T) {
	b := newBench(t, -1)
	k, gone := tcp("10.0.0.1:80"), tcp("10.0.0.2:80")
	b.set(ipvsctl.Table{k: entry("rr", 1, "10.0.1.1:80", "10.0.1.2:80"), gone: entry("rr", 1)})
	b.SetTimeouts(ipvsctl.Timeouts{UDP: 77 * time.Second})
	b.Leave(true)
	b.run("ipvsadm", "-D", "-t", "10.0.0.2:80")
	b.run("ipvsadm", "-d", "-t", "10.0.0.1:80", "-r", "10.0.1.1:80")
	b.run("ipvsadm", "--set", "0", "0", "99")
	left := ipvsctl.Table{k: entry("rr", 1, "10.0.1.2:80")}
	if err := b.Look(); err != nil {
		t.Fatal(err)
	}
	b.same(b.kernel(), left)
	if got := b.timeouts(); !strings.Contains(got, " 99") {
		t.Errorf("timeouts %s", got)
	}
	b.set(ipvsctl.Table{gone: entry("wlc", 1)}) // what is wanted anew still comes
	left[gone] = entry("wlc", 1)
	b.same(b.kernel(), left)
	if events := b.take(); len(events) > 0 {
		t.Errorf("events %+v", events)
	}
	b.Leave(false)
	if err := b.Look(); err != nil {
		t.Fatal(err)
	}
	left[k] = entry("rr", 1, "10.0.1.1:80", "10.0.1.2:80")
	b.same(b.kernel(), left)
}

func TestIPVSRepairsByItself(t *testing.T) {
	b := newBench(t, 20*time.Millisecond)
	want := ipvsctl.Table{tcp("10.0.0.1:80"): entry("rr", 1, "10.0.1.1:80")}
	b.set(want)
	b.run("ipvsadm", "-C")
	b.eventually("the service is put back", func() bool { return len(b.kernel()) == 1 })
	b.eventually("the repair is told", func() bool {
		return slices.ContainsFunc(b.take(), func(e Event) bool { return e.Kind == Repaired })
	})
}

func TestIPVSChangeAfterAnotherHand(t *testing.T) {
	b := newBench(t, -1)
	k := tcp("10.0.0.1:80")
	for _, hand := range []string{
		"-a -t 10.0.0.1:80 -r 10.0.1.2:80 -m -w 9", // added already
		"-d -t 10.0.0.1:80 -r 10.0.1.1:80",         // missing on edit
		"-D -t 10.0.0.1:80",                        // no service
	} {
		b.set(ipvsctl.Table{k: entry("rr", 1, "10.0.1.1:80")})
		b.run(append([]string{"ipvsadm"}, strings.Fields(hand)...)...)
		want := entry("rr", 2, "10.0.1.1:80", "10.0.1.2:80")
		b.set(ipvsctl.Table{k: want})
		b.same(b.kernel(), ipvsctl.Table{k: want})
		for _, e := range b.take() {
			t.Errorf("ipvsadm %s: event %+v", hand, e)
		}
	}
	b.run("ipvsadm", "-C")
	b.set(nil, k) // missing on delete
	for _, e := range b.take() {
		t.Errorf("event %+v", e)
	}
}

func TestIPVSThousandServers(t *testing.T) {
	b := newBench(t, -1)
	k := tcp("10.0.0.1:80")
	var addrs []string
	for i := range 1000 {
		addrs = append(addrs, fmt.Sprintf("10.1.%d.%d:80", i/250, 1+i%250))
	}
	for _, want := range []ipvsctl.Entry{entry("rr", 1, addrs...), entry("rr", 2, addrs[500:]...), entry("rr", 2)} {
		b.set(ipvsctl.Table{k: want})
		b.same(b.kernel(), ipvsctl.Table{k: want})
	}
	for _, e := range b.take() {
		t.Errorf("event: %+v", e)
	}
}

// TestIPVSThousandServicesGone: however much another hand removes, it comes back
// in one go and in one line.
func TestIPVSThousandServicesGone(t *testing.T) {
	b := newBench(t, -1)
	want := ipvsctl.Table{}
	for i := range 1000 {
		want[tcp(fmt.Sprintf("10.0.%d.%d:80", i/250, 1+i%250))] = entry("rr", 1, "10.1.1.1:80", "10.1.1.2:80", "10.1.1.3:80", "10.1.1.4:80")
	}
	begin := time.Now()
	b.set(want)
	t.Logf("5000 changes in %v", time.Since(begin))
	b.run("ipvsadm", "-C")
	begin = time.Now()
	if err := b.Look(); err != nil {
		t.Fatal(err)
	}
	t.Logf("a look that puts all back in %v", time.Since(begin))
	b.same(b.kernel(), want)
	events := b.take()
	if len(events) != 1 || len(events[0].Ops) != 5000 || !strings.HasSuffix(events[0].String(), ", and 4997 more changes") {
		t.Errorf("%d events, %v", len(events), events)
	}
	begin = time.Now()
	if err := b.Look(); err != nil {
		t.Fatal(err)
	}
	t.Logf("a look that finds nothing in %v", time.Since(begin))
}

func TestIPVSRefusals(t *testing.T) {
	b := newBench(t, -1)
	k := tcp("10.0.0.1:80")
	good := ipvsctl.Destination{Weight: 1}
	for _, c := range []struct {
		scheduler, server string

		d    ipvsctl.Destination
		want string
	}{
		{"nosuch", "10.0.1.1:80", good,
			`IPVS: cannot add service [10.0.0.1]:tcp:80: no such file or directory: the kernel has no scheduler "nosuch"; load ip_vs_nosuch, or choose another lvs_sched`},
		{"rr", "10.0.1.1:80", ipvsctl.Destination{Weight: 1, Upper: 5, Lower: 6},
			"IPVS: cannot add server [10.0.1.1]:tcp:80 of [10.0.0.1]:tcp:80: numerical result out of range: lthreshold 6 is above uthreshold 5"},
		{"rr", "[2001:db8::1]:80", good,
			"IPVS: cannot add server [2001:db8::1]:tcp:80 of [10.0.0.1]:tcp:80: invalid argument: a server of another address family than the service's can be reached by lvs_method TUN only"},
		{"rr", "224.0.0.1:80", good,
			"IPVS: cannot add server [224.0.0.1]:tcp:80 of [10.0.0.1]:tcp:80: invalid argument: the kernel takes a unicast address only, and not an IPv6 link-local one; in a network namespace without any address it takes none: set lo up"},
	} {
		e := entry(c.scheduler, 1, "10.0.1.8:80", "10.0.1.9:80")
		e.Destinations[dest(c.server)] = c.d
		b.set(ipvsctl.Table{k: e})
		b.set(ipvsctl.Table{k: e}) // the same failure is told once
		events := b.take()
		if len(events) != 1 || events[0].Kind != Failed || events[0].Service != k || events[0].Err.Error() != c.want {
			t.Errorf("events %+v, want %q", events, c.want)
		}
		good := entry("rr", 1, "10.0.1.8:80", "10.0.1.9:80")
		if c.scheduler == "rr" {
			b.same(b.kernel(), ipvsctl.Table{k: good}) // one bad server holds nobody back
		}
		b.set(ipvsctl.Table{k: good})
		if events = b.take(); len(events) != 1 || events[0].Kind != Recovered {
			t.Errorf("%s %s: events %+v, want recovery", c.scheduler, c.server, events)
		}
		b.same(b.kernel(), ipvsctl.Table{k: good})
		b.set(nil, k)
	}
}

func TestIPVSModuleGoneAndBack(t *testing.T) {
	b := newBench(t, -1)
	if !guest.Inside() {
		t.Skip("unloads a kernel module: in a guest only")
	}
	want := ipvsctl.Table{tcp("10.0.0.1:80"): entry("rr", 1, "10.0.1.1:80")}
	b.set(want)
	b.run("ipvsadm", "-C")
	b.run("sh", "-c", "modprobe -r $(grep -o '^ip_vs_[a-z_]*' /proc/modules) ip_vs")
	if err := errors.Join(b.Look(), b.Look()); err != nil {
		t.Fatal(err)
	}
	b.same(b.kernel(), want)
}
