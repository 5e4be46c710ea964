package ha

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
	"keepgo/vrrp"
)

// desk drives one node by hand and keeps what it wants done as lines of text.
type desk struct {
	t    *testing.T
	node *Node
	now  vrrp.Time
}

func newDesk(t *testing.T, cfg *confparse.Config, links ...string) *desk {
	d := &desk{t: t, node: New(Build(cfg))}
	for i, name := range links {
		d.step(Event{Kind: EventLink, Link: up(name, i+1)})
	}
	return d
}

func up(name string, index int) Link {
	return Link{Name: name, Index: index, Exists: true, Up: true, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}
}

// step lets the node hear an event and returns what it wants, a line each.
func (d *desk) step(ev Event) string {
	d.t.Helper()
	var lines []string
	for _, a := range d.node.Step(d.now, ev, nil) {
		if s := d.words(a); s != "" {
			lines = append(lines, s)
		}
	}
	return strings.Join(lines, "\n")
}

func (d *desk) words(a Action) string {
	name := "static"
	if in := d.node.Planned(a.ID); in != nil {
		name = in.Name
	}
	switch a.Kind {
	case ActSend:
		return fmt.Sprintf("%s sends %d", name, a.Priority)
	case ActSettle:
		return fmt.Sprintf("%s holds %d", name, len(d.node.Addresses(a.ID)))
	case ActClean:
		return fmt.Sprintf("%s cleans %d", name, len(d.node.Placed(a.ID).Addresses))
	case ActAnnounce:
		return name + " announces"
	case ActRevise:
		return name + " revises"
	case ActSilence:
		return name + " is silent"
	case ActRepeat:
		return name + " announces again"
	case ActGreet:
		return name + " greets"
	case ActSync:
		w, _ := d.node.Sync()
		return fmt.Sprintf("syncs %s %d: %s", w.Link, w.ID, w.Roles)
	case ActNotify:
		return fmt.Sprintf("notify %s %s %d", a.Edge.Name, a.Edge.State, a.Edge.Priority)
	case ActFault:
		return fmt.Sprintf("%s: %v from %s", name, a.Fault, a.Text)
	case ActLog:
		if a.Detail {
			return "detail " + a.Text
		}
		return "log " + a.Text
	}
	return ""
}

// until ticks the node at each of its deadlines up to now+dt.
func (d *desk) until(dt time.Duration) string {
	end := d.now + dt
	var lines []string
	for d.node.Next() <= end {
		d.now = d.node.Next()
		if s := d.step(Event{Kind: EventTick}); s != "" {
			lines = append(lines, s)
		}
	}
	d.now = end
	return strings.Join(lines, "\n")
}

func (d *desk) state(i int) string { return d.node.Status(d.now, time.Time{})[i].State }

// hear hands the node an advert of another router for its first instance.
func (d *desk) hear(priority uint8) string {
	m := d.node.members[0]
	p := m.plan.Advert
	p.Priority = priority
	src, dst := netip.MustParseAddr("10.0.0.2"), m.plan.Group
	w, _ := m.wire()
	return d.step(Event{Kind: EventPacket, Packet: &Packet{
		Wire: w, Arrival: vrrp.Arrival{Src: src, Dst: dst, TTL: 255, Data: p.AppendTo(nil, src, dst)},
	}})
}

func instance(name string, vrid uint8) *confparse.Instance {
	return &confparse.Instance{
		Name: name, Interface: "eth0", VRID: vrid, Version: 2, Priority: 100,
		AdvertInt: time.Second, DownTimerAdverts: 3, UnicastTTL: 255,
		Group: netip.MustParseAddr("224.0.0.18"),
		Addresses: []confparse.Address{{
			Prefix: netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", 100+int(vrid))), Interface: "eth0",
		}},
	}
}

func same(t *testing.T, got, want string) {
	t.Helper()
	want = strings.TrimSpace(strings.ReplaceAll(want, "\t", ""))
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestTakeoverAndStop(t *testing.T) {
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}}, "eth0")
	same(t, d.step(Event{Kind: EventStart}), `VI_1 cleans 1
		log (VI_1) Entering BACKUP STATE (init)
		notify VI_1 BACKUP 100`)
	same(t, d.until(3700*time.Millisecond), `VI_1 sends 100
		VI_1 holds 1
		VI_1 announces
		detail (VI_1) Receive advertisement timeout
		log (VI_1) Entering MASTER STATE
		notify VI_1 MASTER 100`)
	same(t, d.hear(200), `VI_1 is silent
		VI_1 holds 0
		log (VI_1) Master received advert from 10.0.0.2 with higher priority 200, ours 100
		log (VI_1) Entering BACKUP STATE
		notify VI_1 BACKUP 100`)
	d.until(10 * time.Second)
	same(t, d.step(Event{Kind: EventStop}), `VI_1 sends 0
		detail (VI_1) sent 0 priority
		VI_1 is silent
		VI_1 holds 0
		notify VI_1 STOP 100`)
}

