// Package drill is the outcome of a rehearsal: what was done to a pair of
// directors, what its clients saw, and whether that was good enough. It judges
// by limits and writes the outcome as a table, JUnit XML or a page. It is pure.
package drill

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is the outcome of a rehearsal with one daemon.
type Report struct {
	File   string `json:"file"`
	Other  string `json:"file_of_the_other,omitempty"`
	Daemon string `json:"daemon,omitempty"` // what it was played with, where there are several: a program or a data plane
	OK     bool   `json:"ok"`               // every scene went as it should
	// DataPlane is what balances: ipvs or nftables; "" where nothing does.
	DataPlane string `json:"data_plane,omitempty"`
	TookMS    int64  `json:"took_ms,omitempty"`
	// Of a drill on a running pair: when it began, what was found before, and
	// what observers saw.
	Began     time.Time     `json:"began,omitzero"`
	Findings  []Finding     `json:"findings,omitempty"`
	Observers []Observation `json:"observers,omitempty"`

	Notes  []string   `json:"notes,omitempty"`
	Scenes []Scene    `json:"scenes"`
	HTTP   []*Answers `json:"http,omitempty"` // asked through the virtual addresses, by service
	// Foreign says that the daemon is not keepgo: it was played for comparison.
	Foreign bool `json:"foreign,omitempty"`
}

// Answers is what a client got that asked a virtual server over and over.
type Answers struct {
	Target  string         `json:"target"`
	Servers map[string]int `json:"servers"` // answers by the address of the real server
	Failed  int            `json:"failed"`
}

// String tells who answered how often.
func (a *Answers) String() string {
	return fmt.Sprintf("client: %s:%s  failed %d", a.Target, shares(a.Servers), a.Failed)
}

func shares(servers map[string]int) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		fmt.Fprintf(&b, "  %s %d", name, servers[name])
	}
	return b.String()
}

// Since is what came between two looks at the same services.
func Since(before, now []*Answers) (list []*Answers) {
	for i, old := range before {
		a := &Answers{Target: old.Target, Servers: map[string]int{}, Failed: now[i].Failed - old.Failed}
		for name, n := range now[i].Servers {
			if n -= old.Servers[name]; n > 0 {
				a.Servers[name] = n
			}
		}
		list = append(list, a)
	}
	return list
}

// Scene is one thing that was done to the pair, and what came of it. Times are
// in milliseconds.
type Scene struct {
	Key     string `json:"key,omitempty"` // of the drill, as limits name it
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Skipped bool   `json:"skipped,omitempty"`      // it was not played; Why says why
	AtMS    int64  `json:"at_ms"`                  // from the beginning to the deed
	GapMS   int64  `json:"gap_ms"`                 // longest time the client went without an answer to a ping; Unseen where nobody could see
	Silent  int64  `json:"service_gap_ms"`         // longest time any service gave no answer; -1 where none ever did
	Master  string `json:"took_over_by,omitempty"` // who held the address in the end
	TookMS  int64  `json:"took_ms"`                // from the deed to the settled end
	Why     string `json:"why,omitempty"`          // what was missing where it failed, or why it was left out

	Asked  int     `json:"asked"`            // pings to the virtual addresses
	Lost   int     `json:"lost"`             // of them, those without an answer
	TwoMS  int64   `json:"two_masters_ms"`   // for which both directors had an address, or Unseen
	NoneMS int64   `json:"no_master_ms"`     // for which neither had, or Unseen
	Stages *Stages `json:"stages,omitempty"` // of a takeover
	Kept   *Kept   `json:"connections,omitempty"`
	Spans  []Span  `json:"spans,omitempty"`
	// HTTP is what the client got meanwhile through the virtual addresses.
	HTTP []*Answers `json:"http,omitempty"`
}

// Unseen is a time that nobody could measure. No limit holds for it.
const Unseen = -1

// Stages are the moments of a takeover, in milliseconds after the deed; -1 for
// one that was not seen.
type Stages struct {
	DetectMS  int64 `json:"detect_ms"`  // the heir knows that the master is gone
	ElectedMS int64 `json:"elected_ms"` // its first advert
	AddressMS int64 `json:"address_ms"` // the address stands
	ARPMS     int64 `json:"arp_ms"`     // its first gratuitous ARP or neighbour advertisement
	AnswerMS  int64 `json:"answer_ms"`  // the client's first answer
}

// All lists the moments with their names, in their order.
func (s *Stages) All() []Moment {
	return []Moment{{"detected", s.DetectMS}, {"elected", s.ElectedMS}, {"address up", s.AddressMS},
		{"ARP sent", s.ARPMS}, {"first answer", s.AnswerMS}}
}

// Moment is a named instant, in milliseconds after the deed; -1 for none.
type Moment struct {
	Name string
	MS   int64
}

func (s *Stages) String() string {
	parts := make([]string, 0, 5)
	for _, m := range s.All() {
		if m.MS >= 0 {
			parts = append(parts, fmt.Sprintf("%s %d", m.Name, m.MS))
		}
	}
	return strings.Join(parts, ", ") + " ms"
}

// Kept says what became of connections through the virtual servers.
type Kept struct {
	Held int `json:"held"` // at the deed
	Kept int `json:"kept"` // of them, those that still worked in the end
}

// Span is a time in which something was so, in milliseconds after the deed.
type Span struct {
	Who    string `json:"who"` // a director that had the first address, or "silence" of the client
	FromMS int64  `json:"from_ms"`
	ToMS   int64  `json:"to_ms"`
}

// Live tells a drill on a running pair from a rehearsal.
func (r *Report) Live() bool { return len(r.Findings) > 0 }

// Keys of the scenes of a drill on a running pair, as limits name them.
const (
	Switchover = "switchover" // the other director takes over
	Serving    = "hold"       // and serves
	Return     = "return"     // and gives back
)

// LiveKeys are those keys.
func LiveKeys() []string { return []string{Switchover, Serving, Return} }

// Silence is the Who of a span in which the client got no answer.
const Silence = "silence"

// Hold is a director's gaining or losing a virtual address, in time since the
// beginning.
type Hold struct {
	At       time.Duration
	Director int // 0 or 1
	Address  int // index of the virtual address
	Has      bool
}

// Reign is how an address was held in a stretch of time.
type Reign struct {
	Two, None time.Duration
	Spans     []Stretch
}

// Stretch is a time for which a director held an address.
type Stretch struct {
	Director int
	From, To time.Duration
}

// Reigns goes through the holds of an address, in the order of time, and tells
// what of them fell between two instants.
func Reigns(holds []Hold, address int, from, to time.Duration) Reign {
	var r Reign
	var has [2]bool
	var since [2]time.Duration
	now := time.Duration(0)
	step := func(until time.Duration) {
		length := max(0, min(until, to)-max(now, from))
		switch {
		case has[0] && has[1]:
			r.Two += length
		case !has[0] && !has[1]:
			r.None += length
		}
		now = until
	}
	end := func(d int, at time.Duration) {
		if s := (Stretch{d, max(since[d], from), min(at, to)}); has[d] && s.To > s.From {
			r.Spans = append(r.Spans, s)
		}
	}
	for _, h := range holds {
		if h.Address != address || h.Has == has[h.Director] {
			continue
		}
		step(h.At)
		end(h.Director, h.At)
		has[h.Director], since[h.Director] = h.Has, h.At
	}
	step(to)
	end(0, to)
	end(1, to)
	return r
}
