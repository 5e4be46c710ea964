package doctor

import (
	"fmt"
	"net/netip"

	"keepgo/confparse"
	"keepgo/internal/lb"
	"keepgo/internal/status"
)

type (
	pool   = lb.Pool
	server = lb.Server
)

// addr is a virtual address of the file.
type addr struct {
	prefix netip.Prefix
	link   string
}

func addrs(list []confparse.Address) (all []addr) {
	for _, a := range list {
		all = append(all, addr{a.Prefix, a.Interface})
	}
	return all
}

// addresses asks where the virtual addresses stand on this machine.
func (f *Facts) addresses(s *sheet) {
	if f.Status == nil {
		return
	}
	for i := range f.Status.Instances {
		in := &f.Status.Instances[i]
		for _, p := range in.Places {
			f.place(s, in, p)
		}
	}
	for _, place := range f.Static {
		s.fault(fmt.Sprintf("the virtual address %s is configured for good on this machine", place.Addr), place.Place,
			"take it out there: it would stand on both directors, and come back whatever VRRP says")
	}
}

func (f *Facts) place(s *sheet, in *status.Instance, p status.Place) {
	prefix, err := netip.ParsePrefix(p.Address)
	if err != nil {
		return
	}
	switch {
	case in.Standing && !p.Stands:
		s.fault(fmt.Sprintf("%s is %s, and its address %s is missing on %s", in.Name, in.State, p.Address, p.Link),
			"ip addr show dev "+p.Link, "the daemon puts it back within seconds unless something takes it away again: see competitors and keepgo events")
	case !in.Standing && p.Stands:
		s.fault(fmt.Sprintf("%s is %s, and its address %s stands here all the same", in.Name, in.State, p.Address),
			"ip addr show dev "+p.Link, fmt.Sprintf("ip addr del %s dev %s, and find who put it there: see competitors", p.Address, p.Link))
	}
	for _, a := range f.Standing {
		switch {
		case a.Prefix.Addr() != prefix.Addr():
		case a.Link != p.Link:
			s.fault(fmt.Sprintf("the virtual address %s stands on %s too, where it does not belong", prefix.Addr(), a.Link),
				fmt.Sprintf("%s on %s, and %s belongs on %s", a.Prefix, a.Link, p.Address, p.Link), fmt.Sprintf("ip addr del %s dev %s", a.Prefix, a.Link))
		case a.Prefix.Bits() != prefix.Bits():
			s.fault(fmt.Sprintf("the virtual address %s stands with another mask", prefix.Addr()),
				fmt.Sprintf("/%d on %s, the file says /%d", a.Prefix.Bits(), a.Link, prefix.Bits()), fmt.Sprintf("ip addr del %s dev %s", a.Prefix, a.Link))
		}
	}
	f.mask(s, prefix, p.Link)
}

// mask: a virtual address whose subnet is larger than that of the interface
// makes this machine look for others' addresses on the link.
func (f *Facts) mask(s *sheet, vip netip.Prefix, link string) {
	for _, a := range f.Standing {
		if a.Link == link && a.Prefix.Addr() != vip.Addr() && a.Prefix.Contains(vip.Addr()) && vip.Bits() < a.Prefix.Bits() {
			s.warning(fmt.Sprintf("the mask of the virtual address %s is wider than that of its network", vip),
				fmt.Sprintf("%s has %s: all of %s counts as on the link", link, a.Prefix, vip.Masked()), fmt.Sprintf("%s/%d, or /%d, in the file", vip.Addr(), a.Prefix.Bits(), vip.Addr().BitLen()))
			return
		}
	}
}
