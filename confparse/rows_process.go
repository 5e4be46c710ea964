package confparse

import (
	"strconv"
	"time"

	"keepgo/confparse/syntax"
)

// processRows say how the processes run and whose rights scripts have.
func processRows() []row[globals] {
	type G = globals
	rows := []row[G]{
		field("script_user", kind[string]{args: "<USER> [:][<GROUP>]", rng: "names or numbers that exist", read: func(s *stmt) (string, bool) {
			u := ""
			identity(&u, &s.r.globals.ScriptGroup, s)
			return u, u != ""
		}}.or("keepalived_script, else the user of the daemon"), func(g *G) *string { return &g.ScriptUser }, "The user that scripts run as.").since("1.3.0"),
		field("enable_script_security", flag(), func(g *G) *bool { return &g.ScriptSecurity }, "Refuses scripts of root that others can change.").since("1.3.0"),
		field("use_symlink_paths", boolean(), func(g *G) *bool { return &g.SymlinkPaths }, "Runs scripts by the path as written, links and all.").since("2.3.0"),
		field("set_supplementary_groups", boolean(), func(g *G) *bool { return &g.ScriptGroups }, "Gives scripts all groups of their user.").since("after 2.4.3"),
		field("startup_script", command(), func(g *G) **Command { return &g.StartupScript }, "Runs before the children start.").since("2.1.0"),
		field("startup_script_timeout", seconds(1, 1000).or(10), func(g *G) *time.Duration { return &g.StartupTimeout }, "How long startup_script may run.").since("2.1.0"),
		field("shutdown_script", command(), func(g *G) **Command { return &g.ShutdownScript }, "Runs after the children stopped.").since("2.1.0"),
		field("shutdown_script_timeout", seconds(1, 1000).or(10), func(g *G) *time.Duration { return &g.ShutdownTimeout }, "How long shutdown_script may run.").since("2.1.0"),
		field("max_auto_priority", optional(number[int](-1, 99), 99).or(0), func(g *G) *int { return &g.MaxAutoPriority }, "How far a late process may raise its real-time priority; without a number to the highest.").since("2.1.0"),
		field("min_auto_priority_delay", ticks("<USECS>", time.Microsecond, 1, 10000000).or(1000000), func(g *G) *time.Duration { return &g.MinAutoPriorityDelay }, "How late a process must be to raise it.").since("2.1.0"),
		field("process_names", flag(), func(g *G) *bool { return &g.ProcessNames }, "Gives the children names of their own.").without("the processes always have the names keepalived_vrrp, keepalived_ipvs and keepalived_bfd").since("2.0.16"),
		field("process_name", processName().or("unchanged"), func(g *G) *string { return &g.Parent.Name }, "The name of the parent process.").since("2.0.16"),
	}
	rows = append(rows, childRows("vrrp", "VRRP", "1.1.0", func(g *G) *Process { return &g.VRRP })...)
	rows = append(rows, childRows("checker", "checker", "1.1.0", func(g *G) *Process { return &g.Checker })...)
	rows = append(rows, field("checker_process_name", processName(), func(g *G) *string { return &g.Checker.Name }, "The name of the checker process.").old("lvs_process_name").since("2.0.16"))
	return append(rows, childRows("bfd", "BFD", "2.0.0", func(g *G) *Process { return &g.BFD })...)
}

// childRows are the keywords of one child.
func childRows(prefix, who, first string, at func(*globals) *Process) []row[globals] {
	type G = globals
	rttime := field(prefix+"_rlimit_rttime", ticks("<USECS>", time.Microsecond, 1, 1<<31-1).or("no limit"), func(g *G) *time.Duration { return &at(g).RTTime },
		"How long the "+who+" process may compute in one go in the real-time class.").since("2.1.0")
	return released([]row[G]{
		field(prefix+"_process_name", processName().or("unchanged"), func(g *G) *string { return &at(g).Name }, "The name of the "+who+" process.").since("2.0.16"),
		field(prefix+"_priority", given(number[int](-20, 19)).or("inherited"), func(g *G) **int { return &at(g).Nice }, "The nice value of the "+who+" process.").since("1.2.20"),
		field(prefix+"_no_swap", flag(), func(g *G) *bool { return &at(g).NoSwap }, "Locks the "+who+" process in memory.").since("1.2.20"),
		field(prefix+"_rt_priority", clamped(1, 99).or("none"), func(g *G) *int { return &at(g).RTPriority }, "Runs the "+who+" process in the real-time class.").since("2.0.0"),
		field(prefix+"_cpu_affinity", processors(), func(g *G) *[]int { return &at(g).CPUs }, "Keeps the "+who+" process on these CPUs.").since("2.0.17"),
		rttime, rttime.old(prefix + "_rlimit_rtime").since("2.0.0"),
	}, first, releases{"checker_process_name": "2.2.0"})
}

