package preflight

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/internal/lab/drill"
	"keepgo/internal/status"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) time.Time { return noon.Add(-d) }

// director is one half of a pair in which nothing is wrong.
func director(state, source, master string, priority uint8) *status.Status {
	heard := before(3 * time.Hour)
	return &status.Status{
		Asked: noon, Began: before(48 * time.Hour), Digest: "d1", Agreement: map[string]string{"x": "1", "y": "2"}, Sync: &status.Sync{Sends: true, Takes: true},
		Instances: []status.Instance{{Name: "VI_1", VRID: 51, State: state, Source: source, Master: master, Priority: priority, Since: heard,
			Peers:  []status.Peer{{Address: "10.0.0.2", Heard: &heard}},
			Places: []status.Place{{Address: "10.0.0.100/24", Link: "eth0", Stands: state == "MASTER"}}}},
		Services: []status.Service{{Name: "s", Up: true, Servers: []status.Server{
			{Name: "r1", Up: true, Traffic: &status.Traffic{Active: 7, Inactive: 5}}, {Name: "r2", Up: true, Traffic: &status.Traffic{Inactive: 9}}}}},
	}
}

// facts are those of a pair that may be drilled.
func facts() *Facts {
	return &Facts{Now: noon, Here: director("MASTER", "10.0.0.1", "", 150), There: director("BACKUP", "10.0.0.2", "10.0.0.1", 100),
		Instances: []string{"VI_1"}, Return: true, Rest: 10 * time.Minute, Calm: 10 * time.Minute, TherePlan: "no --peer"}
}

func TestAllIsWell(t *testing.T) {
	list := Check(facts())
	var keys []string
	for _, f := range list {
		keys = append(keys, f.Key)
		if f.Verdict != drill.Good || f.Evidence == "" || f.Do != "" {
			t.Errorf("%+v", f)
		}
	}
	if !slices.Equal(keys, Keys()) {
		t.Errorf("looked at %q, want %q", keys, Keys())
	}
}

var errNot = errors.New("operation not permitted")

