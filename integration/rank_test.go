package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestProcessesRunAsConfigured reads from the kernel how the VRRP process runs:
// its name, class, priority, CPUs and locked memory, on every thread, and after
// a reload as it was.
func TestProcessesRunAsConfigured(t *testing.T) {
	w := newWorld(t, ours, ours)
	d := w.a
	text := "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n 10.0.0.100\n }\n}\n"
	d.configure("global_defs {\n process_name kdad\n vrrp_process_name kvrrp\n vrrp_rt_priority 7\n vrrp_cpu_affinity 0\n vrrp_no_swap\n vrrp_rlimit_rttime 900000\n}\n" + text)
	d.start()
	w.eventually("the VRRP process runs as configured", func() bool {
		return d.runs(unix.SCHED_RR, 7, 0) && d.says("Name", "kvrrp") && d.says("Cpus_allowed_list", "0") && !d.says("VmLck", "0 kB")
	})
	limits := string(must(os.ReadFile(fmt.Sprintf("/proc/%d/limits", d.pidOf(1))))(t))
	if !strings.Contains(strings.Join(strings.Fields(limits), " "), "Max realtime timeout 450000 900000 us") {
		t.Errorf("limits of the VRRP process:\n%s", limits)
	}
	if comm := string(must(os.ReadFile(fmt.Sprintf("/proc/%d/comm", d.pidOf(0))))(t)); comm != "kdad\n" {
		t.Errorf("the parent is called %q", comm)
	}
	d.configure("global_defs {\n vrrp_priority -5\n}\n" + text)
	w.do(d.proc.Signal(syscall.SIGHUP))
	w.eventually("the VRRP process runs as configured now", func() bool {
		return d.runs(unix.SCHED_NORMAL, 0, -5) && d.says("Name", "keepalived_vrrp") && !d.says("Cpus_allowed_list", "0") && d.says("VmLck", "0 kB")
	})
	d.stop()
}

// pidOf is the id in one of the director's pid files.
func (d *director) pidOf(i int) (pid int) {
	b, _ := os.ReadFile(d.pidFiles()[i])
	_, _ = fmt.Sscan(string(b), &pid)
	return pid
}

// runs tells whether every thread of the VRRP process has a class, a real-time
// priority and a nice value.
func (d *director) runs(policy, priority uint32, nice int32) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", d.pidOf(1)))
	for _, thread := range threads {
		var tid int
		_, _ = fmt.Sscan(filepath.Base(thread), &tid)
		attr, err := unix.SchedGetAttr(tid, 0)
		if err != nil || attr.Policy != policy || attr.Priority != priority || attr.Nice != nice {
			return false
		}
	}
	return len(threads) > 0
}

// says tells whether a line of the VRRP process's /proc/PID/status has a value.
func (d *director) says(name, value string) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.pidOf(1)))
	for line := range strings.Lines(string(b)) {
		if key, v, _ := strings.Cut(line, ":"); key == name {
			return strings.TrimSpace(v) == value
		}
	}
	return false
}
