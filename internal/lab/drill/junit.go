package drill

import (
	"encoding/xml"
	"fmt"
	"io"
)

// The elements of a JUnit report, as its consumers agree on them.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"` // seconds
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure"`
		Skipped *junitMessage `xml:"skipped"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
	}
)

// WriteJUnit writes a suite for each report, a case for each scene.
func WriteJUnit(w io.Writer, reports []Report) error {
	var all junitSuites
	for _, r := range reports {
		failed, skipped := r.Count()
		s := junitSuite{Name: r.title(), Tests: len(r.Scenes), Failures: failed, Skipped: skipped, Time: inSeconds(r.TookMS)}
		for i := range r.Findings {
			s.add(found(&r.Findings[i]))
		}
		for i := range r.Scenes {
			s.Cases = append(s.Cases, junitOf(&r.Scenes[i], r.class()))
		}
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// class is what the cases of a report are called by.
func (r *Report) class() string {
	if r.Live() {
		return "keepgo.drill."
	}
	return "keepgo.lab."
}

// found is a finding as a case: what nothing tells is left out.
func found(f *Finding) junitCase {
	c := junitCase{Name: f.Evidence, Class: "keepgo.preflight." + f.Key, Time: inSeconds(0), Out: f.Do}
	switch f.Verdict {
	case Stops:
		c.Failure = &junitMessage{f.Evidence}
	case Unknown:
		c.Skipped = &junitMessage{f.Evidence}
	}
	return c
}

// add counts a case in.
func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func junitOf(s *Scene, class string) junitCase {
	c := junitCase{Name: s.Name, Class: class + s.Key, Time: inSeconds(s.TookMS)}
	switch {
	case s.Skipped:
		c.Skipped = &junitMessage{s.Why}
		return c
	case !s.OK:
		c.Failure = &junitMessage{s.Why}
	}
	c.Out = fmt.Sprintf("gap %s, lost %d of %d, two masters %s", milliseconds(s.GapMS), s.Lost, s.Asked, milliseconds(s.TwoMS))
	if s.Stages != nil {
		c.Out += ", " + s.Stages.String()
	}
	return c
}

func inSeconds(ms int64) string { return fmt.Sprintf("%.3f", float64(ms)/1000) }
