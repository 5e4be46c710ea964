package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"keepgo/confparse"
)

// ownName is the instance of the lab, for a file that has services but none.
const ownName = "rehearsal"

// ownAddr is its address where the services have none that can move: 198.18.0.0/15
// is for tests, RFC 2544 appendix C.2.2.
var ownAddr = netip.AddrFrom4([4]byte{198, 19, 255, 100})

// adopt finds a home for the addresses of services that no vrrp_instance holds:
// the first instance, or one of the lab's own where the file has none. On real
// directors they stand by other means.
func (s *source) adopt() {
	homeless := s.homeless()
	if len(s.Instances) == 0 && len(s.VirtualServers) > 0 {
		if !slices.ContainsFunc(homeless, func(a netip.Addr) bool { return !a.IsLinkLocalUnicast() }) {
			homeless = append([]netip.Addr{ownAddr}, homeless...)
		}
		s.own = ownInstance(homeless, s.linkFor(homeless[0]))
		s.Instances = append(s.Instances, s.own)
		return
	}
	if len(homeless) == 0 || len(s.Instances) == 0 {
		return
	}
	in := s.Instances[0]
	for _, a := range homeless {
		s.missing = append(s.missing, more{block: "virtual_ipaddress_excluded", addr: a})
		in.Excluded = append(in.Excluded, confparse.Address{Prefix: netip.PrefixFrom(a, a.BitLen())})
	}
}

// homeless are the addresses of services that the file puts nowhere.
func (s *source) homeless() (list []netip.Addr) {
	stands := map[netip.Addr]bool{}
	note := func(addrs []confparse.Address) {
		for _, a := range addrs {
			stands[a.Prefix.Addr()] = true
		}
	}
	note(s.StaticAddresses)
	for _, in := range s.Instances {
		note(slices.Concat(in.Addresses, in.Excluded))
	}
	find := func(a netip.Addr) {
		if a.IsValid() && !stands[a] && !a.IsLoopback() {
			stands[a] = true
			list = append(list, a)
		}
	}
	for _, vs := range s.VirtualServers {
		find(vs.Addr)
		for _, e := range s.group(vs.Group) {
			for a, n := e.First, 0; a.IsValid() && n < mostOfRange && a.Compare(e.Last) <= 0; a, n = a.Next(), n+1 {
				find(a)
			}
		}
	}
	return list
}

// mostOfRange bounds the addresses that are taken of a range.
const mostOfRange = 16

// linkFor is the interface that an address belongs to, as far as the file tells.
func (s *source) linkFor(a netip.Addr) string {
	for _, st := range s.StaticAddresses {
		if st.Interface != "" && st.Prefix.Masked().Contains(a) {
			return st.Interface
		}
	}
	return "eth0"
}

// ownInstance holds addresses; those of another family than the first are
// excluded.
func ownInstance(list []netip.Addr, link string) *confparse.Instance {
	in := &confparse.Instance{Name: ownName, Interface: link, VRID: 51, Priority: 150, AdvertInt: time.Second, IPv6: list[0].Is6()}
	for _, a := range list {
		addr := confparse.Address{Prefix: netip.PrefixFrom(a, a.BitLen())}
		if a.Is6() == in.IPv6 && len(in.Addresses) < mostAdvertised {
			in.Addresses = append(in.Addresses, addr)
		} else {
			in.Excluded = append(in.Excluded, addr)
		}
	}
	return in
}

// mostAdvertised keeps adverts within a frame.
const mostAdvertised = 20

// ownText is the lab's instance as a director's file has it, "" if there is none.
func (s *source) ownText(director int) string {
	in := s.own
	if in == nil {
		return ""
	}
	priority := in.Priority
	if director == 1 {
		priority = lower(priority)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "vrrp_instance %s {\n    interface %s\n    virtual_router_id %d\n    priority %d\n    advert_int 1\n", in.Name, in.Interface, in.VRID, priority)
	if in.IPv6 {
		b.WriteString("    version 3\n")
	}
	for block, list := range map[string][]confparse.Address{"virtual_ipaddress": in.Addresses, "virtual_ipaddress_excluded": in.Excluded} {
		for i, a := range list {
			if i == 0 {
				fmt.Fprintf(&b, "    %s {\n", block)
			}
			fmt.Fprintf(&b, "        %s\n", a.Prefix)
		}
		if len(list) > 0 {
			b.WriteString("    }\n")
		}
	}
	for _, m := range s.missing {
		(side{index: director, added: []more{m}}).add(&b, "    ")
	}
	return b.String() + "}\n"
}

// adopted tells what adopt did.
func (s *source) adopted() (notes []string) {
	if s.own != nil {
		return []string{fmt.Sprintf("the file has no vrrp_instance: one of the lab's own, %s, holds the addresses of its services", s.own.Name)}
	}
	for _, m := range s.missing {
		if !m.addr.IsValid() || m.link[0] != "" {
			continue
		}
		notes = append(notes, fmt.Sprintf("no vrrp_instance has %s of a virtual_server: the master of %s gets it", m.addr, s.Instances[0].Name))
	}
	return notes
}
