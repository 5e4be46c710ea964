package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keepgo/internal/guest"
	"keepgo/internal/lab/drill"
)

// TestBookGuest boots a kernel with IPVS, on a machine whose clock may be set.
func TestBookGuest(t *testing.T) {
	needsTime(t)
	needsRoot(t)
	guest.Tests(t, "^TestBookBesideKeepalived$")
}

// guestBook is what needs IPVS or a clock, and what keepalived does nothing
// about.
const guestBook = "* skip\nstart\nkill\nall_servers\naddress\ntable\nfreeze\nreload\nclock"

// TestBookBesideKeepalived plays the example with both daemons over IPVS. The
// services that somebody removes are back with one of them.
func TestBookBesideKeepalived(t *testing.T) {
	needsIPVS(t)
	book := filepath.Join(t.TempDir(), "drill")
	must(0, os.WriteFile(book, []byte(guestBook), 0o644))(t)
	cmd, out, errs, _ := labCommand(t, "--drills", "--json", "--set-clock", "--daemon", "/usr/sbin/keepalived", "--limits", book, example)
	err := cmd.Run()
	var reports []drill.Report
	if json.Unmarshal(out.Bytes(), &reports) != nil || len(reports) != 2 {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	var table strings.Builder
	must(0, drill.WriteTable(&table, reports))(t)
	t.Log(table.String())
	ours, theirs := reports[0], reports[1]
	if err != nil || !ours.OK {
		t.Errorf("%v\n%s", err, errs)
	}
	for _, r := range reports {
		if r.DataPlane != "ipvs" || r.Foreign != (r.Daemon == "keepalived") {
			t.Errorf("with %s, balanced by %q: foreign is %v", r.Daemon, r.DataPlane, r.Foreign)
		}
		for _, key := range []string{"kill", "table", "freeze", "clock"} {
			if s := sceneOf(r, key); s.Name == "" || s.Skipped {
				t.Errorf("with %s %s was not played: %s", r.Daemon, key, s.Why)
			}
		}
	}
	if a, b := sceneOf(ours, "table"), sceneOf(theirs, "table"); !a.OK || b.OK || a.Silent >= b.Silent {
		t.Errorf("the table cleared: %d ms without service, with keepalived %d ms", a.Silent, b.Silent)
	}
}
