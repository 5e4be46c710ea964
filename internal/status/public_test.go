package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestPublic: what is nobody's business is left out, and what is asked for is
// not changed by that.
func TestPublic(t *testing.T) {
	s := &Status{PID: 4711, Config: "SECRET", Asked: time.Now(), Scripts: []Script{{Name: "SECRET"}}, Files: map[string]int{"SECRET": 1}, Processes: map[string]bool{"SECRET": true},
		Instances: []Instance{{Name: "VI_1", Reason: "SECRET", Parts: []Part{{What: "SECRET"}}, Devices: []Device{{Name: "SECRET"}}, Routes: []string{"SECRET"}, Rules: []string{"SECRET"}}},
		Services:  []Service{{Name: "s", Servers: []Server{{Name: "r", Up: true, Why: "SECRET", Checks: []Check{{Why: "SECRET"}}}}}},
		Digest:    "d1"}
	b, err := json.Marshal(s.Public())
	if err != nil {
		t.Fatal(err)
	}
	if text := string(b); strings.Contains(text, "SECRET") || strings.Contains(text, "4711") {
		t.Errorf("it tells too much: %s", text)
	}
	p := s.Public()
	if p.Digest != "d1" || p.Instances[0].Name != "VI_1" || !p.Services[0].Servers[0].Up {
		t.Errorf("it tells too little: %+v", p)
	}
	if s.Services[0].Servers[0].Why == "" || s.Instances[0].Reason == "" {
		t.Error("the status lost what was left out")
	}
}

func TestDrill(t *testing.T) {
	began := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	end := began.Add(time.Minute)
	d := Drill{Began: began, Until: end}
	if !d.UnderWay(began) || d.UnderWay(end) || d.Outcome() != "did not tell how it ended" {
		t.Errorf("%+v: %s", d, d.Outcome())
	}
	d.Ended = &began
	if d.Why = "gap"; d.UnderWay(began) || d.Outcome() != "failed: gap" {
		t.Errorf("%+v: %s", d, d.Outcome())
	}
	if d.Passed = true; d.Outcome() != "passed" {
		t.Error(d.Outcome())
	}
}
