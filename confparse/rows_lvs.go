package confparse

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// timing is what checkers inherit: checker, real_server, virtual_server,
// built in. What is set is told by the scope of its owner.
type timing struct {
	alpha                           bool
	retry, rise                     int
	before, warmup, timeout, period time.Duration
	virtualHost                     string
}

// service is a virtual_server while it is read.
type service struct {
	*VirtualServer
	text *scope
	timing
	method  method
	weight  int
	inhibit bool
	sorry   method // of the sorry server
	servers []*server
}

// server is a real_server while it is read.
type server struct {
	*RealServer
	text *scope
	timing
	method method
	checks []*check
}

// method is how packets reach a server.
type method struct {
	forward Forward
	tunnel  TunnelOptions
}

func (o *service) scopeAt() **scope { return &o.text }
func (sv *server) scopeAt() **scope { return &sv.text }
func (c *check) scopeAt() **scope   { return &c.text }
func (g *globals) scopeAt() **scope { return &g.text }

// timingDefaults are the defaults of timing as the manual prints them.
type timingDefaults struct {
	retry, before, warmup, timeout, period string
	longest                                float64 // of connect_timeout
}

// timingRows are the keywords of timing.
func timingRows[T any](at func(*T) *timing, lowestRetry int64, alpha kind[bool], def timingDefaults) []row[T] {
	tick := 0.000001
	return []row[T]{
		field("alpha", alpha, func(o *T) *bool { return &at(o).alpha }, "A server is down until its first success.").since("1.3.7"),
		field("retry", number[int](lowestRetry, 1<<32-1).or(def.retry), func(o *T) *int { return &at(o).retry }, "How many more failures make a server bad.").since("1.2.20"),
		field("delay_before_retry", seconds(0, forever).or(def.before), func(o *T) *time.Duration { return &at(o).before }, "The time before the next attempt after a failure.").since("1.2.20"),
		field("warmup", seconds(0, forever).or(def.warmup), func(o *T) *time.Duration { return &at(o).warmup }, "The first check comes at a random time within this.").since("1.2.13"),
		field("connect_timeout", seconds(tick, def.longest).or(def.timeout), func(o *T) *time.Duration { return &at(o).timeout }, "How long a connection may take, and each step after it.").since("1.1.0"),
		field("delay_loop", seconds(tick, forever).or(def.period), func(o *T) *time.Duration { return &at(o).period }, "The time between two checks.").since("1.3.7"),
	}
}

// riseRow is a keyword of timing that keepalived does not have.
func riseRow[T any](at func(*T) *timing, def string) row[T] {
	return field("rise", number[int](1, 1<<31-1).or(def), func(o *T) *int { return &at(o).rise }, "How many successes in a row bring a server back that is down.").ours()
}

// schedulers are those that keepalived.conf may name.
var schedulers = []string{"rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"}

// Flags of schedulers: linux/ip_vs.h.
const (
	flag1 = 0x08 // IP_VS_SVC_F_SCHED1
	flag2 = 0x10 // IP_VS_SVC_F_SCHED2
	flag3 = 0x20 // IP_VS_SVC_F_SCHED3
)

