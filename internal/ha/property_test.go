package ha

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/vrrp"
)

// TestGroupsAndTracking: whatever happens to what instances depend on, an
// instance is in FAULT where it, or another of its group, has a cause, and
// nowhere else; its priority is what the manual says; and once things rest a
// group is of one mind.
func TestGroupsAndTracking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newTracked(t)
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			w.happen()
			w.check()
		}
		w.rest()
	})
}

// tracked is a node under random events, and what a reader of the manual would
// expect of it.
type tracked struct {
	t    *rapid.T
	node *Node
	now  vrrp.Time
	conf []want
	log  strings.Builder

	weights bool // of the group
	up      map[string]bool
	scripts map[string]*result
	files   map[string]int
	good    map[string]bool // tracked processes; absent: not known yet
}

// want is an instance as it was drawn; what it tracks is its group's as well.
type want struct {
	name              string
	vrid, priority    int
	grouped           bool
	link              string
	links, scripts    []wantTrack
	files, processes  []wantTrack
	nopreempt, master bool
}

type wantTrack struct {
	name    string
	weight  int
	reverse bool
}

// result is a tracked script by the words of the manual: so many in a row turn it.
type result struct {
	rise, fall int
	known, ok  bool
	row        int // results in a row that say otherwise
}

func (r *result) hear(ok bool) {
	need := r.rise
	if r.ok {
		need = r.fall
	}
	switch {
	case !r.known:
		r.known, r.ok, r.row = true, ok, 0
	case ok == r.ok:
		r.row = 0
	default:
		if r.row++; r.row >= need {
			r.ok, r.row = ok, 0
		}
	}
}

var (
	trackedLinks     = []string{"eth0", "eth1", "eth2"}
	trackedScripts   = []string{"s1", "s2"}
	trackedFiles     = []string{"f1", "f2"}
	trackedProcesses = []string{"p1", "p2"}
)

func newTracked(t *rapid.T) *tracked {
	w := &tracked{
		t: t, up: map[string]bool{}, files: map[string]int{}, good: map[string]bool{},
		scripts: map[string]*result{"s1": {rise: 1, fall: 1}, "s2": {rise: 3, fall: 2}},
	}
	w.node = New(w.draw())
	for _, link := range trackedLinks {
		w.link(link, rapid.IntRange(0, 3).Draw(t, "is up") > 0)
	}
	w.step(Event{Kind: EventStart})
	for _, link := range trackedLinks {
		w.step(Event{Kind: EventFrames, Name: link})
	}
	return w
}

// draw makes a configuration, reads it and plans it.
func (w *tracked) draw() *Plan {
	w.weights = rapid.Bool().Draw(w.t, "weights")
	w.conf = nil
	for i := range rapid.IntRange(1, 4).Draw(w.t, "instances") {
		w.conf = append(w.conf, w.drawInstance(i+1))
	}
	text := w.text()
	fmt.Fprintf(&w.log, "> reads\n%s", text)
	cfg, errs := confparse.Load(fstest.MapFS{"k": {Data: []byte(text)}}, "k", syntax.Env{})
	if errs.Count(syntax.Failure) > 0 {
		w.t.Fatalf("%v\n%s", errs, text)
	}
	return Build(cfg)
}

func (w *tracked) drawInstance(vrid int) want {
	in := want{
		name: fmt.Sprintf("%s_%d", rapid.SampledFrom([]string{"VI", "VX"}).Draw(w.t, "name"), vrid), vrid: vrid,
		priority:  rapid.SampledFrom([]int{1, 50, 100, 150, 254, 255}).Draw(w.t, "priority"),
		grouped:   rapid.Bool().Draw(w.t, "grouped"),
		link:      trackedLinks[vrid%2],
		nopreempt: rapid.Bool().Draw(w.t, "nopreempt"),
	}
	in.links = w.drawTracks("eth2", "")
	in.scripts = w.drawTracks(trackedScripts...)
	in.files = w.drawTracks(trackedFiles...)
	in.processes = w.drawTracks(trackedProcesses...)
	if in.priority == 255 {
		in.nopreempt = false
	}
	return in
}

func (w *tracked) drawTracks(names ...string) (list []wantTrack) {
	for _, name := range names {
		if name == "" || rapid.IntRange(0, 2).Draw(w.t, "tracks "+name) > 0 {
			continue
		}
		list = append(list, wantTrack{
			name:    name,
			weight:  rapid.SampledFrom([]int{0, 0, -60, -1, 1, 60, 253}).Draw(w.t, "weight"),
			reverse: rapid.IntRange(0, 3).Draw(w.t, "reverse") == 0,
		})
	}
	return list
}

