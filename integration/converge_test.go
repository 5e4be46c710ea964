package integration

import (
	"flag"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"pgregory.net/rapid"

	"keepgo/internal/guest"
	"keepgo/internal/netlab"
)

// converge is how long TestReloadsConverge goes on: 30m, with -rapid.checks
// 100000, finds more than seconds do.
var converge = flag.Duration("converge", 20*time.Second, "how long TestReloadsConverge goes on")

// twins are two machines that are the same in all that a kernel tells of them,
// and do not know each other. One daemon goes through reloads; the other is
// started anew with each file.
type twins struct {
	*world
	veteran, novice   *director
	listeners         []net.Listener // of the machines behind them
	reloads, compared int
}

func newTwins(t *testing.T) *twins {
	t.Helper()
	lab := must(netlab.New())(t)
	w := &world{t: t, lab: lab}
	w.do(os.WriteFile(filepath.Join(lab.Dir, "five"), []byte("5\n"), 0o644))
	w.do(os.WriteFile(filepath.Join(lab.Dir, "fault"), []byte("-254\n"), 0o644))
	tw := &twins{world: w}
	for i, name := range []string{"veteran", "novice"} {
		d := &director{Host: must(lab.Host(name))(t), w: w, daemon: ours}
		for n, link := range []string{"eth0", "eth1"} {
			sw := must(lab.Switch(fmt.Sprintf("%s%d", name, n)))(t)
			tw.cable(d.Host, link, sw, 1)
			tw.cable(must(lab.Host(fmt.Sprintf("%s-%s", name, link)))(t), link, sw, 9)
		}
		if i == 0 {
			tw.veteran = d
		} else {
			tw.novice = d
		}
	}
	return tw
}

// close takes both down.
func (tw *twins) close() {
	for _, ln := range tw.listeners {
		ln.Close()
	}
	tw.do(tw.lab.Close())
}

// cable attaches a host of which everything is known beforehand; those behind
// the directors answer at port 80 of .9.
func (w *twins) cable(h *netlab.Host, link string, sw *netlab.Switch, last int) {
	w.t.Helper()
	n := int(link[3] - '0')
	w.do(h.Attach(link, sw))
	l := must(h.Netlink().LinkByName(link))(w.t)
	w.do(h.Netlink().LinkSetDown(l))
	w.do(h.Netlink().LinkSetHardwareAddr(l, net.HardwareAddr{2, 0, 0, 0, byte(n), byte(last)}))
	for _, six := range []bool{false, true} {
		w.do(h.AddAddr(link, netip.PrefixFrom(hostAddr(n, six, last), map[bool]int{false: 24, true: 64}[six])))
	}
	w.do(h.Netlink().LinkSetUp(l))
	w.eventually(link+" is in operation", func() bool {
		l, err := h.Netlink().LinkByName(link)
		return err == nil && l.Attrs().OperState == netlink.OperUp
	})
	if last != 9 {
		return
	}
	w.do(h.AddAddr(link, netip.PrefixFrom(hostAddr(n, false, 8), 24)))
	ln := must(h.Listen("tcp", net.JoinHostPort(hostAddr(n, false, 9).String(), "80")))(w.t)
	w.listeners = append(w.listeners, ln)
}

// looks are the commands that tell what a kernel has of a director.
var looks = []string{
	"ip -d addr", "ip -d route show table all", "ip -d -6 route show table all", "ip -d rule", "ip -d -6 rule",
	"ip maddr", "nft list ruleset", "cat /proc/net/raw /proc/net/raw6 | cut -d: -f1,2 | cut -c7-80", "ipvsadm -Sn", "ipvsadm -l --timeout",
}

// perishable is what of these words is another at every look.
var perishable = regexp.MustCompile(`^\d+:|@if\d+|@eth\d| secondary| expires \d+sec|link-netnsid \d+|(preferred_lft|valid_lft) [1-9]\d*sec|packets \d+ bytes \d+| users \d+`)

// numbered is the name of a VMAC whose usual one was still taken when it was made,
// with any prefix that a draft gives it.
var numbered = regexp.MustCompile(`\b(vrrp|other|more)\d+\.`)

// mirrored are routes that the kernel makes of IPv6 addresses, which are compared
// themselves: of one that goes while it is being added, its route can stay.
var mirrored = regexp.MustCompile(`^local \S*:\S* dev \S+ table local proto kernel`)

