package advice

import (
	"fmt"
	"net/netip"
	"slices"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// serviceKey is what makes two virtual_server blocks the same service.
type serviceKey struct {
	addr     netip.Addr
	port     uint16
	mark     uint32
	group    string
	protocol confparse.Protocol
	v6       bool
}

func keyOf(v *confparse.VirtualServer) serviceKey {
	return serviceKey{v.Addr, v.Port, v.FWMark, v.Group, v.Protocol, v.IPv6}
}

func services(f *File) map[serviceKey]*confparse.VirtualServer {
	m := map[serviceKey]*confparse.VirtualServer{}
	for _, v := range f.Config.VirtualServers {
		if v.Unusable == "" {
			m[keyOf(v)] = v
		}
	}
	return m
}

// balanceTheSame says that the files have a service in common.
func (p *pairing) balanceTheSame() bool {
	theirs := services(p.other)
	return slices.ContainsFunc(p.Config.VirtualServers, func(v *confparse.VirtualServer) bool { return theirs[keyOf(v)] != nil })
}

// services tells what differs in the balancing, which moves with the addresses.
func (p *pairing) services() {
	theirs := services(p.other)
	for _, v := range p.Config.VirtualServers {
		if t := theirs[keyOf(v)]; t != nil {
			p.service(v, t)
		}
	}
	p.oneSided(p.File, p.other)
	p.oneSided(p.other, p.File)
}

func (p *pairing) oneSided(has, lacks *File) {
	there := services(lacks)
	for _, v := range has.Config.VirtualServers {
		if v.Unusable == "" && there[keyOf(v)] == nil {
			p.say(syntax.Warning, has.Places.find(v.Pos), title(v), "the service is down while the other director is MASTER",
				"%s is in %s and not in %s", title(v), has.place(spot{Pos: v.Pos}), lacks.Label)
		}
	}
}

// service compares how one service is balanced; the first difference is told.
func (p *pairing) service(v, t *confparse.VirtualServer) {
	at := p.other.place(spot{Pos: t.Pos})
	say := func(pos syntax.Pos, format string, args ...any) {
		p.say(syntax.Warning, p.Places.find(pos), title(v), "a takeover changes how connections are balanced", "%s (%s)", fmt.Sprintf(format, args...), at)
	}
	if v.Scheduler != t.Scheduler {
		say(v.Pos, "lb_algo %s, the peer has %s", v.Scheduler, t.Scheduler)
		return
	}
	if v.Persistence != t.Persistence {
		say(v.Pos, "persistence_timeout %s, the peer has %s", seconds(v.Persistence), seconds(t.Persistence))
		return
	}
	theirs := servers(t)
	for _, s := range v.Servers {
		k := netip.AddrPortFrom(s.Addr, s.Port)
		switch o := theirs[k]; {
		case o == nil:
			say(s.Pos, "real_server %s %d is not the peer's", s.Addr, s.Port)
			return
		case o.Forward != s.Forward:
			say(s.Pos, "lb_kind %s of %s, the peer has %s", method(s.Forward), s.Addr, method(o.Forward))
			return
		case o.Weight != s.Weight:
			say(s.Pos, "weight %d of %s, the peer has %d", s.Weight, s.Addr, o.Weight)
			return
		}
		delete(theirs, k)
	}
	for _, o := range t.Servers {
		if theirs[netip.AddrPortFrom(o.Addr, o.Port)] != nil {
			say(v.Pos, "the peer's real_server %s %d is missing", o.Addr, o.Port)
			return
		}
	}
}

func servers(v *confparse.VirtualServer) map[netip.AddrPort]*confparse.RealServer {
	m := map[netip.AddrPort]*confparse.RealServer{}
	for _, s := range v.Servers {
		m[netip.AddrPortFrom(s.Addr, s.Port)] = s
	}
	return m
}

func method(f confparse.Forward) string {
	return map[confparse.Forward]string{confparse.NAT: "NAT", confparse.Tunnel: "TUN", confparse.Direct: "DR"}[f]
}
