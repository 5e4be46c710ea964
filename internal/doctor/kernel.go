package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"keepgo/ipvsctl"
)

// Sysctls are the settings that are looked at, below /proc/sys.
func Sysctls() []string {
	return []string{forward4, forward6, nonlocal4, nonlocal6, trackIPVS, "net/ipv4/vs/expire_nodest_conn", "net/ipv4/vs/expire_quiescent_template",
		"net/ipv4/vs/conn_reuse_mode"}
}

const (
	forward4  = "net/ipv4/ip_forward"
	forward6  = "net/ipv6/conf/all/forwarding"
	nonlocal4 = "net/ipv4/ip_nonlocal_bind"
	nonlocal6 = "net/ipv6/ip_nonlocal_bind"
	trackIPVS = "net/ipv4/vs/conntrack"
	conf4     = "net/ipv4/conf/"
)

// IPVS and NFTables are the names of what balances.
const (
	IPVS     = "ipvs"
	NFTables = "nftables"
)

// kernel asks whether the kernel can do what the services need.
func (f *Facts) kernel(s *sheet) {
	f.listeners(s)
	f.links(s)
	if f.Plan == nil || len(f.Plan.Services) == 0 {
		return
	}
	switch {
	case f.Status != nil && f.Status.IPVS != "":
		s.fault("connections are not balanced", f.Status.IPVS, "modprobe ip_vs; or lvs_data_plane nftables in global_defs, for kernels without IPVS")
	case f.NoPlane != "":
		s.fault("the table of services cannot be read", f.NoPlane, "modprobe ip_vs; or lvs_data_plane nftables in global_defs, for kernels without IPVS")
	}
	f.forwarding(s)
	if f.Plane != IPVS {
		return
	}
	if f.has(func(e *ipvsctl.Destination, full bool) bool { return full }) && f.Sysctls[trackIPVS] == "0" {
		s.fault("FULLNAT needs that IPVS tracks connections", "net.ipv4.vs.conntrack is 0", "sysctl net.ipv4.vs.conntrack=1, or lvs_conntrack on in global_defs")
	}
	for _, text := range f.Plan.Surprises(func(name string) string { return f.Sysctls["net/ipv4/vs/"+name] }) {
		s.add(Note, text, "net.ipv4.vs.*", "")
	}
}

// has asks whether any server is reached in some way; full says that its service
// is one of FULLNAT.
func (f *Facts) has(way func(d *ipvsctl.Destination, full bool) bool) bool {
	for i := range f.Plan.Pools {
		c := &f.Plan.Pools[i].Config
		for j := range c.Servers {
			if way(&c.Servers[j].Destination, c.Service.Source != "") {
				return true
			}
		}
	}
	return false
}

// forwarding: NAT is routing.
func (f *Facts) forwarding(s *sheet) {
	for _, family := range []struct {
		six  bool
		path string
	}{{false, forward4}, {true, forward6}} {
		for i := range f.Plan.Pools {
			c := &f.Plan.Pools[i].Config
			at := slices.IndexFunc(c.Servers, func(d ipvsctl.Server) bool {
				return d.Destination.Forward == ipvsctl.ForwardNAT && d.Key.Addr.Is6() == family.six
			})
			if at >= 0 && f.Sysctls[family.path] == "0" {
				s.fault("this machine does not forward packets, which NAT needs",
					fmt.Sprintf("%s is 0, and %s of %s is reached by NAT", dotted(family.path), f.Plan.Pools[i].Servers[at].Name, f.Plan.Pools[i].Name),
					"sysctl "+dotted(family.path)+"=1, and in /etc/sysctl.d to keep it")
				break
			}
		}
	}
}

func dotted(path string) string {
	b := []byte(path)
	for i := range b {
		if b[i] == '/' {
			b[i] = '.'
		}
	}
	return string(b)
}

// listeners: a program that binds to a virtual address cannot start where that
// does not stand.
func (f *Facts) listeners(s *sheet) {
	for _, l := range f.Listening {
		path := nonlocal4
		if l.At.Addr().Is6() {
			path = nonlocal6
		}
		if f.Sysctls[path] != "0" || !f.virtual(l.At.Addr()) {
			continue
		}
		s.warning(fmt.Sprintf("%s listens at the virtual address %s: on the other director it cannot start before a takeover", programName(l.Program), l.At),
			dotted(path)+" is 0", "sysctl "+dotted(path)+"=1 on both, or let it listen at every address")
	}
}

func programName(name string) string {
	if name == "" {
		return "a program"
	}
	return name
}

// virtual tells whether an address is one of the file's virtual addresses.
func (f *Facts) virtual(a netip.Addr) bool {
	if f.Config == nil {
		return false
	}
	for _, in := range f.Config.Instances {
		for _, list := range [][]addr{addrs(in.Addresses), addrs(in.Excluded)} {
			if slices.ContainsFunc(list, func(v addr) bool { return v.prefix.Addr() == a }) {
				return true
			}
		}
	}
	return false
}

// links: settings of the interfaces that virtual addresses stand on.
func (f *Facts) links(s *sheet) {
	if f.Status == nil {
		return
	}
	for i := range f.Status.Instances {
		in := &f.Status.Instances[i]
		for _, d := range in.Devices {
			if value, where := f.strictest(d.Name, "rp_filter"); value == 1 {
				s.warning("packets to the addresses of "+in.Name+" are dropped where the way back is by another interface",
					where+" is 1 (strict)", "sysctl "+where+"=2")
			}
		}
		if in.Standing && len(in.Places) > 0 {
			if value, where := f.strictest(in.Places[0].Link, "arp_ignore"); value == 8 {
				s.fault("this machine answers no ARP for the addresses of "+in.Name, where+" is 8", "sysctl "+where+"=1")
			}
		}
	}
}

// strictest is the greater of the setting of all interfaces and of one, which is
// the one that holds (ip-sysctl.rst), and its name.
func (f *Facts) strictest(link, name string) (value int, where string) {
	for _, l := range []string{"all", link} {
		path := conf4 + l + "/" + name
		if v := number(f.Sysctls[path]); l != "" && v > value {
			value, where = v, dotted(path)
		}
	}
	return value, where
}

// number is a sysctl of one digit.
func number(text string) int {
	if len(text) != 1 || text[0] < '0' || text[0] > '9' {
		return 0
	}
	return int(text[0] - '0')
}
