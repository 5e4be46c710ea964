package sim_test

import (
	"net/netip"
	"slices"

	"keepgo/internal/sim"
	"keepgo/internal/status"
)

// check holds a world at rest against the rules.
func (c *chaos) check() {
	for _, s := range c.sites {
		c.checkAddresses(s)
		c.checkGroup(s)
		for i := range c.conf.instances {
			c.checkRouter(s, &c.conf.instances[i])
		}
		if got, want := len(s.States()), len(c.conf.instances); got != want {
			c.fail("%s runs %d instances of %d", s.Name(), got, want)
		}
	}
	mixed := slices.Contains(c.conf.versions, 2) && slices.Contains(c.conf.versions, 3)
	for i := range c.conf.instances {
		in := &c.conf.instances[i]
		c.checkMaster(in, 2)
		c.checkMaster(in, 3)
		if !mixed {
			c.checkHosts(in)
		}
	}
	for a, since := range c.shared {
		if !mixed {
			c.fail("%s stands twice since %v", a, since)
		}
	}
}

// state is how a node says an instance is.
func (c *chaos) state(s *site, in *drawnInstance) status.Instance {
	for _, st := range s.States() {
		if st.Name == in.name {
			return st
		}
	}
	c.fail("%s does not know %s", s.Name(), in.name)
	return status.Instance{}
}

func (c *chaos) router(s *site, in *drawnInstance) drawnRouter {
	return in.each[slices.Index(c.sites, s)]
}

// ill tells whether something of its own keeps an instance of a node down, by
// the words of keepalived.conf(5): its interface, and every tracker of weight 0
// that is bad. In a group without sync_group_tracking_weight a weighted
// interface is one of weight 0, and a weighted script none.
func (c *chaos) ill(s *site, in *drawnInstance) bool {
	r := c.router(s, in)
	bad := !s.links[in.link] || s.bare[in.link]
	for _, t := range r.links {
		weightless := t.weight == 0 || c.text(s).grouped && !c.text(s).weights
		bad = bad || weightless && s.links[t.name] == t.reverse
	}
	for _, t := range r.scripts {
		bad = bad || t.weight == 0 && (s.scripts[t.name] == sim.Succeeds) == t.reverse
	}
	return bad
}

// out tells whether an instance is in FAULT: it, or another of its group.
func (c *chaos) out(s *site, in *drawnInstance) bool {
	if !c.text(s).grouped {
		return c.ill(s, in)
	}
	return slices.ContainsFunc(c.text(s).instances, func(o drawnInstance) bool { return c.ill(s, &o) })
}

// priority is the effective priority of an instance.
func (c *chaos) priority(s *site, in *drawnInstance) uint8 {
	r := c.router(s, in)
	if r.priority == 255 || c.text(s).grouped && !c.text(s).weights {
		return uint8(r.priority)
	}
	sum := r.priority
	for _, t := range r.links {
		sum += weighed(t, s.links[t.name])
	}
	for _, t := range r.scripts {
		sum += weighed(t, s.scripts[t.name] == sim.Succeeds)
	}
	return uint8(min(max(sum, 1), 254))
}

func weighed(t drawnTrack, good bool) int {
	good = good != t.reverse
	if good == (t.weight > 0) {
		return t.weight
	}
	return 0
}

// checkRouter: an instance is in FAULT where it has a cause and nowhere else,
// its priority is what the rules say, and what was told last is true.
func (c *chaos) checkRouter(s *site, in *drawnInstance) {
	st := c.state(s, in)
	if fault := st.State == "FAULT"; fault != c.out(s, in) || !fault && st.State != "MASTER" && st.State != "BACKUP" {
		c.fail("%s: %s is %s (%s); has it a cause? %v", s.Name(), in.name, st.State, st.Reason, c.out(s, in))
	}
	if want := c.priority(s, in); st.Priority != want {
		c.fail("%s: %s has priority %d, want %d", s.Name(), in.name, st.Priority, want)
	}
	if told := s.told[in.name[3:]]; told != st.State {
		c.fail("%s: %s is %s, but %q was told last", s.Name(), in.name, st.State, told)
	}
	if st.State == "MASTER" == (s.sent[in.name] == 0) {
		c.fail("%s: %s is %s and sent %d adverts", s.Name(), in.name, st.State, s.sent[in.name])
	}
	if most := 30*(million+fastest)/million/c.router(s, in).advert + 1; s.sent[in.name] > most {
		c.fail("%s: %s sent %d adverts in 30 s, its interval allows %d", s.Name(), in.name, s.sent[in.name], most)
	}
}

