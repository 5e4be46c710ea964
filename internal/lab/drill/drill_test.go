package drill

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"
)

const sec = time.Second

func TestReigns(t *testing.T) {
	holds := []Hold{
		{At: 1 * sec, Director: 0, Has: true},
		{At: 2 * sec, Director: 1, Address: 1, Has: true}, // another address
		{At: 5 * sec, Director: 1, Has: true},
		{At: 6 * sec, Director: 1, Has: true}, // told twice
		{At: 7 * sec, Director: 0, Has: false},
		{At: 9 * sec, Director: 1, Has: false},
	}
	r := Reigns(holds, 0, 4*sec, 10*sec)
	if r.Two != 2*sec || r.None != 1*sec {
		t.Errorf("two masters for %v, none for %v", r.Two, r.None)
	}
	want := []Stretch{{0, 4 * sec, 7 * sec}, {1, 5 * sec, 9 * sec}}
	if len(r.Spans) != 2 || r.Spans[0] != want[0] || r.Spans[1] != want[1] {
		t.Errorf("spans %v", r.Spans)
	}
	if r := Reigns(holds, 0, 0, 500*time.Millisecond); r.None != 500*time.Millisecond || r.Two != 0 || len(r.Spans) != 0 {
		t.Errorf("before anything: %+v", r)
	}
	if r := Reigns(holds[:1], 0, 2*sec, 3*sec); r.None != 0 || len(r.Spans) != 1 {
		t.Errorf("held all along: %+v", r)
	}
}

const file = `
# what all may cost
*        gap 4s two_masters 200ms
stopped  gap 1s lost 2% kept 100% failed 3   # planned work
frozen   skip
`

