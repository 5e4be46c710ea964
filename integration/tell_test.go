package integration

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"keepgo/vrrp"
)

// tale is one life of a director in which everything happens that people and
// programs are told of, and what they were told.
type tale struct {
	*world
	dir  string // writable for the scripts' user
	pipe int    // our end of notify_fifo, -1 while it is not open
	text string // what came through it
	ends []int  // of the chapters within it
}

// newTale prepares a life of a daemon at the side of nobody.
func newTale(t *testing.T, d daemon) *tale {
	t.Helper()
	w := newWorld(t, d, d)
	w.do(os.Chmod(w.lab.Dir, 0o755))
	s := &tale{world: w, dir: filepath.Join(w.lab.Dir, "tale"), pipe: -1}
	w.do(os.Mkdir(s.dir, 0o755))
	w.do(os.Chmod(s.dir, 0o777))
	t.Cleanup(func() { unix.Close(s.pipe) })
	for _, link := range []string{"eth1", "eth2", "eth3"} {
		sw := must(w.lab.Switch(link))(t)
		w.do(w.a.Attach(link, sw, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, link[3] - '0', 0, 1}), 24)))
	}
	w.do(w.a.SetLink("eth3", false))
	w.do(os.WriteFile(s.path("run"), []byte(recorderText), 0o755))
	w.do(os.WriteFile(s.path("reader"), []byte(readerText), 0o755))
	for _, fifo := range []string{"fifo", "vrrp"} {
		w.do(unix.Mkfifo(s.path(fifo), 0o600))
		w.do(os.Chown(s.path(fifo), 65534, 65534))
	}
	s.track("0")
	return s
}

func (s *tale) path(name string) string { return filepath.Join(s.dir, name) }

// recorderText writes what a script can see of itself, a file a run, with as few
// programs as can be: at the stop it has a second.
const recorderText = `#!/bin/sh
exec 8>&1
{
for a in "$0" "$@"; do printf '[%s]' "$a"; done
echo
echo "umask $(umask) limits $(ulimit -n) $(ulimit -c) $(ulimit -l) cwd $(pwd -P)"
cat /proc/$$/status /proc/$$/stat /proc/$$/environ
echo
ls -l /proc/$$/fd
echo end
} > "${0%/*}/told.$$"
`

// seen is what matters of what a script wrote, an item a line, and false if it
// was ended before it had written all.
func (s *tale) seen(file string) (text string, whole bool) {
	b, _ := os.ReadFile(file)
	text, whole = strings.CutSuffix(string(b), "end\n")
	text = strings.NewReplacer(s.dir, "DIR", s.lab.Dir, "LAB", filepath.Base(file), "told", "fffffffe7ffbfeff", "0000000000000000").Replace(text)
	var out []string
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case i < 2 || statusLine.MatchString(line):
			out = append(out, strings.Join(words, " "))
		case strings.Contains(line, "\x00"):
			env := strings.Split(line, "\x00")
			slices.Sort(env)
			out = append(out, env...)
		case len(words) > 40 && words[1] == "(run)":
			out = append(out, fmt.Sprintf("leads its group %v, nice %s", words[0] == words[4], words[18]))
		case len(words) == 11 && len(words[8]) == 1 && !strings.HasPrefix(words[10], "pipe:"):
			out = append(out, strings.Join(words[8:], " ")) // the shell has its own files at 10 and above
		}
	}
	return strings.Join(slices.DeleteFunc(out, func(l string) bool { return strings.HasPrefix(l, "_=") }), "\n"), whole
}

// statusLine are the lines of /proc/PID/status that say what a process may do.
// (2.2.7 forgets to release the signals that it blocks before some scripts; they
// read as none.)
var statusLine = regexp.MustCompile(`^(Uid|Gid|Groups|SigBlk|SigIgn|CapEff|NoNewPrivs):`)

// readerText reads a FIFO line by line to the end that the last line tells.
const readerText = `#!/bin/sh
trap '' TERM
echo "$@" >> "${0%/*}/reader.args"
while read -r line; do
    echo "$line" >> "${0%/*}/reader.text"
    [ "$line" = 'GROUP "G" STOP 0' ] && exit
done <> "$2"
`

