package lab

import (
	"fmt"
	"net/netip"
	"slices"

	"keepgo/confparse"
	"keepgo/internal/netlab"
)

// network is the smallest network in which both directors of a configuration
// can do their work.
type network struct {
	lans    []*lan
	vips    []vip // one of each instance: what the client pings
	servers []*server
	used    map[netip.Addr]bool
	extra   netip.Addr // a free one beside the first vip; the zero Addr if there is none
	lacks   []string   // what of the file is not there
}

// lan is the switch an interface of the directors is plugged into.
type lan struct {
	link    string    // as the first director calls it
	links   [2]string // as each director calls it
	subnets []subnet
	sw      *netlab.Switch // once the stage is set
}

// subnet is an address range on a lan and who has which address in it.
type subnet struct {
	netip.Prefix
	lb1, lb2, client netip.Addr
	gateway          netip.Addr // a virtual address in it, for servers that answer through the director
	guessed          bool       // the file does not say how long its prefix is
}

// vip is the virtual address by which an instance is judged.
type vip struct {
	instance  *confparse.Instance
	addr      netip.Addr
	preferred int // the director whose priority is higher, or nobody
}

const nobody = -1

// planNetwork derives lans, addresses and servers from what a file says.
func planNetwork(src *source) (*network, error) {
	c := src.Config
	n := &network{used: map[netip.Addr]bool{}}
	for _, in := range c.Instances {
		n.instance(in)
	}
	for _, a := range c.StaticAddresses {
		n.address(a, a.Interface)
	}
	if len(n.vips) == 0 {
		return nil, fmt.Errorf("no vrrp_instance with an interface and a virtual_ipaddress in the file%s: there is nothing to play", src.faulty())
	}
	for _, t := range c.TrackProcesses {
		n.lack("track_process %s: its processes are not here: it is left out", t.Name)
	}
	for _, b := range c.BFDs {
		n.lack("bfd_instance %s: the lab has no neighbour for it: it is left out", b.Name)
	}
	for _, vs := range c.VirtualServers {
		n.service(vs, src.pages)
	}
	n.other(src)
	for number, l := range n.lans {
		if len(l.subnets) == 0 { // a way for adverts alone
			l.subnets = append(l.subnets, subnet{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(number), 0}), 24)})
		}
		for i := range l.subnets {
			if err := n.assign(&l.subnets[i], src); err != nil {
				return nil, fmt.Errorf("interface %s: %w", l.link, err)
			}
		}
	}
	for _, s := range n.servers {
		s.subnet = s.lan.find(s.addr)
	}
	src.missing = append(src.missing, n.gateways()...)
	n.spare()
	return n, nil
}

// spare finds an address for the changes that are played.
func (n *network) spare() {
	for _, l := range n.lans {
		if s := l.find(n.vips[0].addr); s != nil {
			n.extra = n.free(s.Prefix)
			return
		}
	}
}

// other takes in what only the other director's file says: what it calls its
// interfaces, and where its priority is the higher.
func (n *network) other(src *source) {
	for v := range n.vips {
		if t := src.twin(n.vips[v].instance); t != nil {
			n.vips[v].preferred = preferred(n.vips[v].instance.Priority, t.Priority)
			if t.Interface != "" {
				n.lan(n.vips[v].instance.Interface).links[1] = t.Interface
			}
		}
	}
	if !src.paired() {
		return
	}
	for _, in := range src.other.Instances {
		if in.Interface != "" {
			n.otherLan(in.Interface)
		}
		for _, a := range slices.Concat(in.Addresses, in.Excluded) {
			n.used[a.Prefix.Addr()] = true
			if a.Interface != "" {
				n.otherLan(a.Interface)
			}
		}
		for _, t := range in.TrackInterfaces {
			n.otherLan(t.Name)
		}
	}
}

// preferred is the director with the higher priority, nobody where they are
// equal.
func preferred(first, second uint8) int {
	switch {
	case first > second:
		return 0
	case second > first:
		return 1
	}
	return nobody
}

// otherLan makes sure that the other director has an interface.
func (n *network) otherLan(link string) {
	if !slices.ContainsFunc(n.lans, func(l *lan) bool { return l.links[1] == link }) {
		n.lan(link)
	}
}

