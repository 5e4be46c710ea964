package snmp

import (
	"net/netip"
	"strings"
	"time"

	"keepgo/internal/agentx"
	"keepgo/internal/dump"
	core "keepgo/vrrp"
)

// router is an instance as the RFCs have it: known by the index of its interface,
// that below a VMAC, and its VRID.
type router struct {
	instance
	on  *dump.Link
	own *dump.Link // that of its own, which has its MAC address; else the same
}

// routers are the instances whose interface is there, of one version or of all.
func (s *snapshot) routers(version uint8) (rows []router) {
	for _, i := range s.list() {
		on, own := s.links[i.c.Interface], s.links[i.link]
		if on != nil && own != nil && (version == 0 || i.c.Version == version) {
			rows = append(rows, router{i, on, own})
		}
	}
	return rows
}

// index2 is the index of RFC 2787, and index3 that of RFC 6527, where the family
// of addresses counts too.
func index2(_ int, r *router) agentx.OID { return agentx.OID{uint32(r.on.Index), uint32(r.c.VRID)} }

func index3(i int, r *router) agentx.OID {
	family := uint32(1)
	if r.c.IPv6 {
		family = 2
	}
	return append(index2(i, r), family)
}

// phase is initialize(1), backup(2) or master(3), of both RFCs.
func (r *router) phase() agentx.Value {
	phases := map[string]int32{"BACKUP": 2, "MASTER": 3}
	return agentx.Int(max(phases[r.now.State], 1))
}

// primary is the address that adverts come from, as far as the interface has one.
func (r *router) primary() netip.Addr {
	a := r.on.Addr4
	if r.c.IPv6 {
		a = r.on.Addr6
	}
	if !a.IsValid() {
		a, _ = netip.ParseAddr(r.now.Source)
	}
	return a
}

