package lb

import (
	"fmt"
	"maps"
	"net/netip"

	"keepgo/checker"
	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/ipvsctl"
)

// Path is the way to one server that probes with through_vip take: a service of
// IPVS by a mark that those probes alone have, with the server alone. It is no
// virtual server of the operator's.
type Path struct {
	Key     string // of the server and how packets reach it, across reloads
	Service ipvsctl.ServiceKey
	Entry   ipvsctl.Entry
	Checks  []int // indices into Plan.Checks
}

const (
	// firstPathMark is where the marks of paths begin, far from those that people
	// choose: "kg" in the upper half.
	firstPathMark = 0x6b670000
	// maxFaces bounds the addresses of a group that one check asks.
	maxFaces = 64
	// acceptLocal lets answers in that come from an address of this machine, as
	// those of DR and TUN do while it has the virtual address (ip-sysctl.rst of the
	// kernel, accept_local). IPv6 has no such rule.
	acceptLocal = "conf/all/accept_local"
)

// through plans a check with through_vip: one for each address of the service.
func (b *builder) through(c *confparse.Checker, p *Pool, rs *confparse.RealServer, check checker.Check, at spot) {
	faces, err := b.faces(c, rs)
	if err != nil {
		b.note(c.Pos, at, syntax.Failure, "the server counts as if it had no such check", "through_vip: %w", err)
		return
	}
	for _, face := range faces {
		one := *c
		one.Addr, one.Port = face.Addr(), face.Port()
		probe, ok := b.probe(&one, at)
		if !ok {
			return
		}
		probe.Via = rs.Addr.Unmap()
		check.Probe = probe
		i := b.path(p, rs, face.Addr().Is6())
		b.plan.Paths[i].Checks = append(b.plan.Paths[i].Checks, len(b.plan.Checks))
		b.add(check, Owner{Pool: len(b.plan.Pools), Server: len(p.Servers)})
	}
}

// faces are where clients find the service: connect_ip, or the addresses of the
// virtual server, each at the first of its ports.
func (b *builder) faces(c *confparse.Checker, rs *confparse.RealServer) (faces []netip.AddrPort, err error) {
	if err := b.marksSeen(); err != nil {
		return nil, err
	}
	keys := b.keysNow
	if c.Addr.IsValid() {
		keys = []ipvsctl.ServiceKey{{Addr: c.Addr, Port: keys[0].Port}}
	}
	seen := map[netip.Addr]bool{}
	for _, k := range keys {
		if k.FWMark != 0 || seen[k.Addr] {
			continue
		}
		seen[k.Addr] = true
		face := netip.AddrPortFrom(k.Addr, firstPort(c.Port, k.Port, rs.Port))
		switch {
		case face.Port() == 0:
			return nil, fmt.Errorf("the service has every port: name one with connect_port")
		case len(faces) == maxFaces:
			return nil, fmt.Errorf("the group has more than %d addresses: name one with connect_ip", maxFaces)
		case face.Addr().Is6() != rs.Addr.Unmap().Is6() && !c.BindAddr.IsValid():
			return nil, fmt.Errorf("the server has another address family than %s: name the address that its answers are to reach with bindto", face.Addr())
		}
		faces = append(faces, face)
	}
	if len(faces) == 0 {
		return nil, fmt.Errorf("a firewall mark has no address to ask at: name one with connect_ip")
	}
	return faces, nil
}

// marksSeen says why marks of probes would not reach IPVS, nil if they do.
func (b *builder) marksSeen() error {
	switch {
	case b.plan.DataPlane == confparse.PlaneNFTables:
		return fmt.Errorf("it needs the kernel's IPVS, which lvs_data_plane nftables does without")
	case b.cfg.Global.NamespaceIPVS != nil:
		return fmt.Errorf("it needs IPVS in the network namespace of the checks: leave out net_namespace_ipvs")
	}
	return nil
}

func firstPort(ports ...uint16) uint16 {
	for _, p := range ports {
		if p != 0 {
			return p
		}
	}
	return 0
}

// path is the index of the way to rs, as servers of p are reached.
func (b *builder) path(p *Pool, rs *confparse.RealServer, ipv6 bool) int {
	s := server(rs)
	d := ipvsctl.Destination{Weight: 1, Forward: s.Destination.Forward,
		TunnelType: s.Destination.TunnelType, TunnelPort: s.Destination.TunnelPort, TunnelFlags: s.Destination.TunnelFlags}
	key := fmt.Sprintf("through_vip %t %s %v", ipv6, s.Key.Addr, d)
	if i, stands := b.paths[key]; stands {
		return i
	}
	if b.paths == nil {
		b.paths = map[string]int{}
		b.plan.Switches = maps.Clone(b.plan.Switches)
	}
	i := len(b.plan.Paths)
	b.paths[key] = i
	b.plan.Paths = append(b.plan.Paths, Path{Key: key, Service: ipvsctl.ServiceKey{IPv6: ipv6}, Entry: ipvsctl.Entry{
		// A connection that ends leaves no trace that another server's probe
		// could meet: over UDP by this flag, over TCP by a reset.
		Service:      ipvsctl.Service{Scheduler: p.Config.Service.Scheduler, Flags: ipvsctl.FlagOnePacket},
		Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{{Addr: s.Key.Addr}: d},
	}})
	if !ipv6 {
		if b.plan.Switches == nil {
			b.plan.Switches = map[string]string{}
		}
		b.plan.Switches[acceptLocal] = "1"
	}
	return i
}

// PathTable is the services of all paths.
func (p *Plan) PathTable() ipvsctl.Table {
	t := make(ipvsctl.Table, len(p.Paths))
	for _, path := range p.Paths {
		t[path.Service] = path.Entry
	}
	return t
}

// markPaths gives paths the marks that they had, by Path.Key, and others to new
// ones, and their probes the same. Those in taken belong to services.
func (p *Plan) markPaths(had map[string]uint32, taken map[uint32]bool) {
	var others []int
	for i := range p.Paths {
		if mark := had[p.Paths[i].Key]; mark != 0 && !taken[mark] {
			p.markPath(i, mark, taken)
			continue
		}
		others = append(others, i)
	}
	next := uint32(firstPathMark)
	for _, i := range others {
		for ; taken[next]; next++ {
		}
		p.markPath(i, next, taken)
	}
}

func (p *Plan) markPath(i int, mark uint32, taken map[uint32]bool) {
	path := &p.Paths[i]
	path.Service.FWMark = mark
	for _, c := range path.Checks {
		p.Checks[c].Probe.Mark = mark
	}
	taken[mark] = true
}
