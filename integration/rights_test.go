package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/netlab"
)

// privileges are those of a process or of a program that it ran.
type privileges struct {
	effective, bounding uint64
	noNew               bool
}

// privilegesIn reads a /proc/PID/status.
func privilegesIn(text string) (p privileges) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "CapEff":
			p.effective, _ = strconv.ParseUint(value, 16, 64)
		case "CapBnd":
			p.bounding, _ = strconv.ParseUint(value, 16, 64)
		case "NoNewPrivs":
			p.noNew = value == "1"
		}
	}
	return p
}

// capabilities are a set of them.
func capabilities(list ...int) (set uint64) {
	for _, c := range list {
		set |= 1 << c
	}
	return set
}

// privileges are those of every thread of a process; none while they differ.
func (d *director) privileges(pid int) (p privileges) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for i, file := range threads {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // the thread ended
		}
		if one := privilegesIn(string(b)); i > 0 && one != p {
			return privileges{}
		} else {
			p = one
		}
	}
	return p
}

// TestPrivileges reads from the kernel what each process may do, and what is
// left to the programs that it runs.
func TestPrivileges(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived's processes keep all of root's privileges")
	w := newWorld(t, ours, ours)
	d := w.a
	self := privilegesIn(string(must(os.ReadFile("/proc/self/status"))(t)))
	if self.noNew {
		t.Skip("needs to run without no_new_privs: nothing can be given back")
	}
	record := func(name string) string { return filepath.Join(w.lab.Dir, name) }
	state := w.program("state", "cat /proc/self/status > $1.new && mv $1.new $1")
	pool := func(check string) string {
		return "virtual_server 10.0.0.100 80 {\n protocol TCP\n delay_loop 1\n real_server 10.0.0.9 80 {\n" + check + "\n }\n}\n"
	}
	text := "global_defs {\n script_user root\n lvs_data_plane nftables\n}\n" + strings.Replace(lone, "interface", fmt.Sprintf("notify_master \"%s %s\"\n interface", state, record("notified")), 1)
	d.configure(text + pool("TCP_CHECK {\n}"))
	d.start()
	w.becomesMasterAlone(d, time.Now())
	w.eventually("notify_master has run", func() bool { return exists(record("notified")) })

	work := capabilities(unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_NICE, unix.CAP_SYS_RESOURCE, unix.CAP_IPC_LOCK) & self.effective
	users := capabilities(unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL, unix.CAP_SETPCAP) & self.effective
	files := capabilities(unix.CAP_DAC_OVERRIDE, unix.CAP_CHOWN, unix.CAP_FOWNER, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE) & self.effective
	is := func(what string, want privileges, got func() privileges) {
		t.Helper()
		var last privileges
		if !netlab.Until(patience, func() bool { last = got(); return last == want }) {
			t.Errorf("%s: %+v, want %+v", what, last, want)
		}
	}
	of := func(i int) func() privileges { return func() privileges { return d.privileges(d.pidOf(i)) } }
	is("the parent", privileges{users | files, self.bounding, false}, of(0))
	is("the VRRP process", privileges{work, work, true}, of(1))
	is("the LVS process without programs", privileges{work, work, true}, of(2))
	program := func(name string) func() privileges {
		return func() privileges { b, _ := os.ReadFile(record(name)); return privilegesIn(string(b)) }
	}
	is("notify_master of root", self, program("notified"))

	// A check that is a program: another process takes the place of the one that
	// could not run it.
	before := d.pidOf(2)
	d.configure(text + pool(fmt.Sprintf("MISC_CHECK {\n misc_path \"%s %s\"\n}", state, record("checked"))))
	d.reload()
	w.eventually("the check has run", func() bool { return exists(record("checked")) })
	if d.pidOf(2) == before {
		t.Error("the LVS process was not replaced")
	}
	is("the LVS process with programs", privileges{work | users, self.bounding, false}, of(2))
	is("MISC_CHECK of root", self, program("checked"))
	w.eventually("the checked server is up", func() bool {
		s := d.status()
		return s != nil && len(s.Services) == 1 && len(s.Services[0].Servers) == 1 && s.Services[0].Servers[0].Up
	})

	// Without it, the process gives away what it took for it.
	before = d.pidOf(2)
	d.configure(text + pool("TCP_CHECK {\n}"))
	d.reload()
	is("the LVS process without programs again", privileges{work, work, true}, of(2))
	if d.pidOf(2) != before {
		t.Error("the LVS process was replaced for less")
	}
	d.stop()
}
