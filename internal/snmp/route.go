package snmp

import (
	"net/netip"
	"strconv"

	"keepgo/internal/agentx"
	"keepgo/vip"
)

// route is a virtual route of an instance.
type route struct {
	*vip.Route
	on *instance
}

// routesOf are the routes of an instance, and rulesOf its rules, as they are
// planned.
func (s *snapshot) routesOf(i *instance) (list []route) {
	if p := s.plans[i.c.Name]; p != nil {
		for k := range p.Routes {
			list = append(list, route{&p.Routes[k], i})
		}
	}
	return list
}

func (s *snapshot) routes(list []instance) table {
	rows := cells(list, s.routesOf)
	columns := append(s.routeColumns(), metricColumns()...)
	return newTable(vrrp.Add(7, 1), rows, byCell, append(columns, hopColumns(44, func(r *cell[route]) *vip.Nexthop { return r.of.only() }, func(r *cell[route]) uint32 { return r.of.Realms }, 46)...))
}

// only is the way a route goes if there is one way, not several.
func (r *route) only() *vip.Nexthop {
	if len(r.Hops) == 1 {
		return &r.Hops[0]
	}
	return &vip.Nexthop{}
}

func (s *snapshot) routeColumns() []column[cell[route]] {
	type R = cell[route]
	return []column[R]{
		{2, func(r *R) agentx.Value { return family(r.of.Dst.Addr()) }},
		{3, func(r *R) agentx.Value { return address(r.of.Dst.Addr()) }},
		{4, func(r *R) agentx.Value { return agentx.Gauge(uint64(r.of.Dst.Bits())) }},
		{5, func(r *R) agentx.Value { return address(r.of.only().Via) }},
		{7, func(r *R) agentx.Value { return address(r.of.Src) }},
		{8, func(r *R) agentx.Value { return agentx.Gauge(uint64(r.of.Metric)) }},
		{9, func(r *R) agentx.Value { return scope(r.of.Scope) }},
		{10, func(r *R) agentx.Value { return r.of.kind() }},
		{11, func(r *R) agentx.Value {
			return when(r.of.only().Link != "", agentx.Int(int32(s.index(r.of.only().Link))))
		}},
		{12, func(r *R) agentx.Value { return text(r.of.only().Link) }},
		{13, func(r *R) agentx.Value { return agentx.Gauge(uint64(r.of.Table)) }},
		{14, func(r *R) agentx.Value { return truth(r.of.on.now.Standing) }},
		{15, func(r *R) agentx.Value { return address(r.of.From.Addr()) }},
		{16, func(r *R) agentx.Value {
			return when(r.of.From.IsValid(), agentx.Gauge(uint64(max(r.of.From.Bits(), 0))))
		}},
		{17, func(r *R) agentx.Value { return number(uint32(r.of.TOS)) }},
		{18, func(r *R) agentx.Value { return agentx.Int(int32(r.of.Protocol) + 1) }},
		{19, func(r *R) agentx.Value { return truth(r.of.Metrics[rtaxFeatures] != 0) }},
		{20, func(r *R) agentx.Value { return truth(r.of.Metrics[rtaxQuickAck] != 0) }},
		{21, func(r *R) agentx.Value { return when(r.of.Expires != 0, agentx.Int(int32(r.of.Expires))) }},
	}
}

// kind is a RouteType: ecmp(2) for several ways, else by RTN_* of
// linux/rtnetlink.h.
func (r *route) kind() agentx.Value {
	kinds := map[uint8]int32{1: 1, 6: 3, 4: 4, 5: 5, 3: 6, 7: 7, 8: 8, 9: 9, 10: 10, 11: 11}
	if len(r.Hops) > 1 {
		return agentx.Int(2)
	}
	return agentx.Int(kinds[r.Type])
}

// Metrics of a route, RTAX_* of linux/rtnetlink.h.
const (
	rtaxLock        = 1
	rtaxFeatures    = 12
	rtaxQuickAck    = 15
	rtaxFastOpenOff = 17
)

// metricColumns are columns with a metric, and behind each whether it is locked.
// RTT and RTTvar are in 1/8 and 1/4 milliseconds.
func metricColumns() (list []column[cell[route]]) {
	type R = cell[route]
	for _, m := range []struct {
		id     uint32
		metric int
		scale  uint32
		locks  bool
	}{
		{22, 2, 1, true}, {24, 10, 1, false}, {25, 8, 1, true}, {27, 4, 8, true}, {29, 5, 4, true}, {31, 9, 1, true}, {33, 3, 1, false},
		{34, 7, 1, true}, {36, 6, 1, true}, {38, 13, 1, true}, {40, 11, 1, false}, {41, 14, 1, false},
	} {
		list = append(list, column[R]{m.id, func(r *R) agentx.Value { return number(r.of.Metrics[m.metric] / m.scale) }})
		if m.locks {
			list = append(list, column[R]{m.id + 1, func(r *R) agentx.Value {
				return when(r.of.Metrics[m.metric] != 0, truth(r.of.Metrics[rtaxLock]&(1<<m.metric) != 0))
			}})
		}
	}
	return append(list,
		column[R]{42, func(r *R) agentx.Value { return text(r.of.Congestion) }},
		column[R]{43, func(r *R) agentx.Value { return r.of.preference() }})
}