func TestLinkDownIsFault(t *testing.T) {
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}}, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(4 * time.Second)
	down := up("eth0", 1)
	down.Up = false
	same(t, d.step(Event{Kind: EventLink, Link: down}), `log Netlink reports eth0 down
		VI_1 sends 0
		detail (VI_1) sent 0 priority
		VI_1 is silent
		VI_1 holds 0
		log (VI_1) interface eth0 is down
		log (VI_1) Entering FAULT STATE
		notify VI_1 FAULT 100`)
	if got := d.hear(50); got != "" {
		t.Errorf("in FAULT an advert caused %q", got)
	}
	same(t, d.step(Event{Kind: EventLink, Link: up("eth0", 1)}), `log Netlink reports eth0 up
		log (VI_1) recovered from fault
		log (VI_1) Entering BACKUP STATE
		notify VI_1 BACKUP 100`)
}

func TestScriptWeightMovesPriority(t *testing.T) {
	in := instance("VI_1", 1)
	in.TrackScripts = []confparse.Track{{Name: "chk", Weight: -30}}
	cfg := &confparse.Config{
		Scripts:   []*confparse.Script{{Name: "chk", Rise: 2, Fall: 2}},
		Instances: []*confparse.Instance{in},
	}
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	d.step(Event{Kind: EventScript, OK: true})
	if got := d.step(Event{Kind: EventScript}); got != "" {
		t.Errorf("the first of two failures caused %q", got)
	}
	same(t, d.step(Event{Kind: EventScript}), `log VRRP_Script(chk) failed
		log (VI_1) Changing effective priority from 100 to 70`)
	d.step(Event{Kind: EventScript, OK: true})
	same(t, d.step(Event{Kind: EventScript, OK: true}), `log VRRP_Script(chk) succeeded
		log (VI_1) Changing effective priority from 70 to 100`)
}

func TestPriorityChangesAreTold(t *testing.T) {
	in := instance("VI_1", 1)
	in.NotifyPriorityChanges = true
	in.TrackScripts = []confparse.Track{{Name: "chk", Weight: 5}}
	cfg := &confparse.Config{Scripts: []*confparse.Script{{Name: "chk", Rise: 1, Fall: 1}}, Instances: []*confparse.Instance{in}}
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	same(t, d.step(Event{Kind: EventScript, OK: true}), `log VRRP_Script(chk) succeeded
		log (VI_1) Changing effective priority from 100 to 105
		notify VI_1 BACKUP_PRIORITY 105`)
}

func TestTrackedFile(t *testing.T) {
	for _, c := range []struct {
		weight   int
		reverse  bool
		value    int
		state    string
		priority uint8
	}{
		{1, false, 7, "BACKUP", 107},
		{2, false, -7, "BACKUP", 86},
		{2, true, 7, "BACKUP", 86},
		{1, false, -254, "FAULT", 100},
		{1, false, 300, "BACKUP", 254},
		{0, false, 1, "FAULT", 100},
		{0, true, 1, "BACKUP", 100},
	} {
		plan := Build(&confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}})
		plan.Files = []string{"f"}
		plan.Instances[0].Files = []Track{{Weight: c.weight, Reverse: c.reverse}}
		d := &desk{t: t, node: New(plan)}
		d.step(Event{Kind: EventLink, Link: up("eth0", 1)})
		d.step(Event{Kind: EventFile, Name: "f", Value: c.value})
		d.step(Event{Kind: EventStart})
		if got := d.node.Status(d.now, time.Time{})[0]; got.State != c.state || got.Priority != c.priority {
			t.Errorf("%+v: %s %d", c, got.State, got.Priority)
		}
	}
}

