package vrrp

import (
	"net/netip"
	"testing"
	"time"
)

const (
	sec = time.Second
	ms  = time.Millisecond
	us  = time.Microsecond
)

var (
	addr1 = netip.MustParseAddr("10.0.0.1")
	addr2 = netip.MustParseAddr("10.0.0.2")
	addr3 = netip.MustParseAddr("10.0.0.3")
)

func config(version, priority uint8) Config {
	return Config{VRID: 51, Version: version, Priority: priority, Interval: sec, Source: addr2}
}

// started is a router that was started at 0.
func started(cfg Config) Router {
	r, _ := New(cfg).Step(0, Event{Kind: EventStart}, nil)
	return r
}

func heard(from netip.Addr, priority uint8) Event {
	return Event{Kind: EventAdvert, Heard: Heard{From: from, Priority: priority, Interval: sec}}
}

// tick steps r at its own deadline.
func tick(r Router) (Router, []Action) {
	return r.Step(r.Next(), Event{Kind: EventTick}, nil)
}

func master(t *testing.T, cfg Config) Router {
	t.Helper()
	r, _ := tick(started(cfg))
	if cfg.Priority == Owner {
		r = started(cfg)
	}
	if r.State() != Master {
		t.Fatalf("router is %v, not MASTER", r.State())
	}
	return r
}

func TestTimers(t *testing.T) {
	fast := Event{Kind: EventAdvert, Heard: Heard{From: addr1, Priority: 255, Interval: 100 * ms}}
	cases := []struct {
		name string
		cfg  Config
		evs  []Event // all at time 0, after EventStart
		want Time
	}{
		{"v2 backup 100", config(2, 100), nil, 3*sec + 609375*us},
		{"v2 backup 254", config(2, 254), nil, 3*sec + 7812*us},
		{"v2 backup 1", config(2, 1), nil, 3*sec + 996093*us},
		{"v2 skew ignores the interval", with(config(2, 100), func(c *Config) { c.Interval = 10 * sec }), nil, 30*sec + 609375*us},
		{"v2 state MASTER", with(config(2, 100), func(c *Config) { c.StartMaster = true }), nil, sec + 3906*us},
		{"v2 down_timer_adverts", with(config(2, 100), func(c *Config) { c.DownAdverts = 5 }), nil, 5*sec + 609375*us},
		{"v2 owner", config(2, 255), nil, sec},
		{"v2 priority 0 heard", config(2, 100), []Event{heard(addr1, 0)}, 609375 * us},
		{"v3 backup 100", config(3, 100), nil, 3*sec + 609375*us},
		{"v3 learned 0.1 s", config(3, 200), []Event{fast}, 321875 * us},
		{"v3 integer microseconds", with(config(3, 255-2), func(c *Config) { c.Interval = 10 * ms }), nil, 30*ms + 117*us},
		{"v3 state MASTER", with(config(3, 100), func(c *Config) { c.StartMaster = true }), nil, sec + 3906*us},
		{"v2 does not learn", config(2, 200), []Event{fast}, 3*sec + 218750*us},
		{"priority raised", config(2, 100), []Event{{Kind: EventPriority, Priority: 200}}, 3*sec + 218750*us},
		{"priority lowered", config(2, 100), []Event{{Kind: EventPriority, Priority: 1}}, 3*sec + 996093*us},
		{"recovered", config(2, 100), []Event{{Kind: EventFault}, {Kind: EventRecover}}, 3*sec + 609375*us},
		{"owner recovered", config(2, 255), []Event{{Kind: EventFault}, {Kind: EventRecover}}, sec + 3906*us},
		{"recovery forgets what was learned", config(3, 200), []Event{fast, {Kind: EventFault}, {Kind: EventRecover}}, 3*sec + 218750*us},
		{"fault", config(2, 100), []Event{{Kind: EventFault}}, Never},
		{"stopped", config(2, 100), []Event{{Kind: EventStop}}, Never},
	}
	for _, c := range cases {
		r := started(c.cfg)
		for _, ev := range c.evs {
			r, _ = r.Step(0, ev, nil)
		}
		if r.Next() != c.want {
			t.Errorf("%s: next is %v, want %v", c.name, r.Next(), c.want)
		}
	}
}

