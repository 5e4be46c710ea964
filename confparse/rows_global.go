package confparse

import (
	"net/netip"
	"time"
)

// globals is what global_defs and the keywords of the top level fill: the
// Global that others see, and the defaults that end up in the instances and
// the checkers.
type globals struct {
	*Global
	version  uint8
	garp     GARP
	garpSet  struct{ lowerDelay, lowerRepeat bool }
	adverts  int // vrrp_down_timer_adverts
	strict   bool
	noAdvert bool // vrrp_lower_prio_no_advert
	sendHigh bool // vrrp_higher_prio_send_advert
	checkSrc bool // vrrp_check_unicast_src
	skipAddr bool // vrrp_skip_check_adv_addr
	ownerDum bool // vrrp_owner_ignore_adverts
	prioNote bool // vrrp_notify_priority_changes
	checksum bool // v3_checksum_as_v2
	logAll   bool // checker_log_all_failures
	alert    alerts
	link     string // default_interface
}

// alerts are the three defaults of smtp_alert.
type alerts struct{ all, vrrp, checker bool }

// reset puts the built-in defaults in place.
func (g *globals) reset() {
	g.version, g.adverts, g.link = 2, 3, "eth0"
	g.garp = GARP{Delay: 5 * time.Second, Repeat: 5, RefreshRepeat: 1}
	g.Group4, g.Group6 = defaultGroup4, defaultGroup6
	g.VRRPVersion, g.SMTPPort = 2, 25
	g.SMTPTimeout, g.ChildWait = 30*time.Second, 5*time.Second
}

// topRows are the keywords of the top level that open no block.
func topRows[T any](g func(*T) *globals) []row[T] {
	return []row[T]{
		field("child_wait_time", seconds(0, 4294967295).or(5), func(o *T) *time.Duration { return &g(o).ChildWait }, "How long the children may take to stop before they are killed."),
		later[T]("linkbeat_use_polling", "", "Polls the link state of every interface."),
		action("net_namespace", "<NAME>", func(s *stmt, _ *T) {
			if w, ok := s.value("a name"); ok {
				s.mention(MentionNamespace, w.Text, w.Pos)
			}
		}, "Runs in this network namespace.").notYet(),
		later[T]("net_namespace_ipvs", "[<NAME>]", "Uses this network namespace for IPVS alone."),
		later[T]("namespace_with_ipsets", "", "Allows ipsets in a namespace on kernels before 3.13.").without("kernels of today need no permission"),
		later[T]("use_pid_dir", "", "Keeps the pid files in a directory of their own."),
		later[T]("instance", "<NAME>", "Names this daemon among several on a host."),
	}
}

