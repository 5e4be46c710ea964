package rtnl

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"keepgo/vip"
)

// Two hands that fight over an entry must not spin: the first repair is made at
// once, each further one later, until the entry was left alone for calm.
const (
	firstPause = 100 * time.Millisecond
	longPause  = time.Second
	calm       = 10 * time.Second
)

// What the kernel refuses is tried again after longPause, then ever later up
// to lastPause: most often a person has to do something first.
const lastPause = 30 * time.Second

// entry is an address, a route or a rule that at least one owner wants.
type entry struct {
	address vip.Address
	key     vip.Key    // of an address
	route   *vip.Route // or nil; its Table is the VRF's once that is known
	rule    *vip.Rule  // or nil

	owners []int
	order  uint64 // of the claim: entries are put back in the order they came
	index  int    // while it stands: of the link of an address, 1 for others; else 0

	due      time.Time // when to try again; zero: not before the link changes
	repaired time.Time
	strikes  int    // repairs without calm between them
	taken    bool   // somebody removed it
	port     uint32 // who
	refusals int    // failed tries since it stood last
	own      bool   // counts among the link's own addresses
	checking bool   // whether an IPv6 address is another host's is not known yet
}

// rank is the place in the order of addition: what comes later needs what
// comes before.
func (e *entry) rank() int {
	switch {
	case e.rule != nil:
		return 2
	case e.route != nil:
		return 1
	}
	return 0
}

// event is an event that tells of the entry.
func (e *entry) event(kind EventKind, owner int) Event {
	return Event{Kind: kind, Owner: owner, Address: e.address, Route: e.route, Rule: e.rule}
}

// pause is the time from the last repair, one of strikes, to the next.
func (e *entry) pause() time.Duration {
	return min(firstPause<<min(e.strikes-1, 8), longPause)
}

// patience is the time from a refusal to the next try.
func (e *entry) patience() time.Duration {
	return min(longPause<<min(e.refusals, 8), lastPause)
}

// state is what is wanted and what of it stands. It belongs to one goroutine.
type state struct {
	claims  map[int]vip.Want
	entries map[vip.Key]*entry // the addresses
	policy  policy             // the routes and rules
	byLink  map[string]map[*entry]struct{}
	waiting map[*entry]struct{} // do not stand and have a due time
	counter uint64

	queue  []request
	marks  []mark
	doubts []*entry // seem to stand, though perhaps another does in their place

	touched  []int // links to tell of
	resyncAt time.Time
}

// mark says where in the queue an owner's requests for addresses are.
type mark struct{ owner, begin, end int }

func newState() state {
	return state{
		claims:  make(map[int]vip.Want),
		policy:  newPolicy(),
		entries: make(map[vip.Key]*entry),
		byLink:  make(map[string]map[*entry]struct{}),
		waiting: make(map[*entry]struct{}),
	}
}

// kernelKey is the identity under which the kernel reports an address: with a
// peer, the prefix length belongs to the peer alone.
func kernelKey(a vip.Address) vip.Key {
	k := a.Key()
	if k.Peer.IsValid() {
		k.Prefix = netip.PrefixFrom(k.Prefix.Addr(), k.Prefix.Addr().BitLen())
	}
	return k
}

// claim notes that owner wants a. The result is the new entry, or nil when the
// address was wanted already.
func (s *state) claim(owner int, a vip.Address) *entry {
	k := kernelKey(a)
	if e := s.entries[k]; e != nil {
		e.join(owner)
		return nil
	}
	e := s.enter(&entry{address: a, key: k}, owner)
	s.entries[k] = e
	if s.byLink[a.Link] == nil {
		s.byLink[a.Link] = make(map[*entry]struct{})
	}
	s.byLink[a.Link][e] = struct{}{}
	return e
}

// release notes that owner no longer wants a. The result is the entry when it
// was the last who did.
func (s *state) release(owner int, a vip.Address) *entry {
	e := s.entries[kernelKey(a)]
	if e == nil || !e.leave(owner) {
		return nil
	}
	delete(s.entries, e.key)
	delete(s.waiting, e)
	delete(s.byLink[a.Link], e)
	if len(s.byLink[a.Link]) == 0 {
		delete(s.byLink, a.Link)
	}
	return e
}

// retrack notes how addresses that an owner wanted before are to be looked
// after from now on: that alone is no difference to the kernel.
func (s *state) retrack(have, want vip.Set) {
	if len(have) == 0 {
		return
	}
	for _, a := range want {
		if e := s.entries[kernelKey(a)]; e != nil {
			e.address.NoTrack = a.NoTrack
		}
	}
}

// enter makes owner the first who wants e.
func (s *state) enter(e *entry, owner int) *entry {
	s.counter++
	e.order, e.owners = s.counter, []int{owner}
	return e
}

func (e *entry) join(owner int) {
	if !slices.Contains(e.owners, owner) {
		e.owners = append(e.owners, owner)
	}
}

// leave reports whether nobody wants e any more.
func (e *entry) leave(owner int) bool {
	e.owners = slices.DeleteFunc(e.owners, func(o int) bool { return o == owner })
	return len(e.owners) == 0
}

// stands notes that an entry is there.
func (s *state) stands(e *entry, index int) {
	e.index, e.refusals = index, 0
	delete(s.waiting, e)
}

// misses notes that an entry is not there, and when to try again. A zero due
// waits for the link.
func (s *state) misses(e *entry, due time.Time) {
	e.index, e.due = 0, due
	if due.IsZero() {
		delete(s.waiting, e)
	} else {
		s.waiting[e] = struct{}{}
	}
}

// loses notes that somebody removed an entry, and plans its repair.
func (s *state) loses(e *entry, port uint32, now time.Time) {
	if now.Sub(e.repaired) > calm {
		e.strikes = 0
	}
	e.taken, e.port = true, port
	due := now
	if e.strikes > 0 {
		due = e.repaired.Add(e.pause())
	}
	s.misses(e, due)
}

// missingOn makes the absent addresses of a link due.
func (s *state) missingOn(link string, now time.Time) {
	for e := range s.byLink[link] {
		if e.index == 0 {
			s.misses(e, now)
		}
	}
}

// takeDue takes out the entries to try now: addresses, then routes, then rules,
// each in the order they were claimed.
func (s *state) takeDue(now time.Time) []*entry {
	var due []*entry
	for e := range s.waiting {
		if !e.due.After(now) {
			due = append(due, e)
			delete(s.waiting, e)
		}
	}
	slices.SortFunc(due, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.order, b.order))
	})
	return due
}

// next is the earliest time at which something is due; zero for none.
func (s *state) next() time.Time {
	next := s.resyncAt
	if at := s.policy.recheckAt; !at.IsZero() && (next.IsZero() || at.Before(next)) {
		next = at
	}
	for e := range s.waiting {
		if next.IsZero() || e.due.Before(next) {
			next = e.due
		}
	}
	return next
}

// applied is the part of an owner's addresses that stands.
func (s *state) applied(owner int) vip.Set {
	set := s.claims[owner].Addresses
	for i, a := range set {
		if s.standing(a) {
			continue
		}
		out := slices.Clone(set[:i])
		for _, a := range set[i+1:] {
			if s.standing(a) {
				out = append(out, a)
			}
		}
		return out
	}
	return set
}

func (s *state) standing(a vip.Address) bool {
	e := s.entries[kernelKey(a)]
	return e != nil && e.index != 0 && !e.checking
}