// instance takes in the interfaces and addresses of a vrrp_instance.
func (n *network) instance(in *confparse.Instance) {
	if in.Interface == "" {
		return
	}
	n.lan(in.Interface)
	judged := false
	for _, a := range slices.Concat(in.Addresses, in.Excluded) {
		link := a.Interface
		if link == "" {
			link = in.Interface
		}
		n.address(a, link)
		if !judged && !a.Prefix.Addr().IsLinkLocalUnicast() {
			n.vips = append(n.vips, vip{instance: in, addr: a.Prefix.Addr()})
			judged = true
		}
	}
	if in.Source.IsValid() {
		n.lan(in.Interface).cover(in.Source)
		n.lan(in.Interface).span(in)
	}
	for _, t := range in.TrackInterfaces {
		if t.Name != loopback {
			n.lan(t.Name)
		}
	}
}

// loopback is the interface that no cable leads to.
const loopback = "lo"

// address takes in a virtual or static address and the subnet it implies.
func (n *network) address(a confparse.Address, link string) {
	n.used[a.Prefix.Addr()] = true
	if link == loopback {
		return
	}
	l := n.lan(link)
	if !a.Prefix.IsSingleIP() && l.find(a.Prefix.Addr()) == nil {
		l.subnets = append(l.subnets, subnet{Prefix: a.Prefix.Masked()})
	}
	l.cover(a.Prefix.Addr())
	if s := l.find(a.Prefix.Addr()); !s.gateway.IsValid() {
		s.gateway = a.Prefix.Addr()
	}
}

// lan finds or adds the lan of an interface.
func (n *network) lan(link string) *lan {
	i := slices.IndexFunc(n.lans, func(l *lan) bool { return l.link == link })
	if i < 0 {
		n.lans = append(n.lans, &lan{link: link, links: [2]string{link, link}})
		i = len(n.lans) - 1
	}
	return n.lans[i]
}

// find is the subnet of an address, nil if there is none.
func (l *lan) find(a netip.Addr) *subnet {
	for i := range l.subnets {
		if l.subnets[i].Contains(a) {
			return &l.subnets[i]
		}
	}
	return nil
}

// cover makes sure that an address lies in a subnet of the lan. Where the file
// does not say which, it is the usual one.
func (l *lan) cover(a netip.Addr) {
	if l.find(a) != nil {
		return
	}
	bits := 24
	if a.Is6() {
		bits = 64
	}
	l.subnets = append(l.subnets, subnet{Prefix: netip.PrefixFrom(a, bits).Masked(), guessed: true})
}

// widest is the shortest prefix that a subnet is made for the sake of unicast.
const widest = 8

// span widens the subnet that an instance sends from until its peers are in it:
// the length of a virtual address may have been left out.
func (l *lan) span(in *confparse.Instance) {
	s := l.find(in.Source)
	for _, p := range in.Peers {
		for p.Addr.Is4() == in.Source.Is4() && !s.Contains(p.Addr) && s.Bits() > widest {
			s.Prefix = netip.PrefixFrom(in.Source, s.Bits()-1).Masked()
		}
	}
}

// assign gives the directors and the client their addresses in a subnet: those
// the files name for unicast, else free ones.
func (n *network) assign(s *subnet, src *source) error {
	if src.paired() {
		for _, in := range src.other.Instances {
			if s.Contains(in.Source) {
				s.lb2 = in.Source
				n.used[in.Source] = true
			}
		}
	}
	for _, in := range src.Instances {
		if s.Contains(in.Source) {
			s.lb1 = in.Source
			n.used[in.Source] = true
		}
		for _, p := range in.Peers {
			if s.Contains(p.Addr) && !s.lb2.IsValid() {
				s.lb2 = p.Addr
			}
			n.used[p.Addr] = true
		}
	}
	for _, a := range []*netip.Addr{&s.lb1, &s.lb2, &s.client} {
		if a.IsValid() {
			continue
		}
		for *a = n.free(s.Prefix); !a.IsValid() && s.guessed && s.Bits() > widest; *a = n.free(s.Prefix) {
			s.Prefix = netip.PrefixFrom(s.Addr(), s.Bits()-1).Masked()
		}
		if !a.IsValid() {
			return fmt.Errorf("subnet %s has no room for two directors and a client; write the length of the virtual addresses", s.Prefix)
		}
	}
	return nil
}

// freeRange is how far down from the end of a subnet a free address is sought.
const freeRange = 512

// free is the highest unused address of a subnet, its last one left out.
func (n *network) free(p netip.Prefix) netip.Addr {
	a := last(p)
	for range freeRange {
		if a = a.Prev(); !p.Contains(a) || a == p.Masked().Addr() {
			break
		}
		if !n.used[a] {
			n.used[a] = true
			return a
		}
	}
	return netip.Addr{}
}

// last is the highest address of a prefix; of an IPv6 one, the highest whose
// other bits than the last sixteen are zero.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	from := p.Bits()
	if p.Addr().Is6() {
		from = max(from, 112)
	}
	for i := from; i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