// globalRows are the keywords of global_defs. keepalived's own table accepts
// those of the top level there as well.
func globalRows() []row[globals] {
	type G = globals
	garp := seconds(0, 4294)
	return append([]row[G]{
		field("router_id", text("name").or("the host's name"), func(g *G) *string { return &g.RouterID }, "Names this router in mails and SNMP."),
		field("script_user", kind[string]{args: "<USER> [<GROUP>]", read: func(s *stmt) (string, bool) {
			u := ""
			identity(&u, &s.r.globals.ScriptGroup, s)
			return u, u != ""
		}}, func(g *G) *string { return &g.ScriptUser }, "The user that scripts run as."),
		field("enable_script_security", flag(), func(g *G) *bool { return &g.ScriptSecurity }, "Refuses scripts of root that others can change."),

		field("vrrp_version", number[uint8](2, 3).or(2), func(g *G) *uint8 { return &g.version }, "The version of VRRP that IPv4 instances speak."),
		field("vrrp_mcast_group4", multicast(4).or(defaultGroup4), func(g *G) *netip.Addr { return &g.Group4 }, "Where IPv4 adverts are sent."),
		field("vrrp_mcast_group6", multicast(6).or(defaultGroup6), func(g *G) *netip.Addr { return &g.Group6 }, "Where IPv6 adverts are sent."),
		field("vrrp_garp_master_delay", garp.or(5), func(g *G) *time.Duration { return &g.garp.Delay }, "When the second burst of gratuitous ARP follows; 0 for none."),
		field("vrrp_garp_master_repeat", number[int](0, 1<<31-1).or(5), func(g *G) *int { return &g.garp.Repeat }, "How many gratuitous ARP of each address make a burst."),
		field("vrrp_garp_master_refresh", garp.or(0), func(g *G) *time.Duration { return &g.garp.Refresh }, "How often a master repeats gratuitous ARP; 0 for never."),
		field("vrrp_garp_master_refresh_repeat", number[int](0, 1<<31-1).or(1), func(g *G) *int { return &g.garp.RefreshRepeat }, "How many gratuitous ARP of each address are sent then."),
		field("vrrp_garp_lower_prio_delay", garp.or("vrrp_garp_master_delay"), func(g *G) *time.Duration { return &g.garp.LowerDelay }, "When the second burst follows after a rival was heard."),
		field("vrrp_garp_lower_prio_repeat", number[int](0, 1<<31-1).or("vrrp_garp_master_repeat"), func(g *G) *int { return &g.garp.LowerRepeat }, "How many gratuitous ARP answer a rival."),
		field("vrrp_garp_interval", spacing(), func(g *G) *time.Duration { return &g.garp.Interval }, "The least time between two gratuitous ARP on an interface."),
		field("vrrp_gna_interval", spacing(), func(g *G) *time.Duration { return &g.garp.GNAInterval }, "The least time between two unsolicited neighbour advertisements."),
		action("vrrp_min_garp", "[<BOOL>]", minGARP, "Sends one gratuitous ARP a transition and no more."),
		later[G]("vrrp_garp_extra_if", "[all] <SECS>", "Repeats gratuitous ARP on the other interfaces of an instance."),
		later[G]("vrrp_garp_extra_if", "[all] <SECS>", "Repeats gratuitous ARP on the other interfaces of an instance.").old("vrrp_vmac_garp_intvl"),
		field("vrrp_down_timer_adverts", number[int](1, 100).or(3), func(g *G) *int { return &g.adverts }, "How many adverts a backup may miss."),
		field("vrrp_lower_prio_no_advert", boolean(), func(g *G) *bool { return &g.noAdvert }, "Leaves adverts of lower priority without an answer."),
		field("vrrp_higher_prio_send_advert", boolean(), func(g *G) *bool { return &g.sendHigh }, "Sends one more advert before giving way."),
		field("vrrp_check_unicast_src", boolean(), func(g *G) *bool { return &g.checkSrc }, "Hears unicast adverts of configured peers only."),
		field("vrrp_skip_check_adv_addr", boolean(), func(g *G) *bool { return &g.skipAddr }, "Compares the addresses of a master once only."),
		field("vrrp_strict", boolean(), func(g *G) *bool { return &g.strict }, "Holds every instance to the letter of the RFC."),
		field("vrrp_owner_ignore_adverts", boolean(), func(g *G) *bool { return &g.ownerDum }, "An address owner drops all adverts."),
		field("vrrp_notify_priority_changes", boolean(), func(g *G) *bool { return &g.prioNote }, "Tells the FIFOs of changes of the priority too."),
		field("v3_checksum_as_v2", boolean(), func(g *G) *bool { return &g.checksum }, "Leaves the pseudo header out of the checksum of VRRPv3 over IPv4."),

		field("lvs_flush", flag(), func(g *G) *bool { return &g.LVSFlush }, "Empties the IPVS table at start."),
		action("lvs_flush_on_stop", "[VS]", flushOnStop, "Empties the IPVS table at stop."),
		action("lvs_flush_on_stop", "[VS]", flushOnStop, "Empties the IPVS table at stop.").old("lvs_flush_onstop"),
		field("checker_log_all_failures", boolean(), func(g *G) *bool { return &g.logAll }, "Logs every failed check."),

		list("notification_email", "{ <EMAIL> ... }", func(s *stmt, g *G) {
			for _, w := range s.n.Words {
				g.NotificationEmail = append(g.NotificationEmail, w.Text)
			}
			s.rest()
		}, "Who gets mails."),
		field("notification_email_from", restOf("address"), func(g *G) *string { return &g.EmailFrom }, "The sender of mails."),
		action("smtp_server", "<HOST> [<PORT>]", smtpServer, "The server that takes mails."),
		field("smtp_helo_name", text("name").or("the host's name"), func(g *G) *string { return &g.SMTPHelo }, "How the mail client names itself."),
		field("smtp_connect_timeout", seconds(1, 4294).or(30), func(g *G) *time.Duration { return &g.SMTPTimeout }, "How long a step of a mail may take."),
		field("smtp_alert", boolean(), func(g *G) *bool { return &g.alert.all }, "Sends mails about everything."),
		field("smtp_alert_vrrp", boolean(), func(g *G) *bool { return &g.alert.vrrp }, "Sends mails about instances and groups."),
		field("smtp_alert_checker", boolean(), func(g *G) *bool { return &g.alert.checker }, "Sends mails about servers."),
		field("default_interface", link().or("eth0"), func(g *G) *string { return &g.link }, "The interface of static addresses without dev."),
	}, append(globalLater(), topRows(func(g *G) *globals { return g })...)...)
}

