package integration

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// wire is how the pair talks.
type wire struct {
	version int
	unicast bool
	ipv6    bool
	auth    string // auth_type
	vmac    bool
}

// interval is the advert_int of generated files: as short as the version
// allows within reason.
func (k wire) interval() time.Duration {
	if k.version == 2 {
		return time.Second
	}
	return 200 * time.Millisecond
}

func (k wire) vip() netip.Addr { return k.router().vip }

func (k wire) String() string {
	s := fmt.Sprintf("v%d", k.version)
	if k.ipv6 {
		s += "-ipv6"
	}
	s += map[bool]string{false: "-multicast", true: "-unicast"}[k.unicast]
	if k.auth != "" {
		s += "-" + k.auth
	}
	if k.vmac {
		s += "-vmac"
	}
	return s
}

// router is a virtual router of the pair, as it is seen from outside.
type router struct {
	wire
	name string // of the instance
	link string
	lan  int // number of the network: 10.0.LAN.0/24 and fd00:0:0:LAN::/64
	vrid uint8
	vip  netip.Addr
}

// router is the first virtual router, on the network that every host is in.
func (k wire) router() router {
	r := router{wire: k, name: "VI_1", link: lanLink, vrid: 51}
	r.vip = r.host(100)
	return r
}

// router2 is another one, on a second network.
func (k wire) router2() router {
	r := router{wire: k, name: "VI_2", link: "eth1", lan: 1, vrid: 52}
	r.vip = r.host(100)
	return r
}

// host is the address of the host with a number, in the router's network.
func (r router) host(n int) netip.Addr { return hostAddr(r.lan, r.ipv6, n) }

// mac is the virtual MAC address, RFC 9568 section 7.3.
func (r router) mac() net.HardwareAddr {
	return net.HardwareAddr{0, 0, 0x5e, 0, map[bool]byte{false: 1, true: 2}[r.ipv6], r.vrid}
}

func hostAddr(lan int, ipv6 bool, n int) netip.Addr {
	if ipv6 {
		return netip.MustParseAddr(fmt.Sprintf("fd00:0:0:%d::%d", lan, n))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", lan, n))
}

// conf is a configuration to be rendered. The zero fields say nothing.
type conf struct {
	router
	self, peer int // last byte of the addresses
	state      string
	priority   int
	addresses  []string // beyond the first
	global     string   // more of global_defs
	before     string   // blocks before the instance
	instance   string   // more of the instance
	after      string   // blocks after it
}

// confA is the preferred director's file, confB its partner's.
func confA(k wire) conf {
	return conf{router: k.router(), self: 1, peer: 2, state: "MASTER", priority: 150}
}
func confB(k wire) conf {
	return conf{router: k.router(), self: 2, peer: 1, state: "BACKUP", priority: 100}
}

// String renders the file.
func (c conf) String() string {
	return fmt.Sprintf(`global_defs {
    router_id lb%d
    script_user root
    %s
}
%s
%s
%s
`, c.self, c.global, c.before, c.block(), c.after)
}

// block is the instance alone.
func (c conf) block() string {
	bits := map[bool]int{false: 24, true: 64}[c.ipv6]
	vips := append([]string{fmt.Sprintf("%s/%d", c.router.vip, bits)}, c.addresses...)
	return fmt.Sprintf(`vrrp_instance %s {
    state %s
    interface %s
    virtual_router_id %d
    priority %d
    version %d
    advert_int %g
    %s
    virtual_ipaddress {
        %s
    }
    %s
}
`, c.name, c.state, c.link, c.vrid, c.priority, c.version, c.interval().Seconds(),
		c.wireLines(), strings.Join(vips, "\n        "), c.instance)
}

// wireLines are those that say how the pair talks.
func (c conf) wireLines() string {
	var lines []string
	if c.unicast {
		lines = append(lines, fmt.Sprintf("unicast_src_ip %s\n    unicast_peer {\n        %s\n    }", c.host(c.self), c.host(c.peer)))
	}
	if c.auth != "" {
		lines = append(lines, "authentication {\n        auth_type "+c.auth+"\n        auth_pass secret12\n    }")
	}
	if c.vmac {
		lines = append(lines, "use_vmac")
	}
	if c.vmac && c.unicast {
		lines = append(lines, "vmac_xmit_base")
	}
	return strings.Join(lines, "\n    ")
}
