package integration

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

// oracle plays every scene with keepalived alone as well: it shows that what the
// tests ask for is what keepalived does.
var oracle = flag.Bool("oracle", false, "play the scenes with keepalived alone as well")

// pairs are who is preferred and who is its backup.
var pairs = []struct {
	name string
	a, b daemon
}{
	{"keepgo-keepgo", ours, ours},
	{"keepgo-keepalived", ours, theirs},
	{"keepalived-keepgo", theirs, ours},
	{"keepalived-keepalived", theirs, theirs},
}

// cell is a way to talk, and why keepalived 2.2.7 cannot, if so.
type cell struct {
	wire
	alone string
}

var cells = []cell{
	{wire: wire{version: 2}},
	{wire: wire{version: 2, auth: "PASS"}},
	{wire: wire{version: 2, auth: "AH"}},
	{wire: wire{version: 2, vmac: true}},
	{wire: wire{version: 2, unicast: true}},
	{wire: wire{version: 2, unicast: true, auth: "PASS"}},
	{wire: wire{version: 2, unicast: true, auth: "AH"}},
	{wire: wire{version: 2, unicast: true, vmac: true}},
	{wire: wire{version: 2, ipv6: true}},
	{wire: wire{version: 2, ipv6: true, auth: "PASS"}, alone: "its VRRP process dies of a PASS advert over IPv6"},
	{wire: wire{version: 2, ipv6: true, vmac: true}},
	{wire: wire{version: 2, ipv6: true, unicast: true}},
	{wire: wire{version: 2, ipv6: true, unicast: true, auth: "PASS"}, alone: "its VRRP process dies of a PASS advert over IPv6"},
	{wire: wire{version: 2, ipv6: true, unicast: true, vmac: true}},
	{wire: wire{version: 3}},
	{wire: wire{version: 3, vmac: true}},
	{wire: wire{version: 3, unicast: true}},
	{wire: wire{version: 3, unicast: true, vmac: true}},
	{wire: wire{version: 3, ipv6: true}},
	{wire: wire{version: 3, ipv6: true, vmac: true}},
	{wire: wire{version: 3, ipv6: true, unicast: true}},
	{wire: wire{version: 3, ipv6: true, unicast: true, vmac: true}},
}

// stories are what is played in every cell.
var stories = []struct {
	name string
	play func(*world, wire)
}{
	{"failover", failover},
	{"group", groupStory},
}

func TestInterop(t *testing.T) {
	for _, story := range stories {
		for _, p := range pairs {
			for _, c := range cells {
				t.Run(fmt.Sprintf("%s/%s/%s", story.name, p.name, c), func(t *testing.T) {
					t.Parallel()
					if p.a == theirs || p.b == theirs {
						c.skipIfAlone(t)
					}
					if p.a == theirs && p.b == theirs && !*oracle {
						t.Skip("only with -oracle")
					}
					story.play(newWorld(t, p.a, p.b), c.wire)
				})
			}
		}
	}
}

func (c cell) skipIfAlone(t *testing.T) {
	if c.alone != "" {
		t.Skip("keepalived 2.2.7: " + c.alone)
	}
}

// scene is a way to lose the master, and to get it back.
type scene struct {
	name          string
	lose, restore func(*world)
	goodbye       bool // it says so itself, with priority 0
}

var scenes = []scene{
	{name: "power cut",
		lose:    func(w *world) { w.a.powerCut() },
		restore: func(w *world) { w.a.powerOn() }},
	{name: "stop", goodbye: true,
		lose:    func(w *world) { w.a.stop() },
		restore: func(w *world) { w.a.start() }},
	{name: "link down",
		lose:    func(w *world) { w.do(w.a.Cable(lanLink, false)) },
		restore: func(w *world) { w.do(w.a.Cable(lanLink, true)) }},
	{name: "tracked script",
		lose:    func(w *world) { w.do(os.Remove(w.fitFile())) },
		restore: func(w *world) { w.flagFile() }},
}

