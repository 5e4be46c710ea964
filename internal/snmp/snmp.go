// Package snmp is what keepalived's tables say of a daemon: KEEPALIVED-MIB
// (1.3.6.1.4.1.9586.100.5), VRRP-MIB (RFC 2787) and VRRPv3-MIB (RFC 6527). It is
// pure: values out of a configuration and a status, and the notifications of a
// change. Where keepalived has its own way with its MIB, as the index of a tracked
// interface, it is followed here, because that is what programs expect that read
// it; its slips, as an address in the adverts that it says is not, are not.
package snmp

import (
	"cmp"
	"net/netip"
	"time"

	"keepgo/confparse"
	"keepgo/internal/agentx"
	"keepgo/internal/dump"
	"keepgo/internal/ha"
	"keepgo/internal/status"
)

// Subtrees of the tables.
var (
	Keepalived = agentx.MustOID("1.3.6.1.4.1.9586.100.5")
	global     = Keepalived.Add(1)
	vrrp       = Keepalived.Add(2)
	check      = Keepalived.Add(3)
	rfc2787    = agentx.MustOID("1.3.6.1.2.1.68")
	rfc6527    = agentx.MustOID("1.3.6.1.2.1.207")
)

// Trees are the subtrees that a configuration asks for.
func Trees(s *confparse.SNMP) (list []agentx.OID) {
	if s.VRRP || s.Checker {
		list = append(list, global)
	}
	for _, t := range []struct {
		on   bool
		tree agentx.OID
	}{{s.VRRP, vrrp}, {s.Checker, check}, {s.RFCv2, rfc2787}, {s.RFCv3, rfc6527}} {
		if t.on {
			list = append(list, t.tree)
		}
	}
	return list
}

// World is what the tables tell of.
type World struct {
	Config    *confparse.Config
	Plan      *ha.Plan // of the same configuration, with its routes and rules
	Status    *status.Status
	Links     []dump.Link // network interfaces
	Namespace string
	HostName  string
}

// MIB answers questions about a World; it is an agentx.View.
type MIB struct {
	tables  []table        // in the order of their objects
	all     []router       // of all instances whose interface is there
	numbers map[string]int // of them, by instance; nil before somebody asks

	config   *confparse.Config
	served   []service
	byName   map[string]*service // nil before somebody asks
	routerID string
}

// New makes the tables that a configuration asks for.
func New(w World) *MIB {
	s, m := &w.Config.Global.SNMP, &MIB{}
	k := newSnapshot(&w)
	m.config, m.all, m.served, m.routerID = w.Config, k.routers(0), k.services(), cmp.Or(w.Config.Global.RouterID, w.HostName)
	if s.RFCv2 {
		m.tables = append(m.tables, k.version2()...)
	}
	if s.RFCv3 {
		m.tables = append(m.tables, k.version3()...)
	}
	if s.VRRP || s.Checker {
		m.tables = append(m.tables, k.global()...)
	}
	if s.VRRP {
		m.tables = append(m.tables, k.vrrp()...)
	}
	if s.Checker {
		m.tables = append(m.tables, k.check()...)
	}
	return m
}

// Get is the value of an instance, see agentx.View.
func (m *MIB) Get(name agentx.OID) agentx.Value {
	for i := range m.tables {
		if v, ours := m.tables[i].get(name); ours {
			return v
		}
	}
	return agentx.Value{Kind: agentx.NoSuchObject}
}

// Next is the first instance behind an identifier, see agentx.View.
func (m *MIB) Next(after agentx.OID, include bool) (agentx.Bind, bool) {
	for i := range m.tables {
		if b, found := m.tables[i].next(after, include); found {
			return b, true
		}
	}
	return agentx.Bind{}, false
}

// snapshot is a World with what is looked up in it.
type snapshot struct {
	*World
	links     map[string]*dump.Link
	instances map[string]*status.Instance
	plans     map[string]*ha.Instance
	groups    map[string]string // of an instance
}

