package vrrp

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts in testdata anew")

// TestTranscripts replays the stories of testdata. A line that begins with
// "> " is said to the router; what follows is what it answered. Time stands
// still between lines except in "advance".
//
//	router priority=100 version=2 interval=1s address=10.0.0.2 nopreempt …
//	start, stop, fault, recover, grant, hold, yield
//	advert ADDRESS PRIORITY [INTERVAL]
//	priority N, reconfigure priority=…
//	advance DURATION   time passes, timers fire when due
//	sleep DURATION     time passes, nobody looks at the timers, then they fire
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) { replay(t, name) })
	}
}

func replay(t *testing.T, name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var s story
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") || line == "\n" {
			s.out.WriteString(line)
		}
		if command, ok := strings.CutPrefix(line, "> "); ok {
			s.out.WriteString(line)
			s.run(t, strings.Fields(command))
		}
	}
	if *rewrite {
		if err := os.WriteFile(name, []byte(s.out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.out.String(); got != string(text) && !*rewrite {
		t.Errorf("%s says otherwise now (go test -rewrite writes it anew):\n%s", name, got)
	}
}

// story is a router and what it has said.
type story struct {
	now Time
	r   Router
	out strings.Builder
}

var plainEvents = map[string]EventKind{
	"start": EventStart, "stop": EventStop, "fault": EventFault, "recover": EventRecover,
	"grant": EventGrant, "hold": EventHold, "yield": EventYield,
}

func (s *story) run(t *testing.T, words []string) {
	kind, plain := plainEvents[words[0]]
	switch {
	case plain:
		s.step(Event{Kind: kind})
	case words[0] == "router":
		s.r = New(parseConfig(t, config(2, 100), words[1:]))
	case words[0] == "reconfigure":
		s.step(Event{Kind: EventReconfigure, Config: parseConfig(t, s.r.Config(), words[1:])})
	case words[0] == "advert":
		s.step(Event{Kind: EventAdvert, Heard: parseHeard(t, words[1:])})
	case words[0] == "priority":
		s.step(Event{Kind: EventPriority, Priority: parseNumber(t, words[1])})
	case words[0] == "advance":
		s.advance(s.now + parseTime(t, words[1]))
	case words[0] == "sleep":
		s.now += parseTime(t, words[1])
		s.step(Event{Kind: EventTick})
	default:
		t.Fatalf("unknown command %q", words[0])
	}
	fmt.Fprintf(&s.out, "  %v, next %s\n", s.r.State(), s.in(s.r.Next()))
}

// advance fires timers until end.
func (s *story) advance(end Time) {
	for s.r.Next() <= end {
		s.now = s.r.Next()
		s.step(Event{Kind: EventTick})
	}
	s.now = end
}

func (s *story) in(t Time) string {
	if t == Never {
		return "never"
	}
	return "in " + (t - s.now).String()
}

func (s *story) step(ev Event) {
	var acts []Action
	ours := s.r.Priority()
	s.r, acts = s.r.Step(s.now, ev, nil)
	for _, a := range acts {
		fmt.Fprintf(&s.out, "  %v %s: %s\n", s.now, doing(a), a.Text(ours))
	}
}

func doing(a Action) string {
	switch a.Kind {
	case ActSend:
		return fmt.Sprintf("send %d", a.Priority)
	case ActBecome:
		return "become " + a.State.String()
	case ActReannounce:
		return "reannounce"
	case ActLowerHeard:
		return "lower heard"
	case ActAsk:
		return "ask the group"
	}
	return "ignore"
}

func parseConfig(t *testing.T, c Config, words []string) Config {
	t.Helper()
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "priority":
			c.Priority = parseNumber(t, value)
		case "version":
			c.Version = parseNumber(t, value)
		case "interval":
			c.Interval = parseTime(t, value)
		case "address":
			c.Source = netip.MustParseAddr(value)
		case "preempt_delay":
			c.PreemptDelay = parseTime(t, value)
		case "quiet_until":
			c.QuietUntil = parseTime(t, value)
		case "backup_when_late":
			c.BackupWhenLate = parseTime(t, value)
		default:
			*parseFlag(t, &c, key) = true
		}
	}
	return c
}

func parseFlag(t *testing.T, c *Config, key string) *bool {
	t.Helper()
	flags := map[string]*bool{
		"master": &c.StartMaster, "nopreempt": &c.NoPreempt, "grouped": &c.Grouped, "listen": &c.ListenAfterPause,
		"lower_prio_no_advert": &c.LowerPriorityNoAdvert, "higher_prio_send_advert": &c.HigherPrioritySend,
		"owner_ignore_adverts": &c.OwnerIgnoresAdverts,
	}
	if flags[key] == nil {
		t.Fatalf("unknown setting %q", key)
	}
	return flags[key]
}

func parseHeard(t *testing.T, words []string) Heard {
	t.Helper()
	h := Heard{From: netip.MustParseAddr(words[0]), Priority: parseNumber(t, words[1])}
	if len(words) > 2 {
		h.Interval = parseTime(t, words[2])
	}
	return h
}

func parseNumber(t *testing.T, s string) uint8 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		t.Fatal(err)
	}
	return uint8(n)
}

func parseTime(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
