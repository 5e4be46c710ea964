package integration

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keepgo/internal/lab/drill"
)

// few is a shortened book.
const few = `
* skip
pair
start
kill
mute
partition
address
freeze
rolling
`

// drilled plays a book over files and returns what came of it, and how the
// command ended.
func drilled(t *testing.T, book string, args ...string) (r drill.Report, dir string, err error) {
	t.Helper()
	dir = t.TempDir()
	limits := filepath.Join(dir, "drill")
	if err := os.WriteFile(limits, []byte(book), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd, out, errs, _ := labCommand(t, append([]string{"--drills", "--json", "--limits", limits,
		"--junit", dir + "/junit.xml", "--html", dir + "/page.html"}, args...)...)
	err = cmd.Run()
	if json.Unmarshal(out.Bytes(), &r) != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	return r, dir, err
}

// sceneOf is the first scene of a drill, with an empty name if there is none.
func sceneOf(r drill.Report, key string) drill.Scene {
	for _, s := range r.Scenes {
		if s.Key == key {
			return s
		}
	}
	return drill.Scene{}
}

// TestDrillsOverFiles measures, so it does not run in the crowd of the others.
func TestDrillsOverFiles(t *testing.T) {
	for _, name := range []string{example, "../../shared/corpus/020-vrrp-haproxy.conf", "../../shared/corpus/018-vrrp-mysql-unicast-zh.conf"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat(name); err != nil {
				t.Skipf("the corpus is not here: %v", err)
			}
			r, dir, err := drilled(t, few, name)
			if err != nil || !r.OK {
				for _, s := range r.Scenes {
					t.Logf("%+v", s)
				}
				t.Fatalf("%s: %v", name, err)
			}
			forms(t, dir, len(r.Scenes))
			if s := sceneOf(r, "kill"); s.Master != "" || len(s.Spans) == 0 || missing(s.Stages) != "" {
				t.Errorf("the takeover was not seen: %+v, stages %+v", s, s.Stages)
			}
			if s := sceneOf(r, "mute"); s.GapMS < 500 || s.Lost == 0 || missing(s.Stages) != "" {
				t.Errorf("the silence was not seen: %+v, stages %+v", s, s.Stages)
			}
			if s := sceneOf(r, "freeze"); s.TookMS < 5000 || s.TwoMS == 0 {
				t.Errorf("frozen: %+v", s)
			}
		})
	}
}

// missing names the first stage of a takeover that was not seen, or that comes
// before the one it follows from.
func missing(s *drill.Stages) string {
	if s == nil {
		return "all"
	}
	last := int64(0)
	for _, m := range s.All() {
		if m.MS < last {
			return m.Name
		}
		last = m.MS
	}
	return ""
}

// forms checks that the other forms of the outcome are there and whole.
func forms(t *testing.T, dir string, scenes int) {
	t.Helper()
	var suites struct {
		Suites []struct {
			Tests int `xml:"tests,attr"`
		} `xml:"testsuite"`
	}
	b, err := os.ReadFile(dir + "/junit.xml")
	if err != nil || xml.Unmarshal(b, &suites) != nil || len(suites.Suites) != 1 || suites.Suites[0].Tests != scenes {
		t.Errorf("JUnit XML of %d scenes: %v\n%s", scenes, err, b)
	}
	if b, err := os.ReadFile(dir + "/page.html"); err != nil || !strings.Contains(string(b), "Rehearsal: passed") {
		t.Errorf("page: %v\n%s", err, b)
	}
}

const untrackedDirector = `
static_ipaddress {
    198.51.100.1/24 dev eth1
}
vrrp_instance web {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority 150
    virtual_ipaddress {
        192.0.2.100/24
    }
}
virtual_server 192.0.2.100 80 {
    protocol TCP
    lvs_sched rr
    lvs_method NAT
    delay_loop 2
    real_server 198.51.100.21 80 {
        TCP_CHECK {
        }
    }
}
`

// TestDrillsFailBrokenPairs has pairs whose files are wrong in one point.
func TestDrillsFailBrokenPairs(t *testing.T) {
	file := func(dir, name string, changes ...string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.NewReplacer(changes...).Replace(untrackedDirector)), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		other []string // changes to the second file
		book  string
		key   string // of the drill that must fail
		why   string
	}{
		"equal": {nil, "* skip\npair", "pair", "web has priority 150 in both files: who is master is left to chance"},
		"other router": {[]string{"router_id 51", "router_id 52", "150", "100"}, "* skip\nstart\npower", "start",
			"Both directors have 192.0.2.100: lb1 sends virtual_router_id 51 with priority 150, lb2 sends virtual_router_id 52 with priority 100"},
		"untracked": {[]string{"150", "100"}, "* skip\nstart\nlink", "link",
			"lb1 stays master without its way to the real servers: nothing tracks eth1, write it in a track_interface block"},
		"too slow": {[]string{"150", "100"}, "* skip\nstart\npower gap 1s", "power", "the client went without an answer for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r, _, err := drilled(t, c.book, file(dir, "a.conf"), file(dir, "b.conf", c.other...))
			if err == nil || r.OK {
				t.Errorf("it passed: %+v", r)
			}
			told := false
			for _, s := range r.Scenes {
				told = told || s.Key == c.key && !s.OK && strings.Contains(s.Why, c.why)
			}
			if !told {
				t.Errorf("nothing says %q: %+v", c.why, r.Scenes)
			}
		})
	}
}

// TestLabNeedsNoRoot runs the lab as nobody, who may read no more than everybody.
func TestLabNeedsNoRoot(t *testing.T) {
	t.Parallel()
	needsRoot(t) // to become nobody
	const nobody = 65534
	dir, err := os.MkdirTemp("", "keepgo-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(0, os.Chmod(dir, 0o755))(t)
	binary, file := filepath.Join(dir, "keepgo"), filepath.Join(dir, "k.conf")
	// By another process: a program that this one writes may be open in a child of
	// another test when it is to be executed.
	must(exec.Command("cp", keepgo, binary).CombinedOutput())(t)
	must(0, os.Chmod(binary, 0o755))(t)
	must(0, os.WriteFile(file, must(os.ReadFile(example))(t), 0o644))(t)
	must(0, os.WriteFile(dir+"/drill", []byte("* skip\nstart\nstop\nscript"), 0o644))(t)
	own := filepath.Join(dir, "tmp")
	must(0, os.Mkdir(own, 0o755))(t)
	must(0, os.Chown(own, nobody, nobody))(t)
	cmd := exec.Command(binary, "lab", "--drills", "--limits", dir+"/drill", file)
	cmd.Env, cmd.Dir = append(os.Environ(), "TMPDIR="+own, "HOME="+own), dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "lets only root do so") {
		t.Skipf("needs user namespaces: %s", out)
	}
	if err != nil || !strings.Contains(string(out), "5 scenes, 0 failed, 0 left out") {
		t.Errorf("%v\n%s", err, out)
	}
	if left := must(os.ReadDir(own))(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
