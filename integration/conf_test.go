package integration

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// wire is how the pair talks.
type wire struct {
	version int
	unicast bool
	ipv6    bool
}

// interval is the advert_int of generated files: as short as the version
// allows within reason.
func (k wire) interval() time.Duration {
	if k.version == 2 {
		return time.Second
	}
	return 200 * time.Millisecond
}

func (k wire) vip() netip.Addr {
	if k.ipv6 {
		return vip6
	}
	return vip4
}

func (k wire) String() string {
	s := fmt.Sprintf("v%d", k.version)
	if k.ipv6 {
		s += "-ipv6"
	}
	if k.unicast {
		return s + "-unicast"
	}
	return s + "-multicast"
}

// conf is a configuration to be rendered. The zero fields say nothing.
type conf struct {
	wire
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
func confA(k wire) conf { return conf{wire: k, self: 1, peer: 2, state: "MASTER", priority: 150} }
func confB(k wire) conf { return conf{wire: k, self: 2, peer: 1, state: "BACKUP", priority: 100} }

// String renders the file.
func (c conf) String() string {
	bits := map[bool]int{false: 24, true: 64}[c.ipv6]
	vips := append([]string{fmt.Sprintf("%s/%d", c.vip(), bits)}, c.addresses...)
	return fmt.Sprintf(`global_defs {
    router_id lb%d
    script_user root
    %s
}
%s
vrrp_instance VI_1 {
    state %s
    interface %s
    virtual_router_id 51
    priority %d
    version %d
    advert_int %g
    %s
    virtual_ipaddress {
        %s
    }
    %s
}
%s
`, c.self, c.global, c.before, c.state, lanLink, c.priority, c.version, c.interval().Seconds(),
		c.unicastLines(), strings.Join(vips, "\n        "), c.instance, c.after)
}

func (c conf) unicastLines() string {
	if !c.unicast {
		return ""
	}
	net := map[bool]string{false: "10.0.0.", true: "fd00::"}[c.ipv6]
	return fmt.Sprintf("unicast_src_ip %s%d\n    unicast_peer {\n        %s%d\n    }", net, c.self, net, c.peer)
}
