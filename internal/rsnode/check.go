package rsnode

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// State reads which VIPs this machine was told to answer for.
func (n *Node) State() (State, error) { return load(n.File) }

// Check says what is wrong for a real server of the VIPs, and what to do; no
// line means that all is well. Directors are addresses of directors.
func (n *Node) Check(vips []VIP, directors []netip.Addr) (wrong []string, err error) {
	all, err := n.addresses()
	if err != nil {
		return nil, err
	}
	for _, v := range vips {
		wrong = append(wrong, placed(v, all)...)
	}
	for _, set := range settings(vips, n.Ingress) {
		is, err := sysctl(set.path)
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("%s cannot be read: %v", dotted(set.path), err))
		case is < set.least:
			wrong = append(wrong, fmt.Sprintf("%s is %d: this machine may answer ARP for the virtual addresses or lose what comes by the tunnel; set %d, or keepgo rs up",
				dotted(set.path), is, set.least))
		}
	}
	gateways, err := n.gateways()
	for _, g := range gateways {
		if slices.Contains(directors, g) {
			wrong = append(wrong, fmt.Sprintf("the default gateway %s is a director: answers must go to the clients directly, through the router before it", g))
		}
	}
	return wrong, err
}

// placed says what is wrong about where a VIP stands.
func placed(v VIP, all []standing) (wrong []string) {
	stands := false
	for _, a := range all {
		switch {
		case a.prefix.Addr() != v.Addr:
		case a.prefix.Bits() != v.Addr.BitLen():
			wrong = append(wrong, fmt.Sprintf("%s on %s swallows its subnet %s: what is sent to any address there stays on this machine; ip addr del %s dev %s",
				a.prefix, a.link, a.prefix.Masked(), a.prefix, a.link))
		case a.link != v.link() && a.link != loopback:
			wrong = append(wrong, fmt.Sprintf("%s stands on %s, which answers ARP for it; ip addr del %s dev %s", a.prefix, a.link, a.prefix, a.link))
		default:
			stands = stands || a.link == v.link()
		}
	}
	if !stands {
		wrong = append(wrong, fmt.Sprintf("%s does not stand: keepgo rs up", v))
	}
	return wrong
}

// gateways are the next hops of the default routes.
func (n *Node) gateways() (list []netip.Addr, err error) {
	routes, err := n.handle.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("reading the routes: %w", err)
	}
	for _, r := range routes {
		if g, ok := netip.AddrFromSlice(r.Gw); ok && isDefault(r) {
			list = append(list, g.Unmap())
		}
	}
	return list, nil
}
