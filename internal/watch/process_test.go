package watch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// playProcess tells the test binary to be a process that waits for its input to
// end.
const playProcess = "WATCH_TEST_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(playProcess) != "" {
		_, _ = os.Stdin.Read(make([]byte, 1))
		return
	}
	os.Exit(m.Run())
}

// program gives a program a name that no other process has.
func program(t *testing.T, target, suffix string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("kg%d%s", os.Getpid(), suffix))
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs a program until the test ends, or stop is called, which leaves a
// zombie.
func start(t *testing.T, path string, args ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), playProcess+"=1")
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	return stop
}

// verdicts keeps what was taken.
type verdicts struct {
	*Processes
	known map[string]bool
}

func (v *verdicts) await(t *testing.T, name string, want bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		if got, known := v.known[name]; known && got == want {
			return
		}
		select {
		case <-v.Ready():
			for name, good := range v.Take() {
				v.known[name] = good
			}
		case <-deadline:
			t.Fatalf("%s does not turn %v; known are %v", name, want, v.known)
		}
	}
}

// both runs a test with events alone, and with counts alone.
func both(t *testing.T, test func(*testing.T, *verdicts)) {
	run := func(t *testing.T, c *connector, why error, blind time.Duration) {
		p, err := newProcesses(t.Logf, c, why, blind)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		test(t, &verdicts{p, map[string]bool{}})
	}
	t.Run("events", func(t *testing.T) { run(t, speaking(t), nil, time.Hour) })
	t.Run("counts", func(t *testing.T) { run(t, nil, errors.New("not wanted"), 10*time.Millisecond) })
}

// speaking is a connector that speaks.
func speaking(t *testing.T) *connector {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: hears the kernel's process connector")
	}
	c, err := openConnector()
	if err != nil {
		t.Skip("needs the kernel's process connector:", err)
	}
	if err := c.listen(true); err != nil {
		unix.Close(c.fd)
		t.Skip("needs the kernel's process connector:", err)
	}
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 2000); n != 1 {
		unix.Close(c.fd)
		t.Skip("needs the machine's first namespaces: the process connector does not answer", err)
	}
	if err := c.listen(false); err != nil {
		t.Fatal(err)
	}
	return c
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProcesses(t *testing.T) {
	both(t, func(t *testing.T, v *verdicts) {
		path := program(t, self(t), "a")
		name := filepath.Base(path)
		v.Set([]Process{
			{Name: "one", Process: name, Quorum: 1, QuorumMax: -1},
			{Name: "none", Process: name, QuorumMax: 0},
			{Name: "two", Process: name, Quorum: 2, QuorumMax: 2},
			{Name: "line", Process: path, Params: []string{"-x", "y"}, Match: ParamsPartial, Quorum: 1, QuorumMax: -1},
			{Name: "kernel", Process: "no such process", Quorum: 1, QuorumMax: -1},
		})
		for name, good := range map[string]bool{"one": false, "none": true, "two": false, "line": false, "kernel": false} {
			v.await(t, name, good)
		}
		stop := start(t, path)
		v.await(t, "one", true)
		v.await(t, "none", false)
		again := start(t, path, "-x", "y", "z")
		v.await(t, "two", true)
		v.await(t, "line", true)
		start(t, path)
		v.await(t, "two", false)
		stop()
		v.await(t, "two", true)
		again()
		v.await(t, "line", false)
		v.await(t, "two", false)

		v.Set([]Process{{Name: "later", Process: name, Quorum: 1, QuorumMax: 1}})
		v.await(t, "later", true)
		v.Set(nil)
		v.Set([]Process{{Name: "later still", Process: name, Quorum: 1, QuorumMax: 1}})
		v.await(t, "later still", true)
	})
}

// TestChild: a child counts before it executes anything.
func TestChild(t *testing.T) {
	both(t, func(t *testing.T, v *verdicts) {
		sh := program(t, "/bin/sh", "sh")
		fifo := filepath.Join(t.TempDir(), "fifo")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		v.Set([]Process{{Name: "shells", Process: filepath.Base(sh), Quorum: 2, QuorumMax: 2}})
		v.await(t, "shells", false)
		start(t, sh, "-c", "{ read -r line <"+fifo+"; } & read -r line")
		v.await(t, "shells", true)
		w, err := os.OpenFile(fifo, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if _, err := w.WriteString("end\n"); err != nil {
			t.Fatal(err)
		}
		v.await(t, "shells", false)
	})
}

func TestDelays(t *testing.T) {
	both(t, func(t *testing.T, v *verdicts) {
		path := program(t, self(t), "d")
		p := Process{Name: "p", Process: filepath.Base(path), Quorum: 1, QuorumMax: -1, ForkDelay: 50 * time.Millisecond, TerminateDelay: 50 * time.Millisecond}
		v.Set([]Process{p})
		v.await(t, "p", false)
		stop := start(t, path)
		v.await(t, "p", true)
		stop()
		v.await(t, "p", false)
	})
}

// TestLost: after lost events all processes are counted, but not at every loss.
func TestLost(t *testing.T) {
	now := time.Unix(1000, 0)
	p := Processes{news: map[string]bool{}, ready: make(chan struct{}, 1), period: safePeriod, hears: true, log: t.Logf, procfs: procfs{root: "/proc"}}
	p.census.set([]Process{{Name: "me", FullCommand: true, Process: os.Args[0], Quorum: 1, QuorumMax: -1}})
	p.counted, p.count, p.lost = now, now.Add(safePeriod), true
	if next := p.turn(now); !next.Equal(now.Add(lostPeriod)) || p.Take()["me"] {
		t.Errorf("counts at %v", next)
	}
	if next := p.turn(now.Add(lostPeriod)); !next.Equal(now.Add(lostPeriod+safePeriod)) || !p.Take()["me"] {
		t.Errorf("counts again at %v", next)
	}
}

// TestSilence: where the kernel says nothing, the operator hears of it, once.
func TestSilence(t *testing.T) {
	lines := make(chan string, 100)
	p, err := newProcesses(func(f string, a ...any) { lines <- fmt.Sprintf(f, a...) }, nil, unix.EPERM, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	p.Set([]Process{{Name: "p", Process: "p"}})
	select {
	case line := <-lines:
		if !strings.Contains(line, "operation not permitted") {
			t.Error(line)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing is said")
	}
	p.Close()
	if len(lines) != 0 {
		t.Errorf("more is said: %s", <-lines)
	}
}
