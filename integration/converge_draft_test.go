package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing/fstest"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// choice is a text and the block of the file that it stands in.
type choice struct{ block, text string }

// slot is a place in a configuration that is filled in one of several ways; the
// first is nothing, or the plainest.
type slot []choice

// draft is a configuration as the choice made for each slot.
type draft []int

// Blocks that have no name, and all slots.
var (
	ownBlocks  = []string{"static_ipaddress", "static_routes", "static_rules"}
	draftSlots = slices.Concat(globalSlots, instanceSlots(1), instanceSlots(2), instanceSlots(3), addressSlots(), routeSlots(), ruleSlots(),
		serviceSlots(1), serviceSlots(2), serviceSlots(3))
)

// of makes a slot whose choices stand in one block.
func of(block string, texts ...string) slot {
	s := make(slot, len(texts))
	for i, text := range texts {
		s[i] = choice{block, text}
	}
	return s
}

var globalSlots = []slot{
	of("vrrp_sync_group G", "", "track_file {\nfive weight 2\n}", "track_interface {\neth1 weight 3\n}", "track_script {\nbad weight -7\n}"),
	of("global_defs", "", "vrrp_version 3", "vrrp_version 2"),
	of("global_defs", "", "vmac_prefix other"),
	of("global_defs", "", "vmac_addr_prefix more"),
	of("global_defs", "", "vrrp_garp_master_refresh 1\nvrrp_garp_master_repeat 2", "vrrp_garp_master_delay 0"),
	of("global_defs", "", "lvs_timeouts tcp 800 udp 77", "lvs_timeouts tcpfin 60"),
	of("global_defs", "", "vrrp_priority -3\nchecker_priority -2", "vrrp_rt_priority 10"),
	of("global_defs", "", "default_interface eth1"),
	of("global_defs", "", "lvs_flush", "lvs_flush_on_stop"),
	of("global_defs", "", "vrrp_mcast_group4 224.0.0.99"),
}

// routerBlock is the block of one instance.
func routerBlock(i int) string { return fmt.Sprintf("vrrp_instance %d", i) }

func instanceSlots(i int) []slot {
	here := func(texts ...string) slot { return of(routerBlock(i), texts...) }
	return []slot{
		of(routerBlock(i)+" name", "", fmt.Sprintf("I%d", i), fmt.Sprintf("renamed%d", i)),
		of(routerBlock(i)+" member", "", "yes"),
		here("interface eth0", "interface eth1"),
		here(fmt.Sprintf("virtual_router_id %d", 50+i), fmt.Sprintf("virtual_router_id %d", 60+i)),
		here("version 3\nadvert_int 0.1", "version 3\nadvert_int 0.2", "version 2\nadvert_int 1", "version 2\nadvert_int 1\nauthentication {\nauth_type AH\nauth_pass word\n}"),
		here("priority 255", "priority 100", "priority 180"),
		here("", "use_vmac", fmt.Sprintf("use_vmac vm%d", i), "use_vmac\nvmac_xmit_base", "use_vmac\nuse_vmac_addr"),
		here("", "no_accept", "nopreempt\nstate BACKUP", "dont_track_primary", "garp_master_refresh 2"),
		here("", "track_interface {\neth1\n}", "track_interface {\neth1 weight 10\n}", "track_interface {\nlo weight -10\n}"),
		here("", "track_file {\nfive weight 1\n}", "track_file {\nfive weight -1\n}", "track_file {\nfault weight 1\n}"),
		here("", "track_script {\ngood weight 5\n}", "track_script {\nbad weight -5\n}", "track_script {\nbad\n}"),
		here("", "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.200\n}", "mcast_src_ip 10.0.0.1"),
		here("", "accept"),
	}
}

// owned makes a slot of texts that stand in the file's own block or in one of
// the instances, below their keywords there.
func owned(static string, keywords []string, texts ...string) slot {
	s := slot{{}}
	for _, text := range texts {
		if static != "" {
			s = append(s, choice{static, text})
		}
		for i := 1; i <= 3; i++ {
			for _, k := range keywords {
				s = append(s, choice{routerBlock(i), k + " {\n" + text + "\n}"})
			}
		}
	}
	return s
}

func addressSlots() []slot {
	both := []string{"virtual_ipaddress", "virtual_ipaddress_excluded"}
	six := both[1:]
	own := "static_ipaddress"
	return []slot{
		owned(own, both, "10.0.0.101/24 dev eth0", "10.0.0.101/24 dev eth1", "10.0.0.101/32 dev eth0"),
		owned(own, both, "10.0.0.102/24 dev eth0 brd +", "10.0.0.102/24 dev eth0 noprefixroute", "10.0.0.102/24 dev eth0 label eth0:x"),
		owned(own, both, "10.3.0.1/24 dev eth1", "10.4.0.1/24 dev eth0 scope link"),
		owned(own, both, "10.3.0.2/24 dev eth1", "10.3.0.2/24 dev eth0"),
		owned(own, six, "fd00::101/64 dev eth0", "fd00::101/128 dev eth0", "fd00::101/64 dev eth1 home"),
		owned(own, six, "fd03::1/64 dev eth1", "fd03::1/64 dev eth0 -nodad"),
		owned("", both, "10.0.0.104/24", "10.0.0.104/24 use_vmac", "10.0.1.104/24 dev eth1 use_vmac"),
	}
}

