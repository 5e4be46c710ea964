package confparse

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"keepgo/confparse/syntax"
)

// served is a service that is complete; of its text little is kept.
type served struct {
	*VirtualServer
	head int // length of the line that begins it
}

// watch is a FILE_CHECK whose weight is that of its track_file.
type watch = *Watch

// serviceEnd completes a service at the end of its block, unless its group is
// to be known first. Its text is not needed any more then.
func serviceEnd(r *reader, o *service, n *syntax.Node) {
	if o.Group != "" {
		return
	}
	r.pending = r.pending[:len(r.pending)-1]
	r.completeService(o)
	for _, sv := range o.servers {
		for _, c := range sv.checks {
			r.free(c.text)
			r.spare.checks.give(c)
		}
		r.free(sv.text)
		r.spare.servers.give(sv)
	}
	r.free(o.text)
	r.spare.services.give(o)
	r.done = true
}

// free takes back the scope of an object.
func (r *reader) free(sc *scope) {
	if sc != nil {
		r.spare.scopes.give(sc)
	}
}

// says notes that an object has its own word for something that global_defs
// has a default for.
func (r *reader) says(from any, keyword string, obj any) {
	if r.has(from, keyword) {
		r.explicit[obj] = true
	}
}

// completeAlerts applies the defaults of global_defs, which may stand anywhere
// in the text, to services, servers and checkers.
func (r *reader) completeAlerts() {
	g := &r.globals
	service, server := r.alert(g.alert.checker, "smtp_alert_checker", false), r.alert(g.alert.checker, "smtp_alert_checker", true)
	for _, vs := range r.cfg.VirtualServers {
		if !r.explicit[vs] {
			vs.SMTPAlert = service
		}
		for _, rs := range vs.Servers {
			if !r.explicit[rs] {
				rs.SMTPAlert = server
			}
			for _, c := range rs.Checkers {
				if !r.explicit[c] {
					c.LogAll = g.logAll
				}
			}
		}
	}
}

// title is a service as messages name it.
func (o *VirtualServer) title() string {
	switch {
	case o.FWMark != 0:
		return fmt.Sprintf("virtual_server fwmark %d", o.FWMark)
	case o.Group != "":
		return "virtual_server group " + o.Group
	case o.Port == 0:
		return "virtual_server " + o.Addr.String()
	}
	return fmt.Sprintf("virtual_server %s %d", o.Addr, o.Port)
}

// completeService applies the defaults of a service and the rules within it.
func (r *reader) completeService(o *service) {
	r.completeProtocol(o)
	r.completeSchedule(o)
	r.completeServiceFamily(o)
	r.completeFullNAT(o)
	for _, sv := range o.servers {
		r.completeServer(o, sv)
	}
	r.dropServers(o)
	r.completeSorry(o)
	r.completePersistence(o)
	r.completeQuorum(o)
	r.says(o, "smtp_alert", o.VirtualServer)
	r.served = append(r.served, served{o.VirtualServer, headLen(r.where(o, ""))})
	o.Alpha = o.alpha
	if len(o.Servers) == 0 && o.Sorry == nil {
		if !r.has(o, "real_server") {
			r.warn(o, "", "it is ignored", "%s has no real_server", o.title())
		}
		o.Unusable = "no real_server"
	}
	if o.HASuspend && !o.Addr.IsValid() {
		r.warn(o, "ha_suspend", "it is ignored", "ha_suspend works for services with an address only")
		o.HASuspend = false
	}
}

func (r *reader) completeProtocol(o *service) {
	switch {
	case o.FWMark != 0 && r.has(o, "protocol"):
		r.note(o, "protocol", "", "protocol has no effect with fwmark")
		o.Protocol = NoProtocol
	case o.FWMark == 0 && o.Protocol == NoProtocol:
		if !r.has(o, "protocol") {
			r.warn(o, "", "add 'protocol TCP'", "no protocol; UDP is used")
		}
		o.Protocol = UDP
	}
	if o.OnePacket && o.Protocol != UDP && o.FWMark == 0 {
		r.warn(o, "ops", "it is ignored", "ops works with UDP only")
		o.OnePacket = false
	}
}

func (r *reader) completeSchedule(o *service) {
	if o.Scheduler == "" {
		if !r.has(o, "lvs_sched", "lb_algo") {
			r.warn(o, "", "add 'lb_algo wlc' or another", "no lb_algo; 'wlc' is used")
		}
		o.Scheduler, o.Unscheduled = "wlc", true
	}
	if !r.has(o, "lvs_method", "lb_kind") && slices.ContainsFunc(o.servers, func(sv *server) bool { return !r.has(sv, "lvs_method") }) {
		r.warn(o, "", "add 'lb_kind NAT', DR or TUN", "no lb_kind; 'NAT' is used")
	}
}

