package advice

import (
	"fmt"
	"slices"
	"time"

	"keepgo/confparse/syntax"
)

// Contest is a virtual router, or the virtual routers of a sync group, that
// two directors contend for.
type Contest struct {
	Name    string // of the instance or the group in A
	Members []Member
	// Split says why neither hears the other, or why the group cannot agree;
	// nothing else is told then.
	Split string
	Start Start
	// Failures are those of the holder at start, and, where the addresses do
	// not come back, those of the other one after it.
	Failures []Failure
}

// Member is one virtual router of a contest.
type Member struct {
	VRID       uint8
	Names      [2]string
	Interfaces [2]string
	Priorities [2]int // effective, all being well
	Addresses  []string
}

// Start is what happens when both directors start at once.
type Start struct {
	Holder int // DirectorA, DirectorB, or Either
	After  time.Duration
	Why    string
	// First says that a director which has started alone keeps the addresses.
	Keeps [2]bool
}

// Failure is one thing that breaks while Of holds the addresses, and what it
// leads to.
type Failure struct {
	Of         int    // who holds the addresses before
	Both       bool   // it breaks on both directors
	What       string // "machine dies"
	Priorities [2]int // effective after it, of the first member; 0: takes no part
	Holder     int
	// Noticed is how long it takes until the failure has an effect, After how
	// long the takeover takes from there; both at most.
	Noticed, After time.Duration
	Why            string
	Back           bool          // the addresses return when it is healed
	BackAfter      time.Duration // at most, from the healing
	BackWhy        string
}

// contest is a Contest being worked out.
type contest struct {
	duels []duel
}

// play works a contest out.
func (p *pairing) play(duels []duel) Contest {
	c := contest{duels}
	first := duels[0]
	out := Contest{Name: first[DirectorA].Name}
	if g := first[DirectorA].group; g != nil && first[DirectorB].group != nil {
		out.Name = g.Name
	}
	for _, d := range duels {
		a, b := d[DirectorA], d[DirectorB]
		out.Members = append(out.Members, Member{VRID: a.VRID, Names: [2]string{a.Name, b.Name}, Interfaces: [2]string{a.Interface, b.Interface},
			Priorities: [2]int{a.healthy(), b.healthy()}, Addresses: a.vips()})
		if deaf := p.differ(d); deaf != "" && out.Split == "" {
			out.Split = deaf
		}
	}
	if out.Split != "" {
		return out
	}
	if out.Start = c.start(); out.Start.Holder == torn {
		out.Split = "the members of the group have different winners: " + c.winners()
		p.say(syntax.Warning, first[DirectorA].at(), pathOf(first[DirectorA].Instance), "give the members of each director the same priority", "%s", out.Split)
		return out
	}
	for _, h := range c.holders(out.Start) {
		out.Failures = append(out.Failures, c.failures(h)...)
	}
	p.weak(c, out.Failures)
	return out
}

// torn is the holder of a group whose members have different winners.
const torn = -3

// start finds who holds the addresses when both directors have started.
func (c contest) start() Start {
	s := c.duels[0].start()
	for _, d := range c.duels[1:] {
		o := d.start()
		switch {
		case s.Holder == Either:
			s.Holder, s.Why = o.Holder, o.Why
		case o.Holder != s.Holder && o.Holder != Either:
			return Start{Holder: torn}
		}
		s.After = max(s.After, o.After)
		s.Keeps[0], s.Keeps[1] = s.Keeps[0] || o.Keeps[0], s.Keeps[1] || o.Keeps[1]
	}
	return s
}

func (c contest) winners() string {
	s := ""
	for n, d := range c.duels {
		if n > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s %s", d[DirectorA].Name, Who(d.start().Holder))
	}
	return s
}

// Who names a holder.
func Who(holder int) string {
	switch holder {
	case DirectorA:
		return "A"
	case DirectorB:
		return "B"
	case Nobody:
		return "nobody"
	}
	return "A or B"
}