// TestPlanted: each fault is found, where it is, and by itself.
func TestPlanted(t *testing.T) {
	ended := before(time.Minute)
	for name, c := range map[string]struct {
		plant func(f *Facts)
		key   string
		v     drill.Verdict
		says  string
	}{
		"not master":       {func(f *Facts) { f.Refused = "VI_1 is BACKUP here already" }, Master, drill.Stops, "BACKUP here already"},
		"only pings":       {func(f *Facts) { f.Raw = errNot }, Measure, drill.Unknown, "nothing tells whether both have"},
		"only observers":   {func(f *Facts) { f.Raw, f.Ping, f.Observers = errNot, errNot, 1 }, Measure, drill.Unknown, "only observers measure"},
		"nothing measures": {func(f *Facts) { f.Raw, f.Ping = errNot, errNot }, Measure, drill.Stops, "nothing can be measured from here"},
		"peer faulty":      {func(f *Facts) { f.There.Instances[0].State = "FAULT" }, Peer, drill.Stops, "VI_1 is FAULT there"},
		"peer deaf":        {func(f *Facts) { f.There.Instances[0].Master = "" }, Peer, drill.Stops, "hears no master"},
		"peer misled":      {func(f *Facts) { f.There.Instances[0].Master = "10.0.0.66" }, Peer, drill.Stops, "hears 10.0.0.66 as the master"},
		"stale":            {func(f *Facts) { f.There.Asked = before(time.Hour) }, Peer, drill.Stops, "too old"},
		"config":           {func(f *Facts) { f.There.Digest, f.There.Agreement = "d2", map[string]string{"x": "1", "y": "\x1b[2J3"} }, Config, drill.Stops, "y: 2 here, ?[2J3 on the peer"},
		"config one-sided": {func(f *Facts) { f.There.Digest, f.There.Agreement = "d2", map[string]string{"x": "1"} }, Config, drill.Stops, "y: only here"},
		"drift":            {func(f *Facts) { f.Here.Instances[0].Drift = "it lacks 10.0.0.101" }, Config, drill.Stops, "lacks 10.0.0.101"},
		"nopreempt there":  {func(f *Facts) { f.There.Instances[0].NoPreempt = true }, Takeover, drill.Stops, "nopreempt"},
		"preempt_delay":    {func(f *Facts) { f.There.Instances[0].PreemptDelay = 300 }, Takeover, drill.Stops, "300 s late"},
		"missing":          {func(f *Facts) { f.Here.Instances[0].Places[0].Stands = false }, Addresses, drill.Stops, "10.0.0.100/24 is missing here"},
		"stands there":     {func(f *Facts) { f.There.Instances[0].Places[0].Stands = true }, Addresses, drill.Stops, "stands on the peer too"},
		"rival":            {func(f *Facts) { f.Here.Instances[0].Rival = "who is this" }, Split, drill.Stops, "who is this"},
		"split today": {func(f *Facts) {
			f.Events = []status.Event{{Kind: "INSTANCE", Name: "VI_1", State: "SPLIT_BRAIN", At: before(time.Hour)}}
		}, Split, drill.Stops, "two masters 1h0m0s ago"},
		"server":       {func(f *Facts) { f.Here.Services[0].Servers[1] = status.Server{Name: "r2", Why: "refused"} }, Servers, drill.Stops, "r2 of s is down: refused"},
		"server there": {func(f *Facts) { f.There.Services[0].Servers[1].Up = false }, Servers, drill.Stops, "r2 of s is down as the peer sees it"},
		"quorum":       {func(f *Facts) { f.Here.Services[0].Up = false }, Servers, drill.Stops, "no quorum"},
		"no plane":     {func(f *Facts) { f.There.IPVS = "no module" }, Servers, drill.Stops, "no module"},
		"sync off":     {func(f *Facts) { f.Here.Sync.Sends = false }, Sync, drill.Stops, "none sends here"},
		"sync deaf":    {func(f *Facts) { f.There.Sync.Takes = false }, Sync, drill.Stops, "takes connections in"},
		"sync cold":    {func(f *Facts) { f.There.Services[0].Servers = nil }, Sync, drill.Stops, "21 connections here, and the peer knows none"},
		"maintenance":  {func(f *Facts) { f.There.Orders = []status.Order{{Verb: status.Maintenance}} }, Maintenance, drill.Stops, "on the peer"},
		"recent":       {func(f *Facts) { f.Here.Drills = []status.Drill{{Name: "VI_1", Began: before(9 * time.Minute)}} }, Recent, drill.Stops, "did not tell how it ended"},
		"recent there": {func(f *Facts) {
			f.There.Drills = []status.Drill{{Name: "G", Began: before(9 * time.Minute), Ended: &ended, Passed: true}}
		}, Recent, drill.Stops, "of G, was 9m0s ago and passed"},
		"flap": {func(f *Facts) {
			f.Events = []status.Event{{Kind: "INSTANCE", Name: "VI_1", State: "MASTER", At: before(time.Minute)}}
		}, Flaps, drill.Stops, "VI_1 became MASTER 1m0s ago"},
		"flap there":    {func(f *Facts) { f.There.Instances[0].Since = before(time.Minute) }, Flaps, drill.Stops, "BACKUP on the peer"},
		"stays":         {func(f *Facts) { f.Here.Instances[0].NoPreempt = true }, Return, drill.Stops, "nopreempt here"},
		"stays, asked":  {func(f *Facts) { f.Here.Instances[0].NoPreempt, f.Return = true, false }, Return, drill.Unknown, "nopreempt here"},
		"peer is ahead": {func(f *Facts) { f.There.Instances[0].Priority = 150 }, Return, drill.Stops, "150 is not below ours, 150"},
	} {
		f := facts()
		c.plant(f)
		var seen []string
		for _, found := range Check(f) {
			if found.Verdict != drill.Good {
				seen = append(seen, found.Key)
			}
			if found.Key == c.key && (found.Verdict != c.v || !strings.Contains(found.Evidence, c.says)) {
				t.Errorf("%s: %+v, want %q", name, found, c.says)
			}
		}
		if !slices.Equal(seen, []string{c.key}) {
			t.Errorf("%s: found %q, want %q", name, seen, c.key)
		}
	}
}

