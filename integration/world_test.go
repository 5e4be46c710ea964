package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/internal/netlab"
	"keepgo/internal/status"
)

// patience is how long a test waits for what must happen. It is generous: the
// machine may be busy, and only what never happens fails.
var patience = 20 * time.Second

// world is a director pair and a client on one switch, with a sniffer on every
// cable.
type world struct {
	t      *testing.T
	lab    *netlab.Lab
	lan    *netlab.Switch
	sniff  *netlab.Sniffer
	client *netlab.Host
	a, b   *director
}

// daemon names a program that plays a director.
type daemon string

const (
	ours   daemon = "keepgo"
	theirs daemon = "keepalived"
)

// director is one machine of the pair.
type director struct {
	*netlab.Host
	w      *world
	daemon daemon
	proc   *netlab.Process
	conf   string // configuration file
	socket string
}

const lanLink = "eth0"

var (
	vip4 = netip.MustParseAddr("10.0.0.100")
	vip6 = netip.MustParseAddr("fd00::100")
)

// newWorld makes the pair: a at 10.0.0.1 and fd00::1, b at .2, the client at .9.
func newWorld(t *testing.T, a, b daemon) *world {
	t.Helper()
	needsRoot(t)
	if a == theirs || b == theirs {
		if _, err := exec.LookPath(string(theirs)); err != nil {
			t.Skip("needs Debian's keepalived: apt-get install keepalived")
		}
	}
	lab := must(netlab.New())(t)
	w := &world{t: t, lab: lab}
	t.Cleanup(w.close)
	w.lan = must(lab.Switch("lan"))(t)
	w.client = w.host("client", 9)
	w.a = &director{Host: w.host("lb1", 1), w: w, daemon: a}
	w.b = &director{Host: w.host("lb2", 2), w: w, daemon: b}
	w.sniff = must(lab.Sniff())(t)
	return w
}

// close takes the world down, with the daemons' last words when it failed.
func (w *world) close() {
	if w.t.Failed() {
		for _, d := range []*director{w.a, w.b} {
			if d != nil && d.proc != nil {
				w.t.Logf("last lines of %s on %s:\n%s", d.daemon, d.Name, d.proc.LogTail(40))
			}
		}
	}
	if err := w.lab.Close(); err != nil {
		w.t.Error(err)
	}
}

// host adds a machine with the given last address byte.
func (w *world) host(name string, last int) *netlab.Host {
	w.t.Helper()
	h := must(w.lab.Host(name))(w.t)
	w.do(h.Attach(lanLink, w.lan,
		netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", last)), netip.MustParsePrefix(fmt.Sprintf("fd00::%d/64", last))))
	return h
}

// do fails the test if a step of its own went wrong.
func (w *world) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// eventually fails the test if something does not come to pass.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	if !netlab.Until(patience, ok) {
		w.t.Fatalf("does not happen in %v: %s", patience, what)
	}
}

// other is the partner of a director.
func (w *world) other(d *director) *director {
	if d == w.a {
		return w.b
	}
	return w.a
}

// configure writes the director's file; a running daemon does not notice.
func (d *director) configure(text string) {
	d.w.t.Helper()
	if d.conf == "" {
		d.conf = filepath.Join(d.w.lab.Dir, d.Name+".conf")
		d.socket = filepath.Join(d.w.lab.Dir, d.Name+".sock")
	}
	d.w.do(os.WriteFile(d.conf, []byte(text), 0o644))
}

// start runs the director's daemon, with more options than the usual ones.
func (d *director) start(more ...string) {
	d.w.t.Helper()
	argv := []string{"-n", "-l", "-D", "-f", d.conf}
	for i, opt := range []string{"-p", "-r", "-c"} {
		argv = append(argv, opt, d.pidFiles()[i])
	}
	argv = append(argv, more...)
	if d.daemon == ours {
		argv = append([]string{keepgo, "run", "--control", d.socket}, argv...)
	} else {
		argv = append([]string{string(theirs)}, argv...)
	}
	d.proc = must(d.Start(argv...))(d.w.t)
}

// pidFiles are those of the parent, the VRRP and the checker process.
func (d *director) pidFiles() []string {
	base := filepath.Join(d.w.lab.Dir, d.Name)
	return []string{base + ".pid", base + "_vrrp.pid", base + "_checkers.pid"}
}

// stop ends the daemon as its service manager would, and waits for it.
func (d *director) stop() {
	d.w.t.Helper()
	d.w.do(d.proc.Signal(syscall.SIGTERM))
	d.w.eventually(d.Name+" ends after SIGTERM", func() bool { return isClosed(d.proc.Done()) })
	d.w.eventually(d.Name+" leaves no process behind", func() bool { return len(d.PIDs()) == 0 })
}

