package look

import (
	"fmt"
	"net/netip"

	"keepgo/confparse"
	"keepgo/internal/doctor"
	"keepgo/internal/doctor/netfilter"
	"keepgo/vrrp"
)

// filters asks what the packet filters do with the adverts of the other
// directors.
func (l *looker) filters() {
	if l.Config == nil {
		return
	}
	told := map[string]bool{}
	for _, six := range []bool{false, true} {
		var rules []*netfilter.Ruleset
		for _, read := range []func(bool) (*netfilter.Ruleset, error){netfilter.Read, netfilter.ReadLegacy} {
			r, err := read(six)
			if err != nil {
				if !told[err.Error()] {
					l.Rules = append(l.Rules, doctor.Verdict{Where: "what packet filters do with adverts", Failed: err.Error()})
				}
				told[err.Error()] = true
				continue
			}
			rules = append(rules, r)
		}
		for _, in := range l.Config.Instances {
			if in.IPv6 == six && in.Unusable == "" {
				l.adverts(in, rules)
			}
		}
	}
}

// adverts are those that an instance must hear.
func (l *looker) adverts(in *confparse.Instance, rules []*netfilter.Ruleset) {
	for _, p := range l.packets(in) {
		for _, r := range rules {
			v := r.Judge(&p)
			if !v.Drops {
				continue
			}
			what := fmt.Sprintf("VRRP on %s", p.Link)
			if !p.Anyone {
				what = fmt.Sprintf("VRRP from %s on %s", source(&p), p.Link)
			}
			l.Rules = append(l.Rules, doctor.Verdict{What: what, Where: v.Where, Rule: v.Rule, Drops: true, Unsure: v.Unsure})
			break
		}
	}
}

// packets are adverts as an instance gets them: from its peers, or by multicast
// from the master heard last, or from anyone.
func (l *looker) packets(in *confparse.Instance) (list []netfilter.Packet) {
	if len(in.Peers) > 0 {
		for _, peer := range in.Peers {
			list = append(list, l.advert(in, peer.Addr, l.ourSource(in)))
		}
		return list
	}
	for _, master := range l.mastersOf(in.Name) {
		list = append(list, l.advert(in, master, in.Group))
	}
	if len(list) == 0 {
		list = append(list, l.advert(in, netip.Addr{}, in.Group))
	}
	return list
}

// mastersOf are routers that an instance heard, by what the daemon says.
func (l *looker) mastersOf(name string) (list []netip.Addr) {
	if l.Status == nil {
		return nil
	}
	for _, in := range l.Status.Instances {
		for _, p := range in.Peers {
			if a, err := netip.ParseAddr(p.Address); err == nil && in.Name == name && p.Heard != nil {
				list = append(list, a)
			}
		}
	}
	return list
}

// ourSource is where unicast adverts come to.
func (l *looker) ourSource(in *confparse.Instance) netip.Addr {
	if in.Source.IsValid() {
		return in.Source
	}
	for _, a := range l.Standing {
		if a.Link == in.Interface && a.Prefix.Addr().Is6() == in.IPv6 {
			return a.Prefix.Addr()
		}
	}
	return netip.Addr{}
}

func (l *looker) advert(in *confparse.Instance, from, to netip.Addr) netfilter.Packet {
	p := netfilter.Packet{Link: in.Interface, Index: l.Links[in.Interface].Index, IPv6: in.IPv6, Protocol: vrrp.Protocol, Anyone: !from.IsValid(), Group: to.IsMulticast()}
	if in.AuthType == confparse.AuthAH {
		p.Protocol = vrrp.ProtocolAH
	}
	p.Header = header(p.Protocol, from, to, in.IPv6)
	return p
}

// header is that of an advert: RFC 791 section 3.1, RFC 8200 section 3.
func header(protocol uint8, from, to netip.Addr, six bool) []byte {
	if six {
		h := make([]byte, 40)
		h[0], h[6], h[7] = 0x60, protocol, vrrp.TTL
		copy(h[8:24], from.AsSlice())
		copy(h[24:], to.AsSlice())
		return h
	}
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, vrrp.TTL, protocol
	copy(h[12:16], from.AsSlice())
	copy(h[16:], to.AsSlice())
	return h
}

func source(p *netfilter.Packet) netip.Addr {
	from, to := 12, 16
	if p.IPv6 {
		from, to = 8, 24
	}
	a, _ := netip.AddrFromSlice(p.Header[from:to])
	return a
}
