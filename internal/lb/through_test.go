package lb

import (
	"fmt"
	"net/netip"
	"testing"

	"keepgo/confparse"
	"keepgo/ipvsctl"
)

// atVIP is a check with through_vip, as confparse leaves it: without an address.
func atVIP(kind confparse.CheckKind) *confparse.Checker {
	return &confparse.Checker{Kind: kind, Through: true, DNS: &confparse.Question{Name: ".", Type: "SOA"}}
}

// by has servers reached in one way.
func by(f confparse.Forward, v *confparse.VirtualServer) *confparse.VirtualServer {
	for _, s := range v.Servers {
		s.Forward = f
	}
	return v
}

// ways writes the paths of a plan and the checks that take them.
func ways(p *Plan) string {
	s := ""
	for _, path := range p.Paths {
		for k, d := range path.Entry.Destinations {
			s += fmt.Sprintf("%#x %t: %s forward %d, checks %v\n", path.Service.FWMark-firstPathMark, path.Service.IPv6, k.Addr, d.Forward, path.Checks)
		}
	}
	for _, c := range p.Checks {
		if c.Probe.Via.IsValid() {
			s += fmt.Sprintf("%d: %s via %s mark %#x\n", c.ID, c.Probe.Target, c.Probe.Via, c.Probe.Mark-firstPathMark)
		}
	}
	return s
}

func TestThroughPaths(t *testing.T) {
	named := atVIP(confparse.TCPCheck)
	named.Addr, named.Port = netip.MustParseAddr("10.1.0.77"), 81
	cfg := planned(
		by(confparse.Direct, vs(1, rs(1, 1, atVIP(confparse.TCPCheck), tcp()), rs(2, 1, atVIP(confparse.DNSCheck)))),
		by(confparse.Direct, vs(2, rs(1, 1, atVIP(confparse.TCPCheck)))),
		by(confparse.Tunnel, vs(3, rs(1, 1, named))),
		by(confparse.Tunnel, &confparse.VirtualServer{Group: "g", Protocol: confparse.TCP, Quorum: 1, Servers: []*confparse.RealServer{rs(3, 1, atVIP(confparse.TCPCheck))}}),
	)
	cfg.ServerGroups = []*confparse.ServerGroup{group("g", span("10.1.1.1", "10.1.1.2", 443), span("10.1.1.1", "10.1.1.1", 80), confparse.GroupEntry{FWMark: firstPathMark + 1})}
	p, _, faults := built(cfg)
	expect(t, "faults", faults, "")
	expect(t, "ways", ways(p), "0x0 false: 10.0.0.1 forward 3, checks [0 3]\n0x2 false: 10.0.0.2 forward 3, checks [2]\n"+
		"0x3 false: 10.0.0.1 forward 2, checks [4]\n0x4 false: 10.0.0.3 forward 2, checks [5 6]\n"+
		"0: 10.1.0.1:80 via 10.0.0.1 mark 0x0\n2: 10.1.0.1:80 via 10.0.0.2 mark 0x2\n3: 10.1.0.2:80 via 10.0.0.1 mark 0x0\n"+
		"4: 10.1.0.77:81 via 10.0.0.1 mark 0x3\n5: 10.1.1.1:443 via 10.0.0.3 mark 0x4\n6: 10.1.1.2:443 via 10.0.0.3 mark 0x4\n")
	if p.Switches[acceptLocal] != "1" || len(p.PathTable()) != 4 {
		t.Errorf("switches %v, table %v", p.Switches, p.PathTable())
	}
	if p.Checks[0].Sharing() == p.Checks[3].Sharing() {
		t.Error("probes at two virtual addresses are shared")
	}
}