// start: the one whose timer ends first speaks first; the other one listens,
// or takes over when its own ends.
func (d duel) start() Start {
	claim := [2]time.Duration{d[0].starting(), d[1].starting()}
	prio := [2]int{d[0].healthy(), d[1].healthy()}
	s := Start{Keeps: [2]bool{!d[1].preempts(prio[1], prio[0]), !d[0].preempts(prio[0], prio[1])}}
	better := d.better(prio)
	first := DirectorA
	switch {
	case claim[0] == claim[1]:
		s.Holder, s.After = better, claim[0]
		s.Why = d.reason(better, prio)
		return s
	case claim[1] < claim[0]:
		first = DirectorB
	}
	second := 1 - first
	if s.Keeps[first] {
		s.Holder, s.After = first, claim[first]
		switch {
		case better != second:
			s.Why = d.reason(first, prio)
		default:
			s.Why = fmt.Sprintf("it speaks first, and %s does not preempt", Who(second))
		}
		return s
	}
	s.Holder, s.After = second, claim[second]
	s.Why = d.reason(second, prio)
	if delay := d[second].PreemptDelay; delay > 0 {
		s.After = max(s.After, claim[first]+delay+d[second].masterDown(prio[second], d[first].AdvertInt))
		s.Why += ", after its preempt_delay"
	}
	return s
}

// better compares priorities, then the addresses adverts come from (RFC 9568
// section 6.4.3), where the files tell them.
func (d duel) better(prio [2]int) int {
	a, b := d[0].Source, d[1].Source
	switch {
	case prio[0] > prio[1], prio[0] == prio[1] && a.IsValid() && b.IsValid() && b.Less(a):
		return DirectorA
	case prio[1] > prio[0], a.IsValid() && b.IsValid() && a.Less(b):
		return DirectorB
	}
	return Either
}

func (d duel) reason(holder int, prio [2]int) string {
	switch {
	case prio[0] != prio[1]:
		return fmt.Sprintf("priority %d against %d", prio[holder], prio[1-holder])
	case holder == Either:
		return fmt.Sprintf("both have priority %d: the higher address of the interfaces, or who starts first", prio[0])
	case d[0].Master != d[1].Master:
		return fmt.Sprintf("both have priority %d, and state MASTER speaks first", prio[0])
	}
	return fmt.Sprintf("both have priority %d: the higher source address", prio[0])
}

// holders are the directors whose failures matter: the one at start, and the
// other one if it keeps the addresses once it has them.
func (c contest) holders(s Start) []int {
	if s.Holder == Either {
		return []int{DirectorA, DirectorB}
	}
	if other := 1 - s.Holder; s.Keeps[other] {
		return []int{s.Holder, other}
	}
	return []int{s.Holder}
}

// failures lists what can break while h holds the addresses.
func (c contest) failures(h int) []Failure {
	list := []Failure{c.death(h), c.stop(h)}
	for _, t := range c.trackers(h) {
		list = append(list, c.tracked(h, t))
	}
	for _, t := range c.trackers(h) {
		if t.kind == trackScript && c.depends(1-h, t) {
			list = append(list, c.shared(h, t))
		}
	}
	return list
}

// trackers are all things that some member of director h depends on.
func (c contest) trackers(h int) (list []tracker) {
	add := func(t tracker) {
		if !slices.ContainsFunc(list, t.same) {
			list = append(list, t)
		}
	}
	for _, d := range c.duels {
		if d[h].DontTrackPrimary && d[h].Interface != "" {
			add(tracker{kind: trackLink, name: d[h].Interface})
		}
		for _, t := range d[h].trackers {
			add(t)
		}
	}
	return list
}

func (c contest) depends(h int, t tracker) bool {
	return slices.ContainsFunc(c.duels, func(d duel) bool { return d[h].depends(t) })
}