// balancerRows say what happens to IPVS as a whole.
func balancerRows() []row[globals] {
	type G = globals
	flush := action("lvs_flush_on_stop", "[VS]", func(s *stmt, g *G) {
		g.LVSFlushOnStop = true
		g.LVSFlushVS = s.switched("VS")
	}, "Empties the IPVS table at stop; VS takes services away with their servers at once.").or("off").since("2.2.0")
	onOff := func(name, doc string) row[G] {
		return action("lvs_"+name, "[<BOOL>]", func(s *stmt, g *G) {
			if on, ok := boolean().read(s); ok {
				g.lvsSwitch(name, map[bool]string{true: "1", false: "0"}[on])
			}
		}, doc+" (net.ipv4.vs."+name+").").in("true on yes, false off no").or("the kernel's").ours()
	}
	return []row[G]{
		onOff("expire_nodest_conn", "Ends connections to a server that left the table, instead of dropping their packets in silence"),
		onOff("expire_quiescent_template", "Lets clients with persistence go to another server when theirs has weight 0"),
		action("lvs_conn_reuse_mode", "<N>", func(s *stmt, g *G) {
			if n, ok := number[int](0, 3).read(s); ok {
				g.lvsSwitch("conn_reuse_mode", strconv.Itoa(n))
			}
		}, "What happens when a client uses a port again while the old connection is remembered: 0 the same server, 1 a new choice where it is safe, 3 after a FIN too (net.ipv4.vs.conn_reuse_mode).").in("0-3").or("the kernel's").ours(),
		field("lvs_flush", flag(), func(g *G) *bool { return &g.LVSFlush }, "Empties the IPVS table at start.").since("1.2.23"),
		flush, flush.old("lvs_flush_onstop").since("2.0.15"),
		field("lvs_data_plane", choice("lvs_data_plane", []string{"auto", "ipvs", "nftables"}, []DataPlane{PlaneAuto, PlaneIPVS, PlaneNFTables}).or("auto"), func(g *G) *DataPlane { return &g.DataPlane }, "What balances connections: the kernel's IPVS, nftables, or IPVS where the kernel has it and nftables where not.").ours(),
		action("lvs_timeouts", "[tcp <N>] [tcpfin <N>] [udp <N>]", lvsTimeouts, "The timeouts of IPVS connections.").in("0-2678400").or("the kernel's").
			options(option("tcp", "<SECS>", "The timeout of an established TCP connection; 0 leaves it.").in("0-2678400").or("unchanged"),
				option("tcpfin", "<SECS>", "The timeout of a TCP connection after FIN; 0 leaves it.").in("0-2678400").or("unchanged"),
				option("udp", "<SECS>", "The timeout of UDP; 0 leaves it.").in("0-2678400").or("unchanged")).since("1.2.24"),
		action("lvs_sync_daemon", "<IF> [[inst] <VRRP_INSTANCE>] [id <N>] [maxlen <N>] [port <N>] [ttl <N>] [group <MCAST_IP>]", syncDaemon, "Sends IPVS connections to the other director.").in("see its words").
			options(option("inst", "<VRRP_INSTANCE>", "The instance that decides between master and backup; the word may be left out."),
				option("id", "<N>", "The number of the pair on the network.").in("0-255").or("the VRID of the instance, else 0"),
				option("maxlen", "<N>", "The longest datagram.").in("1-65507").or("the kernel's"),
				option("port", "<N>", "The UDP port.").in("1-65535").or("8848"),
				option("ttl", "<N>", "The TTL of datagrams.").in("1-255").or("1"),
				option("group", "<MCAST_IP>", "The multicast group.").in("a multicast address").or("224.0.0.81")).since("1.2.20"),
		field("rs_init_notifies", boolean(), func(g *G) *bool { return &g.RSInitNotifies }, "Tells of the first state of each real server too.").since("2.0.0"),
	}
}

func (g *globals) lvsSwitch(name, value string) {
	if g.LVSSwitches == nil {
		g.LVSSwitches = map[string]string{}
	}
	g.LVSSwitches[name] = value
}

// timeoutOption is one option of lvs_timeouts.
type timeoutOption struct {
	TCP    string `parser:"  'tcp' @Word"`
	TCPFin string `parser:"| 'tcpfin' @Word"`
	UDP    string `parser:"| 'udp' @Word"`
}

