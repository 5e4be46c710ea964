package confparse

const (
	destArgs  = "[to] [<TYPE>] default|any|all|<PREFIX>"
	destRange = "of type unicast local broadcast multicast throw unreachable prohibit blackhole nat"
	destDoc   = "Where the route leads: a network, or default."
)

// routeWords are the words of a route: ip-route(8).
func routeWords[T any]() []row[T] {
	w := word[T]
	return []row[T]{
		w("to", "", "May stand before the destination."),
		w("inet6 default", "", "The default route of IPv6.").old("default6"),
		w("inet", "", "The route is one of IPv4.").or("told by the addresses").since("1.2.24"),
		w("inet6", "", "The route is one of IPv6.").or("told by the addresses").since("1.2.24"),
		w("src", "<IP>", "The source address of packets on this route.").or("none").since("1.1.0"),
		w("as", "[to] <ADDR>", "An address of another family, for MPLS.").without("keepalived takes no MPLS route either").since("1.2.24"),
		w("via", "[inet|inet6] <IP>", "The gateway.").in("of the route's family").or("none").since("1.1.0"),
		w("via", "<IP>", "The gateway.").old("gw").since("1.1.0"),
		w("or", "<IP>", "A second gateway; nexthop says it better.").since("1.1.16"),
		w("from", "<PREFIX>", "The source network that the route is for.").in("IPv6 only").or("none").since("1.2.24"),
		w("tos", "<DSFIELD>", "The type of service that the route is for.").in("a name or a number").or("0").since("1.2.24"),
		w("tos", "<DSFIELD>", "The type of service that the route is for.").or("0").alias("dsfield").since("1.2.24"),
		w("table", "<TABLE>", "The table that holds the route.").in("a name or a number").or("main").since("1.1.0"),
		w("protocol", "<PROTO>", "Who made the route; 18 unless no_track stands there.").in("a name or 0-255").or("keepalived (18)").since("1.2.24"),
		w("scope", "<SCOPE>", "How far the route leads.").in("a name or a number").or("the kernel's").since("1.1.0"),
		w("metric", "<N>", "The smaller, the better.").in("0-4294967295").or("0").since("1.1.15"),
		w("metric", "<N>", "The smaller, the better.").or("0").alias("priority").since("1.2.24"),
		w("metric", "<N>", "The smaller, the better.").or("0").alias("preference").since("1.2.24"),
		w("dev", "<IF>", "The interface; it is tracked unless no_track stands there.").in("an interface").or("none").since("1.1.0"),
		w("dev", "<IF>", "The interface.").or("none").alias("oif").since("1.1.0"),
		w("onlink", "", "The gateway is on the link whatever its address says.").or("off").since("1.2.24"),
		w("encap", "ip|ip6|mpls|ila <options>", "What packets are wrapped into.").or("none").options(encapWords()...).since("1.2.24"),
		w("expires", "<SECS>", "How long the route lives.").in("IPv6 only").or("none").since("1.2.24"),
		w("mtu", "[lock] <N>", "The largest packet.").since("1.2.24"),
		w("hoplimit", "<N>", "The hop limit of packets.").in("0-255").since("1.2.24"),
		w("advmss", "[lock] <N>", "The largest TCP segment to ask for.").since("1.2.24"),
		w("rtt", "[lock] <TIME>", "The first guess of the round trip.").in("a number, perhaps with s or ms").since("1.2.24"),
		w("rttvar", "[lock] <TIME>", "The first guess of its variance.").since("1.2.24"),
		w("reordering", "[lock] <N>", "How far packets may be out of order.").since("1.2.24"),
		w("window", "<N>", "The largest TCP window.").since("1.2.24"),
		w("cwnd", "[lock] <N>", "The bound of the congestion window.").since("1.2.24"),
		w("ssthresh", "[lock] <N>", "Where slow start ends.").since("1.2.24"),
		w("realms", "[<SRC>/]<DST>", "The realms of the route.").in("IPv4 only").since("1.2.24"),
		w("rto_min", "[lock] <TIME>", "The least time before TCP repeats.").since("1.2.24"),
		w("initcwnd", "<N>", "The congestion window to begin with.").since("1.2.24"),
		w("initrwnd", "<N>", "The receive window to begin with.").since("1.2.24"),
		w("features", "ecn", "Features of TCP.").since("1.2.24"),
		w("quickack", "<0|1>", "Acknowledges at once.").since("1.2.24"),
		w("congctl", "[lock] <ALGORITHM>", "The congestion control of TCP.").since("1.2.24"),
		w("pref", "low|medium|high|<N>", "The preference of a router.").in("IPv6 only").or("medium").since("1.2.24"),
		w("ttl-propagate", "enabled|disabled", "Whether MPLS carries the TTL on.").since("2.0.8"),
		w("fastopen_no_cookie", "<0|1>", "TCP fast open without a cookie.").since("1.4.3"),
		w("add", "", "Refuses a route that is there.").or("prepend").since("2.2.5"),
		w("prepend", "", "Puts the route before equal ones.").or("default").since("2.2.5"),
		w("append", "", "Puts the route behind equal ones.").since("2.2.5"),
		w("nexthop", "via [inet|inet6] <IP> [dev <IF>] [weight <N>] [onlink] [encap ...] [realms ...] [as ...]", "A leg of a route with several gateways.").
			in("the last of the line, and again").options(legWords()...).since("1.2.24"),
		w("weight", "<N>", "The share of a leg.").in("1-256").or("1"),
		w("no_track", "", "Nothing happens when the route is taken away.").or("tracked").since("2.0.3"),
		w("vrf", "<VRF_IF>", "The VRF whose table holds the route.").in("a VRF").or("none").since("2.2.5"),
		w("track_group", "<TRACK_GROUP>", "The instances at fault with its interface.").in("a track_group; needs dev").or("none").since("2.0.3"),
	}
}

