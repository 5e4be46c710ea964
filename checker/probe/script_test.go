package probe

import (
	"os"
	"testing"
	"time"

	"keepgo/checker"
)

func scriptCheck(dynamic bool, args ...string) *checker.Check {
	return &checker.Check{Name: "[10.0.0.1]:tcp:80", Service: "[10.0.0.100]:tcp:80", Timeout: time.Minute, Interval: time.Minute,
		Probe: checker.Probe{Kind: checker.Script, Program: &checker.Program{Dynamic: dynamic,
			Command: checker.Command{Args: args, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}}}}
}

func TestScript(t *testing.T) {
	failed := func(why string) checker.Outcome { return checker.Outcome{Why: why} }
	tests := []struct {
		name    string
		dynamic bool
		program string
		want    checker.Outcome
	}{
		{"passes", false, "exit 0", checker.Outcome{Answer: checker.Passed, Why: "exited with status 0"}},
		{"fails", false, "exit 3", failed("exited with status 3")},
		{"dynamic passes", true, "exit 0", checker.Outcome{Answer: checker.Passed, Why: "exited with status 0"}},
		{"dynamic fails with 1", true, "exit 1", failed("exited with status 1")},
		{"dynamic weight 0", true, "exit 2", checker.Outcome{Answer: checker.Passed, Dynamic: true, Why: "exited with status 2: weight 0"}},
		{"dynamic weight 253", true, "exit 255", checker.Outcome{Answer: checker.Passed, Dynamic: true, Weight: 253, Why: "exited with status 255: weight 253"}},
		{"killed", true, "kill -9 $$", failed("killed by signal 9 (killed)")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Once(t.Context(), scriptCheck(tt.dynamic, "sh", "-c", tt.program), 0)
			if got.Answer != checker.Passed && got.Phrase == "" {
				t.Error("a failure without a log line")
			}
			if got.Phrase = ""; got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestScriptThatCannotRunFails(t *testing.T) {
	o := Once(t.Context(), scriptCheck(true, "/no/such/script", "a"), 0)
	want := checker.Outcome{Why: "cannot run /no/such/script a: no such file or directory",
		Phrase: "Misc check for [[10.0.0.1]:tcp:80 VS [10.0.0.100]:tcp:80] by [/no/such/script] failed (cannot run /no/such/script a: no such file or directory)."}
	if o != want {
		t.Errorf("got %+v", o)
	}
}

func TestScriptTimeout(t *testing.T) {
	c := scriptCheck(true, "sleep", "60")
	c.Timeout = 100 * time.Millisecond
	o := Once(t.Context(), c, 0)
	if o.Answer != checker.Failed || o.Phrase != "Misc check for [[10.0.0.1]:tcp:80 VS [10.0.0.100]:tcp:80] by [sleep] timed out (ended after its limit of 100ms)." {
		t.Errorf("got %+v", o)
	}
}

// TestScriptRhythm: a script is started again an interval after its start, and
// never beside itself.
func TestScriptRhythm(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, r *Runner) {
		c := fakeCheck(0, 80)
		c.Probe.Kind = checker.Script
		f.take(4 * time.Second)
		r.Set([]checker.Check{c})
		after(r, 20*time.Second)
		expect(t, f.history(), "1s :80,11s :80")
		f.take(14 * time.Second)
		after(r, 30*time.Second)
		expect(t, f.history(), "1s :80,11s :80,21s :80,35s :80,49s :80")
	})
}
