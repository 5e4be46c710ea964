package daemon

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"keepgo/confparse"
)

// TestOverdue: a promise that is broken is told from one that is kept, and from
// the late looks of a parent that was stopped itself.
func TestOverdue(t *testing.T) {
	type look struct{ now, due, want time.Duration }
	const ms = time.Millisecond
	for name, looks := range map[string][]look{
		"kept":                                   {{500 * ms, 1000 * ms, 0}, {1000 * ms, 2000 * ms, 0}, {1500 * ms, 2000 * ms, 0}},
		"none":                                   {{5000 * ms, 0, 0}, {5500 * ms, 0, 0}},
		"broken":                                 {{500 * ms, 1000 * ms, 0}, {1000 * ms, 1000 * ms, 0}, {1500 * ms, 1000 * ms, 500 * ms}, {2000 * ms, 1000 * ms, 1000 * ms}},
		"kept late":                              {{500 * ms, 1000 * ms, 0}, {1500 * ms, 1000 * ms, 0}, {2000 * ms, 3000 * ms, 0}},
		"all were stopped":                       {{500 * ms, 1000 * ms, 0}, {6000 * ms, 1000 * ms, 0}, {6500 * ms, 7000 * ms, 0}},
		"stopped, and it alone goes on being so": {{500 * ms, 1000 * ms, 0}, {6000 * ms, 1000 * ms, 0}, {6500 * ms, 1000 * ms, 5500 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &watchdog{}
			for _, l := range looks {
				if got := w.overdue(l.now, l.due); got != l.want {
					t.Errorf("at %v, due at %v: %v, want %v", l.now, l.due, got, l.want)
				}
			}
		})
	}
}

// TestWatchdogHasSeen: only looks that follow each other, at one promise, count
// for who has patience.
func TestWatchdogHasSeen(t *testing.T) {
	const due = time.Second
	w, now := &watchdog{}, 2*time.Second
	looks := func(n int, due, want time.Duration) {
		t.Helper()
		for range n {
			now += watchEvery
			w.overdue(now, due)
		}
		if got := w.seen(); got != want {
			t.Errorf("at %v: %v, want %v", now, got, want)
		}
	}
	looks(21, due, 20*watchEvery)
	now += time.Minute // the parent was stopped
	looks(3, due, 2*watchEvery)
	looks(1, 2*due, 0) // it woke
	looks(4, 2*due, 4*watchEvery)
}

// TestGuard: who is watched over is what the configuration says, and nobody where
// nothing is replaced.
func TestGuard(t *testing.T) {
	for name, c := range map[string]struct {
		global         confparse.Global
		options        Options
		vrrp, lvs, bfd bool
	}{
		"neither": {},
		"vrrp":    {global: confparse.Global{RestartFrozen: true}, vrrp: true},
		"lvs":     {global: confparse.Global{RestartFrozenLVS: true}, lvs: true},
		"bfd":     {global: confparse.Global{RestartFrozenBFD: true}, bfd: true},
		"-R":      {global: confparse.Global{RestartFrozen: true, RestartFrozenLVS: true, RestartFrozenBFD: true}, options: Options{NoRespawn: true}},
		"both":    {global: confparse.Global{RestartFrozen: true, RestartFrozenLVS: true}, vrrp: true, lvs: true},
	} {
		t.Run(name, func(t *testing.T) {
			needed := func() *child { return &child{needed: true, promise: &promise{}} }
			p := &parent{opts: c.options, cfg: &confparse.Config{Global: c.global}, vrrp: needed(), lvs: needed(), bfd: needed(), looks: time.NewTicker(watchEvery)}
			defer p.looks.Stop()
			if p.guard(); p.vrrp.watched() != c.vrrp || p.lvs.watched() != c.lvs || p.bfd.watched() != c.bfd {
				t.Errorf("VRRP %v, LVS %v, BFD %v", p.vrrp.watched(), p.lvs.watched(), p.bfd.watched())
			}
		})
	}
}

// TestPromiseIsShared: what the process writes its parent reads, and the next
// process begins with nothing.
func TestPromiseIsShared(t *testing.T) {
	p, err := newPromise()
	if err != nil {
		t.Fatal(err)
	}
	defer p.file.Close()
	theirs, err := mapWord(int(p.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if theirs.Store(42); p.due() != 42 {
		t.Errorf("the parent reads %d", p.due())
	}
	if p.forget(); theirs.Load() != 0 {
		t.Error("the next process begins with what the last one promised")
	}
}

// TestIdles: a process that waits, one that is stopped, and one that computes.
func TestIdles(t *testing.T) {
	run := func(args ...string) int {
		cmd := exec.Command(args[0], args[1:]...)
		if err := cmd.Start(); err != nil {
			t.Skipf("needs %s: %v", args[0], err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd.Process.Pid
	}
	sleeps, stopped, busy := run("sleep", "60"), run("sleep", "60"), run("sh", "-c", "while :; do :; done")
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	is := func(pid int, want string, idle bool) bool {
		how, got := idles(pid)
		return how == want && got == idle
	}
	for what, ok := range map[string]func() bool{
		"sleeps":   func() bool { return is(sleeps, "sleeps", true) },
		"stopped":  func() bool { return is(stopped, "is stopped", true) },
		"computes": func() bool { return is(busy, "", false) },
	} {
		if !eventually(ok) {
			t.Errorf("one that %s is not seen as such", what)
		}
	}
}

// eventually asks again and again for as long as a busy machine may need.
func eventually(ok func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		if ok() {
			return true
		}
	}
	return false
}
