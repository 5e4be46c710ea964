package witness

import "time"

const (
	soon      = time.Second      // between the first report of a claim and the second
	quiet     = 10 * time.Second // between two reports of it from then on
	maxClaims = 256              // that are remembered; others wait until one is forgotten
)

// limiter lets each claim through once in a while: the second time soon, for
// one that comes again says more than one that came once.
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
	pause := soon
	if known && now.Before(m.until.Add(quiet)) {
		pause = quiet
	}
	l[c] = memory{until: now.Add(pause)}
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
