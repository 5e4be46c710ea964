package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// flaws are mistakes of a program that takes every configuration: where in the
// sources it makes them, and what is told of it then.
var flaws = map[string]struct{ file, before, flaw, tells string }{
	"no child starts":        {"cmd/keepgo/main.go", "return daemon.RunChild(name)", "return 1", " process died: exit status 1"},
	"LVS does not start":     {"internal/daemon/lvs.go", "debug.SetGCPercent(lvsGC)", `panic("flaw")`, "its Healthcheck process died: exit status 2"},
	"VRRP dies of its plan":  {"internal/daemon/vrrp.go", "l.begin(m.HA, m)", `panic("flaw")`, "its VRRP process died: exit status 2"},
	"VRRP does not come up":  {"internal/daemon/vrrp.go", "debug.SetGCPercent(400)", "select {}", "its processes are not at work after 8s"},
	"the parent starts not":  {"internal/daemon/parent.go", "p.recall()", `return errors.New("flaw 1")`, "9.9): flaw 1"},
	"the parent reads wrong": {"internal/daemon/parent.go", "p.manager = newManager()", `return exitConfig, errors.New("flaw 2")`, "9.9): flaw 2"},
}

// flawed builds keepgo 9.9, which makes the mistake that its environment names, and
// has little patience with itself.
var flawed = sync.OnceValues(func() (program string, err error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return "", err
	}
	edits := [][3]string{
		{"cmd/keepgo/main.go", `version = "0.1.0"`, `version = "9.9"`},
		{"internal/daemon/fallback.go", "probation = 30 * time.Second", "probation = 8 * time.Second"},
		{"internal/daemon/lvs.go", `"net/netip"`, `"net/netip"; "os"`},
		{"internal/daemon/vrrp.go", `"net/netip"`, `"net/netip"; "os"`},
	}
	for name, c := range flaws {
		edits = append(edits, [3]string{c.file, c.before, fmt.Sprintf("if os.Getenv(%q) == %q { %s }; %s", "FLAW", name, c.flaw, c.before)})
	}
	sources := map[string]string{}
	for _, e := range edits {
		path := filepath.Join(root, e[0])
		if sources[path] == "" {
			b, err := os.ReadFile(path)
			if err != nil {
				return "", err
			}
			sources[path] = string(b)
		}
		if !strings.Contains(sources[path], e[1]) {
			return "", fmt.Errorf("%s no longer has %q", e[0], e[1])
		}
		sources[path] = strings.Replace(sources[path], e[1], e[2], 1)
	}
	return keepgo + "-flawed", overlaid(root, keepgo+"-flawed", sources)
})

// overlaid builds keepgo with other texts of some of its files.
func overlaid(root, program string, sources map[string]string) error {
	dir, err := os.MkdirTemp("", "keepgo-overlay")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	replace := map[string]string{}
	for path, text := range sources {
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d_%s", len(replace), filepath.Base(path)))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			return err
		}
	}
	b, _ := json.Marshal(map[string]any{"Replace": replace})
	if err := os.WriteFile(filepath.Join(dir, "overlay"), b, 0o600); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay"), "-o", program, "./cmd/keepgo")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// TestUpgradeFallsBack: the last program takes its place again, though its file is
// gone, where the processes of the new one do not come up. The addresses stand all
// the while, and the other director notices nothing.
func TestUpgradeFallsBack(t *testing.T) {
	for name, c := range flaws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needsRoot(t)
			program := must(flawed())(t)
			w := newWorld(t, ours, ours)
			own := w.upgradable("FLAW=" + name)
			gone := must(w.a.AddrEvents())(t)
			since := time.Now()
			must(exec.Command("cp", program, own+".new").CombinedOutput())(t)
			w.do(os.Rename(own+".new", own))
			if out, err := w.a.ask("upgrade"); err == nil || !strings.Contains(out, c.tells) || !strings.Contains(out, "the old program goes on") {
				t.Errorf("%v %s", err, out)
			}
			w.a.tells("UPGRADE_FAILED", "events")
			w.a.tells("0.1.0", "status", "--json")
			w.a.tells("10.0.0.100/24 dev eth0  stands", "status")
			w.a.tells("155 = 150 configured +5 track_script chk", "status")
			w.a.tells("by order: drain", "status")
			w.moreAdverts(w.a, 3)
			w.unshaken(w.a, time.Second, since)
			for len(gone) > 0 {
				if ev := <-gone; ev.Addr == vip4 {
					t.Errorf("the address was touched: %+v", ev)
				}
			}
			if out, err := w.a.ask("upgrade"); err == nil || !strings.Contains(out, c.tells) {
				t.Errorf("once more: %v %s", err, out) // the file is as bad as it was
			}
			w.a.stop()
		})
	}
}

// upgradable starts a pair, whose first director is MASTER and runs a program of
// its own, with a variable in its environment.
func (w *world) upgradable(variable string) (program string) {
	w.t.Helper()
	conf := func(priority string) string {
		return strings.Replace(watchedConf(priority), "advert_int 0.2", "advert_int 1", 1) +
			"virtual_server 10.0.0.100 80 {\n lvs_sched wrr\n lvs_method NAT\n protocol TCP\n real_server 10.0.0.7 80 {\n weight 3\n }\n}\n"
	}
	w.a.configure(conf("150"))
	w.b.configure(conf("100"))
	program = w.lab.Dir + "/keepgo"
	must(exec.Command("cp", keepgo, program).CombinedOutput())(w.t)
	w.a.proc = must(w.a.Start("env", variable, program, "run", "-n", "-l", "-D", "-G", "-f", w.a.conf, "--control", w.a.socket,
		"-p", w.a.pidFiles()[0], "-r", w.a.pidFiles()[1], "-c", w.a.pidFiles()[2], "-b", w.a.pidFiles()[3]))(w.t)
	w.a.tells("MASTER", "status")
	w.b.start()
	w.b.tells("BACKUP", "status")
	must(w.a.ask("rs", "drain", "10.0.0.7"))(w.t)
	return program
}
