package rtnl

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// numbered gives every rule a preference: what has one by its caller's doing
// keeps it.
func numbered(rules []vip.Rule) []vip.Rule {
	if slices.ContainsFunc(rules, func(r vip.Rule) bool { return r.Preference < 0 }) {
		rules = slices.Clone(rules)
		vip.NumberRules(rules)
	}
	return rules
}

// dropRules queues the removal of what is not wanted any more and returns what
// is newly wanted; dropRoutes does the same.
func (d *Door) dropRules(owner int, have, want []vip.Rule) (add []vip.Rule) {
	remove, add := vip.DiffRules(have, want)
	for _, r := range remove {
		if e := d.state.releaseRule(owner, r); e != nil {
			d.queueRemove(e, owner)
		}
	}
	return add
}

func (d *Door) dropRoutes(owner int, have, want []vip.Route) (add []vip.Route) {
	remove, add := vip.DiffRoutes(have, want)
	for _, r := range remove {
		if e := d.state.releaseRoute(owner, r); e != nil {
			d.queueRemove(e, owner)
		}
	}
	return add
}

// addRoutes claims and queues what is newly wanted; addRules does the same.
func (d *Door) addRoutes(owner int, routes []vip.Route) {
	d.followRoutes(routes)
	for _, r := range routes {
		if e := d.state.claimRoute(owner, r); e != nil {
			d.queueAdd(e, false)
		}
	}
}

func (d *Door) addRules(owner int, rules []vip.Rule) {
	if f := &d.state.policy.follows.rules; !*f && len(rules) > 0 {
		*f = d.follow(d.listener.follow(ruleGroups))
	}
	for _, r := range rules {
		if e := d.state.claimRule(owner, r); e != nil {
			d.queueAdd(e, false)
		}
	}
}

// followRoutes asks for notifications of routes once there are any to look
// after, and for those of all protocols once there is one of another.
func (d *Door) followRoutes(routes []vip.Route) {
	p := &d.state.policy
	if len(routes) > 0 && !p.follows.routes {
		if err := d.listener.onlyOwnRoutes(); err != nil {
			p.foreign = true // it is only a saving
		}
		p.follows.routes = d.follow(d.listener.follow(routeGroups))
	}
	other := func(r vip.Route) bool { return r.Protocol != protoKeepalived && !r.NoTrack }
	if !p.foreign && slices.ContainsFunc(routes, other) {
		p.foreign = d.follow(d.listener.allRoutes())
	}
}

// follow tells of err and reports whether there was none.
func (d *Door) follow(err error) bool {
	if err != nil {
		err = fmt.Errorf("cannot follow routes and rules: %w; their removal by others goes unseen", err)
		d.notify(Event{Kind: Failed, Owner: NoOwner, Err: err})
	}
	return err == nil
}

// placeRoute finds the table of a route's VRF and says why the route cannot
// stand now, if so.
func (d *Door) placeRoute(e *entry) error {
	r := e.route
	if r.VRF != "" {
		vrf, ok := d.links.named(r.VRF)
		if !ok || vrf.Table == 0 {
			return fmt.Errorf("there is no VRF %s; the route to %v is added when it appears", r.VRF, r.Dst)
		}
		d.state.policy.inTable(e, vrf.Table)
	}
	for _, h := range r.Hops {
		if h.Link == "" {
			continue
		}
		link, ok := d.links.named(h.Link)
		switch {
		case !ok:
			return fmt.Errorf("there is no interface %s; the route to %v is added when it appears", h.Link, r.Dst)
		case !link.Admin:
			return fmt.Errorf("the interface %s is down; the route to %v is added when it comes up", h.Link, r.Dst)
		}
	}
	return nil
}

// lookAtRoutes makes every route due whose links are there. One that stands is
// not disturbed: the kernel answers that it exists. One that does not is put
// back by that. What went with its link waits for it in silence.
func (d *Door) lookAtRoutes(now time.Time) {
	p := &d.state.policy
	p.recheckAt, p.rechecked = time.Time{}, now
	for _, e := range p.routes {
		switch {
		case d.placeRoute(e) != nil:
			if e.index != 0 {
				d.state.misses(e, time.Time{})
			}
		case !e.taken:
			e.due = now
			d.state.waiting[e] = struct{}{}
		}
	}
}

// putBack queues what is due. The kernel keeps the legs of an IPv6 route apart
// and refuses all of them if one stands, so what is left of it goes first.
func (d *Door) putBack(e *entry) {
	if e.route != nil && e.route.Is6() && len(e.route.Hops) > 1 && e.taken {
		d.queueRemove(e, e.owners[0])
	}
	d.queueAdd(e, true)
}

// doubtful says that EEXIST may be about another entry. An IPv4 route is only
// refused if it stands exactly so, unless it was to be the only one.
func doubtful(e *entry) bool {
	switch {
	case e.index != 0 || e.rank() == 0:
		return false
	case e.rule != nil:
		return true
	}
	return e.route.Is6() || e.route.Placing == vip.AddUnique
}

// verify reads what stands in the place of the doubtful entries.
func (d *Door) verify(now time.Time) {
	doubts := d.state.doubts
	d.state.doubts = nil
	routes, rules := make(map[vip.RouteKey][]*entry), make(map[vip.Rule]*entry)
	for _, e := range doubts {
		if e.rule != nil {
			rules[e.rule.Key()] = e
		} else {
			routes[e.route.Key()] = append(routes[e.route.Key()], e)
		}
	}
	found := make(map[*entry]bool)
	err := d.findRoutes(doubts, routes, found)
	if fault := d.findRules(rules, found); fault != nil {
		err = fault
	}
	for _, e := range doubts {
		switch {
		case found[e]:
			d.added(&request{kind: vip.Add, entry: e, index: 1, err: unix.EEXIST, repair: true}, now)
		case err != nil:
			d.state.misses(e, now.Add(longPause))
		default:
			d.refused(e, explain(vip.Add, e, unix.EEXIST), now.Add(e.patience()))
		}
	}
}

