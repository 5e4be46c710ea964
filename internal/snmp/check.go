package snmp

import (
	"cmp"
	"slices"
	"time"

	"keepgo/confparse"
	"keepgo/internal/agentx"
	"keepgo/internal/lb"
	"keepgo/internal/status"
)

// service is a virtual_server and how it is.
type service struct {
	*confparse.VirtualServer
	now *status.Service
}

// server is a real_server, or a sorry_server, and how it is.
type server struct {
	*confparse.RealServer
	of    *service
	now   *status.Server
	sorry bool
}

// services are the virtual servers. One that the LVS process does not know yet is
// down.
func (s *snapshot) services() []service {
	now := map[string]*status.Service{}
	for i := range s.Status.Services {
		now[s.Status.Services[i].Name] = &s.Status.Services[i]
	}
	list := make([]service, len(s.Config.VirtualServers))
	for i, vs := range s.Config.VirtualServers {
		if list[i] = (service{vs, now[lb.Name(vs)]}); list[i].now == nil {
			list[i].now = &status.Service{}
		}
	}
	return list
}

// servers are those of a service.
func (v *service) servers() (list []server) {
	now := map[string]*status.Server{}
	for i := range v.now.Servers {
		now[v.now.Servers[i].Name] = &v.now.Servers[i]
	}
	if v.Sorry != nil {
		list = append(list, server{v.Sorry, v, &status.Server{Up: true, Weight: v.Sorry.Weight}, true})
	}
	for _, rs := range v.Servers {
		is := now[lb.ServerName(v.VirtualServer, rs)]
		if is == nil {
			is = &status.Server{}
		}
		list = append(list, server{rs, v, is, false})
	}
	return list
}

// check are the tables of virtual servers.
func (s *snapshot) check() []table {
	list := s.services()
	columns := append(serviceColumns(), serviceTraffic()...)
	more := append(serverColumns(), serverTraffic()...)
	return []table{
		newTable(check.Add(1, 1), s.Config.ServerGroups, byNumber, []column[*confparse.ServerGroup]{
			{2, func(g **confparse.ServerGroup) agentx.Value { return agentx.Text((*g).Name) }},
		}),
		s.groupMembers(),
		newTable(check.Add(3, 1), list, byNumber, append(columns, serviceRest()...)),
		newTable(check.Add(4, 1), cells(list, (*service).servers), byCell, append(more, serverRest()...)),
		s.syncDaemon(),
		s.timeouts(),
	}
}

func (s *snapshot) groupMembers() table {
	type E = cell[confparse.GroupEntry]
	rows := cells(s.Config.ServerGroups, func(g **confparse.ServerGroup) []confparse.GroupEntry { return marksFirst((*g).Entries) })
	single := func(e *E) bool { return e.of.FWMark == 0 && e.of.First == e.of.Last }
	span := func(e *E) bool { return e.of.FWMark == 0 && e.of.First != e.of.Last }
	return newTable(check.Add(2, 1), rows, byCell, []column[E]{
		{2, func(e *E) agentx.Value {
			if e.of.FWMark != 0 {
				return agentx.Int(1)
			}
			return choose(single(e), 2, 3)
		}},
		{3, func(e *E) agentx.Value { return number(e.of.FWMark) }},
		{4, func(e *E) agentx.Value { return when(e.of.FWMark == 0, family(e.of.First)) }},
		{5, func(e *E) agentx.Value { return when(single(e), address(e.of.First)) }},
		{6, func(e *E) agentx.Value { return when(span(e), address(e.of.First)) }},
		{7, func(e *E) agentx.Value { return when(span(e), address(e.of.Last)) }},
		{8, func(e *E) agentx.Value { return when(e.of.FWMark == 0, agentx.Gauge(uint64(e.of.Port))) }},
	})
}

// marksFirst are entries in keepalived's order.
func marksFirst(entries []confparse.GroupEntry) []confparse.GroupEntry {
	list := slices.Clone(entries)
	slices.SortStableFunc(list, func(a, b confparse.GroupEntry) int { return cmp.Compare(min(b.FWMark, 1), min(a.FWMark, 1)) })
	return list
}

