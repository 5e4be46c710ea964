package lb

import (
	"testing"
	"time"

	"keepgo/confparse"
)

func TestSlowStart(t *testing.T) {
	slow := func(n int) *confparse.RealServer {
		s := rs(n, 10, tcp())
		s.SlowStart = 4 * time.Second
		return s
	}
	n, _ := NewNode(plan(t, vs(1, slow(1), rs(2, 10))), nil)
	second := func() string { return told(n.Step(Event{Kind: EventSecond}, nil)) }
	expect(t, "start", table(n, 0)+second(), "r1=10 r2=10")
	n.Step(down(0), nil)
	expect(t, "down", table(n, 0)+second(), "r2=10")
	expect(t, "up", told(n.Step(up(0), nil)), lines("set 0", "Adding service [r1] to VS [v1]", "tell RS [r1] [v1] UP /bin/rs-up => TCP CHECK succeed on service <="))
	expect(t, "at once", table(n, 0), "r1=1 r2=10")
	expect(t, "after a second", second()+" "+table(n, 0), "set 0 r1=2 r2=10")

	n.Step(Event{Kind: EventReload, Plan: plan(t, vs(1, rs(2, 10), slow(1), slow(3)))}, nil)
	expect(t, "reload with a new one", table(n, 0), "r1=2 r2=10 r3=1")
	second()
	expect(t, "after another second", table(n, 0), "r1=5 r2=10 r3=2")
	state := through(t, n.State())
	n, _ = NewNode(plan(t, vs(1, slow(1), rs(2, 10), slow(3))), &state)
	expect(t, "another process", table(n, 0), "r1=5 r2=10 r3=2")
	second()
	expect(t, "three", table(n, 0), "r1=7 r2=10 r3=5")
	n.Step(Event{Result: down(1).Result}, nil)
	expect(t, "four", second()+" "+table(n, 0), "set 0 r1=10 r2=10")
	expect(t, "over", second(), "")
}
