package lb

import (
	"fmt"
	"math"
	"testing"

	"keepgo/confparse"
)

func file(name string, weight int, reverse bool) *confparse.Checker {
	return &confparse.Checker{Kind: confparse.FileCheck, Watch: &confparse.Watch{Name: name, Weight: weight, Reverse: reverse}}
}

func says(name string, number int) Event { return Event{Kind: EventFile, Name: name, Number: number} }

func TestFollowOf(t *testing.T) {
	for _, tt := range []struct {
		weight  int
		reverse bool
		number  int
		want    influence
	}{
		{0, false, 0, influence{}}, {0, false, 3, influence{down: true}}, {0, true, 0, influence{down: true}}, {0, true, -1, influence{}},
		{2, false, 3, influence{shift: 6}}, {2, true, 3, influence{shift: -6}}, {-2, false, 3, influence{shift: -6}},
		{1, false, math.MinInt32, influence{down: true}}, {1, false, math.MinInt32 + 1, influence{shift: math.MinInt32 + 1}},
		{math.MaxInt32, false, math.MaxInt32, influence{shift: math.MaxInt32}}, {math.MaxInt32, true, math.MaxInt32, influence{down: true}},
	} {
		f := Follow{Weight: tt.weight, Reverse: tt.reverse}
		if got := f.of(tt.number); got != tt.want {
			t.Errorf("%d by %d (reverse %v): %+v, want %+v", tt.number, tt.weight, tt.reverse, got, tt.want)
		}
	}
}

func TestFileMovesItsServers(t *testing.T) {
	p := plan(t, vs(1, rs(1, 10, file("load", -1, false), tcp()), rs(2, 10, file("load", -2, false), file("drain", 0, false))))
	n, _ := NewNode(p, nil)
	weights := func() string {
		var s string
		for _, server := range p.Pools[0].Config.Servers {
			d, in := n.Want(0).Destinations[server.Key]
			s += fmt.Sprintf("%v %d, ", in, d.Weight)
		}
		return s
	}
	step := func(ev Event) string { return told(n.Step(ev, nil)) }
	expect(t, "at first", weights(), "true 10, true 10, ")
	expect(t, "load", step(says("load", 3)), lines("set 0", "Changing weight from 10 to 7 for active service [r1] of VS [v1]",
		"set 0", "Changing weight from 10 to 4 for active service [r2] of VS [v1]"))
	expect(t, "under load", weights(), "true 7, true 4, ")
	expect(t, "the same again", step(says("load", 3)), "")
	expect(t, "drain", step(says("drain", 1)), lines("set 0", "Removing service [r2] from VS [v1]",
		"tell RS [r2] [v1] DOWN /bin/rs-down => FILE CHECK failed on service <="))
	expect(t, "drained", weights(), "true 7, false 0, ")
	step(down(0))
	expect(t, "a check and a file", weights(), "false 0, false 0, ")
	step(up(0))
	expect(t, "of a file that nobody follows", step(says("else", 1)), "")
	n.Step(Event{Kind: EventReload, Plan: plan(t, vs(1, rs(1, 10, file("load", 1, false)), rs(2, 10, file("drain", 0, true))))}, nil)
	expect(t, "after a reload", weights(), "true 13, true 10, ")
}

func TestFileOfAFailedServerComesBack(t *testing.T) {
	p := plan(t, vs(1, rs(1, 10, file("drain", 0, false))))
	n, _ := NewNode(p, nil)
	n.Step(says("drain", 1), nil)
	n2, _ := NewNode(p, nil) // another process hears the numbers again
	acts := n2.Step(says("drain", 1), nil)
	expect(t, "new process", fmt.Sprint(len(acts), len(n2.Want(0).Destinations)), "5 0")
	expect(t, "recovers", told(n.Step(says("drain", 0), nil)), lines("set 0", "Adding service [r1] to VS [v1]",
		"tell RS [r1] [v1] UP /bin/rs-up => FILE CHECK succeed on service <=",
		"Gained quorum 1+0=1 <= 10 for VS [v1]", "tell VS [v1] UP /bin/vs-up"))
}

// A BFD session is followed as a file is; with alpha its server waits for it.
func TestSessionMovesItsServers(t *testing.T) {
	session := func(alpha bool) *confparse.Checker {
		return &confparse.Checker{Kind: confparse.BFDCheck, Watch: &confparse.Watch{Name: "peer"}, Alpha: alpha}
	}
	p := plan(t, vs(1, rs(1, 10, session(false)), rs(2, 10, session(true))))
	n, _ := NewNode(p, nil)
	servers := func() string { return fmt.Sprint(len(n.Want(0).Destinations)) }
	expect(t, "at first", servers(), "1")
	n.Step(says(Session("peer"), 0), nil)
	expect(t, "up", servers(), "2")
	acts := n.Step(says(Session("peer"), 1), nil)
	expect(t, "down", servers(), "0")
	for _, a := range acts {
		if a.Edge.Server != "" && (a.Edge.Body != "=> BFD CHECK peer failed on service <=" || a.Text != "BFD session peer is down") {
			t.Errorf("told: %+v, %q", a.Edge, a.Text)
		}
	}
}
