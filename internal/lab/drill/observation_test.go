package drill

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func clock(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

// observation is of a minute in which the address was silent twice, and changed
// hands.
func observation() Observation {
	return Observation{Observer: "client", VIP: "10.0.0.100", Began: clock(0), Now: clock(60_000), EveryMS: 50, Series: []Series{
		{Means: "ping", Asked: 1200, Answered: 1180, Outages: []Outage{{clock(10_000), clock(10_400), 7}, {clock(30_000), clock(31_000), 19}}},
		{Means: "tcp", Asked: 1200, Outages: []Outage{{clock(0), clock(60_000), 1200}}}, // nobody ever answered
	}, Owners: []Owner{{MAC: "a", From: clock(0), To: clock(30_200)}, {MAC: "b", From: clock(30_000), To: clock(60_000)}}}
}

func TestMerge(t *testing.T) {
	r := Report{Began: clock(5_000), Scenes: []Scene{
		{AtMS: 0, TookMS: 20_000, GapMS: 20, OK: true},
		{AtMS: 24_500, TookMS: 2_000, GapMS: 20, OK: true, Stages: &Stages{AnswerMS: -1}, Spans: []Span{{Silence, 1, 2}, {"lb1", 0, 500}}},
		{AtMS: 27_500, TookMS: 1_000, GapMS: 1, OK: true},
		{AtMS: 0, TookMS: 60_000, Skipped: true},
	}}
	r.Merge([]Observation{observation()})
	if s := r.Scenes[0]; s.GapMS != 400 || s.Lost != 7 || s.Asked != 400 || s.TwoMS != 0 {
		t.Errorf("the first: %+v", s)
	}
	if s := r.Scenes[1]; s.GapMS != 1000 || s.Lost != 19 || s.TwoMS != 200 || s.Stages.AnswerMS != 1500 || len(s.Spans) != 2 || s.Spans[1] != (Span{Silence, 500, 1500}) {
		t.Errorf("the second: %+v %+v", s, s.Stages)
	}
	if s := r.Scenes[2]; s.GapMS != 1 || s.Lost != 0 || s.Asked != 20 {
		t.Errorf("a quiet one: %+v", s)
	}
	if s := r.Scenes[3]; s.GapMS != 0 || len(r.Observers) != 1 {
		t.Errorf("one that was left out: %+v", s)
	}
}

func TestShift(t *testing.T) {
	o := observation()
	o.Owners[0].Missed = clock(1)
	o.Shift(time.Hour)
	for name, d := range map[string]time.Duration{"began": o.Began.Sub(clock(0)), "now": o.Now.Sub(clock(60_000)), "outage": o.Series[0].Outages[1].To.Sub(clock(31_000)),
		"owner": o.Owners[1].From.Sub(clock(30_000)), "missed": o.Owners[0].Missed.Sub(clock(1))} {
		if d != time.Hour {
			t.Errorf("%s moved by %v", name, d)
		}
	}
	if !o.Owners[1].Missed.IsZero() {
		t.Error("what never was has a time")
	}
}

// TestSeriesIsBounded: the shortest outages give way.
func TestSeriesIsBounded(t *testing.T) {
	var s Series
	for n := range maxOutages + 10 {
		s.Add(Outage{clock(n * 1000), clock(n*1000 + 10 + n), 1})
	}
	if len(s.Outages) != maxOutages || s.Dropped != 10 || s.Outages[0].To.Sub(s.Outages[0].From) != 20*time.Millisecond {
		t.Errorf("%d outages, %d dropped, the first of %v", len(s.Outages), s.Dropped, s.Outages[0])
	}
	s.Add(Outage{clock(0), clock(1), 1})
	if s.Outages[len(s.Outages)-1].To.Equal(clock(1)) || s.Dropped != 11 {
		t.Error("a short one took the place of a longer one")
	}
}

// TestFindingsInReports: what was found before is in every form.
func TestFindingsInReports(t *testing.T) {
	r := Report{File: "VI_1", Scenes: []Scene{{Key: Switchover, Name: "over", OK: true}}, Findings: []Finding{
		{"peer", Unknown, "who knows", "ask"}, {"config", Stops, "a <differs>", "mend"}, {"split", Good, "none", ""}}}
	has(t, text(t, WriteJUnit, []Report{r}), `tests="4" failures="1" skipped="1"`, `classname="keepgo.preflight.config"`, `classname="keepgo.drill.switchover"`)
	has(t, text(t, WriteHTML, []Report{r}), "<title>Drill:", "a &lt;differs&gt;", `class="failed">STOP`)
	if got := Stopped(r.Findings); len(got) != 1 || got[0] != "config" {
		t.Errorf("stopped by %q", got)
	}
}

// TestMergeUnseen: an observer that got answers measures what was not seen from
// here, also that nothing was lost; one that got none does not.
func TestMergeUnseen(t *testing.T) {
	began := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		seen     Observation
		gap, two int64
	}{
		"answers": {Observation{Series: []Series{{Answered: 9}}, Owners: []Owner{{MAC: "a"}}}, 0, 0},
		"pings":   {Observation{Series: []Series{{Answered: 9}}}, 0, Unseen},
		"silence": {Observation{Series: []Series{{Asked: 9}}}, Unseen, Unseen},
	} {
		r := Report{Began: began, Scenes: []Scene{{TookMS: 1000, GapMS: Unseen, TwoMS: Unseen, NoneMS: Unseen}}}
		c.seen.Began, c.seen.Now, c.seen.EveryMS = began, began.Add(time.Minute), 100
		r.Merge([]Observation{c.seen})
		if s := r.Scenes[0]; s.GapMS != c.gap || s.TwoMS != c.two || len(s.Spans) > 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if milliseconds(Unseen) != "-" {
		t.Errorf("told as %s", milliseconds(Unseen))
	}
}