func newSnapshot(w *World) *snapshot {
	s := &snapshot{
		World: w, links: map[string]*dump.Link{}, instances: map[string]*status.Instance{},
		plans: map[string]*ha.Instance{}, groups: map[string]string{},
	}
	for i := range w.Links {
		s.links[w.Links[i].Name] = &w.Links[i]
	}
	for i := range w.Status.Instances {
		s.instances[w.Status.Instances[i].Name] = &w.Status.Instances[i]
	}
	for _, p := range w.Plan.Instances {
		s.plans[p.Name] = p
	}
	for _, g := range w.Config.SyncGroups {
		for _, name := range g.Members {
			s.groups[name] = g.Name
		}
	}
	return s
}

// index is that of an interface; 0 while it is not there.
func (s *snapshot) index(link string) uint32 {
	if l := s.links[link]; l != nil {
		return uint32(l.Index)
	}
	return 0
}

// none is the value of what a row does not have.
var none agentx.Value

// choose is one of two numbers.
func choose(on bool, yes, no int32) agentx.Value {
	if on {
		return agentx.Int(yes)
	}
	return agentx.Int(no)
}

// truth is a TruthValue; enabled(1), disabled(2) and the like are the same
// numbers.
func truth(on bool) agentx.Value { return choose(on, 1, 2) }

// when is a value, if there is reason to tell it.
func when(reason bool, v agentx.Value) agentx.Value {
	if reason {
		return v
	}
	return none
}

// text is a name, where there is one.
func text(s string) agentx.Value { return when(s != "", agentx.Text(s)) }

// number is a gauge, where it is not 0.
func number(n uint32) agentx.Value { return when(n != 0, agentx.Gauge(uint64(n))) }

// seconds are the whole seconds of a duration.
func seconds(d time.Duration) agentx.Value { return agentx.Gauge(uint64(max(d, 0) / time.Second)) }

// micros are its microseconds.
func micros(d time.Duration) agentx.Value { return agentx.Gauge(uint64(max(d, 0).Microseconds())) }

// address is an InetAddress, and family its InetAddressType (RFC 4001): ipv4(1),
// ipv6(2).
func address(a netip.Addr) agentx.Value { return when(a.IsValid(), agentx.Octets(a.AsSlice())) }

func family(a netip.Addr) agentx.Value { return when(a.IsValid(), choose(a.Is4(), 1, 2)) }

// ip is an IpAddress of SMIv1, which is one of IPv4: 0.0.0.0 for any other.
func ip(a netip.Addr) agentx.Value {
	if !a.Is4() {
		a = netip.IPv4Unspecified()
	}
	return agentx.Value{Kind: agentx.IPAddress, Text: a.AsSlice()}
}

// scope is an InetScopeType of the kernel's number of a scope.
func scope(kernel uint8) agentx.Value {
	switch kernel {
	case 200: // RT_SCOPE_SITE
		return agentx.Int(5)
	case 253: // RT_SCOPE_LINK
		return agentx.Int(2)
	case 254: // RT_SCOPE_HOST
		return agentx.Int(1)
	case 255: // RT_SCOPE_NOWHERE
		return agentx.Int(0)
	}
	return agentx.Int(14)
}

// states are the numbers of VrrpState, by names of states and of notifications.
var states = map[string]int32{"INIT": 0, "BACKUP": 1, "MASTER": 2, "FAULT": 3, "STOP": 5, "DELETED": 6}

func state(name string) agentx.Value { return agentx.Int(states[name]) }

// command is a command with every argument in single quotes, as keepalived
// writes it: with the path of the program.
func command(c *confparse.Command) agentx.Value {
	if c == nil {
		return none
	}
	args := append([]string{}, c.Args...)
	if c.Path != "" && len(args) > 0 {
		args[0] = c.Path
	}
	b := []byte{}
	for i, a := range args {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(append(append(b, '\''), a...), '\'')
	}
	return agentx.Octets(b)
}
