package confparse

import (
	"net/netip"
	"slices"

	"keepgo/confparse/syntax"
)

// tunnelOption is one option behind TUN.
type tunnelOption struct {
	Type string `parser:"  'type' @('ipip' | 'gue' | 'gre')"`
	Port string `parser:"| 'port' @Word"`
	Sum  string `parser:"| @('nocsum' | 'csum' | 'remcsum')"`
}

var tunnelParser = grammarOf[tunnelOption]()

// Tunnels and checksums by their numbers in linux/ip_vs.h:
// IP_VS_CONN_F_TUNNEL_TYPE_* and IP_VS_TUNNEL_ENCAP_FLAG_*.
var (
	tunnelTypes = map[string]uint8{"ipip": 0, "gue": 1, "gre": 2}
	tunnelSums  = map[string]uint16{"nocsum": 0, "csum": 1, "remcsum": 2}
)

const (
	tunnelIPIP = 0
	tunnelGUE  = 1
	sumRemote  = 2
)

// tunnelWords are the options behind TUN as rows.
func tunnelWords() []row[struct{}] {
	return []row[struct{}]{
		option("type", "ipip|gue|gre", "The kind of tunnel.").in("TUN only").or("ipip"),
		option("port", "<N>", "The UDP port of gue, which needs one.").in("1-65535").or("none"),
		option("nocsum", "", "No checksum in the tunnel.").or("default"),
		option("csum", "", "A checksum in the tunnel.").in("not with ipip"),
		option("remcsum", "", "A checksum that the other end completes.").in("gue only"),
	}
}

// forward is NAT, DR or TUN with the options of the tunnel.
func forward() kind[method] {
	k := choice("lvs_method", []string{"NAT", "DR", "TUN", "FULLNAT", "FNAT"}, []Forward{NAT, Direct, Tunnel, fullNAT, fullNAT})
	const args = "NAT|DR|TUN|FULLNAT [type ipip|gue|gre] [port <N>] [nocsum|csum|remcsum]"
	return kind[method]{args: args, rng: k.rng, read: func(s *stmt) (m method, ok bool) {
		m.forward, ok = k.read(s)
		if ok && m.forward == Tunnel && s.i < len(s.n.Words) {
			ok = s.tunnel(&m.tunnel)
		}
		return m, ok
	}}
}

// fullNAT is NAT of a service whose servers do not see the client's address:
// keepgo's own, and no Forward of the kernel.
const fullNAT Forward = 255

// completeFullNAT turns FULLNAT into what it consists of.
func (r *reader) completeFullNAT(o *service) {
	o.FullNAT = o.method.forward == fullNAT
	if o.FullNAT {
		o.method.forward = NAT
	}
	if len(o.FullNATFrom) > 0 && !o.FullNAT {
		r.warn(o, "full_nat_from", "write 'lvs_method FULLNAT'", "full_nat_from has no effect without FULLNAT")
	}
	o.FullNATFrom = slices.DeleteFunc(o.FullNATFrom, func(a netip.Addr) bool {
		if a.Is6() != o.IPv6 {
			r.fail(o, "full_nat_from", "it is ignored", "%s is not an address of the virtual_server's family", a)
		}
		return a.Is6() != o.IPv6
	})
}

// partOnly refuses FULLNAT of one server alone.
func (r *reader) partOnly(at any, keyword string, m *method) {
	if m.forward == fullNAT {
		m.forward = NAT
		r.fail(at, keyword, "say it in the virtual_server", "FULLNAT is of a whole virtual_server; NAT is used")
	}
}

// fullNATFrom reads the addresses that servers see instead of the client's.
func fullNATFrom(s *stmt, o *service) {
	const most = 256 // of one element's comment and one map
	for _, w := range s.rest() {
		var e GroupEntry
		if !s.entryRange(&e, w) {
			continue
		}
		for a := e.First; a.Compare(e.Last) <= 0; a = a.Next() {
			if len(o.FullNATFrom) == most {
				s.fail(w, "", "more than %d addresses", most)
				return
			}
			o.FullNATFrom = append(o.FullNATFrom, a)
		}
	}
}

// tunnel reads the options behind TUN and checks them against each other.
func (s *stmt) tunnel(t *TunnelOptions) bool {
	at := s.n.Words[s.i]
	options(s, tunnelParser, "after TUN", []string{"type", "port", "nocsum", "csum", "remcsum"}, func(o *tunnelOption, w syntax.Word) {
		switch {
		case o.Type != "":
			t.Type = tunnelTypes[o.Type]
		case o.Sum != "":
			t.Flags = tunnelSums[o.Sum]
		default:
			w.Text = o.Port
			t.Port, _ = s.port(w)
		}
	})
	switch {
	case t.Type == tunnelGUE && t.Port == 0:
		s.fail(at, "add 'port' with a number", "a gue tunnel needs a port")
	case t.Type != tunnelGUE && t.Port != 0:
		s.fail(at, "delete it, or write 'type gue'", "port belongs to gue tunnels")
	case t.Type == tunnelIPIP && t.Flags != 0, t.Type != tunnelGUE && t.Flags == sumRemote:
		s.fail(at, "", "this kind of tunnel has no such checksum")
	default:
		return true
	}
	return false
}
