package sim_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// drawn is a configuration of all nodes: what they must agree in, and what each
// decides for itself.
type drawn struct {
	versions  []int // of the protocol, by node
	grouped   bool
	weights   bool   // sync_group_tracking_weight
	ways      string // keepgo's or keepalived's, in global_defs
	instances []drawnInstance
	nodes     []string
	owners    map[netip.Addr]string // the instance of each address
}

// drawnInstance is one virtual router on all nodes.
type drawnInstance struct {
	name    string
	vrid    int
	link    string
	ipv6    bool
	unicast bool
	vips    []int // last bytes
	each    []drawnRouter
}

// drawnRouter is one node's part of a virtual router.
type drawnRouter struct {
	priority, advert, delay int
	master, nopreempt       bool
	quiet, talkative        bool
	links, scripts          []drawnTrack
}

type drawnTrack struct {
	name    string
	weight  int
	reverse bool
}

// the interfaces that may be tracked, and the scripts of every configuration
// with their rise and fall.
var (
	drawnLinks   = []string{"eth0", "eth1", "eth2"}
	drawnScripts = []struct {
		name       string
		rise, fall int
	}{{"chk1", 1, 1}, {"chk2", 3, 2}}
)

func draw(t *rapid.T, nodes []string) *drawn {
	c := &drawn{nodes: nodes}
	choice := rapid.SampledFrom([][]int{{2}, {3}, {2}, {3}, {2, 3}}).Draw(t, "versions")
	for range nodes {
		c.versions = append(c.versions, rapid.SampledFrom(choice).Draw(t, "version"))
	}
	vrids := rapid.SliceOfNDistinct(rapid.IntRange(51, 53), 1, 3, rapid.ID[int]).Draw(t, "vrids")
	c.grouped = len(vrids) > 1 && rapid.Bool().Draw(t, "grouped")
	c.weights = c.grouped && rapid.Bool().Draw(t, "weights")
	ipv6 := !slices.Contains(c.versions, 2) && rapid.Bool().Draw(t, "ipv6")
	for _, vrid := range vrids {
		c.instances = append(c.instances, c.instance(t, vrid, ipv6))
	}
	c.owners = map[netip.Addr]string{}
	for _, in := range c.instances {
		for _, v := range in.vips {
			c.owners[netip.MustParsePrefix(in.vip(v)).Addr()] = in.name
		}
	}
	if c.grouped {
		c.align()
	}
	c.ways = rapid.SampledFrom([]string{"", "", "like_keepalived", "vrrp_vip_loss release", "vrrp_reannounce off", "vrrp_listen_after_pause off"}).Draw(t, "ways")
	return c
}

// align gives all members of a group on one node the same chances: where one
// member is better here and another there, they may go to and fro for ever.
func (c *drawn) align() {
	first := c.instances[0].each
	for _, in := range c.instances[1:] {
		for i := range in.each {
			r := first[i]
			r.advert, r.quiet, r.talkative = in.each[i].advert, in.each[i].quiet, in.each[i].talkative
			in.each[i] = r
		}
	}
}

func (c *drawn) instance(t *rapid.T, vrid int, ipv6 bool) drawnInstance {
	in := drawnInstance{
		name: fmt.Sprintf("%s_%d", rapid.SampledFrom([]string{"VI", "VX"}).Draw(t, "name"), vrid),
		vrid: vrid,
		link: rapid.SampledFrom(drawnLinks[:2]).Draw(t, "link"),
		ipv6: ipv6,
		vips: []int{vrid},
	}
	in.unicast = !ipv6 && rapid.Bool().Draw(t, "unicast")
	if rapid.Bool().Draw(t, "second vip") {
		in.vips = append(in.vips, vrid+50)
	}
	advert := rapid.IntRange(1, 2).Draw(t, "advert")
	owner := -1
	if !c.grouped {
		owner = rapid.IntRange(-6, len(c.nodes)-1).Draw(t, "owner")
	}
	for i := range c.nodes {
		r := c.router(t, c.versions[i], advert)
		if i == owner {
			r = drawnRouter{priority: 255, advert: r.advert, links: faulting(r.links), scripts: faulting(r.scripts)}
		}
		in.each = append(in.each, r)
	}
	return in
}

// faulting leaves the trackers without a weight: an owner has no others.
func faulting(tracks []drawnTrack) (out []drawnTrack) {
	for _, t := range tracks {
		if t.weight == 0 {
			out = append(out, t)
		}
	}
	return out
}

