package drill

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed report.html
var pageText string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"bars": bars, "ms": milliseconds, "moments": moments, "shares": shares, "title": (*Report).title,
}).Parse(pageText))

// WriteHTML writes one page that needs nothing but itself.
func WriteHTML(w io.Writer, reports []Report) error {
	list := make([]*Report, len(reports))
	ok := true
	for i := range reports {
		list[i] = &reports[i]
		ok = ok && reports[i].OK
	}
	return page.Execute(w, map[string]any{"Reports": list, "Rows": Rows(reports), "Against": Against(reports), "Beside": beside(reports), "OK": ok,
		"Live": len(reports) > 0 && reports[0].Live()})
}

// beside are the sums of several reports; one has none.
func beside(reports []Report) []Line {
	if len(reports) < 2 {
		return nil
	}
	return Beside(reports)
}

// bar is a rectangle of a time line, in units of its view box.
type bar struct {
	X, Width float64
	Y        int
	Class    string
	Title    string
}

// lineWidth is the width of a time line; it is as long as its scene.
const lineWidth = 600

// lanes are the rows of a time line, by who the span is of.
var lanes = map[string]int{"lb1": 0, "lb2": 1, Silence: 2}

func bars(s *Scene) []bar {
	var out []bar
	for _, p := range s.Spans {
		from, to := max(0, p.FromMS), min(p.ToMS, s.TookMS)
		lane, known := lanes[p.Who]
		if !known || to <= from {
			continue
		}
		scale := lineWidth / float64(max(1, s.TookMS))
		out = append(out, bar{float64(from) * scale, max(1, float64(to-from)*scale), lane * 14,
			p.Who, fmt.Sprintf("%s: %d to %d ms", p.Who, p.FromMS, p.ToMS)})
	}
	return out
}

// moments are the stages of a takeover as marks on its time line.
func moments(s *Scene) []bar {
	if s.Stages == nil {
		return nil
	}
	var out []bar
	for _, m := range s.Stages.All() {
		if m.MS >= 0 {
			x := min(lineWidth, float64(m.MS)*lineWidth/float64(max(1, s.TookMS)))
			out = append(out, bar{X: x, Title: fmt.Sprintf("%s %d ms", m.Name, m.MS)})
		}
	}
	return out
}
