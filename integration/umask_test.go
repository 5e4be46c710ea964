package integration

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/netlab"
)

// reigning is a director that is MASTER at once.
const reigning = "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n state MASTER\n priority 255\n virtual_ipaddress {\n 10.0.0.100\n }\n}\n"

// TestUmask: what both daemons write has what umask and -u leave of 0666, and of
// 0644 for a FIFO. Pid files are for everybody.
func TestUmask(t *testing.T) {
	for name, c := range map[string]struct {
		global     string
		options    []string
		data, fifo fs.FileMode
	}{
		"none":              {data: 0o600, fifo: 0o600},
		"umask":             {global: "umask 027", data: 0o640, fifo: 0o640},
		"umask by bits":     {global: "umask IWGRP|IROTH|IWOTH|IXOTH", data: 0o640, fifo: 0o640},
		"-u comes before":   {global: "umask 077", options: []string{"-u", "022"}, data: 0o644, fifo: 0o644},
		"umask of somebody": {global: "umask 0", data: 0o666, fifo: 0o644},
	} {
		for _, who := range []daemon{ours, theirs} {
			t.Run(name+" "+string(who), func(t *testing.T) {
				w := newWorld(t, who, ours)
				dir := t.TempDir()
				t.Setenv("TMPDIR", dir)
				fifo := filepath.Join(dir, "fifo")
				w.a.configure("global_defs {\n " + c.global + "\n vrrp_notify_fifo " + fifo + "\n}\n" + reigning)
				w.a.start(c.options...)
				w.eventually("it is MASTER", func() bool { return w.a.Holds(vip4) })
				w.do(w.a.proc.Signal(syscall.SIGUSR1))
				is := func(path string, want fs.FileMode) {
					t.Helper()
					w.eventually(path+" is there", func() bool { _, err := os.Stat(path); return err == nil })
					if info := must(os.Stat(path))(t); info.Mode().Perm() != want {
						t.Errorf("%s has %v, want %v", filepath.Base(path), info.Mode().Perm(), want)
					}
				}
				is(filepath.Join(dir, "keepalived.data"), c.data)
				is(fifo, c.fifo)
				for _, file := range w.a.pidFiles()[:2] {
					is(file, 0o644)
				}
				w.a.stop()
			})
		}
	}
}

// TestMaxAutoPriority: each time that a VRRP process wakes up late, both daemons
// raise its real-time priority by one, up to the limit.
func TestMaxAutoPriority(t *testing.T) {
	const late = 2500 * time.Millisecond // after a deadline of the next second, by more than one
	for _, who := range []daemon{ours, theirs} {
		t.Run(string(who), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, who, ours)
			w.a.configure("global_defs {\n max_auto_priority 2\n vrrp_restart_frozen off\n vrrp_listen_after_pause off\n}\n" + reigning)
			w.a.start()
			w.eventually("it is MASTER", func() bool { return w.a.Holds(vip4) })
			rises := func(to ...uint32) {
				t.Helper()
				pid := w.a.pidOf(1)
				is := func() bool {
					return slices.ContainsFunc(to, func(p uint32) bool { return w.a.runs(unix.SCHED_RR, p, 0) })
				}
				w.eventually(fmt.Sprintf("its priority is one of %v", to), func() bool { // keepalived does not see every pause
					w.do(syscall.Kill(pid, syscall.SIGSTOP))
					<-time.After(late)
					w.do(syscall.Kill(pid, syscall.SIGCONT))
					return netlab.Until(time.Second, is)
				})
			}
			rises(1, 2) // a busy machine may have made it late already
			rises(2)
			rises(2)
			w.a.stop()
		})
	}
}
