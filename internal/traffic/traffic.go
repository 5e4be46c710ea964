// Package traffic tells of questions that were asked of a virtual server over
// and over: which real server answered how often and how fast, and when nobody
// did. It asks nothing itself: package client does.
package traffic

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Answer is one question and what came of it.
type Answer struct {
	At     time.Duration // when it was due, from the beginning on
	Took   time.Duration // until it was answered, or failed
	Server string        // who answered; "" for a failure
	Fault  string        // why it failed
}

// Bounds of what is kept, whatever answers.
const (
	maxServers = 32 // told apart; the rest are Others
	maxSpells  = 64
	maxFaults  = 16
	maxName    = 32 // letters of a server's name
	// together is the longest pause between two failures of one spell.
	together = 3 * time.Second
	history  = 64 // seconds that the plot can show
)

// Others are the servers beyond those that are told apart.
const Others = "(others)"

// Server is how one real server answered.
type Server struct {
	Name    string        `json:"name"`
	Answers int           `json:"answers"`
	Share   float64       `json:"share"`  // of all answers, 0 to 1
	Median  time.Duration `json:"median"` // of the time it took
}

// Latency is how long answers took; 0 without any.
type Latency struct {
	P50 time.Duration `json:"p50"`
	P90 time.Duration `json:"p90"`
	P99 time.Duration `json:"p99"`
	Max time.Duration `json:"max"`
}

// Silence is a time in which nobody answered.
type Silence struct {
	From time.Duration `json:"from"`
	For  time.Duration `json:"for"`
}

// Spell is a time in which questions failed, not necessarily all.
type Spell struct {
	From   time.Duration `json:"from"`
	To     time.Duration `json:"to"`
	Failed int           `json:"failed"`
	Fault  string        `json:"fault"` // of the first
}

// Report is how it went.
type Report struct {
	Target  string         `json:"target"`
	Told    string         `json:"toldApartBy"`
	Rate    float64        `json:"rate"` // questions a second
	For     time.Duration  `json:"for"`
	Asked   int            `json:"asked"`
	Failed  int            `json:"failed"`
	Servers []Server       `json:"servers"`
	Latency Latency        `json:"latency"`
	Silence Silence        `json:"silence"` // the longest
	Spells  []Spell        `json:"spells"`
	Faults  map[string]int `json:"faults"`
	Notes   []string       `json:"notes"`
}

// Tally counts answers. The zero Tally has heard none.
type Tally struct {
	all     times
	servers map[string]*server
	failed  int
	lost    seconds
	spells  []Spell
	faults  map[string]int
	last    time.Duration // when an answer came
	silence Silence
	newest  int // the last second of the history
}

// server is what is counted of one.
type server struct {
	times
	recent seconds
}

// seconds are counts by second, in a ring.
type seconds [history]uint32

// Add counts an answer, in the order in which they come.
func (t *Tally) Add(a Answer) {
	came := a.At + a.Took
	t.turn(int(came / time.Second))
	at := int(came/time.Second) % history
	if a.Server == "" {
		t.failed++
		t.lost[at]++
		t.fail(a)
		return
	}
	t.silent(came)
	t.last = max(t.last, came)
	s := t.server(a.Server)
	s.recent[at]++
	s.add(a.Took)
	t.all.add(a.Took)
}

// silent notes the time since the last answer if none was longer.
func (t *Tally) silent(until time.Duration) {
	if d := until - t.last; d > t.silence.For {
		t.silence = Silence{t.last, d}
	}
}

// turn empties the seconds of the history that begin.
func (t *Tally) turn(second int) {
	if second-t.newest > history {
		t.newest = second - history
	}
	for t.newest < second {
		t.newest++
		at := t.newest % history
		t.lost[at] = 0
		for _, s := range t.servers {
			s.recent[at] = 0
		}
	}
}

// server is that of a name. Names beyond the bound are one.
func (t *Tally) server(name string) *server {
	if t.servers == nil {
		t.servers = map[string]*server{}
	}
	s := t.servers[name]
	if s == nil && len(t.servers) >= maxServers {
		name = Others
		s = t.servers[name]
	}
	if s == nil {
		s = &server{}
		t.servers[name] = s
	}
	return s
}

// fail sorts a failure into the spells.
func (t *Tally) fail(a Answer) {
	if t.faults == nil {
		t.faults = map[string]int{}
	}
	if _, known := t.faults[a.Fault]; known || len(t.faults) < maxFaults {
		t.faults[a.Fault]++
	}
	if n := len(t.spells); n > 0 && a.At-t.spells[n-1].To <= together || n == maxSpells {
		s := &t.spells[n-1]
		s.From, s.To, s.Failed = min(s.From, a.At), max(s.To, a.At), s.Failed+1
		return
	}
	t.spells = append(t.spells, Spell{a.At, a.At, 1, a.Fault})
}

// Report is how it went until now.
func (t *Tally) Report(now time.Duration) Report {
	r := Report{For: now, Failed: t.failed, Asked: t.all.n + t.failed, Latency: Latency{t.all.part(0.5), t.all.part(0.9), t.all.part(0.99), t.all.max},
		Silence: t.silence, Spells: slices.Clone(t.spells), Faults: maps.Clone(t.faults), Servers: []Server{}}
	if d := now - t.last; d > r.Silence.For {
		r.Silence = Silence{t.last, d}
	}
	for name, s := range t.servers {
		r.Servers = append(r.Servers, Server{name, s.n, float64(s.n) / float64(t.all.n), s.part(0.5)})
	}
	slices.SortFunc(r.Servers, func(a, b Server) int {
		return cmp.Or(-boolean(a.Name == Others)+boolean(b.Name == Others), cmp.Compare(a.Name, b.Name))
	})
	r.notes()
	return r
}

func boolean(b bool) int {
	if b {
		return -1
	}
	return 0
}

// notes tells where servers cannot be told apart.
func (r *Report) notes() {
	switch n := len(r.Servers); {
	case n > maxServers:
		r.Notes = append(r.Notes, "nearly every answer is another one: tell the servers apart with --header NAME, or --path to a page that says its server's name")
	case n == 1 && r.Servers[0].Answers > 1:
		r.Notes = append(r.Notes, "all answers look alike: one server gave them (persistence keeps a client there), or the servers need --header NAME or --path to be told apart")
	}
}

// Name makes of what a server said a name for it: the first text in it, without
// marks of HTML, that a terminal can be given.
func Name(said string) string {
	var b strings.Builder
	mark := false
	for _, r := range said {
		switch {
		case r == '<':
			mark = true
		case mark:
			mark = r != '>'
		case r == '\n' || r == '\r':
			if strings.TrimSpace(b.String()) != "" {
				return cut(b.String())
			}
		case r >= ' ' && r != 0x7f && r < 0x80:
			b.WriteRune(r)
		default:
			b.WriteByte('?')
		}
	}
	return cut(b.String())
}

func cut(name string) string {
	name = strings.TrimSpace(name)
	if len(name) > maxName {
		name = name[:maxName-1] + "~"
	}
	return name
}