func TestTrackedProcess(t *testing.T) {
	plan := Build(&confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}})
	plan.Processes = []string{"haproxy"}
	plan.Instances[0].Processes = []Track{{}}
	d := &desk{t: t, node: New(plan)}
	d.step(Event{Kind: EventLink, Link: up("eth0", 1)})
	d.step(Event{Kind: EventStart})
	if d.state(0) != "INIT" {
		t.Errorf("before it is known whether the process runs: %s", d.state(0))
	}
	d.step(Event{Kind: EventProcess, Name: "haproxy", OK: true})
	d.until(4 * time.Second)
	if d.state(0) != "MASTER" {
		t.Errorf("while it runs: %s", d.state(0))
	}
	d.step(Event{Kind: EventProcess, Name: "haproxy"})
	if d.state(0) != "FAULT" {
		t.Errorf("after it ended: %s", d.state(0))
	}
}

func TestStartupDelayKeepsStill(t *testing.T) {
	plan := Build(&confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}})
	plan.StartupDelay = 20 * time.Second
	d := &desk{t: t, node: New(plan)}
	d.step(Event{Kind: EventLink, Link: up("eth0", 1)})
	d.now = time.Hour
	d.step(Event{Kind: EventStart})
	if d.until(19 * time.Second); d.state(0) == "MASTER" {
		t.Error("it is MASTER before the delay is over")
	}
	if d.until(6 * time.Second); d.state(0) != "MASTER" {
		t.Errorf("after the delay it is %s", d.state(0))
	}
}

func TestDeviceCarriesAddressesAndAdverts(t *testing.T) {
	in := instance("VI_1", 1)
	in.UseVMAC = true
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{in}}, "eth0")
	d.step(Event{Kind: EventStart})
	if dev := d.node.Devices(1); len(dev) != 1 || dev[0].Parent != "eth0" || !dev[0].NoIPv6 {
		t.Fatalf("device %+v", dev)
	}
	if d.until(time.Minute); d.state(0) != "INIT" {
		t.Errorf("without its device it is %s", d.state(0))
	}
	d.step(Event{Kind: EventLink, Link: Link{Name: "vrrp.1", Index: 7, Exists: true, Up: true}})
	d.step(Event{Kind: EventDevice, ID: 1, Device: DeviceKey{Parent: "eth0"}, Link: Link{Name: "vrrp.1", Index: 7}})
	d.until(4 * time.Second)
	if d.state(0) != "MASTER" {
		t.Fatalf("with its device it is %s", d.state(0))
	}
	if a := d.node.Addresses(1); len(a) != 1 || a[0].Link != "vrrp.1" {
		t.Errorf("addresses %v", a)
	}
	if w, ok := d.node.Wire(1); !ok || w.Link != "vrrp.1" || w.Index != 7 || w.Source.String() != "10.0.0.1" {
		t.Errorf("wire %+v", w)
	}
	if d.step(Event{Kind: EventDevice, ID: 1, Device: DeviceKey{Parent: "eth0"}}); d.state(0) != "FAULT" {
		t.Errorf("when its device is gone it is %s", d.state(0))
	}
	d.step(Event{Kind: EventDevice, ID: 1, Device: DeviceKey{Parent: "eth0"}, Link: Link{Name: "vrrp.1", Index: 8}})
	if d.state(0) != "BACKUP" {
		t.Errorf("when its device is back it is %s", d.state(0))
	}
	d.step(Event{Kind: EventStop})
	if len(d.node.Devices(1)) > 0 {
		t.Error("a stopped instance wants a device")
	}
}

func TestXmitBaseSpeaksThroughTheParent(t *testing.T) {
	in := instance("VI_1", 1)
	in.UseVMAC, in.VMAC.XmitBase = true, true
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{in}}, "eth0")
	d.step(Event{Kind: EventStart})
	d.step(Event{Kind: EventDevice, ID: 1, Device: DeviceKey{Parent: "eth0"}, Link: Link{Name: "vrrp.1", Index: 7}})
	d.until(4 * time.Second)
	if w, ok := d.node.Wire(1); !ok || w.Link != "eth0" || d.node.Addresses(1)[0].Link != "vrrp.1" {
		t.Errorf("wire %+v, addresses %v", w, d.node.Addresses(1))
	}
}

func TestReloadThatDropsTheDevice(t *testing.T) {
	with, without := instance("VI_1", 1), instance("VI_1", 1)
	with.UseVMAC = true
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{with}}, "eth0")
	d.step(Event{Kind: EventStart})
	d.step(Event{Kind: EventDevice, ID: 1, Device: DeviceKey{Parent: "eth0"}, Link: Link{Name: "vrrp.1", Index: 7}})
	d.until(4 * time.Second)
	d.step(Event{Kind: EventReload, Plan: Build(&confparse.Config{Instances: []*confparse.Instance{without}})})
	if w, _ := d.node.Wire(1); w.Link != "eth0" || len(d.node.Devices(1)) > 0 || d.node.Addresses(1)[0].Link != "eth0" {
		t.Errorf("wire %+v, device %v, addresses %v", w, d.node.Devices(1), d.node.Addresses(1))
	}
}

