// Package witness listens on links: whether another station claims an address
// that is held here, and whether frames come in at all. What follows from either
// is not known here.
package witness

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Event is a Conflict or an Alive.
type Event interface{ event() }

// Conflict is that another station answers for an address of the watched set,
// announces it or asks in its name. The same station and address are reported
// again after a second, and then at most every ten.
type Conflict struct {
	Link  int
	Name  string // of the link
	Addr  netip.Addr
	Owner int    // who came to hold it last, though another may hold it still
	MAC   MAC    // the station that shall have the address
	Again uint64 // how often it said so since the last report, and was not reported
}

// Alive is the first frame that came in from outside on a link whose life is
// awaited, and was not made by the next switch itself.
type Alive struct {
	Link int
	Name string
	MAC  MAC // of its sender
}

func (Conflict) event() {}
func (Alive) event()    {}

// Target is one address held on one link.
type Target struct {
	Link int // index
	Addr netip.Addr
}

// held is who holds each address of a link, by the kind of tap that hears claims
// of it.
type held [tapKinds]map[netip.Addr]holders

// holders are the owners of an address: how many, and the last that came.
type holders struct{ n, last int }

// Door hears what is said on links.
type Door struct {
	report  func(Event)
	telling sync.Mutex // one report at a time

	mu     sync.Mutex
	closed bool
	links  map[int]*link
	own    map[MAC]int   // stations that are this host, by the number of links that name them
	held   map[int]*held // by link
	limit  limiter
	taps   sync.WaitGroup
}

// link is one that is watched.
type link struct {
	index int
	name  string
	own   []MAC
	alive bool
	await bool           // who asked for it wants to know when it is alive
	taps  [tapKinds]*tap // nil: not needed
}

// Open makes a door that hears nothing yet. report is told of events from the
// door's goroutines, one at a time; it must not call Close.
func Open(report func(Event)) (*Door, error) {
	if report == nil {
		return nil, errors.New("witness: nobody to report to")
	}
	return &Door{
		report: report, links: map[int]*link{}, own: map[MAC]int{},
		held: map[int]*held{}, limit: limiter{},
	}, nil
}

// Watch begins to hear a link, in the network namespace of the calling thread;
// it needs CAP_NET_RAW. own are the stations on it that are this host: its
// hardware address and those of its virtual routers. A link that is watched
// already gets its new name and stations, and stays alive if it was: to doubt
// that, after its carrier was lost, Forget it first.
func (d *Door) Watch(index int, name string, own ...MAC) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	l := d.links[index]
	if l == nil {
		l = &link{index: index}
		d.links[index] = l
	}
	d.name(l.own, -1)
	l.name, l.own = name, slices.Clone(own)
	d.name(l.own, +1)
	return d.tend(l)
}

// Await has the first frame on a watched link told; of one that is alive already
// nothing is. Nobody else pays for that: every frame that passes goes through the
// socket it takes, in both directions.
func (d *Door) Await(index int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.links[index]
	if l == nil {
		return nil
	}
	l.await = true
	return d.tend(l)
}

// name counts the links that name stations as this host.
func (d *Door) name(own []MAC, by int) {
	for _, m := range own {
		if d.own[m] += by; d.own[m] == 0 {
			delete(d.own, m)
		}
	}
}

// Forget ends the watch of a link, such as one that is gone. What is to be held
// on it is kept.
func (d *Door) Forget(index int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.links[index]
	if l == nil {
		return
	}
	delete(d.links, index)
	d.name(l.own, -1)
	l.silence()
}

// silence ends all taps of a link.
func (l *link) silence() {
	for kind, t := range l.taps {
		if t != nil {
			t.end()
			l.taps[kind] = nil
		}
	}
}

// Set replaces the addresses an owner holds, which are was, by now; none ends its
// watch. What it costs does not grow with what others hold. Who asks knows what it
// asked for last: that is not kept twice.
func (d *Door) Set(owner int, was, now []Target) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	touched := make([]int, 0, len(was)+len(now))
	for i, targets := range [...][]Target{was, now} {
		for _, t := range targets {
			if t.Addr = t.Addr.Unmap().WithZone(""); t.Addr.IsValid() {
				d.hold(owner, t, 2*i-1)
				touched = append(touched, t.Link)
			}
		}
	}
	slices.Sort(touched)
	var err error
	for _, index := range slices.Compact(touched) {
		if l := d.links[index]; l != nil {
			err = errors.Join(err, d.tend(l))
		}
	}
	return err
}

