package ha

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
	"keepgo/vrrp"
)

// TestGreeting: a unicast instance that returns from FAULT announces the address
// it speaks from, for its peers may have another station for it; one of
// multicast, and any at its start, does not.
func TestGreeting(t *testing.T) {
	for _, unicast := range []bool{true, false} {
		in := instance("VI_1", 51)
		if unicast {
			in.Peers = []confparse.Peer{{Addr: netip.MustParseAddr("10.0.0.9")}}
		}
		d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{in}}, "eth0")
		if got := d.step(Event{Kind: EventStart}); strings.Contains(got, "greets") {
			t.Errorf("at the start:\n%s", got)
		}
		down := up("eth0", 1)
		down.Up = false
		d.step(Event{Kind: EventLink, Link: down})
		if got := d.step(Event{Kind: EventLink, Link: up("eth0", 1)}); strings.Contains(got, "VI_1 greets") != unicast {
			t.Errorf("unicast %v, after a fault:\n%s", unicast, got)
		}
	}
}

// TestRivalCostsNothing: a rival that goes on is answered without making up
// words for each of its adverts.
func TestRivalCostsNothing(t *testing.T) {
	in := instance("VI_1", 51)
	in.Reannounce, in.GARP.LowerRepeat = true, 5
	d := newDesk(t, &confparse.Config{Instances: []*confparse.Instance{in}}, "eth0")
	d.step(Event{Kind: EventStart})
	d.until(10 * time.Second)
	d.hear(50)
	m := d.node.members[0]
	p := m.plan.Advert
	p.Priority = 50
	src, dst := netip.MustParseAddr("10.0.0.2"), m.plan.Group
	w, _ := m.wire()
	ev := Event{Kind: EventPacket, Packet: &Packet{Wire: w, Arrival: vrrp.Arrival{Src: src, Dst: dst, TTL: 255, Data: p.AppendTo(nil, src, dst)}}}
	acts := make([]Action, 0, 16)
	if n := testing.AllocsPerRun(100, func() { acts = d.node.Step(d.now, ev, acts[:0]) }); n > 0 {
		t.Errorf("%v allocations for each advert of a rival", n)
	}
}
