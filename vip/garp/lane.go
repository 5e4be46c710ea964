package garp

import (
	"cmp"
	"container/heap"
	"net/netip"
	"slices"
	"time"
)

// laneKey names a lane: the packets of one protocol that are spaced together.
type laneKey struct {
	lane int
	ipv6 bool
}

// lane is served round robin: what is to be sent several times waits at the back
// after each time, and behind all that is to be sent for the first time. So every
// address is taken once before any is taken again, of however many owners, spaced
// or not.
type lane struct {
	first, again queue
	next         time.Time // not before
	alarm        alarm     // planned while any waits
}

// queue is first in, first out.
type queue struct {
	items []*item // from head on
	head  int
}

// item is one target of a run, with how often it is still to be sent.
type item struct {
	target *Target
	left   int
	queued bool
	ahead  bool // it was announced once before the first burst
}

func newRun(targets []Target, s Schedule) *run {
	r := &run{schedule: s, items: make([]item, 0, len(targets))}
	for i := range targets {
		if targets[i].speaks() {
			r.items = append(r.items, item{target: &targets[i]})
		}
	}
	return r
}

// burst queues every target of a run. What still waits from a burst before is
// not sent in addition.
func (p *Pacer) burst(r *run, repeat int, now time.Time) {
	if repeat <= 0 {
		return
	}
	for i := range r.items {
		if it := &r.items[i]; !it.ahead || repeat > 1 {
			p.raise(it, repeat, now)
		}
	}
}

// takeAhead makes what an owner announced ahead a part of its run.
func (p *Pacer) takeAhead(r *run, owner int) {
	r.ahead = p.ahead[owner]
	delete(p.ahead, owner)
	announced := make(map[place]bool)
	for a := r.ahead; a != nil; a = a.ahead {
		for i := range a.items {
			announced[a.items[i].target.place()] = true
		}
	}
	for i := range r.items {
		if it := &r.items[i]; announced[it.target.place()] {
			it.ahead = true
		}
	}
}

// all are the items of a run, and those that were announced ahead of it.
func (r *run) all(yield func(*item) bool) {
	for part := r; part != nil; part = part.ahead {
		for i := range part.items {
			if !yield(&part.items[i]) {
				return
			}
		}
	}
}

// silence ends what of a run still waits: its lanes pass over it.
func (r *run) silence() {
	for it := range r.all {
		it.left = 0
	}
}

// forgetAhead lets go of what was announced ahead once nothing of it waits.
func (r *run) forgetAhead() {
	for a := r.ahead; a != nil; a = a.ahead {
		if slices.ContainsFunc(a.items, func(it item) bool { return it.left > 0 }) {
			return
		}
	}
	r.ahead = nil
}

// raise queues a target for at least so many announcements, of which one may have
// been made.
func (p *Pacer) raise(it *item, repeat int, now time.Time) {
	again := it.ahead
	if it.ahead = false; again {
		repeat--
	}
	it.left = max(it.left, repeat)
	if !it.queued {
		p.enqueue(it, again, now)
	}
}

// remind queues every extra target of a run once.
func (p *Pacer) remind(r *run, now time.Time) {
	for i := range r.items {
		if it := &r.items[i]; it.target.Extra {
			p.raise(it, 1, now)
		}
	}
}

func (r *run) hasExtra() bool {
	return slices.ContainsFunc(r.items, func(it item) bool { return it.target.Extra })
}

// place is where an address is announced, whatever else changes about it.
type place struct {
	index int
	addr  netip.Addr
}

func (t *Target) place() place { return place{t.IfIndex, t.address()} }

// lane is where the announcements of a target queue.
func (t *Target) lane() laneKey { return laneKey{cmp.Or(t.Lane, t.IfIndex), t.address().Is6()} }

// resume queues in r what of old still waits, for the addresses both have.
func (p *Pacer) resume(old, r *run, now time.Time) {
	left := make(map[place]int)
	for it := range old.all {
		left[it.target.place()] += it.left
	}
	for i := range r.items {
		it := &r.items[i]
		if n := left[it.target.place()]; n > 0 {
			p.raise(it, n, now)
		}
	}
}

