package sim_test

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"keepgo/internal/sim"
)

// watch holds a world against the rules after every event.
type watch struct {
	heard   map[bond]time.Duration // since when the one, a MASTER, is heard by the other
	orphans map[bond]time.Duration // since when a healthy one, not MASTER, can hear none
}

// bond is an instance on one node, and what it is to another.
type bond struct{ from, to, vrid int }

func newWatch() watch {
	return watch{heard: map[bond]time.Duration{}, orphans: map[bond]time.Duration{}}
}

// The protocol's bounds, with intervals of 3 s at most, on clocks that may be
// wrong by fastest. Two that hear each other are both MASTER until the better
// one has spoken again. A backup misses its master after three intervals and
// the skew (RFC 9568 section 6.1); in a group the last member to miss it
// decides, and a member that asks too early asks again after the same time.
const (
	bothFor    = 3 * time.Second * (million + 2*fastest) / million
	missedFor  = 4 * bothFor
	togetherIn = 2 * missedFor
	million    = 1_000_000
	margin     = 50 * time.Millisecond // what scripts and processes take
)

// after holds the node that something has just happened to against the rules.
func (c *chaos) after(n *sim.Node) {
	s := c.site(n.Name())
	c.checkAddresses(s)
	masters := s.Masters()
	if !slices.Equal(masters, s.masters) {
		c.checkCourtesy(s, masters)
		c.survey()
		c.checkTogether(s)
	}
	if s.awake != (s.Running() && !s.Frozen()) { // it goes on, or died
		c.survey()
	}
	c.checkBounds()
}

// text is the configuration that a node has read.
func (c *chaos) text(s *site) *drawn { return c.texts[slices.Index(c.sites, s)] }

// leads tells whether a node is MASTER of a virtual router.
func (s *site) leads(in *drawnInstance) bool { return slices.Contains(s.masters, in.name) }

// checkTogether: the members of a sync group are MASTER together.
func (c *chaos) checkTogether(s *site) {
	if conf := c.text(s); conf.grouped && len(s.masters) != 0 && len(s.masters) != len(conf.instances) {
		c.fail("%s: of one group only %v are MASTER", s.Name(), s.masters)
	}
}

// checkCourtesy: a router that is configured so never takes over from a master
// that it hears.
func (c *chaos) checkCourtesy(s *site, now []string) {
	conf, i := c.text(s), slices.Index(c.sites, s)
	for k := range conf.instances {
		in := &conf.instances[k]
		if !in.each[i].nopreempt || s.leads(in) || !slices.Contains(now, in.name) {
			continue
		}
		for j, o := range c.sites {
			since, heard := c.watch.heard[bond{j, i, in.vrid}]
			since = max(since, s.reigned[in.name]) // one that gave an address up for a moment goes on
			if conf.grouped {
				since = max(since, s.reloaded+missedFor) // members of several states make a group of one
			}
			if heard && c.world.Now()-since > bothFor+2*c.lag[in.link] {
				c.fail("%s: %s preempts %s, which it hears since %v, and has nopreempt", in.name, s.Name(), o.Name(), since)
			}
		}
	}
}

// checkCause: who says FAULT has a reason to.
func (c *chaos) checkCause(s *site, who, state string) {
	if state != "FAULT" || c.reloading { // an instance that a reload removes says so too
		return
	}
	conf := c.text(s)
	for k := range conf.instances {
		if in := &conf.instances[k]; strings.HasSuffix(in.name, "_"+who) || who == "group G" {
			if !c.out(s, in) {
				c.fail("%s: %s is in FAULT without a cause", s.Name(), in.name)
			}
			return
		}
	}
}

// survey notes who hears whom as master, and who none, since when.
func (c *chaos) survey() {
	heard, orphans := map[bond]time.Duration{}, map[bond]time.Duration{}
	for _, s := range c.sites {
		for _, name := range s.masters {
			s.reigned[name] = c.world.Now()
		}
		s.masters, s.awake = s.Masters(), s.Running() && !s.Frozen()
		sick := c.sick(s)
		if sick || s.ill {
			s.lastIll = c.world.Now()
		}
		s.ill = sick
	}
	for i, s := range c.sites {
		conf := c.texts[i]
		var lone []bond
		for k := range conf.instances {
			in := &conf.instances[k]
			alone := s.fit(in) && !c.sick(s) && !c.world.Wire(in.link).Silent
			for j, o := range c.sites {
				if b := (bond{j, i, in.vrid}); i != j && c.hears(s, o, in) {
					heard[b] = c.since(c.watch.heard, b)
				}
				alone = alone && (i == j || !c.mayHear(s, o, in))
			}
			if alone {
				lone = append(lone, bond{i, i, in.vrid})
			}
		}
		if conf.grouped && len(lone) < len(conf.instances) {
			continue // a group goes where all of its members can
		}
		for _, b := range lone {
			orphans[b] = c.since(c.watch.orphans, b)
		}
	}
	c.watch.heard, c.watch.orphans = heard, orphans
}