// spacing is a time of which 0 is the default and worth a word.
func spacing() kind[time.Duration] {
	k := seconds(0, 4294)
	read := k.read
	k.read = func(s *stmt) (time.Duration, bool) {
		d, ok := read(s)
		if ok && d == 0 {
			s.note(s.n.Words[1], "the line can go", "%s 0 is the default (no delay)", s.name())
		}
		return d, ok
	}
	return k.or(0)
}

// restOf is all words behind the keyword as one string.
func restOf(what string) kind[string] {
	k := text(what)
	k.read = func(s *stmt) (string, bool) {
		w, ok := s.value("a " + what)
		out := w.Text
		for _, w := range s.rest() {
			out += " " + w.Text
		}
		return out, ok
	}
	return k
}

func minGARP(s *stmt, g *globals) {
	if on, ok := boolean().read(s); !ok || !on {
		return
	}
	set := func(name string) bool { return s.r.has(g, name) }
	if !set("vrrp_garp_master_repeat") {
		g.garp.Repeat = 1
	}
	if !set("vrrp_garp_master_delay") {
		g.garp.Delay = 0
	}
	if !set("vrrp_garp_master_refresh") {
		g.garp.Refresh = 0
	}
	if !set("vrrp_garp_master_refresh_repeat") {
		g.garp.RefreshRepeat = 0
	}
}

func flushOnStop(s *stmt, g *globals) {
	g.LVSFlushOnStop = true
	if w, ok := s.next(); ok && w.Text != "VS" {
		s.fail(w, "VS, or nothing", "unknown word '%s' after '%s'", clip(w.Text), s.name())
	}
}

func smtpServer(s *stmt, g *globals) {
	w, ok := s.value("a host name or an address")
	if !ok {
		return
	}
	g.SMTPServer = w.Text
	if w, ok := s.next(); ok {
		if n, ok := s.port(w); ok {
			g.SMTPPort = n
		}
	}
}

// globalLater are the keywords of global_defs whose effect is still to come.
func globalLater() []row[globals] {
	type G = globals
	var rows []row[G]
	add := func(rw row[G]) { rows = append(rows, rw) }
	for _, p := range []struct{ prefix, who string }{{"vrrp", "VRRP"}, {"checker", "checker"}, {"bfd", "BFD"}} {
		add(later[G](p.prefix+"_priority", "<NICE>", "The nice value of the "+p.who+" process.").in("-20 to 19"))
		add(later[G](p.prefix+"_no_swap", "", "Locks the "+p.who+" process in memory."))
		add(later[G](p.prefix+"_rt_priority", "<N>", "Runs the "+p.who+" process in the real-time class."))
		add(later[G](p.prefix+"_cpu_affinity", "<CPU> ...", "Keeps the "+p.who+" process on these CPUs."))
		rttime := later[G](p.prefix+"_rlimit_rttime", "<USECS>", "How long the "+p.who+" process may compute in one go in the real-time class.")
		add(rttime)
		add(rttime.old(p.prefix + "_rlimit_rtime"))
		add(later[G](p.prefix+"_process_name", "<NAME>", "The name of the "+p.who+" process."))
	}
	add(later[G]("checker_process_name", "<NAME>", "The name of the checker process.").old("lvs_process_name"))
	for _, p := range []string{"vrrp", "lvs"} {
		for _, socket := range []string{"cmd", "monitor"} {
			name := p + "_netlink_" + socket + "_rcv_bufs"
			add(later[G](name, "<BYTES>", "The receive buffer of a netlink socket."))
			add(later[G](name+"_force", "[<BOOL>]", "Sets that buffer beyond the limit of the system."))
		}
	}
	return append(rows, globalMore()...)
}

