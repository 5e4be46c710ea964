package advice

import (
	"fmt"
	"time"
)

// silence is how long the other director waits for the adverts of h, in every
// member: a group takes over when its last member would.
func (c contest) silence(h int) (longest time.Duration) {
	for _, d := range c.duels {
		o := d[1-h]
		longest = max(longest, o.masterDown(o.healthy(), d[h].AdvertInt))
	}
	return longest
}

// handover is how long the other director waits after h said that it leaves
// (priority 0), in the members in which that is heard. What bad picks has
// failed for the other.
func (c contest) handover(h int, heard func(*router) bool, bad func(tracker) bool) (longest time.Duration) {
	for _, d := range c.duels {
		o := d[1-h]
		own := o.with(bad).priority
		wait := o.skew(own, d[h].AdvertInt)
		if !heard(d[h]) {
			wait = o.masterDown(own, d[h].AdvertInt)
		}
		longest = max(longest, wait)
	}
	return longest
}

func always(*router) bool { return true }

// healthy are the effective priorities of the first member.
func (c contest) healthy() [2]int {
	return [2]int{c.duels[0][0].healthy(), c.duels[0][1].healthy()}
}

// death: no word is said, the silence tells.
func (c contest) death(h int) Failure {
	f := Failure{Of: h, What: "machine dies", Priorities: c.healthy(), Holder: 1 - h, After: c.silence(h), Why: "silence"}
	f.Priorities[h] = dead
	c.restart(&f)
	return f
}

// stop: the master says priority 0, RFC 9568 section 6.4.3.
func (c contest) stop(h int) Failure {
	f := Failure{Of: h, What: "the daemon stops", Priorities: c.healthy(), Holder: 1 - h, Why: "handed over with priority 0"}
	f.After = c.handover(h, always, nothing)
	f.Priorities[h] = dead
	c.restart(&f)
	return f
}

// restart tells what happens when h starts again.
func (c contest) restart(f *Failure) {
	c.back(f, func(r, _ *router) (time.Duration, bool) { return r.starting(), r.Priority != ownerPriority })
}

// recovery tells what happens when h leaves FAULT, or has its priority back.
func (c contest) recovery(f *Failure) {
	c.back(f, func(r, o *router) (time.Duration, bool) {
		if r.Priority == ownerPriority {
			return r.AdvertInt + r.skew(ownerPriority, r.AdvertInt), true
		}
		return r.masterDown(r.healthy(), max(o.AdvertInt, r.AdvertInt)), true
	})
}

// back tells whether the addresses return to f.Of, and after how long; wait is
// how long that router waits, and whether it listens meanwhile, so that its
// preempt_delay counts.
func (c contest) back(f *Failure, wait func(r, o *router) (after time.Duration, listens bool)) {
	f.Back = true
	for _, d := range c.duels {
		r, o := d[f.Of], d[1-f.Of]
		own, theirs := r.healthy(), o.healthy()
		switch {
		case own <= theirs:
			f.Back, f.BackWhy = false, fmt.Sprintf("priority %d against %d", own, theirs)
			return
		case r.NoPreempt:
			f.Back, f.BackWhy = false, "nopreempt"
			return
		}
		after, listens := wait(r, o)
		if r.PreemptDelay > 0 && listens {
			after = r.AdvertInt + r.PreemptDelay + r.masterDown(own, o.AdvertInt)
			f.BackWhy = "preempt_delay"
		}
		f.BackAfter = max(f.BackAfter, after)
	}
}

// tracked: something that h depends on fails there.
func (c contest) tracked(h int, t tracker) Failure {
	f := Failure{Of: h, What: t.event(), Noticed: c.noticed(h, t), Priorities: c.healthy()}
	fault, ignored := false, false
	for _, d := range c.duels {
		fault = fault || d[h].with(t.same).fault
		ignored = ignored || t.kind == trackLink && d[h].Interface == t.name && !d[h].depends(t)
	}
	switch {
	case fault:
		f.Priorities[h], f.Holder, f.Why = dead, 1-h, "FAULT, handed over with priority 0"
		f.After = c.handover(h, func(r *router) bool { return t.kind != trackLink || r.Interface != t.name }, nothing)
		if f.After == c.silence(h) && t.kind == trackLink {
			f.Why = "FAULT; silence"
		}
		c.recovery(&f)
	case ignored:
		f.Holder, f.After = 1-h, c.silence(h)
		f.Why = fmt.Sprintf("silence; dont_track_primary: %s holds them too, on the dead link", Who(h))
		c.recovery(&f)
	default:
		f.Priorities[h] = c.duels[0][h].with(t.same).priority
		c.weigh(&f, func(r *router, side int) int {
			if side != h {
				return r.healthy()
			}
			return r.with(t.same).priority
		})
	}
	return f
}

// event names the failure of a tracker.
func (t tracker) event() string {
	if t.kind == trackScript {
		return "track_script " + t.name + " fails"
	}
	return "link " + t.name + " goes down"
}

func (c contest) noticed(h int, t tracker) time.Duration {
	for _, d := range c.duels {
		for _, o := range d[h].trackers {
			if o.same(t) {
				return o.noticed
			}
		}
	}
	return 0
}

// weigh decides an election between a master with a changed priority and its
// backup: the backup takes over where it is better and preempts, in every
// member of the group.
func (c contest) weigh(f *Failure, priority func(r *router, side int) int) {
	h, other := f.Of, 1-f.Of
	f.Holder = other
	for _, d := range c.duels {
		own, theirs := priority(d[h], h), priority(d[other], other)
		switch {
		case theirs <= own:
			f.Holder, f.After = h, 0
			f.Why = fmt.Sprintf("priority %d against %d: not enough", own, theirs)
			return
		case d[other].NoPreempt:
			f.Holder, f.After = h, 0
			f.Why = fmt.Sprintf("priority %d against %d, but %s has nopreempt", own, theirs, Who(other))
			return
		}
		wait := d[other].masterDown(theirs, d[h].AdvertInt)
		f.Why = fmt.Sprintf("priority %d against %d", own, theirs)
		if delay := d[other].PreemptDelay; delay > 0 {
			wait += d[h].AdvertInt + delay
			f.Why += ", after preempt_delay"
		}
		f.After = max(f.After, wait)
	}
	c.recovery(f)
}

// shared: what both directors depend on fails for both, such as a gateway that
// both ping.
func (c contest) shared(h int, t tracker) Failure {
	f := Failure{Of: h, Both: true, What: t.event(), Noticed: max(c.noticed(h, t), c.noticed(1-h, t))}
	var fault [2]bool
	for _, d := range c.duels {
		for side, r := range d {
			fault[side] = fault[side] || r.with(t.same).fault
		}
	}
	for side, r := range c.duels[0] {
		if f.Priorities[side] = r.with(t.same).priority; fault[side] {
			f.Priorities[side] = dead
		}
	}
	switch {
	case fault[h] && fault[1-h]:
		f.Holder, f.Why = Nobody, "both go to FAULT"
		f.Back, f.BackAfter = true, c.silence(1-h)
	case fault[h]:
		f.Holder, f.Why = 1-h, "FAULT, handed over with priority 0"
		f.After = c.handover(h, always, t.same)
		c.recovery(&f)
	case fault[1-h]:
		f.Holder, f.Why = h, Who(1-h)+" goes to FAULT"
	default:
		c.weigh(&f, func(r *router, _ int) int { return r.with(t.same).priority })
	}
	return f
}
