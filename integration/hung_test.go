package integration

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hungPair is a pair whose first director is MASTER, and whose VRRP process then
// stops.
func hungPair(t *testing.T, priority int, interval, global string) (w *world, old int) {
	t.Helper()
	onlyOurs(t, "keepalived leaves a process that hangs as it is")
	w = newWorld(t, ours, ours)
	for d, priority := range map[*director]int{w.a: priority, w.b: 100} {
		d.configure(fmt.Sprintf("global_defs {\n%s\n}\nvrrp_instance VI_1 {\n interface eth0\n version 3\n nopreempt\n virtual_router_id 51\n priority %d\n advert_int %s\n"+
			" virtual_ipaddress {\n  10.0.0.100/24\n }\n}\n", global, priority, interval))
	}
	w.a.start()
	w.a.tells("MASTER", "status")
	w.b.start()
	w.eventually("the other one is BACKUP", func() bool { return strings.Contains(w.b.proc.Log(), "Entering BACKUP STATE") })
	old = w.a.pidOf(1)
	w.a.pause()
	return w, old
}

// TestHungVRRPProcess: another goes on in its place before anybody misses it.
func TestHungVRRPProcess(t *testing.T) {
	t.Parallel()
	w, old := hungPair(t, 255, "4", "")
	w.a.logs(fmt.Sprintf("VRRP child process(%d) was to wake", old))
	w.a.logs("is stopped: it is killed, another goes on in its place")
	w.a.logs("(VI_1) goes on after its process was replaced")
	w.a.tells("MASTER", "status")
	if w.a.pidOf(1) == old || w.b.Holds(vip4) || !w.a.Holds(vip4) {
		t.Error("it is the old one, or the other director has taken over")
	}
	w.a.tells("HUNG", "events")
}

// TestHungTooLong: where the other director has taken over, the process in the
// place of the one that hung takes the address away and listens.
func TestHungTooLong(t *testing.T) {
	t.Parallel()
	w, _ := hungPair(t, 150, "0.1", "")
	w.b.logs("Entering MASTER STATE")
	w.a.logs("another listens in its place")
	w.eventually("the address stands once", func() bool { return w.b.Holds(vip4) && !w.a.Holds(vip4) })
	w.a.logs("Entering BACKUP STATE (init)")
	if strings.Contains(w.a.proc.Log(), "goes on after its process was replaced") {
		t.Errorf("it goes on as MASTER:\n%s", w.a.proc.Log())
	}
}

// TestHungLikeKeepalived: what hangs is left as it is.
func TestHungLikeKeepalived(t *testing.T) {
	t.Parallel()
	w, old := hungPair(t, 150, "1", "like_keepalived")
	w.b.logs("Entering MASTER STATE") // nearly three times as late as anybody is replaced
	if w.a.pidOf(1) != old || !w.a.Holds(vip4) {
		t.Error("it was replaced")
	}
}

// TestHungLVSProcess: another goes on in its place, with what it knew and the
// tables that stand, and asks the servers.
func TestHungLVSProcess(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived leaves a process that hangs as it is")
	f := newCourse(t, "nftables", forwardings[1])
	f.configure()
	begin := time.Now()
	f.a.start()
	f.becomesMaster(f.a, vip4, begin)
	f.everybody()
	f.do(f.a.proc.Signal(syscall.SIGHUP)) // it was told of two plans
	f.a.logs("Reload complete")
	stands, tables := f.hold(), f.handles()
	old := f.a.pidOf(2)
	f.a.pauseFrom(2)
	f.servers[3].down()
	f.a.logs(fmt.Sprintf("Healthcheck child process(%d) was to wake", old))
	f.a.tells("HUNG", "events")
	f.eventually("what died meanwhile leaves the table", func() bool { return f.weight(f.a, 3) == 0 && f.weight(f.a, 2) == 2 })
	if now := f.handles(); now != tables || f.a.pidOf(2) == old {
		t.Errorf("process %d is now %d, and the tables\n%sare now\n%s", old, f.a.pidOf(2), tables, now)
	}
	stands("another process took its place")
	f.a.stop()
}

// handles are the tables of a director, as the kernel numbers them.
func (f *course) handles() string {
	f.t.Helper()
	return f.output(f.a.Host, "nft", "-a", "list", "tables")
}

// TestHungBFDProcess: another takes its place before what it said last is believed
// for long, and the pair notices nothing.
func TestHungBFDProcess(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived leaves a process that hangs as it is")
	w, ups := sessionPair(t)
	before, old := ups(), w.a.pidOf(3)
	w.a.pauseFrom(3)
	w.a.logs(fmt.Sprintf("BFD child process(%d) was to wake", old))
	w.a.tells("HUNG", "events")
	w.eventually("the session comes up again", func() bool { return ups() > before })
	if w.a.state() != "MASTER" || w.a.pidOf(3) == old {
		t.Errorf("it is %s, and its BFD process %d, after %d", w.a.state(), w.a.pidOf(3), old)
	}
}

// TestWithoutSharedMemory: where memfd_create(2) is forbidden all processes start,
// and one line says what is not done.
func TestWithoutSharedMemory(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived shares no memory")
	w := newWorld(t, ours, ours)
	d, a := w.a, confA(wire{version: 3})
	a.before, a.after = session(1, 2, false), refused
	d.configure(a.String())
	argv := append([]string{"env", withoutMemoryVar + "=1", must(os.Executable())(t)}, d.argv()...)
	d.proc = must(d.Start(argv...))(t)
	d.logs("Startup complete")
	d.tells("MASTER", "status")
	d.tells("10.0.0.9", "status")
	if log := d.proc.Log(); strings.Count(log, "nobody looks whether processes hang: memfd_create: function not implemented") != 1 || strings.Contains(log, "died") {
		t.Errorf("the log says\n%s", log)
	}
	d.stop()
}

// withoutMemoryVar, in the environment, has this binary execute its arguments where
// memfd_create(2) is not implemented.
const withoutMemoryVar = "KEEPGO_WITHOUT_MEMFD"

// withoutMemory executes a program under a filter of system calls, seccomp(2): a
// kernel before 3.17 answers as it does.
func withoutMemory(argv []string) error {
	runtime.LockOSThread()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_MEMFD_CREATE, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return err
	}
	return unix.Exec(argv[0], argv, os.Environ())
}
