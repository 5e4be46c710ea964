package vrrp

import (
	"testing"
	"time"
)

// The exploration walks every state that two routers can reach over a lossy
// wire, on a clock of ticks short enough for every skew of its configurations.
// In each state the wire is then healed, and every order of what can happen
// next must end with one and the same master.

// world is two routers and what is under way between them. Deadlines count
// from now, so worlds that differ only in age are the same.
type world struct {
	r      [2]Router
	frozen [2]bool
	mail   [2]mail // adverts to each router
}

// mail is a short queue of adverts; what does not fit is lost.
type mail struct {
	n int
	q [2]Heard
}

func (m *mail) push(h Heard) {
	if m.n < len(m.q) {
		m.q[m.n] = h
		m.n++
	}
}

func (m *mail) pop() Heard {
	h := m.q[0]
	m.n--
	copy(m.q[:], m.q[1:])
	m.q[m.n] = Heard{}
	return h
}

// explorer holds the configurations and the clock of one exploration.
type explorer struct {
	cfg     [2]Config
	tick    time.Duration
	freezes bool
	seen    map[world]bool
	buf     []Action
}

// step moves router i and posts what it sends.
func (x *explorer) step(w world, i int, ev Event) world {
	w.r[i], x.buf = w.r[i].Step(0, ev, x.buf[:0])
	w.r[i].answers = 0 // two routers never come near maxAnswers
	for _, a := range x.buf {
		if a.Kind == ActSend {
			w.mail[1-i].push(Heard{From: x.cfg[i].Source, Priority: a.Priority, Interval: x.cfg[i].Interval})
		}
	}
	return w
}

// longAgo is as late as any timer distinguishes.
const longAgo = -8 * time.Second

// wait lets one tick pass.
func (x *explorer) wait(w world) world {
	for i := range w.r {
		w.r[i].deadline = earlier(w.r[i].deadline, x.tick)
		w.r[i].preemptAt = earlier(w.r[i].preemptAt, x.tick)
		w.r[i].rival = older(w.r[i].rival, x.tick)
		w.r[i].cfg.QuietUntil = max(w.r[i].cfg.QuietUntil-x.tick, 0)
		w.r[i].cfg.FramesBy = max(w.r[i].cfg.FramesBy-x.tick, 0)
	}
	return w
}

// older lets a dispute age; one that is over is as good as none.
func older(v rival, d time.Duration) rival {
	if v.adverts > 0 || v.lowered || v == (rival{}) {
		return v
	}
	v.until -= d
	if v.gone(0) {
		return rival{}
	}
	return v
}

func earlier(t Time, d time.Duration) Time {
	if t == Never {
		return t
	}
	return max(t-d, longAgo)
}

// healthy appends what follows w while nothing goes wrong: everybody wakes,
// adverts arrive, timers fire, and only then time passes.
func (x *explorer) healthy(w world, next []world) []world {
	busy := len(next)
	for i := range w.r {
		switch {
		case w.frozen[i]:
			v := w
			v.frozen[i] = false
			next = append(next, v)
		case w.mail[i].n > 0:
			v := w
			h := v.mail[i].pop()
			next = append(next, x.step(v, i, Event{Kind: EventAdvert, Heard: h}))
		}
		if !w.frozen[i] && w.r[i].Next() <= 0 {
			next = append(next, x.step(w, i, Event{Kind: EventTick}))
		}
	}
	if len(next) == busy {
		next = append(next, x.wait(w))
	}
	return next
}

// broken appends what follows w when something goes wrong.
func (x *explorer) broken(w world, next []world) []world {
	for i := range w.r {
		if w.mail[i].n > 0 {
			v := w
			v.mail[i].pop()
			next = append(next, v)
		}
		next = x.operate(w, i, next)
		if x.freezes && !w.frozen[i] && w.r[i].State() != Init {
			v := w
			v.frozen[i] = true
			next = append(next, v)
		}
	}
	if w.frozen[0] || w.frozen[1] {
		next = x.drift(w, next)
	}
	return next
}