// serviceRows are the keywords of virtual_server.
func serviceRows() []row[service] {
	type S = service
	algo := field("lvs_sched", oneOf("lvs_sched", schedulers...).or("wlc"), func(o *S) *string { return &o.Scheduler }, "How connections are spread over the servers.").since("1.1.5")
	kind := field("lvs_method", forward().or("NAT"), func(o *S) *method { return &o.method }, "How packets reach the servers.").options(tunnelWords()...).since("1.1.5")
	return append(released(timingRows(func(o *S) *timing { return &o.timing }, 1, flag(),
		timingDefaults{"that of the checker", "that of the checker", "delay_loop", "5", "60", forever}), "1.1.0", serviceReleases), []row[S]{
		riseRow(func(o *S) *timing { return &o.timing }, "that of the checker"),
		algo, spelled(algo, "lb_algo", oneOf("lb_algo", schedulers...).or("wlc"), func(o *S) *string { return &o.Scheduler }).since("1.1.0"),
		kind, kind.alias("lb_kind").since("1.1.0"),
		action("full_nat_from", "<IP>[-<END>] ...", fullNATFrom, "The addresses that servers of FULLNAT see instead of the client's.").in("addresses of this host").or("that of the interface").many().ours(),
		field("ip_family", choice("ip_family", []string{"inet", "inet6"}, []bool{false, true}).or("that of the address or of the first real server"), func(o *S) *bool { return &o.IPv6 }, "The family of a service by mark or group.").since("1.2.20"),
		field("protocol", protocol().or("UDP, with a warning"), func(o *S) *Protocol { return &o.Protocol }, "The transport of the service.").since("1.1.0"),
		field("inhibit_on_failure", flag(), func(o *S) *bool { return &o.inhibit }, "A failed server gets weight 0 and stays.").since("1.3.7"),
		field("ops", flag().in("UDP, or a firewall mark"), func(o *S) *bool { return &o.OnePacket }, "Schedules every packet by itself.").since("1.2.8"),
		schedFlag("flag-1", flag1, "").since("1.3.0"), schedFlag("flag-2", flag2, "").since("1.3.0"), schedFlag("flag-3", flag3, "").since("1.3.0"),
		schedFlag("sh-fallback", flag1, "sh").since("1.3.0"), schedFlag("sh-port", flag2, "sh").since("1.3.0"),
		schedFlag("mh-fallback", flag1, "mh").since("2.0.20"), schedFlag("mh-port", flag2, "mh").since("2.0.20"),
		inert[S]("hashed", "An old switch.", "keepalived has none for it either").or("off").since("1.3.0"),
		field("persistence_engine", text("name").in("such as sip"), func(o *S) *string { return &o.Engine }, "The IPVS persistence engine, such as sip.").since("1.2.20"),
		action("persistence_timeout", "[<SECS>]", persistence, "How long a client keeps its server.").in("1-2678400").or("0; 360 when no argument").since("1.1.0"),
		action("persistence_granularity", "<NETMASK> | <LEN>", granularity, "The network of clients that share a server; it turns persistence on.").in("a netmask of IPv4; 1-128 of IPv6").or("255.255.255.255 / 128").since("1.1.0"),
		field("ha_suspend", flag().in("services with an address"), func(o *S) *bool { return &o.HASuspend }, "Checks only while the address is on this host.").since("1.1.0"),
		field("smtp_alert", boolean().or("smtp_alert_checker, else smtp_alert, else off"), func(o *S) *bool { return &o.SMTPAlert }, "Sends mails about the quorum.").since("2.0.0"),
		field("virtualhost", text("string"), func(o *S) *string { return &o.virtualHost }, "The Host header of HTTP checks.").since("1.1.0"),
		field("snmp_name", text("string"), func(o *S) *string { return &o.SNMPName }, "The name of the service in SNMP.").since("2.2.3"),
		field("omega", flag(), func(o *S) *bool { return &o.Omega }, "Tells of servers going down at the stop too.").since("1.1.16"),
		field("quorum_up", command(), func(o *S) **Command { return &o.QuorumUp }, "Runs when the quorum is reached.").since("1.1.16"),
		field("quorum_down", command(), func(o *S) **Command { return &o.QuorumDown }, "Runs when the quorum is lost.").since("1.1.16"),
		field("quorum", number[int](1, 1<<32-1).or(1), func(o *S) *int { return &o.Quorum }, "The weight that must be alive.").since("1.1.16"),
		field("hysteresis", number[int](0, 1<<32-1).or(0), func(o *S) *int { return &o.Hysteresis }, "The margin around the quorum.").since("1.1.16"),
		field("weight", number[int](1, 1<<31-1).or(1), func(o *S) *int { return &o.weight }, "The weight of servers that name none.").since("1.3.7"),
		action("sorry_server", "<IP> [<PORT>]", sorryServer, "Serves while the quorum is lost.").since("1.1.0"),
		field("sorry_server_inhibit", flag(), func(o *S) *bool { return &o.SorryInhibit }, "The sorry server stays with weight 0.").since("1.2.13"),
		field("sorry_server_lvs_method", forward().or("lvs_method"), func(o *S) *method { return &o.sorry }, "How packets reach the sorry server.").options(tunnelWords()...).since("1.3.6"),
		nested("real_server", "<IP> [<PORT>] { ... }", keywords(serverRows()), realServer, "A server.").in("each once").or("port of the virtual_server").since("1.1.0"),
		gone[S]("nat_mask", "<NETMASK>", "was removed from keepalived long ago and has no effect").since("1.1.0"),
	}...)
}

