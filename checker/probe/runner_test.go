package probe

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keepgo/checker"
)

// fake is a world of targets that answer as they are told.
type fake struct {
	mu    sync.Mutex
	down  map[uint16]string // by port: why it fails
	asked []question
	lines []string
	start time.Time
	took  time.Duration
}

// question is a probe that was made.
type question struct {
	at   time.Duration
	port uint16
}

// ask is a probe of the fake world.
func (f *fake) ask(ctx context.Context, c *checker.Check, step int) checker.Outcome {
	f.mu.Lock()
	port := c.Probe.Target.Port()
	f.asked = append(f.asked, question{time.Since(f.start), port})
	why, down := f.down[port]
	took := f.took
	f.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return checker.Outcome{Why: "called off"}
	}
	switch {
	case down && strings.HasPrefix(why, "local"):
		return checker.Outcome{Answer: checker.Local, Why: why, Phrase: why}
	case down:
		return checker.Outcome{Why: why, Phrase: "TCP connection to " + c.Name + " failed."}
	}
	return checker.Outcome{Answer: checker.Passed, Why: "connected"}
}

func (f *fake) set(port uint16, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down[port] = why
}

func (f *fake) heal(port uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.down, port)
}

func (f *fake) log(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, line)
}

// forget starts the history anew.
func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = nil
}

// history is what was asked and when: "1s :80,11s :80".
func (f *fake) history() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.SortFunc(f.asked, func(a, b question) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.port, b.port)) })
	var s []string
	for _, q := range f.asked {
		s = append(s, fmt.Sprintf("%v :%d", q.at, q.port))
	}
	return strings.Join(s, ",")
}

// said is the log.
func (f *fake) said() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.lines, "\n")
}

// take sets how long probes take.
func (f *fake) take(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.took = d
}

// inBubble runs a Runner over a fake world in fake time.
func inBubble(t *testing.T, body func(t *testing.T, f *fake, r *Runner)) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{down: map[uint16]string{}, start: time.Now()}
		r := NewRunner(Options{Log: f.log, Ask: f.ask, Spread: func(limit time.Duration) time.Duration { return limit / 2 }})
		defer r.Close()
		body(t, f, r)
	})
}

// fakeCheck probes a port every 10 s, with one retry after 1 s.
func fakeCheck(id checker.ID, port uint16) checker.Check {
	return checker.Check{ID: id, Name: fmt.Sprint(port), Service: "vs", Interval: 10 * time.Second, Retry: 1, RetryDelay: time.Second,
		Probe: checker.Probe{Target: netip.AddrPortFrom(netip.IPv4Unspecified(), port)}}
}

// after lets fake time pass and gives the verdicts that came.
func after(r *Runner, d time.Duration) string {
	<-time.After(d)
	synctest.Wait()
	var s []string
	for _, v := range r.Take(nil) {
		s = append(s, fmt.Sprintf("%d %v %s", v.ID, v.Up, v.Why))
	}
	slices.Sort(s)
	return strings.Join(s, "; ")
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRunnerRhythm(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		c := fakeCheck(0, 80)
		c.Warmup = 4 * time.Second
		r.Set([]checker.Check{c})
		expect(t, after(r, 4*time.Second), "0 true connected")
		f.set(80, "refused")
		expect(t, after(r, 9*time.Second+1), "") // one failure is retried
		expect(t, after(r, time.Second), "0 false refused")
		expect(t, after(r, 60*time.Second), "") // told once
		f.heal(80)
		expect(t, after(r, 10*time.Second), "0 true connected")
		expect(t, f.history(), "3s :80,13s :80,14s :80,24s :80,34s :80,44s :80,54s :80,1m4s :80,1m14s :80,1m24s :80")
		expect(t, f.said(), "TCP_CHECK on service 80 failed after 1 retries. (refused)\nTCP connection to 80 success.")
	})
}

func TestRunnerLogsAllFailures(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		c := fakeCheck(0, 80)
		c.LogAll, c.Retry = true, 0
		r.Set([]checker.Check{c})
		f.set(80, "refused")
		after(r, 12*time.Second)
		expect(t, f.said(), "TCP connection to 80 failed.\nTCP_CHECK on service 80 failed. (refused)\nTCP connection to 80 failed.")
	})
}

func TestRunnerLocalTroubleIsToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		f.set(80, "local trouble")
		r.Set([]checker.Check{fakeCheck(0, 80)})
		expect(t, after(r, 60*time.Second), "")
		expect(t, f.said(), "local trouble")
	})
}

