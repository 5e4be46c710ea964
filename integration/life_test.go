package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"keepgo/internal/netlab"
	"keepgo/internal/status"
)

const lone = "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n 10.0.0.100\n }\n}\n"

// logOf starts the director with a log of its own and returns what reads it.
func (d *director) logOf(more ...string) func() string {
	d.w.t.Helper()
	path := filepath.Join(d.w.lab.Dir, d.Name+"_parent.log")
	d.start(append([]string{"-g" + path}, more...)...)
	return func() string {
		b, _ := os.ReadFile(path)
		return string(b)
	}
}

// TestReloadFiles: the reload file goes once the configuration is read, and
// what it came to is kept each time.
func TestReloadFiles(t *testing.T) {
	w := newWorld(t, ours, ours)
	d := w.a
	reading, saved := filepath.Join(w.lab.Dir, "reading"), filepath.Join(w.lab.Dir, "saved")
	d.configure(fmt.Sprintf("global_defs {\n reload_file %s\n config_save_dir %s\n}\n", reading, saved) + lone)
	log := d.logOf()
	w.eventually("startup is complete", func() bool { return strings.Contains(log(), "Startup complete") })
	w.do(os.WriteFile(reading, []byte("touched"), 0o644))
	w.do(d.proc.Signal(syscall.SIGHUP))
	w.eventually("the reload is complete", func() bool { return strings.Contains(log(), "Reload complete") })
	if _, err := os.Stat(reading); err == nil {
		t.Error("the reload file is still there")
	}
	for n := 1; n <= 2; n++ {
		name := filepath.Join(saved, fmt.Sprintf("keepalived.conf.%d.%d", d.proc.PID(), n))
		if text := string(must(os.ReadFile(name))(t)); !strings.Contains(text, "vrrp_instance VI_1") {
			t.Errorf("%s holds %q", name, text)
		}
	}
	d.stop()
}

// TestReloadsLeaveNothing reloads many times, with a part that comes and goes:
// descriptors, threads and memory of no process grow. KEEPGO_RELOADS sets how
// many times.
func TestReloadsLeaveNothing(t *testing.T) {
	w := newWorld(t, ours, ours)
	d := w.a
	other := strings.NewReplacer("VI_1", "VI_2", "51", "52", "10.0.0.100", "10.0.0.102").Replace(lone) +
		"virtual_server 10.0.0.100 80 {\n protocol TCP\n real_server 10.0.0.9 80 {\n TCP_CHECK {\n }\n }\n}\n"
	d.configure(lone + other)
	log := d.logOf()
	w.eventually("startup is complete", func() bool { return strings.Contains(log(), "Startup complete") })
	times := 40
	if n, err := strconv.Atoi(os.Getenv("KEEPGO_RELOADS")); err == nil {
		times = n
	}
	reload := func(n int) {
		t.Helper()
		d.rereads(lone + strings.Repeat(other, n%2))
	}
	for n := range max(10, times/4) { // what grows once may
		reload(n)
	}
	pids := d.PIDs()
	before := map[int]size{}
	for _, pid := range pids {
		before[pid] = sizeOf(pid)
	}
	for n := range times {
		reload(n)
	}
	for _, pid := range d.PIDs() {
		b, known := before[pid]
		if !known {
			continue // the LVS process, which came and went
		}
		var a size
		back := netlab.Until(patience/3, func() bool { // what the last reload took goes in its own time
			a = sizeOf(pid)
			return a.files <= b.files+2 && a.threads <= b.threads+6 && a.kilobytes <= b.kilobytes+16<<10
		})
		t.Logf("process %d: %+v, then %+v", pid, b, a)
		if !back {
			t.Errorf("process %d grew in %d reloads: %+v, then %+v", pid, times, b, a)
		}
	}
	d.stop()
}

