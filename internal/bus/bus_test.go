package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

const service = "org.keepalived.Vrrp1"

// pair is two instances.
func pair(first, second State) *Presence {
	return &Presence{Service: service, Instances: []Instance{
		{Name: "VI_1", Interface: "eth0.10", VRID: 51, State: first},
		{Name: "VI_2", Interface: "eth1", VRID: 52, IPv6: true, State: second},
	}}
}

const (
	general = "/org/keepalived/Vrrp1/Vrrp"
	first   = "/org/keepalived/Vrrp1/Instance/eth0_10/51/IPv4"
	second  = "/org/keepalived/Vrrp1/Instance/eth1/52/IPv6"
	change  = " VrrpStatusChange "
)

// TestLife: a whole life, as those hear it who listen.
func TestLife(t *testing.T) {
	f := newFake(t, socketIn(t))
	d := newSubject(t, f.address)
	d.Tell("VI_1", Master, false) // nobody is shown yet
	d.Set(pair(Backup, Backup), false)
	f.hears(general+" VrrpStarted", first+change+"1", second+change+"1")
	d.Tell("VI_1", Master, false)
	d.Tell("nobody", Master, false)
	f.hears(first + change + "2")
	f.call(general, generalInterface, "ReloadConfig")
	d.Tell("VI_2", Fault, true) // a reload takes it away
	d.Tell("VI_2", Backup, false)
	next := pair(Master, Init)
	next.Instances[0].Name, next.Instances[1].VRID = "NEW", 54
	d.Set(next, true)
	third := "/org/keepalived/Vrrp1/Instance/eth1/54/IPv6"
	f.hears(second+change+"3", general+" VrrpReloaded", third+change+"0")
	d.Set(next, false) // the process was replaced: nothing is new
	d.Tell("NEW", Stop, false)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d.Close(ctx)
	f.hears(first+change+"98", general+" VrrpStopped")
	if ctx.Err() != nil || !slices.Equal(f.names, []string{service}) || !slices.Equal(d.orders, []string{"ReloadConfig"}) {
		t.Errorf("%v, names %q, orders %q", ctx.Err(), f.names, d.orders)
	}
}

// TestAnotherName: whoever is to be on the bus under another name, or not at
// all, says goodbye first.
func TestAnotherName(t *testing.T) {
	f := newFake(t, socketIn(t))
	d := newSubject(t, f.address)
	d.Set(pair(Master, Backup), false)
	f.hears(general+" VrrpStarted", first+change+"2", second+change+"1")
	other := pair(Master, Backup)
	other.Service, other.Scope = "org.example.Other", []string{"net-ns", "a"}
	d.Set(other, true)
	const scope = "/org/keepalived/Vrrp1/net_ns/a"
	f.hears(general+" VrrpStopped", scope+"/Vrrp VrrpStarted", scope+"/Instance/eth0_10/51/IPv4"+change+"2", scope+"/Instance/eth1/52/IPv6"+change+"1")
	d.Set(nil, false)
	f.hears(scope + "/Vrrp VrrpStopped")
	if !slices.Equal(f.names, []string{service, "org.example.Other"}) {
		t.Errorf("names %q", f.names)
	}
}

// TestBusComesAndGoes: a bus that is not there yet, or no more, is told of once
// and found again; who comes to it then hears how everything is.
func TestBusComesAndGoes(t *testing.T) {
	path := socketIn(t)
	d := newSubject(t, "unix:path="+path)
	d.Set(pair(Backup, Backup), false)
	eventually(t, "it is told", func() bool { return d.says("connect: no such file") == 1 })
	d.Tell("VI_1", Master, false)
	f := newFake(t, path)
	f.hears(general+" VrrpStarted", first+change+"2", second+change+"1")
	f.close()
	eventually(t, "it is told", func() bool { return d.says("the bus closed the connection") == 1 })
	d.Tell("VI_1", Fault, false)
	newFake(t, path).hears(general+" VrrpStarted", first+change+"3", second+change+"1")
	if d.says("no such file")+d.says("refused") > 2 || d.says("here as "+service) != 2 {
		t.Errorf("it logged %q", d.logged)
	}
}

// TestClosedBy: that the bus has gone is told in the same words, whether reading
// or writing noticed it first.
func TestClosedBy(t *testing.T) {
	ends := func(code syscall.Errno) error {
		return &net.OpError{Op: "write", Err: os.NewSyscallError("write", code)}
	}
	for err, want := range map[error]bool{
		dbus.ErrClosed:           true,
		ends(syscall.EPIPE):      true,
		ends(syscall.ECONNRESET): true,
		ends(syscall.EMSGSIZE):   false,
		nil:                      false,
	} {
		if closedBy(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}

// TestNameTaken: another program's name is not taken from it, and told once.
func TestNameTaken(t *testing.T) {
	f := newFake(t, socketIn(t))
	f.taken = true
	d := newSubject(t, f.address)
	d.Set(pair(Backup, Backup), false)
	eventually(t, "it tries again", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.names) > 1 })
	if d.says("another program has the name "+service) != 1 || len(f.said) > 0 {
		t.Errorf("it logged %q, and said %q", d.logged, f.said)
	}
}

