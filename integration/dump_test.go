package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/netlab"
)

// dumpTime is how long keepalived may take to say what it has read.
const dumpTime = 8 * time.Second

// TestReadEqualsKeepalived starts keepalived with every file of the collection
// that it can run here, lets it write down what it has read, and compares that
// with what confparse made of the same file. What the checkers have read is not
// compared: they end at once where the kernel has no IPVS.
func TestReadEqualsKeepalived(t *testing.T) {
	needsRoot(t)
	if _, err := exec.LookPath("keepalived"); err != nil {
		t.Skip("needs keepalived: ", err)
	}
	files, _ := filepath.Glob(corpus + "/*.conf")
	if len(files) == 0 {
		t.Skip("needs the collection of configuration files")
	}
	var all dumpCount
	t.Cleanup(func() {
		t.Logf("%d files: %d values of %d instances compared; %d files do not run here", all.files, all.values, all.instances, all.failed)
	})
	for _, file := range files {
		name := filepath.Base(file)
		id := configID(file)
		cfg, _ := confparse.Load(fstest.MapFS{name: {Data: []byte(withoutNamespace(file))}}, name, syntax.Env{ConfigID: id})
		if len(cfg.Instances) == 0 {
			continue
		}
		t.Run(strings.TrimSuffix(name, ".conf"), func(t *testing.T) {
			t.Parallel()
			dump, log := dumped(t, file, id, cfg)
			if dump == "" {
				all.add(func() { all.failed++ })
				t.Skip("keepalived does not run with it: ", log)
			}
			theirs := parseDump(dump)
			wrong, values := compare(cfg, theirs, name)
			all.add(func() { all.files++; all.instances += len(cfg.Instances); all.values += values })
			for _, w := range wrong {
				t.Error(w)
			}
		})
	}
}

type dumpCount struct {
	sync.Mutex
	files, values, instances, failed int
}

func (c *dumpCount) add(change func()) {
	c.Lock()
	defer c.Unlock()
	change()
}

// withoutNamespace is a file but for the network namespace that it names: the
// daemon is in one already.
func withoutNamespace(file string) string {
	lines := strings.SplitAfter(text(file), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "net_namespace") }), "")
}

// configID is the first id that a file has lines for.
func configID(file string) string {
	for line := range strings.SplitSeq(text(file), "\n") {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "@"); ok && !strings.HasPrefix(id, "^") && len(strings.Fields(id)) > 1 {
			return strings.Fields(id)[0]
		}
	}
	return "lb1"
}

// dumped runs keepalived in namespaces of its own until it has written its
// dump. Nothing outside of them can be changed by its scripts: they see a file
// system that is read-only, no process of the host and no network.
func dumped(t *testing.T, file, id string, cfg *confparse.Config) (dump, log string) {
	t.Helper()
	file, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("sh", "-c", inside, "sh", file, id)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stubs(cfg)), f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	defer func() { cmd.Process.Kill(); <-ended }() // the whole namespace ends with its first process
	name := fmt.Sprintf("/proc/%d/root/tmp/keepalived.data", cmd.Process.Pid)
	alive := func() bool {
		select {
		case <-ended:
			return false
		default:
			return true
		}
	}
	netlab.Until(dumpTime, func() bool {
		log := text(out)
		if !alive() || strings.Contains(log, "exited with permanent error") || strings.Contains(log, "Respawning") {
			return true
		}
		if strings.Contains(log, "Startup complete") { // by then it has a /tmp of its own
			cmd.Process.Signal(syscall.SIGUSR1)
			dump = text(name)
		}
		return strings.Contains(dump, endOfDump)
	})
	if !strings.Contains(dump, endOfDump) {
		return "", reason(text(out))
	}
	return dump, ""
}

// endOfDump begins what no configuration decides.
const endOfDump = "------< Interfaces >"

// reason is the last line of a log but for those of the end.
func reason(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for len(lines) > 1 && (strings.Contains(lines[len(lines)-1], "Stopped") || strings.Contains(lines[len(lines)-1], "Terminating")) {
		lines = lines[:len(lines)-1]
	}
	return lines[len(lines)-1]
}

// inside prepares the namespaces; stdin are the commands of ip.
const inside = `
mount --make-rprivate / &&
mount -t proc proc /proc &&
ip link set lo up && ip -force -batch - >/dev/null 2>&1
for dir in $(cut -d' ' -f2 /proc/mounts | grep -v '^/proc'); do mount -o remount,ro,bind $dir 2>/dev/null; done
mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /run || exit 1
grep -av net_namespace "$1" >/tmp/keepalived.conf
exec keepalived -P -n -l -G -i "$2" -f /tmp/keepalived.conf -p /run/k.pid -r /run/v.pid </dev/null
`

// stubs are interfaces under the names that a file has.
func stubs(cfg *confparse.Config) string {
	var b strings.Builder
	seen := map[string]bool{"lo": true}
	for _, i := range cfg.Instances {
		seen[i.VMACName] = true
	}
	n := 0
	for _, m := range cfg.Mentions {
		if m.Kind != confparse.MentionLink || seen[m.Name] {
			continue
		}
		seen[m.Name] = true
		n++
		fmt.Fprintf(&b, "link add name %s type bridge\nlink set %s up\naddr add 198.18.%d.1/24 dev %s\n", m.Name, m.Name, n, m.Name)
	}
	return b.String()
}

func text(name string) string {
	data, _ := os.ReadFile(name)
	return string(data)
}

// section is an object of the dump: its values and its lists by their labels.
type section struct {
	kind, name string
	values     map[string]string
	lists      map[string][]string
}

// parseDump reads the objects of a dump: "Label = value" lines, and labels
// with a colon whose items are indented below.
func parseDump(dump string) []*section {
	var all []*section
	var list string
	for line := range strings.SplitSeq(dump, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		depth := len(line) - len(trimmed)
		label, value, isValue := strings.Cut(trimmed, " = ")
		switch {
		case strings.HasPrefix(line, "------<"):
			list = ""
			all = append(all, &section{kind: strings.Trim(line, "-<> "), values: map[string]string{}, lists: map[string][]string{}})
		case len(all) == 0 || trimmed == "":
		case depth == 1 && isValue && slices.Contains([]string{"VRRP Instance", "VRRP Sync Group", "VRRP Script", "Track file", "VRRP Track file", "VRRP Track process", "VRRP Track BFD"}, label):
			name, _, _ := strings.Cut(value, ",")
			all = append(all, &section{kind: label, name: name, values: map[string]string{}, lists: map[string][]string{}})
			list = ""
		default:
			s := all[len(all)-1]
			if list != "" && depth > len(list)-len(strings.TrimLeft(list, " ")) {
				key := listLabel(list)
				s.lists[key] = append(s.lists[key], trimmed)
				continue
			}
			list = ""
			switch {
			case isValue:
				s.values[label] = value
			case strings.HasPrefix(trimmed, "Multicast address "), strings.HasPrefix(trimmed, "Check unicast src "):
				i := strings.LastIndexByte(strings.SplitN(trimmed, ",", 2)[0], ' ')
				s.values[strings.Trim(trimmed[:i], " :")] = strings.SplitN(trimmed[i+1:], ",", 2)[0]
			default:
				list = line
			}
		}
	}
	return all
}

// listLabel is "Virtual IP" for "   Virtual IP (2):".
func listLabel(line string) string {
	label, _, _ := strings.Cut(strings.TrimSpace(line), "(")
	return strings.Trim(label, " :")
}
