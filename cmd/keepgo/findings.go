package main

import (
	"encoding/json"
	"io"
	"time"

	"keepgo/confparse/syntax"
	"keepgo/internal/advice"
)

// Rules say where a finding comes from.
const (
	ruleFile   = "configuration"
	ruleAdvice = "advice"
	ruleHost   = "host"
	rulePair   = "pair"
	ruleRead   = "file"
)

// finding is one finding as JSON has it. Line and columns count from 1, 0 means
// the file as a whole; EndColumn is the first column after the words.
type finding struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	EndColumn int    `json:"endColumn"`
	Severity  string `json:"severity"`
	Message   string `json:"message"`
	Hint      string `json:"hint,omitempty"`
	Block     string `json:"block,omitempty"`
	Rule      string `json:"rule"`
}

// all are the findings of every file and of the pair.
func (r *report) all() []finding {
	list := []finding{}
	for _, u := range r.unreadable {
		list = append(list, finding{File: u.name, Severity: syntax.Failure.String(), Message: u.err.Error(), Rule: ruleRead})
	}
	for _, l := range r.lists {
		for _, e := range l.list {
			f := finding{File: e.Pos.File, Line: e.Pos.Line, Column: e.Pos.Col, Severity: e.Severity.String(),
				Message: e.Err.Error(), Hint: e.Hint, Block: e.Path, Rule: r.rules[e]}
			if f.Column > 0 {
				f.EndColumn = f.Column + max(e.Len, 1)
			}
			list = append(list, f)
		}
	}
	return list
}

func (r *report) writeJSON(out io.Writer) error {
	doc := struct {
		Findings []finding     `json:"findings"`
		Pair     *pairView     `json:"pair,omitempty"`
		Outlook  []outlookView `json:"outlook,omitempty"`
	}{r.all(), viewPair(r.pair), viewOutlook(r.outlook)}
	return encode(out, doc)
}

// outlookView is what will happen to an instance, in words.
type outlookView struct {
	Instance string `json:"instance"`
	Text     string `json:"text"`
	Surprise bool   `json:"surprise"` // not what its weights seem to be there for
}

func viewOutlook(list []advice.Outlook) (views []outlookView) {
	for _, o := range list {
		views = append(views, outlookView{o.Name, o.Text, o.Surprise})
	}
	return views
}

func encode(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// pairView is the pair report as data. Times are seconds; A priority of null
// takes no part in the election.
type pairView struct {
	A        string        `json:"a"`
	B        string        `json:"b"`
	Contests []contestView `json:"contests"`
}

type contestView struct {
	Name     string        `json:"name"`
	Members  []memberView  `json:"members"`
	Split    string        `json:"split,omitempty"`
	Start    *startView    `json:"start,omitempty"`
	Failures []failureView `json:"failures"`
}

type memberView struct {
	VRID       uint8    `json:"virtual_router_id"`
	Instances  sides    `json:"instances"`
	Interfaces sides    `json:"interfaces"`
	Priorities standing `json:"priorities"`
	Addresses  []string `json:"addresses"`
}

type sides struct {
	A string `json:"a"`
	B string `json:"b"`
}

type standing struct {
	A *int `json:"a"`
	B *int `json:"b"`
}

type startView struct {
	Holder string  `json:"holder"`
	After  float64 `json:"after"`
	Why    string  `json:"why"`
	KeepsA bool    `json:"alone_first_a_keeps"`
	KeepsB bool    `json:"alone_first_b_keeps"`
}

type failureView struct {
	While      string   `json:"while"`
	Fails      string   `json:"fails_on"`
	What       string   `json:"what"`
	Priorities standing `json:"priorities"`
	Holder     string   `json:"holder"`
	Moves      bool     `json:"moves"`
	Noticed    float64  `json:"noticed_within"`
	After      float64  `json:"after_at_most"`
	Why        string   `json:"why"`
	Back       bool     `json:"comes_back"`
	BackAfter  float64  `json:"back_after_at_most"`
	BackWhy    string   `json:"back_why,omitempty"`
}

func viewPair(r *advice.Report) *pairView {
	if r == nil {
		return nil
	}
	v := &pairView{A: r.Labels[advice.DirectorA], B: r.Labels[advice.DirectorB], Contests: []contestView{}}
	for i := range r.Contests {
		v.Contests = append(v.Contests, viewContest(&r.Contests[i]))
	}
	return v
}

func viewContest(c *advice.Contest) contestView {
	v := contestView{Name: c.Name, Split: c.Split, Failures: []failureView{}}
	for _, m := range c.Members {
		v.Members = append(v.Members, memberView{m.VRID, sides{m.Names[0], m.Names[1]}, sides{m.Interfaces[0], m.Interfaces[1]},
			viewStanding(m.Priorities), append([]string{}, m.Addresses...)})
	}
	if c.Split != "" {
		return v
	}
	s := c.Start
	v.Start = &startView{advice.Who(s.Holder), inSeconds(s.After), s.Why, s.Keeps[0], s.Keeps[1]}
	for _, f := range c.Failures {
		on := advice.Who(f.Of)
		if f.Both {
			on = "both"
		}
		v.Failures = append(v.Failures, failureView{advice.Who(f.Of), on, f.What, viewStanding(f.Priorities), advice.Who(f.Holder),
			f.Holder != f.Of, inSeconds(f.Noticed), inSeconds(f.After), f.Why, f.Back, inSeconds(f.BackAfter), f.BackWhy})
	}
	return v
}

func viewStanding(p [2]int) standing {
	var s standing
	for side, at := range []**int{&s.A, &s.B} {
		if p[side] > 0 {
			*at = &p[side]
		}
	}
	return s
}

func inSeconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