func globalMore() []row[globals] {
	type G = globals
	snmp := later[G]("enable_snmp_vrrp", "", "Serves the VRRP part of the SNMP tables.")
	return []row[G]{
		later[G]("process_names", "", "Gives the children names of their own."),
		later[G]("process_name", "<NAME>", "The name of the parent process."),
		later[G]("use_symlink_paths", "[<BOOL>]", "Runs scripts by the path as written, links and all."),
		later[G]("set_supplementary_groups", "[<BOOL>]", "Gives scripts all groups of their user."),
		later[G]("startup_script", "<SCRIPT> [<USER> [<GROUP>]]", "Runs before the children start."),
		later[G]("startup_script_timeout", "<SECS>", "How long startup_script may run.").in("1-1000").or("10"),
		later[G]("shutdown_script", "<SCRIPT> [<USER> [<GROUP>]]", "Runs after the children stopped."),
		later[G]("shutdown_script_timeout", "<SECS>", "How long shutdown_script may run.").in("1-1000").or("10"),
		later[G]("max_auto_priority", "[<N>]", "How far a late process may raise its real-time priority.").in("-1 to 99"),
		later[G]("min_auto_priority_delay", "<USECS>", "How late a process must be to raise it."),
		later[G]("dynamic_interfaces", "[allow_if_changes]", "Allows interfaces that do not exist yet.").without("interfaces may always come and go"),
		later[G]("no_email_faults", "", "Sends no mail about FAULT."),
		later[G]("disable_local_igmp", "", "Keeps the kernel from reporting link-local groups."),
		later[G]("lvs_timeouts", "[tcp <N>] [tcpfin <N>] [udp <N>]", "The timeouts of IPVS connections."),
		later[G]("lvs_sync_daemon", "<IF> [<INSTANCE>] [id <N>] [maxlen <N>] [port <N>] [ttl <N>] [group <IP>]", "Sends IPVS connections to the other director."),
		later[G]("vrrp_iptables", "[<IN> [<OUT>]]", "Uses iptables for no_accept and VMACs."),
		later[G]("vrrp_ipsets", "[<NAME> ...]", "The ipsets used with vrrp_iptables."),
		later[G]("nftables", "[<TABLE>]", "The nftables table for no_accept and VMACs."),
		later[G]("nftables_priority", "<N>", "The priority of its chains."),
		later[G]("nftables_ifindex", "", "Names interfaces there by number."),
		later[G]("nftables_counters", "", "Counts packets there."),
		later[G]("nftables_ipvs", "[<TABLE>]", "Marks the packets of a virtual_server_group with nftables."),
		later[G]("nftables_ipvs_priority", "<N>", "The priority of its chain."),
		later[G]("nftables_ipvs_start_fwmark", "<N>", "The first mark it uses."),
		later[G]("notify_fifo", "<PATH> [<USER> [<GROUP>]]", "Where every change of state is written."),
		later[G]("notify_fifo_script", "<SCRIPT> [<USER> [<GROUP>]]", "Reads notify_fifo."),
		later[G]("vrrp_notify_fifo", "<PATH> [<USER> [<GROUP>]]", "Where changes of VRRP are written."),
		later[G]("vrrp_notify_fifo_script", "<SCRIPT> [<USER> [<GROUP>]]", "Reads vrrp_notify_fifo."),
		later[G]("lvs_notify_fifo", "<PATH> [<USER> [<GROUP>]]", "Where changes of servers are written."),
		later[G]("lvs_notify_fifo_script", "<SCRIPT> [<USER> [<GROUP>]]", "Reads lvs_notify_fifo."),
		later[G]("fifo_write_vrrp_states_on_reload", "", "Writes all states after a reload."),
		later[G]("snmp_socket", "<ADDRESS>", "Where the AgentX master listens."),
		later[G]("enable_traps", "", "Sends SNMP traps."),
		snmp, snmp.old("enable_snmp_keepalived"),
		later[G]("enable_snmp_rfc", "", "Serves the tables of RFC 2787 and RFC 6527."),
		later[G]("enable_snmp_rfcv2", "", "Serves the tables of RFC 2787."),
		later[G]("enable_snmp_rfcv3", "", "Serves the tables of RFC 6527."),
		later[G]("enable_snmp_checker", "", "Serves the tables of virtual servers."),
		later[G]("snmp_vs_stats_update_interval", "<SECS>", "How old the counters of virtual servers may be."),
		later[G]("snmp_rs_stats_update_interval", "<SECS>", "How old the counters of real servers may be."),
		later[G]("enable_dbus", "", "Answers on D-Bus."),
		later[G]("dbus_service_name", "<NAME>", "The name taken on the bus."),
		later[G]("dbus_no_interface_name", "<NAME>", "How an instance without interface is named there."),
		later[G]("process_monitor_rcv_bufs", "<BYTES>", "The receive buffer of the process events."),
		later[G]("process_monitor_rcv_bufs_force", "[<BOOL>]", "Sets that buffer beyond the limit of the system."),
		later[G]("rs_init_notifies", "[<BOOL>]", "Tells of the first state of each real server too."),
		later[G]("no_checker_emails", "[<BOOL>]", "Sends mails about servers, not about each check."),
		later[G]("vrrp_rx_bufs_policy", "MTU|ADVERT|<BYTES>", "How large the receive buffers of VRRP are."),
		later[G]("vrrp_rx_bufs_multiplier", "<N>", "How many packets they hold."),
		later[G]("vrrp_startup_delay", "<SECS>", "How long every instance waits after the start."),
		later[G]("vrrp_delay_after_boot", "<SECS>", "How long every instance waits after the boot."),
		later[G]("log_unknown_vrids", "", "Logs adverts of routers that are not configured."),
		later[G]("vmac_prefix", "<NAME>", "How names of VMAC interfaces begin.").or("vrrp"),
		later[G]("vmac_addr_prefix", "<NAME>", "How names of the VMACs of use_vmac_addr begin."),
		later[G]("umask", "<OCTAL>|<BIT>[|<BIT>...]", "The permissions that created files lack."),
		later[G]("random_seed", "<N>", "Makes random numbers repeatable."),
		later[G]("reload_check_config", "[<LOGFILE>]", "Checks a configuration before it is used.").without("a wrong configuration is never loaded by a reload"),
		later[G]("reload_time_file", "<PATH>", "Names the time of a reload."),
		later[G]("reload_repeat", "", "Repeats that reload every day."),
		later[G]("reload_file", "[<PATH>]", "Exists while a configuration is read."),
		later[G]("include_check", "[[+|-]read|match|wildcard_match|brace_match ...]", "Which failing includes are errors.").many(),
		later[G]("config_save_dir", "<DIR>", "Where read configurations are kept."),
		later[G]("tmp_config_directory", "<DIR>", "Where the joined configuration is kept.").without("it is never written to a file"),
		later[G]("data_use_instance", "[<BOOL>]", "Puts the name of the instance into that of the dump."),
		later[G]("json_version", "<N>", "The layout of the JSON dump.").in("1-2").or("1"),
		later[G]("iproute_usr_dir", "<DIR>", "Where the names of iproute2 come from."),
		later[G]("iproute_etc_dir", "<DIR>", "Where the administrator's names of iproute2 are."),
		later[G]("state_dump_file", "<PATH>", "Where the dump of the state goes."),
		later[G]("stats_dump_file", "<PATH>", "Where the dump of the counters goes.").without("keepalived does not use it either"),
		later[G]("json_dump_file", "<PATH>", "Where the JSON dump goes.").without("keepalived does not use it either"),
		gone[G]("lvs_id", "was renamed to 'router_id'"),
		gone[G]("plugin_dir", "was removed from keepalived long ago and has no effect"),
	}
}

// Multicast groups of VRRP: RFC 9568 section 5.1.1.2 and 5.1.2.2.
var (
	defaultGroup4 = netip.MustParseAddr("224.0.0.18")
	defaultGroup6 = netip.MustParseAddr("ff02::12")
)
