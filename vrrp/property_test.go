package vrrp

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawConfig(t *rapid.T) Config {
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	c := Config{
		VRID: 1, Version: rapid.Uint8Range(2, 3).Draw(t, "version"), Priority: rapid.Uint8Range(1, Owner).Draw(t, "priority"),
		Interval: time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * sec, Source: addr2,
		StartMaster: flag("master"), NoPreempt: flag("nopreempt"), LowerPriorityNoAdvert: flag("quiet"),
		HigherPrioritySend: flag("send"), ListenAfterPause: flag("listen"), Grouped: flag("grouped"),
		PreemptDelay: time.Duration(rapid.IntRange(0, 9).Draw(t, "delay")) * sec, DownAdverts: rapid.Uint8Range(0, 5).Draw(t, "down"),
		QuietUntil:     time.Duration(rapid.IntRange(0, 20).Draw(t, "quiet")) * sec,
		FramesBy:       time.Duration(rapid.IntRange(0, 40).Draw(t, "frames")) * sec,
		LastWord:       flag("last word"),
		BackupWhenLate: time.Duration(rapid.IntRange(0, 9).Draw(t, "late")) * sec,
	}
	if c.Version == 3 {
		c.Interval /= 100
	}
	return c
}

func drawEvent(t *rapid.T, kinds ...EventKind) Event {
	ev := Event{Kind: rapid.SampledFrom(kinds).Draw(t, "event")}
	switch ev.Kind {
	case EventAdvert:
		from := rapid.SampledFrom([]netip.Addr{addr1, addr2, addr3}).Draw(t, "from")
		ev.Heard = Heard{From: from, Priority: rapid.Uint8().Draw(t, "heard"), Interval: sec}
	case EventPriority:
		ev.Priority = rapid.Uint8Range(1, Owner-1).Draw(t, "effective")
	case EventReconfigure:
		ev.Config = drawConfig(t)
	}
	return ev
}

var allEvents = []EventKind{
	EventStart, EventStop, EventTick, EventAdvert, EventPriority, EventFault, EventRecover,
	EventReconfigure, EventGrant, EventHold, EventYield, EventLost, EventFrames,
}

// TestRouterProperties holds whatever happens, in whatever order.
func TestRouterProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, now := New(drawConfig(t)), Time(0)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now += time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * ms
			before, ev := r, drawEvent(t, allEvents...)
			var acts []Action
			r, acts = r.Step(now, ev, nil)
			checkStep(t, now, before, ev, r, acts)
		}
	})
}

func checkStep(t *rapid.T, now Time, before Router, ev Event, r Router, acts []Action) {
	checkActions(t, before.State(), r.State(), acts)
	if r.State() == Fault && r.Next() != Never {
		t.Fatal("a timer runs in FAULT")
	}
	if (r.State() == Master || r.State() == Backup) && r.Next() == Never {
		t.Fatalf("no timer runs in %v", r.State())
	}
	if r.State() == Master && r.Next() > now+r.Config().Interval {
		t.Fatal("a master waits longer than its interval")
	}
	if quiet := now < r.Config().QuietUntil && before.State() != Master; quiet {
		checkQuiet(t, before, ev, r)
	}
	if blind := !before.passes && now < r.Config().FramesBy; blind && before.State() != Master && r.State() == Master {
		checkBlind(t, ev)
	}
	if r.State() == Backup && r.deferred && r.Next() > max(r.Config().FramesBy, now+r.masterDown(), r.Config().QuietUntil+r.masterDown()) {
		t.Fatalf("waits for a frame until %v", r.Next())
	}
	if p := before.Priority(); r.Priority() != p && ev.Kind == EventAdvert && (r.Config().Priority != Owner || min(p, r.Priority()) != Owner-1) {
		t.Fatalf("an advert moved the priority from %d to %d", p, r.Priority())
	}
	if ev.Kind == EventTick && r.Next() <= now {
		t.Fatal("the timer that fired is due again at once")
	}
	if ev.Kind == EventTick && now < before.Next() && r != before {
		t.Fatal("a tick before its time changed something")
	}
}

// checkBlind: before the first frame nobody becomes master on its own; only the
// sync group, of which another member has heard one, can make it one.
func checkBlind(t *rapid.T, ev Event) {
	if ev.Kind != EventGrant && ev.Kind != EventFrames && ev.Kind != EventAdvert {
		t.Fatalf("master before the first frame by event %d", ev.Kind)
	}
}

// checkQuiet: in the start-up delay nobody becomes master or listens, and the
// timers wait for its end.
func checkQuiet(t *rapid.T, before Router, ev Event, r Router) {
	switch {
	case r.State() == Master:
		t.Fatalf("master in the start-up delay by event %d", ev.Kind)
	case ev.Kind == EventAdvert && r != before:
		t.Fatal("an advert was heard in the start-up delay")
	case ev.Kind == EventStart && r.Next() < r.Config().QuietUntil:
		t.Fatalf("a timer ends at %v, in the start-up delay", r.Next())
	}
}

// checkActions: what was told leads from one state to the other, adverts are
// sent by masters alone, and priority 0 only with the end of mastership.
func checkActions(t *rapid.T, before, after State, acts []Action) {
	state, becomes := before, 0
	for i, a := range acts {
		if a.Reason == ReasonNone || a.Text(1) == "" {
			t.Fatalf("%+v has no reason", a)
		}
		switch a.Kind {
		case ActBecome:
			if a.State == state {
				t.Fatalf("became %v twice", state)
			}
			state = a.State
			becomes++
		case ActSend:
			next := i+1 < len(acts) && acts[i+1].Kind == ActBecome
			if state != Master && !(next && acts[i+1].State == Master) {
				t.Fatalf("%v sends an advert", state)
			}
			if a.Priority == 0 && !(next && acts[i+1].State != Master) {
				t.Fatal("priority 0 from a router that stays master")
			}
		}
	}
	if state != after || becomes > 2 {
		t.Fatalf("told %v after %d changes, is %v", state, becomes, after)
	}
}

func TestEffectivePriority(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, sum := rapid.Uint8Min(1).Draw(t, "base"), rapid.IntRange(-600, 600).Draw(t, "sum")
		got := int(EffectivePriority(base, sum))
		switch want := int(base) + sum; {
		case base == Owner:
			if got != Owner {
				t.Fatalf("the owner moved to %d", got)
			}
		case want >= 1 && want <= 254 && got != want, want < 1 && got != 1, want > 254 && got != 254:
			t.Fatalf("%d%+d gives %d", base, sum, got)
		}
	})
}

// TestSkewOrder: of two candidates the better one is never later, and the
// learned interval of version 3 scales it.
func TestSkewOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version, p := rapid.Uint8Range(2, 3).Draw(t, "version"), rapid.Uint8Range(1, 254).Draw(t, "priority")
		interval := time.Duration(rapid.IntRange(1, 4095).Draw(t, "centiseconds")) * centisecond
		better, worse := skew(version, p+1, interval), skew(version, p, interval)
		if better > worse || better < 0 {
			t.Fatalf("skew %v of %d, %v of %d", better, p+1, worse, p)
		}
		limit := interval
		if version == 2 {
			limit = sec
		}
		if worse >= limit {
			t.Fatalf("skew %v is not below %v", worse, limit)
		}
	})
}