func TestUnrunScriptHoldsTheInstanceBack(t *testing.T) {
	in := instance("VI_1", 1)
	in.TrackScripts = []confparse.Track{{Name: "chk"}}
	cfg := &confparse.Config{
		Scripts:   []*confparse.Script{{Name: "chk", Rise: 1, Fall: 1}},
		Instances: []*confparse.Instance{in},
	}
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	if got := d.until(10 * time.Second); got != "" || d.state(0) != "INIT" {
		t.Errorf("before the script's first result: %q, state %s", got, d.state(0))
	}
	d.step(Event{Kind: EventScript, OK: true})
	if d.state(0) != "BACKUP" {
		t.Errorf("after a success the state is %s", d.state(0))
	}
	d.step(Event{Kind: EventScript})
	if d.state(0) != "FAULT" {
		t.Errorf("after a failure the state is %s", d.state(0))
	}
}

// TestFaultsAreToldOf: those who ask for it hear of every wrong packet, but not
// more often than is good for them.
func TestFaultsAreToldOf(t *testing.T) {
	in := instance("VI_1", 1)
	in.AuthType, in.AuthPass = confparse.AuthPass, "secret"
	cfg := &confparse.Config{Instances: []*confparse.Instance{in}}
	cfg.Global.SNMP.Traps, cfg.Global.SNMP.RFCv2 = true, true
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	d.node.members[0].plan.Advert.Auth = [8]byte{'w', 'r', 'o', 'n', 'g'}
	n := 0
	for range 30 {
		n += strings.Count(d.hear(200), "VI_1: wrong password from 10.0.0.")
		d.until(10 * time.Millisecond)
	}
	if n != 3 {
		t.Errorf("told of %d packets, not 3 in 300 ms", n)
	}
}

func TestBrokenPacketsAreToldOnceAndChangeNothing(t *testing.T) {
	in := instance("VI_1", 1)
	in.AuthType, in.AuthPass = confparse.AuthPass, "secret"
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{in}}, "eth0")
	d.step(Event{Kind: EventStart})
	d.node.members[0].plan.Advert.Auth = [8]byte{'w', 'r', 'o', 'n', 'g'}
	if got := d.hear(200); !strings.Contains(got, "auth_pass") {
		t.Errorf("a wrong password caused %q", got)
	}
	if got := d.hear(200); got != "" {
		t.Errorf("the second one caused %q", got)
	}
	if s := d.node.members[0].stats.Stats(); s.AuthFailure != 2 || s.AdvertRcvd != 0 {
		t.Errorf("counted %+v", s)
	}
	d.until(4 * time.Second)
	if d.state(0) != "MASTER" {
		t.Errorf("rejected adverts held the takeover back: %s", d.state(0))
	}
}

func TestReloadKeepsWhatStays(t *testing.T) {
	two := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1), instance("VI_2", 2)}}
	d := newDesk(t, two, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(4 * time.Second)
	same(t, d.step(Event{Kind: EventReload, Plan: Build(two)}), `static holds 0
		VI_1 holds 1
		VI_1 revises
		VI_2 holds 1
		VI_2 revises`)
	renamed := instance("renamed", 1)
	renamed.Addresses = append(renamed.Addresses, confparse.Address{
		Prefix: netip.MustParsePrefix("10.0.0.200/24"), Interface: "eth0",
	})
	next := &confparse.Config{Instances: []*confparse.Instance{renamed}}
	same(t, d.step(Event{Kind: EventReload, Plan: Build(next)}), `VI_2 sends 0
		detail (VI_2) sent 0 priority
		VI_2 is silent
		VI_2 holds 0
		notify VI_2 FAULT 100
		static holds 0
		renamed holds 2
		renamed announces`)
	if d.state(0) != "MASTER" {
		t.Errorf("the kept instance is %s", d.state(0))
	}
}