// completeServiceFamily takes the family of a mark or a group from its text,
// its entries or its first server.
func (r *reader) completeServiceFamily(o *service) {
	if o.Addr.IsValid() || r.has(o, "ip_family") {
		return
	}
	if o.Group != "" {
		if g := r.groups[o.Group]; g != nil && len(g.Entries) > 0 {
			e := g.Entries[0]
			if o.IPv6 = e.IPv6 || e.First.Is6(); e.FWMark == 0 || e.IPv6 {
				return
			}
		}
	}
	if len(o.servers) > 0 {
		o.IPv6 = o.servers[0].Addr.Is6()
	}
	if o.IPv6 && o.Netmask.IsValid() {
		r.fail(o, "", "add 'ip_family inet6' and give a prefix length", "%s: IPv4 persistence_granularity (line %d) with IPv6 real servers",
			o.title(), r.line(o, "persistence_granularity"))
		o.Netmask = netip.Addr{}
	}
}

// completeServer applies what a server inherits.
func (r *reader) completeServer(o *service, sv *server) {
	sv.Inhibit = pick(r, sv, sv.Inhibit, o, o.inhibit, "inhibit_on_failure", false)
	r.says(sv, "smtp_alert", sv.RealServer)
	if !r.has(sv, "lvs_method") {
		sv.method = o.method
	}
	r.partOnly(sv, "lvs_method", &sv.method)
	sv.Forward, sv.Tunnel = sv.method.forward, sv.method.tunnel
	if !r.has(sv, "weight") {
		sv.Weight = cmp.Or(o.weight, 1)
	}
	r.completePort(o, sv)
	sv.virtualHost = cmp.Or(sv.virtualHost, o.virtualHost)
	for _, c := range sv.checks {
		if (len(c.hosts) == 0 || c.own) && r.completeCheck(o, sv, c) {
			sv.Checkers = append(sv.Checkers, c.Checker)
		}
		for _, h := range c.hosts {
			if r.completeCheck(o, sv, h) {
				sv.Checkers = append(sv.Checkers, h.Checker)
			}
		}
	}
}

// pick is the value of the innermost object that has the keyword.
func pick[V any](r *reader, sv *server, inner V, o *service, outer V, keyword string, builtin V) V {
	switch {
	case r.has(sv, keyword):
		return inner
	case r.has(o, keyword):
		return outer
	}
	return builtin
}

// completePort fits the port of a server to what forwarding can do.
func (r *reader) completePort(o *service, sv *server) {
	port := sv.Port
	switch {
	case o.FWMark != 0 && sv.Forward != NAT && port != 0:
		r.note(sv, "", "", "the port has no effect: a firewall mark forwards every port as it is")
		sv.Port = 0
	case port == 0 && o.Port != 0:
		sv.Port = o.Port
		r.warn(sv, "", "give one, unless the virtual_server has none either",
			"real_server %s has no port; %d of the virtual_server is used", sv.Addr, o.Port)
	case port != 0 && o.Addr.IsValid() && sv.Forward != NAT && port != o.Port:
		r.warn(sv, "", "", "lb_kind %s cannot change the port: packets reach %s on port %d, not %d",
			map[Forward]string{Direct: "DR", Tunnel: "TUN"}[sv.Forward], sv.Addr, o.Port, port)
		sv.Port = o.Port
	}
}

// dropServers takes out servers of the wrong family and duplicates.
func (r *reader) dropServers(o *service) {
	type key struct {
		addr netip.Addr
		port uint16
	}
	seen := map[key]*server{}
	o.Servers = slices.Grow(o.Servers, len(o.servers))
	for _, sv := range o.servers {
		k := key{sv.Addr, sv.Port}
		switch first := seen[k]; {
		case sv.Addr.Is6() != o.IPv6 && sv.Forward != Tunnel && o.Addr.IsValid():
			r.fail(sv, "", "only lb_kind TUN can mix families", "real_server is %s, virtual_server is %s", family(!o.IPv6), family(o.IPv6))
		case sv.Addr.Is6() != o.IPv6 && sv.Forward != Tunnel:
			r.fail(sv, "", "only lb_kind TUN can mix families", "%s real_server in a service with %s real servers", family(!o.IPv6), family(o.IPv6))
		case first != nil:
			r.fail(sv, "", "the second is ignored", "real_server %s %d is already defined on line %d", sv.Addr, sv.Port, first.Pos.Line)
		default:
			seen[k] = sv
			o.Servers = append(o.Servers, sv.RealServer)
		}
	}
}

func (r *reader) completeSorry(o *service) {
	s := o.Sorry
	if s == nil {
		return
	}
	s.Inhibit = o.SorryInhibit
	m := o.method
	if r.has(o, "sorry_server_lvs_method") {
		m = o.sorry
	}
	r.partOnly(o, "sorry_server_lvs_method", &m)
	s.Forward, s.Tunnel = m.forward, m.tunnel
	switch {
	case s.Addr.Is6() != o.IPv6 && s.Forward != Tunnel:
		r.fail(o, "sorry_server", "it is ignored", "sorry_server is %s, virtual_server is %s", family(!o.IPv6), family(o.IPv6))
		o.Sorry = nil
	case s.Port == 0 && o.Port != 0:
		r.warn(o, "sorry_server", "give one", "sorry_server has no port; %d of the virtual_server is used", o.Port)
		s.Port = o.Port
	case s.Port != o.Port && s.Forward != NAT && o.Addr.IsValid():
		s.Port = o.Port
	}
}

