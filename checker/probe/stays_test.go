package probe

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"keepgo/checker"
)

// TestStays: a runner that looks at what changed of a list does what one does that
// takes each list for new.
func TestStays(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			f := &fake{down: map[uint16]string{81: "refused", 83: "refused"}, start: time.Now()}
			options := Options{Ask: f.ask, Spread: func(time.Duration) time.Duration { return 0 }}
			quick, slow := NewRunner(options), NewRunner(options)
			defer quick.Close()
			defer slow.Close()
			var list []checker.Check
			for range 6 {
				list = edited(rng, list)
				slow.checks = nil
				quick.Set(slices.Clone(list))
				slow.Set(slices.Clone(list))
				if got, want := described(quick), described(slow); !maps.Equal(got, want) {
					t.Fatalf("seed %d: tasks of %d checks\n%v, want\n%v", seed, len(list), got, want)
				}
				if got, want := after(quick, 0), after(slow, 0); got != want {
					t.Fatalf("seed %d: verdicts %q, want %q", seed, got, want)
				}
				time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
				synctest.Wait()
				if got, want := after(quick, 0), after(slow, 0); got != want {
					t.Fatalf("seed %d: verdicts later %q, want %q", seed, got, want)
				}
			}
		})
	}
}

// edited is a list with a few checks less, more, or with other timers.
func edited(rng *rand.Rand, list []checker.Check) []checker.Check {
	list = slices.Clone(list)
	for range 1 + rng.IntN(3) {
		i := rng.IntN(len(list) + 1)
		if rng.IntN(3) == 0 {
			list = slices.Delete(list, i, min(len(list), i+1+rng.IntN(2)))
			continue
		}
		c := fakeCheck(0, uint16(80+rng.IntN(5)))
		c.Service = []string{"a", "b", "a", "b", "private"}[rng.IntN(5)]
		c.Private = c.Service == "private"
		list = slices.Insert(list, i, c)
	}
	other, retry := uint16(80+rng.IntN(30)), rng.IntN(3)
	for i := range list {
		if list[i].ID = checker.ID(i); list[i].Probe.Target.Port() == other && !list[i].Private {
			list[i].Retry = retry
		}
	}
	if rng.IntN(8) == 0 && len(list) > 0 { // some rest
		list = list[1:]
	}
	return list
}

// described is what each task does and for whom. A key tells private ones apart by
// their number, which means nothing.
func described(r *Runner) map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]int{}
	for _, t := range r.tasks {
		text := fmt.Sprint(t.next, t.damper, t.why, t.queued, t.gone, t.place >= 0)
		for _, c := range t.checks {
			text += fmt.Sprintf(" %d:%s:%d:%d:%v", c.ID, c.Service, c.Probe.Target.Port(), c.Retry, c == &r.checks[c.ID-r.checks[0].ID])
		}
		all[text]++
	}
	return all
}
