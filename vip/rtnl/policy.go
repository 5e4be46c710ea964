package rtnl

import (
	"slices"
	"time"

	"keepgo/vip"
)

// policy is the part of the state that is about routes and rules.
type policy struct {
	routes map[string]*entry // by their text
	byKey  map[vip.RouteKey][]*entry
	rules  map[vip.Rule]*entry // by their Key

	follows   struct{ routes, rules bool } // notifications are asked for
	foreign   bool                         // and of routes, those of every protocol
	recheckAt time.Time                    // when to see whether routes were dropped in silence
	rechecked time.Time
}

func newPolicy() policy {
	return policy{
		routes: make(map[string]*entry),
		byKey:  make(map[vip.RouteKey][]*entry),
		rules:  make(map[vip.Rule]*entry),
	}
}

// claimRoute notes that owner wants r. The result is the new entry, or nil when
// the route was wanted already.
func (s *state) claimRoute(owner int, r vip.Route) *entry {
	text := r.String()
	if e := s.policy.routes[text]; e != nil {
		e.join(owner)
		return nil
	}
	e := s.enter(&entry{route: &r}, owner)
	s.policy.routes[text] = e
	s.policy.file(e)
	return e
}

// releaseRoute is release for a route.
func (s *state) releaseRoute(owner int, r vip.Route) *entry {
	text := r.String()
	e := s.policy.routes[text]
	if e == nil || !e.leave(owner) {
		return nil
	}
	delete(s.policy.routes, text)
	s.policy.unfile(e)
	delete(s.waiting, e)
	return e
}

// file and unfile keep the index by which the kernel's reports are looked up.
func (p *policy) file(e *entry) {
	k := e.route.Key()
	p.byKey[k] = append(p.byKey[k], e)
}

func (p *policy) unfile(e *entry) {
	k := e.route.Key()
	p.byKey[k] = slices.DeleteFunc(p.byKey[k], func(o *entry) bool { return o == e })
	if len(p.byKey[k]) == 0 {
		delete(p.byKey, k)
	}
}

// inTable notes the table of a route's VRF.
func (p *policy) inTable(e *entry, table uint32) {
	if e.route.Table != table {
		p.unfile(e)
		r := *e.route // the old value may have been told
		r.Table = table
		e.route = &r
		p.file(e)
	}
}

// claimRule and releaseRule are claim and release for a rule.
func (s *state) claimRule(owner int, r vip.Rule) *entry {
	if e := s.policy.rules[r.Key()]; e != nil {
		e.join(owner)
		return nil
	}
	e := s.enter(&entry{rule: &r}, owner)
	s.policy.rules[r.Key()] = e
	return e
}

func (s *state) releaseRule(owner int, r vip.Rule) *entry {
	e := s.policy.rules[r.Key()]
	if e == nil || !e.leave(owner) {
		return nil
	}
	delete(s.policy.rules, r.Key())
	delete(s.waiting, e)
	return e
}

// recheck plans a look at the routes: the kernel drops them without a word when
// a link goes down or loses its last address. It costs a message a route, so
// there are not two looks within firstPause.
func (s *state) recheck(now time.Time) {
	p := &s.policy
	if len(p.routes) == 0 || !p.recheckAt.IsZero() {
		return
	}
	p.recheckAt = now
	if next := p.rechecked.Add(firstPause); next.After(now) {
		p.recheckAt = next
	}
}

// recheckMissing plans it if some route does not stand.
func (s *state) recheckMissing(now time.Time) {
	for _, e := range s.policy.routes {
		if e.index == 0 {
			s.recheck(now)
			return
		}
	}
}

// forget notes of everything that it is not known to stand.
func (p *policy) forget(s *state, now time.Time) {
	for _, e := range p.routes {
		s.misses(e, now)
	}
	for _, e := range p.rules {
		s.misses(e, now)
	}
}
