package rtnl

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

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
			d.tellRestored(e, 0, false)
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
