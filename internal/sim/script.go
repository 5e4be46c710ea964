package sim

import (
	"time"

	"keepgo/internal/ha"
	"keepgo/vrrp"
)

// Outcome is how a tracked script ends whenever it runs.
type Outcome uint8

// The ways a script ends.
const (
	Succeeds Outcome = iota
	Fails
	Hangs // it has not ended yet, and tells nothing
)

// run is a tracked script on its node: it begins when the process does, and
// again every interval.
type run struct {
	name     string
	interval time.Duration
	ends     vrrp.Time // of the next run, in the world's time
}

// takes is how long a script runs.
const takes = 10 * time.Millisecond

// SetScript decides how a script ends from now on.
func (n *Node) SetScript(name string, o Outcome) { n.scripts[name] = o }

// schedule begins the scripts of the plan; those that run already go on.
func (n *Node) schedule() {
	old := map[string]run{}
	for _, r := range n.runs {
		old[r.name] = r
	}
	n.runs = nil
	for _, s := range n.config.Scripts {
		r, known := old[s.Name]
		if !known {
			r = run{name: s.Name, ends: n.world.now + takes}
		}
		r.interval = max(s.Interval, takes)
		n.runs = append(n.runs, r)
	}
}

// nextRun is the script that ends first.
func (n *Node) nextRun() (vrrp.Time, func()) {
	at, first := vrrp.Never, -1
	for i, r := range n.runs {
		if r.ends < at {
			at, first = r.ends, i
		}
	}
	return at, func() { n.ended(first) }
}

// ended lets the mind hear of a script's end.
func (n *Node) ended(i int) {
	r := &n.runs[i]
	r.ends = n.world.now + r.interval
	if o := n.scripts[r.name]; o != Hangs {
		n.step(ha.Event{Kind: ha.EventScript, Script: n.index(r.name), OK: o == Succeeds})
	}
}

// index is the script's place in the plan.
func (n *Node) index(name string) int {
	for i, s := range n.plan.Scripts {
		if s.Name == name {
			return i
		}
	}
	return -1
}
