package confparse_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// badDir holds files with one mistake each and what a good tool says of them.
const badDir = "../../shared/corpus-bad"

// notReached are the rows whose finding is not the ideal one, and why.
var notReached = map[string]string{
	"112-notify-single-quotes.conf": "keepalived itself takes both kinds of quotes around a command",
	"118-smtp-server-name.conf":     "names of mail servers are not looked up",
}

// ideal is one expectation: where, how bad, and what words.
type ideal struct {
	file     string
	line     int // 0: any place
	severity syntax.Severity
	words    []string
}

var (
	idealForm = regexp.MustCompile(`^(error|warning|note): (?:(\S+) line (\d+): |line (\d+): )?(.*)$`)
	quoted    = regexp.MustCompile(`'([^']+)'|((?:[0-9]+\.){3}[0-9]+)`)
)

// parseIdeal reads the last column of the index; ok is false for files that
// are to be accepted.
func parseIdeal(file, text string) (want ideal, ok bool) {
	m := idealForm.FindStringSubmatch(text)
	if m == nil {
		return want, false
	}
	want = ideal{file: file, severity: map[string]syntax.Severity{"error": syntax.Failure, "warning": syntax.Warning, "note": syntax.Note}[m[1]]}
	if m[2] != "" {
		want.file = m[2]
	}
	fmt.Sscan(m[3]+m[4], &want.line)
	for _, q := range quoted.FindAllStringSubmatch(m[5], -1) {
		word := strings.TrimSuffix(q[1]+q[2], "...")
		want.words = append(want.words, strings.TrimSuffix(word, " {"))
	}
	return want, true
}

// met says which finding meets an expectation.
func (want ideal) met(errs syntax.ErrorList) bool {
	for _, e := range errs {
		if want.line != 0 && (e.Pos.Line != want.line || filepath.Base(e.Pos.File) != want.file) || e.Severity != want.severity {
			continue
		}
		text := e.Err.Error() + "; " + e.Hint
		missing := false
		for _, w := range want.words {
			missing = missing || !strings.Contains(text, w)
		}
		if !missing {
			return true
		}
	}
	return false
}

func rows(t *testing.T, file string) [][]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("the collection of configurations is not here: %v", err)
	}
	var out [][]string
	for _, l := range strings.Split(strings.TrimSpace(string(data)), "\n")[1:] {
		out = append(out, strings.Split(l, "\t"))
	}
	return out
}

// director is the host that the files were written for.
type director struct{}

func (director) Links() []string { return []string{"lo", "eth0", "eth1", "eth2"} }

func (director) Executable(path string) error {
	switch path {
	case "/etc/keepalived/nope.sh":
		return fs.ErrNotExist
	case "/etc/hostname":
		return fs.ErrPermission
	}
	return nil
}

func (director) HasUser(name string) bool { return name != "keepalived_nouser" }
func (director) HasGroup(string) bool     { return true }
func (director) HasNamespace(string) bool { return false }

// TestMistakes holds every known mistake against what is said of it.
func TestMistakes(t *testing.T) {
	for _, c := range rows(t, badDir+"/INDEX.tsv") {
		file, says := c[0], c[len(c)-1]
		t.Run(file, func(t *testing.T) {
			cfg, errs := confparse.Load(os.DirFS(badDir), file, syntax.Env{})
			hostErrs := append(errs, confparse.CheckHost(cfg, director{})...)
			want, wrong := parseIdeal(file, says)
			reached := wrong && want.met(hostErrs) || !wrong && hostErrs.Count(syntax.Failure) == 0
			if why, known := notReached[file]; known {
				if reached {
					t.Errorf("reached now: take it off the list (%s)", why)
				}
				return
			}
			if !reached {
				t.Errorf("ideal: %s", says)
				for _, e := range hostErrs[:min(len(hostErrs), 8)] {
					t.Logf("  said: %v", e)
				}
			}
		})
	}
}

// TestMistakesGolden holds every word said of the known mistakes, a line each,
// against testdata/mistakes.txt.
func TestMistakesGolden(t *testing.T) {
	var b strings.Builder
	for _, c := range rows(t, badDir+"/INDEX.tsv") {
		cfg, errs := confparse.Load(os.DirFS(badDir), c[0], syntax.Env{})
		fmt.Fprintf(&b, "%s\n", c[0])
		for _, e := range append(errs, confparse.CheckHost(cfg, director{})...) {
			fmt.Fprintf(&b, "  %v\n", e)
		}
	}
	const golden = "testdata/mistakes.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); d != "" {
		t.Errorf("go test -run MistakesGolden -update writes it anew:\n%s", d)
	}
}
