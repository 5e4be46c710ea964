package drill

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Line is what several rehearsals came to in one point.
type Line struct {
	About, What string   // a service and a server of it, or "all scenes" and what is summed up
	Values      []string // by report; "-" where one has none
}

// Beside sums reports up: who answered how often, what was lost, and the longest
// silence, with the reports beside each other.
func Beside(reports []Report) []Line {
	var lines []Line
	for _, target := range targets(reports) {
		lines = append(lines, service(reports, target)...)
	}
	for _, sum := range []struct {
		what string
		of   func(*Report) string
	}{{"longest gap", longestGap}, {"pings lost", pingsLost}, {"connections kept", connectionsKept}} {
		lines = append(lines, line(reports, "all scenes", sum.what, sum.of))
	}
	return lines
}

func line(reports []Report, about, what string, of func(*Report) string) Line {
	l := Line{About: about, What: what}
	for i := range reports {
		l.Values = append(l.Values, of(&reports[i]))
	}
	return l
}

// targets are the services that any report asked, in the order of the first.
func targets(reports []Report) (list []string) {
	for _, r := range reports {
		for _, a := range r.HTTP {
			if !slices.Contains(list, a.Target) {
				list = append(list, a.Target)
			}
		}
	}
	return list
}

// service is a line for each server of a service, and one for what was lost.
func service(reports []Report, target string) (lines []Line) {
	servers := map[string]int{}
	for i := range reports {
		maps.Copy(servers, reports[i].asked(target).Servers)
	}
	for _, name := range slices.Sorted(maps.Keys(servers)) {
		lines = append(lines, line(reports, target, name, func(r *Report) string { return r.asked(target).share(name) }))
	}
	return append(lines, line(reports, target, "requests lost", func(r *Report) string { return r.asked(target).lost() }))
}

// asked is what came of asking a service; nothing where it was not asked.
func (r *Report) asked(target string) *Answers {
	for _, a := range r.HTTP {
		if a.Target == target {
			return a
		}
	}
	return &Answers{}
}

func (a *Answers) total() (n int) {
	for _, got := range a.Servers {
		n += got
	}
	return n
}

// share is a server's part of the answers.
func (a *Answers) share(server string) string { return part(a.Servers[server], a.total()) }

func (a *Answers) lost() string { return part(a.Failed, a.Failed+a.total()) }

// part is a number of some, and its percentage.
func part(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d, %.1f %%", n, of, 100*float64(n)/float64(of))
}

func longestGap(r *Report) string {
	gap := int64(0)
	for i := range r.Scenes {
		gap = max(gap, r.Scenes[i].GapMS)
	}
	return milliseconds(gap)
}

func pingsLost(r *Report) string {
	lost, asked := 0, 0
	for i := range r.Scenes {
		lost, asked = lost+r.Scenes[i].Lost, asked+r.Scenes[i].Asked
	}
	return part(lost, asked)
}

func connectionsKept(r *Report) string {
	kept, held := 0, 0
	for i := range r.Scenes {
		if k := r.Scenes[i].Kept; k != nil {
			kept, held = kept+k.Kept, held+k.Held
		}
	}
	return part(kept, held)
}

// writeBeside writes the sums of several reports.
func writeBeside(w io.Writer, reports []Report) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	head := []string{"\nservice", "server"}
	for i := range reports {
		head = append(head, reports[i].Daemon)
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, l := range Beside(reports) {
		fmt.Fprintln(t, strings.Join(append([]string{l.About, l.What}, l.Values...), "\t"))
	}
	return t.Flush()
}
