package integration

import (
	"flag"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

// soak is how long TestSoak goes on; 30m finds more than a minute does.
var soak = flag.Duration("soak", 50*time.Second, "how long TestSoak goes on")

// trouble is what befalls a pair, and must not move its address.
type trouble struct {
	what   string
	befall func(w *world, round int)
}

// troubles are those that come in turn. A process is killed once in the life of
// a parent: one that dies again within a minute is not replaced at once.
var troubles = []trouble{
	{"the master reloads", func(w *world, round int) { w.a.reloads(confA(wire{version: 2}), round) }},
	{"the backup reloads", func(w *world, round int) { w.b.reloads(confB(wire{version: 2}), round) }},
	{"the master's VRRP process dies", func(w *world, _ int) { w.a.loses(1) }},
	{"the backup's VRRP process dies", func(w *world, _ int) { w.b.loses(1) }},
	{"the master's LVS process dies", func(w *world, _ int) { w.a.loses(2) }},
	{"the backup's cable is pulled", func(w *world, _ int) { w.b.flaps(lanLink) }},
	{"another cable of the master is pulled", func(w *world, _ int) { w.a.flaps("eth1") }},
	{"the master's parent dies", func(w *world, _ int) { w.a.losesParent() }},
	{"the backup's parent dies", func(w *world, _ int) { w.b.losesParent() }},
}

// reloads gives the director one address more in every second round.
func (d *director) reloads(c conf, round int) {
	d.w.t.Helper()
	c.after = refused
	if round%2 == 0 {
		c.addresses = []string{"10.0.0.101/24"}
	}
	done := strings.Count(d.proc.Log(), "Reload complete")
	d.configure(c.String())
	d.reload()
	d.w.eventually(d.Name+" has read its file", func() bool { return strings.Count(d.proc.Log(), "Reload complete") > done })
}

// loses kills a child and waits for the one in its place.
func (d *director) loses(i int) {
	d.w.t.Helper()
	old := d.pidOf(i)
	d.killFrom(d.pidFiles()[i])
	d.w.eventually(d.Name+" replaces a process", func() bool { pid := d.pidOf(i); return pid != old && pid != 0 })
	d.w.eventually(d.Name+" answers", func() bool { return d.state() != "" })
}

// losesParent kills the parent and starts another.
func (d *director) losesParent() {
	d.w.t.Helper()
	d.w.do(d.proc.Signal(syscall.SIGKILL))
	<-d.proc.Done()
	d.start()
	d.logs("Taking over from VRRP child process")
	d.logs("Startup complete")
}

// flaps pulls a cable and puts it back once the kernel knows.
func (d *director) flaps(link string) {
	d.w.t.Helper()
	d.w.do(d.Cable(link, false))
	d.w.eventually(link+" is down", func() bool { return !d.operates(link) })
	d.w.do(d.Cable(link, true))
	d.w.eventually(link+" is up", func() bool { return d.operates(link) })
}

func (d *director) operates(link string) bool {
	l, err := d.Netlink().LinkByName(link)
	return err == nil && l.Attrs().RawFlags&syscall.IFF_RUNNING != 0
}

// TestSoak lets trouble befall a pair, over and over: the master speaks on, the
// backup never speaks.
func TestSoak(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived's processes are not replaced where they stood")
	k := wire{version: 2}
	a, b := confA(k), confB(k)
	a.after, b.after = refused, refused
	w := newWorld(t, ours, ours)
	w.secondLan()
	w.a.configure(a.String())
	w.b.configure(b.String())
	begin := time.Now()
	w.a.start()
	w.b.start()
	w.becomesMaster(w.a, k.vip(), begin)
	befell := 0
	for round := 0; time.Since(begin) < *soak && !t.Failed(); round++ {
		for _, trouble := range troubles {
			since := time.Now()
			trouble.befall(w, round)
			w.moreAdverts(w.a, 2)
			if w.unshaken(w.a, k.interval(), since); t.Failed() {
				t.Fatalf("round %d: %s", round, trouble.what)
			}
			befell++
		}
		if !netlab.Until(patience, func() bool { return w.answersARP(w.a, k.vip()) }) {
			t.Errorf("round %d: the address does not answer", round)
		}
	}
	t.Logf("%d troubles in %v, no transition", befell, time.Since(begin).Round(time.Second))
	w.a.stop()
	w.b.stop()
}
