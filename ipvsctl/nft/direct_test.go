package nft

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"keepgo/internal/netlab"
	"keepgo/ipvsctl"
)

// direct puts the servers into the clients' network too, where they hold the
// virtual addresses silently, and tells the door the ways to them.
func (w *world) direct() {
	w.t.Helper()
	for i, h := range w.server {
		outside := prefixes(fmt.Sprintf("192.0.2.1%d/24", i+1), fmt.Sprintf("2001:db8::1%d/64", i+1))
		w.must(h.Sysctl("net/ipv4/conf/all/arp_ignore", "1"))
		w.must(h.Sysctl("net/ipv4/conf/all/arp_announce", "2"))
		w.must(h.Attach("eth1", w.outside, outside...))
		w.must(h.Sysctl("net/ipv6/conf/lo/accept_dad", "0"))
		w.must(h.AddAddr("lo", netip.MustParsePrefix("192.0.2.100/32")))
		w.must(h.AddAddr("lo", netip.MustParsePrefix("2001:db8::100/128")))
		w.serve(h, vip)
		w.serve(h, vip6)
	}
	w.door.SetWays(w.ways())
}

// ways are those to the servers in the clients' network.
func (w *world) ways() ipvsctl.Ways {
	link, err := w.director.Netlink().LinkByName("eth0")
	w.must(err)
	ways := ipvsctl.Ways{Links: []ipvsctl.Link{{Name: "eth0", Index: link.Attrs().Index}}, Hops: map[netip.Addr]ipvsctl.Hop{}}
	for i, h := range w.server {
		hop := ipvsctl.Hop{Link: link.Attrs().Index, From: mac(link.Attrs().HardwareAddr), To: mac(h.MAC("eth1"))}
		ways.Hops[netip.MustParseAddr(fmt.Sprintf("192.0.2.1%d", i+1))] = hop
		ways.Hops[netip.MustParseAddr(fmt.Sprintf("2001:db8::1%d", i+1))] = hop
	}
	return ways
}

func mac(a net.HardwareAddr) (m [6]byte) {
	copy(m[:], a)
	return m
}

// directly is a service whose servers are reached by direct routing.
func directly(scheduler string, dests ...string) ipvsctl.Entry {
	e := entry(scheduler, dests...)
	for k, d := range e.Destinations {
		d.Forward = ipvsctl.ForwardDirect
		e.Destinations[k] = d
	}
	return e
}

func TestDirectRouting(t *testing.T) {
	w := newWorld(t)
	w.direct()
	w.set(key(vip), directly("wrr", "192.0.2.11:80*3", "192.0.2.12:80*1"))
	w.set(key(vip6), directly("rr", "[2001:db8::11]:80", "[2001:db8::12]:80"))
	if got := w.shares(vip, 40); got["rs1"] != 30 || got["rs2"] != 10 {
		t.Errorf("wrr 3:1 gave %v", got)
	}
	if got := w.shares(vip6, 20); got["rs1"] != 10 || got["rs2"] != 10 {
		t.Errorf("rr over IPv6 gave %v", got)
	}
	w.nft("list", "ruleset") // its author can read it
	usage, err := w.door.Usage()
	w.must(err)
	if n := usage[key(vip)].Servers[destination("192.0.2.11:80")]; n.Connections != 30 || n.PacketsIn < 120 || n.BytesIn == 0 || n.BytesOut != 0 {
		t.Errorf("counters of rs1: %+v", n)
	}
	w.set(key(vip), directly("sh", "192.0.2.11:80", "192.0.2.12:80"))
	if got := w.shares(vip, 6); len(got) != 1 {
		t.Errorf("one address was hashed to %v", got)
	}
	w.set(key(vip), directly("mh", "192.0.2.11:80*300", "192.0.2.12:80*200"))
	w.set(key(vip), directly("wrr", "192.0.2.11:80*997", "192.0.2.12:80*991")) // many slots
	w.set(key(vip), directly("wrr", "192.0.2.11:80*0"))
	if _, err := w.dial(vip); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a service that shall take nothing answers %v", err)
	}
	w.must(w.door.Clear())
	if got := w.nft("list", "tables"); strings.Contains(got, TableName) {
		t.Errorf("left behind: %s", got)
	}
}

