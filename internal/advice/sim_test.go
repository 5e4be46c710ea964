package advice_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/advice"
	"keepgo/vrrp"
)

// file reads a text as a configuration of the given name.
func file(t interface{ Fatalf(string, ...any) }, name, text string) *advice.File {
	fsys := fstest.MapFS{name: {Data: []byte(text)}}
	cfg, errs := confparse.Load(fsys, name, syntax.Env{})
	if n := errs.Count(syntax.Failure); n > 0 {
		t.Fatalf("%s: %v\n%s", name, errs, text)
	}
	tree, _ := syntax.Parse(fsys, name, syntax.Env{})
	return &advice.File{Label: name, Name: name, Config: cfg, Places: advice.NewPlaces(func() *syntax.Tree { return tree })}
}

// half is one director of a drawn pair.
type half struct {
	version, priority, weight, advert, delay int
	master, nopreempt                        bool
}

func (h half) String() string {
	s := fmt.Sprintf("vrrp_script chk {\n script \"/bin/true\"\n weight %d\n}\nvrrp_instance VI {\n interface eth0\n virtual_router_id 51\n version %d\n priority %d\n advert_int %d\n",
		h.weight, h.version, h.priority, h.advert)
	if h.master {
		s += " state MASTER\n"
	} else {
		s += " state BACKUP\n"
	}
	if h.nopreempt {
		s += " nopreempt\n"
	}
	if h.delay > 0 {
		s += fmt.Sprintf(" preempt_delay %d\n", h.delay)
	}
	return s + " track_script {\n  chk\n }\n virtual_ipaddress {\n  192.0.2.1/24\n }\n}\n"
}

func drawHalf(t *rapid.T, label string, version, advert int) half {
	h := half{
		version: version, advert: advert,
		priority: rapid.SampledFrom([]int{1, 90, 99, 100, 101, 150, 254, 255}).Draw(t, label+" priority"),
		weight:   rapid.SampledFrom([]int{-60, -10, -2, 0, 2, 10, 60}).Draw(t, label+" weight"),
		master:   rapid.Bool().Draw(t, label+" master"),
	}
	h.nopreempt = !h.master && h.priority < 255 && rapid.Bool().Draw(t, label+" nopreempt")
	if !h.master && !h.nopreempt {
		h.delay = rapid.SampledFrom([]int{0, 0, 1, 7}).Draw(t, label+" delay")
	}
	return h
}

// wire runs two routers against each other in simulated time. A router that is
// nil is not there; the adverts of a muted one are lost.
type wire struct {
	now     vrrp.Time
	routers [2]*vrrp.Router
	muted   [2]bool
}

var sources = [2]netip.Addr{netip.MustParseAddr("192.0.2.11"), netip.MustParseAddr("192.0.2.12")}

func (w *wire) step(side int, ev vrrp.Event) {
	r, acts := w.routers[side].Step(w.now, ev, nil)
	*w.routers[side] = r
	for _, a := range acts {
		if other := 1 - side; a.Kind == vrrp.ActSend && !w.muted[side] && w.routers[other] != nil {
			w.step(other, vrrp.Event{Kind: vrrp.EventAdvert, Heard: vrrp.Heard{From: sources[side], Priority: a.Priority, Interval: r.Config().Interval}})
		}
	}
}

// run lets time pass until the end, or until done; it returns how long it took.
func (w *wire) run(limit time.Duration, done func() bool) time.Duration {
	start := w.now
	for n := 0; n < 10_000 && !done(); n++ {
		next, side := start+limit, -1
		for s, r := range w.routers {
			if r != nil && r.Next() < next {
				next, side = r.Next(), s
			}
		}
		w.now = next
		if side < 0 {
			break
		}
		w.step(side, vrrp.Event{Kind: vrrp.EventTick})
	}
	return w.now - start
}

// holder is the only master, or advice.Nobody.
func (w *wire) holder() int {
	h := advice.Nobody
	for s, r := range w.routers {
		if r != nil && r.State() == vrrp.Master && !w.muted[s] {
			h = s
		}
	}
	return h
}

// never lets all of the time pass.
func never() bool { return false }

// pair is a drawn pair: the routers of its files at rest, and the report.
type pair struct {
	halves [2]half
	report *advice.Report
}

func (p *pair) router(side int) *vrrp.Router {
	h := p.halves[side]
	r := vrrp.New(vrrp.Config{VRID: 51, Version: uint8(h.version), Priority: uint8(h.priority), Interval: time.Duration(h.advert) * time.Second,
		Source: sources[side], StartMaster: h.master, NoPreempt: h.nopreempt, PreemptDelay: time.Duration(h.delay) * time.Second})
	return &r
}

func (p *pair) priority(side int, failed bool) uint8 {
	h := p.halves[side]
	sum := 0
	if h.weight > 0 && !failed || h.weight < 0 && failed {
		sum = h.weight
	}
	return vrrp.EffectivePriority(uint8(h.priority), sum)
}

func (p *pair) start(w *wire, side int) {
	w.routers[side] = p.router(side)
	w.step(side, vrrp.Event{Kind: vrrp.EventPriority, Priority: p.priority(side, false)})
	w.step(side, vrrp.Event{Kind: vrrp.EventStart})
}

