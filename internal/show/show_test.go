package show

import (
	"strings"
	"testing"
	"time"

	"keepgo/internal/status"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) *time.Time { t := noon.Add(-d); return &t }

func sample() *status.Status {
	next := noon.Add(2900 * time.Millisecond)
	return &status.Status{
		PID: 7, Version: "v1", Config: "k.conf", Asked: noon, Began: *before(26 * time.Hour), Reloaded: before(90 * time.Second),
		Instances: []status.Instance{{
			Name: "VI_1", State: "BACKUP", Interface: "eth0", VRID: 51, Group: "G", Reason: "it was better", Since: *before(time.Minute),
			Priority: 105, Every: 1, Deadline: &next, Master: "10.0.0.2", Heard: status.Heard{Priority: 150},
			Parts: []status.Part{{What: "priority", Value: 100}, {What: "track_script chk", Value: 5}, {What: "track_interface eth1", Fault: "eth1 is down"}},
			Peers: []status.Peer{{Address: "10.0.0.2", Priority: 150, Heard: before(time.Second)}, {Address: "10.0.0.3"},
				{Address: "10.0.0.4", Heard: before(time.Second), Fault: "no good"}},
			Places: []status.Place{{Address: "10.0.0.100/24", Link: "eth0", Stands: true}, {Address: "10.0.0.101/24", Link: "eth0"}},
		}},
		Groups: []status.Group{{Name: "G", State: "FAULT", Faults: 1}},
		Services: []status.Service{{Name: "[10.0.0.100]:tcp:80", Sorry: true, Servers: []status.Server{{
			Name: "[10.0.0.9]:tcp:80", Weight: 1, Traffic: &status.Traffic{Connections: 12, Active: 3},
			Checks: []status.Check{{Kind: "TCP_CHECK", Why: "refused"}, {Kind: "HTTP_GET", Up: true}},
		}}}},
		Probes: &status.Probes{Checks: 2, Busy: 1, Probes: 9, Late: 0},
	}
}

const seen = `v1  pid 7  k.conf, up 1d2h, reloaded 1m30s ago

VI_1                   BACKUP  for 1m0s  eth0, vrid 51, group G
  why        it was better
  priority   105 = 100 configured +5 track_script chk
  FAULT      eth1 is down
  adverts    every 1s; takes over in 2.9s unless the master is heard
  master     10.0.0.2, priority 150
  peer       10.0.0.2 heard 1s ago with priority 150
  peer       10.0.0.3 was never heard (a BACKUP is silent)
  peer       10.0.0.4 heard 1s ago, but no good
  address    10.0.0.100/24 dev eth0  STANDS, and should not
  address    10.0.0.101/24 dev eth0  elsewhere

group G                    FAULT (1 in FAULT)

[10.0.0.100]:tcp:80            DOWN, the sorry server answers
  [10.0.0.9]:tcp:80            down  weight 1     12 connections, 3 active
    TCP_CHECK   bad   refused
    HTTP_GET    good  no answer yet

2 health checks, 1 under way, 9 done since their process began, 0 of them late
`

func TestStatus(t *testing.T) {
	if got := Status(sample()); got != seen {
		t.Errorf("shown:\n%s\nwant:\n%s", got, seen)
	}
	s := sample()
	in := &s.Instances[0]
	in.State, in.Standing, in.Rival = "MASTER", true, "10.0.0.2 is MASTER too"
	for _, want := range []string{"10.0.0.100/24 dev eth0  stands", "10.0.0.101/24 dev eth0  MISSING", "next in 2.9s", "SPLIT      10.0.0.2 is MASTER too"} {
		if got := Status(s); !strings.Contains(got, want) {
			t.Errorf("a master's status lacks %q:\n%s", want, got)
		}
	}
}

func TestExplanation(t *testing.T) {
	e := &status.Explanation{
		At: noon, Instance: &sample().Instances[0], Outlook: "first; second",
		Events: []status.Event{{At: noon, Kind: "INSTANCE", Name: "VI_1", State: "BACKUP", Why: "it was better"}},
	}
	got := Explanation(e)
	for _, want := range []string{"VI_1                   BACKUP", "  first\n  second\n", "  2026-11-21 12:00:00.000  INSTANCE VI_1 BACKUP: it was better\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 90 * time.Second: "1m30s", 3*time.Hour + 5*time.Minute: "3h5m", 50 * time.Hour: "2d2h",
	} {
		if got := age(noon, noon.Add(-d)); got != want {
			t.Errorf("age of %v is %q, want %q", d, got, want)
		}
	}
}
