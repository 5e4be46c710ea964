package daemon

import (
	"net/netip"
	"testing"
	"time"

	"keepgo/internal/ha"
	"keepgo/vip/garp"
	"keepgo/vip/rtnl"
)

func TestSpacingsAreOfGroups(t *testing.T) {
	all := spacings([]ha.Spacing{
		{Links: []string{"eth0", "eth1"}, Interval: time.Second, GNAInterval: time.Minute},
		{Links: []string{"eth1", "eth2"}, Interval: time.Hour},
	})
	first := spacing{-1, time.Second, time.Minute}
	if all["eth0"] != first || all["eth1"] != first || all["eth2"] != (spacing{lane: -2, arp: time.Hour}) {
		t.Errorf("got %v", all)
	}
}

func TestExtraIsWhereNoAdvertLeaves(t *testing.T) {
	own, other, vmac := rtnl.Link{Index: 3}, rtnl.Link{Index: 4}, rtnl.Link{Index: 5, Below: 4}
	for _, tt := range []struct {
		voice voice
		want  [3]bool
	}{
		{voice{link: 3, Announce: &ha.Announce{}}, [3]bool{}},
		{voice{link: 3, Announce: &ha.Announce{Extra: time.Second}}, [3]bool{false, false, true}},
		{voice{link: 3, Announce: &ha.Announce{Extra: time.Second, ExtraAll: true}}, [3]bool{false, true, true}},
		{voice{link: 5, Announce: &ha.Announce{Extra: time.Second}}, [3]bool{}},
	} {
		if got := [3]bool{tt.voice.extra(&own), tt.voice.extra(&other), tt.voice.extra(&vmac)}; got != tt.want {
			t.Errorf("%+v: got %v", tt.voice, got)
		}
	}
}

func TestNewsIsAnotherStation(t *testing.T) {
	one := garp.Target{IfIndex: 3, HardwareAddr: [6]byte{2}, Addr: netip.MustParseAddr("10.0.0.1")}
	s := &speaker{targets: []garp.Target{one}}
	for name, change := range map[string]func(*garp.Target){
		"address": func(t *garp.Target) { t.Addr = t.Addr.Next() },
		"MAC":     func(t *garp.Target) { t.HardwareAddr[0] = 4 },
		"link":    func(t *garp.Target) { t.IfIndex = 4 },
	} {
		other := one
		if change(&other); !s.news([]garp.Target{one, other}) {
			t.Errorf("another %s is no news", name)
		}
	}
	other := one
	other.Router, other.Spacing, other.Lane = true, time.Second, -1
	if s.news([]garp.Target{other}) || s.news(nil) {
		t.Error("the same station is news")
	}
}
