package advice

import (
	"fmt"

	"keepgo/confparse/syntax"
)

// weak tells of trackers that are there to move the addresses and never do.
func (p *pairing) weak(c contest, failures []Failure) {
	home := failures[0].Of
	all := c.duels[0][home].with(func(tracker) bool { return true }).priority
	for _, d := range c.duels {
		r, o := d[home], d[1-home]
		for _, t := range r.trackers {
			own, theirs := r.with(t.same).priority, o.healthy()
			if t.weight == 0 || own == r.healthy() {
				continue
			}
			at, block := t.at, pathOf(r.Instance)
			switch {
			case theirs <= own && all >= theirs:
				p.say(syntax.Warning, at, block, needed(t, own, theirs), "%s fails: priority %d to %d, peer %d (%s): the VIP stays",
					t, r.healthy(), own, theirs, o.place("priority"))
			case theirs <= own:
				p.say(syntax.Note, at, block, "", "%s fails: priority %d to %d, peer %d (%s): the VIP stays until something else fails too",
					t, r.healthy(), own, theirs, o.place("priority"))
			case o.NoPreempt:
				p.say(syntax.Warning, at, block, "weight 0 (FAULT) hands the addresses over in any case",
					"%s fails: priority %d to %d, peer %d: the VIP stays, for the peer has nopreempt (%s)", t, r.healthy(), own, theirs, o.place("nopreempt"))
			}
		}
	}
}

// needed is what would move the addresses.
func needed(t tracker, own, theirs int) string {
	more := t.weight - (own - theirs + 1)
	switch {
	case t.weight > 0:
		return fmt.Sprintf("the priority without the weight must be below the peer's %d", theirs)
	case more < -253:
		return "bring the two priorities closer together"
	}
	return fmt.Sprintf("weight %d would move it", more)
}