// prune forgets lanes at rest, since links come and go for ever. Its cost is
// shared by as many new lanes as there were left.
func (p *Pacer) prune(now time.Time) {
	if len(p.lanes) < p.pruneAt {
		return
	}
	for key, l := range p.lanes {
		if !l.alarm.planned() && !l.next.After(now) {
			delete(p.lanes, key)
		}
	}
	p.pruneAt = 2*len(p.lanes) + 64
}

func (p *Pacer) enqueue(it *item, again bool, now time.Time) {
	key := it.target.lane()
	l := p.lanes[key]
	if l == nil {
		p.prune(now)
		l = &lane{}
		l.alarm.lane = l
		p.lanes[key] = l
	}
	l.push(it, again)
	if !l.alarm.planned() {
		p.plan(&l.alarm, later(now, l.next), true)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (l *lane) push(it *item, again bool) {
	if again {
		l.again.push(it)
	} else {
		l.first.push(it)
	}
}

// pop takes the next item that is still to be sent; nil when there is none.
func (l *lane) pop() *item {
	if it := l.first.pop(); it != nil {
		return it
	}
	return l.again.pop()
}

func (l *lane) empty() bool { return l.first.empty() && l.again.empty() }

func (q *queue) empty() bool { return q.head == len(q.items) }

func (q *queue) push(it *item) {
	it.queued = true
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 { // move up rather than grow
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, it)
}

func (q *queue) pop() *item {
	for !q.empty() {
		it := q.items[q.head]
		q.items[q.head] = nil
		q.head++
		it.queued = false
		if it.left > 0 {
			return it
		}
	}
	q.items, q.head = q.items[:0], 0
	return nil
}

// fill takes what a lane may send now, up to the room in batch.
func (p *Pacer) fill(l *lane, batch []*Target, now time.Time) []*Target {
	for len(batch) < cap(batch) && !l.next.After(now) {
		it := l.pop()
		if it == nil {
			return batch // the lane rests without alarm
		}
		batch = append(batch, it.target)
		if it.left--; it.left > 0 {
			l.push(it, true)
		}
		if it.target.Spacing > 0 {
			l.next = now.Add(it.target.Spacing)
		}
	}
	if !l.empty() {
		p.plan(&l.alarm, later(now, l.next), true)
	}
	return batch
}

// alarm is a time at which a lane or a run has something to do.
type alarm struct {
	at   time.Time
	turn uint64 // which of two of one time was planned first
	slot int    // position in the heap from 1; 0: not planned
	lane *lane
	run  *run

	repeat int // announcements of each target, of a second burst
}

// planned is not asked of an alarm that is no more than a possibility.
func (a *alarm) planned() bool { return a != nil && a.slot > 0 }

// alarms is a heap of the planned ones, see container/heap.
type alarms []*alarm

func (h alarms) Len() int { return len(h) }

func (h alarms) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].turn < h[j].turn
	}
	return h[i].at.Before(h[j].at)
}

func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i+1, j+1
}

// Push is called by package heap.
func (h *alarms) Push(x any) {
	a := x.(*alarm)
	*h = append(*h, a)
	a.slot = len(*h)
}

// Pop is called by package heap.
func (h *alarms) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	a.slot = 0
	return a
}

// collect does what is due by now and gathers what to send.
func (p *Pacer) collect(batch []*Target, now time.Time) []*Target {
	for len(batch) < cap(batch) && len(p.alarms) > 0 && !p.alarms[0].at.After(now) {
		a := heap.Pop(&p.alarms).(*alarm)
		switch r := a.run; {
		case r == nil:
			batch = p.fill(a.lane, batch, now)
		case a == r.again:
			r.again = nil
			r.forgetAhead()
			p.burst(r, a.repeat, now)
		case a == r.extra:
			p.remind(r, now)
			p.plan(a, now.Add(r.schedule.Extra), true)
		default:
			p.burst(r, r.schedule.RefreshRepeat, now)
			p.plan(a, now.Add(r.schedule.Refresh), true)
		}
	}
	return batch
}
