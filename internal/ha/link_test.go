package ha

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
	"keepgo/vrrp"
)

func addrs(list ...string) (out []netip.Addr) {
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

// TestSource is the address adverts leave from, as addresses come and go.
func TestSource(t *testing.T) {
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}}, "eth0")
	d.step(Event{Kind: EventStart})
	for _, c := range []struct {
		addrs []netip.Addr
		want  string
	}{
		{addrs("10.0.0.1"), "10.0.0.1"},
		{addrs("10.0.0.2", "10.0.0.1"), "10.0.0.1"}, // as long as it stands
		{addrs("10.0.0.101", "fe80::1", "10.0.0.2"), "10.0.0.2"},
		{addrs("10.0.0.101", "fe80::1"), "10.0.0.2"}, // nothing is left but to hand over
		{addrs("10.0.0.3"), "10.0.0.3"},
	} {
		l := up("eth0", 1)
		l.Addresses = c.addrs
		d.step(Event{Kind: EventLink, Link: l})
		w, ok := d.node.Wire(1)
		if !ok || w.Source.String() != c.want {
			t.Errorf("with %v it speaks from %v, not %s", c.addrs, w.Source, c.want)
		}
		fault := d.state(0) == "FAULT"
		if fault != (len(c.addrs) == 2 && c.want == "10.0.0.2") {
			t.Errorf("with %v it is %s", c.addrs, d.state(0))
		}
	}
}

// TestSource6 takes the link-local address alone.
func TestSource6(t *testing.T) {
	in := instance("VI_1", 1)
	in.IPv6, in.Version = true, 3
	in.Addresses[0].Prefix = netip.MustParsePrefix("fe80::100/64")
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{in}})
	l := up("eth0", 1)
	l.Addresses = addrs("10.0.0.1", "2001:db8::1", "fe80::100", "fe80::1")
	d.step(Event{Kind: EventLink, Link: l})
	d.step(Event{Kind: EventStart})
	if w, ok := d.node.Wire(1); !ok || w.Source != netip.MustParseAddr("fe80::1") {
		t.Errorf("it speaks from %v", w.Source)
	}
}

// TestTrackSource follows an address without an interface over all of them.
func TestTrackSource(t *testing.T) {
	in := instance("VI_1", 1)
	in.Interface, in.TrackSource, in.Source = "", true, netip.MustParseAddr("192.0.2.1")
	in.Peers = []confparse.Peer{{Addr: netip.MustParseAddr("192.0.2.2"), MaxTTL: 255}}
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{in}}, "eth0", "eth1")
	d.step(Event{Kind: EventStart})
	if r := d.node.Status(0, time.Time{})[0].Reason; r != "source address 192.0.2.1 is not on any interface" {
		t.Errorf("the reason is %q", r)
	}
	l := up("eth1", 2)
	l.Addresses = append(l.Addresses, in.Source)
	d.step(Event{Kind: EventLink, Link: l})
	if d.state(0) != "BACKUP" {
		t.Errorf("%s with the address", d.state(0))
	}
	l.Addresses = l.Addresses[:1]
	d.step(Event{Kind: EventLink, Link: l})
	if d.state(0) != "FAULT" {
		t.Errorf("%s without the address", d.state(0))
	}
}

// TestVRF binds a unicast instance to a VRF, and needs it.
func TestVRF(t *testing.T) {
	in := instance("VI_1", 1)
	in.Interface, in.VRF, in.Source = "", "red", netip.MustParseAddr("192.0.2.1")
	in.Peers = []confparse.Peer{{Addr: netip.MustParseAddr("192.0.2.2"), MaxTTL: 255}}
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{in}}, "eth0")
	d.step(Event{Kind: EventStart})
	if _, ok := d.node.Wire(1); ok || d.state(0) != "FAULT" {
		t.Errorf("%s and a socket %v without the VRF", d.state(0), ok)
	}
	d.step(Event{Kind: EventLink, Link: up("red", 9)})
	w, ok := d.node.Wire(1)
	if !ok || w.Link != "red" || w.Index != 9 || d.state(0) != "BACKUP" {
		t.Errorf("%s on %+v", d.state(0), w)
	}
}

// TestNoMulticast faults who cannot be heard.
func TestNoMulticast(t *testing.T) {
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1)}})
	l := up("eth0", 1)
	l.Unicast = true
	d.step(Event{Kind: EventLink, Link: l})
	d.step(Event{Kind: EventStart})
	if d.state(0) != "FAULT" {
		t.Error(d.state(0))
	}
}