func routeSlots() []slot {
	in, own := []string{"virtual_routes"}, "static_routes"
	return []slot{
		owned(own, in, "10.20.1.0/24 via 10.0.0.9 dev eth0", "10.20.1.0/24 via 10.0.1.9 dev eth1 metric 7", "10.20.1.0/24 via 10.0.0.9 dev eth0 mtu 1400"),
		owned(own, in, "10.20.2.0/24 nexthop via 10.0.0.8 dev eth0 weight 3 nexthop via 10.0.1.9 dev eth1 weight 5", "blackhole 10.20.2.0/24"),
		owned(own, in, "default via 10.0.0.9 table 300", "default via 10.0.1.9 table 300"),
		owned(own, in, "fd20::/64 via fd00::9 dev eth0", "fd20::/64 nexthop via fd00::8 dev eth0 nexthop via fd00::9 dev eth0"),
	}
}

func ruleSlots() []slot {
	in, own := []string{"virtual_rules"}, "static_rules"
	return []slot{
		owned(own, in, "from 10.0.0.101 table 300 preference 60", "from 10.0.0.101 table 301 preference 60", "from 10.0.0.101 table 300 preference 70"),
		owned(own, in, "iif eth1 fwmark 5 table 300 preference 61", "to 10.9.0.0/16 blackhole preference 61"),
		owned(own, in, "to fd14::/64 table 300 preference 62"),
	}
}

// farmBlock is the block of one virtual server.
func farmBlock(i int) string { return fmt.Sprintf("virtual_server %d", i) }

func serviceSlots(i int) []slot {
	here := func(texts ...string) slot { return of(farmBlock(i), texts...) }
	server := func(ip, check string) slot {
		s := slot{{}}
		for _, lines := range []string{"weight 1", "weight 3", check, "weight 2\n" + check, "inhibit_on_failure\n" + check} {
			s = append(s, choice{farmBlock(i), fmt.Sprintf("real_server %s 80 {\n%s\n}", ip, lines)})
		}
		return s
	}
	const check = "TCP_CHECK {\nconnect_timeout 2\nretry 0\n}"
	return []slot{
		of(farmBlock(i)+" name", "", fmt.Sprintf("10.0.0.100 %d", 80+i), fmt.Sprintf("10.0.0.101 %d", 80+i), "fwmark "+fmt.Sprint(i)),
		here("lvs_sched rr", "lvs_sched wrr", "lvs_sched sh"),
		here("lvs_method NAT", "lvs_method FULLNAT"),
		here("protocol TCP\ndelay_loop 1", "protocol UDP\ndelay_loop 1"),
		here("", "persistence_timeout 50", "persistence_timeout 600"),
		here("", "alpha", "quorum 2", "omega"),
		here("", "sorry_server 10.0.0.9 81", "sorry_server 10.0.0.9 81\nsorry_server_inhibit"),
		server("10.0.0.9", check), // answers
		server("10.0.0.8", check), // refuses
		server("10.0.1.9", check),
	}
}

// texts are those that stand in a block.
func (d draft) texts(block string) (texts []string) {
	for i, s := range draftSlots {
		if c := s[d[i]]; c.block == block && c.text != "" {
			texts = append(texts, c.text)
		}
	}
	return texts
}

// tracks is what there is to track.
const tracks = `vrrp_track_file five {
file DIR/five
}
vrrp_track_file fault {
file DIR/fault
}
vrrp_script good {
script /bin/true
interval 1
}
vrrp_script bad {
script /bin/false
interval 1
}
`

// render writes the file; dir has the tracked files.
func (d draft) render(dir string) string {
	var b strings.Builder
	block := func(head string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "%s {\n%s\n}\n", head, strings.Join(lines, "\n"))
		}
	}
	block("global_defs", append(d.texts("global_defs"), "script_user root", "router_id twin"))
	for _, name := range ownBlocks {
		block(name, d.texts(name))
	}
	b.WriteString(strings.ReplaceAll(tracks, "DIR", dir))
	var members []string
	for i := 1; i <= 3; i++ {
		name := strings.Join(d.texts(routerBlock(i)+" name"), "")
		if name != "" && len(d.texts(routerBlock(i)+" member")) > 0 {
			members = append(members, name)
		}
	}
	if len(members) > 1 {
		block("vrrp_sync_group G", append(d.texts("vrrp_sync_group G"), "group {\n"+strings.Join(members, "\n")+"\n}"))
	}
	for i := 1; i <= 3; i++ {
		if name := strings.Join(d.texts(routerBlock(i)+" name"), ""); name != "" {
			own := fmt.Sprintf("virtual_ipaddress {\n10.0.0.11%d/24\n}", i)
			block("vrrp_instance "+name, append(d.texts(routerBlock(i)), own))
		}
	}
	for i := 1; i <= 3; i++ {
		if name := strings.Join(d.texts(farmBlock(i)+" name"), ""); name != "" {
			// With no server at all a service is left out: a table that was made stays
			// then for the connections of its past.
			block("virtual_server "+name, append(d.texts(farmBlock(i)), "real_server 10.0.0.7 80 {\n}"))
		}
	}
	return b.String()
}

// faultless tells whether a reload to the file is not refused.
func (d draft) faultless() bool {
	files := fstest.MapFS{"conf": {Data: []byte(d.render("/dir"))}}
	_, list := confparse.Load(files, "conf", syntax.Env{})
	return !slices.ContainsFunc(list, func(e *syntax.Error) bool { return e.Severity == syntax.Failure })
}
