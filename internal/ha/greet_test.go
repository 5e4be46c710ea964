package ha

import (
	"net/netip"
	"strings"
	"testing"

	"keepgo/confparse"
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
