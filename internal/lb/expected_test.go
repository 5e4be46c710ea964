package lb

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"net/netip"
	"pgregory.net/rapid"

	"keepgo/checker"
	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

const expectedConf = `
virtual_server 10.0.0.1 80 {
    lvs_sched wrr
    protocol TCP
    quorum 2
    sorry_server 10.1.0.9 80
    real_server 10.1.0.1 80 {
        weight 2
        TCP_CHECK {
        }
    }
    real_server 10.1.0.2 80 {
        inhibit_on_failure
        TCP_CHECK {
        }
        MISC_CHECK {
            misc_path /bin/true
            misc_dynamic
        }
    }
}
virtual_server 10.0.0.2 0 {
    protocol TCP
    real_server 10.1.0.3 {
        TCP_CHECK {
            connect_port 80
        }
    }
}
`

// TestExpectedIsWhatTheNodeWants: what a daemon tells of itself is enough to know
// its table.
func TestExpectedIsWhatTheNodeWants(t *testing.T) {
	cfg, list := confparse.Load(fstest.MapFS{"k": {Data: []byte(expectedConf)}}, "k", syntax.Env{})
	if cfg == nil {
		t.Fatal(list)
	}
	rapid.Check(t, func(t *rapid.T) {
		plan, _ := Build(cfg)
		n, _ := NewNode(plan, nil)
		for range rapid.IntRange(0, 8).Draw(t, "results") {
			id := rapid.IntRange(0, len(plan.Checks)-1).Draw(t, "check")
			r := checker.Result{ID: checker.ID(id), Up: rapid.Bool().Draw(t, "up"), Why: "x"}
			if r.Up && plan.Checks[id].Probe.Kind == checker.Script {
				r.Dynamic, r.Weight = true, rapid.IntRange(0, 5).Draw(t, "weight")
			}
			n.Step(Event{Kind: EventResult, Result: r}, nil)
		}
		if diff := cmp.Diff(n.Table(), plan.Expected(n.Status()), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Fatalf("(-node +expected)\n%s", diff)
		}
	})
}
