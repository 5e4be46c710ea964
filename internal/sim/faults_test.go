package sim_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fault is a mistake that somebody could make in the machine: a text in one of
// its files that becomes another.
type fault struct {
	name, file, right, wrong string
}

var faults = []fault{
	{"of two equal masters none gives way", "vrrp/hear.go",
		"case c > 0:\n\t\treturn ReasonHigherAddress", "case c > 0:\n\t\treturn ReasonSameAddress"},
	{"nopreempt preempts", "vrrp/hear.go",
		"case r.cfg.NoPreempt:\n\t\treturn true", "case r.cfg.NoPreempt:\n\t\treturn false"},
	{"a member of a sync group loses alone", "vrrp/group.go",
		"return g.others(i, EventYield, orders)", "return orders"},
	{"a backup keeps the addresses", "internal/ha/step.go",
		"Action{Kind: ActSilence, ID: m.id}, Action{Kind: ActSettle, ID: m.id}", "Action{Kind: ActSilence, ID: m.id}"},
	{"who recovers waits for ever", "vrrp/router.go",
		"\tr.deadline = r.wait(now, r.masterDown())\n\tif r.cfg.Priority == Owner {", "\tr.deadline = Never\n\tif r.cfg.Priority == Owner {"},
	{"a fault outlives its cause", "internal/ha/track.go",
		"case was != \"\" && v.cause == \"\":", "case was != \"\" && v.cause == was:"},
	{"a reload forgets the weights", "internal/ha/hold.go",
		"return vrrp.EffectivePriority(m.plan.Router.Priority, sum)", "return vrrp.EffectivePriority(m.plan.Router.Priority, sum/2)"},
	{"the timer of a backup runs on over adverts", "vrrp/hear.go",
		"r.listening, r.handed = false, false\n\tr.deadline = r.wait(now, r.masterDown())", "r.listening, r.handed = false, false"},
	{"who died over a reload goes on for half a group", "internal/ha/start.go",
		" || !o.resumed && o.router.State() != vrrp.Master", ""},
	{"who died over a reload leaves addresses", "internal/ha/start.go",
		"if !n.plan.Left.Empty() {", "if false {"},
}

// TestFaultsAreFound makes each mistake in turn, and lives through random worlds
// until one shows it. Of the sources nothing changes: the compiler is given the
// wrong file in place of the right one.
func TestFaultsAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the machine anew for each mistake")
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("go", "test", "-overlay", f.overlay(t), "-run", "^TestRandomWorlds$", "-count", "1", ".",
				"-args", "-seeds", "20000", "-rapid.shrinktime", "3s")
			out, err := cmd.CombinedOutput()
			found := regexp.MustCompile(`world (\d+) of \d+: (.*)`).FindSubmatch(out)
			if err == nil || found == nil {
				t.Fatalf("20000 worlds do not show it: %v\n%.2000s", err, out)
			}
			if !strings.Contains(string(out), "> A reads") || !strings.Contains(string(out), "> advance") {
				t.Errorf("it is not told as a story:\n%s", out)
			}
			t.Logf("found in world %s: %s; told in %d lines", found[1], found[2], strings.Count(string(out), "\n"))
		})
	}
}

// overlay writes the mistake down for the compiler, see go help build.
func (f fault) overlay(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../" + f.file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), f.right) != 1 {
		t.Fatalf("%s does not say once what is to be changed:\n%s", f.file, f.right)
	}
	dir := t.TempDir()
	replaced, list := filepath.Join(dir, filepath.Base(path)), filepath.Join(dir, "overlay.json")
	wrong := strings.Replace(string(text), f.right, f.wrong, 1)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: replaced}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{replaced: []byte(wrong), list: overlay} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return list
}
