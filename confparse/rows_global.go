package confparse

import (
	"net/netip"
	"slices"
	"time"
)

// globals is what global_defs and the keywords of the top level fill: the
// Global that others see, and the defaults that end up in the instances and
// the checkers.
type globals struct {
	*Global
	text     *scope
	version  uint8
	garp     GARP
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
	better   better
}

// alerts are the three defaults of smtp_alert.
type alerts struct{ all, vrrp, checker bool }

// reset puts the built-in defaults in place.
func (g *globals) reset() {
	g.version, g.adverts = 2, 3
	g.garp = GARP{Delay: 5 * time.Second, Repeat: 5, RefreshRepeat: 1}
	*g.Global = Global{
		VRRPVersion: 2, Group4: defaultGroup4, Group6: defaultGroup6,
		SMTPPort: 25, SMTPTimeout: 30 * time.Second, ChildWait: 5 * time.Second,
		StartupTimeout: 10 * time.Second, ShutdownTimeout: 10 * time.Second,
		MinAutoPriorityDelay: time.Second, DefaultInterface: "eth0", VMACPrefix: "vrrp",
		NFTables: NFTables{Priority: -1}, NFTIPVS: NFTIPVS{Priority: -1, FirstMark: 1000},
		SNMP: SNMP{VSInterval: 5 * time.Second}, DBus: DBus{Service: "org.keepalived.Vrrp1"},
		VRRPCommandBuffer: defaultBuffer, VRRPMonitorBuffer: defaultBuffer,
		LVSCommandBuffer: defaultBuffer, LVSMonitorBuffer: defaultBuffer,
		ReceiveBuffer: ReceiveBuffer{Multiplier: 3}, JSONVersion: 1,
	}
}

// defaultBuffer is what keepalived gives its netlink sockets.
var defaultBuffer = NetlinkBuffer{Bytes: 64 << 10}

// Multicast groups of VRRP: RFC 9568 section 5.1.1.2 and 5.1.2.2.
var (
	defaultGroup4 = netip.MustParseAddr("224.0.0.18")
	defaultGroup6 = netip.MustParseAddr("ff02::12")
)

// topRows are the keywords of the top level that open no block.
func topRows[T any](g func(*T) *globals) []row[T] {
	return []row[T]{
		field("child_wait_time", seconds(0, 4294967295).or(5), func(o *T) *time.Duration { return &g(o).ChildWait }, "How long the children may take to stop before they are killed.").since("2.0.0"),
		field("linkbeat_use_polling", flag(), func(o *T) *bool { return &g(o).LinkbeatPolling }, "Polls the link state of every interface.").since("1.1.18"),
		field("net_namespace", namespace().or("the current one"), func(o *T) *string { return &g(o).Namespace }, "Runs in this network namespace.").since("1.2.24"),
		field("net_namespace_ipvs", given(optional(namespace(), "")).or("net_namespace"), func(o *T) **string { return &g(o).NamespaceIPVS }, "Uses this network namespace for IPVS alone; without a name that of the first process.").since("2.1.0"),
		inert[T]("namespace_with_ipsets", "Allows ipsets in a namespace on kernels before 3.13.", "kernels of today need no permission").or("off").since("1.3.0"),
		field("use_pid_dir", flag(), func(o *T) *bool { return &g(o).UsePIDDir }, "Keeps the pid files in a directory of their own.").since("1.2.24"),
		field("instance", text("name"), func(o *T) *string { return &g(o).InstanceName }, "Names this daemon among several on a host.").since("1.2.24"),
	}
}

// namespace is the name of a network namespace.
func namespace() kind[string] {
	k := text("name")
	read := k.read
	k.read = func(s *stmt) (string, bool) {
		name, ok := read(s)
		if ok {
			s.mention(MentionNamespace, name, s.n.Words[s.i-1].Pos)
		}
		return name, ok
	}
	return k
}

// globalRows are the keywords of global_defs. keepalived's own table accepts
// those of the top level there as well.
func globalRows() []row[globals] {
	return slices.Concat(protocolRows(), defaultsRows(), betterRows(), mailRows(), balancerRows(), processRows(), firewallRows(),
		outletRows(), hostRows(), fileRows(), topRows(func(g *globals) *globals { return g }))
}