// failover plays every way to lose the master, and its return after each; then
// both sides reload, and nothing happens.
func failover(w *world, k wire) {
	a, b, r := confA(k), confB(k), k.router()
	w.flagFile()
	a.before, a.instance = fitScript(w.fitFile()), "track_script {\n        fit weight -60\n    }"
	w.a.configure(a.String())
	w.b.configure(b.String())
	w.asked(r)
	begin := time.Now()
	w.a.start()
	w.b.start()
	w.takesOver(w.a, r, begin)
	for _, s := range scenes {
		lost := time.Now()
		s.lose(w)
		w.takesOver(w.b, r, lost)
		if s.goodbye {
			w.saidGoodbye(w.a, r, lost)
		}
		back := time.Now()
		s.restore(w)
		w.takesOver(w.a, r, back)
	}
	w.reloadsUnnoticed(w.a, r)
	w.reloadsUnnoticed(w.b, r)
	w.oneMaster(r, begin)
	w.wellFormed(r, begin)
}

// reloadsUnnoticed reloads a director with a as master: the mastership stays,
// and no advert is missing.
func (w *world) reloadsUnnoticed(d *director, r router) {
	w.t.Helper()
	w.moreAdverts(w.a, 1)
	before := time.Now()
	d.reload()
	w.moreAdverts(w.a, 4)
	w.unshaken(w.a, r.interval(), before)
}

// preemptDelay is what the group waits before it takes mastership back.
const preemptDelay = 2 * time.Second

// groupStory has two instances in a sync group, on two networks: when one of
// them is at fault the other goes with it, and both come back together, not
// before preempt_delay is over.
func groupStory(w *world, k wire) {
	w.secondLan()
	routers := []router{k.router(), k.router2()}
	w.a.configure(confGroup(confA(k), fmt.Sprintf("preempt_delay %g", preemptDelay.Seconds())))
	w.b.configure(confGroup(confB(k), ""))
	for _, r := range routers {
		w.asked(r)
	}
	begin := time.Now()
	w.a.start()
	w.b.start()
	w.allTakeOver(w.a, routers, begin)

	lost := time.Now()
	w.do(w.a.Cable("eth1", false))
	w.allTakeOver(w.b, routers, lost)
	w.saidGoodbye(w.a, routers[0], lost)

	back := time.Now()
	w.do(w.a.Cable("eth1", true))
	w.allTakeOver(w.a, routers, back)
	for _, r := range routers {
		// A machine that stood still so long that no advert was heard proves nothing.
		still := noise.since(back) > r.interval()
		if early := w.a.speaksFor(r, back)[0].At.Sub(back); early < preemptDelay && !still {
			w.t.Errorf("%s is master again after %v, before preempt_delay is over", r.name, early)
		}
		w.oneMaster(r, begin)
		w.wellFormed(r, begin)
	}
}

func (w *world) allTakeOver(d *director, routers []router, since time.Time) {
	w.t.Helper()
	for _, r := range routers {
		w.takesOver(d, r, since)
	}
}

// confGroup renders a director's file with both routers in a group.
func confGroup(c conf, instance string) string {
	c.state, c.instance = "BACKUP", instance
	second := c
	second.router = c.wire.router2()
	c.before = "vrrp_sync_group G {\n    group {\n        VI_1\n        VI_2\n    }\n}\n"
	c.after = second.block()
	return c.String()
}

// saidGoodbye checks for the advert with priority 0 of a master that stops,
// RFC 9568 section 6.4.3.
func (w *world) saidGoodbye(d *director, r router, since time.Time) {
	w.t.Helper()
	bye := func(a netlab.Advert) bool { return a.From == d.Host && a.VRID == r.vrid && a.Priority == 0 }
	if !slices.ContainsFunc(w.sniff.Adverts(since), bye) {
		w.t.Errorf("%s let %s go without an advert of priority 0", d.Name, r.name)
	}
}

// wellFormed checks version, identity and addresses of every advert.
func (w *world) wellFormed(r router, since time.Time) {
	w.t.Helper()
	group := netip.MustParseAddr("224.0.0.18")
	if r.ipv6 {
		group = netip.MustParseAddr("ff02::12")
	}
	for _, a := range w.sniff.Adverts(since) {
		if a.VRID != r.vrid {
			continue
		}
		virtual := a.MAC.String() == r.mac().String()
		if int(a.Version) != r.version || r.unicast == (a.Dst == group) || virtual != (r.vmac && !r.unicast) {
			w.t.Fatalf("advert on the wire: %+v", a)
		}
	}
}