// TestThroughMarksStay: a probe that stays keeps its mark, and so its verdict,
// whatever comes before it; what goes leaves nothing behind.
func TestThroughMarksStay(t *testing.T) {
	both := func() *confparse.Config {
		return planned(by(confparse.Direct, vs(1, rs(1, 1, atVIP(confparse.TCPCheck)), rs(2, 1, atVIP(confparse.TCPCheck)))))
	}
	two := planned(by(confparse.Direct, vs(1, rs(2, 1, atVIP(confparse.TCPCheck)))))
	p, _ := Build(both())
	n, _ := NewNode(p, nil)
	n.Step(down(1), nil)
	p, _ = Build(two)
	n.Step(Event{Kind: EventReload, Plan: p}, nil)
	expect(t, "ways", ways(n.plan), "0x1 false: 10.0.0.2 forward 3, checks [0]\n0: 10.1.0.1:80 via 10.0.0.2 mark 0x1\n")
	expect(t, "table", table(n, 0), "")

	state := n.State()
	p, _ = Build(both())
	n, _ = NewNode(p, &state)
	expect(t, "table after a crash", table(n, 0), "r1=1")
	state = n.State()
	p, _ = Build(planned(vs(9, rs(1, 1))))
	_, acts := NewNode(p, &state)
	gone := map[ipvsctl.ServiceKey]bool{}
	for _, a := range acts {
		if a.Kind == ActRemove {
			gone[a.Key] = true
		}
	}
	for _, k := range []ipvsctl.ServiceKey{{FWMark: firstPathMark}, {FWMark: firstPathMark + 1}, vs1} {
		if !gone[k] {
			t.Errorf("%s is left behind: %v", k, gone)
		}
	}
	if len(gone) != 3 {
		t.Errorf("removed: %v", gone)
	}
}

// vs1 is the service of vs(1).
var vs1 = ipvsctl.ServiceKey{Protocol: 6, Addr: netip.MustParseAddr("10.1.0.1"), Port: 80}

func TestThroughRefused(t *testing.T) {
	ns := "lvs"
	six := rs(1, 1, atVIP(confparse.TCPCheck))
	six.Addr = netip.MustParseAddr("fd00::1")
	every := rs(1, 1, atVIP(confparse.TCPCheck))
	every.Port = 0
	for want, cfg := range map[string]*confparse.Config{
		"it needs the kernel's IPVS, which lvs_data_plane nftables does without":                                          {Global: confparse.Global{DataPlane: confparse.PlaneNFTables}, VirtualServers: planned(vs(1, rs(1, 1, atVIP(confparse.TCPCheck)))).VirtualServers},
		"it needs IPVS in the network namespace of the checks: leave out net_namespace_ipvs":                              {Global: confparse.Global{NamespaceIPVS: &ns}, VirtualServers: planned(vs(1, rs(1, 1, atVIP(confparse.TCPCheck)))).VirtualServers},
		"a firewall mark has no address to ask at: name one with connect_ip":                                              planned(&confparse.VirtualServer{FWMark: 5, Servers: []*confparse.RealServer{rs(1, 1, atVIP(confparse.TCPCheck))}}),
		"the service has every port: name one with connect_port":                                                          planned(&confparse.VirtualServer{Addr: vs1.Addr, Protocol: confparse.TCP, Servers: []*confparse.RealServer{every}}),
		"the server has another address family than 10.1.0.1: name the address that its answers are to reach with bindto": planned(vs(1, six)),
		"the group has more than 64 addresses: name one with connect_ip":                                                  {ServerGroups: []*confparse.ServerGroup{group("g", span("10.1.0.0", "10.1.0.255", 80))}, VirtualServers: planned(&confparse.VirtualServer{Group: "g", Protocol: confparse.TCP, Servers: []*confparse.RealServer{rs(1, 1, atVIP(confparse.TCPCheck))}}).VirtualServers},
	} {
		p, found := Build(cfg)
		said := false
		for _, f := range found {
			said = said || f.Err.Error() == "through_vip: "+want
		}
		if !said || len(p.Checks)+len(p.Paths) > 0 {
			t.Errorf("want %q, got %v; %d checks", want, found, len(p.Checks))
		}
	}
}