func TestRunnerReload(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		f.set(81, "refused")
		r.Set([]checker.Check{fakeCheck(0, 80), fakeCheck(1, 81), fakeCheck(2, 82)})
		expect(t, after(r, 2*time.Second), "0 true connected; 1 false refused; 2 true connected")

		// 81 gets another number, 82 goes, 83 comes. Nothing is told again.
		r.Set([]checker.Check{fakeCheck(0, 83), fakeCheck(1, 80), fakeCheck(2, 81)})
		f.forget()
		expect(t, after(r, 2*time.Second), "0 true connected")
		expect(t, after(r, 8*time.Second), "")
		expect(t, f.history(), "3s :83,11s :80,11s :81")
		f.heal(81)
		expect(t, after(r, 10*time.Second), "2 true connected")
	})
}

func TestRunnerGivesANewCheckItsRetries(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		r.Set(nil)
		f.set(80, "refused")
		r.Set([]checker.Check{fakeCheck(0, 80)})
		expect(t, after(r, 1500*time.Millisecond), "")
		expect(t, after(r, time.Second), "0 false refused")
	})
}

func TestRunnerRenumbersWaitingVerdicts(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		r.Set([]checker.Check{fakeCheck(0, 80), fakeCheck(1, 81)})
		<-time.After(2 * time.Second)
		synctest.Wait()
		r.Set([]checker.Check{fakeCheck(0, 81)})
		expect(t, after(r, 0), "0 true connected")
	})
}

func TestRunnerTakesOtherTimers(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		c := fakeCheck(0, 80)
		r.Set([]checker.Check{c})
		expect(t, after(r, 2*time.Second), "0 true connected")
		c.Interval = 3 * time.Second
		r.Set([]checker.Check{c})
		f.forget()
		expect(t, after(r, 5*time.Second), "")
		expect(t, f.history(), "3s :80,6s :80")
	})
}

func TestRunnerSharesEqualProbes(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		of := func(id checker.ID, service string) checker.Check {
			c := fakeCheck(id, 80)
			c.Service = service
			return c
		}
		f.set(80, "refused")
		r.Set([]checker.Check{of(0, "a"), of(1, "b"), of(2, "b")})
		expect(t, after(r, 2*time.Second), "0 false refused; 1 false refused; 2 false refused")
		expect(t, f.history(), "1s :80")
		expect(t, f.said(), "TCP_CHECK on service 80 failed after 1 retries. (refused)")

		// Another service comes: it hears at once what is known.
		r.Set([]checker.Check{of(0, "b"), of(1, "c")})
		expect(t, after(r, 0), "0 false refused; 1 false refused")
		r.Set([]checker.Check{of(1, "b"), of(0, "c")})
		expect(t, after(r, 0), "")
		f.heal(80)
		expect(t, after(r, 10*time.Second), "0 true connected; 1 true connected")
		expect(t, f.history(), "1s :80,11s :80")
		want := Count{Checks: 2, Tasks: 1, Probes: 2}
		if n := r.Count(); n != want {
			t.Errorf("count %+v, want %+v", n, want)
		}
	})
}

func TestRunnerKeepsPrivateProbesApart(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		checks := []checker.Check{fakeCheck(0, 80), fakeCheck(1, 80), fakeCheck(2, 80)}
		checks[1].Private, checks[2].Private = true, true
		r.Set(checks)
		expect(t, after(r, 2*time.Second), "0 true connected; 1 true connected; 2 true connected")
		r.Set(slices.Clone(checks))
		f.forget()
		expect(t, after(r, 10*time.Second), "")
		expect(t, f.history(), "11s :80,11s :80,11s :80")
	})
}

// TestRunnerJoinsARhythm: a check whose timers become those of others joins
// their probe and their verdict.
func TestRunnerJoinsARhythm(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		slow, fast := fakeCheck(0, 80), fakeCheck(1, 80)
		slow.Service, fast.Interval = "a", 3*time.Second
		r.Set([]checker.Check{slow, fast})
		expect(t, after(r, 2*time.Second), "0 true connected; 1 true connected")
		f.set(80, "refused")
		expect(t, after(r, 4*time.Second), "1 false refused")
		slow.Interval = 3 * time.Second
		r.Set([]checker.Check{slow, fast})
		expect(t, after(r, 0), "0 false refused; 1 false refused")
	})
}

func TestRunnerCountsLateProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{down: map[uint16]string{}, start: time.Now(), took: 150 * time.Millisecond}
		r := NewRunner(Options{Log: f.log, Ask: f.ask, Limit: 2})
		defer r.Close()
		var checks []checker.Check
		for i := range 5 {
			checks = append(checks, fakeCheck(checker.ID(i), uint16(i+1)))
		}
		r.Set(checks)
		<-time.After(1100 * time.Millisecond)
		if n := r.Count(); n.Busy != 2 {
			t.Errorf("%d probes under way, the limit is 2", n.Busy)
		}
		<-time.After(900 * time.Millisecond)
		want := Count{Checks: 5, Tasks: 5, Probes: 5, Late: 3}
		if n := r.Count(); n != want {
			t.Errorf("count %+v, want %+v", n, want)
		}
	})
}

func TestRunnerCallsOffProbesUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		f.take(time.Hour)
		r.Set([]checker.Check{fakeCheck(0, 80), fakeCheck(1, 81)})
		expect(t, after(r, 2*time.Second), "")
		start := time.Now()
		r.Set([]checker.Check{fakeCheck(1, 80)})
		r.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v", took)
		}
		r.Set([]checker.Check{fakeCheck(1, 90)}) // after Close: nothing begins
		expect(t, after(r, time.Minute), "")
	})
}

func TestRunnerReady(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		r.Set([]checker.Check{fakeCheck(0, 80)})
		<-r.Ready() // a bubble without it would deadlock
		if got := r.Take(nil); len(got) != 1 || !got[0].Up {
			t.Errorf("took %+v", got)
		}
	})
}

// TestRunnerFlap: who takes late sees the newest verdict once.
func TestRunnerFlap(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		c := fakeCheck(0, 80)
		c.Retry = 0
		r.Set([]checker.Check{c})
		after(r, 2*time.Second)
		f.set(80, "refused")
		<-time.After(10 * time.Second)
		f.heal(80)
		expect(t, after(r, 10*time.Second), "0 true connected")
	})
}

// TestRunnerOfThousands runs in real time: the race detector cannot follow
// thousands of timers that end in one instant of fake time.
func TestRunnerOfThousands(t *testing.T) {
	before := runtime.NumGoroutine()
	r := NewRunner(Options{Ask: func(context.Context, *checker.Check, int) checker.Outcome {
		return checker.Outcome{Answer: checker.Passed}
	}})
	defer r.Close()
	checks := make([]checker.Check, 5000)
	for i := range checks {
		checks[i] = fakeCheck(checker.ID(i), uint16(i))
		checks[i].Interval, checks[i].Warmup = time.Hour, 100*time.Millisecond
	}
	r.Set(checks)
	if idle := runtime.NumGoroutine(); idle > before+50 {
		t.Errorf("%d goroutines while idle, %d before", idle, before)
	}
	seen := make([]int, len(checks))
	for deadline, left := time.After(30*time.Second), len(checks); left > 0; {
		select {
		case <-r.Ready():
		case <-deadline:
			t.Fatalf("%d verdicts missing", left)
		}
		for _, v := range r.Take(nil) {
			seen[v.ID]++
			left--
		}
	}
	if i := slices.IndexFunc(seen, func(n int) bool { return n != 1 }); i >= 0 {
		t.Errorf("%d verdicts of check %d", seen[i], i)
	}
	r.Set(checks)
	if n := len(r.Take(nil)); n != 0 {
		t.Errorf("%d verdicts after an equal Set", n)
	}
}

func TestSpread(t *testing.T) {
	for range 1000 {
		if d := spread(time.Second); d < 0 || d >= time.Second {
			t.Fatalf("spread over %v", d)
		}
	}
	if spread(0) != 0 || spread(-1) != 0 {
		t.Error("spread without a limit")
	}
}

// TestRunnerOfPrivateOnes: equal private checks have probes of their own, which
// each finds again, however many there are.
func TestRunnerOfPrivateOnes(t *testing.T) {
	checks := make([]checker.Check, 5000)
	for i := range checks {
		checks[i] = fakeCheck(checker.ID(i), 80)
		checks[i].Private, checks[i].Warmup = true, time.Hour
	}
	if groups := shared(checks); len(groups) != len(checks) {
		t.Fatalf("%d of %d have a probe", len(groups), len(checks))
	}
	again := shared(slices.Clone(checks))
	for key, group := range shared(checks) {
		if len(again[key]) != 1 || again[key][0].ID != group[0].ID {
			t.Fatalf("check %d is taken for another", group[0].ID)
		}
	}
}
