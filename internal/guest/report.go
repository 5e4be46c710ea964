package guest

import (
	"regexp"
	"strings"
	"testing"
)

// outcome is what a test binary wrote about one test.
type outcome struct {
	name    string
	verdict string // PASS, FAIL, SKIP; "" when it did not come to an end
	took    string // "0.01s", of the guest's time
	log     strings.Builder
}

// The lines of "go test -v" (testing.T).
var (
	switchLine  = regexp.MustCompile(`^=== (?:RUN|CONT|NAME)\s+(\S+)$`)
	pauseLine   = regexp.MustCompile(`^=== PAUSE\s`)
	verdictLine = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \((.*)\)$`)
)

// parse reads the output of a test binary under -test.v. Tests come in the
// order in which they began.
func parse(output string) []*outcome {
	var all []*outcome
	known := map[string]*outcome{}
	var current *outcome
	for line := range strings.Lines(output) {
		text := strings.TrimRight(line, "\r\n")
		if m := switchLine.FindStringSubmatch(text); m != nil {
			if known[m[1]] == nil {
				known[m[1]] = &outcome{name: m[1]}
				all = append(all, known[m[1]])
			}
			current = known[m[1]]
		} else if m := verdictLine.FindStringSubmatch(text); m != nil && known[m[2]] != nil {
			known[m[2]].verdict, known[m[2]].took = m[1], m[3]
		} else if current != nil && !pauseLine.MatchString(text) {
			current.log.WriteString(line)
		}
	}
	return all
}

// report makes every outcome a subtest of t. A binary that failed without a
// failed test fails t itself.
func report(t *testing.T, outcomes []*outcome, output string, code int) {
	t.Helper()
	if len(outcomes) == 0 {
		t.Fatalf("no test ran in the guest (exit code %d):\n%s", code, tail([]byte(output)))
	}
	failed := false
	for _, o := range outcomes {
		failed = failed || o.verdict != "PASS" && o.verdict != "SKIP"
		t.Run(o.name, func(t *testing.T) { o.report(t) })
	}
	if code != 0 && !failed {
		t.Errorf("every test passed in the guest, but the exit code is %d:\n%s", code, tail([]byte(output)))
	}
}

func (o *outcome) report(t *testing.T) {
	log := strings.TrimRight(o.log.String(), "\n")
	switch o.verdict {
	case "PASS":
		t.Logf("in the guest, %s:\n%s", o.took, log)
	case "SKIP":
		t.Skipf("in the guest, %s:\n%s", o.took, log)
	case "FAIL":
		t.Errorf("in the guest, %s:\n%s", o.took, log)
	default:
		t.Errorf("did not come to an end in the guest:\n%s", log)
	}
}