// master is the address of the master, which is our own while it is us.
func (r *router) master() netip.Addr {
	if r.now.State == "MASTER" {
		return r.primary()
	}
	if a, err := netip.ParseAddr(r.now.Master); err == nil {
		return a.WithZone("")
	}
	if r.c.IPv6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

func (r *router) mac() agentx.Value {
	var mac []byte
	for part := range strings.SplitSeq(r.own.MAC, ":") {
		if len(part) == 2 {
			mac = append(mac, unhex(part[0])<<4|unhex(part[1]))
		}
	}
	return agentx.Octets(mac)
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// uptime is how long the router has been BACKUP or MASTER.
func (r *router) uptime(now time.Time) agentx.Value {
	if r.now.Up == nil {
		return agentx.Ticks(0)
	}
	return agentx.Ticks(uint64(max(now.Sub(*r.now.Up), 0) / (10 * time.Millisecond)))
}

// associated are the addresses in the adverts of routers, below their index.
func associated(oid agentx.OID, rows []router, index func(int, *router) agentx.OID) table {
	type A = agentx.OID
	var list []A
	for i := range rows {
		for k := range rows[i].c.Addresses {
			key := index(i, &rows[i])
			for _, b := range rows[i].c.Addresses[k].Prefix.Addr().AsSlice() {
				key = append(key, uint32(b))
			}
			list = append(list, key)
		}
	}
	return newTable(oid, list, func(_ int, a *A) agentx.OID { return *a }, []column[A]{
		{2, func(*A) agentx.Value { return agentx.Int(1) }}, // active
	})
}

// total is the sum of a counter over all instances.
func (s *snapshot) total(of func(*core.Stats) uint64) (n uint64) {
	for i := range s.Status.Instances {
		n += of(&s.Status.Instances[i].Counters)
	}
	return n
}

func checksums(c *core.Stats) uint64 { return c.ChecksumErr }
func versions(c *core.Stats) uint64  { return c.VersErr }

// version2 are the tables of RFC 2787, of the instances of version 2.
func (s *snapshot) version2() []table {
	operations, statistics := rfc2787.Add(1), rfc2787.Add(2)
	rows := s.routers(2)
	type S = snapshot
	return []table{
		scalars(operations, s, []column[S]{
			{1, func(*S) agentx.Value { return agentx.Int(2) }},
			{2, func(s *S) agentx.Value { return truth(s.Config.Global.SNMP.Traps) }},
		}),
		newTable(operations.Add(3, 1), rows, index2, s.operation2()),
		associated(operations.Add(4, 1), rows, index2),
		scalars(statistics, s, []column[S]{
			{1, func(s *S) agentx.Value { return agentx.Count(s.total(checksums)) }},
			{2, func(s *S) agentx.Value { return agentx.Count(s.total(versions)) }},
			{3, func(*S) agentx.Value { return agentx.Count(0) }},
		}),
		newTable(statistics.Add(4, 1), rows, index2, counters2()),
	}
}

// operation2 are the columns of vrrpOperTable.
func (s *snapshot) operation2() []column[router] {
	type R = router
	return []column[R]{
		{2, func(r *R) agentx.Value { return r.mac() }},
		{3, func(r *R) agentx.Value { return r.phase() }},
		{4, func(*R) agentx.Value { return agentx.Int(1) }}, // up
		{5, func(r *R) agentx.Value { return agentx.Int(int32(r.c.Priority)) }},
		{6, func(r *R) agentx.Value { return agentx.Int(int32(len(r.c.Addresses))) }},
		{7, func(r *R) agentx.Value { return ip(r.master()) }},
		{8, func(r *R) agentx.Value { return ip(r.primary()) }},
		{9, func(r *R) agentx.Value { return agentx.Int(int32(r.c.AuthType) + 1) }},
		{11, func(r *R) agentx.Value { return agentx.Int(int32(r.c.AdvertInt / time.Second)) }},
		{12, func(r *R) agentx.Value { return truth(!r.c.NoPreempt) }},
		{13, func(r *R) agentx.Value { return r.uptime(s.Status.Asked) }},
		{14, func(*R) agentx.Value { return agentx.Int(1) }}, // ip
		{15, func(*R) agentx.Value { return agentx.Int(1) }}, // active
	}
}

// counters2 are the columns of vrrpRouterStatsTable.
func counters2() (list []column[router]) {
	for i, of := range []func(*core.Stats) uint64{
		func(c *core.Stats) uint64 { return c.BecomeMaster }, func(c *core.Stats) uint64 { return c.AdvertRcvd },
		func(c *core.Stats) uint64 { return c.AdvertIntervalErr }, func(c *core.Stats) uint64 { return c.AuthFailure },
		func(c *core.Stats) uint64 { return c.IPTTLErr }, func(c *core.Stats) uint64 { return c.PriZeroRcvd },
		func(c *core.Stats) uint64 { return c.PriZeroSent }, func(c *core.Stats) uint64 { return c.InvalidTypeRcvd },
		func(c *core.Stats) uint64 { return c.AddrListErr }, func(c *core.Stats) uint64 { return c.InvalidAuthtype },
		func(c *core.Stats) uint64 { return c.AuthtypeMismatch }, func(c *core.Stats) uint64 { return c.PacketLenErr },
	} {
		list = append(list, column[router]{uint32(i + 1), func(r *router) agentx.Value { return agentx.Count(of(&r.now.Counters)) }})
	}
	return list
}

// version3 are the tables of RFC 6527. keepalived has instances of version 2 in
// them too.
func (s *snapshot) version3() []table {
	operations, statistics := rfc6527.Add(1, 1), rfc6527.Add(1, 2)
	rows := s.routers(0)
	type S = snapshot
	return []table{
		newTable(operations.Add(1, 1), rows, index3, s.operation3()),
		associated(operations.Add(2, 1), rows, index3),
		scalars(statistics, s, []column[S]{
			{1, func(s *S) agentx.Value { return agentx.Count64(s.total(checksums)) }},
			{2, func(s *S) agentx.Value { return agentx.Count64(s.total(versions)) }},
			{3, func(*S) agentx.Value { return agentx.Count64(0) }},
			{4, func(*S) agentx.Value { return agentx.Ticks(0) }}, // no counter began anew
		}),
		newTable(statistics.Add(5, 1), rows, index3, counters3()),
	}
}

// operation3 are the columns of vrrpv3OperationsTable.
func (s *snapshot) operation3() []column[router] {
	type R = router
	return []column[R]{
		{3, func(r *R) agentx.Value { return address(r.master()) }},
		{4, func(r *R) agentx.Value { return address(r.primary()) }},
		{5, func(r *R) agentx.Value { return r.mac() }},
		{6, func(r *R) agentx.Value { return r.phase() }},
		{7, func(r *R) agentx.Value { return agentx.Gauge(uint64(r.c.Priority)) }},
		{8, func(r *R) agentx.Value { return agentx.Int(int32(len(r.c.Addresses))) }},
		{9, func(r *R) agentx.Value { return agentx.Int(int32(r.c.AdvertInt / (10 * time.Millisecond))) }},
		{10, func(r *R) agentx.Value { return truth(!r.c.NoPreempt) }},
		{11, func(r *R) agentx.Value { return truth(r.c.Accept) }},
		{12, func(r *R) agentx.Value { return r.uptime(s.Status.Asked) }},
		{13, func(*R) agentx.Value { return agentx.Int(1) }}, // active
	}
}

// counters3 are the columns of vrrpv3StatisticsTable.
func counters3() []column[router] {
	type R = router
	count := func(id uint32, of func(*core.Stats) uint64) column[R] {
		return column[R]{id, func(r *R) agentx.Value { return agentx.Count64(of(&r.now.Counters)) }}
	}
	return []column[R]{
		{1, func(r *R) agentx.Value { return agentx.Count(r.now.Counters.BecomeMaster) }},
		{2, func(r *R) agentx.Value { return agentx.Int(why(r.now.State, r.now.Reason)) }},
		count(3, func(c *core.Stats) uint64 { return c.AdvertRcvd }),
		count(4, func(c *core.Stats) uint64 { return c.AdvertIntervalErr }),
		count(5, func(c *core.Stats) uint64 { return c.IPTTLErr }),
		{6, func(r *R) agentx.Value { return r.lastError() }},
		count(7, func(c *core.Stats) uint64 { return c.PriZeroRcvd }),
		count(8, func(c *core.Stats) uint64 { return c.PriZeroSent }),
		count(9, func(c *core.Stats) uint64 { return c.InvalidTypeRcvd }),
		count(10, func(c *core.Stats) uint64 { return c.AddrListErr }),
		count(11, func(c *core.Stats) uint64 { return c.PacketLenErr }),
		{12, func(*R) agentx.Value { return agentx.Ticks(0) }},
		{13, func(r *R) agentx.Value { return agentx.Gauge(uint64(r.c.AdvertInt.Milliseconds())) }},
	}
}

// why is vrrpv3StatisticsMasterReason: notmaster(0), priority(1), preempted(2)
// or masterNoResponse(3), of a state and the reason for it.
func why(state, reason string) int32 {
	switch {
	case state != "MASTER":
		return 0
	case strings.HasPrefix(reason, core.ReasonPriorityZero.String()):
		return 1
	case strings.HasPrefix(reason, core.ReasonOwner.String()), strings.HasPrefix(reason, core.ReasonLowerPriority.String()):
		return 2
	}
	return 3
}

// lastError is vrrpv3StatisticsProtoErrReason: noError(0), ipTtlError(1),
// versionError(2), checksumError(3). Which one was the last is not kept.
func (r *router) lastError() agentx.Value {
	switch c := &r.now.Counters; {
	case c.IPTTLErr > 0:
		return agentx.Int(1)
	case c.VersErr > 0:
		return agentx.Int(2)
	case c.ChecksumErr > 0:
		return agentx.Int(3)
	}
	return agentx.Int(0)
}