// legWords are the words behind nexthop.
func legWords() []row[struct{}] {
	return []row[struct{}]{
		option("via", "[inet|inet6] <IP>", "The gateway of the leg."),
		option("dev", "<IF>", "The interface of the leg."),
		option("weight", "<N>", "The share of the leg.").in("1-256").or("1"),
		option("onlink", "", "The gateway is on the link whatever its address says.").or("off"),
		option("encap", "ip|ip6|mpls|ila <options>", "What packets of the leg are wrapped into."),
		option("realms", "<REALMS>", "The realms of the leg.").in("IPv4"),
		option("as", "[to] <ADDR>", "An address of another family, for MPLS.").without("keepalived takes no MPLS route either"),
	}
}

// encapWords are the words behind encap.
func encapWords() []row[struct{}] {
	return []row[struct{}]{
		option("ip", "[id <N>] [dst <IP>] [src <IP>] [tos <TOS>] [ttl <N>] [flags <N>]", "An IPv4 packet around it.").in("with dst or id"),
		option("ip6", "[id <N>] [dst <IP>] [src <IP>] [tc <TC>] [hoplimit <N>] [flags <N>]", "An IPv6 packet around it.").in("with dst or id"),
		option("mpls", "<LABEL>[/<LABEL>...]", "MPLS labels before it."),
		option("ila", "<LOCATOR>", "An identifier locator address.").in("64 bits"),
	}
}

// ruleWords are the words of a rule: ip-rule(8).
func ruleWords[T any]() []row[T] {
	w := word[T]
	preference := w("preference", "<N>", "The place of the rule.").in("0-4294967295").or("from 16384 down").since("1.2.24")
	tos := w("tos", "<DSFIELD>", "The type of service of packets.").or("0").since("1.2.24")
	return []row[T]{
		w("inet", "", "The rule is one of IPv4.").or("told by the addresses").since("2.0.1"),
		w("inet6", "", "The rule is one of IPv6.").or("told by the addresses").since("2.0.1"),
		w("from", "<PREFIX>|all|default", "The source of packets.").or("all").since("1.2.20"),
		w("to", "<PREFIX>|all|default", "The destination of packets.").or("all").since("1.2.20"),
		w("table", "<TABLE>", "The table to look into.").in("not 0").or("none").since("1.2.20"),
		w("table", "<TABLE>", "The table to look into.").alias("lookup").since("1.2.24"),
		w("not", "", "Packets that do not match.").or("off").since("1.2.24"),
		preference, preference.alias("order").since("1.2.24"), preference.alias("priority").since("1.2.24"),
		tos, tos.alias("dsfield").since("1.2.24"),
		w("fwmark", "<N>[/<MASK>]", "The mark of packets.").in("0-4294967295").or("none").since("1.2.24"),
		w("realms", "<REALMS>", "The realms of packets.").in("IPv4, with table").or("none").since("1.2.24"),
		w("suppress_prefixlength", "<N>", "Refuses routes with a prefix of this length or less.").in("0-2147483647, with table").or("none").since("1.2.24"),
		w("suppress_prefixlength", "<N>", "Refuses routes with a prefix of this length or less.").alias("sup_pl").since("1.2.24"),
		w("suppress_ifgroup", "<GROUP>", "Refuses routes through this group of interfaces.").in("with table").or("none").since("1.2.24"),
		w("suppress_ifgroup", "<GROUP>", "Refuses routes through this group of interfaces.").alias("sup_group").since("1.2.24"),
		w("iif", "<IF>", "Where packets come in.").or("none").since("1.2.24"),
		w("iif", "<IF>", "Where packets come in.").or("none").alias("dev").since("1.2.24"),
		w("oif", "<IF>", "Where packets go out.").or("none").since("1.2.24"),
		w("tunnel-id", "<N>", "The tunnel that packets came through.").in("0-18446744073709551615").or("none").since("1.2.24"),
		w("uidrange", "<A>-<B>", "The users whose packets they are.").in("two numbers").or("none").since("1.3.5"),
		w("l3mdev", "", "Looks into the table of the VRF.").in("not with table").or("off").since("1.4.3"),
		w("protocol", "<N>", "Who made the rule; 18 unless no_track stands there.").in("0-255").or("18").since("2.0.1"),
		w("ipproto", "<PROTO>", "The protocol of packets.").in("a name or 0-255").or("none").since("2.0.1"),
		w("sport", "<A>-<B>", "The source ports.").in("two numbers").or("none").since("2.0.1"),
		w("dport", "<A>-<B>", "The destination ports.").in("two numbers").or("none").since("2.0.1"),
		w("type", "goto|nop|blackhole|unreachable|prohibit", "May stand before what is done.").since("1.2.24"),
		w("goto", "<N>", "Goes on at another rule.").in("above preference").since("1.2.24"),
		w("nop", "", "Does nothing.").since("1.2.24"),
		w("blackhole", "", "Drops packets."),
		w("unreachable", "", "Says that the network is unreachable."),
		w("prohibit", "", "Says that it is forbidden."),
		w("no_track", "", "Nothing happens when the rule is taken away.").or("tracked").since("2.0.3"),
		w("track_group", "<TRACK_GROUP>", "The instances at fault with its interface.").in("a track_group; needs iif").or("none").since("2.0.3"),
	}
}