// spoke: who hears an advert waits anew, also if its sender dies over it. Of
// two masters that are heard the goodbye of one has all wait for the skew alone
// (RFC 9568 section 6.4.2), so the other may be preempted.
func (c *chaos) spoke(s *site, e sim.Event) {
	_, number, _ := strings.Cut(e.Name, "_")
	vrid, _ := strconv.Atoi(number)
	for i, o := range c.sites {
		in := c.texts[i].numbered(vrid)
		if in == nil || c.world.Wire(in.link).Shut(s.Name(), o.Name()) {
			continue
		}
		for b := range c.watch.heard {
			if b.to == i && b.vrid == in.vrid && e.Priority == 0 {
				c.watch.heard[b] = e.At
			}
		}
		if _, orphan := c.watch.orphans[bond{i, i, in.vrid}]; orphan {
			c.watch.orphans[bond{i, i, in.vrid}] = e.At
		}
	}
}

// since is when a bond that is there now came to be.
func (c *chaos) since(old map[bond]time.Duration, b bond) time.Duration {
	if t, known := old[b]; known {
		return t
	}
	return c.world.Now()
}

// alike tells whether two nodes run the same configuration, and speak the same
// version of the protocol.
func (c *chaos) alike(s, o *site) bool {
	i, j := slices.Index(c.sites, s), slices.Index(c.sites, o)
	return c.texts[i] == c.texts[j] && c.texts[i].versions[i] == c.texts[i].versions[j]
}

// attends tells whether a node can speak and hear on a wire.
func (s *site) attends(link string) bool {
	return s.Running() && !s.Frozen() && s.links[link] && !s.bare[link]
}

// hears tells whether every advert of the master o reaches s.
func (c *chaos) hears(s, o *site, in *drawnInstance) bool {
	return s.attends(in.link) && o.attends(in.link) && c.alike(s, o) && o.leads(in) &&
		c.world.Wire(in.link).Open(o.Name(), s.Name())
}

// mayHear tells whether s may take what o says for a master's adverts.
func (c *chaos) mayHear(s, o *site, in *drawnInstance) bool {
	if !o.Running() || o.Frozen() || !o.links[in.link] || c.world.Wire(in.link).Shut(o.Name(), s.Name()) {
		return false
	}
	if c.text(s) != c.text(o) {
		return true // who knows what it says
	}
	return c.alike(s, o) && o.leads(in)
}

// fit tells whether a node could be MASTER of an instance, and is not.
func (s *site) fit(in *drawnInstance) bool { return s.attends(in.link) && !s.leads(in) }

// sick tells whether anything of a node is wrong, or about to be found out.
func (c *chaos) sick(s *site) bool {
	for _, link := range drawnLinks {
		if s.links[link] != true || s.bare[link] {
			return true
		}
	}
	for _, sc := range drawnScripts {
		if s.scripts[sc.name] != sim.Succeeds {
			return true
		}
	}
	conf := c.text(s)
	for k := range conf.instances {
		if c.out(s, &conf.instances[k]) {
			return true // by a tracker in reverse
		}
	}
	return !s.Running() || s.Frozen()
}

// recovers is how long a script takes to be believed again.
const recovers = 4 * time.Second

// checkBounds: two masters that hear each other are soon one, and where none is
// to be heard one comes.
func (c *chaos) checkBounds() {
	now := c.world.Now()
	for b, since := range c.watch.heard {
		back, both := c.watch.heard[bond{b.to, b.from, b.vrid}]
		if !both {
			continue
		}
		if in := c.texts[b.to].numbered(b.vrid); now-max(since, back) > bothFor+2*c.lag[in.link]+margin {
			c.fail("%s: %s and %s hear each other, and both are MASTER for %v", in.name, c.sites[b.from].Name(), c.sites[b.to].Name(), now-max(since, back))
		}
	}
	for b, since := range c.watch.orphans {
		s, conf := c.sites[b.to], c.texts[b.to]
		limit := missedFor
		if conf.grouped {
			limit = togetherIn
		}
		in := conf.numbered(b.vrid)
		if now-max(since, s.lastIll+recovers) > limit+2*c.lag[in.link]+margin {
			c.fail("%s: %s is healthy, hears no master and is none for %v", in.name, s.Name(), now-since)
		}
	}
}

// numbered is the instance of a VRID.
func (c *drawn) numbered(vrid int) *drawnInstance {
	for k := range c.instances {
		if c.instances[k].vrid == vrid {
			return &c.instances[k]
		}
	}
	return nil
}
