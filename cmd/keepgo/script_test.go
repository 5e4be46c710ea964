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
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"verdict": testVerdict, "status": testStatus},
	})
}

// testVerdict is the command "verdict STATUS FILE" of the scripts: keepalived -t
// ends with that status.
func testVerdict(ts *testscript.TestScript, neg bool, args []string) {
	testStatus(ts, neg, []string{args[0], "keepalived", "-t", "-f", args[1]})
}

// testStatus is the command "status STATUS COMMAND...": the command ends with
// that status.
func testStatus(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	if want, _ := strconv.Atoi(args[0]); code != want {
		ts.Fatalf("%v ends with %d, want %d (%v)", args[1:], code, want, err)
	}
}
