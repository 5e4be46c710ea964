package ha

import (
	"net/netip"
	"testing"
	"time"

	"keepgo/vrrp"
)

func TestPeersForgetTheOldest(t *testing.T) {
	var p peers
	addr := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, i}) }
	for i := range byte(maxPeers) {
		p.meet(vrrp.Time(i)*time.Second, addr(i), 100, nil)
	}
	p.meet(10*time.Second, addr(0), 150, nil)
	p.meet(11*time.Second, addr(9), 50, vrrp.ErrChecksum)
	known := map[netip.Addr]peer{}
	for _, k := range p {
		known[k.addr] = k
	}
	if _, still := known[addr(1)]; still || len(p) != maxPeers {
		t.Errorf("%d known, the one that was silent longest among them: %v", len(p), still)
	}
	if known[addr(0)].priority != 150 || known[addr(9)].fault != vrrp.ErrChecksum {
		t.Errorf("known: %+v", known)
	}
	if n := testing.AllocsPerRun(100, func() { p.meet(12*time.Second, addr(9), 50, vrrp.ErrTTL) }); n != 0 {
		t.Errorf("an advert costs %v allocations", n)
	}
}
