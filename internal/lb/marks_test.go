package lb

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"keepgo/confparse"
)

// grouped is a virtual server of a group.
func grouped(name string, servers ...*confparse.RealServer) *confparse.VirtualServer {
	return &confparse.VirtualServer{Group: name, Protocol: confparse.TCP, Scheduler: "rr", Servers: servers, Quorum: 1}
}

// marks are the marks of a plan, by address.
func marks(p *Plan) string {
	var all []string
	for k, m := range p.Marks() {
		all = append(all, fmt.Sprintf("%s=%d", k, m))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func marking(v ...*confparse.VirtualServer) *confparse.Config {
	cfg := &confparse.Config{VirtualServers: v}
	cfg.Global.NFTIPVS = confparse.NFTIPVS{Table: "t", Priority: -7, FirstMark: 1000}
	for _, v := range v {
		if v.Group != "" {
			cfg.ServerGroups = append(cfg.ServerGroups, group(v.Group, span("10.9.0."+v.Group, "10.9.0."+v.Group, 80), span("fd00::"+v.Group, "fd00::"+v.Group, 80)))
		}
	}
	return cfg
}

// TestMarks: a group is one service of each family, by a mark that nothing else
// has and that it keeps.
func TestMarks(t *testing.T) {
	direct := rs(1, 1)
	direct.Forward = confparse.Direct
	cfg := marking(grouped("1", direct, rs(2, 1)), vs(1, rs(3, 1)), grouped("2", rs(1, 1)))
	cfg.ServerGroups[0].Entries = append(cfg.ServerGroups[0].Entries, confparse.GroupEntry{FWMark: 1001}, span("10.9.0.1", "10.9.0.3", 80))
	cfg.ServerGroups[1].Entries = append(cfg.ServerGroups[1].Entries, span("10.9.0.3", "10.9.0.3", 80), span("10.1.0.1", "10.1.0.1", 80))
	p, services, faults := built(cfg)
	expect(t, "services", services, lines("0 2 FWM 1000", "0 FWM 1000", "0 FWM 1001", "1 2 [10.1.0.1]:tcp:80", "2 FWM 1002"))
	expect(t, "marks", marks(p), "[10.9.0.1]:tcp:80=1000 [10.9.0.2]:tcp:80=1000 [10.9.0.3]:tcp:80=1000 "+
		"[fd00::1]:tcp:80=1000 [fd00::2]:tcp:80=1002")
	const there = " already; its servers are added there, and the first scheduler counts"
	expect(t, "findings", faults, lines("virtual_server [2]:0: warning: [10.9.0.2]:tcp:80 belongs to virtual server [1]:0"+there,
		"virtual_server [2]:0: warning: [10.1.0.1]:tcp:80 belongs to virtual server [10.1.0.1]:tcp:80"+there))
	n, _ := NewNode(p, nil)
	var ports []string
	for k := range n.Want(1).Destinations {
		ports = append(ports, fmt.Sprint(k.Addr, " ", k.Port))
	}
	slices.Sort(ports)
	expect(t, "ports", strings.Join(ports, ", "), "10.0.0.1 0, 10.0.0.2 80")
}

func TestMarksStay(t *testing.T) {
	load := func(v ...*confparse.VirtualServer) *Plan {
		p, _ := Build(marking(v...))
		return p
	}
	g := func(name string) *confparse.VirtualServer { return grouped(name, rs(1, 1)) }
	n, _ := NewNode(load(g("1"), g("2")), nil)
	expect(t, "start", marks(n.Plan()), "[10.9.0.1]:tcp:80=1000 [10.9.0.2]:tcp:80=1001 [fd00::1]:tcp:80=1000 [fd00::2]:tcp:80=1001")
	acts := n.Step(Event{Kind: EventReload, Plan: load(g("3"), g("2"))}, nil)
	expect(t, "one replaced", marks(n.Plan()), "[10.9.0.2]:tcp:80=1001 [10.9.0.3]:tcp:80=1000 [fd00::2]:tcp:80=1001 [fd00::3]:tcp:80=1000")
	if strings.Contains(told(acts), "remove") {
		t.Errorf("a service goes that another needs:\n%s", told(acts))
	}
	own := &confparse.VirtualServer{FWMark: 1001, Quorum: 1, Scheduler: "rr", Servers: []*confparse.RealServer{rs(1, 1)}}
	n.Step(Event{Kind: EventReload, Plan: load(g("2"), g("3"), own)}, nil)
	expect(t, "a mark that the configuration takes", marks(n.Plan()), "[10.9.0.2]:tcp:80=1002 [10.9.0.3]:tcp:80=1000 [fd00::2]:tcp:80=1002 [fd00::3]:tcp:80=1000")
	state := through(t, n.State())
	again, _ := NewNode(load(g("4"), g("3"), g("2"), own), &state)
	expect(t, "another process", marks(again.Plan()), "[10.9.0.2]:tcp:80=1002 [10.9.0.3]:tcp:80=1000 [10.9.0.4]:tcp:80=1003 "+
		"[fd00::2]:tcp:80=1002 [fd00::3]:tcp:80=1000 [fd00::4]:tcp:80=1003")
}
