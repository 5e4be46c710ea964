package integration

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDropIn runs a script that was written for Debian's keepalived with both
// daemons: its command line, signals, dumps, FIFO and scripts, from start to
// stop.
func TestDropIn(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	program, err := exec.LookPath(string(theirs))
	if err != nil {
		t.Skip("needs Debian's keepalived: apt-get install keepalived")
	}
	want, got := dropIn(t, program), dropIn(t, keepgo)
	if !strings.Contains(want, "\nINSTANCE VI_1 STOP 150\n") || strings.Contains(want, "does not happen") {
		t.Fatalf("the script does not work with keepalived:\n%s", want)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("(-keepalived +keepgo):\n%s", diff)
	}
}

// dropIn is what the script says of a program.
func dropIn(t *testing.T, program string) string {
	w := newWorld(t, ours, ours)
	script := must(filepath.Abs("testdata/dropin.sh"))(t)
	p := must(w.a.Start("unshare", "-m", "sh", script, program))(t)
	w.eventually("the script ends", func() bool { return isClosed(p.Done()) })
	return p.Log()
}
