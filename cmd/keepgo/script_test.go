package main

import (
	"errors"
	"flag"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"keepgo": main, "keepalived": main})
}

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// TestScripts plays the stories of testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"verdict": testVerdict},
	})
}

// testVerdict is the command "verdict STATUS FILE" of the scripts: keepalived -t
// ends with that status.
func testVerdict(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("keepalived", "-t", "-f", args[1])
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	if want, _ := strconv.Atoi(args[0]); code != want {
		ts.Fatalf("keepalived -t -f %s ends with %d, want %d (%v)", args[1], code, want, err)
	}
}