// kind is fwmark(1), ip(2) or group(3).
func (v *service) kind() agentx.Value {
	switch {
	case v.Group != "":
		return agentx.Int(3)
	case v.FWMark != 0:
		return agentx.Int(1)
	}
	return agentx.Int(2)
}

func (v *service) byAddress() bool { return v.Group == "" && v.FWMark == 0 }

// Numbers of protocols, schedulers and forwarding methods in the MIB.
var (
	protocolNumbers = map[confparse.Protocol]int32{confparse.TCP: 1, confparse.UDP: 2, confparse.SCTP: 3, confparse.NoProtocol: 4}
	schedulers      = map[string]int32{
		"rr": 1, "wrr": 2, "lc": 3, "wlc": 4, "lblc": 5, "lblcr": 6, "dh": 7, "sh": 8, "sed": 9, "nq": 10, "fo": 11, "ovf": 12, "mh": 13, "twos": 14,
	}
	methods = map[confparse.Forward]int32{confparse.NAT: 1, confparse.Direct: 2, confparse.Tunnel: 3}
)

func (v *service) scheduler() agentx.Value {
	if n, known := schedulers[v.Scheduler]; known {
		return agentx.Int(n)
	}
	return agentx.Int(99)
}

// first is the first real server: what it has stands for what the virtual server
// says of all, which the configuration keeps with each of them.
func (v *service) first() *confparse.RealServer {
	if len(v.Servers) == 0 {
		return &confparse.RealServer{Weight: 1}
	}
	return v.Servers[0]
}

// checker is the first check, if there is one.
func checker(rs *confparse.RealServer) *confparse.Checker {
	if len(rs.Checkers) == 0 {
		return &confparse.Checker{DelayLoop: time.Minute, Timeout: 5 * time.Second} // keepalived's defaults
	}
	return rs.Checkers[0]
}

func (v *service) up() (n uint64) {
	for i := range v.now.Servers {
		if v.now.Servers[i].Up {
			n++
		}
	}
	return n
}

// serviceColumns are columns of the table of virtual servers before those of
// their traffic, and serviceRest the ones behind.
func serviceColumns() []column[service] {
	type V = service
	return []column[V]{
		{2, func(v *V) agentx.Value { return v.kind() }},
		{3, func(v *V) agentx.Value { return text(v.Group) }},
		{4, func(v *V) agentx.Value { return number(v.FWMark) }},
		{5, func(v *V) agentx.Value { return choose(v.IPv6, 2, 1) }},
		{6, func(v *V) agentx.Value { return when(v.byAddress(), address(v.Addr)) }},
		{7, func(v *V) agentx.Value { return when(v.byAddress(), agentx.Gauge(uint64(v.Port))) }},
		{8, func(v *V) agentx.Value { return agentx.Int(protocolNumbers[v.Protocol]) }},
		{9, func(v *V) agentx.Value { return v.scheduler() }},
		{10, func(v *V) agentx.Value { return agentx.Int(methods[v.first().Forward]) }},
		{11, func(v *V) agentx.Value { return truth(v.now.Name != "" && !v.now.Suspended) }},
		{12, func(v *V) agentx.Value { return v.virtualHost() }},
		{13, func(v *V) agentx.Value { return truth(v.Persistence > 0) }},
		{14, func(v *V) agentx.Value { return when(v.Persistence > 0, seconds(v.Persistence)) }},
		{15, func(v *V) agentx.Value { return v.granularity() }},
		{16, func(v *V) agentx.Value { return seconds(checker(v.first()).DelayLoop) }},
		{17, func(v *V) agentx.Value { return truth(v.HASuspend) }},
		{18, func(v *V) agentx.Value { return truth(v.Alpha) }},
		{19, func(v *V) agentx.Value { return truth(v.Omega) }},
		{20, func(v *V) agentx.Value { return agentx.Gauge(uint64(len(v.Servers))) }},
		{21, func(v *V) agentx.Value { return agentx.Gauge(v.up()) }},
		{22, func(v *V) agentx.Value { return agentx.Gauge(uint64(v.Quorum)) }},
		{23, func(v *V) agentx.Value { return truth(v.now.Up) }},
		{24, func(v *V) agentx.Value { return command(v.QuorumUp) }},
		{25, func(v *V) agentx.Value { return command(v.QuorumDown) }},
		{26, func(v *V) agentx.Value { return agentx.Gauge(uint64(v.Hysteresis)) }},
	}
}