func with(c Config, change func(*Config)) Config {
	change(&c)
	return c
}

// TestResume: a new process goes on where the old one stood.
func TestResume(t *testing.T) {
	cases := []struct {
		state State
		next  Time
	}{
		{Init, Never}, {Backup, 10*sec + 3*sec + 804687*us}, {Master, 10 * sec}, {Fault, Never},
	}
	for _, c := range cases {
		r := Resume(10*sec, config(2, 100), c.state, 50)
		if r.State() != c.state || r.Next() != c.next || r.Priority() != 50 {
			t.Errorf("%v: resumed as %v with priority %d, next %v, want %v", c.state, r.State(), r.Priority(), r.Next(), c.next)
		}
	}
	if r, acts := tick(Resume(10*sec, config(2, 100), Master, 50)); len(acts) != 1 || acts[0].Kind != ActSend || r.Next() != 11*sec {
		t.Errorf("a resumed master does %+v, next %v", acts, r.Next())
	}
}

// TestLoweredOwner: while another owner goes on, nobody gives 255 back.
func TestLoweredOwner(t *testing.T) {
	r, rival := master(t, config(2, Owner)), heard(addr1, Owner)
	for _, at := range []Time{0, sec, 2 * sec, 4 * sec} {
		r, _ = r.Step(at, rival, nil)
	}
	r, _ = r.Step(4*sec, Event{Kind: EventPriority, Priority: Owner}, nil)
	if r.State() != Backup || r.Priority() != Owner-1 {
		t.Errorf("%v with priority %d, want BACKUP with 254", r.State(), r.Priority())
	}
	if r, _ = r.Step(5*sec, heard(addr1, 0), nil); r.Priority() != Owner {
		t.Errorf("priority %d after the other has stopped", r.Priority())
	}
}

// TestFloodOfWorseMasters: a few of them are answered at once, the others by
// the next advert, which comes in time.
func TestFloodOfWorseMasters(t *testing.T) {
	r := master(t, config(2, 200))
	now, sent, last := r.Next(), 0, r.Next()
	for end := now + 10*sec; now < end; now += ms {
		var acts []Action
		r, acts = r.Step(now, heard(addr1, 10), acts)
		if now >= r.Next() {
			r, acts = r.Step(now, Event{Kind: EventTick}, acts)
		}
		for _, a := range acts {
			if a.Kind == ActSend {
				sent++
				if gap := now - last; gap > sec {
					t.Errorf("silent for %v", gap)
				}
				last = now
			}
		}
	}
	if want := 10 * (maxAnswers + 1); sent > want || sent < 10 {
		t.Errorf("%d adverts in 10 s, want no more than %d", sent, want)
	}
}

// TestPhase: a master comes into its phase with one interval that is shorter,
// and keeps it, late ticks or not.
func TestPhase(t *testing.T) {
	const phase = 300 * ms
	r := master(t, config(3, 100))
	spoken, took := r.Next()-sec, []Time{}
	for i := range 6 {
		late := Time(i%3) * ms
		at := r.Next()
		r, _ = r.Step(at+late, Event{Kind: EventTick, Phase: phase}, nil)
		took = append(took, at-spoken)
		spoken = at
	}
	if took[0] != sec || took[1] >= sec || took[1] <= 0 || spoken%sec != phase {
		t.Errorf("intervals of %v, the last at %v", took, spoken)
	}
	for _, d := range took[2:] {
		if d != sec {
			t.Errorf("an interval of %v", d)
		}
	}
	if r, _ = r.Step(spoken+5*sec/2, Event{Kind: EventTick, Phase: phase}, nil); r.Next() <= spoken+5*sec/2 || r.Next()%sec != phase {
		t.Errorf("after a pause it speaks at %v", r.Next())
	}
}
