// Package rsnode makes a machine a real server for direct routing and tunnels:
// the virtual addresses stand on lo or a tunnel, and the machine is silent
// about them. What it changes it writes down first, so that it can be taken
// back after any end.
package rsnode

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"keepgo/confparse"
	"keepgo/internal/lb"
	"keepgo/ipvsctl"
)

// VIP is a virtual address that this machine answers for.
type VIP struct {
	Addr   netip.Addr `json:"addr"`
	Tunnel bool       `json:"tunnel,omitempty"` // packets come through a tunnel
}

// Links that virtual addresses stand on.
const (
	loopback = "lo"
	tunnel4  = "tunl0"   // made by the module ipip
	tunnel6  = "ip6tnl0" // made by the module ip6_tunnel
)

// link is where a VIP stands.
func (v VIP) link() string {
	switch {
	case !v.Tunnel:
		return loopback
	case v.Addr.Is6():
		return tunnel6
	}
	return tunnel4
}

// prefix is the VIP as it is to stand: alone, without its subnet.
func (v VIP) prefix() netip.Prefix { return netip.PrefixFrom(v.Addr, v.Addr.BitLen()) }

// String names the VIP and where it stands.
func (v VIP) String() string { return fmt.Sprintf("%s on %s", v.prefix(), v.link()) }

// FromConfig is the virtual addresses of a director's configuration for which
// one of our own addresses is a real server by direct routing or tunnel. The
// error says why there are none.
func FromConfig(cfg *confparse.Config, own []netip.Addr) ([]VIP, error) {
	plan, _ := lb.Build(cfg)
	found := map[VIP]bool{}
	marks, nat := 0, 0
	for _, s := range plan.Services {
		for _, p := range s.Pools {
			for _, rs := range plan.Pools[p].Config.Servers {
				if !slices.Contains(own, rs.Key.Addr) {
					continue
				}
				switch forward := rs.Destination.Forward; {
				case s.Key.FWMark != 0:
					marks++
				case forward == ipvsctl.ForwardDirect || forward == ipvsctl.ForwardTunnel:
					found[VIP{Addr: s.Key.Addr, Tunnel: forward == ipvsctl.ForwardTunnel}] = true
				default:
					nat++
				}
			}
		}
	}
	list := slices.SortedFunc(maps.Keys(found), func(a, b VIP) int { return a.Addr.Compare(b.Addr) })
	switch {
	case len(list) > 0:
		return list, nil
	case marks > 0:
		return nil, fmt.Errorf("its services are firewall marks, which have no address: name the addresses with --vip")
	case nat > 0:
		return nil, fmt.Errorf("this machine is a real server behind NAT: it needs no virtual address, only the director as its gateway")
	}
	return nil, fmt.Errorf("none of this machine's addresses is a real_server there: name the virtual addresses with --vip")
}

// Directors are the addresses in a configuration that directors have: a real
// server whose gateway is one of them does not answer clients directly.
func Directors(cfg *confparse.Config) (list []netip.Addr) {
	for _, in := range cfg.Instances {
		if in.Source.IsValid() {
			list = append(list, in.Source)
		}
		for _, p := range in.Peers {
			list = append(list, p.Addr)
		}
		for _, addresses := range [][]confparse.Address{in.Addresses, in.Excluded} {
			for _, a := range addresses {
				list = append(list, a.Prefix.Addr())
			}
		}
	}
	return list
}

// setting is a sysctl that must be at least Least: the kernel takes the greater
// of the one for all interfaces and the interface's own (ip-sysctl.rst).
type setting struct {
	path  string // below /proc/sys
	least int
}

const conf4 = "net/ipv4/conf/"

// settings are what IPv4 needs: no answer to ARP for addresses of another
// interface (arp_ignore 1), no virtual address as the sender in our own
// questions (arp_announce 2), and packets out of the tunnel whose sender is
// reached another way (rp_filter 2). Neighbour discovery of IPv6 answers for
// the addresses of the interface alone.
func settings(vips []VIP, ingress string) (list []setting) {
	tunnels := false
	for _, v := range vips {
		if v.Addr.Is6() {
			continue
		}
		tunnels = tunnels || v.Tunnel
		if len(list) == 0 {
			for _, link := range []string{"all", ingress} {
				list = append(list, setting{conf4 + link + "/arp_ignore", 1}, setting{conf4 + link + "/arp_announce", 2})
			}
		}
	}
	if tunnels {
		list = append(list, setting{conf4 + tunnel4 + "/rp_filter", 2})
	}
	return list
}