// defaultPersistence is what keepalived uses where persistence has no time.
const defaultPersistence = 360 * time.Second

func (r *reader) completePersistence(o *service) {
	granular := o.Netmask.IsValid() || o.PrefixLen > 0
	if granular && o.Persistence == 0 {
		o.Persistence = defaultPersistence
	}
	if o.Addr.IsValid() && o.Port == 0 {
		ported := slices.ContainsFunc(o.Servers, func(rs *RealServer) bool { return rs.Port != 0 })
		if ported || o.Persistence == 0 {
			r.warn(o, "", "the real servers must have no port either",
				"virtual_server without a port means all ports; it needs persistence_timeout")
		}
		if o.Persistence == 0 {
			o.Persistence = defaultPersistence
		}
		for _, rs := range o.Servers {
			if rs.Forward != NAT {
				rs.Port = 0
			}
		}
	}
	if o.Group != "" && o.Persistence == 0 {
		if g := r.groups[o.Group]; g != nil && slices.ContainsFunc(g.Entries, func(e GroupEntry) bool { return e.FWMark == 0 && e.Port == 0 }) {
			r.warn(o, "", "360 s are used", "virtual_server_group %s has entries without a port, which need persistence_timeout", g.Name)
			o.Persistence = defaultPersistence
		}
	}
}

func (r *reader) completeQuorum(o *service) {
	total := 0
	for _, rs := range o.Servers {
		total += rs.Weight
	}
	o.Quorum = cmp.Or(o.Quorum, 1)
	if o.Quorum > total && len(o.Servers) > 0 && r.has(o, "quorum") {
		r.warn(o, "quorum", fmt.Sprintf("%d is used", max(total, 1)), "quorum %d is above the total weight %d of the real servers", o.Quorum, total)
		o.Quorum = max(total, 1)
	}
	if o.Hysteresis >= o.Quorum {
		if o.Hysteresis > 0 {
			r.warn(o, "hysteresis", fmt.Sprintf("%d is used", o.Quorum-1), "hysteresis %d must be less than the quorum %d", o.Hysteresis, o.Quorum)
		}
		o.Hysteresis = o.Quorum - 1
	}
}

// checkServices finds services that are defined twice or refer to nothing.
func (r *reader) checkServices() {
	if len(r.served) == 0 {
		return
	}
	type key struct {
		addr     netip.Addr
		port     uint16
		protocol Protocol
		mark     uint32
		group    string
		v6       bool
	}
	first := make(map[key]*VirtualServer, len(r.served))
	vips, nearVIP := r.virtualAddresses()
	for _, o := range r.served {
		if o.Group != "" && r.groups[o.Group] == nil {
			r.found(syntax.Failure, o.Pos, o.head, o.title(), "", "no virtual_server_group '%s'", clip(o.Group))
			o.Unusable = "no such virtual_server_group"
			continue
		}
		k := key{o.Addr, o.Port, o.Protocol, o.FWMark, o.Group, o.IPv6}
		if other := first[k]; other != nil && o.Group == "" {
			r.found(syntax.Failure, o.Pos, o.head, o.title(), "", "%s %s is already defined on line %d", o.title(), protocolName(o.Protocol), other.Pos.Line)
			o.Unusable = "defined twice"
			continue
		}
		first[k] = o.VirtualServer
		if o.Addr.IsValid() && len(vips) > 0 && !vips[o.Addr] {
			r.found(syntax.Note, o.Pos, len("virtual_server"), "", nearVIP(o.Addr), "%s is in no virtual_ipaddress of this file", o.Addr)
		}
	}
}

func protocolName(p Protocol) string {
	return map[Protocol]string{TCP: "TCP", UDP: "UDP", SCTP: "SCTP", NoProtocol: ""}[p]
}

// virtualAddresses collects the addresses of all instances and a finder of the
// nearest one.
func (r *reader) virtualAddresses() (map[netip.Addr]bool, func(netip.Addr) string) {
	set := map[netip.Addr]bool{}
	var near []Address // those that are looked through
	add := func(list []Address) {
		for i := range list {
			set[list[i].Prefix.Addr()] = true
		}
	}
	for _, i := range r.cfg.Instances {
		for _, list := range [][]Address{i.Addresses, i.Excluded} {
			add(list)
			near = append(near, list[:min(len(list), maxPacketAddresses-len(near))]...)
		}
	}
	add(r.cfg.StaticAddresses)
	return set, func(want netip.Addr) string {
		best, most := Address{}, -1
		for _, a := range near {
			if n := commonBits(want, a.Prefix.Addr()); n > most {
				best, most = a, n
			}
		}
		if most < 16 {
			return ""
		}
		return fmt.Sprintf("nearest: %s, line %d", best.Prefix.Addr(), best.Pos.Line)
	}
}

// commonBits is how long two addresses are alike, or -1 for two families.
func commonBits(a, b netip.Addr) int {
	if a.Is4() != b.Is4() {
		return -1
	}
	n := 0
	for n < a.BitLen() && netip.PrefixFrom(a, n+1).Contains(b) {
		n++
	}
	return n
}
