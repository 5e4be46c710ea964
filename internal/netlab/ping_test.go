package netlab

import (
	"testing"
	"time"
)

// TestSilence tells silences of the network from those of a pinger that stood
// still.
func TestSilence(t *testing.T) {
	begin := time.Now().Add(-10 * time.Second)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	history := func(quiet func(ms int) bool, lost func(ms int) bool) *Pinger {
		p := &Pinger{}
		for ms := 0; ms < 9990; ms += 10 {
			switch {
			case quiet(ms):
			case lost(ms):
				p.sent = append(p.sent, request{at: at(ms)})
			default:
				p.sent = append(p.sent, request{at: at(ms), answered: true})
				p.answers = append(p.answers, at(ms+1))
			}
		}
		return p
	}
	between := func(from, to int) func(int) bool { return func(ms int) bool { return ms >= from && ms < to } }
	never := func(int) bool { return false }
	for name, c := range map[string]struct {
		p           *Pinger
		least, most time.Duration
	}{
		"nothing":           {history(never, never), 0, stands + stands},
		"it stood still":    {history(between(2000, 5000), never), 0, 2 * stands},
		"nobody answered":   {history(never, between(2000, 5000)), 3 * time.Second, 3*time.Second + stands},
		"both":              {history(between(3000, 4000), between(2000, 5000)), 3 * time.Second, 3*time.Second + stands},
		"one after another": {history(between(6000, 9000), between(2000, 2300)), 300 * time.Millisecond, 300*time.Millisecond + stands},
	} {
		if got := c.p.Gap(begin); got < c.least || got > c.most {
			t.Errorf("%s: %v, want %v to %v", name, got, c.least, c.most)
		}
	}
}
