// Package doctor judges a director: from facts about its configuration, its
// daemon, the kernel and the network around it to findings, in the order in which
// faults of load balancers are looked for. It is pure; package look gathers the
// facts.
package doctor

import "fmt"

// Severity ranks a finding.
type Severity string

// Severities.
const (
	Fault     Severity = "fault"     // clients notice, or will when something fails
	Warning   Severity = "warning"   // not as it should be
	Note      Severity = "note"      // good to know; changes no verdict
	Unchecked Severity = "unchecked" // could not be looked at; changes no verdict
)

// Finding is one thing that is wrong, or could not be looked at.
type Finding struct {
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Evidence string   `json:"evidence,omitempty"` // where it is seen
	Fix      string   `json:"fix,omitempty"`      // what to do
}

// Step is one question that is asked of a director.
type Step struct {
	Name     string    `json:"step"`
	Asks     string    `json:"asks"`
	Findings []Finding `json:"findings"`
}

// Report is the answers to all questions, in their order.
type Report struct {
	Steps []Step `json:"steps"`
}

// Count counts the findings of a severity.
func (r *Report) Count(s Severity) (n int) {
	for i := range r.Steps {
		for _, f := range r.Steps[i].Findings {
			if f.Severity == s {
				n++
			}
		}
	}
	return n
}

// sheet is where a step writes its findings.
type sheet struct{ list []Finding }

func (s *sheet) add(severity Severity, what, evidence, fix string) {
	s.list = append(s.list, Finding{severity, what, evidence, fix})
}

func (s *sheet) fault(what, evidence, fix string)   { s.add(Fault, what, evidence, fix) }
func (s *sheet) warning(what, evidence, fix string) { s.add(Warning, what, evidence, fix) }
func (s *sheet) unchecked(what, why string)         { s.add(Unchecked, what, why, "") }

// steps are the questions, in the order in which faults are looked for: first
// this machine, then its addresses, then the servers, then what is around it.
var steps = []struct {
	name, asks string
	judge      func(*Facts, *sheet)
}{
	{"configuration", "is the file right for this machine?", (*Facts).configuration},
	{"daemon", "does keepgo run, with this file, and is it well?", (*Facts).daemon},
	{"kernel", "can the kernel balance, and do its settings fit?", (*Facts).kernel},
	{"table", "does the kernel have the services of the file?", (*Facts).table},
	{"addresses", "do the virtual addresses stand where they should, and only there?", (*Facts).addresses},
	{"arp", "who answers for the virtual addresses on the network?", (*Facts).arp},
	{"servers", "do the real servers answer, and the way they should?", (*Facts).servers},
	{"firewall", "do adverts come in?", (*Facts).firewall},
	{"competitors", "does anything else manage the same addresses or services?", (*Facts).competitors},
	{"pair", "do both directors agree?", (*Facts).pair},
}

// Examine judges the facts.
func Examine(f *Facts) *Report {
	r := &Report{}
	for _, step := range steps {
		var s sheet
		step.judge(f, &s)
		r.Steps = append(r.Steps, Step{step.name, step.asks, append([]Finding{}, s.list...)})
	}
	return r
}

// few names the first of many.
func few(list []string) string {
	const most = 6
	text := ""
	for i, name := range list {
		if i == most {
			return text + fmt.Sprintf(" and %d more", len(list)-most)
		}
		if i > 0 {
			text += ", "
		}
		text += name
	}
	return text
}

// Settled tells that nothing is on its way: services and addresses stand as the
// daemon means them to.
func Settled(f *Facts) bool {
	var s sheet
	f.table(&s)
	f.addresses(&s)
	for _, finding := range s.list {
		if finding.Severity == Fault {
			return false
		}
	}
	return true
}