func (s *tale) track(value string) {
	s.t.Helper()
	s.do(os.WriteFile(s.path("track"), []byte(value), 0o644))
}

// taleConf is the file of the first half of the tale.
func (s *tale) conf(global, instances string) string {
	return strings.NewReplacer("%d", s.dir, "%g", s.a.unpaused()+global, "%i", instances).Replace(`global_defs {
    router_id R1
    script_user nobody
    notify_fifo %d/fifo
    vrrp_notify_fifo %d/vrrp nobody
    vrrp_notify_fifo_script "%d/reader own"
    vrrp_notify_priority_changes on
    vrrp_version 3
    umask 022
    %g
}
vrrp_script chk {
    script "/usr/bin/test -e %d/fit"
    interval 1
    weight 5
}
track_file tf {
    file %d/track
    weight 1
}
%i
`)
}

// scripts are all notify keywords of an instance or a group.
func (s *tale) scripts(name string, states ...string) string {
	text := fmt.Sprintf("    notify \"%s/run any '%s'\"\n", s.dir, name)
	for _, state := range states {
		text += fmt.Sprintf("    notify_%s \"%s/run %s '%s'\"\n", state, s.dir, state, name)
	}
	return text
}

// instance is a vrrp_instance of the tale; its VRID tells it.
func (s *tale) instance(name, link string, vrid int, more string) string {
	return fmt.Sprintf(`vrrp_instance %s {
    interface %s
    virtual_router_id %d
    priority 100
    advert_int 0.3
    virtual_ipaddress {
        10.9.9.%d/24
    }
%s%s
}
`, name, link, vrid, vrid, more, s.scripts(name, "master", "backup", "fault", "stop", "master_rx_lower_pri"))
}

// drain reads what is in the FIFO.
func (s *tale) drain() {
	if s.pipe < 0 {
		s.pipe, _ = unix.Open(s.path("fifo"), unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	}
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(s.pipe, buf)
		if err != nil || n <= 0 {
			return
		}
		s.text += string(buf[:n])
	}
}

// hears waits until the FIFO has told n times what it is to tell in the end.
func (s *tale) hears(n int, line string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%q is told %d times; told is\n%s\n%s", line, n, s.text, s.a.proc.LogTail(5)), func() bool {
		s.drain()
		return strings.Count("\n"+s.text, "\n"+line+"\n") >= n
	})
}

// advert sends one as another director would.
func (s *tale) advert(vrid, priority uint8) {
	s.t.Helper()
	src, dst := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("224.0.0.18")
	p := vrrp.Packet{
		Version: 3, VRID: vrid, Priority: priority, Interval: time.Second, // a busy machine makes nobody take over
		Addresses: vrrp.AppendAddress(nil, netip.AddrFrom4([4]byte{10, 9, 9, vrid})),
	}
	s.do(s.client.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 112)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Address: src.As4()}); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 255); err != nil {
			return err
		}
		return unix.Sendto(fd, p.AppendTo(nil, src, dst), 0, &unix.SockaddrInet4{Addr: dst.As4()})
	}))
}

