package integration

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"keepgo/internal/netlab"
)

// bus is a system bus of the test's own, and who listens there.
type bus struct {
	t       *testing.T
	dir     string
	address string
	daemon  *exec.Cmd
	conn    *dbus.Conn

	mu   sync.Mutex
	said []dbus.Signal
}

const (
	busName    = "org.keepalived.Vrrp1"
	busGeneral = "/org/keepalived/Vrrp1/Vrrp"
	busOf1     = "/org/keepalived/Vrrp1/Instance/odd_0_1/51/IPv4"
	busOf2     = "/org/keepalived/Vrrp1/Instance/eth0/52/IPv6"
	busOf3     = "/org/keepalived/Vrrp1/Instance/eth0/53/IPv6"
)

// openPolicy lets everybody do everything.
const openPolicy = `<allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/>
<allow receive_type="signal"/><allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/>`

// systemPolicy is what Debian's system bus lets everybody do, where no package
// says more (/usr/share/dbus-1/system.conf).
const systemPolicy = `<allow user="*"/><deny own="*"/><deny send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
<allow send_destination="org.freedesktop.DBus"/>`

// newBus starts a bus that daemons take for the system's, with files of policy
// as packages have them.
func newBus(t *testing.T, policy string, files ...string) *bus {
	t.Helper()
	needsRoot(t)
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		t.Skip("needs dbus-daemon: apt-get install dbus-daemon")
	}
	b := &bus{t: t, dir: must(os.MkdirTemp("/tmp", "keepgo-bus"))(t)}
	t.Cleanup(func() { os.RemoveAll(b.dir) })
	must(0, os.Chmod(b.dir, 0o755))(t) // others than root come too
	b.address = "unix:path=" + filepath.Join(b.dir, "socket")
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", b.address)
	text := "<busconfig><type>system</type><listen>" + b.address + "</listen><auth>EXTERNAL</auth><policy context=\"default\">" + policy + "</policy>"
	for _, f := range files {
		text += "<include>" + must(filepath.Abs(f))(t) + "</include>"
	}
	must(0, os.WriteFile(filepath.Join(b.dir, "bus.conf"), []byte(text+"</busconfig>"), 0o644))(t)
	b.start()
	t.Cleanup(b.end)
	return b
}

// start runs the bus, and listens there.
func (b *bus) start() {
	b.t.Helper()
	b.daemon = exec.Command("dbus-daemon", "--config-file="+filepath.Join(b.dir, "bus.conf"), "--nofork", "--nopidfile")
	must(0, b.daemon.Start())(b.t)
	if !netlab.Until(patience, func() (there bool) {
		var err error
		b.conn, err = dbus.Connect(b.address, dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
		return err == nil
	}) {
		b.t.Fatal("the bus does not start")
	}
	signals := make(chan *dbus.Signal, 16)
	b.conn.Signal(signals)
	must(0, b.conn.AddMatchSignal(dbus.WithMatchOption("path_namespace", "/org/keepalived")))(b.t)
	go func() {
		for s := range signals {
			b.mu.Lock()
			b.said = append(b.said, *s)
			b.mu.Unlock()
		}
	}()
}

// end ends the bus.
func (b *bus) end() {
	b.conn.Close()
	_ = b.daemon.Process.Kill()
	_ = b.daemon.Wait()
	os.Remove(filepath.Join(b.dir, "socket"))
}

// signals are those of a path since the bus began, without those that tell what
// was told before: keepalived's two threads tell the first states once or twice.
func (b *bus) signals(path string) (list []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.said {
		text := strings.TrimSpace(fmt.Sprintln(append([]any{s.Name[strings.LastIndex(s.Name, ".")+1:]}, s.Body...)...))
		again := len(list) > 0 && list[len(list)-1] == text
		if string(s.Path) == path && !again && text != "VrrpStatusChange 0" {
			list = append(list, text)
		}
	}
	return list
}

// hears waits for the next signal of a path to be one.
func (b *bus) hears(path, want string) {
	b.t.Helper()
	ok := netlab.Until(patience, func() bool {
		list := b.signals(path)
		return len(list) > 0 && list[len(list)-1] == want
	})
	if !ok {
		b.t.Fatalf("%s says %q, not %s", path, b.signals(path), want)
	}
}

// call calls a method by its full name and returns what comes of it: values,
// or the name of the error.
func (b *bus) call(path, method string, args ...any) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := b.conn.Object(busName, dbus.ObjectPath(path)).CallWithContext(ctx, method, 0, args...)
	var refused dbus.Error
	switch {
	case errors.As(c.Err, &refused):
		return refused.Name
	case c.Err != nil:
		return c.Err.Error()
	}
	return fmt.Sprint(c.Body)
}

