package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"keepgo/internal/ha"
	"keepgo/internal/sim"
)

// TestRandomWorlds: whatever happened to two or three directors, once the wires
// are whole and the processes run there is one master, and everything is as the
// rules say.
func TestRandomWorlds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { newChaos(t).play() })
}

// chaos is a world in which anything happens.
type chaos struct {
	t     *rapid.T
	world *sim.World
	conf  *drawn
	texts []*drawn // what each node read last
	log   strings.Builder
	sites []*site

	reloading bool
	disturbed bool          // some advert may not have been heard in time
	healed    time.Duration // when everything was mended and no priority moves any more; 0 before
	shared    map[string]time.Duration
}

// site is what is known of a node from outside.
type site struct {
	*sim.Node
	own     map[string]ha.Link     // its interfaces when all is well
	links   map[string]bool        // up
	scripts map[string]sim.Outcome // what they return
	bare    map[string]bool        // the interface has no address
	crashed time.Duration          // when its process died, 0 while it has not
	told    map[string]string      // state last notified, by VRID or group
	sent    map[string]int         // adverts since the count began
}

func newChaos(t *rapid.T) *chaos {
	names := []string{"A", "B", "C"}[:rapid.IntRange(2, 3).Draw(t, "nodes")]
	c := &chaos{t: t, world: sim.New(), conf: draw(t, names), shared: map[string]time.Duration{}}
	c.world.Tell = c.hear
	for _, link := range drawnLinks {
		c.world.Wire(link)
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
			scripts: map[string]sim.Outcome{}, told: map[string]string{}, sent: map[string]int{},
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
	c.t.Helper()
	c.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), c.log.String())
}

func (c *chaos) hear(e sim.Event) {
	s := c.site(e.Node)
	switch e.Kind {
	case sim.Sent:
		s.sent[e.Name]++
		if e.Priority != 0 {
			return
		}
	case sim.Notifies:
		if e.Edge.State != "MASTER_RX_LOWER_PRI" && e.Edge.State != "SPLIT_BRAIN" {
			c.notified(s, subject(e), e.Edge.State)
		}
	case sim.Shared:
		if _, known := c.shared[e.Address.String()]; !known {
			c.shared[e.Address.String()] = e.At
		}
	case sim.Alone:
		c.parted(e)
	}
	fmt.Fprintf(&c.log, "  %s\n", e)
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
	if s.told[who] == state && !c.reloading {
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

// bound is how long two masters that hear each other may both hold an address:
// the better one is heard within its interval, which is 3 s at most here, and
// two wires' delay.
const bound = 3*time.Second + 10*time.Millisecond

func (c *chaos) parted(e sim.Event) {
	since := max(c.shared[e.Address.String()], c.healed)
	delete(c.shared, e.Address.String())
	if c.healed > 0 && e.At-since > bound {
		c.fail("%v stood twice for %v", e.Address, e.At-since)
	}
}

func (c *chaos) play() {
	for _, s := range c.sites {
		if rapid.Bool().Draw(c.t, "runs") {
			c.process("start", s)
		}
	}
	for range rapid.IntRange(0, 30).Draw(c.t, "events") {
		c.happen()
		c.advance(time.Duration(rapid.SampledFrom([]int{0, 1, 10, 300, 1000, 2000, 4000, 8000}).Draw(c.t, "ms")) * time.Millisecond)
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
	c.note("advance %v", d)
	c.must(c.world.Advance(d))
}

// happen lets one thing happen.
func (c *chaos) happen() {
	s := rapid.SampledFrom(c.sites).Draw(c.t, "node")
	kinds := []string{"cut", "one way", "lose", "heal", "silent"}
	switch {
	case s.Frozen():
	case s.Running():
		kinds = append(kinds, "stop", "crash", "poweroff", "reload", "freeze", "suspend", "link", "link", "address", "script", "script", "claim", "remove")
	case s.crashed > 0 && c.world.Now()-s.crashed < 300*time.Millisecond:
		kinds = []string{"resume", "link"}
	default:
		kinds = append(kinds, "start", "start", "start", "link", "script")
	}
	kind := rapid.SampledFrom(kinds).Draw(c.t, "event")
	c.disturbed = c.disturbed || slices.Contains([]string{"cut", "one way", "lose", "freeze", "suspend", "crash", "reload", "address", "silent"}, kind)
	switch kind {
	case "cut", "one way", "lose", "heal", "silent":
		c.wire(kind, s)
	case "claim", "remove":
		c.hand(kind, s)
	case "link", "address", "script", "freeze", "suspend":
		c.machine(kind, s)
	default:
		c.process(kind, s)
	}
}

func (c *chaos) wire(kind string, s *site) {
	link := rapid.SampledFrom(drawnLinks[:2]).Draw(c.t, "wire")
	w := c.world.Wire(link)
	c.note("%s %s %s", kind, s.Name(), link)
	switch kind {
	case "lose":
		w.Lose(rapid.Float64Range(0.05, 0.9).Draw(c.t, "loss"), rapid.Uint64().Draw(c.t, "seed"))
	case "heal":
		c.world.Heal()
	case "silent":
		c.world.SetSilent(link, rapid.Bool().Draw(c.t, "silent"))
	default:
		for _, o := range c.sites {
			w.Cut(s.Name(), o.Name())
			if kind == "cut" {
				w.Cut(o.Name(), s.Name())
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
	}
}

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

func (c *chaos) process(kind string, s *site) {
	c.note("%s %s", kind, s.Name())
	s.crashed = 0
	switch kind {
	case "start":
		clear(s.told)
		c.must(s.Start())
	case "resume":
		maps.DeleteFunc(s.told, func(who, state string) bool { return state != "MASTER" || who == "group G" })
		c.must(s.Resume())
	case "stop":
		c.must(s.Stop())
	case "crash":
		s.Crash()
		s.crashed = c.world.Now()
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
	c.reloading = true
	c.must(s.Reload(c.conf.text(i)))
	c.reloading = false
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
		clear(s.bare)
		for _, link := range drawnLinks {
			c.setLink(s, link, rapid.IntRange(0, 5).Draw(c.t, "stays down") != 0)
		}
		for _, sc := range drawnScripts {
			o := sim.Succeeds
			if rapid.IntRange(0, 3).Draw(c.t, "goes on failing") == 0 {
				o = sim.Fails
			}
			c.setScript(s, sc.name, o)
		}
		if !s.Running() {
			c.process("start", s)
		}
	}
	c.advance(time.Millisecond)
	for _, s := range c.sites {
		c.reload(s)
	}
	c.healed = c.world.Now() + 4*time.Second // until the last script has risen or fallen
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