// TestNothingPlanted: what looks like a fault and is none.
func TestNothingPlanted(t *testing.T) {
	for name, plant := range map[string]func(f *Facts){
		"drained":   func(f *Facts) { f.Here.Services[0].Servers[1] = status.Server{Name: "r2", Order: "down"} },
		"suspended": func(f *Facts) { f.There.Services[0].Suspended, f.There.Services[0].Servers[1].Up = true, false },
		"long ago":  func(f *Facts) { f.Here.Drills = []status.Drill{{Name: "VI_1", Began: before(11 * time.Minute)}} },
		"other": func(f *Facts) {
			f.Events = []status.Event{{Kind: "INSTANCE", Name: "VI_2", State: "MASTER", At: before(time.Minute)}}
		},
		"break": func(f *Facts) { f.Break, f.There.Instances[0].NoPreempt = true, true },
		"few": func(f *Facts) {
			f.Here.Services[0].Servers, f.There.Services[0].Servers = f.Here.Services[0].Servers[1:], nil
		},
		"vrid of 6": func(f *Facts) {
			f.There.Instances = append([]status.Instance{{VRID: 51, State: "FAULT", Places: []status.Place{{Address: "fd00::1/64"}}}}, f.There.Instances...)
		},
	} {
		f := facts()
		plant(f)
		for _, found := range Check(f) {
			if found.Verdict != drill.Good {
				t.Errorf("%s: %+v", name, found)
			}
		}
	}
}

// TestServing: what does not work at the other director after it took over.
func TestServing(t *testing.T) {
	over := func(change func(f *Facts)) []string {
		f := facts()
		f.There.Instances[0].State, f.There.Instances[0].Places[0].Stands = "MASTER", true
		change(f)
		return Serving(f)
	}
	if wrong := over(func(*Facts) {}); len(wrong) != 0 {
		t.Errorf("all is well: %q", wrong)
	}
	for want, change := range map[string]func(f *Facts){
		"VI_1 is not MASTER":        func(f *Facts) { f.There.Instances[0].State = "BACKUP" },
		"10.0.0.100/24 is missing":  func(f *Facts) { f.There.Instances[0].Places[0].Stands = false },
		"s has no quorum":           func(f *Facts) { f.There.Services[0].Up = false },
		"balances nothing: no such": func(f *Facts) { f.There.IPVS = "no such" },
	} {
		if wrong := over(change); len(wrong) != 1 || !strings.Contains(wrong[0], want) {
			t.Errorf("%q, want %q", wrong, want)
		}
	}
	if wrong := over(func(f *Facts) { f.Here.Services[0].Up, f.There.Services[0].Up = false, false }); len(wrong) != 0 {
		t.Errorf("what did not work before: %q", wrong)
	}
}

// TestPeerTellsNothing: without the other director's word much is unknown, and
// one that never spoke stops the drill.
func TestPeerTellsNothing(t *testing.T) {
	f := facts()
	f.There = nil
	want := map[string]drill.Verdict{Peer: drill.Unknown, Config: drill.Unknown, Sync: drill.Unknown, Return: drill.Unknown}
	for _, found := range Check(f) {
		if v, unknown := want[found.Key]; unknown && found.Verdict != v || !unknown && found.Verdict != drill.Good {
			t.Errorf("%+v", found)
		}
	}
	f.Here.Instances[0].Peers = []status.Peer{{Address: "10.0.0.2"}}
	if stopped := drill.Stopped(Check(f)); !slices.Equal(stopped, []string{Peer}) {
		t.Errorf("with a peer that never spoke %q stop it", stopped)
	}
}
