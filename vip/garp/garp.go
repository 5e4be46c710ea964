// Package garp tells the neighbours where an address lives now: gratuitous ARP
// for IPv4, unsolicited neighbour advertisements for IPv6. It paces them by a
// schedule in a goroutine of its own. Why an address is announced is not known
// here.
package garp

import (
	"container/heap"
	"sync"
	"sync/atomic"
	"time"
)

// Schedule says how often and how fast the targets of an owner are announced.
type Schedule struct {
	Repeat        int           // announcements of each target in the first and the second burst
	Delay         time.Duration // from the first burst to the second; 0: no second
	Refresh       time.Duration // between the bursts that follow for ever; 0: none
	RefreshRepeat int           // announcements of each target in those
	Extra         time.Duration // between single announcements of the targets marked so; 0: none
}

// Failure is a number of announcements of one link that could not be sent,
// each for the same reason, and the first address among them.
type Failure struct {
	Target Target
	Count  int
	Err    error
}

// sender puts frames on the wire in their order. It returns how many it sent,
// and what was wrong with the next.
type sender interface {
	send(frames []*frame) (int, error)
	close() error
}

// maxBatch is the number of frames in one system call, and so the most that
// still goes out after Stop.
const maxBatch = 64

// Pacer sends announcements when they are due.
type Pacer struct {
	sender sender
	failed func(Failure)
	wake   chan struct{}
	done   chan struct{}

	mu      sync.Mutex
	closed  bool
	alarms  alarms
	runs    map[int]*run
	ahead   map[int]*run // what was announced ahead of the run that is to come
	lanes   map[laneKey]*lane
	turn    uint64 // of the last alarm planned
	pruneAt int    // number of lanes

	sent, lost atomic.Uint64

	written [maxBatch]frame // the goroutine's own, of the batch on its way
	frames  [maxBatch]*frame
}

// run is what is announced for one owner.
type run struct {
	items    []item
	ahead    *run // what of it was announced ahead, one after the other, until the second burst
	schedule Schedule
	again    *alarm // second burst; each of the three is nil until it is planned
	refresh  *alarm
	extra    *alarm
}

// Open opens the socket that announcements go through, in the network
// namespace of the calling thread; it needs CAP_NET_RAW. That for IPoIB follows
// with the first of them, in the namespace of the process. failed is told of what
// could not be sent, from the pacer's goroutine; nil means nobody is.
func Open(failed func(Failure)) (*Pacer, error) {
	s, err := newSocket()
	if err != nil {
		return nil, err
	}
	return newPacer(s, failed), nil
}

func newPacer(s sender, failed func(Failure)) *Pacer {
	if failed == nil {
		failed = func(Failure) {}
	}
	p := &Pacer{
		sender: s,
		failed: failed,
		wake:   make(chan struct{}, 1),
		done:   make(chan struct{}),
		runs:   make(map[int]*run),
		ahead:  make(map[int]*run),
		lanes:  make(map[laneKey]*lane),
	}
	go p.loop()
	return p
}

// Start announces targets by schedule s, beginning at once: each target once,
// in order, and that Repeat times. Whatever the owner announced before ends.
// Targets without hardware address are passed over. The pacer keeps targets:
// they must not be changed afterwards. It never blocks.
func (p *Pacer) Start(owner int, targets []Target, s Schedule) {
	p.begin(owner, targets, s, true)
}

// Ahead announces once, and at once, some of the targets that an owner is about
// to Start with: in the first burst they count as announced once. The pacer keeps
// targets. It never blocks.
func (p *Pacer) Ahead(owner int, targets []Target) {
	r := newRun(targets, Schedule{})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.burst(r, 1, time.Now())
	r.ahead, p.ahead[owner] = p.ahead[owner], r
	p.poke()
}

// Replace gives an owner other targets and another schedule without a burst:
// what waits for addresses that stay, a second burst still to come, the refresh
// and the extra announcements go on. An owner that announced nothing begins with the refresh.
func (p *Pacer) Replace(owner int, targets []Target, s Schedule) {
	p.begin(owner, targets, s, false)
}

func (p *Pacer) begin(owner int, targets []Target, s Schedule, burst bool) {
	r := newRun(targets, s)
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	first, extra := now.Add(s.Refresh), now.Add(s.Extra)
	if old := p.runs[owner]; burst {
		p.takeAhead(r, owner)
		p.burst(r, s.Repeat, now)
		if s.Delay > 0 {
			p.second(r, now.Add(s.Delay), s.Repeat)
		}
		first = first.Add(s.Delay)
	} else if old != nil {
		p.resume(old, r, now)
		if old.again.planned() {
			p.second(r, old.again.at, old.again.repeat)
		}
		if old.refresh.planned() && old.schedule.Refresh == s.Refresh {
			first = old.refresh.at
		}
		if old.extra.planned() && old.schedule.Extra == s.Extra {
			extra = old.extra.at
		}
	}
	p.stop(owner)
	p.runs[owner] = r
	p.set(r, &r.refresh, first, s.Refresh > 0)
	p.set(r, &r.extra, extra, s.Extra > 0 && r.hasExtra())
	p.poke()
}

// Burst announces the owner's targets repeat times now and, unless delay is 0,
// again after delay. A second burst that was still to come is replaced.
func (p *Pacer) Burst(owner, repeat int, delay time.Duration) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.runs[owner]
	if r == nil {
		return
	}
	p.burst(r, repeat, now)
	if delay > 0 {
		if r.again.planned() {
			repeat = max(repeat, r.again.repeat)
		}
		p.second(r, now.Add(delay), repeat)
	}
	p.poke()
}

// Stop ends what an owner announces, with everything that waits. At most the
// batch that is being sent still goes out.
func (p *Pacer) Stop(owner int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop(owner)
}

func (p *Pacer) stop(owner int) {
	if a := p.ahead[owner]; a != nil {
		a.silence()
		delete(p.ahead, owner)
	}
	r := p.runs[owner]
	if r == nil {
		return
	}
	delete(p.runs, owner)
	for _, a := range [...]*alarm{r.again, r.refresh, r.extra} {
		p.plan(a, time.Time{}, false)
	}
	r.silence()
}

// Sent is the number of announcements sent, and of those that failed.
func (p *Pacer) Sent() (sent, failed uint64) { return p.sent.Load(), p.lost.Load() }

// Close ends everything and waits for the goroutine.
func (p *Pacer) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.poke()
	<-p.done
	return p.sender.close()
}

func (p *Pacer) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// second plans the second burst of a run.
func (p *Pacer) second(r *run, at time.Time, repeat int) {
	p.set(r, &r.again, at, true)
	r.again.repeat = repeat
}

// set plans an alarm of a run, where it is to be.
func (p *Pacer) set(r *run, a **alarm, at time.Time, on bool) {
	if !on {
		return
	}
	if *a == nil {
		*a = &alarm{run: r}
	}
	p.plan(*a, at, true)
}

// plan sets or clears an alarm.
func (p *Pacer) plan(a *alarm, at time.Time, on bool) {
	if a.planned() {
		heap.Remove(&p.alarms, a.slot-1)
	}
	if on {
		p.turn++
		a.at, a.turn = at, p.turn
		heap.Push(&p.alarms, a)
	}
}