func (w *tracked) text() string {
	var b, members strings.Builder
	fmt.Fprint(&b, "vrrp_script s1 {\n script \"/bin/s1\"\n}\nvrrp_script s2 {\n script \"/bin/s2\"\n rise 3\n fall 2\n}\n")
	fmt.Fprint(&b, "track_file f1 {\n file /tmp/f1\n}\ntrack_file f2 {\n file /tmp/f2\n}\n")
	fmt.Fprint(&b, "vrrp_track_process p1 {\n process p1\n}\nvrrp_track_process p2 {\n process p2\n}\n")
	for _, in := range w.conf {
		fmt.Fprintf(&b, "vrrp_instance %s {\n interface %s\n virtual_router_id %d\n priority %d\n", in.name, in.link, in.vrid, in.priority)
		if in.nopreempt {
			fmt.Fprint(&b, " nopreempt\n")
		}
		for _, l := range []struct {
			block string
			list  []wantTrack
		}{{"track_interface", in.links}, {"track_script", in.scripts}, {"track_file", in.files}, {"track_process", in.processes}} {
			writeWanted(&b, l.block, l.list)
		}
		fmt.Fprintf(&b, " virtual_ipaddress {\n  192.0.2.%d/24\n }\n}\n", in.vrid)
		if in.grouped {
			fmt.Fprintf(&members, "  %s\n", in.name)
		}
	}
	if members.Len() > 0 {
		fmt.Fprintf(&b, "vrrp_sync_group G {\n group {\n%s }\n", members.String())
		if w.weights {
			fmt.Fprint(&b, " sync_group_tracking_weight\n")
		}
		fmt.Fprint(&b, "}\n")
	}
	return b.String()
}

func writeWanted(b *strings.Builder, block string, list []wantTrack) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, " %s {\n", block)
	for _, t := range list {
		fmt.Fprintf(b, "  %s weight %d", t.name, t.weight)
		if t.reverse {
			fmt.Fprint(b, " reverse")
		}
		fmt.Fprint(b, "\n")
	}
	fmt.Fprint(b, " }\n")
}

func (w *tracked) step(ev Event) {
	for _, a := range w.node.Step(w.now, ev, nil) {
		if a.Kind == ActLog || a.Kind == ActNotify {
			fmt.Fprintf(&w.log, "  %.3f %s %+v\n", w.now.Seconds(), a.Text, a.Edge)
		}
	}
}

// happen lets one thing happen, and then some time pass.
func (w *tracked) happen() {
	kind := rapid.SampledFrom([]string{"link", "link", "script", "script", "script", "file", "process", "advert", "lost", "reload"}).Draw(w.t, "event")
	yes := rapid.Bool().Draw(w.t, "yes")
	fmt.Fprintf(&w.log, "> %s %v\n", kind, yes)
	switch kind {
	case "link":
		w.link(rapid.SampledFrom(trackedLinks).Draw(w.t, "link"), yes)
	case "script":
		w.script(rapid.IntRange(0, 1).Draw(w.t, "script"), yes)
	case "file":
		w.file(rapid.SampledFrom(trackedFiles).Draw(w.t, "file"), rapid.SampledFrom([]int{-300, -1, 0, 1, 5, 300}).Draw(w.t, "number"))
	case "process":
		w.process(rapid.SampledFrom(trackedProcesses).Draw(w.t, "process"), yes)
	case "advert":
		w.advert()
	case "lost":
		m := rapid.SampledFrom(w.node.members).Draw(w.t, "loser")
		m.plan.ReleaseLost = yes
		w.step(Event{Kind: EventLost, ID: m.id, Lost: m.plan.Addresses[0].Prefix})
	case "reload":
		w.step(Event{Kind: EventReload, Plan: w.draw()})
	}
	w.until(time.Duration(rapid.SampledFrom([]int{0, 0, 10, 700, 2000, 5000}).Draw(w.t, "ms")) * time.Millisecond)
}

func (w *tracked) until(d time.Duration) {
	end := w.now + d
	for w.node.Next() <= end {
		w.now = max(w.now, w.node.Next())
		w.step(Event{Kind: EventTick})
	}
	w.now = end
}

func (w *tracked) link(name string, is bool) {
	w.up[name] = is
	w.step(Event{Kind: EventLink, Link: Link{Name: name, Index: slices.Index(trackedLinks, name) + 1, Exists: true, Up: is, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}})
}

func (w *tracked) script(i int, ok bool) {
	w.scripts[trackedScripts[i]].hear(ok)
	ev := Event{Kind: EventScript, Script: i, OK: ok}
	w.step(ev)
}

func (w *tracked) file(name string, number int) {
	w.files[name] = number
	w.step(Event{Kind: EventFile, Name: name, Value: number})
}

func (w *tracked) process(name string, ok bool) {
	w.good[name] = ok
	w.step(Event{Kind: EventProcess, Name: name, OK: ok})
}

