package ha

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"keepgo/confparse"
)

// twoOfAKey are unicast instances that share their number and their source,
// which is allowed where their peers differ.
func twoOfAKey(names ...string) *confparse.Config {
	cfg := &confparse.Config{}
	for i, name := range names {
		in := instance(name, 51)
		in.Peers = []confparse.Peer{{Addr: netip.MustParseAddr([]string{"10.0.0.8", "10.0.0.9"}[i])}}
		cfg.Instances = append(cfg.Instances, in)
	}
	return cfg
}

// TestReloadOfTwoWithOneKey: each goes on as itself, whatever their order, and
// one that gets a new name is not taken for the other.
func TestReloadOfTwoWithOneKey(t *testing.T) {
	d := newDesk(t, twoOfAKey("VI_1", "VI_2"), "eth0")
	d.step(Event{Kind: EventStart})
	ids := map[string]int{}
	for _, m := range d.node.members {
		ids[m.plan.Name] = m.id
	}
	for _, names := range [][2]string{{"VI_2", "VI_1"}, {"VI_2", "VI_3"}} {
		d.step(Event{Kind: EventReload, Plan: Build(twoOfAKey(names[:]...))})
		if a, b := d.node.members[0], d.node.members[1]; a == b || a.id != ids["VI_2"] || b.id != ids["VI_1"] {
			t.Fatalf("%v go on as %d and %d, want %d and %d", names, a.id, b.id, ids["VI_2"], ids["VI_1"])
		}
	}
}

// TestMastersAfterARename: who takes the place of a process that died after a
// reload knows the masters by their new names.
func TestMastersAfterARename(t *testing.T) {
	cfg := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 51)}}
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(10e9)
	cfg.Instances[0] = instance("other", 51)
	d.step(Event{Kind: EventReload, Plan: Build(cfg)})
	if got := strings.Join(d.node.Masters(), " "); got != "other" {
		t.Errorf("the masters are %q", got)
	}
}

// TestFarewellIsOfWhatIsGone: the last edge of an instance that a reload takes
// away is not taken for one of another instance that gets its name.
func TestFarewellIsOfWhatIsGone(t *testing.T) {
	cfg := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 51)}}
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(10e9)
	cfg.Instances[0] = instance("VI_1", 52)
	var told []string
	for _, a := range d.node.Step(d.now, Event{Kind: EventReload, Plan: Build(cfg)}, nil) {
		if a.Kind == ActNotify {
			told = append(told, fmt.Sprint(a.Edge.State, " ", a.Edge.Gone))
		}
	}
	if got := strings.Join(told, ", "); got != "FAULT true, BACKUP false" || d.node.Named("VI_1") == 0 || d.node.Named("VI_2") != 0 {
		t.Errorf("it told %s; VI_1 is %d", got, d.node.Named("VI_1"))
	}
}

// TestFarewellOfOneThatWaits: an instance that has not begun when a reload
// removes it has told nothing, and is not told as FAULT.
func TestFarewellOfOneThatWaits(t *testing.T) {
	waits := instance("VI_1", 51)
	waits.TrackScripts = []confparse.Track{{Name: "chk"}}
	cfg := &confparse.Config{Instances: []*confparse.Instance{waits}, Scripts: []*confparse.Script{{Name: "chk"}}}
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	if got := d.step(Event{Kind: EventReload, Plan: Build(&confparse.Config{})}); strings.Contains(got, "notify") {
		t.Errorf("it is told:\n%s", got)
	}
}