// protocolRows say how VRRP is spoken.
func protocolRows() []row[globals] {
	type G = globals
	garp := seconds(0, 4294)
	extra := action("vrrp_garp_extra_if", "[all] <SECS>", func(s *stmt, g *G) { extraGARP(s, &g.garp, 1) }, "Repeats gratuitous ARP on the other interfaces of an instance; all means not on VMACs alone.").
		in("1-86400").or("0").since("2.2.3")
	return []row[G]{
		field("router_id", text("name").or("the host's name"), func(g *G) *string { return &g.RouterID }, "Names this router in mails and SNMP.").since("1.1.8"),
		field("vrrp_version", number[uint8](2, 3).or(2), func(g *G) *uint8 { return &g.version }, "The version of VRRP that IPv4 instances speak; IPv6 speaks 3.").since("1.2.20"),
		field("vrrp_mcast_group4", multicast(4).or(defaultGroup4), func(g *G) *netip.Addr { return &g.Group4 }, "Where IPv4 adverts are sent.").since("1.2.10"),
		field("vrrp_mcast_group6", multicast(6).or(defaultGroup6), func(g *G) *netip.Addr { return &g.Group6 }, "Where IPv6 adverts are sent.").since("1.2.10"),
		field("vrrp_garp_master_delay", garp.or(5), func(g *G) *time.Duration { return &g.garp.Delay }, "When the second burst of gratuitous ARP follows; 0 for none.").since("1.2.20"),
		field("vrrp_garp_master_repeat", number[int](0, 1<<31-1).or(5), func(g *G) *int { return &g.garp.Repeat }, "How many gratuitous ARP of each address make a burst.").in("1-2147483647; 0 counts as 1").since("1.2.20"),
		field("vrrp_garp_master_refresh", garp.or(0), func(g *G) *time.Duration { return &g.garp.Refresh }, "How often a master repeats gratuitous ARP; 0 for never.").since("1.2.20"),
		field("vrrp_garp_master_refresh_repeat", number[int](0, 1<<31-1).or(1), func(g *G) *int { return &g.garp.RefreshRepeat }, "How many gratuitous ARP of each address are sent then.").in("1-2147483647; 0 counts as 1").since("1.2.20"),
		field("vrrp_garp_lower_prio_delay", garp.or("vrrp_garp_master_delay"), func(g *G) *time.Duration { return &g.garp.LowerDelay }, "When the second burst follows after a rival was heard.").since("1.2.20"),
		field("vrrp_garp_lower_prio_repeat", number[int](0, 1<<31-1).or("vrrp_garp_master_repeat"), func(g *G) *int { return &g.garp.LowerRepeat }, "How many gratuitous ARP answer a rival; 0 for none.").since("1.2.20"),
		field("vrrp_garp_interval", spacing(), func(g *G) *time.Duration { return &g.garp.Interval }, "The least time between two gratuitous ARP on an interface.").since("1.2.21"),
		field("vrrp_gna_interval", spacing(), func(g *G) *time.Duration { return &g.garp.GNAInterval }, "The least time between two unsolicited neighbour advertisements.").since("1.2.21"),
		action("vrrp_min_garp", "[<BOOL>]", minGARP, "Sends one gratuitous ARP a transition and no more.").in("true on yes, false off no").or("off").since("2.0.12"),
		extra, extra.old("vrrp_vmac_garp_intvl").since("2.2.0"),
		field("vrrp_down_timer_adverts", number[int](1, 100).or(3), func(g *G) *int { return &g.adverts }, "How many adverts a backup may miss.").since("2.2.3"),
		field("vrrp_startup_delay", seconds(0.001, 4294).or(0), func(g *G) *time.Duration { return &g.StartupDelay }, "How long every instance waits after the start.").since("2.0.14"),
		field("vrrp_delay_after_boot", seconds(0, 4294).or(0), func(g *G) *time.Duration { return &g.DelayAfterBoot }, "How long every instance waits after the boot of the host.").since("2.4.0"),
	}
}

