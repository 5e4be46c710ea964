package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"keepgo/internal/daemon"
)

// everything is a machine that has whatever is asked for.
type everything struct{ links []string }

// machineFor has what a configuration names.
func machineFor(t *testing.T, o daemon.Options) everything {
	cfg, _, err := daemon.Read(o)
	if err != nil {
		t.Fatal(err)
	}
	var e everything
	for _, m := range cfg.Mentions {
		e.links = append(e.links, m.Name)
	}
	return e
}

func (e everything) Links() []string        { return e.links }
func (everything) Executable(string) error  { return nil }
func (everything) HasUser(string) bool      { return true }
func (everything) HasGroup(string) bool     { return true }
func (everything) HasNamespace(string) bool { return true }

// corpus has configurations of real life, with the exit status of keepalived
// 2.2.7 -t for each on a machine that has what they name.
const corpus = "../../../shared/corpus"

// alike is how many of them in a hundred must get keepalived's exit status.
// The rest: what keepalived deprecates is a note here, what it does not look
// into is an error, and what it crashes on (134) is read.
const alike = 80

func TestVerdictsAreKeepalived(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(corpus, "INDEX.tsv"))
	if err != nil {
		t.Skipf("the collection of configurations is not here: %v", err)
	}
	rows := strings.Split(strings.TrimSpace(string(index)), "\n")
	column := map[string]int{}
	for i, name := range strings.Split(rows[0], "\t") {
		column[name] = i
	}
	agree, all := 0, 0
	for _, row := range rows[1:] {
		cells := strings.Split(row, "\t")
		want, err := strconv.Atoi(cells[column["t_exit_stubbed"]])
		if err != nil {
			continue
		}
		o := daemon.Defaults()
		o.File = filepath.Join(corpus, cells[column["file"]])
		code, lines := verdict(o, machineFor(t, o))
		if (code == exitOK) != (len(lines) == 0) {
			t.Errorf("%s: exit status %d with %d messages", o.File, code, len(lines))
		}
		all++
		if code == want {
			agree++
		}
	}
	t.Logf("%d of %d as keepalived", agree, all)
	if agree*100 < all*alike {
		t.Errorf("%d of %d exit statuses are keepalived's, want %d%%", agree, all, alike)
	}
}