// powerCut ends the machine: its processes die at one instant, its cable is
// dead, and what stood in its memory (addresses, /run) is gone.
func (d *director) powerCut() {
	d.w.t.Helper()
	d.w.do(d.Cable(lanLink, false))
	d.w.do(d.KillAll())
	for _, file := range d.pidFiles() {
		os.Remove(file)
	}
	for _, a := range must(d.Addrs(lanLink))(d.w.t) {
		if a.Addr() == vip4 || a.Addr() == vip6 {
			d.w.do(d.DelAddr(lanLink, a))
		}
	}
}

// powerOn brings the machine back.
func (d *director) powerOn() {
	d.w.t.Helper()
	d.w.do(d.Cable(lanLink, true))
	d.start()
}

// killFrom kills the process whose id a pid file holds.
func (d *director) killFrom(pidFile string) {
	d.w.t.Helper()
	text := must(os.ReadFile(pidFile))(d.w.t)
	pid := must(strconv.Atoi(strings.TrimSpace(string(text))))(d.w.t)
	if !slices.Contains(d.PIDs(), pid) {
		d.w.t.Fatalf("%s names process %d, which is not on %s", pidFile, pid, d.Name)
	}
	d.w.do(syscall.Kill(pid, syscall.SIGKILL))
}

// reload makes the daemon read its file again.
func (d *director) reload() {
	d.w.t.Helper()
	d.w.do(d.proc.Signal(syscall.SIGHUP))
}

// logs waits until the daemon has written a text.
func (d *director) logs(text string) {
	d.w.t.Helper()
	d.w.eventually(fmt.Sprintf("%s logs %q", d.Name, text), func() bool { return strings.Contains(d.proc.Log(), text) })
}

// status asks the daemon how it is; nil while it does not answer.
func (d *director) status() *status.Status {
	c, err := net.Dial("unix", d.socket)
	if err != nil {
		return nil
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	var s status.Status
	if b, err := io.ReadAll(c); err != nil || json.Unmarshal(b, &s) != nil {
		return nil
	}
	return &s
}

// state is the state of the director's first instance, "" while it is unknown.
func (d *director) state() string {
	if s := d.status(); s != nil && len(s.Instances) > 0 {
		return s.Instances[0].State
	}
	return ""
}

// speaks lists the adverts of the director, priority 0 excepted.
func (d *director) speaks(since time.Time) []netlab.Advert {
	return slices.DeleteFunc(d.w.sniff.Adverts(since), func(a netlab.Advert) bool { return a.From != d.Host || a.Priority == 0 })
}

// becomesMaster waits until the director alone is master of the address, and
// proves it from outside: it speaks and its partner is silent, it holds the
// address and its partner does not, it has said so unasked since the scene
// began, and who asks by ARP gets its MAC and no other.
func (w *world) becomesMaster(d *director, vip netip.Addr, since time.Time) {
	w.t.Helper()
	p := w.other(d)
	w.eventually(d.Name+" speaks as master", func() bool { return len(d.speaks(since)) > 0 })
	w.eventually(d.Name+" holds "+vip.String(), func() bool { return d.Holds(vip) })
	w.eventually(p.Name+" lets "+vip.String()+" go", func() bool { return !p.Holds(vip) })
	w.eventually(d.Name+" announces "+vip.String(), func() bool { return w.announced(d, vip, since) })
	if vip.Is4() {
		w.eventually("ARP finds "+vip.String()+" at "+d.Name, func() bool { return w.answersARP(d, vip) })
	}
	w.eventually(p.Name+" is silent while "+d.Name+" speaks", func() bool {
		mine, its := d.speaks(since), p.speaks(since)
		return len(mine) > 0 && (len(its) == 0 || mine[len(mine)-1].At.After(its[len(its)-1].At))
	})
}

// announced says whether the director has sent a gratuitous ARP or an
// unsolicited neighbour advertisement for the address.
func (w *world) announced(d *director, vip netip.Addr, since time.Time) bool {
	return slices.ContainsFunc(w.sniff.ARPs(since), func(a netlab.ARP) bool {
		return a.From == d.Host && a.Gratuitous() && a.Sender == vip && bytes.Equal(a.MAC, d.MAC(lanLink))
	})
}

// answersARP says whether the director, and nobody else, answers for the address.
func (w *world) answersARP(d *director, vip netip.Addr) bool {
	macs, err := w.client.WhoHas(lanLink, vip, 50*time.Millisecond)
	return err == nil && len(macs) == 1 && bytes.Equal(macs[0], d.MAC(lanLink))
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// must fails the test on an error: must(f())(t).
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
