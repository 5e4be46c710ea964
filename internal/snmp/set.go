package snmp

import (
	"keepgo/confparse"
	"keepgo/internal/agentx"
	"keepgo/internal/lb"
)

// Object is one that a master may write.
type Object uint8

// The objects that may be written, and what their numbers may be.
const (
	Priority Object = iota // vrrpInstanceBasePriority: 1-255
	Preempt                // vrrpInstancePreempt: preempt(1), noPreempt(2)
	Weight                 // realServerWeight: 0-65535
)

// Set is a value that a master sets.
type Set struct {
	Object          Object
	Instance        string // of Priority and Preempt
	Service, Server string // of Weight: lb.Name and lb.ServerName
	Number          int
}

// writable are the objects by their columns.
var writable = []struct {
	column      agentx.OID
	object      Object
	least, most int
}{
	{vrrp.Add(3, 1, 7), Priority, 1, 255},
	{vrrp.Add(3, 1, 13), Preempt, 1, 2},
	{check.Add(4, 1, 7), Weight, 0, 65535},
}

// accept is vrrpInstanceAccept: by the MIB it may be written, but keepalived
// refuses it, with noAccess where it means anything.
var accept = vrrp.Add(3, 1, 27)

// Set is what a value that a master wants to write means, or the error of
// RFC 3416 that it is refused with: as with keepalived notWritable for what does
// not exist, too. Of a number keepalived takes the last eight bits; here one out
// of range is wrongValue.
func (m *MIB) Set(b agentx.Bind) (s Set, fault uint16) {
	for _, w := range writable {
		if !b.Name.Below(w.column) {
			continue
		}
		s, known := m.target(w.object, b.Name[len(w.column):])
		n := int(int32(b.Value.Number))
		switch {
		case !known:
			return s, agentx.NotWritable
		case b.Value.Kind != agentx.Integer:
			return s, agentx.WrongType
		case n < w.least || n > w.most:
			return s, agentx.WrongValue
		}
		s.Object, s.Number = w.object, n
		return s, 0
	}
	if in := m.instance(b.Name[min(len(accept), len(b.Name)):]); b.Name.Below(accept) && in != nil && in.Version == 3 {
		return s, agentx.NoAccess
	}
	return s, agentx.NotWritable
}

// Test is the error of Set, see agentx.View.
func (m *MIB) Test(b agentx.Bind) uint16 {
	_, fault := m.Set(b)
	return fault
}

// target is whose object is written, by its index.
func (m *MIB) target(o Object, index agentx.OID) (s Set, known bool) {
	if o == Weight {
		return m.server(index)
	}
	in := m.instance(index)
	if in == nil {
		return s, false
	}
	return Set{Instance: in.Name}, true
}

// instance is the one of an index of the table of instances; nil for none.
func (m *MIB) instance(index agentx.OID) *confparse.Instance {
	list := m.config.Instances
	if !m.config.Global.SNMP.VRRP || len(index) != 1 || index[0] < 1 || int(index[0]) > len(list) {
		return nil
	}
	return list[index[0]-1]
}

// server is the real server of an index of the table of real servers. A
// sorry_server has no weight there.
func (m *MIB) server(index agentx.OID) (s Set, known bool) {
	list := m.served
	if !m.config.Global.SNMP.Checker || len(index) != 2 || index[0] < 1 || int(index[0]) > len(list) {
		return s, false
	}
	v := &list[index[0]-1]
	servers := v.servers()
	if index[1] < 1 || int(index[1]) > len(servers) || servers[index[1]-1].sorry {
		return s, false
	}
	rs := servers[index[1]-1].RealServer
	return Set{Service: lb.Name(v.VirtualServer), Server: lb.ServerName(v.VirtualServer, rs)}, true
}
