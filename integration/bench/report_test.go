package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var unknown = math.NaN()

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		goal        goal
		their, loop float64
		value       float64
		words, met  string
	}{
		{scaled(16, 20, 10), 40, unknown, 32, "≤ 0.8 k = 32.0", "yes"},
		{scaled(16, 20, 10), 40, 10, 32.1, "≤ 0.8 k = 32.0", "no"},
		{scaled(16, 20, 10), 40, 30, 48, "≤ 1.6 bare = 48.0", "yes"}, // the wider
		{scaled(16, 20, 10), unknown, 30, 49, "≤ 1.6 bare = 48.0", "no"},
		{scaled(16, 20, 10), unknown, unknown, 17, "≤ 16.0", "no"}, // nothing to scale it by
		{scaled(16, 20, 0), unknown, 5, 17, "≤ 16.0", "no"},
		{noWorse(), unknown, unknown, 1, "≤ 1 k", "–"},
		{scaled(16, 20, 10), 40, 30, unknown, "≤ 1.6 bare = 48.0", "–"},
		{atMost(1).or(1), 0.5, unknown, 0.9, "≤ 1.0000", "yes"},
		{atMost(1).or(1), 5, unknown, 4, "≤ 1 k = 5.00", "yes"},
		{atMost(8), 2, 2, 7, "≤ 8.00", "yes"},
		{atLeast(0.999), unknown, unknown, 0.998, "≥ 0.9990", "no"},
		{atLeast(0.999), unknown, unknown, 0.9995, "≥ 0.9990", "yes"},
		{noWorse(), 0, unknown, 0, "≤ 1 k = 0.000", "yes"},
		{shown(), 1, 1, 1, "–", "–"},
	} {
		limit, words := c.goal.widest(c.their, c.loop)
		if met := c.goal.met(c.value, limit); words != c.words || met != c.met {
			t.Errorf("%+v beside %v and %v: %q, %v is %q; want %q, %q", c.goal, c.their, c.loop, words, c.value, met, c.words, c.met)
		}
	}
}

func TestQuantiles(t *testing.T) {
	even, odd := figures{4, 1, 3, 2}, figures{9, 1, 5}
	if even.at(0.5) != 2.5 || odd.at(0.5) != 5 || even.at(0.99) != 4 || even.at(1) != 4 || !math.IsNaN(figures(nil).at(0.5)) {
		t.Errorf("medians %v and %v, p99 %v, max %v", even.at(0.5), odd.at(0.5), even.at(0.99), even.at(1))
	}
}

func TestTenfold(t *testing.T) {
	r := &report{figures: map[string]map[daemon]*figures{}}
	for key, value := range map[string]float64{"a": 3, "b": 30, "c": 300, "each a": 2, "each c": 2.4} {
		r.note(key, ours, value)
	}
	all := &growth{sizes: []size{{10, "a"}, {100, "b"}, {1000, "c"}, {10000, "not measured"}}}
	if got := r.tenfold(all, ours); math.Abs(got-10) > 1e-9 {
		t.Errorf("all: ×%v, want ×10", got)
	}
	each := &growth{each: true, sizes: []size{{10, "each a"}, {100, "each c"}}}
	if got := r.tenfold(each, ours); math.Abs(got-12) > 1e-9 {
		t.Errorf("of each: ×%v, want ×12", got)
	}
	if got := r.tenfold(all, theirs); !math.IsNaN(got) {
		t.Errorf("not measured: ×%v", got)
	}
	var b strings.Builder
	r.growthLine(&b, each)
	if want := "| 10 / 100 | – | 2.00 / 2.40 | – / ×12.0 / – / ×20.0 | yes |"; !strings.Contains(b.String(), want) {
		t.Errorf("line %q, want %q in it", b.String(), want)
	}
}

// TestInsert: the table replaces the one of before, and nothing else.
func TestInsert(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	r := &report{figures: map[string]map[daemon]*figures{}}
	r.note("gone", theirs, 1000)
	r.note("gone", ours, 40)
	if err := os.WriteFile(file, []byte("before\n"+tableBegin+"old\n"+tableEnd+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.insert(file); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{"before\n" + tableBegin, "| SIGTERM to gone | ms | 1000 | 40.0 | 0.040 | – | ≤ 50.0 | yes |\n", tableEnd + "after\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if strings.Contains(text, "old") {
		t.Error("the old table stands")
	}
	if err := os.WriteFile(file, []byte("no place"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r.insert(file) == nil {
		t.Error("a page without a place takes a table")
	}
}
