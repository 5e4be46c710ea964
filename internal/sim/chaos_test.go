package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"keepgo/internal/ha"
	"keepgo/internal/sim"
)

// chaos is a world in which anything happens.
type chaos struct {
	t     *rapid.T
	world *sim.World
	conf  *drawn
	texts []*drawn // what each node read last
	log   strings.Builder
	sites []*site
	watch watch

	reloading bool
	disturbed bool // some advert may not have been heard in time
	shared    map[string]time.Duration
	lag       map[string]time.Duration // by wire: the longest a packet may be under way
}

// site is what is known of a node from outside.
type site struct {
	*sim.Node
	own      map[string]ha.Link       // its interfaces when all is well
	links    map[string]bool          // up
	scripts  map[string]sim.Outcome   // what they return
	bare     map[string]bool          // the interface has no address
	crashed  time.Duration            // when its process died, 0 while it has not
	masters  []string                 // its instances that are MASTER
	again    bool                     // it died over a reload: its successor may tell what is known under another name
	reloaded time.Duration            // 0 for not yet
	reigned  map[string]time.Duration // when an instance was MASTER last
	awake    bool                     // it ran, when it was looked at last
	ill      bool                     // something of its own was wrong when it was looked at last
	lastIll  time.Duration            // when something of its own was wrong last
	told     map[string]string        // state last notified, by VRID or group
	sent     map[string]int           // adverts since the count began
}

func newChaos(t *rapid.T) *chaos {
	names := []string{"A", "B", "C", "D", "E"}[:rapid.SampledFrom([]int{2, 2, 2, 3, 3, 4, 5}).Draw(t, "nodes")]
	c := &chaos{t: t, world: sim.New(), conf: draw(t, names), shared: map[string]time.Duration{},
		lag: map[string]time.Duration{}, watch: newWatch()}
	c.world.Tell, c.world.After = c.hear, c.after
	for _, link := range drawnLinks {
		c.lag[link] = c.world.Wire(link).Delay
	}
	for i, name := range names {
		n, err := c.world.Add(name, c.conf.text(i))
		c.must(err)
		own := map[string]ha.Link{}
		for _, link := range drawnLinks {
			n.Plug(link)
			own[link] = n.Link(link)
		}
		c.sites = append(c.sites, &site{
			Node: n, own: own, links: map[string]bool{"eth0": true, "eth1": true, "eth2": true}, bare: map[string]bool{},
			scripts: map[string]sim.Outcome{}, reigned: map[string]time.Duration{}, told: map[string]string{}, sent: map[string]int{},
		})
		c.texts = append(c.texts, c.conf)
		c.note("%s reads\n%s", name, c.conf.text(i))
	}
	return c
}

func (c *chaos) must(err error) {
	if err != nil {
		c.fail("%v", err)
	}
}

// note writes down what was done; hear what happened.
func (c *chaos) note(format string, args ...any) {
	fmt.Fprintf(&c.log, "> "+format+"\n", args...)
}

func (c *chaos) fail(format string, args ...any) {
	panic(broken(fmt.Sprintf("%s\n%s", fmt.Sprintf(format, args...), c.log.String())))
}

func (c *chaos) hear(e sim.Event) {
	s := c.site(e.Node)
	if e.Kind != sim.Sent || e.Priority == 0 {
		fmt.Fprintf(&c.log, "  %s\n", e)
	}
	switch e.Kind {
	case sim.Sent:
		s.sent[e.Name]++
		c.spoke(s, e)
	case sim.Dies:
		s.forget()
		s.again = s.again || c.reloading
	case sim.Notifies:
		if e.Edge.State != "MASTER_RX_LOWER_PRI" && e.Edge.State != "SPLIT_BRAIN" {
			c.notified(s, subject(e), e.Edge.State)
		}
	case sim.Shared:
		if _, known := c.shared[e.Address.String()]; !known {
			c.shared[e.Address.String()] = e.At
		}
	case sim.Alone:
		delete(c.shared, e.Address.String())
	}
}

