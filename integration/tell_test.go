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

// recorderText writes all that a script can see of itself, a file a run.
const recorderText = `#!/bin/sh
own=$(tr '\0' '\n' < /proc/$$/environ | grep -v ^_= | sort | tr '\n' ' ')
set -- "$0" "$@"
read -r pid comm state ppid group rest < /proc/$$/stat
file=$(mktemp "${0%/*}/ran.XXXXXX")
# The shell has its own files at 10 and above, and pipes that it reads this from.
files=$(ls -l /proc/$$/fd | awk '$9 != "" && $9 < 10 && $11 !~ /^pipe/ { print $9, $11 }')
{
echo "args $(for a; do printf '[%s]' "$a"; done)"
echo "ids $(id -u) $(id -g) $(id -G)"
echo "cwd $(readlink /proc/$$/cwd)"
echo "umask $(umask)"
echo "files" $files
echo "leader $([ $group = $$ ] && echo yes || echo no)"
grep -E '^(SigBlk|SigIgn|CapEff|NoNewPrivs)' /proc/$$/status
echo "limits $(ulimit -n) $(ulimit -c) $(ulimit -l) nice $(nice)"
echo "env $own"
} > $file
mv $file "${0%/*}/told.${file##*.}"
`

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
	return strings.NewReplacer("%d", s.dir, "%g", global, "%i", instances).Replace(`global_defs {
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
		Version: 3, VRID: vrid, Priority: priority, Interval: 300 * time.Millisecond,
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

// blocked are the signals that 2.2.7 forgets to release before some scripts.
var blocked = regexp.MustCompile(`SigBlk:\tfffffffe7ffbfeff`)

// told are what the scripts wrote, in an order of their own, but for what is
// known to differ.
func (s *tale) told() []string {
	names, _ := filepath.Glob(s.path("told.*"))
	var runs []string
	for _, name := range names {
		b, _ := os.ReadFile(name)
		run := strings.ReplaceAll(string(b), s.dir, "DIR")
		if s.a.daemon == ours && strings.HasPrefix(run, "args [DIR/run][fault][VI_4]") {
			continue // 2.2.7 runs notify for an instance that a reload takes away, but not notify_fault
		}
		run = blocked.ReplaceAllString(run, "SigBlk:	0000000000000000")
		runs = append(runs, strings.ReplaceAll(run, s.lab.Dir, "LAB"))
	}
	slices.Sort(runs)
	return runs
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
	if diff := cmp.Diff(lived[theirs].told(), lived[ours].told()); diff != "" {
		t.Errorf("scripts of keepalived (-) and ours (+):\n%s", diff)
	}
}
