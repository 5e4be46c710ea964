package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/vrrp"
)

func TestPIDFileIsHeldByOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	p, err := createPIDFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.write(123456); err != nil {
		t.Fatal(err)
	}
	if err := p.write(42); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "42\n" {
		t.Errorf("the file holds %q", b)
	}
	// The lock belongs to the open file, so a second one in this process is refused too.
	if _, err := createPIDFile(path); !errors.Is(err, errRunning) {
		t.Errorf("a second daemon: %v", err)
	}
	p.remove()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after remove: %v", err)
	}
}

func TestPIDFileFollowsNoSymlink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.Symlink(target, filepath.Join(dir, "pid")); err != nil {
		t.Fatal(err)
	}
	if _, err := createPIDFile(filepath.Join(dir, "pid")); err == nil {
		t.Error("a symlink was followed")
	}
	if _, err := os.Lstat(target); !errors.Is(err, os.ErrNotExist) {
		t.Error("the symlink's target was made")
	}
}

func TestClockWakesOnceAndRearms(t *testing.T) {
	c, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	wait := func() {
		t.Helper()
		select {
		case <-c.C:
		case <-time.After(10 * time.Second):
			t.Fatal("the clock did not wake")
		}
	}
	at := c.now() + 20*time.Millisecond
	if err := c.arm(at); err != nil {
		t.Fatal(err)
	}
	wait()
	if now := c.now(); now < at {
		t.Errorf("it woke %v early", at-now)
	}
	c.fired()
	if err := c.arm(at); err != nil { // has passed
		t.Fatal(err)
	}
	wait()
	c.fired()
	if err := c.arm(c.now() + time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := c.arm(vrrp.Never); err != nil {
		t.Fatal(err)
	}
	if len(c.C) != 0 {
		t.Error("a disarmed clock woke")
	}
}

func TestReloadCountsNewFaultsOnly(t *testing.T) {
	fault := func(line int, what string, s syntax.Severity) *syntax.Error {
		return &syntax.Error{Pos: syntax.Pos{Line: line}, Path: "vrrp_instance VI_1", Severity: s, Err: errors.New(what)}
	}
	old := faults{fault(3, "priority 300 is out of range", syntax.Failure)}
	moved := faults{
		fault(9, "priority 300 is out of range", syntax.Failure),
		fault(10, "odd", syntax.Warning),
	}
	if n := moved.news(old.keys()); n != 0 {
		t.Errorf("a fault that was there counts as %d new ones", n)
	}
	worse := append(moved, fault(11, "no interface", syntax.Failure))
	if n := worse.news(old.keys()); n != 1 {
		t.Errorf("%d new faults, want 1", n)
	}
}

func TestTrackerRunsKeepsAndDrops(t *testing.T) {
	results := make(chan string, 100)
	tr := newTracker(func(name string, ok bool) {
		select {
		case results <- fmt.Sprint(name, " ", ok):
		default:
		}
	}, t.Logf)
	defer tr.set(nil)
	script := func(name, program string) *confparse.Script {
		return &confparse.Script{
			Name: name, Interval: 10 * time.Millisecond, Timeout: 10 * time.Second,
			Command: confparse.Command{Args: []string{program}, User: fmt.Sprint(os.Getuid())},
		}
	}
	await := func(want string) {
		t.Helper()
		deadline := time.After(20 * time.Second)
		for {
			select {
			case got := <-results:
				if got == want {
					return
				}
			case <-deadline:
				t.Fatalf("%q did not come", want)
			}
		}
	}
	tr.set([]*confparse.Script{script("good", "/bin/true"), script("bad", "/bin/false"), script("none", "/nonexistent")})
	await("good true")
	await("bad false")
	await("none false")
	kept := tr.runs["good"]
	tr.set([]*confparse.Script{script("good", "/bin/true"), script("bad", "/bin/true")})
	if tr.runs["good"] != kept {
		t.Error("an unchanged script started anew")
	}
	await("bad true")
	if ok, known := tr.result("good"); !ok || !known {
		t.Errorf("result of good: %v %v", ok, known)
	}
	if _, known := tr.result("none"); known {
		t.Error("a dropped script still has a result")
	}
}

func TestVetScripts(t *testing.T) {
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	if err := os.WriteFile(run, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	self := fmt.Sprint(os.Getuid())
	cfg := &confparse.Config{
		Scripts: []*confparse.Script{
			{Name: "here", Command: confparse.Command{Args: []string{run}, User: self}},
			{Name: "gone", Command: confparse.Command{Args: []string{dir + "/gone"}, User: self}},
			{Name: "user", Command: confparse.Command{Args: []string{run}, User: "no-such-user"}},
		},
		Instances: []*confparse.Instance{{Notify: confparse.Notify{
			Master: &confparse.Command{Args: []string{run}, User: self},
			Any:    &confparse.Command{Args: []string{dir + "/gone"}, User: self},
		}}},
	}
	problems := vetScripts(cfg)
	if len(problems) != 3 {
		t.Errorf("problems: %v", problems)
	}
	if len(cfg.Scripts) != 1 || cfg.Scripts[0].Name != "here" {
		t.Errorf("kept %v", cfg.Scripts)
	}
	if n := cfg.Instances[0].Notify; n.Master == nil || n.Any != nil {
		t.Errorf("kept %+v", n)
	}
}

func TestScriptUserIsTheDefault(t *testing.T) {
	c := confparse.Command{Args: []string{"x"}}
	defaultIdentity(&c, &confparse.Global{ScriptUser: "nobody", ScriptGroup: "nogroup"})
	if c.User != "nobody" || c.Group != "nogroup" {
		t.Errorf("got %s:%s", c.User, c.Group)
	}
	own := confparse.Command{User: "root"}
	defaultIdentity(&own, &confparse.Global{ScriptUser: "nobody"})
	if own.User != "root" {
		t.Errorf("its own user became %s", own.User)
	}
}

func TestLineWriterLogsWholeLines(t *testing.T) {
	var lines []string
	w := &lineWriter{log: func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }}
	for _, part := range []string{"pan", "ic: x\ngoroutine 1\n", "rest"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got := strings.Join(lines, "|"); got != "panic: x|goroutine 1" {
		t.Errorf("logged %q", got)
	}
}

func TestDirtySetCollects(t *testing.T) {
	d := newDirtySet()
	d.add("eth0")
	d.add("eth1")
	d.add("eth0")
	<-d.C
	got := d.take()
	slices.Sort(got)
	if !slices.Equal(got, []string{"eth0", "eth1"}) {
		t.Errorf("took %v", got)
	}
	if got := d.take(); len(got) != 0 {
		t.Errorf("took %v again", got)
	}
}