// flag is one of three, which the MIB names after sh and mh.
func (v *service) flag(n int) agentx.Value { return truth(v.SchedFlags&(8<<n) != 0) }

// granularity is that of persistence with IPv4: every bit, unless it is given.
func (v *service) granularity() agentx.Value {
	if !v.Netmask.IsValid() {
		return when(!v.IPv6, agentx.Octets([]byte{255, 255, 255, 255}))
	}
	return address(v.Netmask)
}

// virtualHost is what the first HTTP check asks for.
func (v *service) virtualHost() agentx.Value {
	if h := checker(v.first()).HTTP; h != nil {
		return text(h.VirtualHost)
	}
	return none
}

func serviceRest() []column[service] {
	type V = service
	first := func(id uint32, of func(*confparse.Checker) agentx.Value) column[V] {
		return column[V]{id, func(v *V) agentx.Value { return of(checker(v.first())) }}
	}
	tunnel := func(id uint32, of func(*confparse.TunnelOptions) agentx.Value) column[V] {
		return column[V]{id, func(v *V) agentx.Value { return tunnelOf(v.first(), of) }}
	}
	return []column[V]{
		{51, func(v *V) agentx.Value { return when(v.IPv6, agentx.Gauge(uint64(cmp.Or(v.PrefixLen, 128)))) }},
		{52, func(v *V) agentx.Value { return truth(false) }},
		{53, func(v *V) agentx.Value { return v.flag(0) }},
		{54, func(v *V) agentx.Value { return v.flag(1) }},
		{55, func(v *V) agentx.Value { return v.flag(2) }},
		{56, func(v *V) agentx.Value { return choose(v.first().Inhibit, 2, 1) }},
		first(57, func(c *confparse.Checker) agentx.Value { return agentx.Gauge(uint64(c.Retry)) }),
		first(58, func(c *confparse.Checker) agentx.Value { return seconds(c.DelayBeforeRetry) }),
		first(59, func(c *confparse.Checker) agentx.Value { return seconds(c.Warmup) }),
		{60, func(v *V) agentx.Value { return agentx.Int(int32(v.first().Weight)) }},
		{61, func(v *V) agentx.Value { return truth(v.SMTPAlert) }},
		{62, func(v *V) agentx.Value { return v.flag(0) }},
		{63, func(v *V) agentx.Value { return v.flag(1) }},
		first(64, func(c *confparse.Checker) agentx.Value { return micros(c.DelayLoop) }),
		first(65, func(c *confparse.Checker) agentx.Value { return micros(c.DelayBeforeRetry) }),
		first(66, func(c *confparse.Checker) agentx.Value { return micros(c.Warmup) }),
		first(67, func(c *confparse.Checker) agentx.Value { return micros(c.Timeout) }),
		tunnel(68, tunnelType), tunnel(69, tunnelPort), tunnel(70, tunnelSum),
		{71, func(v *V) agentx.Value { return text(v.SNMPName) }},
	}
}

// tunnelOf is of real servers behind a tunnel.
func tunnelOf(rs *confparse.RealServer, of func(*confparse.TunnelOptions) agentx.Value) agentx.Value {
	if rs.Forward != confparse.Tunnel {
		return none
	}
	return of(&rs.Tunnel)
}

