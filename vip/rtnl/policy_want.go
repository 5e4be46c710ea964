package rtnl

import (
	"fmt"
	"slices"
	"time"

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
			e.past().due = now
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