// findRoutes notes which of the routes stand. Only those of their protocol are
// read: a host may have a million others.
func (d *Door) findRoutes(doubts []*entry, routes map[vip.RouteKey][]*entry, found map[*entry]bool) error {
	asked := make(map[[2]byte]bool)
	for _, e := range doubts {
		if e.route == nil {
			continue
		}
		ask := [2]byte{familyOf(e.route.Is6()), e.route.Protocol}
		if asked[ask] {
			continue
		}
		asked[ask] = true
		body := make([]byte, rtmsgLen)
		body[0], body[5] = ask[0], ask[1]
		err := d.commands.dump(unix.RTM_GETROUTE, body, func() {}, func(m message) {
			r, ok := decodeRoute(m.body, d.links.name)
			for _, e := range routes[r.Key()] {
				found[e] = found[e] || ok && e.route.StandsAs(r)
			}
		})
		if err != nil {
			return fmt.Errorf("reading the routes: %w", err)
		}
	}
	return nil
}

func (d *Door) findRules(rules map[vip.Rule]*entry, found map[*entry]bool) error {
	if len(rules) == 0 {
		return nil
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		body := make([]byte, rulemsgLen)
		body[0] = family
		err := d.commands.dump(unix.RTM_GETRULE, body, func() {}, func(m message) {
			if r, ok := decodeRule(m.body); ok && rules[r.Key()] != nil {
				found[rules[r.Key()]] = true
			}
		})
		if err != nil {
			return fmt.Errorf("reading the rules: %w", err)
		}
	}
	return nil
}

// policySeen takes in what the kernel reports of routes and rules. What the
// door did itself is known already.
func (d *Door) policySeen(m message, now time.Time) {
	if m.port == d.commands.port {
		return
	}
	switch m.kind {
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		r, ok := decodeRule(m.body)
		if e := d.state.policy.rules[r.Key()]; ok && e != nil {
			d.policyChanged(e, m, now)
		}
	default:
		r, ok := decodeRoute(m.body, d.links.name)
		for _, e := range d.state.policy.byKey[r.Key()] {
			if ok && concerns(e.route, &r, m) {
				d.policyChanged(e, m, now)
			}
		}
	}
}

// concerns says that a report about k may be about r. Nothing is lost by
// trying again in vain, but for an IPv6 route with several legs.
func concerns(r, k *vip.Route, m message) bool {
	switch {
	case m.kind == unix.RTM_NEWROUTE && m.flags&unix.NLM_F_REPLACE == 0:
		return r.StandsAs(*k)
	case m.kind == unix.RTM_NEWROUTE:
		return true // k took the place of one of that key
	case r.Type != k.Type || r.Protocol != k.Protocol:
		return false
	}
	return !r.Is6() || len(r.Hops) < 2 || slices.ContainsFunc(r.Hops, func(h vip.Nexthop) bool {
		return slices.ContainsFunc(k.Hops, func(o vip.Nexthop) bool { return h.Via == o.Via && (h.Link == "" || h.Link == o.Link) })
	})
}

// policyChanged notes that somebody added, replaced or removed an entry.
func (d *Door) policyChanged(e *entry, m message, now time.Time) {
	removed := m.kind == unix.RTM_DELROUTE || m.kind == unix.RTM_DELRULE || m.flags&unix.NLM_F_REPLACE != 0
	noTrack := e.rule != nil && e.rule.NoTrack || e.route != nil && e.route.NoTrack
	switch {
	case !removed:
		refusals := e.refusals
		if d.state.stands(e, 1); refusals > 0 { // somebody else did what we could not
			d.tellRestored(e, 0)
		}
	case e.route != nil && d.placeRoute(e) != nil:
		d.state.misses(e, time.Time{}) // until its link is there again
	case noTrack && m.port != 0, e.route != nil && e.route.Expires != 0 && m.port == 0:
		e.taken = true // as was asked for
		d.state.misses(e, time.Time{})
	default:
		d.state.loses(e, m.port, now)
	}
}

// promote switches promote_secondaries on for the links newly wanted so, and
// back for those that nobody wants so any more.
func (d *Door) promote(owner int, have, want []string) {
	p := &d.state.policy
	for _, name := range have {
		if pr := p.promoted[name]; pr != nil && !slices.Contains(want, name) {
			if pr.owners = slices.DeleteFunc(pr.owners, func(o int) bool { return o == owner }); len(pr.owners) == 0 {
				d.setPromote(name, pr, false)
				delete(p.promoted, name)
			}
		}
	}
	for _, name := range want {
		pr := p.promoted[name]
		if pr == nil {
			pr = &promotion{}
			p.promoted[name] = pr
			d.setPromote(name, pr, true)
		}
		if !slices.Contains(pr.owners, owner) {
			pr.owners = append(pr.owners, owner)
		}
	}
}

// setPromote does it if the link is there and is not so already; what was on
// before stays on.
func (d *Door) setPromote(name string, pr *promotion, on bool) {
	link, ok := d.links.named(name)
	if !ok || link.Promote == on || !on && !pr.undo {
		return
	}
	if err := d.commands.promote(link.Index, on); err != nil {
		d.notify(Event{Kind: Failed, Owner: NoOwner, Err: fmt.Errorf("cannot set net.ipv4.conf.%s.promote_secondaries: %w", name, err)})
		return
	}
	pr.undo = on
	link.Promote = on
	d.links.put(link)
}
