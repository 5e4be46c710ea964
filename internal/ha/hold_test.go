package ha

import (
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
	"keepgo/internal/status"
)

// TestHoldBackStaysUntilBetterIsHeard: a master that holds back says priority 1
// at once, keeps its addresses, and lets them go on hearing anybody better.
func TestHoldBackStaysUntilBetterIsHeard(t *testing.T) {
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}}, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(5 * time.Second)
	same(t, d.step(Event{Kind: EventHold, Names: []string{"VI_1"}}), `
		log (VI_1) holds back by order, with priority 1
		VI_1 sends 1`)
	same(t, d.step(Event{Kind: EventHold, Names: []string{"VI_1"}}), "")
	if d.until(3 * time.Second); d.state(0) != "MASTER" {
		t.Fatalf("with nobody there it is %s", d.state(0))
	}
	if got := d.hear(50); !strings.Contains(got, "VI_1 holds 0") || d.state(0) != "BACKUP" {
		t.Fatalf("on hearing a better one it is %s:\n%s", d.state(0), got)
	}
	if parts := d.node.Report(d.now, time.Time{}).Instances[0].Parts; len(parts) != 2 || parts[1].Value != -99 {
		t.Errorf("its priority is made of %+v", parts)
	}
	d.step(Event{Kind: EventHold})
	for range 6 { // its own priority preempts, as ever
		d.hear(50)
		d.until(time.Second)
	}
	if d.state(0) != "MASTER" {
		t.Errorf("when it does not hold back any more it is %s", d.state(0))
	}
}

// TestHoldBackOutlivesReload: by name, in the plan.
func TestHoldBackOutlivesReload(t *testing.T) {
	cfg := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}}
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(5 * time.Second)
	d.step(Event{Kind: EventHold, Names: []string{"VI_1"}})
	plan := Build(cfg)
	plan.Held = []string{"VI_1"}
	if got := d.step(Event{Kind: EventReload, Plan: plan}); strings.Contains(got, "priority") {
		t.Errorf("the reload changes priorities:\n%s", got)
	}
	if p := d.node.Status(d.now, time.Time{})[0].Priority; p != heldPriority {
		t.Errorf("after a reload its priority is %d", p)
	}
}

// TestOwnerHoldsBack: even one that ignores adverts hears who takes over.
func TestOwnerHoldsBack(t *testing.T) {
	in := instance("VI_1", 1)
	in.Priority, in.OwnerIgnoresAdverts = 255, true
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{in}}, "eth0")
	d.step(Event{Kind: EventStart})
	d.step(Event{Kind: EventHold, Names: []string{"VI_1"}})
	if d.hear(50); d.state(0) != "BACKUP" {
		t.Errorf("it is %s beside another master", d.state(0))
	}
}

// TestYieldComesBack: with nobody there the addresses are away for less than an
// interval.
func TestYieldComesBack(t *testing.T) {
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}}, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(5 * time.Second)
	if got := d.step(Event{Kind: EventYield}); got != "" {
		t.Errorf("one that does not hold back yields:\n%s", got)
	}
	d.step(Event{Kind: EventHold, Names: []string{"VI_1"}})
	if got := d.step(Event{Kind: EventYield}); !strings.Contains(got, "VI_1 sends 0") || !strings.Contains(got, "by order") {
		t.Errorf("it yields by\n%s", got)
	}
	if d.until(time.Second); d.state(0) != "MASTER" {
		t.Errorf("an interval later it is %s", d.state(0))
	}
}

func TestCanHandOver(t *testing.T) {
	at := time.Unix(100, 0)
	s := &status.Status{Instances: []status.Instance{
		{Name: "good", State: "MASTER", Every: 1}, {Name: "backup", State: "BACKUP", Master: "10.0.0.2"},
		{Name: "fault", State: "FAULT", Reason: "eth0 is down"}, {Name: "split", State: "MASTER", Rival: "10.0.0.3"},
		{Name: "other", State: "MASTER", Peers: []status.Peer{{Address: "10.0.0.2", Heard: &at, Fault: "wrong password"}}},
		{Name: "g1", State: "MASTER", Every: 2, Group: "G"}, {Name: "g2", State: "MASTER", Every: 1, Group: "G"},
		{Name: "h1", State: "MASTER", Group: "H"}, {Name: "h2", State: "FAULT", Group: "H", Reason: "no link"},
	}}
	for name, want := range map[string]string{
		"good": "[good] 6s", "g1": "[g1 g2] 11s", "G": "[g1 g2] 11s", "backup": "10.0.0.2 is MASTER", "fault": "eth0 is down",
		"split": "two masters", "other": "wrong password", "h1": "no link", "nix": "is called",
	} {
		h, err := CanHandOver(s, name)
		got := strings.Trim(strings.Join(h.Instances, " "), " ")
		if got = "[" + got + "] " + h.Patience.String(); err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestHandedOver(t *testing.T) {
	before, after := time.Unix(99, 0), time.Unix(101, 0)
	for _, c := range []struct {
		state string
		heard *time.Time
		prio  uint8
		want  bool
	}{
		{"MASTER", &after, 100, false}, {"BACKUP", &before, 100, false}, {"BACKUP", nil, 0, false},
		{"BACKUP", &after, 0, false}, {"BACKUP", &after, 100, true}, {"FAULT", nil, 0, true},
	} {
		in := &status.Instance{State: c.state, Master: "10.0.0.2", Peers: []status.Peer{{Address: "10.0.0.2", Priority: c.prio, Heard: c.heard}}}
		if _, got := HandedOver(in, time.Unix(100, 0)); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
