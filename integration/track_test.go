package integration

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fitFile is the name of a file in the world's directory whose presence a
// script tests.
func (w *world) fitFile() string { return filepath.Join(w.lab.Dir, "fit") }

// flagFile makes that file.
func (w *world) flagFile() string {
	w.t.Helper()
	w.do(os.WriteFile(w.fitFile(), nil, 0o644))
	return w.fitFile()
}

// fitScript is a vrrp_script that is content while a file exists.
func fitScript(file string) string {
	return fmt.Sprintf("vrrp_script fit {\n    script \"/usr/bin/test -e %s\"\n    interval 1\n    fall 1\n    rise 1\n}\n", file)
}

func TestTrackedScript(t *testing.T) {
	for _, track := range []string{"fit weight -60", "fit"} {
		t.Run(strings.ReplaceAll(track, " ", "-"), func(t *testing.T) {
			t.Parallel()
			k := wire{version: 3}
			w := newWorld(t, *subject, *subject)
			file := w.flagFile()
			a := confA(k)
			a.before, a.instance = fitScript(file), "track_script {\n        "+track+"\n    }"
			w.a.configure(a.String())
			w.b.configure(confB(k).String())
			begin := time.Now()
			w.a.start()
			w.b.start()
			w.becomesMaster(w.a, vip4, begin)

			lost := time.Now()
			w.do(os.Remove(file))
			w.becomesMaster(w.b, vip4, lost)
			if *subject == ours {
				want := map[bool]string{true: "BACKUP", false: "FAULT"}[strings.Contains(track, "weight")]
				w.eventually("the state is "+want, func() bool { return w.a.state() == want })
			}
			back := time.Now()
			w.flagFile()
			w.becomesMaster(w.a, vip4, back)
		})
	}
}

func TestTrackedInterface(t *testing.T) {
	t.Parallel()
	k := wire{version: 3}
	w := newWorld(t, *subject, *subject)
	inside := must(w.lab.Switch("inside"))(t)
	w.do(w.a.Attach("eth1", inside, netip.MustParsePrefix("10.1.0.1/24")))
	a := confA(k)
	a.instance = "track_interface {\n        eth1\n    }"
	w.a.configure(a.String())
	w.b.configure(confB(k).String())
	begin := time.Now()
	w.a.start()
	w.b.start()
	w.becomesMaster(w.a, vip4, begin)

	lost := time.Now()
	w.do(w.a.Cable("eth1", false))
	w.becomesMaster(w.b, vip4, lost)
	if *subject == ours {
		w.eventually("the state is FAULT", func() bool { return w.a.state() == "FAULT" })
	}
	back := time.Now()
	w.do(w.a.Cable("eth1", true))
	w.becomesMaster(w.a, vip4, back)
}

// recorder is a script that appends its arguments to a file, a line a run.
func (w *world) recorder(name string) (script, record string) {
	w.t.Helper()
	script, record = filepath.Join(w.lab.Dir, name+".sh"), filepath.Join(w.lab.Dir, name+".txt")
	w.do(os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\necho \"$*\" >> %s\n", record), 0o755))
	return script, record
}

func lines(file string) []string {
	b, _ := os.ReadFile(file)
	return strings.Split(strings.TrimRight(string(b), "\n"), "\n")
}

func TestNotifyScripts(t *testing.T) {
	t.Parallel()
	k := wire{version: 3}
	w := newWorld(t, *subject, *subject)
	script, record := w.recorder("notify")
	masterScript, masterRecord := w.recorder("master")
	a := confA(k)
	a.instance = fmt.Sprintf("notify \"%s own arguments\"\n    notify_master \"%s own\"\n    notify_stop \"%s stop\"",
		script, masterScript, masterScript)
	w.a.configure(a.String())
	w.b.configure(confB(k).String())
	begin := time.Now()
	w.a.start()
	w.b.start()
	w.becomesMaster(w.a, vip4, begin)
	told := func(line string) func() bool {
		return func() bool { return slices.Contains(lines(record), line) }
	}
	w.eventually("MASTER is told", told("own arguments INSTANCE VI_1 MASTER 150"))
	w.do(w.a.Cable(lanLink, false))
	w.eventually("FAULT is told", told("own arguments INSTANCE VI_1 FAULT 150"))
	w.do(w.a.Cable(lanLink, true))
	w.eventually("MASTER is told again", func() bool { return len(lines(masterRecord)) >= 2 })
	w.a.stop()
	w.eventually("STOP is told", told("own arguments INSTANCE VI_1 STOP 150"))
	w.eventually("notify_stop runs", func() bool { return slices.Contains(lines(masterRecord), "stop") })

	var states []string
	for _, line := range lines(record) {
		states = append(states, strings.Fields(line)[4])
	}
	if got, want := strings.Join(states, " "), "BACKUP MASTER FAULT BACKUP MASTER STOP"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	if got, want := strings.Join(lines(masterRecord), " "), "own own stop"; got != want {
		t.Errorf("notify_master and notify_stop ran with %q, want %q", got, want)
	}
}