// resting is a wire on which holder has been master for a while.
func (p *pair) resting(holder int) *wire {
	w := &wire{}
	p.start(w, holder)
	w.run(100*time.Second, never)
	p.start(w, 1-holder)
	w.run(100*time.Second, never)
	return w
}

const long = 200 * time.Second

// moved waits until the addresses have left side from.
func moved(w *wire, from int) (holder int, after time.Duration) {
	after = w.run(long, func() bool { return w.holder() == 1-from })
	w.run(long, never)
	return w.holder(), after
}

// TestReportIsWhatRoutersDo: what the report says of starts and failures is
// what two routers do on a wire.
func TestReportIsWhatRoutersDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.SampledFrom([]int{2, 3}).Draw(t, "version")
		advert := rapid.SampledFrom([]int{1, 2}).Draw(t, "advert")
		p := &pair{halves: [2]half{drawHalf(t, "A", version, advert), drawHalf(t, "B", version, advert)}}
		if p.halves[0].priority == 255 && p.halves[1].priority == 255 {
			t.Skip("two owners never agree")
		}
		p.report = advice.Compare(file(t, "a.conf", p.halves[0].String()), file(t, "b.conf", p.halves[1].String()))
		if len(p.report.Contests) != 1 || p.report.Contests[0].Split != "" {
			t.Fatalf("contests: %+v", p.report.Contests)
		}
		c := p.report.Contests[0]
		p.checkStart(t, c.Start)
		for _, f := range c.Failures {
			p.checkFailure(t, f)
		}
	})
}

func (p *pair) checkStart(t *rapid.T, s advice.Start) {
	w := &wire{}
	p.start(w, 0)
	p.start(w, 1)
	took := time.Duration(-1)
	w.run(long, func() bool {
		if w.holder() != s.Holder {
			took = -1
		} else if took < 0 {
			took = w.now
		}
		return false
	})
	if s.Holder != advice.Either && w.holder() != s.Holder {
		t.Fatalf("start: %v; the routers: %s", s, advice.Who(w.holder()))
	}
	if s.Holder != advice.Either && (took > s.After+time.Millisecond || took < s.After-p.slack()) {
		t.Fatalf("start: %v; the routers: %v", s, took)
	}
	for side, keeps := range s.Keeps {
		if h := p.resting(side).holder(); (h == side) != keeps {
			t.Fatalf("%s first: keeps %v; the routers: %s", advice.Who(side), keeps, advice.Who(h))
		}
	}
}

// slack is how much earlier than claimed something may happen: where in an
// interval a failure comes is luck, and so is where a preempt delay ends.
func (p *pair) slack() time.Duration {
	n := 1
	if p.halves[0].delay+p.halves[1].delay > 0 {
		n = 3
	}
	return time.Duration(n*p.halves[0].advert)*time.Second + time.Millisecond
}

// checkFailure plays one failure and its repair. The claims are upper bounds.
func (p *pair) checkFailure(t *rapid.T, f advice.Failure) {
	w := p.resting(f.Of)
	if w.holder() != f.Of {
		t.Fatalf("%v: %s holds before", f, advice.Who(w.holder()))
	}
	w.run(time.Duration(rapid.IntRange(0, 2000).Draw(t, "phase"))*time.Millisecond, never)
	heal := p.breaks(w, f)
	slack := p.slack()
	holder, after := moved(w, f.Of)
	if holder != f.Holder || f.Holder == 1-f.Of && (after > f.After+time.Millisecond || after < f.After-slack) {
		t.Fatalf("%+v; the routers: %s after %v", f, advice.Who(holder), after)
	}
	heal()
	if f.Holder == f.Of || f.Holder == advice.Nobody {
		return
	}
	back := w.run(long, func() bool { return w.holder() == f.Of })
	if (w.holder() == f.Of) != f.Back || f.Back && (back > f.BackAfter+time.Millisecond || back < f.BackAfter-slack) {
		t.Fatalf("%+v; the routers: %s after %v", f, advice.Who(w.holder()), back)
	}
}

// breaks makes f happen and returns what repairs it.
func (p *pair) breaks(w *wire, f advice.Failure) (heal func()) {
	h := f.Of
	switch f.What {
	case "machine dies":
		w.routers[h] = nil
		return func() { p.start(w, h) }
	case "the daemon stops":
		w.step(h, vrrp.Event{Kind: vrrp.EventStop})
		w.routers[h] = nil
		return func() { p.start(w, h) }
	case "link eth0 goes down":
		w.muted[h] = true
		w.step(h, vrrp.Event{Kind: vrrp.EventFault})
		return func() {
			w.muted[h] = false
			w.step(h, vrrp.Event{Kind: vrrp.EventRecover})
		}
	}
	sides := []int{h}
	if f.Both {
		sides = []int{1 - h, h}
	}
	p.script(w, sides, true)
	return func() { p.script(w, sides, false) }
}

// script makes the tracked script fail or succeed.
func (p *pair) script(w *wire, sides []int, failed bool) {
	for _, s := range sides {
		switch {
		case p.halves[s].weight != 0:
			w.step(s, vrrp.Event{Kind: vrrp.EventPriority, Priority: p.priority(s, failed)})
		case failed:
			w.step(s, vrrp.Event{Kind: vrrp.EventFault})
		default:
			w.step(s, vrrp.Event{Kind: vrrp.EventRecover})
		}
	}
}
