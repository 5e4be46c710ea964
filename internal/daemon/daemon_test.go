package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/checker/script"
	"keepgo/confparse"
	"keepgo/confparse/syntax"
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

// TestPIDFileIsWaitedFor: of a daemon that was killed, the process that it was
// just starting has the lock for a moment; one that stops removes the file.
func TestPIDFileIsWaitedFor(t *testing.T) {
	for name, end := range map[string]func(*pidFile){
		"killed":  func(p *pidFile) { p.file.Close() },
		"stopped": (*pidFile).remove,
	} {
		path := filepath.Join(t.TempDir(), "pid")
		old, err := createPIDFile(path)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(5*lockPause, func() { end(old) })
		p, err := createPIDFile(path)
		if err != nil {
			t.Fatalf("the other was %s: %v", name, err)
		}
		if gone(p.file, path) {
			t.Errorf("the other was %s: a file is held that is not there", name)
		}
		p.remove()
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
	tr := newTracker(func(name string, ok bool, _ string) {
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
	v := vetter{global: &confparse.Global{ScriptUser: "nobody", ScriptGroup: "nogroup"}}
	c := confparse.Command{Args: []string{"x"}}
	v.identify(&c)
	if c.User != "nobody" || c.Group != "nogroup" {
		t.Errorf("got %s:%s", c.User, c.Group)
	}
	own := confparse.Command{User: "root"}
	v.identify(&own)
	if own.User != "root" || own.Group != "" {
		t.Errorf("its own user became %s:%s", own.User, own.Group)
	}
	v.global.ScriptGroups = true
	v.identify(&own)
	v.identify(&c)
	if own.Group != ":" || c.Group != ":nogroup" {
		t.Errorf("with set_supplementary_groups they have the groups %q and %q", own.Group, c.Group)
	}
}

// vetted is the command of a configuration after it was vetted, and what was
// said.
func vetted(g confparse.Global, args ...string) (*confparse.Command, string) {
	cfg := &confparse.Config{Global: g}
	cfg.Global.StartupScript = &confparse.Command{Args: args}
	said := fmt.Sprint(vetScripts(cfg))
	return cfg.Global.StartupScript, said
}

func TestVetFindsTheFile(t *testing.T) {
	dir := t.TempDir()
	run, link := filepath.Join(dir, "run"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(run, []byte("#!/bin/sh\n"), 0o755), os.Symlink(run, link)); err != nil {
		t.Fatal(err)
	}
	for keep, want := range map[bool]string{false: run, true: link} {
		c, said := vetted(confparse.Global{SymlinkPaths: keep}, link, "x")
		if c == nil || c.Path != want || !slices.Equal(c.Args, []string{link, "x"}) {
			t.Errorf("use_symlink_paths %v: %+v %s", keep, c, said)
		}
	}
	if c, said := vetted(confparse.Global{}, "</nonexistent/file"); c == nil {
		t.Errorf("a redirection is looked at: %s", said)
	}
}

func TestVetSecurity(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root's scripts are looked at")
	}
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	if err := errors.Join(os.WriteFile(run, []byte("#!/bin/sh\n"), 0o755), os.Chmod(run, 0o777)); err != nil {
		t.Fatal(err)
	}
	root := confparse.Global{ScriptUser: "root"}
	c, said := vetted(root, run)
	if c == nil || !strings.Contains(said, "Unsafe permissions found for script '"+run+"'") {
		t.Errorf("without enable_script_security: %+v %s", c, said)
	}
	root.ScriptSecurity = true
	if c, said := vetted(root, run); c != nil || !strings.Contains(said, "writable by everyone; chmod o-w it; it is disabled") {
		t.Errorf("with it: %+v %s", c, said)
	}
	if c, said := vetted(confparse.Global{ScriptUser: "nobody", ScriptSecurity: true}, "/bin/true"); c == nil || said != "[]" {
		t.Errorf("for a user without rights: %+v %s", c, said)
	}
	if _, err := user.Lookup(script.DefaultUser); err == nil {
		t.Skip("needs a system without the user " + script.DefaultUser)
	}
	if c, said := vetted(confparse.Global{ScriptSecurity: true}, "/bin/true"); c != nil || !strings.Contains(said, "needs a script_user") {
		t.Errorf("without a script_user: %+v %s", c, said)
	}
}

func TestVetMiscCheckFailsInstead(t *testing.T) {
	misc := &confparse.Misc{Command: confparse.Command{Args: []string{"/nonexistent"}}}
	cfg := &confparse.Config{VirtualServers: []*confparse.VirtualServer{{Servers: []*confparse.RealServer{{Checkers: []*confparse.Checker{{Misc: misc}}}}}}}
	if said := vetScripts(cfg); len(said) != 1 || !strings.Contains(said[0].Error(), "the check fails") || misc.Command.Args != nil {
		t.Errorf("%v, %q", said, misc.Command.Args)
	}
}

// Details are logged with -D and not without.
func TestDetailsAreLoggedOnDemand(t *testing.T) {
	for detail, want := range map[int]string{0: "always|", 1: "always|detail|", 2: "always|detail|"} {
		o := Options{NoSyslog: true, LogDetail: detail, LogFile: filepath.Join(t.TempDir(), "log")}
		p := &parent{opts: o, log: newSink(o).logger("Keepalived", "", 1, scope{})}
		c := &child{parent: p, log: p.log}
		p.heard(c, fromChild{Log: "always"})
		p.heard(c, fromChild{Log: "detail", Detail: true})
		text, err := os.ReadFile(o.LogFile)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for line := range strings.Lines(string(text)) {
			got += line[strings.LastIndex(line, ": ")+2:len(line)-1] + "|"
		}
		if got != want {
			t.Errorf("with %d -D: %q, want %q", detail, got, want)
		}
	}
}

func TestTrackedScriptInWords(t *testing.T) {
	for want, out := range map[string]script.Outcome{
		"succeeded":                     {},
		"failed (exited with status 3)": {Status: 3},
		"failed (due to signal 9)":      {Signal: 9},
		"timed_out":                     {TimedOut: true, Signal: 15},
		"failed (cannot run x: no way)": {Err: errors.New("cannot run x: no way")},
	} {
		if got := words(out); got != want {
			t.Errorf("%+v: %q, want %q", out, got, want)
		}
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