// hold counts the owners of an address: one comes or goes.
func (d *Door) hold(owner int, t Target, by int) {
	h := d.held[t.Link]
	if h == nil {
		h = &held{tapARP: map[netip.Addr]holders{}, tapNA: map[netip.Addr]holders{}}
		d.held[t.Link] = h
	}
	addrs := h.of(t.Addr)
	who := addrs[t.Addr]
	if who.n += by; by > 0 {
		who.last = owner
	}
	if addrs[t.Addr] = who; who.n == 0 {
		delete(addrs, t.Addr)
	}
	if len(h[tapARP])+len(h[tapNA]) == 0 {
		delete(d.held, t.Link)
	}
}

// of are the addresses of the same family.
func (h *held) of(a netip.Addr) map[netip.Addr]holders {
	if a.Is4() {
		return h[tapARP]
	}
	return h[tapNA]
}

// words is what a filter compares: sorted, and empty if it is too much.
func (h *held) words(kind int) []uint32 {
	if len(h[kind]) > maxListed {
		return nil
	}
	words := make([]uint32, 0, len(h[kind]))
	for a := range h[kind] {
		words = append(words, word(a))
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// tend gives a link the taps it needs, and those their filters.
func (d *Door) tend(l *link) error {
	h := d.held[l.index]
	if h == nil {
		h = new(held)
	}
	err := errors.Join(
		d.tune(l, tapAny, l.await && !l.alive, nil),
		d.tune(l, tapARP, len(h[tapARP]) > 0, h.words(tapARP)),
		d.tune(l, tapNA, len(h[tapNA]) > 0, h.words(tapNA)),
	)
	if err != nil {
		return fmt.Errorf("hearing what others say on %s: %w", l.name, err)
	}
	return nil
}

// tune opens, ends or refilters a tap.
func (d *Door) tune(l *link, kind int, on bool, words []uint32) error {
	t := l.taps[kind]
	switch {
	case t == nil && !on:
		return nil
	case t == nil:
		return d.tap(l, kind, words)
	case !on:
		t.end()
		l.taps[kind] = nil
		return nil
	}
	return t.listFor(words)
}

// tap opens a tap and listens.
func (d *Door) tap(l *link, kind int, words []uint32) error {
	t, err := openTap(kind, l.index, words)
	if err != nil {
		return err
	}
	l.taps[kind] = t
	d.taps.Go(func() { t.listen(func(b []byte) { d.heard(l, t, b, time.Now()) }) })
	return nil
}

// Alive says whether a frame came in on a link since it is awaited.
func (d *Door) Alive(index int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.links[index]
	return l != nil && l.alive
}

// heard looks at a frame.
func (d *Door) heard(l *link, t *tap, b []byte, now time.Time) {
	if len(b) < netAt {
		return
	}
	var e Event
	if t.kind == tapAny {
		e = d.wake(l, t, MAC(b[srcAt:]))
	} else if addr, mac, ok := parse(b); ok {
		e = d.judge(l, t, claim{l.index, addr, mac}, now)
	}
	if e != nil {
		d.telling.Lock()
		defer d.telling.Unlock()
		d.report(e)
	}
}

// wake is a frame of any kind; one is enough.
func (d *Door) wake(l *link, t *tap, from MAC) Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l.taps[tapAny] != t || d.own[from] > 0 {
		return nil
	}
	l.alive, l.taps[tapAny] = true, nil
	t.end()
	return Alive{Link: l.index, Name: l.name, MAC: from}
}

// judge compares a claim with what is held here.
func (d *Door) judge(l *link, t *tap, c claim, now time.Time) Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	who := d.holders(c)
	if l.taps[t.kind] != t || who.n == 0 || d.own[c.mac] > 0 {
		return nil
	}
	again, ok := d.limit.allow(c, now)
	if !ok {
		return nil
	}
	return Conflict{Link: l.index, Name: l.name, Addr: c.addr, Owner: who.last, MAC: c.mac, Again: again}
}

// holders are who has the address of a claim here.
func (d *Door) holders(c claim) holders {
	if h := d.held[c.link]; h != nil {
		return h.of(c.addr)[c.addr]
	}
	return holders{}
}

// Close ends everything, and waits for a report that is being made.
func (d *Door) Close() error {
	d.mu.Lock()
	d.closed = true
	for _, l := range d.links {
		l.silence()
	}
	clear(d.links)
	d.mu.Unlock()
	d.taps.Wait()
	return nil
}
