package snmp

import (
	"net/netip"

	"keepgo/internal/agentx"
	"keepgo/internal/lb"
	"keepgo/internal/notify"
	core "keepgo/vrrp"
)

// Trap is a notification: what it is, and its objects. Its OID is nil for none.
type Trap struct {
	OID     agentx.OID
	Objects []agentx.Bind
}

// told says that a change is told of.
func told(e notify.Edge) bool {
	_, known := states[e.State]
	return known && !e.Again
}

// Change is the notification of a change of an instance or a sync group. As
// keepalived's, its objects are without an index. initial is whether the instance
// is configured to begin as MASTER.
func Change(e notify.Edge, initial bool, routerID string) Trap {
	if !told(e) {
		return Trap{}
	}
	router := agentx.Bind{Name: global.Add(2, 0), Value: agentx.Text(routerID)}
	if e.Kind == "GROUP" {
		return Trap{vrrp.Add(10, 0, 1), []agentx.Bind{
			{Name: vrrp.Add(1, 1, 2), Value: agentx.Text(e.Name)},
			{Name: vrrp.Add(1, 1, 3), Value: state(e.State)},
			router,
		}}
	}
	return Trap{vrrp.Add(10, 0, 2), []agentx.Bind{
		{Name: vrrp.Add(3, 1, 2), Value: agentx.Text(e.Name)},
		{Name: vrrp.Add(3, 1, 4), Value: state(e.State)},
		{Name: vrrp.Add(3, 1, 5), Value: choose(initial, 2, 1)},
		router,
	}}
}

// NewMaster2 is vrrpTrapNewMaster of RFC 2787: an instance became MASTER. There is
// none of version 3, and while its interface is not there.
func (m *MIB) NewMaster2(name string) Trap {
	i, r := m.router(name)
	if r == nil || r.c.Version != 2 {
		return Trap{}
	}
	object := rfc2787.Add(1, 3, 1, 7).Add(index2(i, r)...)
	return Trap{rfc2787.Add(0, 1), []agentx.Bind{{Name: object, Value: ip(r.primary())}}}
}

// NewMaster3 is vrrpv3NewMaster of RFC 6527, with the reason for it.
func (m *MIB) NewMaster3(name, reason string) Trap {
	i, r := m.router(name)
	if r == nil {
		return Trap{}
	}
	index := index3(i, r)
	return Trap{rfc6527.Add(0, 1), []agentx.Bind{
		{Name: rfc6527.Add(1, 1, 1, 1, 3).Add(index...), Value: address(r.primary())},
		{Name: rfc6527.Add(1, 2, 5, 1, 2).Add(index...), Value: agentx.Int(why("MASTER", reason))},
	}}
}

// Fault is what was wrong with a packet that an instance got.
type Fault struct {
	Instance string
	Kind     core.PacketError
	From     string // an address
}

// authFaults and protoFaults are the numbers of what is told of: those of
// vrrpTrapAuthErrorType, invalidAuthType(1), authTypeMismatch(2), authFailure(3),
// and of vrrpv3StatisticsProtoErrReason, ipTtlError(1), versionError(2),
// checksumError(3).
var (
	authFaults = map[core.PacketError]int32{
		core.ErrAuthType: 1, core.ErrAuthMismatch: 2, core.ErrAuthFailure: 3, core.ErrAH: 3, core.ErrAHDigest: 3, core.ErrAHReplay: 3,
	}
	protoFaults = map[core.PacketError]int32{core.ErrTTL: 1, core.ErrVersion: 2, core.ErrChecksum: 3}
)

// AuthFailure is vrrpTrapAuthFailure of RFC 2787: an advert of version 2 was
// refused for its authentication.
func (m *MIB) AuthFailure(f Fault) Trap {
	i, r := m.router(f.Instance)
	kind, told := authFaults[f.Kind]
	if r == nil || r.c.Version != 2 || !told {
		return Trap{}
	}
	from, _ := netip.ParseAddr(f.From)
	return Trap{rfc2787.Add(0, 2), []agentx.Bind{
		{Name: rfc2787.Add(1, 5).Add(index2(i, r)...), Value: ip(from)},
		{Name: rfc2787.Add(1, 6).Add(index2(i, r)...), Value: agentx.Int(kind)},
	}}
}

