package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pause stops the VRRP process as if it hung, until the test is over.
func (d *director) pause() { d.pauseFrom(1) }

// pauseFrom stops the process of one of the director's pid files.
func (d *director) pauseFrom(i int) {
	d.w.t.Helper()
	pid := d.pidOf(i)
	d.w.do(syscall.Kill(pid, syscall.SIGSTOP))
	d.w.t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
}

// patient is a director alone that waits so many seconds for its children, and
// leaves one that hangs as it is.
func patient(wait int) string {
	return fmt.Sprintf("global_defs {\n vrrp_restart_frozen off\n}\nchild_wait_time %d\n", wait) + lone
}

// TestStopIsBounded: a child that does not end is killed after child_wait_time.
func TestStopIsBounded(t *testing.T) {
	w := newWorld(t, ours, ours)
	w.a.configure(patient(1))
	log := w.a.logOf()
	w.eventually("startup is complete", func() bool { return strings.Contains(log(), "Startup complete") })
	w.a.pause()
	w.a.stop()
}

// TestStopInMidSentence: a director that speaks without pause ends as any other,
// and need not be killed.
func TestStopInMidSentence(t *testing.T) {
	w := newWorld(t, ours, ours)
	w.a.configure(patient(3600) + "vrrp_instance VI_2 {\n interface eth0\n version 3\n state MASTER\n priority 255\n" +
		" advert_int 0.01\n virtual_router_id 52\n virtual_ipaddress {\n 10.0.0.101\n }\n}\n")
	w.a.start()
	w.eventually("it speaks", func() bool { return strings.Contains(w.a.proc.Log(), "(VI_2) Entering MASTER STATE") })
	w.a.stop()
}

// TestSecondTerm: told to stop twice, the daemon does not wait for a child that
// hangs.
func TestSecondTerm(t *testing.T) {
	w := newWorld(t, ours, ours)
	w.a.configure(patient(3600))
	log := w.a.logOf()
	w.eventually("startup is complete", func() bool { return strings.Contains(log(), "Startup complete") })
	w.a.pause()
	w.do(w.a.proc.Signal(syscall.SIGTERM))
	w.eventually("it is stopping", func() bool { return strings.Contains(log(), "Stopping") })
	if isClosed(w.a.proc.Done()) {
		t.Fatal("it did not wait for its child")
	}
	w.a.stop()
}

// TestDontRespawn: with -R the end of a child is the end of the daemon, and no
// success.
func TestDontRespawn(t *testing.T) {
	w := newWorld(t, ours, ours)
	w.a.configure(lone)
	log := w.a.logOf("-R")
	w.eventually("startup is complete", func() bool { return strings.Contains(log(), "Startup complete") })
	w.a.killFrom(w.a.pidFiles()[1])
	w.eventually("the daemon ends", func() bool { return isClosed(w.a.proc.Done()) })
	if !strings.Contains(log(), "died: signal: killed; ending") {
		t.Errorf("it says\n%s", log())
	}
	for _, file := range w.a.pidFiles() {
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s is left", file)
		}
	}
}

// TestSignalsToTheChild: who sends the signals for dumps to the VRRP process
// gets them too.
func TestSignalsToTheChild(t *testing.T) {
	w := newWorld(t, ours, ours)
	t.Setenv("TMPDIR", w.lab.Dir)
	w.a.configure(lone)
	log := w.a.logOf()
	w.eventually("startup is complete", func() bool { return strings.Contains(log(), "Startup complete") })
	w.do(syscall.Kill(w.a.pidOf(1), syscall.SIGUSR2))
	w.eventually("the counters are written", func() bool {
		b, _ := os.ReadFile(filepath.Join(w.lab.Dir, "keepalived.stats"))
		return strings.HasPrefix(string(b), "VRRP Instance: VI_1\n")
	})
	// Cleared, they begin at nothing again: the file has what they were.
	w.eventually("adverts are sent", func() bool {
		w.do(w.a.proc.Signal(syscall.SIGUSR2))
		return w.a.sent() > 2
	})
	w.do(w.a.proc.Signal(syscall.Signal(63)))
	w.eventually("the counters are zero", func() bool {
		w.do(w.a.proc.Signal(syscall.SIGUSR2))
		return w.a.sent() < 2
	})
	w.a.stop()
}

// sent is how many adverts the counters tell of.
func (d *director) sent() (n int) {
	b, _ := os.ReadFile(filepath.Join(d.w.lab.Dir, "keepalived.stats"))
	_, rest, _ := strings.Cut(string(b), "Sent: ")
	_, _ = fmt.Sscan(rest, &n)
	return n
}

// TestServiceManagerIsTold follows what a service manager hears of a daemon's
// life.
func TestServiceManagerIsTold(t *testing.T) {
	w := newWorld(t, ours, ours)
	path := filepath.Join(w.lab.Dir, "notify")
	conn := must(net.ListenPacket("unixgram", path))(t)
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "200000")
	w.a.configure(lone)
	w.a.start()
	hear := func(want string) {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		for buf := make([]byte, 4096); ; {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if got := string(buf[:n]); strings.HasPrefix(got, want) {
				return
			} else if !strings.HasPrefix(got, "WATCHDOG=1") {
				t.Errorf("heard %q before %s", got, want)
			}
		}
	}
	hear(fmt.Sprintf("READY=1\nMAINPID=%d", w.a.proc.PID()))
	hear("WATCHDOG=1")
	w.do(w.a.proc.Signal(syscall.SIGHUP))
	hear("RELOADING=1\nMONOTONIC_USEC=")
	hear("READY=1")
	w.do(w.a.proc.Signal(syscall.SIGTERM))
	hear("STOPPING=1")
	w.eventually("the daemon ends", func() bool { return isClosed(w.a.proc.Done()) })
}