// TestBusHangs: a bus that takes nothing keeps nobody waiting. What does not
// fit is left out, and told.
func TestBusHangs(t *testing.T) {
	f := newFake(t, socketIn(t))
	f.deaf = true
	d := newSubject(t, f.address)
	d.Set(pair(Backup, Backup), false)
	eventually(t, "it is there", func() bool { return d.says("here as") == 1 })
	told := make(chan struct{})
	go func() {
		for i := range 100 * leastQueue {
			d.Tell("VI_1", State(1+i%2), false)
		}
		d.Set(pair(Master, Backup), true)
		close(told)
	}()
	select {
	case <-told:
	case <-time.After(time.Minute):
		t.Fatal("it waits for the bus")
	}
	d.Door.mu.Lock()
	waiting := len(d.queue)
	d.Door.mu.Unlock()
	if waiting > leastQueue || d.says("takes no signals") > 1 {
		t.Errorf("%d signals wait; it logged %q", waiting, d.logged)
	}
	eventually(t, "it gives up", func() bool { return d.says("i/o timeout") > 0 })
}

// TestCalls: every method, and what is answered to mistakes.
func TestCalls(t *testing.T) {
	d := newSubject(t, "unix:path=/nowhere")
	d.Set(pair(Master, Backup), false)
	root := func(context.Context) (uint32, error) { return 0, nil }
	for _, c := range []struct {
		call
		want string
	}{
		{call{path: general, iface: generalInterface, member: "PrintData"}, "[]"},
		{call{path: general, iface: generalInterface, member: "PrintStatsClear"}, "[]"},
		{call{path: first, iface: instanceInterface, member: "SendGarp"}, "[]"},
		{call{path: general, iface: generalInterface, member: "CreateInstance", signature: "ssuu"}, errUnknownMethod},
		{call{path: general, iface: instanceInterface, member: "SendGarp"}, errUnknownMethod},
		{call{path: first, iface: generalInterface, member: "PrintData"}, errUnknownMethod},
		{call{path: "/org", iface: generalInterface, member: "PrintData"}, errUnknownMethod},
		{call{path: first, iface: "", member: "SendGarp"}, errUnknownMethod},
		{call{path: first, iface: instanceInterface, member: "SendGarp", signature: "s", args: []any{"x"}}, errInvalidArgs},
		{call{path: second, iface: properties, member: "Get", signature: "ss", args: []any{instanceInterface, "Name"}}, `[("VI_2",)]`},
		{call{path: first, iface: properties, member: "Get", signature: "ss", args: []any{instanceInterface, "State"}}, `[@(us) (2, "Master",)]`},
		{call{path: first, iface: properties, member: "Get", signature: "ss", args: []any{instanceInterface, "Nope"}}, errInvalidArgs},
		{call{path: first, iface: properties, member: "Get", signature: "ss", args: []any{generalInterface, "Name"}}, errInvalidArgs},
		{call{path: first, iface: properties, member: "Set", signature: "ssv", args: []any{instanceInterface, "Name", dbus.MakeVariant("x")}}, errInvalidArgs},
		{call{path: general, iface: properties, member: "GetAll", signature: "s", args: []any{generalInterface}}, "[map[]]"},
		{call{path: general, iface: properties, member: "GetAll", signature: "s", args: []any{instanceInterface}}, errInvalidArgs},
		{call{path: "/org", iface: properties, member: "GetAll", signature: "s", args: []any{instanceInterface}}, errUnknownMethod},
		{call{path: "/org", iface: introspectable, member: "Introspect", signature: "u", args: []any{uint32(1)}}, errUnknownMethod},
	} {
		c.caller = root
		values, err := d.answer(&c.call)
		have := fmt.Sprint(values)
		if err != nil {
			have = err.(dbus.Error).Name
		}
		if have != c.want {
			t.Errorf("%s %s.%s(%v): %s, not %s", c.path, c.iface, c.member, c.args, have, c.want)
		}
	}
	if want := []string{"PrintData", "PrintStatsClear", "SendGarp VI_1"}; !slices.Equal(d.orders, want) {
		t.Errorf("orders %q, not %q", d.orders, want)
	}
	d.refuse = errors.New("not now")
	if _, err := d.answer(&call{path: general, iface: generalInterface, member: "PrintData", caller: root}); err == nil || err.Error() != "PrintData: not now" {
		t.Errorf("refused with %v", err)
	}
	d.Set(nil, false)
	if _, err := d.answer(&call{path: general, iface: introspectable, member: "Introspect", caller: root}); err == nil {
		t.Error("it answers when nothing is shown")
	}
}

