package integration

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

// newPair is a world of two directors under test, of which the preferred one is
// master.
func newPair(t *testing.T, k wire, a, b conf) *world {
	t.Helper()
	w := newWorld(t, *subject, *subject)
	w.a.configure(a.String())
	w.b.configure(b.String())
	begin := time.Now()
	w.a.start()
	w.b.start()
	w.becomesMaster(w.a, k.vip(), begin)
	return w
}

// lateSlack is what a busy machine may add to the time between two adverts. Of
// the short intervals it is more than one.
const lateSlack = 500 * time.Millisecond

// unshaken checks that a director has been master since an instant without a
// break, and that its partner was silent.
func (w *world) unshaken(d *director, interval time.Duration, since time.Time) {
	w.t.Helper()
	if its := w.other(d).speaks(since); len(its) > 0 {
		w.t.Errorf("%s spoke as master: %+v", w.other(d).Name, its[0])
	}
	w.unbroken(d, interval, since)
}

// unbroken checks that no advert of a master was missing or gave up.
func (w *world) unbroken(d *director, interval time.Duration, since time.Time) {
	w.t.Helper()
	last, limit := since, max(interval*19/10, interval+lateSlack)+noise.since(since)
	for _, a := range w.sniff.Adverts(since) {
		if a.From != d.Host {
			continue
		}
		if a.Priority == 0 {
			w.t.Errorf("%s gave up mastership", d.Name)
		}
		if gap := a.At.Sub(last); gap > limit {
			w.t.Errorf("%s was silent for %v", d.Name, gap)
		}
		last = a.At
	}
}

// moreAdverts waits for a number of further adverts of a director.
func (w *world) moreAdverts(d *director, n int) {
	w.t.Helper()
	now := time.Now()
	w.eventually(d.Name+" goes on speaking", func() bool { return len(d.speaks(now)) >= n })
}

func TestReloadAddsAddressWithoutABreak(t *testing.T) {
	t.Parallel()
	k := wire{version: 2}
	a, b := confA(k), confB(k)
	w := newPair(t, k, a, b)
	before := time.Now()

	more := netip.MustParseAddr("10.0.0.101")
	a.addresses = []string{more.String() + "/24"}
	b.addresses = a.addresses
	w.b.configure(b.String())
	w.b.reload()
	w.a.configure(a.String())
	w.a.reload()
	w.eventually("the added address stands", func() bool { return w.a.Holds(more) })
	w.eventually("the added address is announced", func() bool { return w.announced(w.a, router{link: lanLink, vip: more}, before) })
	w.moreAdverts(w.a, 4)
	w.unshaken(w.a, k.interval(), before)

	a.addresses = nil
	w.a.configure(a.String())
	w.a.reload()
	w.eventually("the removed address is gone", func() bool { return !w.a.Holds(more) })
	w.moreAdverts(w.a, 2)
	w.unshaken(w.a, k.interval(), before)
	if !w.a.Holds(k.vip()) {
		t.Error("the address that stayed in the file is gone")
	}
}

func TestReloadRaisesPriority(t *testing.T) {
	t.Parallel()
	k := wire{version: 2} // a busy machine makes nobody take over
	b := confB(k)
	w := newPair(t, k, confA(k), b)

	before := time.Now()
	b.priority = 120
	w.b.configure(b.String())
	w.b.reload()
	w.moreAdverts(w.a, 3)
	if its := w.b.speaks(before); len(its) > 0 {
		t.Errorf("still below the master's priority, but speaks: %+v", its[0])
	}

	before = time.Now()
	b.priority = 200
	w.b.configure(b.String())
	w.b.reload()
	w.becomesMaster(w.b, k.vip(), before)
}

func TestReloadOfAWrongFileChangesNothing(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived takes what it understands of a wrong file")
	k := wire{version: 2}
	a := confA(k)
	w := newPair(t, k, a, confB(k))
	before := time.Now()

	a.addresses = []string{"10.0.0.101/24"}
	a.instance = "virtual_router_idd 51"
	w.a.configure(a.String())
	w.a.reload()
	w.a.logs("virtual_router_idd")
	w.a.logs("running configuration goes on")
	if log := w.a.proc.Log(); !strings.Contains(log, "lb1.conf:") {
		t.Errorf("the log does not say where:\n%s", log)
	}
	w.moreAdverts(w.a, 4)
	w.unshaken(w.a, k.interval(), before)
	if w.a.Holds(netip.MustParseAddr("10.0.0.101")) {
		t.Error("an address of the wrong file stands")
	}

	a.instance = ""
	w.a.configure(a.String())
	w.a.reload()
	w.eventually("the corrected file is taken", func() bool { return w.a.Holds(netip.MustParseAddr("10.0.0.101")) })
}

func TestRemovedAddressComesBack(t *testing.T) {
	t.Parallel()
	k := wire{version: 2}
	w := newPair(t, k, confA(k), confB(k))
	events := must(w.a.AddrEvents())(t)
	before := time.Now()
	w.do(w.a.DelAddr(lanLink, netip.PrefixFrom(vip4, 24)))
	var back time.Time
	w.eventually("the address comes back", func() bool {
		select {
		case e := <-events:
			if e.Addr == vip4 && e.Added {
				back = e.At
			}
		default:
		}
		return !back.IsZero()
	})
	t.Logf("back after %v", back.Sub(before))
	if away := back.Sub(before); away > 2*time.Second+noise.since(before) { // keepalived's way takes more than three
		t.Errorf("the address was away for %v, want about 100 ms at most", away)
	}
	if *subject == ours {
		w.moreAdverts(w.a, 2)
		w.unshaken(w.a, k.interval(), before)
	}
}

func TestLeftoverAddressIsRemovedAtStart(t *testing.T) {
	t.Parallel()
	k := wire{version: 3}
	w := newWorld(t, *subject, *subject)
	w.do(w.a.AddAddr(lanLink, netip.PrefixFrom(vip4, 24)))
	w.b.configure(confA(k).String())
	w.a.configure(confB(k).String())
	begin := time.Now()
	w.b.start()
	w.eventually("the partner is master", func() bool { return len(w.b.speaks(begin)) > 2 })
	w.a.start()
	w.becomesMaster(w.b, vip4, begin)
}

// TestKilledProcessIsReplaced ends the process that speaks VRRP, and nothing
// else: the parent has another one at work before the partner notices.
func TestKilledProcessIsReplaced(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived's new process begins as BACKUP")
	k := wire{version: 2}
	replace(t, newPair(t, k, confA(k), confB(k)))
}

// TestKilledProcessCountsOn does it where a sequence number that begins anew
// would be taken for a replay.
func TestKilledProcessCountsOn(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived's new process begins as BACKUP, and counts from 1")
	k := wire{version: 2, auth: "AH"}
	w := newPair(t, k, confA(k), confB(k))
	replace(t, w)
	if strings.Contains(w.b.proc.Log(), "sequence number") {
		t.Error("the partner took an advert for a replay")
	}
}

// replace kills the VRRP process of the master; the partner must not notice.
func replace(t *testing.T, w *world) {
	t.Helper()
	before := time.Now()
	w.a.killFrom(w.a.pidFiles()[1])
	w.moreAdverts(w.a, 4)
	if its := w.b.speaks(before); len(its) > 0 {
		t.Errorf("the partner took over: %+v", its[0])
	}
	if !netlab.Until(patience, func() bool { return w.answersARP(w.a, vip4) }) {
		t.Error("the address does not answer")
	}
}
