package integration

import (
	"sync"
	"time"
)

// noise is how far this machine keeps tests waiting that are ready to go on: a
// clock in this process ticks, and what it is late by is noted. Where a test
// judges a rhythm it allows that much more.
var noise noiseMeter

type noiseMeter struct {
	mu   sync.Mutex
	late []lateness
}

type lateness struct {
	at time.Time
	by time.Duration
}

const (
	noiseTick  = 20 * time.Millisecond
	noiseFloor = 50 * time.Millisecond // less is no noise
)

// run ticks until the process ends.
func (m *noiseMeter) run() {
	due := time.Now()
	for range time.Tick(noiseTick) {
		now := time.Now()
		if by := now.Sub(due) - noiseTick; by > noiseFloor {
			m.mu.Lock()
			m.late = append(m.late, lateness{now, by})
			m.mu.Unlock()
		}
		due = now
	}
}

// since is the noise since an instant, all of it together.
func (m *noiseMeter) since(t time.Time) (sum time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.late {
		if l.at.After(t) {
			sum += l.by
		}
	}
	return sum
}