func read(t *testing.T, text string) Limits {
	t.Helper()
	l, err := ReadLimits(strings.NewReader(text), "x", []string{"stopped", "frozen", "power"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestReadLimits(t *testing.T) {
	l := read(t, file)
	if s := l.For("stopped"); *s.Gap != sec || *s.Two != 200*time.Millisecond || *s.Lost != 2 || *s.Kept != 100 || *s.Fails != 3 || s.Skip {
		t.Errorf("stopped: %+v", s)
	}
	if p := l.For("power"); *p.Gap != 4*sec || p.Lost != nil || !l.For("frozen").Skip {
		t.Errorf("the others: %+v", l)
	}
}

func TestSkipAllButOne(t *testing.T) {
	l := read(t, "* skip gap 1s\npower took 9s")
	if p := l.For("power"); p.Skip || *p.Gap != sec || !l.For("frozen").Skip {
		t.Errorf("%+v", l)
	}
}

func TestReadLimitsNamesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"\npowr gap 1s":         "x:2: no drill is called \"powr\"; there are: stopped frozen power",
		"power gap":             "gap lacks its value",
		"power gap soon":        "gap: \"soon\" is not what it takes",
		"power goop 1s":         "\"goop\" is no limit",
		"power skip\npower gap": "x:2: gap lacks",
		"* gap 1s\n* gap 2s":    "x:2: * has a line already",
	} {
		_, err := ReadLimits(strings.NewReader(text), "x", []string{"stopped", "frozen", "power"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestJudge(t *testing.T) {
	l := read(t, file).For("stopped")
	good := Scene{OK: true, GapMS: 1000, TwoMS: 200, Asked: 100, Lost: 2, Kept: &Kept{2, 2}, HTTP: []*Answers{{Failed: 3}}}
	if Judge(&good, l); !good.OK || good.Why != "" {
		t.Errorf("at the limits: %+v", good)
	}
	for want, s := range map[string]Scene{
		"without an answer for 1001 ms, 1s allowed": {OK: true, GapMS: 1001},
		"two masters for 201 ms":                    {OK: true, TwoMS: 201},
		"3 of 100 pings were lost, 2 % allowed":     {OK: true, Asked: 100, Lost: 3},
		"1 of 2 connections survived":               {OK: true, Kept: &Kept{2, 1}},
		"4 requests to x failed, 3 allowed":         {OK: true, HTTP: []*Answers{{Target: "x", Failed: 4}}},
		"first; the client":                         {Why: "first", GapMS: 2000},
	} {
		if Judge(&s, l); s.OK || !strings.Contains(s.Why, want) {
			t.Errorf("%q does not say %q", s.Why, want)
		}
	}
	left := Scene{OK: true, Skipped: true, GapMS: 9000}
	if Judge(&left, l); !left.OK {
		t.Error("a scene that was left out failed")
	}
}

func TestAnswersSince(t *testing.T) {
	old := []*Answers{{Target: "x", Servers: map[string]int{"a": 3, "b": 1}, Failed: 2}}
	now := []*Answers{{Target: "x", Servers: map[string]int{"a": 5, "b": 1, "c": 4}, Failed: 3}}
	d := Since(old, now)[0]
	if d.Target != "x" || d.Failed != 1 || len(d.Servers) != 2 || d.Servers["a"] != 2 || d.Servers["c"] != 4 {
		t.Errorf("%+v", d)
	}
}

func sample() []Report {
	return []Report{{File: "k.conf", Daemon: "keepgo", OK: false, DataPlane: "nftables", Notes: []string{"a <note>"}, Scenes: []Scene{
		{Key: "power", Name: "lb1 loses power", OK: true, GapMS: 3100, TookMS: 3200, Asked: 320, Lost: 310,
			Stages: &Stages{3000, 3001, 3002, 3003, 3050}, Kept: &Kept{2, 0},
			Spans: []Span{{"lb1", 0, 10}, {"lb2", 3002, 3200}, {Silence, -5, 3050}, {"nobody", 0, 9}}},
		{Key: "power", Name: "lb1 <returns>", Why: "no \"answer\" & more", TookMS: 10},
		{Key: "clock", Name: "the clock steps", OK: true, Skipped: true, Why: "no clock"},
	}}}
}

func text(t *testing.T, write func(io.Writer, []Report) error, r []Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("lacks %q:\n%s", p, text)
		}
	}
}

func TestTable(t *testing.T) {
	has(t, text(t, WriteTable, sample()), "310/320", "0 of 2 kept", "detected 3000, elected 3001, address up 3002, ARP sent 3003, first answer 3050 ms",
		"3 scenes, 1 failed, 1 left out", "FAILED lb1 <returns>: no \"answer\" & more", "-      the clock steps: no clock")
	second := sample()[0]
	second.Daemon, second.Scenes = "other", second.Scenes[:1]
	both := text(t, WriteTable, append(sample(), second))
	first := strings.SplitN(both, "\n", 3)
	if !strings.Contains(first[0], "other") || strings.Count(first[1], "310/320") != 2 {
		t.Errorf("side by side:\n%s", both)
	}
}

func TestJUnit(t *testing.T) {
	out := text(t, WriteJUnit, sample())
	var back junitSuites
	if err := xml.Unmarshal([]byte(out), &back); err != nil {
		t.Fatal(err)
	}
	s := back.Suites[0]
	if s.Tests != 3 || s.Failures != 1 || s.Skipped != 1 || s.Cases[1].Failure == nil || s.Cases[1].Failure.Message != "no \"answer\" & more" || s.Cases[2].Skipped == nil || s.Cases[0].Time != "3.200" {
		t.Errorf("%s", out)
	}
}

func TestHTML(t *testing.T) {
	out := text(t, WriteHTML, sample())
	has(t, out, "Rehearsal: failed", "lb1 &lt;returns&gt;", "a &lt;note&gt;", `class="silence" x="0"`, "lb2: 3002 to 3200 ms", "first answer 3050 ms", "balanced by nftables")
	for _, no := range []string{"http://", "https://", "src=", "@import", "nobody:"} {
		if strings.Contains(out, no) {
			t.Errorf("the page has %q", no)
		}
	}
}