// found is what a director's kernel has, each line with the command and the link
// that it belongs to.
func (d *director) found() map[string]bool {
	d.w.t.Helper()
	var script strings.Builder
	for _, look := range looks {
		if program, _, _ := strings.Cut(look, " "); program == "ipvsadm" && !guest.Inside() {
			continue
		}
		fmt.Fprintf(&script, "echo '=== %s'; %s\n", look, look)
	}
	p := must(d.Start("sh", "-c", script.String()))(d.w.t)
	d.w.do(p.Err())
	lines, look, around := map[string]bool{}, "", []string(nil)
	for line := range strings.Lines(p.Log()) {
		if next, ok := strings.CutPrefix(line, "=== "); ok {
			look, around = strings.TrimSpace(next), nil
			continue
		}
		depth := len(line) - len(strings.TrimLeft(line, "\t"))
		if m := linkLine.FindStringSubmatch(line); m != nil {
			link, _, _ := strings.Cut(m[1], "@")
			around = []string{link}
		} else if strings.HasSuffix(line, "{\n") { // of nft
			around = append(around[:min(depth, len(around))], line)
		}
		line = perishable.ReplaceAllString(line, "")
		if strings.Contains(line, "proto kernel") {
			line, _, _ = strings.Cut(line, " src ")
		}
		if line = strings.TrimSpace(line); line != "" && line != "}" && !mirrored.MatchString(line) {
			lines[strings.Join(strings.Fields(fmt.Sprint(look, around, ": ", line)), " ")] = true
		}
	}
	for line := range sysctls(d.w, d.Host) {
		lines[strings.TrimSpace(line)] = true
	}
	return lines
}

// tellings are the parts of a status that two daemons with the same file have in
// common, and what of it is not final yet.
func (d *director) tellings() (lines map[string]bool, pending []string) {
	s := d.status()
	if s == nil {
		return nil, []string{"it gives no answer"}
	}
	lines = map[string]bool{}
	awaits := func(ok bool, format string, args ...any) {
		if !ok {
			pending = append(pending, fmt.Sprintf(format, args...))
		}
	}
	for _, in := range s.Instances {
		awaits((in.State == "MASTER" || in.State == "FAULT") && !in.Pending, "instance %s is in state %s: %s", in.Name, in.State, in.Reason)
		for _, p := range in.Places {
			awaits(p.Stands == (in.State == "MASTER"), "instance %s in state %s: %+v", in.Name, in.State, p)
		}
		lines[fmt.Sprintf("instance %s %s %d %d %v", in.Name, in.State, in.VRID, in.Priority, in.Addresses)] = true
	}
	for _, g := range s.Groups {
		lines[fmt.Sprintf("group %s %s", g.Name, g.State)] = true
	}
	for _, vs := range s.Services {
		lines[fmt.Sprintf("service %s %v %v", vs.Name, vs.Up, vs.Sorry)] = true
		for _, rs := range vs.Servers {
			lines[fmt.Sprintf("server %s %s %v %d", vs.Name, rs.Name, rs.Up, rs.Weight)] = true
			for _, c := range rs.Checks {
				awaits(c.Why != "", "server %s of %s is not checked yet", rs.Name, vs.Name)
			}
		}
	}
	return lines, pending
}

// all is what a director has and tells, once that is final; else what is not.
func (d *director) all() (lines map[string]bool, final bool) {
	told, pending := d.tellings()
	if len(pending) > 0 {
		return map[string]bool{"not final: " + strings.Join(pending, ", "): true}, false
	}
	lines = map[string]bool{}
	for _, part := range []map[string]bool{d.found(), told} {
		for line := range part {
			lines[numbered.ReplaceAllString(line, "$1.")] = true
		}
	}
	withoutEmpty(lines)
	return lines, true
}

// withoutEmpty takes out the tables of services in which there is none: they stay
// until the stop once there was one.
func withoutEmpty(lines map[string]bool) {
	for _, table := range []string{"[table ip keepgo_services {", "[table ip6 keepgo_services {"} {
		used := false
		for line := range lines {
			used = used || strings.Contains(line, table) && strings.Contains(line, "elements =")
		}
		maps.DeleteFunc(lines, func(line string, _ bool) bool { return !used && strings.Contains(line, table) })
	}
}

// settles waits until the novice has found its way, and says where it stands.
func (tw *twins) settles() (lines map[string]bool) {
	tw.t.Helper()
	var before map[string]bool
	if !netlab.Until(patience, func() (settled bool) {
		before = lines
		lines, settled = tw.novice.all()
		return settled && len(extra(lines, before))+len(extra(before, lines)) == 0
	}) {
		tw.t.Fatalf("the fresh start is not complete after %v:\n%s\n%s", patience, differences(before, lines), tw.novice.proc.LogTail(60))
	}
	return lines
}

// fails tells of a failure at once: in the replay, which is as random as all that
// takes time, it may not come again.
func (tw *twins) fails(rt *rapid.T, format string, args ...any) {
	text := fmt.Sprintf(format, args...) + "\nlast lines of the veteran:\n" + tw.veteran.proc.LogTail(60)
	if !tw.t.Failed() {
		tw.t.Error(text)
	}
	rt.Error(text)
}

// compare starts the novice with the veteran's file, and fails if the veteran
// does not come to stand as it does.
func (tw *twins) compare(rt *rapid.T, text string) {
	d := tw.novice
	d.configure(text)
	d.start()
	want := tw.settles()
	var got map[string]bool
	if !netlab.Until(patience/2, func() bool {
		var final bool
		got, final = tw.veteran.all()
		return final && len(extra(want, got))+len(extra(got, want)) == 0
	}) {
		tw.fails(rt, "after reloads and a fresh start:\n%s\nof this file:\n%s", differences(want, got), text)
	}
	if log := tw.veteran.proc.Log(); strings.Contains(log, "Reload refused") {
		tw.fails(rt, "a reload was refused:\n%s", text)
	}
	d.stop()
	tw.compared++
}