// advert is one of another router, for any instance that can hear it.
func (w *tracked) advert() {
	m := rapid.SampledFrom(w.node.members).Draw(w.t, "hears")
	wire, ok := m.wire()
	if !ok {
		return
	}
	p := m.plan.Advert
	p.Priority = rapid.SampledFrom([]uint8{0, 1, 100, 101, 254, 255}).Draw(w.t, "heard")
	src := netip.MustParseAddr(rapid.SampledFrom([]string{"10.0.0.0", "10.0.0.9"}).Draw(w.t, "from"))
	w.step(Event{Kind: EventPacket, Packet: &Packet{
		Wire: wire, Arrival: vrrp.Arrival{Src: src, Dst: m.plan.Group, TTL: 255, Data: p.AppendTo(nil, src, m.plan.Group)},
	}})
}

// weight is that of a tracker in its place: an owner has no weights, and a sync
// group that does not weigh makes faults of those of interfaces, drops those of
// scripts and files, but for a file's default, and leaves those of processes.
func (w *tracked) weight(in *want, t wantTrack, kind string) (weight int, counts bool) {
	switch {
	case t.weight == 0:
		return 0, true
	case in.priority == 255 && kind != "own":
		return 0, false
	case !in.grouped || w.weights || kind == "process":
		return t.weight, true
	case kind == "link", kind == "file" && t.weight == 1:
		return 0, true
	}
	return 0, false
}

// judge is whether an instance has a cause of FAULT, and its priority.
func (w *tracked) judge(in *want) (ill bool, priority int) {
	ill = !w.up[in.link]
	sum := 0
	add := func(t wantTrack, kind string, known, good bool) {
		weight, counts := w.weight(in, t, kind)
		if !counts || !known {
			return
		}
		good = good != t.reverse
		switch {
		case weight == 0:
			ill = ill || !good
		case good == (weight > 0):
			sum += weight
		}
	}
	for _, t := range in.links {
		add(t, "link", true, w.up[t.name])
	}
	for _, t := range in.scripts {
		add(t, "script", w.scripts[t.name].known, w.scripts[t.name].ok)
	}
	for _, t := range in.processes {
		good, known := w.good[t.name]
		add(t, "process", known, good)
	}
	for _, t := range in.files {
		weight, counts := w.weight(in, t, "file")
		number := w.files[t.name] * weight
		if t.reverse {
			number = -number
		}
		switch {
		case !counts:
		case weight == 0:
			ill = ill || (w.files[t.name] == 0) == t.reverse
		case number <= -254:
			ill = true
		default:
			sum += min(number, 253)
		}
	}
	if in.priority == 255 {
		return ill, 255
	}
	return ill, min(max(in.priority+sum, 1), 254)
}

func (w *tracked) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), w.log.String())
}

// check holds every instance against the rules, at any time. A member of a group
// of which not all have begun may stay in FAULT.
func (w *tracked) check() {
	waits, out := false, false
	for i := range w.conf {
		ill, _ := w.judge(&w.conf[i])
		out = out || w.conf[i].grouped && ill
		waits = waits || w.conf[i].grouped && !w.node.members[i].started
	}
	for i := range w.conf {
		in, m, r := &w.conf[i], w.node.members[i], w.node.members[i].router
		ill, priority := w.judge(in)
		bad := ill || in.grouped && out
		switch {
		case r.State() == vrrp.Init:
			continue
		case bad != (r.State() == vrrp.Fault) && !waits && m.started:
			w.fail("%s is %v; has it a cause? %v", in.name, r.State(), bad)
		case m.started && int(r.Priority()) != priority && r.Priority() != 254 && in.priority != 255:
			w.fail("%s has priority %d, want %d", in.name, r.Priority(), priority)
		}
	}
}

// rest lets everything end that is awaited, and nobody else speak: then whoever
// can be MASTER is, and the members of a group agree.
func (w *tracked) rest() {
	for i := range trackedScripts {
		for range 3 {
			w.script(i, rapid.IntRange(0, 3).Draw(w.t, "ends well") > 0)
		}
	}
	for _, name := range trackedProcesses {
		w.process(name, rapid.IntRange(0, 3).Draw(w.t, "runs") > 0)
	}
	w.until(time.Minute)
	w.check()
	group := map[vrrp.State]string{}
	for i := range w.conf {
		in, state := &w.conf[i], w.node.members[i].router.State()
		if in.grouped {
			group[state] = in.name
		}
		if state != vrrp.Master && state != vrrp.Fault {
			w.fail("%s is %v, and nobody else speaks", in.name, state)
		}
	}
	if len(group) > 1 {
		w.fail("members of the group differ: %v", group)
	}
}
