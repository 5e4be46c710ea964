package integration

import (
	"bytes"
	"context"
	"fmt"
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

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"keepgo/internal/control"
	"keepgo/internal/netlab"
	"keepgo/internal/status"
)

// patience is how long a test waits for what must happen. It is generous: the
// machine may be busy, and only what never happens fails.
var patience = 30 * time.Second

// world is a director pair and a client on one switch, with a sniffer on every
// cable.
type world struct {
	t      *testing.T
	lab    *netlab.Lab
	lan    *netlab.Switch
	sniff  *netlab.Sniffer
	client *netlab.Host
	a, b   *director
	asking map[netip.Addr]bool // that the client asks for
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

var vip4 = netip.MustParseAddr("10.0.0.100")

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
	w := &world{t: t, lab: lab, asking: map[netip.Addr]bool{}}
	t.Cleanup(w.close)
	w.lan = must(lab.Switch("lan"))(t)
	w.client = w.host("client", 9)
	w.a = &director{Host: w.host("lb1", 1), w: w, daemon: a}
	w.b = &director{Host: w.host("lb2", 2), w: w, daemon: b}
	w.sniff = must(lab.Sniff())(t)
	w.ready(lanLink, 0)
	return w
}

// acquaint lets the pair know each other's MAC addresses for good. A master
// whose unicast peer is dead asks for it in vain, and is not heard: what it
// does could not be seen.
func (w *world) acquaint(link string, lan int) {
	w.t.Helper()
	for i, d := range []*director{w.a, w.b} {
		p := w.other(d)
		l := must(d.Netlink().LinkByName(link))(w.t)
		for _, ipv6 := range []bool{false, true} {
			w.do(d.Netlink().NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT,
				IP: hostAddr(lan, ipv6, 2-i).AsSlice(), HardwareAddr: p.MAC(link)}))
		}
	}
}

// ready waits until the interfaces of that name are in operation and their
// addresses can be reached: keepalived stays in FAULT when it finds an IPv6
// address that cannot be bound to yet, and who is not reached hears no unicast.
func (w *world) ready(link string, lan int) {
	w.t.Helper()
	for _, h := range []*netlab.Host{w.a.Host, w.b.Host, w.client} {
		w.eventually(h.Name+" has "+link+" in operation", func() bool {
			l, err := h.Netlink().LinkByName(link)
			if err != nil || l.Attrs().OperState != netlink.OperUp {
				return false
			}
			addrs, err := h.Netlink().AddrList(l, netlink.FAMILY_V6)
			return err == nil && !slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.Flags&unix.IFA_F_TENTATIVE != 0 })
		})
	}
	for n := 1; n <= 2; n++ {
		for _, ipv6 := range []bool{false, true} {
			ip := hostAddr(lan, ipv6, n)
			p := must(w.client.Ping(ip, 20*time.Millisecond))(w.t)
			w.eventually(ip.String()+" answers", func() bool { return !p.Last().IsZero() })
			p.Stop()
		}
	}
	w.acquaint(link, lan)
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
		netip.PrefixFrom(hostAddr(0, false, last), 24), netip.PrefixFrom(hostAddr(0, true, last), 64)))
	return h
}

// secondLan puts the pair and the client on another switch as well.
func (w *world) secondLan() {
	w.t.Helper()
	sw := must(w.lab.Switch("lan2"))(w.t)
	for i, h := range []*netlab.Host{w.a.Host, w.b.Host, w.client} {
		last := []int{1, 2, 9}[i]
		w.do(h.Attach("eth1", sw, netip.PrefixFrom(hostAddr(1, false, last), 24), netip.PrefixFrom(hostAddr(1, true, last), 64)))
	}
	w.ready("eth1", 1)
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
	d.proc = must(d.Start(d.argv(more...)...))(d.w.t)
}

// argv is the command line that starts it.
func (d *director) argv(more ...string) []string {
	argv := []string{"-n", "-l", "-D", "-f", d.conf}
	for i, opt := range []string{"-p", "-r", "-c", "-b"} {
		argv = append(argv, opt, d.pidFiles()[i])
	}
	argv = append(argv, more...)
	if d.daemon == ours {
		return append([]string{keepgo, "run", "--control", d.socket}, argv...)
	}
	return append([]string{string(theirs)}, argv...)
}

// pidFiles are those of the parent, the VRRP, the checker and the BFD process.
func (d *director) pidFiles() []string {
	base := filepath.Join(d.w.lab.Dir, d.Name)
	return []string{base + ".pid", base + "_vrrp.pid", base + "_checkers.pid", base + "_bfd.pid"}
}

// stop ends the daemon as its service manager would, and waits for it.
func (d *director) stop() {
	d.w.t.Helper()
	d.w.do(d.proc.Signal(syscall.SIGTERM))
	d.w.eventually(d.Name+" ends after SIGTERM", func() bool { return isClosed(d.proc.Done()) })
	d.w.eventually(d.Name+" leaves no process behind", func() bool { return len(d.PIDs()) == 0 })
}