// With fifo_write_vrrp_states_on_reload a reload tells every state once, as new
// or again.
func TestReloadTellsStatesAgain(t *testing.T) {
	cfg := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1), instance("VI_2", 2)}}
	cfg.SyncGroups = []*confparse.SyncGroup{{Name: "G", Members: []string{"VI_2"}}}
	cfg.Global.FIFOOnReload = true
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(4 * time.Second)
	cfg.Instances = append(cfg.Instances, instance("VI_3", 3))
	var told []string
	for _, a := range d.node.Step(d.now, Event{Kind: EventReload, Plan: Build(cfg)}, nil) {
		if a.Kind == ActNotify {
			told = append(told, fmt.Sprint(a.Edge.Name, " ", a.Edge.State, " ", a.Edge.Again))
		}
	}
	slices.Sort(told)
	same(t, strings.Join(told, "\n"), `G MASTER true
		VI_1 MASTER true
		VI_2 MASTER true
		VI_3 BACKUP false`)
}

func TestResumeGoesOnSpeaking(t *testing.T) {
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1), instance("VI_2", 2)}}, "eth0")
	d.node.Resume([]string{"VI_2"})
	same(t, d.step(Event{Kind: EventStart}), `VI_1 cleans 1
		log (VI_1) Entering BACKUP STATE (init)
		notify VI_1 BACKUP 100
		log (VI_2) goes on after its process was replaced
		VI_2 holds 1
		VI_2 announces
		VI_2 sends 100`)
}

func TestResumeThatMustNotBeCleansUp(t *testing.T) {
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}})
	d.node.Resume([]string{"VI_1"})
	same(t, d.step(Event{Kind: EventStart}), `log (VI_1) interface eth0 does not exist, it is used once it appears; if that is meant, set 'dynamic_interfaces' in global_defs
		VI_1 cleans 1
		log (VI_1) entering FAULT state (interface eth0 is down)
		log (VI_1) Entering FAULT STATE (init)
		notify VI_1 FAULT 100`)
}

func TestSyncGroupMovesTogether(t *testing.T) {
	one, two := instance("VI_1", 1), instance("VI_2", 2)
	two.Interface = "eth1"
	two.Addresses[0].Interface = "eth1"
	cfg := &confparse.Config{
		Instances:  []*confparse.Instance{one, two},
		SyncGroups: []*confparse.SyncGroup{{Name: "G", Members: []string{"VI_1", "VI_2"}}},
	}
	d := newDesk(t, cfg, "eth0", "eth1")
	d.step(Event{Kind: EventStart})
	log := d.until(9 * time.Second)
	if !strings.Contains(log, "notify G MASTER 0") || d.state(0) != "MASTER" || d.state(1) != "MASTER" {
		t.Fatalf("the group did not become master: %s %s\n%s", d.state(0), d.state(1), log)
	}
	down := up("eth1", 2)
	down.Up = false
	log = d.step(Event{Kind: EventLink, Link: down})
	if d.state(0) != "FAULT" || d.state(1) != "FAULT" || !strings.Contains(log, "notify G FAULT 0") {
		t.Fatalf("after eth1 went down: %s %s\n%s", d.state(0), d.state(1), log)
	}
	d.step(Event{Kind: EventLink, Link: up("eth1", 2)})
	if d.state(0) != "BACKUP" || d.state(1) != "BACKUP" {
		t.Errorf("after eth1 came back: %s %s", d.state(0), d.state(1))
	}
}

func TestAdvertPathDoesNotAllocate(t *testing.T) {
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}}, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(4 * time.Second)
	acts := make([]Action, 0, 16)
	packet := make([]byte, 0, 128)
	dst := netip.MustParseAddr("224.0.0.18")
	allocs := testing.AllocsPerRun(100, func() {
		d.now = d.node.Next()
		acts = d.node.Step(d.now, Event{Kind: EventTick}, acts[:0])
		advert := acts[0].Compose(time.Time{})
		packet = advert.AppendTo(packet[:0], dst)
	})
	if allocs != 0 {
		t.Errorf("%v allocations an advert", allocs)
	}
}

func TestDeadlinesComeInOrder(t *testing.T) {
	var h deadlines
	members := make([]*member, 200)
	for i := range members {
		members[i] = &member{next: vrrp.Time((i * 7919) % 200)}
		h.add(members[i])
	}
	for i, m := range members {
		m.next = vrrp.Time((i * 104729) % 1000)
		h.file(m)
	}
	var got []vrrp.Time
	for range members {
		got = append(got, h.next())
		h.first().next = vrrp.Never
	}
	if !slices.IsSorted(got) {
		t.Errorf("deadlines came as %v", got)
	}
}