// TestBuffers adds up what the instances on one socket ask for.
func TestBuffers(t *testing.T) {
	for _, c := range []struct {
		policy confparse.ReceiveBuffer
		own    int
		want   int
	}{
		{confparse.ReceiveBuffer{Multiplier: 3}, 0, 0},
		{confparse.ReceiveBuffer{Multiplier: 3, Bytes: 5000, MTU: true}, 0, 10000},
		{confparse.ReceiveBuffer{Multiplier: 3, Bytes: 5000}, 700, 5700},
		{confparse.ReceiveBuffer{Multiplier: 3, MTU: true, Advert: true}, 0, 2 * 3 * 1500},
		{confparse.ReceiveBuffer{Multiplier: 4, MTU: true}, 100, 4*1500 + 100},
		{confparse.ReceiveBuffer{Multiplier: 3, Advert: true}, 0, 2 * 3 * 40},
	} {
		one, two := instance("VI_1", 1), instance("VI_2", 2)
		one.ReceiveBuffer = c.own
		cfg := &confparse.Config{Instances: []*confparse.Instance{one, two}}
		cfg.Global.ReceiveBuffer = c.policy
		d := newDesk(t, cfg)
		l := up("eth0", 1)
		l.MTU = 1500
		d.step(Event{Kind: EventLink, Link: l})
		d.step(Event{Kind: EventStart})
		w, _ := d.node.Wire(1)
		if got := d.node.Wires()[w].Buffer; got != c.want {
			t.Errorf("%+v and %d: %d bytes, not %d", c.policy, c.own, got, c.want)
		}
		if c.policy.MTU && c.policy.Bytes == 0 {
			l.MTU = 9000
			acts := d.node.Step(d.now, Event{Kind: EventLink, Link: l}, nil)
			if len(acts) != 1 || acts[0].Kind != ActWires {
				t.Errorf("another MTU: %+v", acts)
			}
		}
	}
}

// TestStrangers tells of virtual routers nobody here is: once, then once a
// minute with their number.
func TestStrangers(t *testing.T) {
	cfg := &confparse.Config{Instances: []*confparse.Instance{instance("VI_1", 1), instance("VI_2", 2)}}
	cfg.Global.LogUnknownVRIDs = true
	cfg.Instances[1].Source = netip.MustParseAddr("10.0.0.50") // another socket hears the same adverts
	d := newDesk(t, cfg, "eth0")
	d.step(Event{Kind: EventStart})
	w, _ := d.node.Wire(1)
	if v := d.node.Wires()[w].VRIDs; v != nil {
		t.Errorf("the socket hears %v alone", v)
	}
	hear := func(vrid uint8) string {
		p := vrrp.Packet{Version: 2, VRID: vrid, Priority: 1, Interval: time.Second}
		src, dst := netip.MustParseAddr("10.0.0.9"), w.Group
		return d.step(Event{Kind: EventPacket, Packet: &Packet{
			Wire: w, Arrival: vrrp.Arrival{Src: src, Dst: dst, TTL: 255, Data: p.AppendTo(nil, src, dst)},
		}})
	}
	same(t, hear(77), "log Unknown VRID(77) received on interface(eth0) from 10.0.0.9, ignoring")
	same(t, hear(77)+hear(77)+hear(2), "")
	d.now += time.Minute
	same(t, hear(77), "log Unknown VRID(77) received on interface(eth0) from 10.0.0.9, ignoring; 3 adverts since it was told last")
	cfg.Global.LogUnknownVRIDs = false
	d.step(Event{Kind: EventReload, Plan: Build(cfg)})
	if v := d.node.Wires()[w].VRIDs; !reflect.DeepEqual(v, []uint8{1}) || strings.Contains(hear(78), "Unknown") {
		t.Errorf("switched off, the socket hears %v", v)
	}
}

// TestPolls: who is asked for a link.
func TestPolls(t *testing.T) {
	one, two := instance("VI_1", 1), instance("VI_2", 2)
	one.TrackInterfaces = []confparse.Track{{Name: "eth1"}}
	two.Interface, two.Addresses[0].Interface, two.LinkbeatPolling = "eth2", "eth2", true
	cfg := &confparse.Config{
		Instances: []*confparse.Instance{one, two},
		Linkbeats: []confparse.Linkbeat{{Interface: "eth1", Method: "MII"}, {Interface: "eth9"}},
	}
	if got, want := Build(cfg).Polls, (map[string]string{"eth1": "MII", "eth2": ""}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	cfg.Global.LinkbeatPolling = true
	if got, want := Build(cfg).Polls, (map[string]string{"eth0": "", "eth1": "MII", "eth2": ""}); !reflect.DeepEqual(got, want) {
		t.Errorf("with all: got %v, want %v", got, want)
	}
}