// under does something while another director is master.
func (s *tale) under(vrid uint8, do func()) {
	s.t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for beat := time.NewTicker(100 * time.Millisecond); ; {
			s.advert(vrid, 200)
			select {
			case <-beat.C:
			case <-stop:
				beat.Stop()
				return
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	do()
}

// live goes through the tale.
func (s *tale) live() {
	group := "vrrp_sync_group G {\n    group {\n        VI_2\n        VI_3\n    }\n" + s.scripts("G", "master", "backup", "fault", "stop") + "}\n"
	stays := group + s.instance("VI_2", "eth1", 2, "") + s.instance("VI_3", "eth2", 3, "") +
		s.instance("VI_6", "eth3", 6, "") + s.instance("VI_7", lanLink, 7, "    track_script {\n        chk\n    }\n")
	first := stays + s.instance("VI 1", lanLink, 1, "    track_file {\n        tf\n    }\n")
	first = strings.ReplaceAll(first, "vrrp_instance VI 1", `vrrp_instance "VI 1"`)
	gone := s.instance("VI_4", lanLink, 4, "") + s.instance("VI_5", lanLink, 5, "    notify_deleted \""+s.path("run")+" deleted\"\n")

	s.a.configure(s.conf("", first+gone))
	s.a.start("-P", "-a")
	for _, name := range []string{"VI 1", "VI_2", "VI_3", "VI_4", "VI_5"} {
		s.hears(1, `INSTANCE "`+name+`" MASTER 100`)
	}
	s.hears(1, `GROUP "G" MASTER 0`)
	s.hears(1, `INSTANCE "VI_7" MASTER 100`)
	s.do(os.WriteFile(s.path("fit"), nil, 0o644))
	s.hears(1, `INSTANCE "VI_7" MASTER_PRIORITY 105`)
	s.do(os.Remove(s.path("fit")))
	s.hears(1, `INSTANCE "VI_7" MASTER_PRIORITY 100`)
	s.track("7")
	s.hears(1, `INSTANCE "VI 1" MASTER_PRIORITY 107`)
	s.advert(1, 50)
	s.hears(1, `INSTANCE "VI 1" MASTER_RX_LOWER_PRI 107`)
	s.under(1, func() {
		s.hears(1, `INSTANCE "VI 1" BACKUP 107`)
		s.track("3")
		s.hears(1, `INSTANCE "VI 1" BACKUP_PRIORITY 103`)
		s.advert(1, 50)
		s.a.logs("(VI 1) received lower priority (50) advert from 10.0.0.9 - discarding")
	})
	s.hears(1, `INSTANCE "VI 1" MASTER 103`)
	s.do(s.a.SetLink("eth1", false))
	s.hears(1, `GROUP "G" FAULT 0`)
	s.do(s.a.SetLink("eth1", true))
	s.hears(2, `GROUP "G" MASTER 0`)
	s.chapter()
	s.a.configure(s.conf("", first))
	s.a.reload()
	s.hears(1, `INSTANCE "VI_5" DELETED 100`)
	s.hears(1, `INSTANCE "VI_4" FAULT 100`)
	s.chapter()
	renamed := strings.ReplaceAll(first, "VI 1", "VI_9")
	s.a.configure(s.conf("fifo_write_vrrp_states_on_reload", renamed))
	s.a.reload()
	s.hears(3, `GROUP "G" MASTER 0`)
	s.chapter()
	s.a.stop()
	s.drain()
	s.chapter()
}

// chapter ends a part of the tale.
func (s *tale) chapter() {
	s.drain()
	s.ends = append(s.ends, len(s.text))
}

// The chapters of the tale.
const (
	chapterLife = iota
	chapterRemoval
	chapterRename // with fifo_write_vrrp_states_on_reload
	chapterStop
)

// differs are the lines that one of the daemons alone tells, and why.
var differs = []struct {
	why  string
	who  daemon
	line func(chapter int, line string) bool
}{
	{"2.2.7 adds up the weights anew at every reload and tells of the sum, although it is what it was",
		theirs, func(c int, line string) bool { return c > chapterLife && strings.Contains(line, "BACKUP_PRIORITY") }},
	{"2.2.7 writes the states of groups after a reload, and none of instances that are MASTER",
		ours, func(c int, line string) bool {
			return c == chapterRename && strings.HasPrefix(line, "INSTANCE") && strings.Contains(line, " MASTER ")
		}},
}

// told are what the scripts wrote, in an order of their own, but for what is
// known to differ.
func (s *tale) told() []string {
	names, _ := filepath.Glob(s.path("told.*"))
	var runs []string
	for _, name := range names {
		run, whole := s.seen(name)
		if s.a.daemon == ours && strings.HasPrefix(run, "[DIR/run][fault][VI_4]") {
			continue // 2.2.7 runs notify for an instance that a reload takes away, but not notify_fault
		}
		if whole {
			runs = append(runs, run)
		}
	}
	slices.Sort(runs)
	return runs
}

// inTime leaves out the scripts of the stop that others were too slow for.
func inTime(runs, others []string) []string {
	return slices.DeleteFunc(slices.Clone(runs), func(run string) bool {
		head, _, _ := strings.Cut(run, "\n")
		stop := strings.Contains(head, "[STOP]") || strings.Contains(head, "[stop]")
		return stop && !slices.ContainsFunc(others, func(o string) bool { return strings.HasPrefix(o, head+"\n") })
	})
}

// objects are what the FIFO told of each object, in its order, but for what is
// known to differ.
func (s *tale) objects() map[string][]string {
	of := map[string][]string{}
	start := 0
	for chapter, end := range s.ends {
		for line := range strings.Lines(s.text[start:end]) {
			if !s.differs(chapter, line) {
				kind, rest, _ := strings.Cut(line, ` "`)
				name, _, _ := strings.Cut(rest, `"`)
				of[kind+" "+name] = append(of[kind+" "+name], line)
			}
		}
		start = end
	}
	return of
}

func (s *tale) differs(chapter int, line string) bool {
	for _, d := range differs {
		if d.who == s.a.daemon && d.line(chapter, line) {
			return true
		}
	}
	return false
}

// phrases begin lines of the log that people and monitors look for; both daemons
// write them.
var phrases = []string{
	"Starting Keepalived v", "Configuration file ", "Starting VRRP child process, pid=", "Startup complete",
	"Reloading", "Reload complete", "Stopping", "Stopped Keepalived v",
	"(VI 1) Entering BACKUP STATE (init)", "(VI 1) Receive advertisement timeout", "(VI 1) Entering MASTER STATE",
	"(VI_6) entering FAULT state",
	"(VI 1) Received advert from 10.0.0.9 with lower priority 50, ours 107, forcing new election",
	"(VI 1) Master received advert from 10.0.0.9 with higher priority 200, ours 107", "(VI 1) Entering BACKUP STATE\n",
	"(VI 1) Changing effective priority from 100 to 107", "(VI_2) Entering FAULT STATE\n", "(VI_2) sent 0 priority",
	"Netlink reports eth1 down", "Netlink reports eth1 up",
	"VRRP_Group(G) Syncing instances to MASTER state", "VRRP_Group(G) Syncing instances to BACKUP state",
	"VRRP_Group(G) Syncing instances to FAULT state",
	"Script `chk` now returning 1", "VRRP_Script(chk) failed (exited with status 1)",
	"Script `chk` now returning 0", "VRRP_Script(chk) succeeded",
}

// newer are phrases of keepalived's later releases, or that 2.2.7 does not write
// about what it does itself.
var newer = []string{
	"(VI_6) Entering FAULT STATE (init)",
	"Netlink reflector reports IP 10.9.9.1 added to eth0", "Netlink reflector reports IP 10.9.9.1 removed from eth0",
}

// readBySame checks that one reader was started, and read all of its FIFO from
// the start to the stop. (2.2.7 starts one more at every reload, beside it.)
func (s *tale) readBySame() {
	s.t.Helper()
	args, _ := os.ReadFile(s.path("reader.args"))
	if got, want := string(args), "own "+s.path("vrrp")+"\n"; got != want {
		s.t.Errorf("readers were started with %q, want %q", got, want)
	}
	if text, _ := os.ReadFile(s.path("reader.text")); string(text) != s.text {
		s.t.Errorf("the reader of vrrp_notify_fifo read\n%s\nnotify_fifo had\n%s", text, s.text)
	}
}

func TestTellsWhatKeepalivedTells(t *testing.T) {
	t.Parallel()
	lived := map[daemon]*tale{}
	for _, d := range []daemon{theirs, ours} {
		lived[d] = newTale(t, d)
		lived[d].live()
	}
	lived[ours].readBySame()
	for _, phrase := range newer {
		if !strings.Contains(lived[ours].a.proc.Log(), ": "+phrase) {
			t.Errorf("keepgo does not log %q", phrase)
		}
	}
	for _, phrase := range phrases {
		for d, s := range lived {
			if !strings.Contains(s.a.proc.Log(), ": "+phrase) {
				t.Errorf("%s does not log %q", d, phrase)
			}
		}
	}
	if diff := cmp.Diff(lived[theirs].objects(), lived[ours].objects()); diff != "" {
		t.Errorf("lines of keepalived (-) and ours (+):\n%s", diff)
	}
	kept, mine := lived[theirs].told(), lived[ours].told()
	if diff := cmp.Diff(inTime(kept, mine), inTime(mine, kept)); diff != "" {
		t.Errorf("scripts of keepalived (-) and ours (+):\n%s", diff)
	}
}
