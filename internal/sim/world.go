// Package sim is a network of whole directors in simulated time: the minds that
// run in the daemon, configurations read from their text, adverts really
// encoded, on wires that can be cut. There is no kernel, no clock and no
// goroutine, so the same story always goes the same way.
package sim

import (
	"fmt"
	"slices"
	"time"

	"keepgo/vrrp"
)

// World is nodes, the wires between them and the time. Make one with New.
type World struct {
	// Tell hears every event as it happens; nil hears nothing.
	Tell func(Event)
	// After is called when a node has done all that something made it do; nil
	// is not.
	After func(*Node)

	now   vrrp.Time
	nodes []*Node
	wires map[string]*Wire
	mail  []letter // by arrival
	hosts neighbours
}

// New is an empty world at time 0.
func New() *World {
	return &World{wires: map[string]*Wire{}, hosts: newNeighbours()}
}

// Now is the time since the world began.
func (w *World) Now() vrrp.Time { return w.now }

// Node is the node of that name, nil for none.
func (w *World) Node(name string) *Node {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// Nodes are all nodes in the order in which they came.
func (w *World) Nodes() []*Node { return w.nodes }

// Wire is what joins the interfaces of that name.
func (w *World) Wire(name string) *Wire {
	if w.wires[name] == nil {
		w.wires[name] = &Wire{Delay: delay, name: name, number: len(w.wires), cut: map[[2]string]bool{}}
	}
	return w.wires[name]
}

// Heal mends every wire.
func (w *World) Heal() {
	for _, wire := range w.wires {
		wire.Heal()
	}
}

// deliver files a packet by its arrival, after those that arrive with it.
func (w *World) deliver(l letter) {
	i := len(w.mail)
	for i > 0 && w.mail[i-1].at > l.at {
		i--
	}
	w.mail = slices.Insert(w.mail, i, l)
}

// storm is how many things may happen in one Advance: far more than any
// configuration needs, so a world that never rests is noticed.
const storm = 1_000_000

// Advance lets time pass.
func (w *World) Advance(d time.Duration) error {
	end := w.now + d
	for range storm {
		at, n, do := w.next()
		if at > end {
			w.now = end
			return nil
		}
		w.now = max(w.now, at)
		do()
		if w.After != nil {
			w.After(n)
		}
	}
	return fmt.Errorf("at %v the world does not rest", w.now)
}

// next is the first thing that happens, and the node that it happens to: of
// those at the same instant packets go before what the nodes do themselves.
func (w *World) next() (at vrrp.Time, who *Node, do func()) {
	at = vrrp.Never
	if len(w.mail) > 0 {
		at, who, do = w.mail[0].at, w.mail[0].to, w.arrive
	}
	for _, n := range w.nodes {
		if t, f := n.next(); t < at {
			at, who, do = t, n, f
		}
	}
	return at, who, do
}

// arrive hands the first packet over. A frozen node finds it when it wakes; a
// suspended one never does.
func (w *World) arrive() {
	l := w.mail[0]
	w.mail = w.mail[1:]
	switch n := l.to; {
	case n.suspended:
	case n.Frozen():
		n.later = append(n.later, func() { n.hear(l) })
	default:
		n.hear(l)
	}
}
