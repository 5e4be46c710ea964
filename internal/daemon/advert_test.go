package daemon

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/ha"
	"keepgo/vrrp/sock"
)

// advertiser is the VRRP loop of one side of a pair on the loopback interface, as
// far as adverts go.
func advertiser(t *testing.T, self int, peers ...string) *vrrpLoop {
	t.Helper()
	text := fmt.Sprintf("vrrp_instance VI_1 {\n interface lo\n virtual_router_id 251\n priority %d\n unicast_src_ip 127.0.0.%d\n unicast_peer {\n %s\n }\n virtual_ipaddress {\n 192.0.2.1\n }\n}\n",
		200-self, self, strings.Join(peers, "\n "))
	cfg, faults := confparse.Load(fstest.MapFS{"c": {Data: []byte(text)}}, "c", syntax.Env{})
	if cfg == nil {
		t.Fatal(faults)
	}
	l := &vrrpLoop{log: t.Logf, wires: map[ha.Wire]*wire{}, room: sock.NewRoom(), batch: sock.NewBatch()}
	var err error
	if l.clock, err = newClock(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.clock.close)
	if l.poll, err = newPoll(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.poll.close)
	l.node = ha.New(ha.Build(cfg))
	now := l.clock.now()
	l.node.Step(now, ha.Event{Kind: ha.EventLink, Link: ha.Link{Name: "lo", Index: 1, Exists: true, Up: true, MTU: 65536, Unicast: true,
		Addresses: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("127.0.0.%d", self))}}}, nil)
	l.node.Step(now, ha.Event{Kind: ha.EventStart}, nil)
	l.rewire()
	t.Cleanup(func() {
		for _, w := range l.wires {
			w.conn.Close()
		}
	})
	return l
}

// TestAdvertPathAllocatesNothing sends adverts from one loop to another, through
// real sockets: neither the deadline, nor the packet, nor its way through both
// loops allocates.
func TestAdvertPathAllocatesNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: raw sockets on the loopback interface")
	}
	master, backup := advertiser(t, 1, "127.0.0.2"), advertiser(t, 2, "127.0.0.1")
	lead(master)
	limit := time.Now().Add(30 * time.Second)
	adverts := 0
	once := func() {
		master.acts = master.node.Step(master.node.Next(), ha.Event{Kind: ha.EventTick}, master.acts[:0])
		master.perform(master.acts)
		for before := backup.node.Next(); backup.node.Next() == before; {
			if backup.poll.round(); time.Now().After(limit) {
				t.Fatal("an advert does not arrive")
			}
		}
		backup.rearm()
		adverts++
	}
	if n := testing.AllocsPerRun(200, once); n != 0 {
		t.Errorf("%v allocations an advert", n)
	}
	report := backup.node.Report(backup.clock.now(), backup.clock.origin)
	if got := report.Instances[0].Counters.AdvertRcvd; got != uint64(adverts) {
		t.Errorf("of %d adverts the backup heard %d", adverts, got)
	}
}

// lead lets the node of a loop become MASTER.
func lead(l *vrrpLoop) {
	for i := 0; len(l.node.Masters()) == 0 && i < 10; i++ {
		l.node.Step(l.node.Next(), ha.Event{Kind: ha.EventTick}, nil)
	}
}

// TestPeerThatCannotBeReached: of several peers one that nothing can be sent to
// keeps no advert from the others, and is named once.
func TestPeerThatCannotBeReached(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: raw sockets on the loopback interface")
	}
	const broadcast = "127.255.255.255" // takes SO_BROADCAST, ip(7)
	master := advertiser(t, 1, broadcast, "127.0.0.2", "127.0.0.3")
	var told []string
	master.log = func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	others := []*vrrpLoop{advertiser(t, 2, "127.0.0.1"), advertiser(t, 3, "127.0.0.1")}
	lead(master)
	for range 3 {
		master.speak(master.node.Step(master.node.Next(), ha.Event{Kind: ha.EventTick}, nil))
	}
	if len(told) != 1 || !strings.Contains(told[0], "(VI_1) cannot send adverts") || !strings.Contains(told[0], broadcast) {
		t.Errorf("told %q", told)
	}
	for limit := time.Now().Add(30 * time.Second); len(others) > 0; {
		if time.Now().After(limit) {
			t.Fatalf("%d peers hear nothing", len(others))
		}
		others = slices.DeleteFunc(others, func(l *vrrpLoop) bool {
			l.poll.round()
			return l.node.Report(l.clock.now(), l.clock.origin).Instances[0].Counters.AdvertRcvd > 0
		})
	}
}

// TestLateTick: after a pause a backup gives its master, which may have been
// stopped as well, time to speak; a master loses none before it does.
func TestLateTick(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: raw sockets on the loopback interface")
	}
	for _, c := range []struct {
		master         bool
		late, min, max time.Duration
	}{
		{false, lateness / 2, 0, 0},
		{false, 3 * time.Second, 700 * time.Millisecond, 750 * time.Millisecond},
		{false, time.Hour, 900 * time.Millisecond, maxGrace},
		{true, 3 * time.Second, time.Microsecond, grace},
	} {
		l := advertiser(t, 1, "127.0.0.2")
		l.rank, l.failed = newRank(t.Logf), make(chan error, 1)
		if c.master {
			lead(l)
		}
		now := l.clock.now()
		off := l.late(now - c.late)
		slow := l.clock.now() - now // this machine may pause in between, and be right to put off
		if due := c.max > 0; off != due && (due || c.late+slow < lateness) {
			t.Errorf("%+v: put off: %t", c, off)
		}
		if wait := l.clock.armed - now; c.max > 0 && (wait < c.min || wait > c.max+time.Second/10+2*slow) {
			t.Errorf("%+v: put off for %v", c, wait)
		}
		if off && l.late(now-c.late) {
			t.Errorf("%+v: put off twice", c)
		}
	}
}
