package netlab

import (
	"net/netip"
	"testing"
	"time"
)

// TestCut cuts b's cable in each way, and listens at a third host too.
func TestCut(t *testing.T) {
	l := newLab(t)
	a, b := pair(t, l)
	c := must(l.Host("c"))(t)
	check(t, c.Attach("eth0", l.switches[0], netip.MustParsePrefix("10.9.0.3/24")))
	hears := func(p *Pinger) bool {
		return Until(30*time.Second, func() bool { return p.AnsweredSince(time.Now().Add(-30 * time.Millisecond)) })
	}
	falls := func(p *Pinger) bool {
		return Until(30*time.Second, func() bool { return !p.AnsweredSince(time.Now().Add(-200 * time.Millisecond)) })
	}
	fromA := must(a.Ping(netip.MustParseAddr("10.9.0.2"), 2*time.Millisecond))(t)
	fromC := must(c.Ping(netip.MustParseAddr("10.9.0.2"), 2*time.Millisecond))(t)
	for _, way := range []Cut{Mute, Deaf, Parted} {
		if !hears(fromA) || !hears(fromC) {
			t.Fatalf("no answer before way %d", way)
		}
		begin := time.Now()
		for _, h := range []*Host{a, b} {
			if way == Parted || h == b {
				check(t, h.Cut("eth0", way))
			}
		}
		if !falls(fromA) {
			t.Errorf("way %d: answers still come", way)
		}
		if way == Parted && !hears(fromC) {
			t.Error("parted hosts are lost to others too")
		}
		if sent, lost := fromA.Lost(begin, time.Now()); lost == 0 || lost > sent {
			t.Errorf("way %d: %d of %d lost", way, lost, sent)
		}
		if from, to := fromA.Silence(begin); to.Sub(from) < 150*time.Millisecond || to.Before(begin) {
			t.Errorf("way %d: silent from %v to %v", way, from, to)
		}
		check(t, a.Cut("eth0", Healed))
		check(t, b.Cut("eth0", Healed))
	}
	if err := b.Cut("eth9", Deaf); err == nil {
		t.Error("an interface that is not there can be cut")
	}
}