// subject is whom a notification is about: a renamed instance is the same.
func subject(e sim.Event) string {
	if e.Edge.Group {
		return "group " + e.Edge.Name
	}
	_, vrid, _ := strings.Cut(e.Edge.Name, "_")
	return vrid
}

// notified: nothing is told twice in a row, but for what a reload takes out and
// puts in.
func (c *chaos) notified(s *site, who, state string) {
	c.checkCause(s, who, state)
	if s.told[who] == state && !c.reloading && !s.again {
		c.fail("%s: %s is told twice for %s", s.Name(), state, who)
	}
	s.told[who] = state
}

func (c *chaos) site(name string) *site {
	for _, s := range c.sites {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

func (c *chaos) play() {
	for _, s := range c.sites {
		if rapid.Bool().Draw(c.t, "runs") {
			c.process("start", s)
		}
	}
	for range rapid.IntRange(0, 30).Draw(c.t, "events") {
		c.happen()
		c.advance(time.Duration(rapid.SampledFrom([]int{0, 1, 10, 300, 1000, 2000, 4000, 8000, 16000, 35000}).Draw(c.t, "ms")) * time.Millisecond)
		for _, s := range c.sites {
			c.checkAddresses(s)
		}
	}
	c.mend()
	c.advance(40 * time.Second)
	before := c.states()
	for _, s := range c.sites {
		clear(s.sent)
	}
	c.advance(30 * time.Second)
	if after := c.states(); after != before {
		c.fail("no rest:\n%s\nthen\n%s", before, after)
	}
	c.check()
}

func (c *chaos) advance(d time.Duration) {
	if d > 0 {
		c.note("advance %v", d)
	}
	c.must(c.world.Advance(d))
}

// what may happen to wires, to a machine whose process runs, and to one whose
// process does not.
var (
	idle      = []string{""} // what a story can do without becomes this
	toWires   = []string{"cut", "one way", "pair", "island", "lose", "disorder", "slow", "heal", "silent"}
	toRunning = []string{"stop", "crash", "mortal", "poweroff", "reload", "freeze", "suspend", "link", "link", "address", "script", "script", "claim", "remove", "drift", "clock"}
	toDown    = []string{"start", "start", "start", "link", "script", "drift"}
	toCrashed = []string{"resume", "link"}
	unheard   = []string{"cut", "one way", "pair", "island", "lose", "disorder", "slow", "freeze", "suspend", "crash", "mortal", "reload", "address", "silent"}
)

// happen lets one thing happen.
func (c *chaos) happen() {
	s := rapid.SampledFrom(c.sites).Draw(c.t, "node")
	kinds := idle
	switch {
	case s.Frozen(), s.Replacing():
		kinds = slices.Concat(idle, toWires)
	case s.Running():
		kinds = slices.Concat(idle, toWires, toRunning)
	case s.crashed > 0 && c.world.Now()-s.crashed < 300*time.Millisecond:
		kinds = toCrashed
	default:
		kinds = slices.Concat(idle, toWires, toDown)
	}
	kind := rapid.SampledFrom(kinds).Draw(c.t, "event")
	c.disturbed = c.disturbed || slices.Contains(unheard, kind)
	switch kind {
	case "":
	case "claim", "remove":
		c.hand(kind, s)
	case "link", "address", "script", "freeze", "suspend", "drift", "clock":
		c.machine(kind, s)
	case "start", "resume", "stop", "crash", "mortal", "poweroff", "reload":
		c.process(kind, s)
	default:
		c.wire(kind, s)
	}
	c.survey()
}

func (c *chaos) wire(kind string, s *site) {
	link := rapid.SampledFrom(drawnLinks[:2]).Draw(c.t, "wire")
	w := c.world.Wire(link)
	c.note("%s %s %s", kind, s.Name(), link)
	switch kind {
	case "lose":
		w.Lose(rapid.Float64Range(0.05, 0.9).Draw(c.t, "loss"), rapid.Uint64().Draw(c.t, "seed"))
	case "disorder":
		jitter := c.short("jitter")
		w.Disorder(jitter, rapid.Float64Range(0, 0.5).Draw(c.t, "twice"), rapid.Uint64().Draw(c.t, "seed"))
		c.lag[link] = max(c.lag[link], w.Delay+jitter)
	case "slow":
		w.Delay = c.short("delay")
		c.lag[link] += w.Delay
	case "heal":
		c.world.Heal()
	case "silent":
		c.world.SetSilent(link, rapid.Bool().Draw(c.t, "silent"))
	default:
		c.cut(kind, w, s)
	}
}

// short is a time that adverts can bear.
func (c *chaos) short(what string) time.Duration {
	return time.Duration(rapid.IntRange(1, 20).Draw(c.t, what)) * 10 * time.Millisecond
}

// cut takes connections away: all of a node, one way or both, those of a pair,
// or those between two halves.
func (c *chaos) cut(kind string, w *sim.Wire, s *site) {
	other := s
	half := map[*site]bool{}
	switch kind {
	case "pair":
		other = rapid.SampledFrom(c.sites).Draw(c.t, "other")
	case "island":
		for _, o := range c.sites {
			half[o] = rapid.Bool().Draw(c.t, "here")
		}
		for _, o := range c.sites {
			c.note("%s is on the %s side", o.Name(), map[bool]string{true: "one", false: "other"}[half[o]])
		}
	}
	for _, a := range c.sites {
		for _, b := range c.sites {
			switch {
			case kind == "cut" && (a == s || b == s), kind == "one way" && a == s,
				kind == "pair" && (a == s && b == other || a == other && b == s),
				kind == "island" && half[a] != half[b]:
				w.Cut(a.Name(), b.Name())
			}
		}
	}
}

// hand is what another station, or another hand on the machine, does to an
// address that stands.
func (c *chaos) hand(kind string, s *site) {
	if len(s.Standing()) == 0 {
		return
	}
	a := rapid.SampledFrom(s.Standing()).Draw(c.t, "address").Prefix.Addr()
	c.note("%s %s %v", kind, s.Name(), a)
	if kind == "claim" {
		c.must(s.Claim(a, "02:00:00:00:00:99"))
		return
	}
	c.must(s.Remove(a))
}

func (c *chaos) machine(kind string, s *site) {
	d := time.Duration(rapid.IntRange(1, 90).Draw(c.t, "tenths")) * 100 * time.Millisecond
	switch kind {
	case "link":
		c.setLink(s, rapid.SampledFrom(drawnLinks).Draw(c.t, "link"), rapid.Bool().Draw(c.t, "up"))
	case "address":
		link := rapid.SampledFrom(drawnLinks[:2]).Draw(c.t, "link")
		s.bare[link] = !s.bare[link]
		c.setLink(s, link, s.links[link])
	case "script":
		o := rapid.SampledFrom([]sim.Outcome{sim.Succeeds, sim.Fails, sim.Hangs}).Draw(c.t, "outcome")
		c.setScript(s, rapid.SampledFrom(drawnScripts).Draw(c.t, "script").name, o)
	case "freeze":
		drained := rapid.Bool().Draw(c.t, "drained")
		c.note("freeze %s %v %v", s.Name(), d, drained)
		s.Freeze(d, drained)
	case "suspend":
		c.note("suspend %s %v", s.Name(), d)
		s.Suspend(d)
	case "drift":
		ppm := rapid.Int64Range(-fastest, fastest).Draw(c.t, "ppm")
		c.note("the clock of %s goes %d ppm faster", s.Name(), ppm)
		s.Drift(ppm)
	case "clock":
		d = time.Duration(rapid.IntRange(-5000, 5000).Draw(c.t, "step")) * time.Hour
		c.note("the clock of %s is set by %v", s.Name(), d)
		s.StepClock(d)
	}
}

// fastest is how much faster or slower a clock goes at most, in millionths: far
// more than any that still works.
const fastest = 50_000

func (c *chaos) setLink(s *site, name string, up bool) {
	c.note("link %s %s up=%v bare=%v", s.Name(), name, up, s.bare[name])
	s.links[name] = up
	l := s.own[name]
	if l.Up = up; s.bare[name] {
		l.Addresses = nil
	}
	s.SetLink(l)
}

func (c *chaos) setScript(s *site, name string, o sim.Outcome) {
	c.note("script %s %s %d", s.Name(), name, o)
	s.scripts[name] = o
	s.SetScript(name, o)
}

// forget forgets what a process that died has told, but for what its successor
// goes on with.
func (s *site) forget() {
	maps.DeleteFunc(s.told, func(who, state string) bool { return state != "MASTER" || who == "group G" })
}

func (c *chaos) process(kind string, s *site) {
	c.note("%s %s", kind, s.Name())
	s.crashed = 0
	switch kind {
	case "start":
		clear(s.told)
		s.again = false
		c.must(s.Start())
	case "resume":
		s.forget()
		c.must(s.Resume())
	case "stop":
		c.must(s.Stop())
	case "crash":
		s.Crash()
		s.crashed = c.world.Now()
	case "mortal":
		s.CrashAfter(rapid.IntRange(1, 12).Draw(c.t, "actions"))
	case "poweroff":
		s.PowerOff()
	case "reload":
		next := draw(c.t, c.conf.nodes)
		c.conf = rapid.SampledFrom([]*drawn{c.conf, next}).Draw(c.t, "text")
		c.reload(s)
	}
}

// reload lets a node read the newest configuration.
func (c *chaos) reload(s *site) {
	i := slices.Index(c.sites, s)
	c.note("reload %s\n%s", s.Name(), c.conf.text(i))
	c.texts[i] = c.conf
	c.reloading, s.reloaded = true, c.world.Now()
	c.must(s.Reload(c.conf.text(i)))
	c.reloading = false
	maps.DeleteFunc(c.watch.orphans, func(b bond, _ time.Duration) bool { return b.to == i }) // it waits anew
	if !c.conf.grouped {
		delete(s.told, "group G")
	}
	for _, st := range s.States() { // a new one that waits has said nothing yet
		if st.State == "INIT" {
			delete(s.told, st.Name[3:])
		}
	}
}

// mend heals the wires, ends every pause and gives every node its address and
// the same configuration; interfaces and scripts may stay bad for good.
func (c *chaos) mend() {
	c.advance(10 * time.Second) // no pause is longer
	c.world.Heal()
	for _, link := range drawnLinks {
		c.world.SetSilent(link, false)
	}
	for _, s := range c.sites {
		s.CrashAfter(0)
		clear(s.bare)
		for _, link := range drawnLinks {
			c.setLink(s, link, rapid.IntRange(0, 5).Draw(c.t, "stays down") != 5)
		}
		for _, sc := range drawnScripts {
			o := sim.Succeeds
			if rapid.IntRange(0, 3).Draw(c.t, "goes on failing") == 3 {
				o = sim.Fails
			}
			c.setScript(s, sc.name, o)
		}
		if !s.Running() {
			c.process("start", s)
		}
	}
	c.survey()
	c.advance(time.Millisecond)
	for _, s := range c.sites {
		c.reload(s)
	}
	c.survey()
}

func (c *chaos) states() string {
	var b strings.Builder
	for _, s := range c.sites {
		for _, in := range s.States() {
			fmt.Fprintf(&b, "%s %s %s %d %s\n", s.Name(), in.Name, in.State, in.Priority, in.Reason)
		}
	}
	return b.String()
}