// ProtoError is vrrpv3ProtoError of RFC 6527, which keepalived sends of version 2
// too: an advert was refused for its TTL, version or checksum.
func (m *MIB) ProtoError(f Fault) Trap {
	i, r := m.router(f.Instance)
	kind, told := protoFaults[f.Kind]
	if r == nil || !told {
		return Trap{}
	}
	return Trap{rfc6527.Add(0, 2), []agentx.Bind{{Name: rfc6527.Add(1, 2, 5, 1, 6).Add(index3(i, r)...), Value: agentx.Int(kind)}}}
}

// Server is realServerStateChange, or virtualServerQuorumStateChange: a change of
// a real or a virtual server. There is none of a server that is not known.
func (m *MIB) Server(e lb.Edge) Trap {
	v := m.service(e.Service)
	if v == nil || e.OfCheck {
		return Trap{}
	}
	entry := check.Add(3, 1)
	of := []agentx.Bind{{Name: entry.Add(2), Value: v.kind()}}
	add := func(id uint32, value agentx.Value) {
		if value.Kind != agentx.None {
			of = append(of, agentx.Bind{Name: entry.Add(id), Value: value})
		}
	}
	add(3, text(v.Group))
	add(4, number(v.FWMark))
	if v.byAddress() {
		add(5, family(v.Addr))
		add(6, address(v.Addr))
		add(7, agentx.Gauge(uint64(v.Port)))
	}
	add(8, agentx.Int(protocolNumbers[v.Protocol]))
	id := uint32(1)
	if e.Server == "" {
		id = 2
		add(23, quorum(e))
		add(22, agentx.Gauge(uint64(v.Quorum)))
	}
	add(21, agentx.Gauge(v.left(e)))
	add(20, agentx.Gauge(uint64(len(v.Servers))))
	objects := append(v.real(e.Server, e.Up), of...)
	return Trap{check.Add(5, 0, id), append(objects, agentx.Bind{Name: global.Add(2, 0), Value: agentx.Text(m.routerID)})}
}

// quorum is met(1), notMet(2) or shutdown(3).
func quorum(e lb.Edge) agentx.Value {
	if e.Ending {
		return agentx.Int(3)
	}
	return truth(e.Up)
}

// left is how many servers are up. At the end of the daemon nobody can be asked
// any more.
func (v *service) left(e lb.Edge) uint64 {
	if e.Ending {
		return uint64(e.Left)
	}
	return v.up()
}

// real are the objects of a real server by its name.
func (v *service) real(name string, up bool) []agentx.Bind {
	entry := check.Add(4, 1)
	for _, rs := range v.VirtualServer.Servers {
		if lb.ServerName(v.VirtualServer, rs) == name {
			return []agentx.Bind{
				{Name: entry.Add(3), Value: family(rs.Addr)}, {Name: entry.Add(4), Value: address(rs.Addr)},
				{Name: entry.Add(5), Value: agentx.Gauge(uint64(rs.Port))}, {Name: entry.Add(6), Value: truth(up)},
			}
		}
	}
	return nil
}

// service finds a virtual server.
func (m *MIB) service(name string) *service {
	if m.byName == nil {
		m.byName = map[string]*service{}
		for i := range m.served {
			m.byName[lb.Name(m.served[i].VirtualServer)] = &m.served[i]
		}
	}
	return m.byName[name]
}

// router finds an instance as the RFCs have it.
func (m *MIB) router(name string) (int, *router) {
	if m.numbers == nil {
		m.numbers = map[string]int{}
		for i := range m.all {
			m.numbers[m.all[i].c.Name] = i
		}
	}
	i, known := m.numbers[name]
	if !known {
		return 0, nil
	}
	return i, &m.all[i]
}