// powerCut ends the machine: its processes die at one instant, its cables are
// dead, and what stood in its memory (addresses, virtual interfaces, /run) is
// gone.
func (d *director) powerCut() {
	d.w.t.Helper()
	d.w.do(d.Cable(lanLink, false))
	d.w.do(d.KillAll())
	for _, file := range d.pidFiles() {
		os.Remove(file)
	}
	links := must(d.Netlink().LinkList())(d.w.t)
	for _, l := range links {
		if l.Type() == "macvlan" {
			d.w.do(d.Netlink().LinkDel(l))
		}
	}
	for _, a := range must(d.Addrs(lanLink))(d.w.t) {
		if a.Addr() == hostAddr(0, a.Addr().Is6(), 100) {
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

// status asks the daemon how it is; nil while it does not run. One that runs is
// waited for, however busy the machine is.
func (d *director) status() *status.Status {
	ctx, cancel := context.WithTimeout(context.Background(), patience/2)
	defer cancel()
	s, err := control.New(d.socket).Status(ctx)
	if err != nil {
		return nil
	}
	return s
}

// state is the state of the director's first instance, "" while it is unknown.
func (d *director) state() string {
	if s := d.status(); s != nil && len(s.Instances) > 0 {
		return s.Instances[0].State
	}
	return ""
}

// said lists all adverts of a director.
func (w *world) said(d *director, since time.Time) []netlab.Advert {
	return slices.DeleteFunc(w.sniff.Adverts(since), func(a netlab.Advert) bool { return a.From != d.Host })
}

// speaks lists the adverts of the director, priority 0 excepted.
func (d *director) speaks(since time.Time) []netlab.Advert {
	return slices.DeleteFunc(d.w.sniff.Adverts(since), func(a netlab.Advert) bool { return a.From != d.Host || a.Priority == 0 })
}

// speaksFor lists those of one virtual router.
func (d *director) speaksFor(r router, since time.Time) []netlab.Advert {
	return slices.DeleteFunc(d.speaks(since), func(a netlab.Advert) bool { return a.VRID != r.vrid })
}

// becomesMaster is takesOver for the address of the first router.
func (w *world) becomesMaster(d *director, vip netip.Addr, since time.Time) {
	w.t.Helper()
	r := wire{ipv6: vip.Is6()}.router()
	r.vip = vip
	w.asked(r)
	w.takesOver(d, r, since)
}

// takesOver waits until the director alone is master of a virtual router, and
// proves it from outside: it speaks and its partner is silent, it holds the
// address and its partner does not, it has said so unasked since the scene
// began, and who asks for the address gets its MAC and no other.
func (w *world) takesOver(d *director, r router, since time.Time) {
	w.t.Helper()
	p, vip := w.other(d), r.vip.String()
	w.eventually(d.Name+" speaks as master of "+r.name, func() bool { return len(d.speaksFor(r, since)) > 0 })
	w.eventually(d.Name+" holds "+vip, func() bool { return d.Holds(r.vip) })
	w.eventually(p.Name+" lets "+vip+" go", func() bool { return !p.Holds(r.vip) })
	w.eventually(d.Name+" announces "+vip, func() bool { return w.announced(d, r, since) })
	w.eventually(d.Name+" answers for "+vip, func() bool { return later(w.answers(d, r, since), w.answers(p, r, since)) })
	w.eventually(p.Name+" is silent while "+d.Name+" speaks", func() bool {
		return later(times(d.speaksFor(r, since)), times(p.speaksFor(r, since)))
	})
}

// macOf is the MAC address that the router answers with at a director.
func (w *world) macOf(d *director, r router) net.HardwareAddr {
	if r.vmac {
		return r.mac()
	}
	return d.MAC(r.link)
}

// announced says whether the director has sent a gratuitous ARP or an
// unsolicited neighbour advertisement for the router's address.
func (w *world) announced(d *director, r router, since time.Time) bool {
	return slices.ContainsFunc(w.sniff.ARPs(since), func(a netlab.ARP) bool {
		return a.From == d.Host && a.Gratuitous() && a.Sender == r.vip && bytes.Equal(a.MAC, w.macOf(d, r))
	})
}

// askEvery is the pace at which the client asks for an address.
const askEvery = 100 * time.Millisecond

// asked makes the client ask for the router's address from now on.
func (w *world) asked(r router) {
	w.t.Helper()
	if !w.asking[r.vip] {
		w.asking[r.vip] = true
		w.do(w.client.AskFor(r.link, r.vip, r.host(9), askEvery))
	}
}

// answers are the instants at which a director told the client that the
// router's address is its own.
func (w *world) answers(d *director, r router, since time.Time) []time.Time {
	var out []time.Time
	for _, a := range w.sniff.ARPs(since) {
		if a.From == d.Host && a.Reply && !a.Gratuitous() && a.Sender == r.vip && bytes.Equal(a.MAC, w.macOf(d, r)) {
			out = append(out, a.At)
		}
	}
	return out
}

// later says whether the last of some instants comes after the last of others.
func later(mine, its []time.Time) bool {
	return len(mine) > 0 && (len(its) == 0 || mine[len(mine)-1].After(its[len(its)-1]))
}

func times(adverts []netlab.Advert) []time.Time {
	out := make([]time.Time, len(adverts))
	for i, a := range adverts {
		out[i] = a.At
	}
	return out
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
