package sim_test

import (
	"flag"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

var (
	seeds = flag.Int("seeds", 10_000, "how many random worlds TestRandomWorlds lives through; a tenth with -short")
	from  = flag.Int("from", 1, "the seed of the first of them")
)

// TestRandomWorlds: whatever happens to two to five directors, the rules of
// watch_test.go hold after every event, and those of rules_test.go once the
// wires are whole and the processes run. A world in which one is broken is told
// as a story, the shortest that is found.
//
//	go test ./internal/sim -run RandomWorlds -args -seeds 1000000 -from 10001
func TestRandomWorlds(t *testing.T) {
	n := *seeds
	if testing.Short() {
		n /= 10
	}
	if seed, bad := firstBad(*from, n); bad {
		t.Errorf("seed %d (-args -seeds 1 -from %[1]d), world %d of %d: %s", seed, seed-*from+1, n, shortest(t, seed))
	}
}

// firstBad lives through worlds, as many at a time as there are processors. Of
// those that go wrong it returns one of the first.
func firstBad(from, n int) (seed int, bad bool) {
	next := atomic.Int64{}
	worst := atomic.Int64{}
	worst.Store(int64(from + n))
	world := rapid.Custom(func(t *rapid.T) string { return live(t) })
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				seed := int64(from) + next.Add(1) - 1
				if seed >= worst.Load() {
					return
				}
				if world.Example(int(seed)) != "" {
					lower(&worst, seed)
				}
			}
		})
	}
	workers.Wait()
	return int(worst.Load()), worst.Load() < int64(from+n)
}

func lower(a *atomic.Int64, v int64) {
	for old := a.Load(); v < old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

// live is the story of a world that broke a rule, "" of one that did not.
func live(t *rapid.T) (story string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case broken:
			story = string(r)
		default:
			panic(r)
		}
	}()
	newChaos(t).play()
	return ""
}

// broken is what a world panics with: its story.
type broken string

// shortest is the shortest story that is found of a bad world.
func shortest(t *testing.T, seed int) (story string) {
	for name, value := range map[string]string{"rapid.seed": strconv.Itoa(seed), "rapid.checks": "1", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(quiet{t}, func(t *rapid.T) {
		if s := live(t); s != "" {
			story = s // the last one played is the shortest
			t.Fatal("broken")
		}
	})
	return story
}

// quiet is a test of which only the story counts.
type quiet struct{ *testing.T }

func (quiet) Logf(string, ...any)   {}
func (quiet) Log(...any)            {}
func (quiet) Errorf(string, ...any) {}
func (quiet) FailNow()              {}
