package lb

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestChecksRestWhileTheAddressIsElsewhere(t *testing.T) {
	resting := vs(1, rs(1, 1, tcp()), rs(2, 1, tcp()))
	resting.HASuspend = true
	group := vs(3, rs(4, 1, tcp()))
	group.HASuspend, group.FWMark, group.Addr = true, 7, netip.Addr{}
	p := plan(t, resting, vs(2, rs(3, 1, tcp())), group)
	here := resting.Addr
	if w := fmt.Sprint(p.Watched()); w != "[10.1.0.1]" {
		t.Errorf("watches %s", w)
	}
	n, _ := NewNode(p, nil)
	ids := func() string {
		s := ""
		for _, c := range n.Checks() {
			s += fmt.Sprint(c.ID, " ")
		}
		return s
	}
	say := func(present bool) string {
		return told(n.Step(Event{Kind: EventHere, Here: map[netip.Addr]bool{here: present}}, nil))
	}
	expect(t, "at first", ids(), "2 3 ")
	expect(t, "not here", say(false), "")
	expect(t, "comes", say(true), lines("Activating healthchecker for service [r1] for VS [v1]", "Activating healthchecker for service [r2] for VS [v1]"))
	expect(t, "here", ids(), "0 1 2 3 ")
	n.Step(down(0), nil)
	expect(t, "goes", say(false), lines("Suspending healthchecker for service [r1] for VS [v1]", "Suspending healthchecker for service [r2] for VS [v1]"))
	expect(t, "gone", ids(), "2 3 ")
	if len(n.Want(0).Destinations) != 1 {
		t.Error("a check that rests forgot its verdict")
	}
	n.Step(Event{Kind: EventReload, Plan: p}, nil)
	expect(t, "after a reload", ids(), "2 3 ")
}
