package confparse

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"keepgo/confparse/syntax"
)

// timing is what checkers inherit: checker, real_server, virtual_server,
// built in. What is set is told by the scope of its owner.
type timing struct {
	alpha                           bool
	retry                           int
	before, warmup, timeout, period time.Duration
	virtualHost                     string
}

// service is a virtual_server while it is read.
type service struct {
	*VirtualServer
	timing
	forward      Forward
	weight       int
	inhibit      bool
	sorryForward Forward
	servers      []*server
}

// server is a real_server while it is read.
type server struct {
	*RealServer
	timing
	checks []*check
}

// timingRows are the keywords of timing.
func timingRows[T any](at func(*T) *timing, lowestRetry int64, alpha kind[bool]) []row[T] {
	tick := 0.000001
	return []row[T]{
		field("alpha", alpha, func(o *T) *bool { return &at(o).alpha }, "A server is down until its first success."),
		field("retry", number[int](lowestRetry, 1<<32-1).or(1), func(o *T) *int { return &at(o).retry }, "How many more failures make a server bad."),
		field("delay_before_retry", seconds(0, forever).or(1), func(o *T) *time.Duration { return &at(o).before }, "The time before the next attempt after a failure."),
		field("warmup", seconds(0, forever).or("delay_loop"), func(o *T) *time.Duration { return &at(o).warmup }, "The first check comes at a random time within this."),
		field("connect_timeout", seconds(tick, forever).or(5), func(o *T) *time.Duration { return &at(o).timeout }, "How long a connection may take, and each step after it."),
		field("delay_loop", seconds(tick, forever).or(60), func(o *T) *time.Duration { return &at(o).period }, "The time between two checks."),
	}
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
	algo := field("lvs_sched", oneOf("lvs_sched", schedulers...).or("wlc"), func(o *S) *string { return &o.Scheduler }, "How connections are spread over the servers.")
	kind := field("lvs_method", forward(), func(o *S) *Forward { return &o.forward }, "How packets reach the servers.")
	return append(timingRows(func(o *S) *timing { return &o.timing }, 1, flag()), []row[S]{
		algo, spelled(algo, "lb_algo", oneOf("lb_algo", schedulers...).or("wlc"), func(o *S) *string { return &o.Scheduler }),
		kind, kind.alias("lb_kind"),
		field("ip_family", choice("ip_family", []string{"inet", "inet6"}, []bool{false, true}), func(o *S) *bool { return &o.IPv6 }, "The family of a service by mark or group."),
		field("protocol", protocol(), func(o *S) *Protocol { return &o.Protocol }, "The transport of the service."),
		field("inhibit_on_failure", flag(), func(o *S) *bool { return &o.inhibit }, "A failed server gets weight 0 and stays."),
		field("ops", flag(), func(o *S) *bool { return &o.OnePacket }, "Schedules every packet by itself."),
		schedFlag("flag-1", flag1, ""), schedFlag("flag-2", flag2, ""), schedFlag("flag-3", flag3, ""),
		schedFlag("sh-fallback", flag1, "sh"), schedFlag("sh-port", flag2, "sh"),
		schedFlag("mh-fallback", flag1, "mh"), schedFlag("mh-port", flag2, "mh"),
		later[S]("hashed", "", "An old switch.").without("keepalived has none for it either"),
		field("persistence_engine", text("name"), func(o *S) *string { return &o.Engine }, "The IPVS persistence engine, such as sip."),
		action("persistence_timeout", "[<SECS>]", persistence, "How long a client keeps its server.").in("1-2678400").or("360 when no argument"),
		action("persistence_granularity", "<NETMASK>|<LEN>", granularity, "The network of clients that share a server."),
		field("ha_suspend", flag(), func(o *S) *bool { return &o.HASuspend }, "Checks only while the address is on this host."),
		field("smtp_alert", boolean().or("smtp_alert_checker"), func(o *S) *bool { return &o.SMTPAlert }, "Sends mails about the quorum."),
		field("virtualhost", text("name"), func(o *S) *string { return &o.virtualHost }, "The Host header of HTTP checks."),
		later[S]("snmp_name", "<NAME>", "The name of the service in SNMP."),
		field("omega", flag(), func(o *S) *bool { return &o.Omega }, "Tells of servers going down at the stop too."),
		field("quorum_up", command(), func(o *S) **Command { return &o.QuorumUp }, "Runs when the quorum is reached."),
		field("quorum_down", command(), func(o *S) **Command { return &o.QuorumDown }, "Runs when the quorum is lost."),
		field("quorum", number[int](1, 1<<32-1).or(1), func(o *S) *int { return &o.Quorum }, "The weight that must be alive."),
		field("hysteresis", number[int](0, 1<<32-1).or(0), func(o *S) *int { return &o.Hysteresis }, "The margin around the quorum."),
		field("weight", number[int](1, 1<<31-1).or(1), func(o *S) *int { return &o.weight }, "The weight of servers that name none."),
		action("sorry_server", "<IP> [<PORT>]", sorryServer, "Serves while the quorum is lost."),
		field("sorry_server_inhibit", flag(), func(o *S) *bool { return &o.SorryInhibit }, "The sorry server stays with weight 0."),
		field("sorry_server_lvs_method", forward(), func(o *S) *Forward { return &o.sorryForward }, "How packets reach the sorry server."),
		nested("real_server", "<IP> [<PORT>] { ... }", keywords(serverRows()), realServer, "A server."),
		gone[S]("nat_mask", "was removed from keepalived long ago and has no effect"),
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
	return action(name, "", func(s *stmt, o *service) {
		if scheduler != "" && o.Scheduler != scheduler {
			s.fail(s.n.Words[0], "put 'lvs_sched "+scheduler+"' before it", "'%s' is for lvs_sched %s", name, scheduler)
			return
		}
		o.SchedFlags |= bit
	}, "A flag of the scheduler.")
}

// tunnelOption is one option behind TUN.
type tunnelOption struct {
	Type string `parser:"  'type' @('ipip' | 'gue' | 'gre')"`
	Port string `parser:"| 'port' @Word"`
	Sum  string `parser:"| @('nocsum' | 'csum' | 'remcsum')"`
}

var tunnelParser = grammarOf[tunnelOption]()

// forward is NAT, DR or TUN with the options of the tunnel.
func forward() kind[Forward] {
	k := choice("lvs_method", []string{"NAT", "DR", "TUN"}, []Forward{NAT, Direct, Tunnel})
	read := k.read
	k.args = "NAT|DR|TUN [type ipip|gue|gre] [port <N>] [nocsum|csum|remcsum]"
	k.read = func(s *stmt) (Forward, bool) {
		f, ok := read(s)
		if ok && f == Tunnel && s.i < len(s.n.Words) {
			options(s, tunnelParser, "after TUN", []string{"type", "port", "nocsum", "csum", "remcsum"}, func(o *tunnelOption, w syntax.Word) {
				if o.Type != "ipip" && o.Sum != "nocsum" {
					s.note(w, "", "'%s %s' of a tunnel has no effect yet", w.Text, o.Type+o.Port)
				}
			})
		}
		return f, ok
	}
	return k.or("NAT")
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
	if w, given := s.next(); given {
		port, ok = s.port(w)
	}
	return a, port, ok
}

// virtualServer opens a virtual_server block.
func virtualServer(s *stmt, d *document) *service {
	vs := &VirtualServer{Pos: s.n.Words[0].Pos}
	o := &service{VirtualServer: vs}
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
		if strings.Trim(w.Text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == "" {
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
	s.r.services = append(s.r.services, o)
	return o
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
	sv := &server{RealServer: rs}
	o.Servers = append(o.Servers, rs)
	o.servers = append(o.servers, sv)
	return sv
}

// serverRows are the keywords of real_server.
func serverRows() []row[server] {
	type S = server
	rows := append(timingRows(func(o *S) *timing { return &o.timing }, 1, boolean()), []row[S]{
		action("weight", "<N>", serverWeight, "The share of the server.").in("0-65535").or("weight of the virtual_server"),
		field("lvs_method", forward().or("lvs_method of the virtual_server"), func(o *S) *Forward { return &o.Forward }, "How packets reach the server."),
		field("uthreshold", number[uint32](0, 1<<32-1).or(0), func(o *S) *uint32 { return &o.Upper }, "At this many connections it gets no more."),
		field("lthreshold", number[uint32](0, 1<<32-1).or(0), func(o *S) *uint32 { return &o.Lower }, "Below this many it gets new ones again."),
		field("inhibit_on_failure", boolean(), func(o *S) *bool { return &o.Inhibit }, "On failure it gets weight 0 and stays."),
		field("notify_up", command(), func(o *S) **Command { return &o.NotifyUp }, "Runs when the server comes up."),
		field("notify_down", command(), func(o *S) **Command { return &o.NotifyDown }, "Runs when the server goes down."),
		field("smtp_alert", boolean().or("smtp_alert_checker"), func(o *S) *bool { return &o.SMTPAlert }, "Sends mails about the server."),
		field("virtualhost", text("name"), func(o *S) *string { return &o.virtualHost }, "The Host header of HTTP checks."),
		later[S]("snmp_name", "<NAME>", "The name of the server in SNMP."),
		gone[S]("CI-LINUX", "was removed from keepalived long ago and has no effect"),
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

// groupEntry reads a line of virtual_server_group: ADDR[-END] [PORT],
// ADDR/LEN [PORT] or fwmark N [inet|inet6].
func groupEntry(s *stmt, g *ServerGroup) {
	w, _ := s.next()
	e := GroupEntry{Pos: w.Pos}
	ok := true
	if w.Text == "fwmark" {
		ok = s.mark(&e.FWMark)
		if f, given := s.next(); ok && given {
			e.IPv6 = f.Text == "inet6"
			if f.Text != "inet" && f.Text != "inet6" {
				s.fail(f, "inet or inet6", "unknown family '%s'", clip(f.Text))
			}
		}
	} else {
		ok = s.entryRange(&e, w)
		if p, given := s.next(); ok && given {
			e.Port, ok = s.port(p)
		}
	}
	s.leftover()
	if ok {
		g.Entries = append(g.Entries, e)
	}
}

// entryRange reads the addresses of an entry.
func (s *stmt) entryRange(e *GroupEntry, w syntax.Word) bool {
	first, end, isRange := strings.Cut(w.Text, "-")
	if _, bits, isPrefix := strings.Cut(w.Text, "/"); isPrefix && bits != "" {
		p, err := netip.ParsePrefix(w.Text)
		if err != nil || p.Masked() != p {
			s.fail(w, "", "'%s' is not a network (its host bits must be zero)", clip(w.Text))
			return false
		}
		e.First, e.Last = p.Addr(), lastOf(p)
		return true
	}
	fw := w
	fw.Text = first
	var ok bool
	if e.First, ok = s.addr(fw); !ok {
		return false
	}
	e.Last = e.First
	if !isRange {
		return true
	}
	if e.Last, ok = rangeEnd(e.First, end); !ok || e.Last.Less(e.First) {
		s.fail(w, "", "'%s' is not the end of a range that begins with %s", clip(end), e.First)
		return false
	}
	return true
}

// rangeEnd completes the end of a range: a full address, the last octet of
// IPv4, or the last 16 bits of IPv6 in hexadecimal.
func rangeEnd(first netip.Addr, end string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(end); err == nil {
		return a, a.Is4() == first.Is4()
	}
	if first.Is4() {
		n, err := strconv.ParseUint(end, 10, 8)
		b := first.As4()
		b[3] = byte(n)
		return netip.AddrFrom4(b), err == nil
	}
	n, err := strconv.ParseUint(end, 16, 16)
	b := first.As16()
	b[14], b[15] = byte(n>>8), byte(n)
	return netip.AddrFrom16(b), err == nil
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
