package lb

import (
	"fmt"
	"net/netip"
	"testing"

	"keepgo/confparse"
	"keepgo/ipvsctl"
)

func TestTrafficIsSummedOverAGroup(t *testing.T) {
	v := &confparse.VirtualServer{Group: "web", Protocol: confparse.TCP, Servers: []*confparse.RealServer{rs(1, 1), rs(2, 1)}, Quorum: 1}
	p, _, _ := built(&confparse.Config{
		ServerGroups:   []*confparse.ServerGroup{group("web", span("10.1.0.1", "10.1.0.2", 80), span("10.1.0.9", "10.1.0.9", 80))},
		VirtualServers: []*confparse.VirtualServer{v},
	})
	n, _ := NewNode(p, nil)
	load := func(c uint64, active uint32) ipvsctl.Load {
		return ipvsctl.Load{Counters: ipvsctl.Counters{Connections: c, BytesIn: 10 * c}, Active: active, Inactive: 1}
	}
	key := func(a string) ipvsctl.ServiceKey {
		return ipvsctl.ServiceKey{Protocol: 6, Addr: netip.MustParseAddr(a), Port: 80}
	}
	first := p.Pools[0].Config.Servers[0].Key
	usage := map[ipvsctl.ServiceKey]ipvsctl.Usage{
		key("10.1.0.1"): {Counters: load(5, 0).Counters, Servers: map[ipvsctl.DestKey]ipvsctl.Load{first: load(3, 2)}},
		key("10.1.0.2"): {Counters: load(7, 0).Counters, Servers: map[ipvsctl.DestKey]ipvsctl.Load{first: load(4, 1)}},
		key("10.9.9.9"): {Counters: load(9, 0).Counters},
	}
	s := n.Status()
	p.Traffic(s, usage)
	if s[0].Traffic == nil || s[0].Servers[0].Traffic == nil || s[0].Servers[1].Traffic != nil {
		t.Fatalf("status %+v", s)
	}
	got := fmt.Sprintf("%+v %+v", *s[0].Traffic, *s[0].Servers[0].Traffic)
	want := "{Connections:12 PacketsIn:0 PacketsOut:0 BytesIn:120 BytesOut:0 Active:0 Inactive:0 Persistent:0 Rates:<nil>} " +
		"{Connections:7 PacketsIn:0 PacketsOut:0 BytesIn:70 BytesOut:0 Active:3 Inactive:2 Persistent:0 Rates:<nil>}"
	expect(t, "traffic", got, want)
}
