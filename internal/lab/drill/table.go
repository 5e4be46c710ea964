package drill

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Verdict is a scene's outcome in a word.
func (s *Scene) Verdict() string {
	switch {
	case s.Skipped:
		return "-"
	case s.OK:
		return "ok"
	}
	return "FAILED"
}

// WriteTable writes one line for each scene; of several reports the figures stand
// beside each other.
func WriteTable(w io.Writer, reports []Report) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	head := []string{"scene"}
	for _, r := range reports {
		head = append(head, prefixed(reports, r.Daemon, "", "gap", "lost", "two", "took")...)
	}
	if len(reports) == 1 {
		head = append(head, "connections", "stages")
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for i, row := range Rows(reports) {
		cells := []string{row.Name}
		for _, s := range row.Scenes {
			cells = append(cells, cellsOf(s)...)
		}
		if len(reports) == 1 {
			cells = append(cells, details(&reports[0].Scenes[i])...)
		}
		fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(reports) > 1 {
		if err := writeBeside(w, reports); err != nil {
			return err
		}
	}
	return writeReasons(w, reports)
}

func prefixed(reports []Report, daemon string, names ...string) []string {
	if len(reports) > 1 {
		names[0] = daemon
	}
	return names
}

// Row is a scene as each of the reports has it; nil where one has not.
type Row struct {
	Name   string
	Scenes []*Scene
}

// Rows puts the scenes of the reports side by side, in the order of the first.
// A scene is known by its key and its turn among those of that key.
func Rows(reports []Report) []Row {
	type id struct {
		key  string
		turn int
	}
	var rows []Row
	at := map[id]int{}
	for n, r := range reports {
		turns := map[string]int{}
		for i := range r.Scenes {
			s := &r.Scenes[i]
			k := id{s.Key, turns[s.Key]}
			turns[s.Key]++
			row, ok := at[k]
			if !ok {
				row = len(rows)
				at[k] = row
				rows = append(rows, Row{s.Name, make([]*Scene, len(reports))})
			}
			rows[row].Scenes[n] = s
		}
	}
	return rows
}

func cellsOf(s *Scene) []string {
	if s == nil || s.Skipped {
		return []string{"-", "", "", "", ""}
	}
	return []string{s.Verdict(), milliseconds(s.GapMS), fmt.Sprintf("%d/%d", s.Lost, s.Asked), milliseconds(s.TwoMS), milliseconds(s.TookMS)}
}

// milliseconds is a time, or a dash for one that nobody could measure.
func milliseconds(ms int64) string {
	if ms == Unseen {
		return "-"
	}
	return fmt.Sprintf("%d ms", ms)
}

func details(s *Scene) []string {
	kept, stages := "", ""
	if s.Kept != nil && s.Kept.Held > 0 {
		kept = fmt.Sprintf("%d of %d kept", s.Kept.Kept, s.Kept.Held)
	}
	if s.Stages != nil {
		stages = s.Stages.String()
	}
	return []string{kept, stages}
}

// writeReasons tells why scenes failed or were left out, and the verdict.
func writeReasons(w io.Writer, reports []Report) error {
	for _, r := range reports {
		failed, skipped := r.Count()
		fmt.Fprintf(w, "\n%s: %d scenes, %d failed, %d left out\n", r.title(), len(r.Scenes), failed, skipped)
		for _, n := range r.Notes {
			fmt.Fprintf(w, "  note: %s\n", n)
		}
		for _, s := range r.Scenes {
			if s.Why != "" {
				fmt.Fprintf(w, "  %-6s %s: %s\n", s.Verdict(), s.Name, s.Why)
			}
		}
		if len(reports) > 1 {
			continue // the answers stand beside each other
		}
		for _, a := range r.HTTP {
			fmt.Fprintf(w, "  %s\n", a)
		}
	}
	for _, line := range Against(reports) {
		fmt.Fprintln(w, line)
	}
	_, err := fmt.Fprintln(w)
	return err
}

// Count is how many scenes failed, and how many were left out.
func (r *Report) Count() (failed, skipped int) {
	for i := range r.Scenes {
		switch {
		case r.Scenes[i].Skipped:
			skipped++
		case !r.Scenes[i].OK:
			failed++
		}
	}
	return failed, skipped
}

func (r *Report) title() string {
	t := r.File
	if r.Other != "" {
		t += " and " + r.Other
	}
	if r.Daemon != "" {
		t += " with " + r.Daemon
	}
	return t
}
