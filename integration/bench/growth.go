package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"
)

// growth is a cost at several sizes.
type growth struct {
	title, unit string
	each        bool // the cost is that of one of N
	sizes       []size
	how         string // it grows
}

// size is N, and what its figures are called.
type size struct {
	n   int
	key string
}

// growths are the second table.
var growths = []growth{
	{"takeover of N addresses", "ms", false, []size{{100, "100 addresses"}, {1000, "1000 addresses"}, {10000, "10000 addresses"}},
		"as N: a message and a packet for each address; the kernel looks through those of the interface for each"},
	{"release of N addresses", "ms", false, []size{{100, "100 addresses release"}, {1000, "1000 addresses release"}, {10000, "10000 addresses release"}},
		"as N: a message for each address; the kernel as above"},
	{"N masters silent at once: first advert beyond Master_Down_Interval", "ms", false, []size{{200, "mass 200"}, {2000, "mass 2000"}},
		"hardly: they come due one after the other, and each takes as long as alone"},
	{"reload of N instances, one address changed", "ms", false, []size{{200, "reload 200"}, {2000, "reload 2000"}},
		"as N: each is read, planned and compared once"},
	{"processor time of 1,000 adverts sent, by N instances", "ms", true, []size{{100, "cpu 100 at 10ms"}, {1020, "cpu 1020 at 100ms"}},
		"as N: an advert costs the same beside a thousand others, but for a heap of deadlines, which is log N"},
	{"processor time of 1,000 adverts heard, by N instances", "ms", true, []size{{50, "cpu 50 heard"}, {500, "cpu 500 heard"}},
		"as N: its instance is found at once, and more adverts come with one wake-up"},
	{"memory of the VRRP process, N instances after a takeover", "MiB", false, []size{{200, "pss 200 backup"}, {2000, "pss 2000 backup"}},
		"as N, and what the program itself takes"},
	{"test of N virtual servers with 4 real servers", "ms", false, []size{{1000, "test 1000 services"}, {10000, "test 10000 services"}},
		"as N: each line is read once, each block decoded and looked at once"},
	{"memory of that", "MiB", false, []size{{1000, "test 1000 services memory"}, {10000, "test 10000 services memory"}},
		"as N: the tree of the file"},
	{"test of one instance with N addresses", "ms", false, []size{{1000, "test 1000 addresses"}, {10000, "test 10000 addresses"}}, "as N"},
	{"processor time of a TCP_CHECK, of N servers each second", "µs", true, []size{{500, "cpu TCP_CHECK"}, {5000, "cpu of 5000 checks"}},
		"as N: all wait in one heap with one timer, which is log N"},
	{"memory of a real server, of N", "KiB", true, []size{{1000, "memory 1000"}, {10000, "memory 10000"}, {60000, "memory 60000"}}, "as N"},
	{"processor time of a reload of N virtual servers, one server added", "ms", false, []size{{100, "reload 100 services"}, {1000, "reload 1000 services"}},
		"as N: all are read and compared, what changed is done"},
	{"emulated machine: N virtual servers with 4 real servers put into IPVS", "ms", false, []size{{1000, "emulated ipvs 1000"}, {10000, "emulated ipvs 10000"}},
		"as N: a message for each, 128 in a send"},
	{"emulated machine: N of them removed", "ms", false, []size{{1000, "emulated ipvs 1000 removed"}, {10000, "emulated ipvs 10000 removed"}}, "as N"},
}

// printGrowth prints what was measured at more than one size.
func (r *report) printGrowth(w io.Writer) {
	var lines strings.Builder
	for i := range growths {
		r.growthLine(&lines, &growths[i])
	}
	if lines.Len() == 0 {
		return
	}
	fmt.Fprintln(w, "\n### How cost grows")
	fmt.Fprintln(w, "\n| measure | unit | N | keepalived | keepgo | cost of ten times N: keepalived / keepgo / bare loop / N log N | no faster than N log N | keepgo's cost grows |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	io.WriteString(w, lines.String())
}

func (r *report) growthLine(w io.Writer, g *growth) {
	our := r.tenfold(g, ours)
	if math.IsNaN(our) {
		return
	}
	all := r.measured(g, ours)
	var sizes []string
	for _, s := range all {
		sizes = append(sizes, fmt.Sprint(s.n))
	}
	first, last := float64(all[0].n), float64(all[len(all)-1].n)
	most := math.Pow(last*math.Log(last)/(first*math.Log(first)), 1/math.Log10(last/first))
	loop, verdict := r.tenfold(g, bare), "yes"
	switch {
	case our > most && loop > most:
		verdict = "no, as the bare loop"
	case our > most:
		verdict = "no"
	}
	fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s / %s / %s / %s | %s | %s |\n", g.title, g.unit, strings.Join(sizes, " / "),
		r.costs(g, theirs), r.costs(g, ours), times(r.tenfold(g, theirs)), times(our), times(loop), times(most), verdict, g.how)
}

// measured are the sizes at which a daemon was measured.
func (r *report) measured(g *growth, d daemon) (all []size) {
	for _, s := range g.sizes {
		if len(r.of(s.key, d)) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// costs are the medians of all sizes.
func (r *report) costs(g *growth, d daemon) string {
	var all []string
	for _, s := range r.measured(g, d) {
		all = append(all, number(r.of(s.key, d).at(0.5)))
	}
	return cmp.Or(strings.Join(all, " / "), "–")
}

// tenfold is how many times the cost of all N is that of a tenth of N, between
// the least and the greatest size; NaN if there are not two.
func (r *report) tenfold(g *growth, d daemon) float64 {
	all := r.measured(g, d)
	if len(all) < 2 {
		return math.NaN()
	}
	first, last := all[0], all[len(all)-1]
	n := float64(last.n) / float64(first.n)
	cost := r.of(last.key, d).at(0.5) / r.of(first.key, d).at(0.5)
	if g.each {
		cost *= n
	}
	return math.Pow(cost, 1/math.Log10(n))
}

func times(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("×%.1f", v)
}
