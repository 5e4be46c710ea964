package doctor

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"keepgo/ipvsctl"
)

// servers asks whether the real servers answer, and the way clients need.
func (f *Facts) servers(s *sheet) {
	down := f.verdicts(s)
	if f.Passive && f.Plan != nil && len(f.Plan.Services) > 0 {
		s.unchecked("the ways to the real servers and back", "nothing is sent (--passive)")
	}
	done := map[pathKey]bool{}
	for i := range f.Paths {
		p := &f.Paths[i]
		if key := p.key(); !done[key] {
			done[key] = true
			p.judge(s, down[p.Server.Addr()])
		}
	}
	f.untried(s)
}

// untried tells which ways were not tried, by the reason.
func (f *Facts) untried(s *sheet) {
	if f.Untried > 0 {
		s.unchecked(fmt.Sprintf("%d more ways to real servers", f.Untried), "they are too many to try")
	}
	servers := map[string][]string{}
	for i := range f.Paths {
		p := &f.Paths[i]
		if name := p.Server.Addr().String(); p.NotAsked != "" && !slices.Contains(servers[p.NotAsked], name) {
			servers[p.NotAsked] = append(servers[p.NotAsked], name)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(servers)) {
		s.unchecked("the way to clients and back of "+few(servers[why]), why)
	}
}

// pathKey is what makes two ways the same for who must mend them.
type pathKey struct {
	server  netip.AddrPort
	virtual netip.Addr
	forward uint8
}

func (p *Path) key() pathKey { return pathKey{p.Server, p.Virtual.Addr(), p.Forward} }

// verdicts are what the daemon's checks say. It returns the servers that are told
// to be down.
func (f *Facts) verdicts(s *sheet) map[netip.Addr]bool {
	down := map[netip.Addr]bool{}
	if f.Status == nil {
		return down
	}
	for i := range f.Status.Services {
		v := &f.Status.Services[i]
		if v.Suspended {
			continue
		}
		if !v.Up || v.Sorry {
			s.fault("the virtual server "+v.Name+" has no quorum", "keepgo explain '"+v.Name+"'", "mend the servers below")
		}
		for _, r := range v.Servers {
			if !r.Up && r.Order == "" {
				s.fault("the server "+r.Name+" of "+v.Name+" is down", r.Why, "keepgo probe shows what the check sees")
				down[serverAddr(r.Name)] = true
			}
		}
	}
	return down
}

// serverAddr is the address in a name such as [10.0.0.2]:tcp:80.
func serverAddr(name string) netip.Addr {
	text, _, _ := strings.Cut(strings.TrimPrefix(name, "["), "]")
	a, _ := netip.ParseAddr(text)
	return a
}

func (p *Path) judge(s *sheet, down bool) {
	name := fmt.Sprintf("%s of %s", p.Server.Addr(), p.Service)
	switch {
	case p.Local:
		return
	case p.NoRoute != "":
		s.fault("there is no route to "+name, p.NoRoute, "ip route get "+p.Server.Addr().String())
		return
	case p.Forward == ipvsctl.ForwardDirect && p.Via != "":
		s.fault(name+" is behind a router, and DR needs it on the same network", fmt.Sprintf("the route goes through %s on %s", p.Via, p.Link), "lvs_method TUN, or NAT; or a network that both are on")
		return
	case p.Via == "" && p.MAC == "" && p.Direct != Accepts && p.Direct != Refuses:
		s.fault(name+" does not answer on its network", "no answer to ARP or neighbour solicitation on "+p.Link, "is the machine up, the cable, the VLAN?")
		return
	case p.Direct == Refuses && !down:
		s.fault(name+" refuses connections at its own address", "RST from "+p.Server.String(), "nobody listens at that port there, or a firewall rejects")
	case p.Direct == Silence && !down:
		s.fault(name+" does not answer at its own address", fmt.Sprintf("nothing comes back from %s within a second", p.Server), "a firewall there, or its way back")
		return
	}
	p.through(s, name)
}

// through judges what clients would see.
func (p *Path) through(s *sheet, name string) {
	vip := p.Virtual.Addr()
	switch {
	case p.Through != Silence && p.Through != Refuses:
	case p.Through == Refuses && p.Direct == Refuses: // nobody listens at all: the check says so
	case p.Through == Refuses:
		s.fault(fmt.Sprintf("%s accepts connections to its own address, and refuses those to %s", name, p.Virtual),
			"a packet for the virtual address is answered with RST", fmt.Sprintf("let the service there listen at every address, or at %s too", vip))
	case p.Forward == ipvsctl.ForwardNAT:
		s.fault("the answers of "+name+" to clients do not come back through this director",
			"a connection from far away to "+p.Server.String()+" got no answer here, one from this director did",
			"its default gateway must be this pair (an address that moves with the MASTER); or FULLNAT")
	case p.Forward == ipvsctl.ForwardTunnel:
		s.fault(fmt.Sprintf("%s does not take what comes for %s by the tunnel", name, vip),
			"a packet for the virtual address within IP got no answer, one to its own address did",
			"keepgo rs up --tunnel there: the address on the tunnel's interface, which is up, with rp_filter 2; and a firewall that lets IP protocol 4 or 41 in")
	default:
		s.fault(fmt.Sprintf("%s does not take packets for %s", name, vip),
			"a packet for the virtual address, handed to its MAC "+p.MAC+", got no answer, one to its own address did",
			"keepgo rs up there: it must have the address on lo, and be silent about it")
	}
}
