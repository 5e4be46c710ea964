package format

import (
	"maps"
	"slices"
	"strings"
)

// alternatives are conditional lines that follow each other. Each condition
// sees its own lines alone, so that "@a x {" and "@b y {" open one block.
type alternatives struct {
	base  *place
	inner map[string]*place // by condition
}

// conditional takes a line "@id rest". The condition stands at the left edge,
// and what depends on it where it would stand without, or at the next stop.
func (s *source) conditional(t string) {
	head := condition.FindString(trimRight(t[:Comment(t)]))
	id := trimRight(head)
	if head == "" {
		s.add(outLine{code: trimRight(t)})
		return
	}
	if s.alts.inner == nil {
		s.alts = alternatives{base: s.open, inner: map[string]*place{}}
	}
	mine, seen := s.alts.inner[id]
	if !seen {
		mine = s.alts.base
	}
	s.open = mine
	at := len(s.out)
	s.apart(t[len(head):], len(head)+1)
	s.alts.inner[id] = s.open
	if s.err != nil || len(s.out) == at {
		return
	}
	l := &s.out[at]
	stop := (len(id)/len(indent) + 1) * len(indent) // the first behind the condition
	pad := max(stop, len(indent)*min(l.depth, maxIndent)) - len(id)
	l.code, l.depth, l.kind = id+strings.Repeat(" ", pad)+l.code, 0, fixed
}

// apart writes what depends on a condition on one line.
func (s *source) apart(t string, col int) {
	end := Comment(t)
	code := trimRight(t[:end])
	tokens, closed := scan(code)
	switch {
	case definition.MatchString(code), includes.MatchString(code):
		s.plain(t, col)
	case !closed || exact(code):
		s.keep(trimRight(t), code, "", col)
	default:
		s.keep(joined(tokens), code, trimRight(t[len(code):]), col)
	}
}

// settle ends a run of conditional lines. What they leave open is what the one
// leaves open that opens or closes the most.
func (s *source) settle() {
	if s.alts.inner == nil {
		return
	}
	base := s.alts.base.depth()
	best := s.alts.base
	for _, id := range slices.Sorted(maps.Keys(s.alts.inner)) {
		inner := s.alts.inner[id]
		if d, most := inner.depth()-base, best.depth()-base; d*d > most*most {
			best = inner
		}
	}
	s.open, s.alts = best, alternatives{}
}
