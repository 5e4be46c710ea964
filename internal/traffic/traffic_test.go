package traffic

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

// death is the traffic of two servers, of which one dies for a while.
func death() *Tally {
	var t Tally
	for i := range 200 {
		a := Answer{At: time.Duration(i) * 50 * ms, Took: 2 * ms, Server: fmt.Sprintf("web%d", i%2)}
		if i%2 == 1 && i >= 100 && i < 140 {
			a = Answer{At: a.At, Took: 3 * ms, Fault: "connection refused"}
		}
		if i >= 160 && i < 180 {
			a = Answer{At: a.At, Took: 3 * ms, Fault: "no route to host"}
		}
		t.Add(a)
	}
	return &t
}

func TestReport(t *testing.T) {
	r := death().Report(10 * time.Second)
	if r.Asked != 200 || r.Failed != 40 || len(r.Servers) != 2 || r.Servers[0] != (Server{"web0", 90, 90.0 / 160, 2 * ms}) || r.Servers[1].Answers != 70 {
		t.Errorf("%+v", r)
	}
	if r.Silence != (Silence{7952 * ms, 1050 * ms}) {
		t.Errorf("the silence is %v", r.Silence)
	}
	want := []Spell{{5050 * ms, 8950 * ms, 40, "connection refused"}}
	if !slices.Equal(r.Spells, want) {
		t.Errorf("the spells are %v, want %v", r.Spells, want)
	}
	if r.Faults["connection refused"] != 20 || r.Faults["no route to host"] != 20 {
		t.Errorf("faults %v", r.Faults)
	}
	if r = death().Report(30 * time.Second); r.Silence != (Silence{9952 * ms, 20048 * ms}) {
		t.Errorf("until the end the silence is %v", r.Silence)
	}
	if r = new(Tally).Report(time.Second); r.Silence.For != time.Second || r.Asked != 0 || r.Latency != (Latency{}) {
		t.Errorf("of nothing: %+v", r)
	}
}

// TestSpells: failures far from each other are two spells.
func TestSpells(t *testing.T) {
	var y Tally
	for _, at := range []time.Duration{time.Second, 3 * time.Second, 9 * time.Second} {
		y.Add(Answer{At: at, Fault: "x"})
	}
	if got := y.Report(time.Minute).Spells; len(got) != 2 || got[0].Failed != 2 || got[1] != (Spell{9 * time.Second, 9 * time.Second, 1, "x"}) {
		t.Errorf("%v", got)
	}
}

// TestTimes: of many durations every part is right within a sixteenth.
func TestTimes(t *testing.T) {
	var y times
	var all []time.Duration
	r := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		d := time.Duration(r.ExpFloat64() * float64(20*ms)).Truncate(time.Microsecond)
		all = append(all, d)
		y.add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		want, got := all[int(q*float64(len(all)))-1], y.part(q)
		if got < want || got > want+want/16+time.Microsecond {
			t.Errorf("%g: %v, want %v", q, got, want)
		}
	}
	for i := range len(y.counts) {
		if got := bucket(upper(i)); got != i {
			t.Fatalf("%v, the end of bucket %d, is in %d", upper(i), i, got)
		}
		if got := bucket(upper(i) + time.Microsecond); got != min(i+1, len(y.counts)-1) {
			t.Fatalf("%v, behind the end of bucket %d, is in %d", upper(i)+time.Microsecond, i, got)
		}
	}
}

const picture = `http://10.0.0.100:80/  20 a second, 10s of 10s
answers 160  failed 40  longest silence 1.05s (from 7.95s)
latency: half within 2ms, 90% 2ms, 99% 2ms, longest 2ms

server                  answers  share  last 36 s
web0                         90  56.2% |                          ++++++++ +|
web1                         70  43.8% |                          +++++  + +|
failed                       40        |                               ++ @ |
last: 40 failed from 5.05s to 8.95s: connection refused
`

func TestPlot(t *testing.T) {
	y := death()
	r := y.Report(10 * time.Second)
	r.Target, r.Rate = "http://10.0.0.100:80/", 20
	if got := y.Plot(&r, 10*time.Second); got != picture {
		t.Errorf("got\n%s\nwant\n%s", got, picture)
	}
}

// TestBounds: whatever answers, the picture fits the terminal, names do not
// disturb it, and memory is bounded.
func TestBounds(t *testing.T) {
	var y Tally
	for i := range 100000 {
		at := time.Duration(i) * 37 * ms
		y.Add(Answer{At: at, Took: ms, Server: fmt.Sprintf("%d %s", i, strings.Repeat("x", 100))})
		if i%100 == 0 {
			y.Add(Answer{At: at, Took: ms, Fault: fmt.Sprintf("%d %s", i, strings.Repeat("y", 200))})
		}
	}
	r := y.Report(3700 * time.Second)
	r.Target, r.Rate = strings.Repeat("z", 200), 27
	if len(y.servers) != maxServers+1 || len(r.Spells) > maxSpells || len(r.Faults) > maxFaults || r.Servers[maxServers].Name != Others || len(r.Notes) != 1 {
		t.Errorf("%d servers, %d spells, %d faults, %v", len(y.servers), len(r.Spells), len(r.Faults), r.Notes)
	}
	text := y.Plot(&r, 0)
	if n := strings.Count(text, "\n"); n >= lines {
		t.Errorf("%d lines:\n%s", n, text)
	}
	for line := range strings.Lines(text) {
		if len(line) > columns {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}

func TestName(t *testing.T) {
	for said, want := range map[string]string{
		"web1\n": "web1", "\r\n \n web2 \nmore": "web2", "": "", "\n\n": "",
		"<!DOCTYPE html>\n<html><head><title>rs1</title></head>\n<body>x": "rs1",
		"a\x1b[2Jb\xff": "a?[2Jb?", "<unclosed": "",
		strings.Repeat("n", 40): strings.Repeat("n", maxName-1) + "~",
	} {
		if got := Name(said); got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
	}
}
