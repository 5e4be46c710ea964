package notify

import "time"

// lossEvery is the least time between two reports of what was lost.
const lossEvery = time.Minute

// losses counts what was given up since the last report.
type losses struct {
	n    int
	told time.Time
}

// report is how many to report now, 0 none. The last report does not wait for
// its time.
func (l *losses) report(last bool) int {
	if l.n == 0 || !last && time.Since(l.told) < lossEvery {
		return 0
	}
	n := l.n
	l.n, l.told = 0, time.Now()
	return n
}

// due is how long the next report has to wait.
func (l *losses) due() time.Duration { return time.Until(l.told.Add(lossEvery)) }