// preference is low(1), medium(2) or high(3), of RFC 4191 where it is given.
func (r *route) preference() agentx.Value {
	switch r.Pref {
	case 1:
		return agentx.Int(3)
	case 3:
		return agentx.Int(1)
	}
	return none
}

// hopColumns are the realms and the encapsulation of a way, from the column
// first on; realms are those of a row where its way has none.
func hopColumns[T any](first uint32, hop func(*T) *vip.Nexthop, realms func(*T) uint32, encap uint32) []column[T] {
	both := func(r *T) uint32 { return hop(r).Realms | realms(r) }
	of := func(id uint32, kind func(vip.EncapKind) bool, value func(*vip.Encap) agentx.Value) column[T] {
		return column[T]{id, func(r *T) agentx.Value {
			if e := &hop(r).Encap; kind(e.Kind) {
				return value(e)
			}
			return none
		}}
	}
	ip := func(k vip.EncapKind) bool { return k == vip.EncapIP || k == vip.EncapIP6 }
	return []column[T]{
		{first, func(r *T) agentx.Value { return number(both(r) & 0xffff) }},
		{first + 1, func(r *T) agentx.Value { return number(both(r) >> 16) }},
		of(encap, func(k vip.EncapKind) bool { return k != vip.NoEncap }, func(e *vip.Encap) agentx.Value { return agentx.Int(int32(e.Kind)) }),
		of(encap+1, func(k vip.EncapKind) bool { return k == vip.EncapMPLS }, func(e *vip.Encap) agentx.Value { return text(e.Labels) }),
		of(encap+2, ip, func(e *vip.Encap) agentx.Value { return when(e.ID != 0, agentx.Count64(e.ID)) }),
		of(encap+3, ip, func(e *vip.Encap) agentx.Value { return address(e.Dst) }),
		of(encap+4, ip, func(e *vip.Encap) agentx.Value { return address(e.Src) }),
		of(encap+5, ip, func(e *vip.Encap) agentx.Value { return number(uint32(e.TOS)) }),
		of(encap+6, ip, func(e *vip.Encap) agentx.Value { return number(uint32(e.TTL)) }),
		of(encap+7, ip, func(e *vip.Encap) agentx.Value { return number(uint32(e.Flags)) }),
		of(encap+8, func(k vip.EncapKind) bool { return k == vip.EncapILA }, func(e *vip.Encap) agentx.Value { return agentx.Count64(e.ID) }),
	}
}

// hop is one of several ways of a route.
type hop struct {
	instance, route, number uint32
	*vip.Nexthop
}

// nextHops are the ways of the routes that have several.
func (s *snapshot) nextHops(list []instance) table {
	var rows []hop
	for _, r := range cells(list, s.routesOf) {
		if len(r.of.Hops) < 2 {
			continue
		}
		for k := range r.of.Hops {
			rows = append(rows, hop{r.outer, r.inner, uint32(k + 1), &r.of.Hops[k]})
		}
	}
	columns := []column[hop]{
		{2, func(h *hop) agentx.Value { return family(h.Via) }},
		{3, func(h *hop) agentx.Value { return address(h.Via) }},
		{4, func(h *hop) agentx.Value { return when(h.Link != "", agentx.Int(int32(s.index(h.Link)))) }},
		{5, func(h *hop) agentx.Value { return text(h.Link) }},
		{6, func(h *hop) agentx.Value { return agentx.Gauge(uint64(h.Weight)) }},
		{7, func(h *hop) agentx.Value { return truth(h.Onlink) }},
	}
	columns = append(columns, hopColumns(8, func(h *hop) *vip.Nexthop { return h.Nexthop }, func(*hop) uint32 { return 0 }, 10)...)
	return newTable(vrrp.Add(11, 1), rows, func(_ int, h *hop) agentx.OID { return agentx.OID{h.instance, h.route, h.number} }, columns)
}

// rule is a virtual rule of an instance.
type rule struct {
	*vip.Rule
	on *instance
}

func (s *snapshot) rulesOf(i *instance) (list []rule) {
	if p := s.plans[i.c.Name]; p != nil {
		for k := range p.Rules {
			list = append(list, rule{&p.Rules[k], i})
		}
	}
	return list
}