// spelled gives a row another name with a reader of its own.
func spelled[T, V any](rw row[T], name string, k kind[V], at func(*T) *V) row[T] {
	alias := rw.alias(name)
	alias.read = field(name, k, at, "").read
	return alias
}

// schedFlag sets a flag of the scheduler; a scheduler's own flag is refused
// for others.
func schedFlag(name string, bit uint32, scheduler string) row[service] {
	needed := ""
	if scheduler != "" {
		needed = "behind lvs_sched " + scheduler
	}
	return action(name, "", func(s *stmt, o *service) {
		if scheduler != "" && o.Scheduler != scheduler {
			s.fail(s.n.Words[0], "put 'lvs_sched "+scheduler+"' before it", "'%s' is for lvs_sched %s", name, scheduler)
			return
		}
		o.SchedFlags |= bit
	}, "A flag of the scheduler.").in(needed).or("off")
}

func protocol() kind[Protocol] {
	return kind[Protocol]{args: "TCP|UDP|SCTP", rng: "TCP UDP SCTP", read: func(s *stmt) (Protocol, bool) {
		w, ok := s.value("TCP, UDP or SCTP")
		if !ok {
			return 0, false
		}
		switch strings.ToUpper(w.Text) {
		case "TCP":
			return TCP, true
		case "UDP":
			return UDP, true
		case "SCTP":
			return SCTP, true
		}
		s.fail(w, "TCP, UDP or SCTP", "unknown protocol '%s'", w.Text)
		return 0, false
	}}
}

func persistence(s *stmt, o *service) {
	w, ok := s.next()
	switch {
	case !ok:
		o.Persistence = 360 * time.Second
	case w.Text == "0":
		s.note(w, "", "persistence_timeout 0: leave the line out for no persistence")
	default:
		if n, ok := s.whole(w, 1, 2678400, "1-2678400"); ok {
			o.Persistence = time.Duration(n) * time.Second
		}
	}
}

func granularity(s *stmt, o *service) {
	w, ok := s.value("a netmask or a prefix length")
	if !ok {
		return
	}
	if mask, err := netip.ParseAddr(w.Text); err == nil && mask.Is4() {
		o.Netmask = mask
		return
	}
	if n, ok := s.whole(w, 1, 128, "1-128"); ok {
		o.PrefixLen = uint8(n)
	}
}

// endpoint reads an address and a port.
func (s *stmt) endpoint() (a netip.Addr, port uint16, ok bool) {
	w, ok := s.value("an IP address")
	if !ok {
		return a, 0, false
	}
	if host, p, found := strings.Cut(w.Text, ":"); found && !strings.Contains(p, ":") && isAddress(host) {
		s.fail(w, "", "write address and port with a blank: '%s %s'", host, p)
		return a, 0, false
	}
	if a, ok = s.addr(w); !ok {
		return a, 0, false
	}
	if w, given := s.next(); given && w.Text != "0" { // 0 says that there is none
		port, ok = s.port(w)
	}
	return a, port, ok
}

// virtualServer opens a virtual_server block.
func virtualServer(s *stmt, d *document) *service {
	vs := &VirtualServer{Pos: s.n.Words[0].Pos}
	o := s.r.spare.services.take()
	*o = service{VirtualServer: vs, servers: o.servers[:0]}
	if len(s.n.Words) < 2 {
		s.fail(s.n.Words[0], "", "virtual_server needs an address, 'fwmark' or 'group'")
		return nil
	}
	ok := true
	switch w := s.n.Words[1]; w.Text {
	case "fwmark":
		s.i = 2
		ok = s.mark(&vs.FWMark)
	case "group":
		s.i = 2
		w, found := s.value("the name of a group")
		vs.Group, ok = w.Text, found
	default:
		if !strings.ContainsFunc(w.Text, notName) {
			s.fail(w, "", "virtual_server: '%s' is not an IP address, 'fwmark' or 'group'", clip(w.Text))
			return nil
		}
		vs.Addr, vs.Port, ok = s.endpoint()
		vs.IPv6 = vs.Addr.Is6()
	}
	if !ok {
		return nil
	}
	if vs.Addr.IsValid() && vs.Addr.IsUnspecified() {
		s.fail(s.n.Words[1], "", "%s is no host address", vs.Addr)
	}
	s.leftover()
	d.cfg.VirtualServers = append(d.cfg.VirtualServers, vs)
	s.r.pending = append(s.r.pending, o)
	return o
}

// notName finds what no word that stands in the place of an address has.
func notName(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-'
}