var timeoutParser = grammarOf[timeoutOption]()

func lvsTimeouts(s *stmt, g *globals) {
	if s.i == len(s.n.Words) {
		s.value("tcp, tcpfin or udp with a number")
		return
	}
	options(s, timeoutParser, "after lvs_timeouts", []string{"tcp", "tcpfin", "udp"}, func(o *timeoutOption, w syntax.Word) {
		at := &g.LVSTimeouts.TCP
		if o.TCPFin != "" {
			at = &g.LVSTimeouts.TCPFin
		} else if o.UDP != "" {
			at = &g.LVSTimeouts.UDP
		}
		w.Text = o.TCP + o.TCPFin + o.UDP
		if n, ok := s.whole(w, 0, 2678400, "0-2678400"); ok {
			*at = time.Duration(n) * time.Second
		}
	})
}

// syncOption is one option of lvs_sync_daemon.
type syncOption struct {
	Inst   string `parser:"  'inst' @Word"`
	ID     string `parser:"| 'id' @Word"`
	MaxLen string `parser:"| 'maxlen' @Word"`
	Port   string `parser:"| 'port' @Word"`
	TTL    string `parser:"| 'ttl' @Word"`
	Group  string `parser:"| 'group' @Word"`
}

var (
	syncParser = grammarOf[syncOption]()
	syncWords  = []string{"inst", "id", "maxlen", "port", "ttl", "group"}
)

func syncDaemon(s *stmt, g *globals) {
	w, ok := s.value("an interface name")
	if !ok || !s.link(w) {
		s.rest()
		return
	}
	d := &SyncDaemon{Interface: w.Text, ID: -1}
	if s.i < len(s.n.Words) && !contains(syncWords, s.n.Words[s.i].Text) {
		w, _ := s.next()
		s.syncInstance(d, w)
	}
	if s.i < len(s.n.Words) {
		options(s, syncParser, "after lvs_sync_daemon", syncWords, func(o *syncOption, w syntax.Word) { s.syncOption(d, o, w) })
	}
	g.LVSSync = d
}

func (s *stmt) syncInstance(d *SyncDaemon, w syntax.Word) {
	d.Instance = w.Text
	s.refers("vrrp_instance", w)
}

func (s *stmt) syncOption(d *SyncDaemon, o *syncOption, w syntax.Word) {
	set := func(text string, lo, hi int64, rng string, put func(n int64)) {
		if w.Text = text; text == "" {
			return
		}
		if n, ok := s.whole(w, lo, hi, rng); ok {
			put(n)
		}
	}
	set(o.ID, 0, 255, "0-255", func(n int64) { d.ID = int(n) })
	set(o.MaxLen, 1, 65507, "1-65507", func(n int64) { d.MaxLen = int(n) })
	set(o.Port, 1, 65535, "1-65535", func(n int64) { d.Port = uint16(n) })
	set(o.TTL, 1, 255, "1-255", func(n int64) { d.TTL = uint8(n) })
	switch w.Text = o.Inst + o.Group; {
	case o.Inst != "":
		s.syncInstance(d, w)
	case o.Group != "":
		a, ok := s.addr(w)
		if ok && !a.IsMulticast() {
			s.fail(w, "", "%s is no multicast address", a)
		} else if ok {
			d.Group = a
		}
	}
}

