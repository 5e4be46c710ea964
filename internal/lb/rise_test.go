package lb

import (
	"testing"

	"pgregory.net/rapid"

	"keepgo/checker"
	"keepgo/confparse"
)

// TestRiseInTheTable: a server stands in the table from the last of as many
// successes as it takes until the last of as many failures, over reloads and the
// death of the process that counts.
func TestRiseInTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := tcp()
		c.Rise, c.Retry = rapid.IntRange(1, 4).Draw(t, "rise"), rapid.IntRange(0, 3).Draw(t, "retry")
		p, _ := Build(planned(vs(1, rs(1, 1, c), rs(2, 1))))
		n, _ := NewNode(p, nil)
		check := n.Checks()[0]
		d := checker.NewDamper(&check, true)
		up, decided, failures, successes := true, false, c.Retry, 0
		for _, what := range rapid.SliceOf(rapid.SampledFrom([]string{"pass", "pass", "fail", "local", "reload", "crash"})).Draw(t, "what") {
			answer := map[string]checker.Answer{"pass": checker.Passed, "fail": checker.Failed, "local": checker.Local}
			switch what {
			case "reload":
				again, _ := Build(planned(vs(1, rs(1, 1, c), rs(2, 1))))
				n.Step(Event{Kind: EventReload, Plan: again}, nil)
			case "crash": // what it saw last is known, how often it failed since is not
				again, _ := Build(planned(vs(1, rs(1, 1, c), rs(2, 1))))
				state := n.State()
				n, _ = NewNode(again, &state)
				check = n.Checks()[0]
				d = checker.NewDamper(&check, true)
				if failures = 0; !decided {
					failures = c.Retry
				}
			case "pass":
				failures, decided = 0, true
				if successes++; up || successes >= c.Rise {
					up, successes = true, 0
				}
			case "fail":
				successes = 0
				if failures++; failures > c.Retry || !up {
					up, decided = false, true
				}
			}
			if a, asked := answer[what]; asked {
				var report bool
				if d, report, _ = d.Step(&check, checker.Outcome{Answer: a, Why: "so"}); report {
					n.Step(Event{Result: d.Result(&check, "so")}, nil)
				}
			}
			want := map[bool]string{true: "r1=1 r2=1", false: "r2=1"}[up]
			if got := table(n, 0); got != want || decided && n.verdicts[0].Rising != successes {
				t.Fatalf("%s: table %q, want %q; %d successes known, want %d", what, got, want, n.verdicts[0].Rising, successes)
			}
		}
	})
}

func planned(servers ...*confparse.VirtualServer) *confparse.Config {
	return &confparse.Config{VirtualServers: servers}
}
