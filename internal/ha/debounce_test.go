package ha

import (
	"testing"
	"time"

	"keepgo/confparse"
)

// delayed is a node whose eth0 must be down for d to count, as a BACKUP.
func delayed(t *testing.T, in *confparse.Instance, d time.Duration) *desk {
	t.Helper()
	cfg := &confparse.Config{
		Instances:       []*confparse.Instance{in},
		InterfaceDelays: []confparse.InterfaceDelay{{Interface: "eth0", Down: d, Up: d}},
	}
	k := newDesk(t, cfg, "eth0")
	k.step(Event{Kind: EventStart})
	return k
}

// down sets a link down and tells after what time that counts, up to limit.
func (d *desk) down(name string, index int, limit time.Duration) time.Duration {
	begin := d.now
	l := up(name, index)
	l.Up = false
	d.step(Event{Kind: EventLink, Link: l})
	for d.now-begin < limit && d.state(0) != "FAULT" {
		d.until(10 * time.Millisecond)
	}
	return d.now - begin
}

// TestDelayLearned: a master that says more often that it is there gives
// interfaces less time, even such a change under way.
func TestDelayLearned(t *testing.T) {
	in := instance("VI_1", 1)
	in.Version = 3
	d := delayed(t, in, 1500*time.Millisecond)
	if got := d.down("eth0", 1, 5*time.Second); got != 1500*time.Millisecond {
		t.Errorf("with our own interval it took %v", got)
	}
	d = delayed(t, in, 1500*time.Millisecond)
	d.node.members[0].plan.Advert.Interval = 200 * time.Millisecond // what the other says
	d.hear(200)
	if got := d.down("eth0", 1, 5*time.Second); got != 400*time.Millisecond {
		t.Errorf("with a master of 200 ms it took %v", got)
	}
	d = delayed(t, in, 1500*time.Millisecond)
	d.down("eth0", 1, 100*time.Millisecond)
	d.node.members[0].plan.Advert.Interval = 100 * time.Millisecond
	d.hear(200)
	d.until(99 * time.Millisecond)
	if d.state(0) == "FAULT" {
		t.Error("it counts before two intervals of the master")
	}
	d.until(time.Millisecond)
	if d.state(0) != "FAULT" {
		t.Errorf("it is %s two intervals of the master later", d.state(0))
	}
}

// TestDelayOfDevice: a VMAC changes as slowly as the interface below it.
func TestDelayOfDevice(t *testing.T) {
	in := instance("VI_1", 1)
	in.UseVMAC = true
	d := delayed(t, in, time.Second)
	d.step(Event{Kind: EventLink, Link: up("vrrp.1", 7)})
	d.step(Event{Kind: EventDevice, ID: 1, Device: DeviceKey{Parent: "eth0"}, Link: Link{Name: "vrrp.1", Index: 7}})
	if got := d.down("vrrp.1", 7, 5*time.Second); got != time.Second {
		t.Errorf("it took %v", got)
	}
}

// TestDelayReload: a delay that the new plan does not have ends at once.
func TestDelayReload(t *testing.T) {
	in := instance("VI_1", 1)
	d := delayed(t, in, time.Second)
	d.down("eth0", 1, 100*time.Millisecond)
	d.step(Event{Kind: EventReload, Plan: Build(&confparse.Config{Instances: []*confparse.Instance{in}})})
	d.until(0)
	if d.state(0) != "FAULT" {
		t.Errorf("%s after the reload", d.state(0))
	}
}
