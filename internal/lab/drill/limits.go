package drill

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits are what a drill file allows, by the key of a drill; "*" is for those
// without a line of their own.
type Limits map[string]Limit

// Limit is what one drill may cost. A field that is nil allows anything.
type Limit struct {
	Skip  bool
	Gap   *time.Duration // longest time without an answer
	Took  *time.Duration // from the deed to the settled end
	Two   *time.Duration // with two masters
	Lost  *float64       // per cent of the pings
	Kept  *float64       // per cent of the connections that must survive
	Fails *int           // requests through a virtual server that may fail
}

// Any is the key of the drills without a line of their own.
const Any = "*"

// For is what holds for a drill: its own line, and for what that does not
// mention the line of all. A drill with a line of its own is played though all
// others are skipped.
func (l Limits) For(key string) Limit {
	own, known := l[key]
	all := l[Any]
	inherit(&own.Gap, all.Gap)
	inherit(&own.Took, all.Took)
	inherit(&own.Two, all.Two)
	inherit(&own.Lost, all.Lost)
	inherit(&own.Kept, all.Kept)
	inherit(&own.Fails, all.Fails)
	if !known {
		own.Skip = all.Skip
	}
	return own
}

func inherit[T any](own **T, all *T) {
	if *own == nil {
		*own = all
	}
}

// ReadLimits reads a drill file: lines of a drill's key, or "*", and what it
// may cost as pairs of words; # begins a comment. known tells the keys there
// are. The error names the line.
func ReadLimits(r io.Reader, name string, known []string) (Limits, error) {
	limits := Limits{}
	in := bufio.NewScanner(r)
	for line := 1; in.Scan(); line++ {
		text, _, _ := strings.Cut(in.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		l, err := readLimit(words, known)
		if err == nil && l.key != "" {
			if _, twice := limits[l.key]; twice {
				err = fmt.Errorf("%s has a line already", l.key)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		limits[l.key] = l.Limit
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return limits, nil
}

type keyed struct {
	key string
	Limit
}

func readLimit(words, known []string) (keyed, error) {
	l := keyed{key: words[0]}
	if l.key != Any && !slices.Contains(known, l.key) {
		return l, fmt.Errorf("no drill is called %q; there are: %s", l.key, strings.Join(known, " "))
	}
	rest := words[1:]
	for len(rest) > 0 {
		if rest[0] == "skip" {
			l.Skip, rest = true, rest[1:]
			continue
		}
		if len(rest) < 2 {
			return l, fmt.Errorf("%s lacks its value", rest[0])
		}
		if err := l.set(rest[0], rest[1]); err != nil {
			return l, err
		}
		rest = rest[2:]
	}
	return l, nil
}

// set takes in one pair of words.
func (l *Limit) set(what, value string) (err error) {
	switch what {
	case "gap":
		l.Gap, err = span(value)
	case "took":
		l.Took, err = span(value)
	case "two_masters":
		l.Two, err = span(value)
	case "lost":
		l.Lost, err = percent(value)
	case "kept":
		l.Kept, err = percent(value)
	case "failed":
		var n int
		n, err = strconv.Atoi(value)
		l.Fails = &n
	default:
		return fmt.Errorf("%q is no limit; there are: gap took two_masters (times as 3.5s or 200ms), lost kept (as 2%%), failed (a number), skip", what)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not what it takes, such as 3.5s, 200ms, 2%% or 10", what, value)
	}
	return nil
}

func span(s string) (*time.Duration, error) {
	d, err := time.ParseDuration(s)
	return &d, err
}

func percent(s string) (*float64, error) {
	f, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	return &f, err
}

// Judge fails a scene that cost more than its limit, and says what.
func Judge(s *Scene, l Limit) {
	if s.Skipped {
		return
	}
	over := func(what string, ms int64, limit *time.Duration) {
		if limit != nil && time.Duration(ms)*time.Millisecond > *limit {
			s.fail("%s %d ms, %v allowed", what, ms, *limit)
		}
	}
	over("the client went without an answer for", s.GapMS, l.Gap)
	over("it took", s.TookMS, l.Took)
	over("there were two masters for", s.TwoMS, l.Two)
	if l.Lost != nil && s.Asked > 0 && 100*float64(s.Lost) > *l.Lost*float64(s.Asked) {
		s.fail("%d of %d pings were lost, %v %% allowed", s.Lost, s.Asked, *l.Lost)
	}
	if k := s.Kept; l.Kept != nil && k != nil && k.Held > 0 && 100*float64(k.Kept) < *l.Kept*float64(k.Held) {
		s.fail("%d of %d connections survived, %v %% asked for", k.Kept, k.Held, *l.Kept)
	}
	for _, a := range s.HTTP {
		if l.Fails != nil && a.Failed > *l.Fails {
			s.fail("%d requests to %s failed, %d allowed", a.Failed, a.Target, *l.Fails)
		}
	}
}

// fail adds a reason.
func (s *Scene) fail(format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	if s.Why != "" {
		why = s.Why + "; " + why
	}
	s.OK, s.Why = false, why
}
