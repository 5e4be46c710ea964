package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keepgo/internal/guest"
	"keepgo/internal/lab/drill"
)

// rehearsed are files of the collection, each with the drills that it is played
// for.
var rehearsed = []struct{ file, drills string }{
	{"018-vrrp-mysql-unicast-zh.conf", "kill hang freeze"},
	{"020-vrrp-haproxy.conf", "script stop address"},
	{"021-lvs-nat-7layer-org.conf", "power table"},
	{"032-vrrp-nginx-ipv6.conf", "power address reload"},
	{"053-lvs-nat-nginx-zh.conf", "stop table"},
	{"069-lvs-nat-haproxy.conf", "crash server table"},
	{"105-lvs-nat-hzkvectory.conf", "mute deaf"},
	{"107-lvs-dr-ansible.conf", "server rolling"},
	{"158-lvs-nat-sip.conf", "crash link reload"},
	{"164-vrrp-vmac.conf", "power partition"},
}

// patient limits judge who is master in the end, and in which order, not how
// busy the machine is.
const patientLimits = "* skip gap 20s took 60s two_masters 15s\nstart\n"

// rehearsals is how many labs may be played at once: two processors are busy with
// three, and those of a guest with one.
func rehearsals() int {
	if guest.Inside() {
		return 1
	}
	return 3
}

// TestCollectionRehearsed plays files of the collection that people wrote. It does
// not run in the crowd of the other tests.
func TestCollectionRehearsed(t *testing.T) {
	room := make(chan struct{}, rehearsals())
	t.Run("hung beside keepalived", func(t *testing.T) {
		t.Parallel()
		needsRoot(t)
		room <- struct{}{}
		defer func() { <-room }()
		hungBeside(t)
	})
	for _, r := range rehearsed {
		t.Run(r.file, func(t *testing.T) {
			t.Parallel()
			needsRoot(t)
			path := filepath.Join("../../shared/corpus", r.file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Skipf("the corpus is not here: %v", err)
			}
			room <- struct{}{}
			defer func() { <-room }()
			keys := strings.Fields(r.drills)
			report, _, err := drilled(t, patientLimits+strings.Join(keys, "\n"), path)
			played(t, report, append(keys, "start"))
			if want := planeOf(string(text)); err != nil || report.DataPlane != want {
				t.Errorf("%v; balanced by %q, want %q", err, report.DataPlane, want)
			}
		})
	}
}

// hungBeside has the VRRP process hang with both daemons: with one of them both
// directors have the address for as long as it lasts.
func hungBeside(t *testing.T) {
	if _, err := exec.LookPath("keepalived"); err != nil {
		t.Skipf("needs keepalived: %v", err)
	}
	book := filepath.Join(t.TempDir(), "drill")
	must(0, os.WriteFile(book, []byte(patientLimits+"hang\n"), 0o644))(t)
	cmd, out, errs, _ := labCommand(t, "--drills", "--json", "--daemon", "keepalived", "--limits", book, example)
	err := cmd.Run()
	var reports []drill.Report
	if json.Unmarshal(out.Bytes(), &reports) != nil || len(reports) != 2 || err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if a, b := sceneOf(reports[0], "hang"), sceneOf(reports[1], "hang"); !a.OK || !b.OK || a.TwoMS >= b.TwoMS || a.Master != "lb1" {
		t.Errorf("two masters for %d ms, with keepalived for %d ms; %+v", a.TwoMS, b.TwoMS, a)
	}
}

// planeOf is what a file of the collection is balanced by: nothing without a
// service.
func planeOf(text string) string {
	switch {
	case !slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool { return strings.HasPrefix(line, "virtual_server ") }):
		return ""
	case guest.Inside():
		return "ipvs"
	}
	return "nftables"
}

// played checks that every drill was played, and went well.
func played(t *testing.T, r drill.Report, keys []string) {
	t.Helper()
	done := map[string]int{}
	for _, s := range r.Scenes {
		if t.Logf("%-6s %s: gap %d ms, two masters %d ms, took %d ms %s", s.Verdict(), s.Name, s.GapMS, s.TwoMS, s.TookMS, s.Why); !s.OK {
			t.Errorf("%s: %s", s.Name, s.Why)
		}
		if !s.Skipped {
			done[s.Key]++
		}
	}
	for _, key := range keys {
		if done[key] == 0 {
			t.Errorf("%s was not played", key)
		}
	}
}

// TestCollectionGuest does it where there is IPVS, in two halves: a guest lives for
// five minutes.
func TestCollectionGuest(t *testing.T) {
	needsTime(t)
	needsRoot(t)
	guest.Tests(t, "^TestCollectionRehearsed$/^0[1-5]")
	guest.Tests(t, "^TestCollectionRehearsed$/^(06|1)")
}
