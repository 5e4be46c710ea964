package snmp

import (
	"keepgo/internal/agentx"
	"keepgo/internal/notify"
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