// checkAddresses: on a node that runs, exactly the addresses of its masters stand.
func (c *chaos) checkAddresses(s *site) {
	if !s.Running() || s.Frozen() {
		return
	}
	conf, masters, due := c.text(s), s.Masters(), 0
	for k := range conf.instances {
		if slices.Contains(masters, conf.instances[k].name) {
			due += len(conf.instances[k].vips)
		}
	}
	standing := s.Standing()
	for _, a := range standing {
		if name := conf.owners[a.Prefix.Addr()]; !slices.Contains(masters, name) {
			c.fail("%s holds %v and is not MASTER of %q", s.Name(), a.Prefix, name)
		}
	}
	if len(standing) != due {
		c.fail("%s is MASTER of %v and holds %v", s.Name(), masters, standing)
	}
}

// checkGroup: members of a sync group agree, and the group was told as they are.
func (c *chaos) checkGroup(s *site) {
	if !c.conf.grouped {
		return
	}
	first := s.States()[0]
	for _, st := range s.States() {
		if st.State != first.State {
			c.fail("%s: in one group %s is %s and %s is %s", s.Name(), first.Name, first.State, st.Name, st.State)
		}
	}
	if told := s.told["group G"]; told != first.State {
		c.fail("%s: the group is %s, but %q was told last", s.Name(), first.State, told)
	}
}

// checkMaster: exactly one of the nodes that speak a version and can is MASTER,
// and none that would have taken it from there is better.
func (c *chaos) checkMaster(in *drawnInstance, version int) {
	var able []*site
	var master *site
	for i, s := range c.sites {
		if c.conf.versions[i] != version {
			continue
		}
		if !c.out(s, in) {
			able = append(able, s)
		}
		if c.state(s, in).State == "MASTER" {
			if master != nil {
				c.fail("%s: %s and %s are MASTER", in.name, master.Name(), s.Name())
			}
			master = s
		}
	}
	if master == nil {
		if len(able) > 0 {
			c.fail("%s: nobody is MASTER, %s could", in.name, able[0].Name())
		}
		return
	}
	for _, s := range able {
		if s != master && c.better(s, master, in) {
			c.fail("%s: %s is MASTER and %s is better", in.name, master.Name(), s.Name())
		}
	}
}

// checkHosts: where a router is MASTER its addresses stand there alone, and
// hosts look for them there.
func (c *chaos) checkHosts(in *drawnInstance) {
	i := slices.IndexFunc(c.sites, func(s *site) bool { return c.state(s, in).State == "MASTER" })
	if i < 0 {
		return
	}
	for _, v := range in.vips {
		a := netip.MustParsePrefix(in.vip(v)).Addr()
		if holders := c.world.Holders(a); len(holders) != 1 {
			c.fail("%s stands on %v", a, holders)
		}
		if last := c.world.LastAnnounced(a); !c.disturbed && last != c.sites[i].Name() {
			c.fail("hosts look for %s at %s, it stands on %s", a, last, c.sites[i].Name())
		}
	}
}

// better tells whether s takes an instance over from other. A sync group moves
// only where all its members would.
func (c *chaos) better(s, other *site, in *drawnInstance) bool {
	all := []drawnInstance{*in}
	if c.conf.grouped {
		all = c.conf.instances
	}
	return !slices.ContainsFunc(all, func(o drawnInstance) bool {
		return c.router(s, &o).nopreempt || c.priority(s, &o) <= c.priority(other, &o)
	})
}