// Actions of a rule, FR_ACT_* of linux/fib_rules.h.
const (
	actTable = 1
	actGoto  = 2
)

func (s *snapshot) rules(list []instance) table {
	return newTable(vrrp.Add(8, 1), cells(list, s.rulesOf), byCell, append(ruleSelectors(), ruleActions()...))
}

// ruleSelectors are the columns of what a rule is for.
func ruleSelectors() []column[cell[rule]] {
	type R = cell[rule]
	bits := func(p netip.Prefix) agentx.Value { return when(p.IsValid(), agentx.Gauge(uint64(max(p.Bits(), 0)))) }
	return []column[R]{
		{2, func(r *R) agentx.Value { return r.of.direction() }},
		{3, func(r *R) agentx.Value { return family(r.of.prefix().Addr()) }},
		{4, func(r *R) agentx.Value { return address(r.of.prefix().Addr()) }},
		{5, func(r *R) agentx.Value { return bits(r.of.prefix()) }},
		{6, func(r *R) agentx.Value { return r.of.table() }},
		{7, func(r *R) agentx.Value { return truth(r.of.on.now.Standing) }},
		{8, func(r *R) agentx.Value { return truth(r.of.Not) }},
		{9, func(r *R) agentx.Value { return family(r.of.To.Addr()) }},
		{10, func(r *R) agentx.Value { return address(r.of.To.Addr()) }},
		{11, func(r *R) agentx.Value { return bits(r.of.To) }},
		{12, func(r *R) agentx.Value { return family(r.of.From.Addr()) }},
		{13, func(r *R) agentx.Value { return address(r.of.From.Addr()) }},
		{14, func(r *R) agentx.Value { return bits(r.of.From) }},
		{15, func(r *R) agentx.Value { return agentx.Gauge(uint64(r.of.TOS)) }},
		{16, func(r *R) agentx.Value { return when(r.of.Mask != 0, agentx.Gauge(uint64(r.of.Mark))) }},
		{17, func(r *R) agentx.Value { return when(r.of.Mask != 0, agentx.Gauge(uint64(r.of.Mask))) }},
		{18, func(r *R) agentx.Value { return number(r.of.Realms & 0xffff) }},
		{19, func(r *R) agentx.Value { return number(r.of.Realms >> 16) }},
		{20, func(r *R) agentx.Value { return text(r.of.IIF) }},
		{21, func(r *R) agentx.Value { return text(r.of.OIF) }},
	}
}

// ruleActions are the columns of what it does. keepalived has none behind 32.
func ruleActions() []column[cell[rule]] {
	type R = cell[rule]
	end := func(r vip.Range, n uint32) agentx.Value { return when(r.Valid, agentx.Gauge(uint64(n))) }
	return []column[R]{
		{22, func(r *R) agentx.Value { return when(r.of.Action == actGoto, agentx.Gauge(uint64(r.of.Goto))) }},
		{23, func(r *R) agentx.Value { return agentx.Int(int32(r.of.Action)) }},
		{24, func(r *R) agentx.Value { return r.of.table() }},
		{25, func(r *R) agentx.Value { return when(r.of.Preference >= 0, agentx.Gauge(uint64(r.of.Preference))) }},
		{26, func(r *R) agentx.Value {
			return when(r.of.SuppressLength >= 0, agentx.Gauge(uint64(max(r.of.SuppressLength, 0))))
		}},
		{27, func(r *R) agentx.Value {
			return when(r.of.SuppressGroup >= 0, agentx.Text(strconv.Itoa(int(r.of.SuppressGroup))))
		}},
		{28, func(r *R) agentx.Value { return when(r.of.TunnelID != 0, agentx.Gauge(r.of.TunnelID>>32)) }},
		{29, func(r *R) agentx.Value { return when(r.of.TunnelID != 0, agentx.Gauge(r.of.TunnelID&(1<<32-1))) }},
		{30, func(r *R) agentx.Value { return end(r.of.UIDs, r.of.UIDs.First) }},
		{31, func(r *R) agentx.Value { return end(r.of.UIDs, r.of.UIDs.Last) }},
		{32, func(r *R) agentx.Value { return when(r.of.L3MDev, truth(true)) }},
	}
}

// direction, and prefix with it, are of old: the destination, if it is given.
func (r *rule) direction() agentx.Value {
	switch {
	case r.To.IsValid() && r.From.IsValid():
		return agentx.Text("both")
	case r.To.IsValid():
		return agentx.Text("to")
	case r.From.IsValid():
		return agentx.Text("from")
	}
	return agentx.Text("")
}

func (r *rule) prefix() netip.Prefix {
	if r.To.IsValid() {
		return r.To
	}
	return r.From
}

func (r *rule) table() agentx.Value {
	return when(r.Action == actTable, agentx.Gauge(uint64(r.Table)))
}
