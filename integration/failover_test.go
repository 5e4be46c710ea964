package integration

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

// pairs are who is preferred and who is its backup. keepalived with itself
// shows that what the tests ask for is what keepalived does.
var pairs = []struct {
	name string
	a, b daemon
}{
	{"keepgo-keepgo", ours, ours},
	{"keepgo-keepalived", ours, theirs},
	{"keepalived-keepgo", theirs, ours},
	{"keepalived-keepalived", theirs, theirs},
}

var wires = []wire{
	{version: 2},
	{version: 2, unicast: true},
	{version: 3},
	{version: 3, unicast: true},
	{version: 3, ipv6: true},
}

func TestFailover(t *testing.T) {
	for _, p := range pairs {
		for _, k := range wires {
			t.Run(p.name+"/"+k.String(), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, p.a, p.b)
				w.a.configure(confA(k).String())
				w.b.configure(confB(k).String())
				failover(w, k)
			})
		}
	}
}

// failover plays every way to lose the master, and its return after each.
func failover(w *world, k wire) {
	begin := time.Now()
	w.a.start()
	w.b.start()
	w.becomesMaster(w.a, k.vip(), begin)

	scenes := []struct {
		lose, restore func()
	}{
		{w.a.powerCut, w.a.powerOn},
		{w.a.stop, func() { w.a.start() }},
		{func() { w.do(w.a.Cable(lanLink, false)) }, func() { w.do(w.a.Cable(lanLink, true)) }},
	}
	for i, scene := range scenes {
		lost := time.Now()
		scene.lose()
		w.becomesMaster(w.b, k.vip(), lost)
		if i == 1 {
			w.saidGoodbye(w.a, lost)
		}
		back := time.Now()
		scene.restore()
		w.becomesMaster(w.a, k.vip(), back)
	}
	w.oneMaster(k, begin)
	w.wellFormed(k, begin)
}

// saidGoodbye checks for the advert with priority 0 of a master that stops,
// RFC 9568 section 6.4.3.
func (w *world) saidGoodbye(d *director, since time.Time) {
	w.t.Helper()
	bye := func(a netlab.Advert) bool { return a.From == d.Host && a.Priority == 0 }
	if !slices.ContainsFunc(w.sniff.Adverts(since), bye) {
		w.t.Errorf("%s stopped without an advert of priority 0", d.Name)
	}
}

// bothLimit is how long two masters may speak at once while one gives way: it
// hears the other's next advert, and machines are busy.
const bothLimit = 2 * time.Second

// oneMaster checks that there never were two masters for longer than the
// handover takes.
func (w *world) oneMaster(k wire, since time.Time) {
	w.t.Helper()
	for _, a := range reigns(w.a.speaks(since), k.interval()) {
		for _, b := range reigns(w.b.speaks(since), k.interval()) {
			if both := a.with(b); both > bothLimit {
				w.t.Errorf("two masters for %v", both)
			}
		}
	}
}

// reign is a time in which one director spoke as master without a break.
type reign struct{ from, to time.Time }

// with is how long two reigns lasted side by side; negative means apart.
func (r reign) with(o reign) time.Duration {
	from, to := r.from, r.to
	if o.from.After(from) {
		from = o.from
	}
	if o.to.Before(to) {
		to = o.to
	}
	return to.Sub(from)
}

func reigns(adverts []netlab.Advert, interval time.Duration) []reign {
	var out []reign
	for _, a := range adverts {
		if n := len(out); n > 0 && a.At.Sub(out[n-1].to) < interval*3/2 {
			out[n-1].to = a.At
		} else {
			out = append(out, reign{a.At, a.At})
		}
	}
	return out
}

// wellFormed checks version, identity and addresses of every advert.
func (w *world) wellFormed(k wire, since time.Time) {
	w.t.Helper()
	group := netip.MustParseAddr("224.0.0.18")
	if k.ipv6 {
		group = netip.MustParseAddr("ff02::12")
	}
	for _, a := range w.sniff.Adverts(since) {
		if int(a.Version) != k.version || a.VRID != 51 || !k.unicast && a.Dst != group || k.unicast && a.Dst.IsMulticast() {
			w.t.Fatalf("advert on the wire: %+v", a)
		}
	}
}