// node is what Introspect tells.
type node struct {
	Nodes []struct {
		Name string `xml:"name,attr"`
	} `xml:"node"`
	Interfaces []struct {
		Name    string `xml:"name,attr"`
		Methods []struct {
			Name string `xml:"name,attr"`
			Args []arg  `xml:"arg"`
		} `xml:"method"`
		Signals []struct {
			Name string `xml:"name,attr"`
			Args []arg  `xml:"arg"`
		} `xml:"signal"`
		Properties []struct {
			Name   string `xml:"name,attr"`
			Type   string `xml:"type,attr"`
			Access string `xml:"access,attr"`
		} `xml:"property"`
	} `xml:"interface"`
}

type arg struct {
	Name      string `xml:"name,attr"`
	Type      string `xml:"type,attr"`
	Direction string `xml:"direction,attr"`
}

// walk describes every node from a path on.
func (b *bus) walk(path string, all map[string]node) {
	var text string
	var n node
	err := b.conn.Object(busName, dbus.ObjectPath(path)).Call("org.freedesktop.DBus.Introspectable.Introspect", 0).Store(&text)
	if err = errors.Join(err, xml.Unmarshal([]byte(text), &n)); err != nil {
		b.t.Fatalf("%s: %v", path, err)
	}
	for _, below := range n.Nodes {
		b.walk(strings.TrimSuffix(path, "/")+"/"+below.Name, all)
	}
	n.Nodes = nil // their order is nobody's business
	all[path] = n
}

// owned tells whether a name is somebody's.
func (b *bus) owned(name string) (is bool) {
	_ = b.conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, name).Store(&is)
	return is
}

// busConf is a director with an instance on an interface whose name is no part
// of a path, and one of IPv6.
func busConf(first string, second int) string {
	return fmt.Sprintf("global_defs {\n enable_dbus\n script_user root\n}\n"+
		"vrrp_instance %s {\n interface odd.0-1\n virtual_router_id 51\n advert_int 1\n priority 200\n virtual_ipaddress {\n  10.77.0.100/24\n }\n}\n"+
		"vrrp_instance VI-6 {\n interface eth0\n virtual_router_id %d\n priority 200\n virtual_ipaddress {\n  fe80::77\n }\n}\n", first, second)
}

// oddLink gives a director an interface with dots in its name.
func (d *director) oddLink() {
	d.w.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "odd.0-1"
	d.w.do(d.Netlink().LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "peer"}))
	for _, name := range []string{"peer", attrs.Name} {
		d.oddUp(name, true)
	}
	l := must(d.Netlink().LinkByName(attrs.Name))(d.w.t)
	a := must(netlink.ParseAddr("10.77.0.1/24"))(d.w.t)
	d.w.do(d.Netlink().AddrAdd(l, a))
}

func (d *director) oddUp(name string, up bool) {
	d.w.t.Helper()
	l := must(d.Netlink().LinkByName(name))(d.w.t)
	if up {
		d.w.do(d.Netlink().LinkSetUp(l))
	} else {
		d.w.do(d.Netlink().LinkSetDown(l))
	}
}

// busCalls are calls whose answers programs see.
var busCalls = []struct {
	path, method string
	args         []any
}{
	{busOf1, "org.freedesktop.DBus.Properties.GetAll", []any{busName + ".Instance"}},
	{busOf1, "org.freedesktop.DBus.Properties.Get", []any{busName + ".Instance", "Name"}},
	{busOf1, "org.freedesktop.DBus.Properties.Get", []any{busName + ".Instance", "State"}},
	{busOf1, "org.freedesktop.DBus.Properties.Get", []any{busName + ".Instance", "Nope"}},
	{busOf1, "org.freedesktop.DBus.Properties.Get", []any{"org.example.Nope", "State"}},
	{busOf1, "org.freedesktop.DBus.Properties.Get", []any{uint32(1)}},
	{busOf1, "org.freedesktop.DBus.Properties.Set", []any{busName + ".Instance", "Name", dbus.MakeVariant("x")}},
	{busOf1, "org.freedesktop.DBus.Properties.Nope", nil},
	{busOf1, "org.freedesktop.DBus.Introspectable.Introspect", []any{"x"}},
	{busOf1, "org.freedesktop.DBus.Peer.Ping", nil},
	{busOf1, busName + ".Instance.SendGarp", nil},
	{busOf1, busName + ".Instance.SendGarp", []any{"x"}},
	{busOf1, busName + ".Instance.Nope", nil},
	{busOf1, busName + ".Vrrp.PrintData", nil},
	{busOf1, "org.example.Nope.Nope", nil},
	{busOf2, "org.freedesktop.DBus.Properties.GetAll", []any{busName + ".Instance"}},
	{busOf3, "org.freedesktop.DBus.Properties.GetAll", []any{busName + ".Instance"}},
	{busGeneral, "org.freedesktop.DBus.Properties.GetAll", []any{busName + ".Vrrp"}},
	{busGeneral, "org.freedesktop.DBus.Properties.GetAll", []any{busName + ".Instance"}},
	{busGeneral, busName + ".Vrrp.PrintData", nil},
	{busGeneral, busName + ".Vrrp.PrintStats", nil},
	{busGeneral, busName + ".Vrrp.PrintStatsClear", nil},
	{busGeneral, busName + ".Vrrp.CreateInstance", []any{"a", "eth0", uint32(9), uint32(4)}},
	{busGeneral, busName + ".Instance.SendGarp", nil},
	{"/org/keepalived/Vrrp1/Instance", busName + ".Instance.SendGarp", nil},
	{"/org/keepalived/Vrrp1/Instance", "org.freedesktop.DBus.Properties.GetAll", []any{busName + ".Instance"}},
	{"/nowhere", busName + ".Vrrp.PrintData", nil},
}