// mark reads a firewall mark.
func (s *stmt) mark(into *uint32) bool {
	w, ok := s.value("a firewall mark")
	if !ok {
		return false
	}
	n, err := strconv.ParseUint(w.Text, 10, 32)
	switch {
	case err != nil:
		s.fail(w, "", "fwmark '%s' is not a number of 1-4294967295", clip(w.Text))
		return false
	case n == 0:
		s.fail(w, "use 1 or more", "fwmark 0 means no mark")
		return false
	}
	*into = uint32(n)
	return true
}

func sorryServer(s *stmt, o *service) {
	a, port, ok := s.endpoint()
	if ok {
		o.Sorry = &RealServer{Pos: s.n.Words[0].Pos, Addr: a, Port: port, Weight: 1}
	}
}

// realServer opens a real_server block.
func realServer(s *stmt, o *service) *server {
	a, port, ok := s.endpoint()
	if !ok {
		return nil
	}
	if a.IsUnspecified() {
		s.fail(s.n.Words[1], "", "%s is no host address", a)
		return nil
	}
	s.leftover()
	rs := &RealServer{Pos: s.n.Words[0].Pos, Addr: a, Port: port}
	sv := s.r.spare.servers.take()
	*sv = server{RealServer: rs, checks: sv.checks[:0]}
	o.servers = append(o.servers, sv)
	return sv
}

// serverRows are the keywords of real_server.
func serverRows() []row[server] {
	type S = server
	const outer = "that of the virtual_server"
	rows := append(released(timingRows(func(o *S) *timing { return &o.timing }, 1, boolean().or(outer), timingDefaults{outer, outer, outer, outer, outer, forever}), "1.1.0", serverReleases), []row[S]{
		riseRow(func(o *S) *timing { return &o.timing }, outer),
		action("weight", "<N>", serverWeight, "The share of the server.").in("0-2147483647; ipvsadm takes 0-65535").or("weight of the virtual_server").since("1.1.0"),
		field("lvs_method", forward().or("lvs_method of the virtual_server"), func(o *S) *method { return &o.method }, "How packets reach the server.").options(tunnelWords()...).since("1.3.6"),
		field("uthreshold", number[uint32](0, 1<<32-1).or(0), func(o *S) *uint32 { return &o.Upper }, "At this many connections it gets no more.").since("1.1.13"),
		field("lthreshold", number[uint32](0, 1<<32-1).or(0), func(o *S) *uint32 { return &o.Lower }, "Below this many it gets new ones again.").since("1.1.13"),
		field("slow_start", ticks("<SECS>", time.Second, 1, 86400).or("none"), func(o *S) *time.Duration { return &o.SlowStart }, "How long its weight grows from 1 to the full one after it came back.").ours(),
		field("inhibit_on_failure", boolean().or("inhibit_on_failure of the virtual_server"), func(o *S) *bool { return &o.Inhibit }, "On failure it gets weight 0 and stays.").since("1.1.0"),
		field("notify_up", command(), func(o *S) **Command { return &o.NotifyUp }, "Runs when the server comes up.").since("1.1.0"),
		field("notify_down", command(), func(o *S) **Command { return &o.NotifyDown }, "Runs when the server goes down.").since("1.1.0"),
		field("smtp_alert", boolean().or("smtp_alert_checker, else smtp_alert, else on"), func(o *S) *bool { return &o.SMTPAlert }, "Sends mails about the server.").since("2.0.0"),
		field("virtualhost", text("string").or("that of the virtual_server"), func(o *S) *string { return &o.virtualHost }, "The Host header of HTTP checks.").since("1.3.6"),
		field("snmp_name", text("string"), func(o *S) *string { return &o.SNMPName }, "The name of the server in SNMP.").since("2.2.3"),
		gone[S]("CI-LINUX", "{ ... }", "was removed from keepalived long ago and has no effect").since("1.1.0"),
	}...)
	for kind := range BFDCheck + 1 {
		rows = append(rows, checkRow(kind))
	}
	return rows
}

func serverWeight(s *stmt, o *server) {
	w, ok := s.value("0-65535")
	if !ok {
		return
	}
	n, ok := s.whole(w, 0, 1<<31-1, "0-65535")
	if !ok {
		return
	}
	if n > 65535 {
		s.note(w, "", "weight %d is above 65535 (ipvsadm refuses it)", n)
	}
	o.Weight = int(n)
}