// firewallRows say how packets are kept from virtual addresses.
func firewallRows() []row[globals] {
	type G = globals
	priority := number[int](-1<<31, 1<<31-1).in("-2147483648 to 2147483647").or(-1)
	return []row[G]{
		action("vrrp_iptables", "[<IN_CHAIN> [<OUT_CHAIN>]]", func(s *stmt, g *G) {
			t := g.iptables()
			t.In, t.Out = "INPUT", "OUTPUT"
			if w, ok := s.next(); ok {
				t.In, t.Out = w.Text, ""
			}
			if w, ok := s.next(); ok {
				t.Out = w.Text
			}
		}, "Uses iptables for no_accept and VMACs; the chains must exist.").in("chains that exist").or("off; INPUT OUTPUT when no argument").without("nftables does the same, and needs no chain").since("1.2.20"),
		action("vrrp_ipsets", "[<SET4> [<SET6> [<IF6> [<IGMP> [<MLD> [<ND>]]]]]]", func(s *stmt, g *G) {
			t := g.iptables()
			for _, w := range s.rest() {
				t.Sets = append(t.Sets, w.Text)
			}
			t.NoSets = len(t.Sets) == 0
		}, "The ipsets used with vrrp_iptables; none without a name.").in("names of ipsets").
			or("keepalived, keepalived6, keepalived_if6, keepalived_igmp, keepalived_mld, keepalived_nd").without("nftables has sets of its own").since("1.2.20"),
		field("nftables", optional(text("table"), "keepalived").in("the name of a table").or("keepalived"), func(g *G) *string { return &g.NFTables.Table }, "The nftables table for no_accept and VMACs.").since("2.0.11"),
		field("nftables_priority", priority, func(g *G) *int { return &g.NFTables.Priority }, "The priority of its chains.").since("2.0.11"),
		field("nftables_ifindex", flag(), func(g *G) *bool { return &g.NFTables.IfIndex }, "Names interfaces there by number.").since("2.0.11"),
		field("nftables_counters", flag(), func(g *G) *bool { return &g.NFTables.Counters }, "Counts packets there.").since("2.0.11"),
		field("nftables_ipvs", optional(text("table"), "keepalived_ipvs").in("the name of a table").or("off; keepalived_ipvs when no argument"), func(g *G) *string { return &g.NFTIPVS.Table }, "Marks the packets of a virtual_server_group with nftables.").since("2.2.2"),
		field("nftables_ipvs_priority", priority, func(g *G) *int { return &g.NFTIPVS.Priority }, "The priority of its chain.").since("2.2.2"),
		field("nftables_ipvs_start_fwmark", number[uint32](1, 1<<32-1).or(1000), func(g *G) *uint32 { return &g.NFTIPVS.FirstMark }, "The first mark it uses.").since("2.2.2"),
		field("disable_local_igmp", flag(), func(g *G) *bool { return &g.DisableLocalIGMP }, "Keeps the kernel from reporting link-local groups.").since("2.2.0"),
	}
}

func (g *globals) iptables() *IPTables {
	if g.IPTables == nil {
		g.IPTables = &IPTables{}
	}
	return g.IPTables
}

// hostRows are buffers of sockets.
func hostRows() []row[globals] {
	type G = globals
	var rows []row[G]
	buffer := func(name, what, def, since string, at func(*G) *NetlinkBuffer) {
		rows = append(rows,
			field(name, number[int](0, 1<<31-1).or(def), func(g *G) *int { return &at(g).Bytes }, "The receive buffer of "+what+".").bytes().since(since),
			field(name+"_force", boolean(), func(g *G) *bool { return &at(g).Force }, "Sets that buffer beyond the limit of the system.").since(since))
	}
	buffer("lvs_netlink_cmd_rcv_bufs", "the netlink socket that the checkers give orders on", "65536", "2.0.0", func(g *G) *NetlinkBuffer { return &g.LVSCommandBuffer })
	buffer("lvs_netlink_monitor_rcv_bufs", "the netlink socket that the checkers hear changes on", "65536", "2.0.0", func(g *G) *NetlinkBuffer { return &g.LVSMonitorBuffer })
	buffer("vrrp_netlink_cmd_rcv_bufs", "the netlink socket that VRRP gives orders on", "65536", "2.0.0", func(g *G) *NetlinkBuffer { return &g.VRRPCommandBuffer })
	buffer("vrrp_netlink_monitor_rcv_bufs", "the netlink socket that VRRP hears changes on", "65536", "2.0.0", func(g *G) *NetlinkBuffer { return &g.VRRPMonitorBuffer })
	buffer("process_monitor_rcv_bufs", "the socket of process events", "the kernel's", "2.0.11", func(g *G) *NetlinkBuffer { return &g.ProcessBuffer })
	return append(rows,
		action("vrrp_rx_bufs_policy", "MTU | ADVERT | <BYTES>", receivePolicy, "How large the receive buffers of VRRP are.").in("bytes above 0").or("the kernel's").since("2.0.3"),
		field("vrrp_rx_bufs_multiplier", number[int](1, 1<<31-1).or(3), func(g *G) *int { return &g.ReceiveBuffer.Multiplier }, "How many packets they hold.").since("2.0.3"))
}

func receivePolicy(s *stmt, g *globals) {
	if s.i == len(s.n.Words) {
		s.value("MTU, ADVERT or bytes")
	}
	for _, w := range s.rest() {
		switch w.Text {
		case "MTU", "mtu":
			g.ReceiveBuffer.MTU = true
		case "ADVERT", "advert":
			g.ReceiveBuffer.Advert = true
		default:
			if n, ok := s.whole(w, 1, 1<<31-1, "MTU, ADVERT or bytes above 0"); ok {
				g.ReceiveBuffer.Bytes = int(n)
			}
		}
	}
}
