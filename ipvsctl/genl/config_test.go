package genl

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"keepgo/ipvsctl"
)

// timeouts is what ipvsadm says of them.
func (b *bench) timeouts() string {
	b.Helper()
	return strings.TrimSpace(b.run("ipvsadm", "-l", "--timeout"))
}

// daemons is what ipvsadm says of the sync daemons.
func (b *bench) daemons() string {
	b.Helper()
	return strings.ReplaceAll(strings.TrimSpace(b.run("ipvsadm", "-l", "--daemon")), "\n", "; ")
}

// expect compares what ipvsadm says once everything is settled.
func (b *bench) expect(what, want string) {
	b.Helper()
	if err := b.Sync(); err != nil {
		b.Fatal(err)
	}
	got := b.timeouts()
	if what == "daemons" {
		got = b.daemons()
	}
	if got != want {
		b.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestIPVSTimeouts(t *testing.T) {
	b := newBench(t, -1)
	s := time.Second
	const before = "Timeout (tcp tcpfin udp): 900 120 300"
	b.expect("timeouts", before)
	b.SetTimeouts(ipvsctl.Timeouts{TCP: 1800 * s})
	b.expect("timeouts", "Timeout (tcp tcpfin udp): 1800 120 300")
	b.SetTimeouts(ipvsctl.Timeouts{TCP: 1700 * s, UDP: 42 * s})
	b.expect("timeouts", "Timeout (tcp tcpfin udp): 1700 120 42")
	if got, want := b.Replaced(), (ipvsctl.Timeouts{TCP: 900 * s, UDP: 300 * s}); got != want {
		t.Errorf("replaced %+v, want %+v", got, want)
	}

	b.run("ipvsadm", "--set", "11", "0", "0")
	if err := b.Look(); err != nil {
		t.Fatal(err)
	}
	b.expect("timeouts", "Timeout (tcp tcpfin udp): 1700 120 42")
	events := b.take()
	if len(events) != 1 || events[0].String() != "IPVS was changed by another hand and is put back: timeouts, found tcp 11 tcpfin 120 udp 42" {
		t.Errorf("events %v", events)
	}

	// A door that takes the place of another knows what to put back.
	second := b.open(-1)
	second.Resume(b.Replaced())
	second.SetTimeouts(ipvsctl.Timeouts{TCP: 1700 * s})
	if err := second.Sync(); err != nil {
		t.Fatal(err)
	}
	b.expect("timeouts", "Timeout (tcp tcpfin udp): 1700 120 300")
	if err := second.Clear(false); err != nil {
		t.Fatal(err)
	}
	b.expect("timeouts", before)
}

func TestIPVSSync(t *testing.T) {
	b := newBench(t, -1)
	b.run("ip", "link", "add", "s0", "mtu", "9000", "type", "veth", "peer", "name", "s1")
	b.run("ip", "addr", "add", "10.5.0.1/24", "dev", "s0")
	b.run("ip", "link", "set", "s0", "up")
	b.run("ip", "link", "set", "s1", "up")
	want := ipvsctl.SyncWant{Sync: ipvsctl.Sync{Link: "s0", ID: 51}}
	roles := func(r ipvsctl.SyncRole) { want.Roles = r; b.SetSync(want) }

	const backup = "backup sync daemon (mcast=s0, syncid=51, maxlen=8972, group=224.0.0.81, port=8848, ttl=1)"
	const master = "master sync daemon (mcast=s0, syncid=51, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)"
	roles(ipvsctl.SyncBackup)
	b.expect("daemons", backup)
	roles(ipvsctl.SyncMaster)
	b.expect("daemons", master)
	roles(ipvsctl.SyncMaster | ipvsctl.SyncBackup)
	b.expect("daemons", master+"; "+backup)

	pids := b.threads()
	b.SetSync(want)
	second := b.open(-1) // as after a crash
	second.SetSync(want)
	if err := second.Sync(); err != nil {
		t.Fatal(err)
	}
	b.expect("daemons", master+"; "+backup)
	if got := b.threads(); got != pids || pids == "" {
		t.Errorf("the daemons were started anew: %q, before %q", got, pids)
	}

	b.run("ipvsadm", "--stop-daemon", "master")
	if err := b.Look(); err != nil {
		t.Fatal(err)
	}
	b.expect("daemons", master+"; "+backup)
	events := b.take()
	if len(events) != 1 || !strings.HasSuffix(events[0].String(), ": sync daemon, found backup on s0 with id 51") {
		t.Errorf("events %v", events)
	}

	want.Sync = ipvsctl.Sync{Link: "s0", ID: 7, MaxLen: 500, Group: netip.MustParseAddr("ff02::99"), Port: 9000, TTL: 3}
	roles(ipvsctl.SyncMaster)
	b.eventually("IPv6 is ready on the link", func() bool { // what fails is tried again
		if err := b.Look(); err != nil {
			t.Fatal(err)
		}
		return b.daemons() == "master sync daemon (mcast=s0, syncid=7, maxlen=500, group=ff02::99, port=9000, ttl=3)"
	})
	for _, e := range b.take() {
		t.Log(e)
	}
	if err := b.Clear(false); err != nil {
		t.Fatal(err)
	}
	b.expect("daemons", "")
}

// threads are the kernel's sync threads, which change when a daemon is started
// anew.
func (b *bench) threads() string {
	b.Helper()
	return b.run("sh", "-c", "grep -lE '^(\\(?ipvs-[mb])' /proc/[0-9]*/comm | sort")
}

func TestIPVSSyncRefusals(t *testing.T) {
	b := newBench(t, -1)
	b.SetSync(ipvsctl.SyncWant{Sync: ipvsctl.Sync{Link: "nosuch0"}, Roles: ipvsctl.SyncMaster})
	b.expect("daemons", "")
	if err := b.Look(); err != nil {
		t.Fatal(err)
	}
	events := b.take()
	if len(events) != 1 || events[0].String() != "IPVS: cannot start the master sync daemon on nosuch0: no such device: there is no interface nosuch0, or it is down" {
		t.Errorf("events %v", events)
	}
	b.SetSync(ipvsctl.SyncWant{})
	b.expect("daemons", "")
	if events = b.take(); len(events) != 1 || events[0].Kind != Recovered {
		t.Errorf("events %v", events)
	}

	mixed := entry("rr", 1)
	mixed.Destinations[dest("10.0.1.1:80")] = ipvsctl.Destination{Weight: 1, Forward: ipvsctl.ForwardTunnel}
	b.set(ipvsctl.Table{tcp("[2001:db8::1]:80"): mixed})
	b.SetSync(ipvsctl.SyncWant{Sync: ipvsctl.Sync{Link: "lo"}, Roles: ipvsctl.SyncMaster})
	b.expect("daemons", "")
	if events = b.take(); len(events) != 1 || !strings.Contains(events[0].String(), "another address family") {
		t.Errorf("events %v", events)
	}
}

func TestIPVSUsageAndZero(t *testing.T) {
	b := newBench(t, -1)
	b.run("ip", "addr", "add", "10.0.0.1/32", "dev", "lo")
	b.run("ip", "addr", "add", "10.0.1.1/32", "dev", "lo")
	k := tcp("10.0.0.1:80")
	e := entry("rr", 1, "10.0.1.1:8080")
	e.Destinations[dest("10.0.1.2:8080")] = ipvsctl.Destination{}
	b.set(ipvsctl.Table{k: e, tcp("10.0.0.2:80"): entry("rr", 0)})
	b.echo("10.0.1.1:8080", "10.0.0.1:80")()
	b.eventually("the connection is counted", func() bool {
		u, err := b.Usage()
		if err != nil || len(u) != 2 || len(u[k].Servers) != 2 {
			t.Fatalf("%v, %v", u, err)
		}
		s := u[k].Servers[dest("10.0.1.1:8080")]
		return u[k].Connections == 1 && u[k].PacketsIn > 2 && u[k].BytesIn > 100 && s.Connections == 1 && s.Active == 1
	})
	if err := b.Zero(k); err != nil {
		t.Fatal(err)
	}
	b.eventually("the counters are 0", func() bool {
		u, err := b.Usage()
		if err != nil {
			t.Fatal(err)
		}
		s := u[k].Servers[dest("10.0.1.1:8080")]
		return u[k].Connections == 0 && s.Connections == 0 && s.Active == 1
	})
}

func TestIPVSClearWhole(t *testing.T) {
	b := newBench(t, -1)
	b.run("ipvsadm", "-A", "-t", "10.9.9.9:80", "-s", "rr")
	b.set(ipvsctl.Table{tcp("10.0.0.1:80"): entry("rr", 1, "10.0.1.1:80")})
	if err := b.Clear(true); err != nil {
		t.Fatal(err)
	}
	b.same(b.kernel(), nil)
	if events := b.take(); len(events) > 0 {
		t.Errorf("events %v", events)
	}
}
