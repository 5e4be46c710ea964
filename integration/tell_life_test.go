package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// program writes a shell script into the world's directory.
func (w *world) program(name, body string) string {
	w.t.Helper()
	path := filepath.Join(w.lab.Dir, name)
	w.do(os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	return path
}

// exists says whether something stands at a path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// startup_script ends before anything runs, and shutdown_script runs when nothing
// does any more; one that takes too long is ended.
func TestScriptsOfStartAndEnd(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived 2.2.7 hangs where its startup_script runs as another user")
	w := newWorld(t, *subject, *subject)
	record := filepath.Join(w.lab.Dir, "record")
	vrrp := w.a.pidFiles()[1]
	look := w.program("look", "test -s "+vrrp+" && s=running || s=still\necho $* $s $(ip -o -4 addr show dev eth0 | grep -c 10.0.0.100/) >> "+record)
	slow := w.program("slow", "echo slow >> "+record+"\nsleep 60\necho late >> "+record)
	a := confA(wire{version: 3})
	a.global = fmt.Sprintf("startup_script \"%s startup\"\n    shutdown_script \"%s\"\n    shutdown_script_timeout 3", look, slow)
	w.a.configure(a.String())
	begin := time.Now()
	w.a.start()
	w.becomesMasterAlone(w.a, begin)
	a.global = fmt.Sprintf("shutdown_script \"%s shutdown\"", look)
	before := strings.Count(w.a.proc.Log(), "Reload complete")
	if got := lines(record); !slices.Equal(got, []string{"startup still 0"}) {
		t.Errorf("at the start: %q", got)
	}
	w.a.configure(a.String())
	w.a.reload()
	w.eventually("the reload", func() bool { return strings.Count(w.a.proc.Log(), "Reload complete") > before })
	w.a.stop()
	if got := lines(record); len(got) != 2 || !strings.HasPrefix(got[1], "shutdown ") || !strings.HasSuffix(got[1], " 0") {
		t.Errorf("at the end: %q", got)
	}

	a.global = fmt.Sprintf("shutdown_script \"%s\"\n    shutdown_script_timeout 3", slow)
	w.a.configure(a.String())
	w.a.start()
	w.a.logs("Startup complete")
	w.a.stop()
	if got := lines(record); got[len(got)-1] != "slow" {
		t.Errorf("at the second end: %q", got)
	}
	w.a.logs("shutdown_script " + slow + ": ended after its limit of 3s")
}

// Scripts told of the stop have a second, beside one that hangs; readers of FIFOs
// that a reload takes away end, and nothing that ignores SIGTERM is left.
func TestStopWaitsForNobody(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived 2.2.7 leaves notify scripts behind")
	w := newWorld(t, *subject, *subject)
	record := filepath.Join(w.lab.Dir, "record")
	hang := w.program("hang", "trap '' TERM\necho $1 hangs >> "+record+"\nwhile :; do sleep 60; done")
	say := w.program("say", "echo $* >> "+record)
	reader := w.program("reader", "trap 'echo $1 term >> "+record+"' TERM\necho reads $1 >> "+record+"\nwhile :; do sleep 60 & wait; done")
	one, two := filepath.Join(w.lab.Dir, "one"), filepath.Join(w.lab.Dir, "two")
	a := confA(wire{version: 3})
	fifo := func(path string) string {
		return fmt.Sprintf("umask 022\n    notify_fifo %s\n    notify_fifo_script \"%s\"", path, reader)
	}
	a.global = fifo(one)
	a.instance = fmt.Sprintf("notify_master \"%s master\"\n    notify_stop \"%s stop\"\n    notify \"%s\"", hang, say, say)
	w.a.configure(a.String())
	begin := time.Now()
	w.a.start()
	w.becomesMasterAlone(w.a, begin)
	has := func(line string) func() bool { return func() bool { return slices.Contains(lines(record), line) } }
	w.eventually("the first reader starts", has("reads "+one))
	if info := must(os.Stat(one))(t); info.Mode().Perm() != 0o644 {
		t.Errorf("with umask 022 the FIFO has %v", info.Mode())
	}
	w.eventually("notify_master hangs", has("master hangs"))

	a.global = fifo(two)
	w.a.configure(a.String())
	w.a.reload()
	w.eventually("the first reader is told to end", has(one+" term"))
	w.eventually("the second reader starts", has("reads "+two))
	w.eventually("the first FIFO is gone", func() bool { return !exists(one) })
	if !exists(two) {
		t.Error("the second FIFO does not stand")
	}

	for try := 1; ; try++ {
		w.a.stop()
		if exists(two) {
			t.Error("the second FIFO is left")
		}
		missing := slices.DeleteFunc([]string{"stop", "INSTANCE VI_1 STOP 150", two + " term"}, func(line string) bool { return has(line)() })
		if len(missing) == 0 {
			return
		}
		if try == 3 { // a busy machine may take longer than the second for them
			t.Fatalf("%q are missing: %q", missing, lines(record))
		}
		w.do(os.Remove(record))
		w.a.start()
		w.eventually("it is as before", func() bool { return has("reads "+two)() && has("master hangs")() })
	}
}
