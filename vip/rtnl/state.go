package rtnl

import (
	"cmp"
	"iter"
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

// entry is an address, a route or a rule that at least one owner wants. There
// may be many, so what hardly any of them has stands elsewhere.
type entry struct {
	address *vip.Address // in its owner's set, not to be changed; or nil
	route   *vip.Route   // or nil; its Table is the VRF's once that is known
	rule    *vip.Rule    // or nil
	twin    *entry       // another address of this prefix on this link, with another peer

	owners   []int
	order    uint64 // of the claim: entries are put back in the order they came
	index    int    // while it stands: of the link of an address, 1 for others; else 0
	refusals int    // failed tries since it stood last
	history  *history

	taken    bool // somebody removed it
	own      bool // counts among the link's own addresses
	noTrack  bool // of an address: its removal by others is left alone
	checking bool // whether an IPv6 address is another host's is not known yet
}

// history is that of an entry that did not stand at some time.
type history struct {
	due      time.Time // when to try again; zero: not before the link changes
	repaired time.Time
	strikes  int    // repairs without calm between them
	port     uint32 // who took it
}

// past is the history of an entry, from now on if it has none.
func (e *entry) past() *history {
	if e.history == nil {
		e.history = &history{}
	}
	return e.history
}

// taker is the netlink port of who removed an entry; 0 if nobody did.
func (e *entry) taker() uint32 {
	if e.history == nil {
		return 0
	}
	return e.history.port
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
	ev := Event{Kind: kind, Owner: owner, Route: e.route, Rule: e.rule}
	if e.address != nil {
		ev.Address = *e.address
	}
	return ev
}

// pause is the time from the last repair, one of strikes, to the next.
func (h *history) pause() time.Duration {
	return min(firstPause<<min(h.strikes-1, 8), longPause)
}

// patience is the time from a refusal to the next try.
func (e *entry) patience() time.Duration {
	return min(longPause<<min(e.refusals, 8), lastPause)
}

// state is what is wanted and what of it stands. It belongs to one goroutine.
type state struct {
	claims  map[int]claim
	byLink  map[string]map[netip.Prefix]*entry // the addresses
	policy  policy                             // the routes and rules
	waiting map[*entry]struct{}                // do not stand and have a due time
	counter uint64

	queue  []request
	marks  []mark
	doubts []*entry // seem to stand, though perhaps another does in their place

	touched  []int // links to tell of
	resyncAt time.Time
	unsteady bool // that is because it changed while it was read
}

// claim is what an owner wants; more is nil where that is addresses alone.
type claim struct {
	addresses vip.Set
	more      *vip.Want
}

func claimOf(w vip.Want) claim {
	c := claim{addresses: w.Addresses}
	if w.Addresses = nil; !w.Empty() || w.Own {
		c.more = &w
	}
	return c
}

func (c claim) want() (w vip.Want) {
	if c.more != nil {
		w = *c.more
	}
	w.Addresses = c.addresses
	return w
}

// mark says where in the queue an owner's requests for addresses are.
type mark struct{ owner, begin, end int }

func newState() state {
	return state{
		claims:  make(map[int]claim),
		policy:  newPolicy(),
		byLink:  make(map[string]map[netip.Prefix]*entry),
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

// find is the entry of an address that the kernel knows by k, nil if nobody
// wants it.
func (s *state) find(k vip.Key) *entry {
	e := s.byLink[k.Link][k.Prefix]
	for e != nil && kernelKey(*e.address) != k {
		e = e.twin
	}
	return e
}

// on are the entries of the addresses of a link.
func (s *state) on(link string) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, e := range s.byLink[link] {
			for ; e != nil; e = e.twin {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// file and unfile put the entry of an address in and take it out.
func (s *state) file(e *entry, k vip.Key) {
	if s.byLink[k.Link] == nil {
		s.byLink[k.Link] = make(map[netip.Prefix]*entry)
	}
	e.twin = s.byLink[k.Link][k.Prefix]
	s.byLink[k.Link][k.Prefix] = e
}

func (s *state) unfile(e *entry, k vip.Key) {
	on := s.byLink[k.Link]
	if first := on[k.Prefix]; first != e {
		for first.twin != e {
			first = first.twin
		}
		first.twin = e.twin
		return
	}
	if on[k.Prefix] = e.twin; e.twin == nil {
		delete(on, k.Prefix)
	}
	if len(on) == 0 {
		delete(s.byLink, k.Link)
	}
}

// claim notes that owner wants a, and keeps it. The result is the new entry, or
// nil when the address was wanted already.
func (s *state) claim(owner int, a *vip.Address) *entry {
	k := kernelKey(*a)
	if e := s.find(k); e != nil {
		e.join(owner)
		return nil
	}
	e := s.enter(&entry{address: a, noTrack: a.NoTrack}, owner)
	s.file(e, k)
	return e
}

// release notes that owner no longer wants a. The result is the entry when it
// was the last who did.
func (s *state) release(owner int, a vip.Address) *entry {
	k := kernelKey(a)
	e := s.find(k)
	if e == nil || !e.leave(owner) {
		return nil
	}
	s.unfile(e, k)
	delete(s.waiting, e)
	return e
}

// retrack notes how addresses that an owner wanted before are to be looked
// after from now on: that alone is no difference to the kernel. What is the same
// is kept in want, so that the set before may go.
func (s *state) retrack(have, want vip.Set) {
	if len(have) == 0 {
		return
	}
	for i := range want {
		a := &want[i]
		e := s.find(kernelKey(*a))
		if e == nil {
			continue
		}
		e.noTrack = a.NoTrack
		was := *e.address
		if was.NoTrack = a.NoTrack; was == *a {
			e.address = a
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
	e.index = 0
	if due.IsZero() {
		delete(s.waiting, e)
		return
	}
	e.past().due = due
	s.waiting[e] = struct{}{}
}

// loses notes that somebody removed an entry, and plans its repair.
func (s *state) loses(e *entry, port uint32, now time.Time) {
	h := e.past()
	if now.Sub(h.repaired) > calm {
		h.strikes = 0
	}
	e.taken, h.port = true, port
	due := now
	if h.strikes > 0 {
		due = h.repaired.Add(h.pause())
	}
	s.misses(e, due)
}

// missingOn makes the absent addresses of a link due.
func (s *state) missingOn(link string, now time.Time) {
	for e := range s.on(link) {
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
		if !e.past().due.After(now) {
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
		if due := e.past().due; next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next
}

// applied is the part of an owner's addresses that stands.
func (s *state) applied(owner int) vip.Set {
	set := s.claims[owner].addresses
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
	e := s.find(kernelKey(a))
	return e != nil && e.index != 0 && !e.checking
}
