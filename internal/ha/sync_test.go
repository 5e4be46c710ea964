package ha

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
	"keepgo/ipvsctl"
)

func TestSyncFollowsItsInstance(t *testing.T) {
	cfg := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1), instance("VI_2", 2)}}
	cfg.Global.LVSSync = &confparse.SyncDaemon{Interface: "eth1", Instance: "VI_2", ID: -1}
	d := newDesk(t, cfg, "eth0")
	same(t, d.step(Event{Kind: EventStart}), `
		syncs eth1 2: backup
		VI_1 cleans 1
		log (VI_1) Entering BACKUP STATE (init)
		notify VI_1 BACKUP 100
		VI_2 cleans 1
		log (VI_2) Entering BACKUP STATE (init)
		notify VI_2 BACKUP 100`)
	syncs(t, d, "backup")
	d.until(4 * time.Second)
	syncs(t, d, "master")
	if got := d.step(Event{Kind: EventLink, Link: Link{Name: "eth0", Index: 1, Exists: true}}); role(d) != "backup" {
		t.Errorf("in FAULT %s: %s", role(d), got)
	}
	d.step(Event{Kind: EventLink, Link: up("eth0", 1)})
	d.until(4 * time.Second)
	syncs(t, d, "master")

	other := *cfg
	other.Global.LVSSync = &confparse.SyncDaemon{Interface: "eth1", Instance: "VI_1", ID: 51, MaxLen: 900, Port: 9000, TTL: 3, Group: netip.MustParseAddr("224.0.0.99")}
	d.step(Event{Kind: EventReload, Plan: Build(&other)})
	want := ipvsctl.SyncWant{Roles: ipvsctl.SyncMaster, Sync: ipvsctl.Sync{Link: "eth1", ID: 51, MaxLen: 900, Port: 9000, TTL: 3, Group: netip.MustParseAddr("224.0.0.99")}}
	if got, _ := d.node.Sync(); got != want {
		t.Errorf("after the reload %+v, want %+v", got, want)
	}
	if first, _, _ := strings.Cut(d.step(Event{Kind: EventStop}), "\n"); first != "syncs  0: none" {
		t.Errorf("the stop begins with %q", first)
	}
}

func TestSyncGoesWithItsLine(t *testing.T) {
	cfg := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}}
	cfg.Instances[0].LVSSyncInterface = "eth2"
	cfg.Global.LVSRepair = true
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	want := ipvsctl.SyncWant{Roles: ipvsctl.SyncBackup, Sync: ipvsctl.Sync{Link: "eth2", ID: 1}}
	if got, repair := d.node.Sync(); got != want || !repair {
		t.Errorf("by the instance: %+v, want %+v", got, want)
	}
	plain := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}}
	same(t, d.step(Event{Kind: EventReload, Plan: Build(plain)}), `
		static holds 0
		syncs  0: none
		VI_1 holds 0`)

	for name, line := range map[string]*confparse.SyncDaemon{
		"without an instance": {Interface: "eth1"},
		"of nobody":           {Interface: "eth1", Instance: "VI_9"},
	} {
		cfg.Global.LVSSync = line
		if s := Build(cfg).Sync; s != nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func syncs(t *testing.T, d *desk, want string) {
	t.Helper()
	if got := role(d); got != want {
		t.Errorf("syncs as %s, want %s", got, want)
	}
}

func role(d *desk) string {
	w, _ := d.node.Sync()
	return w.Roles.String()
}
