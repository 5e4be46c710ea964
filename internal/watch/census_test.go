package watch

import (
	"maps"
	"testing"
	"time"
)

func line(words ...string) (b []byte) {
	for _, w := range words {
		b = append(append(b, w...), 0)
	}
	return b
}

// TestMatch holds what keepalived 2.2.7 does with the same processes, but that
// it takes no name of more than 15 bytes.
func TestMatch(t *testing.T) {
	argzero := line("argzero", "9001", "alpha", "beta")
	for _, tt := range []struct {
		name    string
		process Process
		cmdline []byte
		want    bool
	}{
		{"name", Process{Process: "sleeper"}, argzero, true},
		{"first word is no name", Process{Process: "argzero"}, argzero, false},
		{"name is no first word", Process{Process: "sleeper", FullCommand: true}, argzero, false},
		{"first word", Process{Process: "argzero", FullCommand: true}, argzero, true},
		{"part of the first word", Process{Process: "argzer", FullCommand: true}, argzero, false},
		{"full command, exact", Process{Process: "argzero", Params: []string{"9001", "alpha", "beta"}, FullCommand: true}, argzero, true},
		{"full command, fewer", Process{Process: "argzero", Params: []string{"9001", "alpha"}, FullCommand: true}, argzero, false},
		{"parameters are exact", Process{Process: "argzero", Params: []string{"9001", "alpha", "beta"}}, argzero, true},
		{"parameters with the name", Process{Process: "sleeper", Params: []string{"9001", "alpha", "beta"}}, argzero, false},
		{"words apart", Process{Process: "argzero", Params: []string{"9001", "alpha beta"}}, argzero, false},
		{"more than there are", Process{Process: "argzero", Params: []string{"9001", "alpha", "beta", ""}, Match: ParamsPartial}, argzero, false},
		{"exact", Process{Process: "argzero", Params: []string{"9001", "alpha", "beta"}, Match: ParamsExact}, argzero, true},
		{"exact, fewer", Process{Process: "argzero", Params: []string{"9001"}, Match: ParamsExact}, argzero, false},
		{"exact, none", Process{Process: "argzero", Match: ParamsExact}, argzero, false},
		{"exact, none on both sides", Process{Process: "solo", Match: ParamsExact}, line("solo"), true},
		{"initial", Process{Process: "argzero", Params: []string{"9001", "alpha"}, Match: ParamsInitial}, argzero, true},
		{"initial, part of a word", Process{Process: "argzero", Params: []string{"9001", "alp"}, Match: ParamsInitial}, argzero, true},
		{"initial, none", Process{Process: "argzero", Match: ParamsInitial}, argzero, true},
		{"initial, more", Process{Process: "argzero", Params: []string{"9001", "alpha", "beta", "gamma"}, Match: ParamsInitial}, argzero, false},
		{"initial, first word whole", Process{Process: "sol", Match: ParamsInitial}, line("solo"), false},
		{"partial", Process{Process: "argzero", Params: []string{"9001", "alpha"}, Match: ParamsPartial}, argzero, true},
		{"partial, part of a word", Process{Process: "argzero", Params: []string{"9001", "alp"}, Match: ParamsPartial}, argzero, false},
		{"partial, none", Process{Process: "argzero", Match: ParamsPartial}, argzero, true},
		{"no command line", Process{Process: "sleeper"}, nil, true},
		{"no command line to compare", Process{Process: "", FullCommand: true}, nil, false},
	} {
		var c census
		c.set([]Process{tt.process})
		c.see(7, []byte("sleeper"), tt.cmdline[:min(len(tt.cmdline), max(c.longest, 0))])
		if got := c.trackers[0].count == 1; got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestLongNames(t *testing.T) {
	var c census
	c.set([]Process{{Process: "a-name-of-20-bytes.."}})
	c.see(7, []byte("a-name-of-20-by"), nil)
	if c.trackers[0].count != 1 {
		t.Error("a name beyond 15 bytes does not match")
	}
}

// TestCounts follows two trackers through the life of processes.
func TestCounts(t *testing.T) {
	var c census
	c.set([]Process{{Name: "n", Process: "web"}, {Name: "c", Process: "/bin/web", Params: []string{"-d"}}})
	web, other := line("/bin/web", "-d"), line("/bin/other", "-d")
	for _, step := range []struct {
		name  string
		do    func()
		n, cl int
	}{
		{"seen", func() { c.see(1, []byte("web"), web) }, 1, 1},
		{"seen again", func() { c.see(1, []byte("web"), web) }, 1, 1},
		{"a child", func() { c.forked(1, 2) }, 2, 2},
		{"told twice", func() { c.forked(1, 2) }, 2, 2},
		{"executes another", func() { c.see(2, []byte("other"), other) }, 1, 1},
		{"a child of that", func() { c.forked(2, 3) }, 1, 1},
		{"another name", func() { c.see(1, []byte("worker"), web) }, 0, 1},
		{"a number again", func() { c.forked(2, 1) }, 0, 0},
		{"name alone", func() { c.see(1, []byte("web"), nil) }, 1, 0},
		{"end of a stranger", func() { c.gone(9) }, 1, 0},
		{"end", func() { c.gone(1) }, 0, 0},
		{"again", func() { c.see(4, []byte("web"), web) }, 1, 1},
		{"from the beginning", func() { c.recount() }, 0, 0},
		{"only an old child", func() { c.forked(4, 5) }, 0, 0},
	} {
		if step.do(); c.trackers[0].count != step.n || c.trackers[1].count != step.cl {
			t.Errorf("%s: %d and %d, want %d and %d", step.name, c.trackers[0].count, c.trackers[1].count, step.n, step.cl)
		}
	}
	if len(c.pids) != 0 {
		t.Errorf("%v is left", c.pids)
	}
}

// TestVerdicts plays counts at seconds; each line is told what it wants and no
// more.
func TestVerdicts(t *testing.T) {
	delays := Process{Quorum: 2, QuorumMax: 3, ForkDelay: 2 * time.Second, TerminateDelay: 4 * time.Second}
	free := Process{Quorum: 1, QuorumMax: -1}
	never := Process{QuorumMax: 0}
	type at struct {
		second, count int
		tells         string // of what it turns to
		next          int    // second, 0: none
	}
	for name, tt := range map[string]struct {
		process Process
		steps   []at
	}{
		"no delay":            {free, []at{{1, 0, "bad", 0}, {2, 1, "good", 0}, {3, 9, "", 0}, {4, 0, "bad", 0}}},
		"must not run":        {never, []at{{1, 0, "good", 0}, {2, 1, "bad", 0}, {3, 0, "good", 0}}},
		"first at once":       {delays, []at{{1, 2, "good", 0}}},
		"fork":                {delays, []at{{1, 0, "bad", 0}, {2, 2, "", 4}, {3, 2, "", 4}, {4, 2, "good", 0}}},
		"fork cancelled":      {delays, []at{{1, 0, "bad", 0}, {2, 2, "", 4}, {3, 1, "", 0}, {4, 2, "", 6}, {6, 2, "good", 0}}},
		"terminate":           {delays, []at{{1, 2, "good", 0}, {2, 1, "", 6}, {5, 0, "", 6}, {6, 0, "bad", 0}}},
		"terminate cancelled": {delays, []at{{1, 2, "good", 0}, {2, 1, "", 6}, {3, 2, "", 0}, {9, 2, "", 0}}},
		"too many":            {delays, []at{{1, 3, "good", 0}, {2, 4, "", 4}, {4, 4, "bad", 0}, {5, 3, "", 9}, {9, 3, "good", 0}}},
		"late":                {delays, []at{{1, 2, "good", 0}, {2, 1, "", 6}, {60, 1, "bad", 0}}},
	} {
		var c census
		tt.process.Name = "p"
		c.set([]Process{tt.process})
		start := time.Unix(1000, 0)
		for _, s := range tt.steps {
			c.trackers[0].count = s.count
			got := ""
			next := c.settle(start.Add(time.Duration(s.second)*time.Second), func(_ string, good bool) {
				got += map[bool]string{true: "good", false: "bad"}[good]
			})
			if got != s.tells {
				t.Errorf("%s: second %d tells %q, want %q", name, s.second, got, s.tells)
			}
			if want := start.Add(time.Duration(s.next) * time.Second); s.next == 0 != next.IsZero() || s.next != 0 && !next.Equal(want) {
				t.Errorf("%s: second %d looks again at %v", name, s.second, next)
			}
		}
	}
}

// TestSetKeeps: a tracker that stays is told again, and still waits for what
// was due; one with other terms begins anew.
func TestSetKeeps(t *testing.T) {
	now := time.Unix(1000, 0)
	stays := Process{Name: "s", Process: "a", Params: []string{"x"}, Quorum: 1, QuorumMax: -1, TerminateDelay: time.Minute}
	other := Process{Name: "o", Process: "b", Quorum: 1, QuorumMax: -1, TerminateDelay: time.Minute}
	var c census
	c.set([]Process{stays, other})
	told := map[string]bool{}
	tell := func(name string, good bool) { told[name] = good }
	c.see(1, nil, line("a", "x"))
	c.see(2, []byte("b"), nil)
	c.settle(now, tell)
	c.gone(1)
	c.gone(2)
	c.settle(now, tell)
	if want := map[string]bool{"s": true, "o": true}; !maps.Equal(told, want) {
		t.Fatalf("told %v", told)
	}
	other.Quorum = 2
	clear(told)
	c.set([]Process{stays, other, {Name: "new"}})
	c.settle(now.Add(time.Second), tell)
	if want := map[string]bool{"s": true, "o": false, "new": true}; !maps.Equal(told, want) {
		t.Errorf("told %v", told)
	}
	clear(told)
	c.settle(now.Add(time.Minute), tell)
	if want := map[string]bool{"s": false}; !maps.Equal(told, want) {
		t.Errorf("after the delay told %v", told)
	}
}