// Connections stay with their server through changes, its leaving too, and
// through a new life of the door.
func TestDirectConnectionsStay(t *testing.T) {
	w := newWorld(t)
	w.direct()
	w.set(key(vip), directly("rr", "192.0.2.11:80"))
	c, err := w.dial(vip)
	w.must(err)
	defer c.Close()
	stays := func(after string) {
		t.Helper()
		if got := w.ask(c); got != "rs1 192.0.2.2" {
			t.Errorf("after %s the connection is with %q", after, got)
		}
	}
	stays("nothing")
	w.set(key(vip), directly("rr", "192.0.2.11:80", "192.0.2.12:80"))
	stays("another server")
	w.set(key(vip), directly("wrr", "192.0.2.11:80*0", "192.0.2.12:80*7"))
	stays("another weight")
	w.set(key(vip), directly("sh", "192.0.2.12:80"))
	stays("its server left")
	if got := w.shares(vip, 4); got["rs2"] != 4 {
		t.Errorf("new connections go to %v", got)
	}
	w.set(key(vip), directly("rr", "192.0.2.11:80", "192.0.2.12:80"))
	stays("its server came back")
	w.door.Close()
	w.door = w.open()
	w.door.SetWays(w.ways())
	w.set(key(vip), directly("rr", "192.0.2.11:80", "192.0.2.12:80"))
	stays("a new life")
	if got := w.shares(vip, 4); got["rs1"] != 2 {
		t.Errorf("in a new life new connections go to %v", got)
	}
}

// A server without a way takes nothing, and takes its share once there is one.
func TestDirectWays(t *testing.T) {
	w := newWorld(t)
	w.direct()
	half := w.ways()
	delete(half.Hops, netip.MustParseAddr("192.0.2.12"))
	w.door.SetWays(half)
	w.set(key(vip), directly("rr", "192.0.2.11:80", "192.0.2.12:80"))
	if got := w.shares(vip, 4); got["rs1"] != 4 {
		t.Errorf("without a way to rs2: %v", got)
	}
	w.door.SetWays(w.ways())
	w.must(w.door.Sync())
	if got := w.shares(vip, 4); got["rs2"] != 2 {
		t.Errorf("with a way to rs2: %v", got)
	}
	// Interfaces that come and go have a chain while they are there.
	more := w.ways()
	inside, err := w.director.Netlink().LinkByName("eth1")
	w.must(err)
	more.Links = append(more.Links, ipvsctl.Link{Name: "eth1", Index: inside.Attrs().Index})
	w.door.SetWays(more)
	w.must(w.door.Sync())
	if got := w.nft("list", "ruleset"); !strings.Contains(got, "ingress_eth1") {
		t.Errorf("no chain of eth1 in %s", got)
	}
	w.must(w.director.Netlink().LinkDel(inside))
	w.door.SetWays(w.ways())
	w.must(w.door.Sync())
	if ev, failed := w.told(Failed); failed {
		t.Error(ev.Err)
	}
	if ev, repaired := w.told(Repaired); repaired {
		t.Errorf("an interface that went was taken for harm by %s", ev.By)
	}
	if got := w.nft("list", "ruleset"); strings.Contains(got, "ingress_eth1") {
		t.Errorf("a chain of eth1 is left in %s", got)
	}
	if got := w.shares(vip, 4); got["rs2"] != 2 {
		t.Errorf("in the end: %v", got)
	}
}

func TestDirectPersistenceAndRepair(t *testing.T) {
	w := newWorld(t)
	w.direct()
	e := directly("wrr", "192.0.2.11:80", "192.0.2.12:80")
	e.Service.Timeout = time.Minute
	w.set(key(vip), e)
	got := w.shares(vip, 8)
	if len(got) != 1 {
		t.Errorf("one client was sent to %v", got)
	}
	w.nft("flush", "ruleset")
	if !netlab.Until(patience, func() bool { _, told := w.told(Repaired); return told }) {
		t.Fatal("not repaired")
	}
	if got := w.shares(vip, 4); len(got) != 1 {
		t.Errorf("then to %v", got)
	}
}

// A client that uses a port again begins a new connection: it does not go to a
// server that has left or takes nothing, and is remembered where it went.
func TestDirectPortUsedAgain(t *testing.T) {
	w := newWorld(t)
	w.direct()
	w.must(w.client.Sysctl("net/ipv4/ip_local_port_range", "40000 40000"))
	for _, c := range []struct{ servers, want string }{
		{"192.0.2.11:80*1", "rs1"},
		{"192.0.2.12:80*1", "rs2"},
		{"192.0.2.11:80*1 192.0.2.12:80*0", "rs1"},
		{"192.0.2.12:80*1", "rs2"},
	} {
		w.set(key(vip), directly("rr", strings.Fields(c.servers)...))
		conn, err := w.dial(vip)
		w.must(err)
		for range 2 {
			if got := w.ask(conn); got != c.want+" 192.0.2.2" {
				t.Errorf("with servers %s the connection is with %q", c.servers, got)
			}
		}
		w.must(conn.(*net.TCPConn).SetLinger(0)) // the port is free at once
		conn.Close()
	}
}