// operate is what an operator, or a power cut, does to router i.
func (x *explorer) operate(w world, i int, next []world) []world {
	if w.frozen[i] {
		return next
	}
	if w.r[i].State() == Init {
		return append(next, x.step(w, i, Event{Kind: EventStart}))
	}
	crashed := w
	crashed.r[i] = New(x.cfg[i])
	next = append(next, crashed, x.step(w, i, Event{Kind: EventStop}))
	kind := EventFault
	if w.r[i].State() == Fault {
		kind = EventRecover
	}
	return append(next, x.step(w, i, Event{Kind: kind}))
}

// drift lets time pass for the frozen; what they should have heard is lost.
func (x *explorer) drift(w world, next []world) []world {
	for i := range w.r {
		if w.frozen[i] {
			w.mail[i] = mail{}
		} else if w.mail[i].n > 0 || w.r[i].Next() <= 0 {
			return next
		}
	}
	return append(next, x.wait(w))
}

// reach finds all worlds, breadth first, from two routers that are down.
func (x *explorer) reach(t *testing.T, limit int) []world {
	start := world{r: [2]Router{New(x.cfg[0]), New(x.cfg[1])}}
	x.seen = map[world]bool{start: true}
	all := []world{start}
	var next []world
	for i := 0; i < len(all); i++ {
		next = x.broken(all[i], x.healthy(all[i], next[:0]))
		for _, w := range next {
			if !x.seen[w] {
				x.seen[w] = true
				all = append(all, w)
			}
		}
		if len(all) > limit {
			t.Fatalf("more than %d worlds", limit)
		}
	}
	return all
}

// master is the only master of w: 0 or 1, none where nobody can be, and -1
// while that is open.
const none = 2

func (w *world) master() int {
	switch {
	case w.r[0].State() == Master && w.r[1].State() != Master:
		return 0
	case w.r[1].State() == Master && w.r[0].State() != Master:
		return 1
	case !w.alive(0) && !w.alive(1):
		return none
	}
	return -1
}

// alive tells whether router i takes part.
func (w *world) alive(i int) bool {
	return w.r[i].State() == Master || w.r[i].State() == Backup
}

// graph is the healthy successors of every world, by number.
func (x *explorer) graph(all []world) [][]int32 {
	number := make(map[world]int32, len(all))
	for i, w := range all {
		number[w] = int32(i)
	}
	succ := make([][]int32, len(all))
	var next []world
	for i, w := range all {
		next = x.healthy(w, next[:0])
		for _, v := range next {
			succ[i] = append(succ[i], number[v])
		}
	}
	return succ
}

// settled are the worlds whose master stays master whatever healthy thing
// happens: the largest set that is closed and does not change its master.
func settled(all []world, succ [][]int32) []bool {
	in, pred := make([]bool, len(all)), make([][]int32, len(all))
	var out []int32
	for i := range all {
		in[i] = all[i].master() >= 0
		for _, j := range succ[i] {
			pred[j] = append(pred[j], int32(i))
			if in[i] && all[j].master() != all[i].master() {
				in[i] = false
			}
		}
		if !in[i] {
			out = append(out, int32(i))
		}
	}
	for ; len(out) > 0; out = out[1:] {
		for _, p := range pred[out[0]] {
			if in[p] {
				in[p] = false
				out = append(out, p)
			}
		}
	}
	return in
}

// healing measures how many ticks it takes at worst until a world has settled.
type healing struct {
	x       *explorer
	all     []world
	succ    [][]int32
	settled []bool
	ticks   []int32 // +1; 0 unknown, -1 being measured
}

// worst is the longest way from i into the settled worlds; a way in circles
// never gets there and fails the test.
func (h *healing) worst(t *testing.T, i int32) int32 {
	switch {
	case h.settled[i]:
		return 0
	case h.ticks[i] > 0:
		return h.ticks[i] - 1
	case h.ticks[i] < 0:
		t.Fatalf("never settles: %s", h.all[i])
	}
	h.ticks[i] = -1
	most := int32(0)
	for _, j := range h.succ[i] {
		cost := int32(0)
		if h.all[j] == h.x.wait(h.all[i]) {
			cost = 1
		}
		most = max(most, cost+h.worst(t, j))
	}
	h.ticks[i] = most + 1
	return most
}

// String is w in a line for a failing test.
func (w world) String() string {
	s := ""
	for i, r := range w.r {
		s += r.State().String() + " next " + r.Next().String()
		if w.frozen[i] {
			s += " frozen"
		}
		if w.mail[i].n > 0 {
			s += " with mail"
		}
		s += "; "
	}
	return s
}
