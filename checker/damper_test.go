package checker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// play steps d through outcomes, a letter each (P passed, F failed, L local),
// and writes what came of each: verdict (^ up, v down), ! where reported, and
// the wait by its name (i interval, r retry delay, 0 none).
func play(c *Check, d Damper, outcomes string) string {
	var b strings.Builder
	for _, o := range outcomes {
		answer := map[rune]Answer{'P': Passed, 'F': Failed, 'L': Local}[o]
		next, report, wait := d.Step(c, Outcome{Answer: answer})
		d = next
		b.WriteString(map[bool]string{true: "^", false: "v"}[d.Up])
		if report {
			b.WriteString("!")
		}
		name, ok := map[time.Duration]string{60 * time.Second: "i", time.Second: "r", 90 * time.Second: "s", 0: "0"}[wait]
		if !ok {
			name = fmt.Sprint(wait)
		}
		b.WriteString(name + " ")
	}
	return strings.TrimSpace(b.String())
}

func TestDamper(t *testing.T) {
	check := func(retry int, alpha bool) *Check {
		return &Check{Interval: 60 * time.Second, Retry: retry, RetryDelay: time.Second, Alpha: alpha}
	}
	web := func(urls int, fast bool) *Check {
		c := check(1, false)
		c.Probe = Probe{Kind: HTTP, Web: &Web{URLs: make([]URL, urls), FastRecovery: fast}}
		return c
	}
	rise := func(c *Check, n int) *Check { c.Rise = n; return c }
	rising := func(n int, alpha bool) *Check { return rise(check(0, alpha), n) }
	slow := web(1, false)
	slow.RetryDelay = 90 * time.Second
	tests := []struct {
		name           string
		check          *Check
		start          bool
		outcomes, want string
	}{
		{"one failure decides at start", check(2, false), true, "FP", "v!i ^!i"},
		{"retries after a success", check(2, false), true, "PFFF", "^!i ^r ^r v!i"},
		{"a success resets the count", check(1, false), true, "PFPFPFF", "^!i ^r ^i ^r ^i ^r v!i"},
		{"all retries after a reload", check(2, false), false, "FFF", "^r ^r v!i"},
		{"no retries", check(0, false), false, "PFF", "^!i v!i vi"},
		{"one success brings back", check(2, false), true, "FFFP", "v!i vi vi ^!i"},
		{"alpha starts down", check(2, true), true, "FFP", "v!i vi ^!i"},
		{"local trouble says nothing", check(1, false), true, "LLFLP", "^i ^i v!i vi ^!i"},
		{"local trouble is no success", check(1, false), true, "PFLF", "^!i ^r ^i v!i"},
		{"one url", web(1, false), true, "PFFP", "^!i ^r v!i ^!i"},
		{"failed url waits the longer", slow, true, "PFF", "^!i ^s v!s"},
		{"urls in turn", web(3, false), true, "PPPP", "^i ^i ^!i ^i"},
		{"all urls again", web(2, false), true, "PPPFFPPP", "^i ^!i ^i ^r v!i vi vi ^!i"},
		{"fast recovery", web(2, true), true, "PPPFFPPPP", "^0 ^!i ^i ^r v!i v0 v0 ^!i ^i"},
		{"rises with the third", rising(3, false), true, "PFPPFPPP", "^!i v!i v!i v!i v!i v!i v!i ^!i"},
		{"local trouble ends no row", rising(2, false), true, "FPLP", "v!i v!i vi ^!i"},
		{"up at start all the same", rising(3, false), true, "PF", "^!i v!i"},
		{"alpha rises", rising(2, true), true, "PP", "v!i ^!i"},
		{"urls rise together", rise(web(2, false), 2), true, "FPPPPP", "v!i vi vi v!i vi ^!i"},
		{"no interval does not spin", &Check{}, true, "P", "^!10ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := play(tt.check, NewDamper(tt.check, tt.start), tt.outcomes); got != tt.want {
				t.Errorf("%s:\n got %s\nwant %s", tt.outcomes, got, tt.want)
			}
		})
	}
}

func TestDamperFailsAtTheSameURL(t *testing.T) {
	c := &Check{Retry: 1, Probe: Probe{Kind: HTTP, Web: &Web{URLs: make([]URL, 3)}}}
	d := NewDamper(c, true)
	want := []int{1, 1, 1, 0, 1, 2, 0}
	for i, a := range []Answer{Passed, Failed, Failed, Passed, Passed, Passed, Passed} {
		if d, _, _ = d.Step(c, Outcome{Answer: a}); d.At != want[i] {
			t.Fatalf("after outcome %d: asks url %d, want %d", i, d.At, want[i])
		}
	}
}

func TestDamperReportsWeight(t *testing.T) {
	c := &Check{ID: 7}
	d := NewDamper(c, true)
	steps := []struct {
		o      Outcome
		report bool
		want   Result
	}{
		{Outcome{Answer: Passed}, true, Result{ID: 7, Up: true}},
		{Outcome{Answer: Passed, Dynamic: true, Weight: 5}, true, Result{ID: 7, Up: true, Dynamic: true, Weight: 5}},
		{Outcome{Answer: Passed, Dynamic: true, Weight: 5}, false, Result{ID: 7, Up: true, Dynamic: true, Weight: 5}},
		{Outcome{Answer: Passed, Dynamic: true, Weight: 0}, true, Result{ID: 7, Up: true, Dynamic: true}},
		{Outcome{Answer: Failed}, true, Result{ID: 7}},
		{Outcome{Answer: Passed}, true, Result{ID: 7, Up: true}},
	}
	for i, s := range steps {
		next, report, _ := d.Step(c, s.o)
		d = next
		if got := d.Result(c, ""); got != s.want || report != s.report {
			t.Errorf("step %d: %+v reported %v, want %+v reported %v", i, got, report, s.want, s.report)
		}
	}
}