// rereads has a file read, and waits until the daemon says that it is in force:
// the log of many reloads is long.
func (d *director) rereads(text string) {
	d.w.t.Helper()
	d.replaces(text)
	var before, now *status.Status
	d.w.eventually(d.Name+" answers", func() bool { before = d.status(); return before != nil })
	d.reload()
	d.w.eventually("the reload is done", func() bool {
		now = d.status()
		return now != nil && now.Reloaded != nil && (before.Reloaded == nil || now.Reloaded.After(*before.Reloaded))
	})
}

// replaces writes the director's file in one step: the daemon may be reading it.
func (d *director) replaces(text string) {
	d.w.t.Helper()
	d.w.do(os.WriteFile(d.conf+".new", []byte(text), 0o644))
	d.w.do(os.Rename(d.conf+".new", d.conf))
}

// size is what a process holds.
type size struct{ files, threads, kilobytes int }

func sizeOf(pid int) (s size) {
	files, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	s.files = len(files)
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(b)) {
		switch f := strings.Fields(line); f[0] {
		case "VmRSS:":
			s.kilobytes, _ = strconv.Atoi(f[1])
		case "Threads:":
			s.threads, _ = strconv.Atoi(f[1])
		}
	}
	return s
}

// TestFirstProcess runs the daemon as the first process of a container: it
// collects what others leave behind, and obeys the signals sent to it.
func TestFirstProcess(t *testing.T) {
	w := newWorld(t, ours, ours)
	d := w.a
	// The shell ends before its child, which becomes the first process's.
	left := filepath.Join(w.lab.Dir, "left")
	d.configure("global_defs {\n script_user root\n}\n" +
		strings.Replace(lone, "interface", "notify_master \"/bin/sh -c '(sleep 0.2; touch "+left+") &'\"\n interface", 1))
	path := filepath.Join(w.lab.Dir, "first.log")
	link := filepath.Join(w.lab.Dir, "keepalived")
	w.do(os.Symlink(keepgo, link))
	log := func() string { b, _ := os.ReadFile(path); return string(b) }
	d.proc = must(d.Start("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", link, "-G", "-g"+path, "-f", d.conf, "--control", d.socket,
		"-p", d.pidFiles()[0], "-r", d.pidFiles()[1], "-c", d.pidFiles()[2]))(t)
	w.eventually("an orphan did its work", func() bool { _, err := os.Stat(left); return err == nil })
	first := 0
	for _, pid := range d.PIDs() {
		if cmd, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.HasPrefix(string(cmd), link+"\x00") {
			first = pid
		}
	}
	w.eventually("no zombie is left", func() bool {
		for _, pid := range d.PIDs() {
			if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); strings.Contains(string(b), ") Z ") {
				return false
			}
		}
		return true
	})
	w.do(syscall.Kill(first, syscall.SIGHUP))
	w.eventually("it reloads", func() bool { return strings.Contains(log(), "Reload complete") })
	w.do(syscall.Kill(first, syscall.SIGTERM))
	w.eventually("it ends", func() bool { return isClosed(d.proc.Done()) })
	if !strings.Contains(log(), "Stopped") {
		t.Errorf("it was not stopped in order:\n%s", log())
	}
}

// TestStopDuringStartupScript: SIGTERM ends the script and the daemon, which
// leaves nothing behind and never became anything.
func TestStopDuringStartupScript(t *testing.T) {
	w := newWorld(t, ours, ours)
	d := w.a
	begun := filepath.Join(w.lab.Dir, "begun")
	d.configure(fmt.Sprintf("global_defs {\n script_user root\n startup_script \"/bin/sh -c 'touch %s; sleep 600'\"\n}\n", begun) + lone)
	d.start()
	w.eventually("the script runs", func() bool { return exists(begun) })
	w.do(d.proc.Signal(syscall.SIGHUP))
	d.stop()
	for _, file := range append(d.pidFiles(), d.socket) {
		if exists(file) {
			t.Errorf("%s is left", file)
		}
	}
	if log := d.proc.Log(); strings.Contains(log, "child process") || !strings.Contains(log, "Stopped") {
		t.Errorf("it went on:\n%s", log)
	}
}
