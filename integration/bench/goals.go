package main

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
)

// goal is what keepgo is to reach. Times were set as goals on another, quicker
// machine, beside what keepalived and the bare loop took there: here the same
// part of what they take in this run counts. Where there are several readings
// the widest does.
type goal struct {
	value      float64 // as it was set, in the row's unit; 0 where it was "keepalived's"
	here       float64 // value, where it counts on every machine
	keepalived float64 // part of what keepalived takes
	bare       float64 // part of what the bare loop takes
	more       bool    // more is better
}

// scaled is a goal in time, and what keepalived and the bare loop took where it
// was set; 0 is unknown, or of another kind than here.
func scaled(value, keepalived, bare float64) goal {
	g := goal{value: value}
	if keepalived > 0 {
		g.keepalived = value / keepalived
	}
	if bare > 0 {
		g.bare = value / bare
	}
	return g
}

// shown is without a goal.
func shown() goal { return goal{} }

// noWorse is to be as good as keepalived.
func noWorse() goal { return goal{keepalived: 1} }

// atMost and atLeast count on every machine: proportions and sizes.
func atMost(value float64) goal  { return goal{value: value, here: value} }
func atLeast(value float64) goal { return goal{value: value, here: value, more: true} }

// or lets a part of what keepalived takes do too.
func (t goal) or(keepalived float64) goal {
	t.keepalived = keepalived
	return t
}

// widest is the limit of a figure in this run, and in words: the goal as it was
// set where this run has nothing to scale it by, NaN where none was set.
func (t goal) widest(their, loop float64) (limit float64, words string) {
	limit = math.NaN()
	for _, r := range []struct {
		part, of float64
		name     string
	}{{t.here, 1, ""}, {t.keepalived, their, " k"}, {t.bare, loop, " bare"}} {
		if l := r.part * r.of; r.part != 0 && !(l <= limit) && !(math.IsNaN(l) && words != "") {
			limit, words = l, t.words(r.part, l, r.name)
		}
	}
	if math.IsNaN(limit) && t.value != 0 {
		return t.value, t.words(1, t.value, "")
	}
	return limit, cmp.Or(words, "–")
}

func (t goal) words(part, limit float64, name string) string {
	sign := "≤ "
	if t.more {
		sign = "≥ "
	}
	if name == "" {
		return sign + number(limit)
	}
	text := sign + strconv.FormatFloat(part, 'g', 2, 64) + name
	if math.IsNaN(limit) {
		return text
	}
	return fmt.Sprintf("%s = %s", text, number(limit))
}

// met says whether a figure keeps to the limit.
func (t goal) met(value, limit float64) string {
	switch {
	case math.IsNaN(value) || math.IsNaN(limit):
		return "–"
	case t.more && value >= limit, !t.more && value <= limit:
		return "yes"
	}
	return "no"
}
