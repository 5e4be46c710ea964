package witness

import "time"

const (
	quiet     = 10 * time.Second // between two reports of the same claim
	maxClaims = 256              // that are remembered; others wait until one is forgotten
)

// limiter lets each claim through once in a while.
type limiter map[claim]memory

// memory is of a claim that was let through.
type memory struct {
	until time.Time
	again uint64 // how often it came since
}

// allow says whether to report a claim, and how often it came since the last
// report.
func (l limiter) allow(c claim, now time.Time) (again uint64, ok bool) {
	m, known := l[c]
	if known && now.Before(m.until) {
		m.again++
		l[c] = m
		return 0, false
	}
	if !known && len(l) >= maxClaims {
		l.forget(now)
		if len(l) >= maxClaims {
			return 0, false
		}
	}
	l[c] = memory{until: now.Add(quiet)}
	return m.again, true
}

// forget drops what may be reported again anyway.
func (l limiter) forget(now time.Time) {
	for c, m := range l {
		if !now.Before(m.until) {
			delete(l, c)
		}
	}
}