func tunnelType(o *confparse.TunnelOptions) agentx.Value { return agentx.Int(int32(o.Type) + 1) }
func tunnelPort(o *confparse.TunnelOptions) agentx.Value {
	return when(o.Type == 1, agentx.Gauge(uint64(o.Port)))
}
func tunnelSum(o *confparse.TunnelOptions) agentx.Value {
	return when(o.Type != 0, agentx.Int(int32(o.Flags)+1))
}

// serverColumns and serverRest are the same of the table of real servers.
func serverColumns() []column[cell[server]] {
	type R = cell[server]
	real := func(r *R) bool { return !r.of.sorry }
	return []column[R]{
		{2, func(r *R) agentx.Value { return choose(r.of.sorry, 2, 1) }},
		{3, func(r *R) agentx.Value { return family(r.of.Addr) }},
		{4, func(r *R) agentx.Value { return address(r.of.Addr) }},
		{5, func(r *R) agentx.Value { return agentx.Gauge(uint64(r.of.Port)) }},
		{6, func(r *R) agentx.Value { return when(real(r), truth(r.of.now.Up)) }},
		{7, func(r *R) agentx.Value { return when(real(r), agentx.Int(int32(r.of.now.Weight))) }},
		{8, func(r *R) agentx.Value { return when(real(r), number(r.of.Upper)) }},
		{9, func(r *R) agentx.Value { return when(real(r), number(r.of.Lower)) }},
		{10, func(r *R) agentx.Value { return when(real(r), choose(r.of.Inhibit, 2, 1)) }},
		{11, func(r *R) agentx.Value { return command(r.of.NotifyUp) }},
		{12, func(r *R) agentx.Value { return command(r.of.NotifyDown) }},
		{13, func(r *R) agentx.Value { return when(real(r), r.of.failed()) }},
	}
}

// failed counts the checks that fail.
func (r *server) failed() agentx.Value {
	n := 0
	for _, c := range r.now.Checks {
		if !c.Up {
			n++
		}
	}
	return agentx.Gauge(uint64(n))
}

func serverRest() []column[cell[server]] {
	type R = cell[server]
	first := func(id uint32, of func(*confparse.Checker) agentx.Value) column[R] {
		return column[R]{id, func(r *R) agentx.Value {
			if r.of.sorry {
				return of(&confparse.Checker{})
			}
			return of(checker(r.of.RealServer))
		}}
	}
	real := func(r *R) bool { return !r.of.sorry }
	tunnel := func(id uint32, of func(*confparse.TunnelOptions) agentx.Value) column[R] {
		return column[R]{id, func(r *R) agentx.Value { return tunnelOf(r.of.RealServer, of) }}
	}
	return []column[R]{
		{40, func(r *R) agentx.Value { return agentx.Int(methods[r.of.Forward]) }},
		first(42, func(c *confparse.Checker) agentx.Value { return truth(c.Alpha) }),
		first(43, func(c *confparse.Checker) agentx.Value { return agentx.Gauge(uint64(c.Retry)) }),
		first(44, func(c *confparse.Checker) agentx.Value { return seconds(c.DelayBeforeRetry) }),
		first(45, func(c *confparse.Checker) agentx.Value { return seconds(c.Warmup) }),
		first(46, func(c *confparse.Checker) agentx.Value { return seconds(c.DelayLoop) }),
		{47, func(r *R) agentx.Value { return truth(r.of.SMTPAlert && real(r)) }},
		first(48, func(c *confparse.Checker) agentx.Value { return micros(c.DelayBeforeRetry) }),
		first(49, func(c *confparse.Checker) agentx.Value { return micros(c.Warmup) }),
		first(50, func(c *confparse.Checker) agentx.Value { return micros(c.DelayLoop) }),
		first(51, func(c *confparse.Checker) agentx.Value { return micros(c.Timeout) }),
		tunnel(52, tunnelType), tunnel(53, tunnelPort), tunnel(54, tunnelSum),
		{55, func(r *R) agentx.Value { return text(r.of.SNMPName) }},
	}
}