func (c *drawn) router(t *rapid.T, version, advert int) drawnRouter {
	r := drawnRouter{
		priority:  rapid.SampledFrom([]int{100, 100, 99, 101, 1, 50, 150, 254}).Draw(t, "priority"),
		advert:    advert,
		master:    rapid.IntRange(0, 3).Draw(t, "master") == 3,
		quiet:     rapid.IntRange(0, 5).Draw(t, "quiet") == 5,
		talkative: rapid.IntRange(0, 5).Draw(t, "talkative") == 5,
	}
	if version == 3 {
		r.advert = rapid.IntRange(1, 3).Draw(t, "own advert")
	}
	if !r.master {
		r.nopreempt = rapid.IntRange(0, 3).Draw(t, "nopreempt") == 3
	}
	if !r.master && !r.nopreempt && rapid.IntRange(0, 3).Draw(t, "delayed") == 3 {
		r.delay = rapid.IntRange(1, 4).Draw(t, "delay")
	}
	if rapid.IntRange(0, 2).Draw(t, "tracks a link") == 2 {
		r.links = append(r.links, drawTrack(t, "eth2"))
	}
	for _, s := range drawnScripts {
		if rapid.IntRange(0, 2).Draw(t, "tracks a script") == 2 {
			r.scripts = append(r.scripts, drawTrack(t, s.name))
		}
	}
	return r
}

func drawTrack(t *rapid.T, name string) drawnTrack {
	return drawnTrack{
		name:    name,
		weight:  rapid.SampledFrom([]int{0, 0, -60, -1, 1, 60, 253}).Draw(t, "weight"),
		reverse: rapid.IntRange(0, 3).Draw(t, "reverse") == 3,
	}
}

// text is the configuration of node i.
func (c *drawn) text(i int) string {
	var b strings.Builder
	if c.ways != "" {
		fmt.Fprintf(&b, "global_defs {\n %s\n}\n", c.ways)
	}
	for _, s := range drawnScripts {
		fmt.Fprintf(&b, "vrrp_script %s {\n script \"/bin/%s\"\n interval 1\n rise %d\n fall %d\n}\n", s.name, s.name, s.rise, s.fall)
	}
	if c.grouped {
		b.WriteString("vrrp_sync_group G {\n group {\n")
		for _, in := range c.instances {
			fmt.Fprintf(&b, "  %s\n", in.name)
		}
		b.WriteString(" }\n")
		if c.weights {
			b.WriteString(" sync_group_tracking_weight\n")
		}
		b.WriteString("}\n")
	}
	for _, in := range c.instances {
		in.write(&b, c, i)
	}
	return b.String()
}

func (in *drawnInstance) write(b *strings.Builder, c *drawn, i int) {
	r := in.each[i]
	fmt.Fprintf(b, "vrrp_instance %s {\n interface %s\n virtual_router_id %d\n version %d\n priority %d\n advert_int %d\n",
		in.name, in.link, in.vrid, c.versions[i], r.priority, r.advert)
	flags := map[string]bool{" nopreempt\n": r.nopreempt, " state MASTER\n": r.master,
		" lower_prio_no_advert\n": r.quiet, " higher_prio_send_advert\n": r.talkative}
	for _, word := range []string{" nopreempt\n", " state MASTER\n", " lower_prio_no_advert\n", " higher_prio_send_advert\n"} {
		if flags[word] {
			b.WriteString(word)
		}
	}
	if r.delay > 0 {
		fmt.Fprintf(b, " preempt_delay %d\n", r.delay)
	}
	if in.unicast {
		in.writePeers(b, c, i)
	}
	writeTracks(b, "track_interface", r.links)
	writeTracks(b, "track_script", r.scripts)
	b.WriteString(" virtual_ipaddress {\n")
	for _, v := range in.vips {
		fmt.Fprintf(b, "  %s\n", in.vip(v))
	}
	b.WriteString(" }\n}\n")
}

func (in *drawnInstance) vip(last int) string {
	if in.ipv6 {
		return fmt.Sprintf("fe80::1:%d/64", last)
	}
	return fmt.Sprintf("192.0.2.%d/24", last)
}

func (in *drawnInstance) writePeers(b *strings.Builder, c *drawn, i int) {
	wire := strings.TrimPrefix(in.link, "eth")
	fmt.Fprintf(b, " unicast_src_ip 10.0.%s.%d\n unicast_peer {\n", wire, i+1)
	for j := range c.nodes {
		if j != i {
			fmt.Fprintf(b, "  10.0.%s.%d\n", wire, j+1)
		}
	}
	b.WriteString(" }\n")
}

func writeTracks(b *strings.Builder, block string, tracks []drawnTrack) {
	if len(tracks) == 0 {
		return
	}
	fmt.Fprintf(b, " %s {\n", block)
	for _, t := range tracks {
		fmt.Fprintf(b, "  %s weight %d", t.name, t.weight)
		if t.reverse {
			b.WriteString(" reverse")
		}
		b.WriteString("\n")
	}
	b.WriteString(" }\n")
}