// TestDamperRule compares with the rule in one sentence: a check is down after
// Retry+1 failures in a row and up after Rise successes in a row.
func TestDamperRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &Check{Retry: rapid.IntRange(0, 4).Draw(t, "retry"), Rise: rapid.IntRange(0, 4).Draw(t, "rise"), Alpha: rapid.Bool().Draw(t, "alpha")}
		start := rapid.Bool().Draw(t, "start")
		d := NewDamper(c, start)
		up, told, told1 := !c.Alpha, false, false
		failures, successes := 0, 0
		if start {
			failures = c.Retry
		}
		for _, a := range rapid.SliceOf(rapid.SampledFrom([]Answer{Failed, Passed, Local})).Draw(t, "answers") {
			was, rose := up, successes
			switch a {
			case Passed:
				if successes++; !up && successes >= c.Rise {
					up = true
				}
				if failures, told1 = 0, true; up {
					successes = 0
				}
			case Failed:
				successes = 0
				if failures++; failures > c.Retry || !up {
					up, told1 = false, true
				}
			}
			next, report, wait := d.Step(c, Outcome{Answer: a})
			d = next
			if want := up != was || told1 && !told || successes != rose; report != want {
				t.Fatalf("%v: reported %v, want %v", a, report, want)
			}
			told = told1
			if r := d.Result(c, "so"); r.Rising != successes || (successes > 0) != (r.Why != "so") {
				t.Fatalf("%v: %+v after %d successes", a, r, successes)
			}
			if d.Up != up || d.Decided != told || wait <= 0 {
				t.Fatalf("%v: %+v after %v, want up %v decided %v", a, d, wait, up, told)
			}
			if !up {
				failures = 0
			}
		}
	})
}

// TestRisingIsCarriedOver: what a process before counted still counts, and a
// rhythm that changed as well.
func TestRisingIsCarriedOver(t *testing.T) {
	c := &Check{Rise: 3, Known: true, Down: true, Rising: 1}
	d := NewDamper(c, true)
	for i, want := range []Result{{Rising: 2, Why: "2 of 3 successes in a row: so"}, {Up: true, Why: "so"}} {
		if d, _, _ = d.Step(c, Outcome{Answer: Passed}); d.Result(c, "so") != want {
			t.Errorf("success %d: %+v, want %+v", i, d.Result(c, "so"), want)
		}
	}
	d, _, _ = NewDamper(c, true).Step(c, Outcome{Answer: Passed})
	c.Rise = 1
	if d, _, _ = d.Step(c, Outcome{Answer: Passed}); !d.Up {
		t.Error("a smaller rise is not enough")
	}
	known := *c
	known.Known, known.Down, known.Rising = false, false, 0
	if known.Sharing() != c.Sharing() {
		t.Error("what a check was keeps it from sharing")
	}
}

// TestKnownHasItsRetries: what was up before is not given up for one failure.
func TestKnownHasItsRetries(t *testing.T) {
	c := &Check{Interval: 60 * time.Second, RetryDelay: time.Second, Retry: 1, Known: true}
	if got := play(c, NewDamper(c, true), "FF"); got != "^r v!i" {
		t.Error(got)
	}
}

func TestRetimedKeepsTheVerdict(t *testing.T) {
	c := &Check{Interval: time.Minute}
	d, _, _ := NewDamper(c, true).Step(c, Outcome{Answer: Failed})
	c.Interval = time.Hour
	if _, _, wait := d.Step(c, Outcome{Answer: Passed}); d.Up || !d.Decided || wait != time.Hour {
		t.Errorf("retimed to %+v, wait %v", d, wait)
	}
}

func TestIdentity(t *testing.T) {
	base := Check{ID: 1, Name: "a", Service: "b", Probe: Probe{Web: &Web{URLs: []URL{{Path: "/"}}}}}
	same, other, args := base, base, base
	same.ID, same.Interval, same.Retry = 2, time.Second, 9
	other.Probe.Web = &Web{URLs: []URL{{Path: "/x"}}}
	args.Probe.Program = &Program{Command: Command{Args: []string{"a b"}}}
	apart := args
	apart.Probe.Program = &Program{Command: Command{Args: []string{"a", "b"}}}
	if base.Identity() != same.Identity() {
		t.Error("ID and timers changed the identity")
	}
	if base.Identity() == other.Identity() {
		t.Error("another url has the same identity")
	}
	if args.Identity() == apart.Identity() {
		t.Error("other arguments have the same identity")
	}
}

func TestSharing(t *testing.T) {
	base := Check{ID: 1, Name: "a", Service: "b", Interval: time.Second}
	for name, change := range map[string]func(*Check){
		"rhythm": func(c *Check) { c.Interval++ }, "retries": func(c *Check) { c.Retry++ }, "target": func(c *Check) { c.Name = "b" },
		"probe": func(c *Check) { c.Probe.Mark = 1 }, "first verdict": func(c *Check) { c.Alpha = true }, "privacy": func(c *Check) { c.Private = true },
	} {
		other := base
		if change(&other); other.Sharing() == base.Sharing() {
			t.Errorf("checks with another %s share a probe", name)
		}
	}
	other := base
	other.ID, other.Service, other.LogAll = 2, "c", true
	if other.Sharing() != base.Sharing() {
		t.Error("the same check of another service does not share")
	}
	other.Private, base.Private = true, true
	if other.Sharing() == base.Sharing() {
		t.Error("private checks of two services share")
	}
}