// differences are the lines that one of two sets has.
func differences(want, got map[string]bool) string {
	lacks, more := extra(got, want), extra(want, got)
	slices.Sort(lacks)
	slices.Sort(more)
	return "- " + strings.Join(lacks, "\n- ") + "\n+ " + strings.Join(more, "\n+ ")
}

// blow is what else befalls a daemon between two reloads.
type blow struct {
	name   string
	strike func(tw *twins)
	once   bool // in a life: where two die at once, nobody knows what the file before placed
}

var blows = []blow{
	{name: "nothing", strike: func(*twins) {}},
	{name: "VRRP process", once: true, strike: func(tw *twins) { tw.veteran.bereft(1) }},
	{name: "LVS process", once: true, strike: func(tw *twins) { tw.veteran.bereft(2) }},
	{name: "parent", once: true, strike: func(tw *twins) {
		tw.do(tw.veteran.proc.Signal(syscall.SIGKILL))
		<-tw.veteran.proc.Done()
		tw.veteran.begins()
	}},
	{name: "another hand", strike: func(tw *twins) {
		for _, ip := range []string{"10.0.0.111/24", "10.0.0.112/24"} {
			_ = tw.veteran.DelAddr("eth0", netip.MustParsePrefix(ip)) // if it stands there
		}
	}},
}

// begins starts the daemon; from its pid file on it takes signals.
func (d *director) begins() {
	d.w.t.Helper()
	d.start()
	if !netlab.Until(patience, func() bool { return d.pidOf(0) == d.proc.PID() }) {
		d.w.t.Fatalf("%s writes no pid in %v:\n%s", d.Name, patience, d.proc.LogTail(60))
	}
}

// bereft kills a child, if there is one.
func (d *director) bereft(i int) {
	if pid := d.pidOf(i); pid != 0 && slices.Contains(d.PIDs(), pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// reloaded makes the veteran read a file, and waits for it if that is asked for:
// otherwise the next signal comes while it reads.
func (tw *twins) reloaded(text string, wait bool) {
	tw.reloads++
	if d := tw.veteran; wait && d.status() != nil {
		d.rereads(text)
	} else {
		d.replaces(text)
		d.reload()
	}
}

// TestReloadsConverge: through whatever files a daemon has come, and whatever
// befell it, what stands is what a fresh start with the last file makes; and
// after the stop nothing is left.
func TestReloadsConverge(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	during := *converge
	if guest.Inside() {
		during *= 3 // everything takes longer
	} else {
		needsTime(t)
	}
	end, reloads, compared := time.Now().Add(during), 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		if time.Now().After(end) && !t.Failed() {
			return
		}
		tw := newTwins(t)
		defer tw.close()
		var bare map[string]bool
		tw.eventually("the links are ready", func() bool {
			bare = tw.veteran.found()
			return !has(bare, "tentative")
		})
		tw.life(rt, end)
		var left map[string]bool
		if !netlab.Until(patience/2, func() bool {
			left = tw.veteran.found()
			return len(extra(bare, left))+len(extra(left, bare)) == 0
		}) {
			tw.fails(rt, "the stop leaves:\n%s", differences(bare, left))
		}
		reloads += tw.reloads
		compared += tw.compared
	})
	t.Logf("%d reloads, %d times compared", reloads, compared)
}

// TestConvergeGuest does it where there is IPVS.
func TestConvergeGuest(t *testing.T) {
	needsTime(t)
	needsRoot(t)
	guest.Tests(t, "^TestReloadsConverge$")
}

// life is one life of the veteran.
func (tw *twins) life(rt *rapid.T, end time.Time) {
	d, dir := draft(make([]int, len(draftSlots))), tw.lab.Dir
	change := func(label string, n int) {
		for i := range n {
			slot := rapid.IntRange(0, len(draftSlots)-1).Draw(rt, fmt.Sprintf("%s slot %d", label, i))
			before := d[slot]
			d[slot] = rapid.IntRange(0, len(draftSlots[slot])-1).Draw(rt, fmt.Sprintf("%s choice %d", label, i))
			if !d.faultless() {
				d[slot] = before
			}
		}
	}
	change("begin", rapid.IntRange(0, 60).Draw(rt, "begin"))
	tw.veteran.configure(d.render(dir))
	tw.veteran.begins()
	defer tw.veteran.stop()
	struck := false
	for step := range rapid.IntRange(1, 6).Draw(rt, "steps") {
		for n := range rapid.IntRange(1, 3).Draw(rt, "reloads") {
			change(fmt.Sprintf("%d.%d", step, n), rapid.IntRange(1, 12).Draw(rt, "changes"))
			wait, b := rapid.Bool().Draw(rt, "wait"), blows[rapid.IntRange(0, len(blows)-1).Draw(rt, "blow")]
			tw.reloaded(d.render(dir), wait)
			if !b.once || !struck {
				b.strike(tw)
				struck = struck || b.once
			}
		}
		tw.compare(rt, d.render(dir))
		if rt.Failed() || time.Now().After(end) {
			return
		}
	}
}
