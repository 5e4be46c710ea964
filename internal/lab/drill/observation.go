package drill

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Observation is what somebody on the network saw of a virtual address. Its
// times are of the observer's clock.
type Observation struct {
	Observer string    `json:"observer"` // name of the machine
	VIP      string    `json:"vip"`
	Began    time.Time `json:"began"`
	Now      time.Time `json:"now"` // when this was told
	EveryMS  int64     `json:"every_ms"`
	Series   []Series  `json:"series"`
	Owners   []Owner   `json:"owners,omitempty"` // who answered ARP or neighbour solicitations, in the order of their first answers
	Notes    []string  `json:"notes,omitempty"`  // what could not be asked, and why
}

// Series is what became of the questions of one kind.
type Series struct {
	Means    string   `json:"means"` // arp, nd, ping or tcp with its port
	Asked    int      `json:"asked"`
	Answered int      `json:"answered"`
	Outages  []Outage `json:"outages,omitempty"`
	// Dropped counts the outages that are not listed, the shortest.
	Dropped int `json:"outages_dropped,omitempty"`
}

// Outage is the time between two answers in which questions were lost.
type Outage struct {
	From time.Time `json:"from"` // the last answer before
	To   time.Time `json:"to"`   // the first after it, or when this was told
	Lost int       `json:"lost"`
}

// Owner is a MAC address that answered for the virtual one.
type Owner struct {
	MAC  string    `json:"mac"`
	From time.Time `json:"from"` // its first answer
	To   time.Time `json:"to"`   // its last, before it missed several questions
	Gone bool      `json:"gone"` // it has missed several since
	// Missed is when the first question after its last answer was asked; zero for
	// none. It had the address until then, as far as anybody asked.
	Missed time.Time `json:"missed,omitzero"`
}

// Shift corrects the times of an observer whose clock is behind ours by d.
func (o *Observation) Shift(d time.Duration) {
	move := func(list ...*time.Time) {
		for _, t := range list {
			*t = t.Add(d)
		}
	}
	move(&o.Began, &o.Now)
	for i := range o.Series {
		for j := range o.Series[i].Outages {
			move(&o.Series[i].Outages[j].From, &o.Series[i].Outages[j].To)
		}
	}
	for i := range o.Owners {
		w := &o.Owners[i]
		if move(&w.From, &w.To); !w.Missed.IsZero() {
			move(&w.Missed)
		}
	}
}

// overlap is how much of two stretches of time is common to both.
func overlap(from, to, begin, end time.Time) time.Duration {
	if from.Before(begin) {
		from = begin
	}
	if to.After(end) {
		to = end
	}
	return max(0, to.Sub(from))
}

// answered tells whether anybody ever answered.
func (o *Observation) answered() bool {
	return slices.ContainsFunc(o.Series, func(s Series) bool { return s.Answered > 0 })
}

// Longest is the longest outage that touches a stretch of time. A series that
// never got an answer says nothing.
func (o *Observation) Longest(begin, end time.Time) (longest Outage) {
	for _, s := range o.Series {
		if s.Answered == 0 {
			continue
		}
		for _, x := range s.Outages {
			if x.From.Before(end) && x.To.After(begin) && x.To.Sub(x.From) > longest.To.Sub(longest.From) {
				longest = x
			}
		}
	}
	return longest
}

// Lost counts the questions of a stretch of time, and those without an answer:
// of the series that lost most.
func (o *Observation) Lost(begin, end time.Time) (asked, lost int) {
	for _, s := range o.Series {
		if s.Answered == 0 {
			continue
		}
		n := 0
		for _, x := range s.Outages {
			if !x.From.Before(begin) && x.From.Before(end) {
				n += x.Lost
			}
		}
		lost = max(lost, n)
	}
	if o.EveryMS > 0 {
		asked = int(overlap(o.Began, o.Now, begin, end).Milliseconds() / o.EveryMS)
	}
	return max(asked, lost), lost
}

// Two is for how long two of them answered for the address.
func (o *Observation) Two(begin, end time.Time) (two time.Duration) {
	for i, a := range o.Owners {
		for _, b := range o.Owners[:i] {
			if a.MAC != b.MAC {
				from, to := a.From, a.To
				if b.From.After(from) {
					from = b.From
				}
				if b.To.Before(to) {
					to = b.To
				}
				two = max(two, overlap(from, to, begin, end))
			}
		}
	}
	return two
}

// String is the whole of it in a line.
func (o *Observation) String() string {
	var words []string
	for _, s := range o.Series {
		if s.Answered == 0 {
			words = append(words, fmt.Sprintf("%s: none of %d answered", s.Means, s.Asked))
			continue
		}
		longest := time.Duration(0)
		for _, x := range s.Outages {
			longest = max(longest, x.To.Sub(x.From))
		}
		words = append(words, fmt.Sprintf("%s: %d of %d answered, longest gap %d ms", s.Means, s.Answered, s.Asked, longest.Milliseconds()))
	}
	for _, w := range o.Owners {
		words = append(words, fmt.Sprintf("%s from %s to %s", w.MAC, w.From.Format(clockTime), w.To.Format(clockTime)))
	}
	return fmt.Sprintf("%s sees %s: %s", o.Observer, o.VIP, strings.Join(words, "; "))
}

const clockTime = "15:04:05.000"

// Merge adds to a report what observers saw in its scenes, by the time of day.
func (r *Report) Merge(list []Observation) {
	for i := range r.Scenes {
		s := &r.Scenes[i]
		for k := range list {
			if !s.Skipped {
				s.merge(&list[k], r.Began.Add(time.Duration(s.AtMS)*time.Millisecond))
			}
		}
	}
	r.Observers = append(r.Observers, list...)
}

// merge adds to a scene that began at an instant what an observer saw of it.
func (s *Scene) merge(o *Observation, begin time.Time) {
	end := begin.Add(time.Duration(s.TookMS) * time.Millisecond)
	asked, lost := o.Lost(begin, end)
	s.Asked, s.Lost = s.Asked+asked, s.Lost+lost
	if len(o.Owners) > 0 {
		s.TwoMS = max(s.TwoMS, o.Two(begin, end).Milliseconds())
	}
	x := o.Longest(begin, end)
	gap := x.To.Sub(x.From).Milliseconds()
	if gap == 0 && o.answered() {
		s.GapMS = max(s.GapMS, 0)
	}
	if gap == 0 {
		return
	}
	if gap <= s.GapMS {
		return
	}
	s.GapMS = gap
	s.Spans = slices.DeleteFunc(s.Spans, func(p Span) bool { return p.Who == Silence })
	s.Spans = append(s.Spans, Span{Who: Silence, FromMS: x.From.Sub(begin).Milliseconds(), ToMS: x.To.Sub(begin).Milliseconds()})
	if s.Stages != nil {
		s.Stages.AnswerMS = x.To.Sub(begin).Milliseconds()
	}
}

// maxOutages bounds what a series lists.
const maxOutages = 1000

// Add lists an outage, in place of a shorter one if there is no room.
func (s *Series) Add(x Outage) {
	if len(s.Outages) < maxOutages {
		s.Outages = append(s.Outages, x)
		return
	}
	s.Dropped++
	length := func(a, b Outage) int { return cmp.Compare(a.To.Sub(a.From), b.To.Sub(b.From)) }
	shortest := slices.MinFunc(s.Outages, length)
	if length(shortest, x) < 0 {
		i := slices.Index(s.Outages, shortest)
		s.Outages = append(slices.Delete(s.Outages, i, i+1), x)
	}
}