// life is what a daemon shows on the bus in a life.
type life struct {
	Nodes   []map[string]node
	Answers [][]string
	Signals map[string][]string
}

// look keeps how everything is.
func (l *life) look(b *bus) {
	nodes, answers := map[string]node{}, []string(nil)
	b.walk("/", nodes)
	for _, c := range busCalls {
		answers = append(answers, fmt.Sprintf("%s %s(%v): %s", c.path, c.method, c.args, b.call(c.path, c.method, c.args...)))
	}
	l.Nodes, l.Answers = append(l.Nodes, nodes), append(l.Answers, answers)
}

// liveOnBus leads a daemon through a life: it starts, loses an interface, is
// reloaded over the bus with an instance under another name and one with another
// number, and stops.
func liveOnBus(t *testing.T, who daemon) (l life) {
	b := newBus(t, openPolicy)
	w := newWorld(t, who, ours)
	t.Setenv("TMPDIR", w.lab.Dir)
	d := w.a
	d.oddLink()
	d.configure(busConf("VI_1", 52))
	d.start()
	const change = "VrrpStatusChange "
	b.hears(busOf1, change+"2")
	b.hears(busOf2, change+"2")
	l.look(b)
	d.oddUp("odd.0-1", false)
	b.hears(busOf1, change+"3")
	l.look(b)
	d.oddUp("odd.0-1", true)
	b.hears(busOf1, change+"2")
	d.configure(busConf("other", 53))
	if answer := b.call(busGeneral, busName+".Vrrp.ReloadConfig"); answer != "[]" {
		t.Errorf("ReloadConfig: %s", answer)
	}
	b.hears(busOf3, change+"2")
	b.hears(busOf1, change+"2") // both are BACKUP for as long, and so this is no word from before
	l.look(b)
	d.stop()
	b.hears(busGeneral, "VrrpStopped")
	l.Signals = map[string][]string{}
	for _, path := range []string{busGeneral, busOf1, busOf2, busOf3} {
		l.Signals[path] = b.signals(path)
	}
	w.eventually("the bus sees that it is gone", func() bool { return !b.owned(busName) })
	return l
}

// TestBusAsKeepalived: whoever looks at keepalived on D-Bus sees of keepgo the
// same: objects, interfaces, values, errors and signals.
func TestBusAsKeepalived(t *testing.T) {
	var lives []life
	for _, who := range []daemon{theirs, ours} {
		t.Run(string(who), func(t *testing.T) { lives = append(lives, liveOnBus(t, who)) })
	}
	if len(lives) != 2 {
		t.Skip("there is nothing to compare with")
	}
	if diff := cmp.Diff(lives[0], lives[1]); diff != "" {
		t.Errorf("keepalived (-), keepgo (+):\n%s", diff)
	}
	if n := len(lives[1].Signals[busOf1]); n < 6 {
		t.Errorf("only %d signals of %s", n, busOf1)
	}
}

