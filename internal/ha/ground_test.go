package ha

import (
	"strings"
	"testing"

	"keepgo/confparse"
)

// twins are two instances of one number on interfaces of their own.
func twins(t *testing.T, allow bool) *desk {
	t.Helper()
	one, two := instance("VI_1", 1), instance("VI_2", 1)
	two.Interface, two.Addresses[0].Interface = "eth1", "eth1"
	cfg := &confparse.Config{Instances: []*confparse.Instance{one, two}}
	cfg.Global.DynamicInterfaces, cfg.Global.AllowIfChanges = true, allow
	d := newDesk(t, cfg, "eth0", "eth1")
	d.step(Event{Kind: EventStart})
	if d.state(0) != "BACKUP" || d.state(1) != "BACKUP" {
		t.Fatalf("%s and %s apart", d.state(0), d.state(1))
	}
	return d
}

// move puts eth1 on the wire of another interface, "" for its own.
func (d *desk) move(below string) string {
	d.step(Event{Kind: EventLink, Link: Link{Name: "eth1"}})
	l := up("eth1", 9)
	l.Below = below
	return d.step(Event{Kind: EventLink, Link: l})
}

// TestSharedWire: an interface that comes back on another's wire brings two
// routers of one number together; who was there goes on.
func TestSharedWire(t *testing.T) {
	d := twins(t, true)
	d.move("eth0")
	if d.state(0) != "BACKUP" || d.state(1) != "FAULT" {
		t.Errorf("%s and %s together", d.state(0), d.state(1))
	}
	if r := d.node.members[1].reason; r != "virtual_router_id 1 is that of VI_1 on the wire of eth0" {
		t.Errorf("the reason is %q", r)
	}
	d.step(Event{Kind: EventLink, Link: Link{Name: "eth0"}}) // the first one's interface goes
	if d.state(0) != "FAULT" || d.state(1) != "BACKUP" {
		t.Errorf("%s and %s, the first without its interface", d.state(0), d.state(1))
	}
	d.step(Event{Kind: EventLink, Link: up("eth0", 1)})
	if d.state(0) != "FAULT" || d.state(1) != "BACKUP" {
		t.Errorf("%s and %s, the first back", d.state(0), d.state(1))
	}
	d.move("")
	if d.state(0) != "BACKUP" || d.state(1) != "BACKUP" {
		t.Errorf("%s and %s apart again", d.state(0), d.state(1))
	}
}

// TestAllowIfChanges: without it an interface must stay what it was, until a
// reload looks anew.
func TestAllowIfChanges(t *testing.T) {
	d := twins(t, false)
	d.move("eth7")
	if d.state(1) != "FAULT" || !strings.Contains(d.node.members[1].reason, "is above eth7 now and was one of its own") {
		t.Errorf("%s: %s", d.state(1), d.node.members[1].reason)
	}
	d.move("")
	if d.state(1) != "BACKUP" {
		t.Errorf("%s when it is again what it was", d.state(1))
	}
	d.move("eth7")
	d.step(Event{Kind: EventReload, Plan: d.node.plan})
	if d.state(1) != "BACKUP" {
		t.Errorf("%s after a reload", d.state(1))
	}
}

// TestAbsent: what is not there is told, once, with what to do.
func TestAbsent(t *testing.T) {
	for _, dynamic := range []bool{false, true} {
		one, two := instance("VI_1", 1), instance("VI_2", 2)
		cfg := &confparse.Config{Instances: []*confparse.Instance{one, two}}
		cfg.Global.DynamicInterfaces = dynamic
		cfg.InterfaceDelays = []confparse.InterfaceDelay{{Interface: "eth0"}, {Interface: "eth8"}}
		d := newDesk(t, cfg)
		told := d.step(Event{Kind: EventStart})
		if strings.Count(told, "interface eth0 does not exist") != 1 || strings.Contains(told, "dynamic_interfaces") == dynamic {
			t.Errorf("dynamic %v: %s", dynamic, told)
		}
		if !strings.Contains(told, "interface_up_down_delays: interface eth8 does not exist") || strings.Contains(told, "delays: interface eth0") {
			t.Errorf("of delays: %s", told)
		}
		d.step(Event{Kind: EventLink, Link: up("eth0", 1)})
		if d.state(0) != "BACKUP" || d.state(1) != "BACKUP" {
			t.Errorf("%s and %s when it has come", d.state(0), d.state(1))
		}
	}
}