// defaultsRows are the defaults of instances and checkers.
func defaultsRows() []row[globals] {
	type G = globals
	return []row[G]{
		field("vrrp_lower_prio_no_advert", boolean(), func(g *G) *bool { return &g.noAdvert }, "Leaves adverts of lower priority without an answer.").since("1.2.20"),
		field("vrrp_higher_prio_send_advert", boolean(), func(g *G) *bool { return &g.sendHigh }, "Sends one more advert before giving way.").since("1.3.5"),
		field("vrrp_check_unicast_src", flag(), func(g *G) *bool { return &g.checkSrc }, "Hears unicast adverts of configured peers only.").since("1.2.20"),
		field("vrrp_skip_check_adv_addr", boolean(), func(g *G) *bool { return &g.skipAddr }, "Compares the addresses of a master once only.").since("1.2.20"),
		field("vrrp_strict", boolean(), func(g *G) *bool { return &g.strict }, "Holds every instance to the letter of the RFC.").since("1.2.20"),
		field("vrrp_owner_ignore_adverts", boolean(), func(g *G) *bool { return &g.ownerDum }, "An address owner drops all adverts.").since("2.3.3"),
		field("vrrp_notify_priority_changes", boolean(), func(g *G) *bool { return &g.prioNote }, "Tells the FIFOs of changes of the priority too.").since("2.0.16"),
		field("v3_checksum_as_v2", flag().in("a word behind it is ignored"), func(g *G) *bool { return &g.checksum }, "Leaves the pseudo header out of the checksum of VRRPv3 over IPv4.").since("2.2.8"),
		field("checker_log_all_failures", boolean(), func(g *G) *bool { return &g.logAll }, "Logs every failed check.").since("2.0.11"),
		field("default_interface", link().or("eth0"), func(g *G) *string { return &g.DefaultInterface }, "The interface of static addresses without dev.").since("1.2.24"),
		field("log_unknown_vrids", flag(), func(g *G) *bool { return &g.LogUnknownVRIDs }, "Logs adverts of routers that are not configured.").since("2.0.16"),
		field("vmac_prefix", text("string").in("letters of an interface name").or("vrrp"), func(g *G) *string { return &g.VMACPrefix }, "How names of VMAC interfaces begin.").since("2.2.0"),
		field("vmac_addr_prefix", text("string").in("letters of an interface name").or("vmac_prefix"), func(g *G) *string { return &g.VMACAddrPrefix }, "How names of the VMACs of use_vmac_addr begin.").since("2.2.0"),
		action("dynamic_interfaces", "[allow_if_changes]", func(s *stmt, g *G) {
			g.DynamicInterfaces = true
			g.AllowIfChanges = s.switched("allow_if_changes")
		}, "Allows interfaces that do not exist yet.").or("off").without("interfaces may always come and go").since("2.0.0"),
	}
}

// switched takes the one word that may follow a keyword.
func (s *stmt) switched(word string) bool {
	w, ok := s.next()
	if ok && w.Text != word {
		s.fail(w, word+", or nothing", "unknown word '%s' after '%s'", clip(w.Text), s.name())
	}
	return ok && w.Text == word
}

// mailRows say who is written to.
func mailRows() []row[globals] {
	type G = globals
	return append([]row[G]{
		list("notification_email", "{ <EMAIL> ... }", func(s *stmt, g *G) {
			for _, w := range s.n.Words {
				g.NotificationEmail = append(g.NotificationEmail, w.Text)
			}
			s.rest()
		}, "Who gets mails.").or("nobody").item("<EMAIL>", "one per line", "NAME <EMAIL>, or the address alone", "", "A recipient; a name may stand before its address in <>.").since("1.1.0"),
		field("notification_email_from", restOf("email").or("the user at the host"), func(g *G) *string { return &g.EmailFrom }, "The sender of mails.").since("1.1.0"),
		action("smtp_server", "<HOST|IP> [<PORT>]", smtpServer, "The server that takes mails.").in("port 1-65535").or("port 25").since("1.1.0"),
		field("smtp_helo_name", text("name").or("the host's name"), func(g *G) *string { return &g.SMTPHelo }, "How the mail client names itself.").since("1.2.20"),
		field("smtp_connect_timeout", seconds(1, 4294).or(30), func(g *G) *time.Duration { return &g.SMTPTimeout }, "How long a step of a mail may take.").since("1.1.0"),
		field("smtp_alert", boolean().or("unset"), func(g *G) *bool { return &g.alert.all }, "Sends mails about everything.").since("2.0.0"),
		field("smtp_alert_vrrp", boolean().or("smtp_alert"), func(g *G) *bool { return &g.alert.vrrp }, "Sends mails about instances and groups.").since("2.0.0"),
		field("smtp_alert_checker", boolean().or("smtp_alert"), func(g *G) *bool { return &g.alert.checker }, "Sends mails about servers.").since("2.0.0"),
		field("no_email_faults", flag(), func(g *G) *bool { return &g.NoEmailFaults }, "Sends no mail about FAULT.").since("2.0.0"),
		field("no_checker_emails", boolean(), func(g *G) *bool { return &g.NoCheckerEmails }, "Sends mails about servers, not about each check.").since("2.0.0"),
	}, postRows()...)
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

// extraGARP reads [all] SECS.
func extraGARP(s *stmt, g *GARP, lo float64) {
	if s.i < len(s.n.Words) && s.n.Words[s.i].Text == "all" {
		g.ExtraAll = true
		s.i++
	}
	rng := trimFloat(lo) + "-86400 s"
	if w, ok := s.value(rng); ok {
		if d, ok := s.seconds(w, lo, 86400, rng); ok {
			g.Extra = d
		}
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