// TestOnlyRootGivesOrders: others may look.
func TestOnlyRootGivesOrders(t *testing.T) {
	f := newFake(t, socketIn(t))
	f.caller = 12345
	d := newSubject(t, f.address)
	d.Set(pair(Master, Backup), false)
	f.hears(general+" VrrpStarted", first+change+"2", second+change+"1")
	for _, member := range []string{"PrintData", "PrintStats", "PrintStatsClear", "ReloadConfig"} {
		if m := f.call(general, generalInterface, member); head(m, dbus.FieldErrorName) != errAccessDenied {
			t.Errorf("%s by another user: %v", member, m)
		}
	}
	if m := f.call(first, instanceInterface, "SendGarp"); head(m, dbus.FieldErrorName) != errAccessDenied {
		t.Errorf("SendGarp by another user: %v", m)
	}
	if m := f.call(first, properties, "Get", instanceInterface, "State"); m.Type != dbus.TypeMethodReply || m.Body[0].(dbus.Variant).Signature().String() != "(us)" {
		t.Errorf("State: %v", m)
	}
	if m := f.call(first, properties, "Get", instanceInterface, "Name"); m.Type != dbus.TypeMethodReply || m.Body[0].(dbus.Variant).Signature().String() != "(s)" {
		t.Errorf("Name: %v", m)
	}
	if len(d.orders) > 0 {
		t.Errorf("it obeyed: %q", d.orders)
	}
	f.caller = 0
	if m := f.call(general, generalInterface, "PrintData"); m.Type != dbus.TypeMethodReply || !slices.Equal(d.orders, []string{"PrintData"}) {
		t.Errorf("PrintData by root: %v, orders %q", m, d.orders)
	}
}

// TestCallsAreBounded: who calls more than is answered at a time is refused.
func TestCallsAreBounded(t *testing.T) {
	d := newSubject(t, "unix:path=/nowhere")
	d.Set(pair(Master, Backup), false)
	for range calls {
		d.places <- struct{}{}
	}
	_, err := d.answer(&call{path: "/", iface: introspectable, member: "Introspect"})
	if err == nil || err.(dbus.Error).Name != errLimits {
		t.Errorf("refused with %v", err)
	}
}

// TestPaths: names become parts of paths, and nodes are found from the root on.
func TestPaths(t *testing.T) {
	g := grow(&Presence{Service: service, Scope: []string{"ns.1", "blå"}, NoInterface: "any", Instances: []Instance{
		{Name: "a", Interface: "eth0.10@x", VRID: 1}, {Name: "b", VRID: 255, IPv6: true},
		{Name: "c", Interface: "eth0:10_x", VRID: 1}, {Name: "d", Interface: "br-lan", VRID: 1},
	}})
	const base = "/org/keepalived/Vrrp1/ns_1/bl_"
	var paths []string
	for _, o := range g.objects {
		paths = append(paths, o.path)
	}
	if want := []string{base + "/Instance/eth0_10_x/1/IPv4", base + "/Instance/any/255/IPv6", base + "/Instance/br_lan/1/IPv4"}; !slices.Equal(paths, want) {
		t.Errorf("paths %q, not %q", paths, want)
	}
	if !slices.Equal(g.hidden, []string{"c"}) || g.general != base+"/Vrrp" {
		t.Errorf("hidden %q, general %q", g.hidden, g.general)
	}
	for path, want := range map[string]string{
		"/": "org", "/org/keepalived/Vrrp1": "ns_1", base: "Instance Vrrp", base + "/Instance": "any br_lan eth0_10_x",
		base + "/Instance/any/255": "IPv6", base + "/Instance/any/255/IPv6": "", "/nowhere": "",
	} {
		if have := strings.Join(g.below[path], " "); have != want {
			t.Errorf("below %s is %q, not %q", path, have, want)
		}
		x := g.introspect(path)
		if strings.Count(x, "<node name=") != len(strings.Fields(want)) || strings.Contains(x, "SendGarp") != (g.byPath[path] != nil) {
			t.Errorf("%s is described as\n%s", path, x)
		}
	}
}

// TestAddresses of a bus.
func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"unix:path=/run/a%20b,guid=0123": "/run/a b",
		"unix:abstract=/tmp/x":           "@/tmp/x",
		"unix:guid=1":                    "",
		"tcp:host=localhost":             "",
		"unix:path=%zz":                  "",
	} {
		have, err := socket(address)
		if have != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", address, have, err)
		}
	}
	f := newFake(t, socketIn(t))
	c, err := dial("tcp:host=localhost;unix:path=/nowhere;" + f.address)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestStates: every state of an instance has its number and word.
func TestStates(t *testing.T) {
	for word, want := range map[string]string{"INIT": "0 Init", "BACKUP": "1 Backup", "MASTER": "2 Master", "FAULT": "3 Fault", "DELETED": "97 Deleted", "STOP": "98 Stop"} {
		s, ok := StateOf(word)
		if have := fmt.Sprintf("%d %v", uint32(s), s); have != want || !ok {
			t.Errorf("%s is %s, not %s", word, have, want)
		}
	}
	if _, ok := StateOf("MASTER_PRIORITY"); ok {
		t.Error("an event is taken for a state")
	}
	if State(7).String() != "Unknown" {
		t.Error("7 is no state")
	}
}
