package filter

import (
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keepgo/internal/netlab/testns"
)

// patience is how long a test waits for what should take milliseconds.
const patience = 10 * time.Second

// world collects what a door tells.
type world struct {
	t      testing.TB
	mu     sync.Mutex
	events []Event
	news   chan struct{}
}

func newListener(t testing.TB) *world { return &world{t: t, news: make(chan struct{}, 1)} }

// newWorld takes the test's thread into a network namespace of its own.
func newWorld(t testing.TB) *world {
	t.Helper()
	testns.Enter(t)
	return newListener(t)
}

// open opens a door that is closed at the end of the test.
func (w *world) open(o Options) *Door {
	w.t.Helper()
	o.Notify = w.note
	d, err := Open(o)
	w.must(err)
	w.t.Cleanup(func() { d.Close() })
	return d
}

func (w *world) note(e Event) {
	w.mu.Lock()
	w.events = append(w.events, e)
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// expect waits for an event of a kind and takes it, and all before it, off the
// list.
func (w *world) expect(k EventKind) Event {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		seen := fmt.Sprint(w.events)
		if i := slices.IndexFunc(w.events, func(e Event) bool { return e.Kind == k }); i >= 0 {
			e := w.events[i]
			w.events = w.events[i+1:]
			w.mu.Unlock()
			return e
		}
		w.mu.Unlock()
		select {
		case <-w.news:
		case <-deadline:
			w.t.Fatalf("no event of kind %d; saw %s", k, seen)
		}
	}
}

// set makes the door want want and waits until it is in force.
func (w *world) set(d *Door, owner int, want Want) {
	w.t.Helper()
	d.Set(owner, want)
	if e := w.expect(Applied); e.Owner != owner {
		w.t.Errorf("applied for %d, want %d", e.Owner, owner)
	}
}

// nft runs nft(8) in the thread's namespace.
func (w *world) nft(args ...string) string {
	w.t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		w.t.Skip("needs nft: Debian package nftables")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("nft %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// until waits for the ruleset to be as wanted.
func (w *world) until(what string, ok func(ruleset string) bool) {
	w.t.Helper()
	var last string
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		if last = w.nft("list", "ruleset"); ok(last) {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s did not come:\n%s", what, last)
		}
	}
}