// TestBusReload: the name on the bus is that of the configuration in force, an
// order to announce an address is obeyed, and a bus that was restarted is found
// again.
func TestBusReload(t *testing.T) {
	b := newBus(t, openPolicy)
	w := newWorld(t, ours, ours)
	conf := func(more string) string { return "global_defs {\n" + more + "}\n" + lone }
	w.a.configure(conf("enable_dbus\n"))
	w.a.start()
	path := "/org/keepalived/Vrrp1/Instance/eth0/51/IPv4"
	b.hears(path, "VrrpStatusChange 2")
	r := router{link: lanLink, vip: vip4}
	w.eventually("the address is announced in the round of a new master", func() bool { return len(w.garpsOf(r, time.Time{})) >= 10 })
	since := time.Now()
	if answer := b.call(path, busName+".Instance.SendGarp"); answer != "[]" {
		t.Errorf("SendGarp: %s", answer)
	}
	w.eventually("the address is announced once more", func() bool { return len(w.garpsOf(r, since)) == 1 })

	w.a.configure(conf("enable_dbus\ndbus_service_name org.example.Vrrp\n"))
	w.a.reload()
	w.eventually("it has the other name alone", func() bool { return b.owned("org.example.Vrrp") && !b.owned(busName) })
	w.a.configure(conf(""))
	w.a.reload()
	w.eventually("it has no name", func() bool { return !b.owned("org.example.Vrrp") })
	b.hears(busGeneral, "VrrpStopped")
	w.a.configure(conf("enable_dbus\n"))
	w.a.reload()
	w.eventually("it is back", func() bool { return strings.Count(w.a.proc.Log(), "D-Bus: here as "+busName) == 2 })

	b.end()
	w.a.logs("the bus closed the connection; tried again")
	w.a.rereads(strings.Replace(conf("enable_dbus\n"), "VI_1", "NEW", 1))
	b.start()
	w.eventually("it is back", func() bool { return b.owned(busName) })
	w.eventually("it tells the new name", func() bool {
		return strings.Contains(b.call(path, "org.freedesktop.DBus.Properties.Get", busName+".Instance", "Name"), "NEW")
	})
	w.a.stop()
}

// garpsOf are the announcements of the first director.
func (w *world) garpsOf(r router, since time.Time) []netlab.ARP {
	return slices.DeleteFunc(w.sniff.ARPs(since), func(a netlab.ARP) bool {
		return a.From != w.a.Host || !a.Gratuitous() || a.Sender != r.vip
	})
}

// TestBusIsForRoot: others may look and hear, and give no orders, under the
// policy of the package and where a policy lets everybody in.
func TestBusIsForRoot(t *testing.T) {
	for name, b := range map[string]func(*testing.T) *bus{
		"package": func(t *testing.T) *bus { return newBus(t, systemPolicy, "../packaging/dbus-policy.conf") },
		"open":    func(t *testing.T) *bus { return newBus(t, openPolicy) },
	} {
		t.Run(name, func(t *testing.T) {
			b := b(t)
			w := newWorld(t, ours, ours)
			t.Setenv("TMPDIR", w.lab.Dir)
			w.a.configure("global_defs {\n enable_dbus\n}\n" + lone)
			w.a.start()
			path := "/org/keepalived/Vrrp1/Instance/eth0/51/IPv4"
			b.hears(path, "VrrpStatusChange 2")
			if out := b.nobody(path, "org.freedesktop.DBus.Properties.Get", "string:"+busName+".Instance", "string:State"); !strings.Contains(out, "Master") {
				t.Errorf("the state for nobody: %s", out)
			}
			if out := b.nobody("/", "org.freedesktop.DBus.Introspectable.Introspect"); !strings.Contains(out, "node name=") {
				t.Errorf("the tree for nobody: %s", out)
			}
			for _, order := range []string{"PrintData", "PrintStats", "PrintStatsClear", "ReloadConfig"} {
				if out := b.nobody(busGeneral, busName+".Vrrp."+order); !strings.Contains(out, "org.freedesktop.DBus.Error.AccessDenied") {
					t.Errorf("%s by nobody: %s", order, out)
				}
			}
			if out := b.nobody(path, busName+".Instance.SendGarp"); !strings.Contains(out, "org.freedesktop.DBus.Error.AccessDenied") {
				t.Errorf("SendGarp by nobody: %s", out)
			}
			if answer := b.call(busGeneral, busName+".Vrrp.PrintStats"); answer != "[]" {
				t.Errorf("PrintStats by root: %s", answer)
			}
			if _, err := os.Stat(filepath.Join(w.lab.Dir, "keepalived.stats")); err != nil {
				t.Error(err)
			}
			if strings.Contains(w.a.proc.Log(), "told to ReloadConfig") {
				t.Error("it obeyed nobody")
			}
			w.a.stop()
		})
	}
}

// nobody calls a method as a user without rights, and returns what is answered.
func (b *bus) nobody(path, method string, args ...string) string {
	cmd := exec.Command("dbus-send", append([]string{"--bus=" + b.address, "--print-reply", "--dest=" + busName, path, method}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	return fmt.Sprintf("%s%v", out, err)
}
