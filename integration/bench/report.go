package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// figures are what was measured of one thing.
type figures []float64

// at is a quantile, 1 the greatest; the median of an even number lies between two.
func (f figures) at(q float64) float64 {
	if len(f) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(f))
	n := len(sorted)
	if q == 0.5 {
		return (sorted[(n-1)/2] + sorted[n/2]) / 2
	}
	return sorted[min(n-1, int(q*float64(n)))]
}

// report holds every figure.
type report struct {
	turns         int
	begin, ended  time.Time
	load, loadEnd string
	figures       map[string]map[daemon]*figures
	troubles      []string
}

func (r *report) note(key string, d daemon, value float64) {
	if r.figures[key] == nil {
		r.figures[key] = map[daemon]*figures{}
	}
	if r.figures[key][d] == nil {
		r.figures[key][d] = &figures{}
	}
	*r.figures[key][d] = append(*r.figures[key][d], value)
}

// row is a line of the table.
type row struct {
	key   string // of the figures
	title string
	unit  string
	q     float64 // the quantile that counts: 0.5, 0.99 or 1
	goal  goal
	limit string // figures of the bare loop that does the same without a daemon, where they have another key
}

// bareLoop is what the bare loop took.
func (r *report) bareLoop(k *row) float64 { return r.of(cmp.Or(k.limit, k.key), bare).at(k.q) }

// loadAverage is what else runs on the machine, proc_loadavg(5).
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

func version(argv ...string) string {
	out, _ := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s, turns of each daemon: %d, in %.0f minutes, %s, %d processors, load %s at the beginning and %s at the end, %s\n\n",
		r.begin.UTC().Format("2006-01-02"), r.turns, r.ended.Sub(r.begin).Minutes(),
		version("uname", "-sr"), runtime.NumCPU(), r.load, r.loadEnd, version("keepalived", "-v"))
	fmt.Fprintln(w, "| measure | unit | keepalived median / p99 / max | keepgo median / p99 / max | ratio | bare loop | goal | met |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	for i := range rows {
		r.line(w, &rows[i])
	}
	for _, t := range r.troubles {
		fmt.Fprintf(w, "\nnot measured: %s\n", t)
	}
	r.printGrowth(w)
}

// The table of a document stands between these lines.
const tableBegin, tableEnd = "<!-- table -->\n", "<!-- end of the table -->\n"

// insert replaces the table of a document.
func (r *report) insert(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), tableBegin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the table: it stands between the lines %q and %q", file, tableBegin, tableEnd)
	}
	var table strings.Builder
	r.print(&table)
	return os.WriteFile(file, []byte(before+tableBegin+table.String()+tableEnd+after), 0o644)
}

// line prints a row that was measured. The ratio is of the quantile that
// counts, which the title names if it is not the median.
func (r *report) line(w io.Writer, k *row) {
	their, our, loop := r.of(k.key, theirs), r.of(k.key, ours), r.bareLoop(k)
	if len(their)+len(our) == 0 {
		return
	}
	limit, goal := k.goal.widest(their.at(k.q), loop)
	value := our.at(k.q)
	beside := number(loop)
	if !math.IsNaN(loop) && !math.IsNaN(value) {
		beside += fmt.Sprintf(" (×%.2g)", value/loop)
	}
	fmt.Fprintf(w, "| %s%s | %s | %s | %s | %s | %s | %s | %s |\n", k.title, map[float64]string{0.99: ", p99", 1: ", max"}[k.q], k.unit,
		their, our, number(value/their.at(k.q)), beside, goal, k.goal.met(value, limit))
}

func (r *report) of(key string, d daemon) figures {
	if f := r.figures[key][d]; f != nil {
		return *f
	}
	return nil
}

// String is the median, the 99th percentile and the greatest.
func (f figures) String() string {
	if len(f) == 0 {
		return "–"
	}
	if len(f) == 1 {
		return number(f[0])
	}
	return number(f.at(0.5)) + " / " + number(f.at(0.99)) + " / " + number(f.at(1))
}

// number has three digits that count.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.9 && a < 1.1:
		return fmt.Sprintf("%.4f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// entry is a row in JSON: where it was measured, whether the goal was met.
type entry struct {
	Measure, Title, Unit string
	Figures              map[daemon]*figures
	BareLoop             *float64 `json:",omitempty"`
	Goal                 float64  `json:",omitempty"` // as it was set
	PartOfKeepalived     float64  `json:",omitempty"`
	PartOfBareLoop       float64  `json:",omitempty"`
	Judged, Met          string
}

func (r *report) entry(k *row) entry {
	e := entry{Measure: k.key, Title: k.title, Unit: k.unit, Figures: r.figures[k.key],
		Goal: k.goal.value, PartOfKeepalived: k.goal.keepalived, PartOfBareLoop: k.goal.bare}
	loop := r.bareLoop(k)
	if !math.IsNaN(loop) {
		e.BareLoop = &loop
	}
	limit, words := k.goal.widest(r.of(k.key, theirs).at(k.q), loop)
	e.Judged, e.Met = words, k.goal.met(r.of(k.key, ours).at(k.q), limit)
	return e
}

// write writes every figure as JSON.
func (r *report) write(file string) error {
	doc := struct {
		Begin, End      time.Time
		Load, LoadAtEnd string
		Measures        []entry
		Figures         map[string]map[daemon]*figures // those of the bare loops and of other sizes too
		Troubles        []string
	}{Begin: r.begin, End: r.ended, Load: r.load, LoadAtEnd: r.loadEnd, Figures: r.figures, Troubles: r.troubles}
	for i := range rows {
		doc.Measures = append(doc.Measures, r.entry(&rows[i]))
	}
	b, err := json.MarshalIndent(doc, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}
