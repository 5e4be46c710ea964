package snmp

import (
	"cmp"

	"keepgo/confparse"
	"keepgo/internal/agentx"
	"keepgo/internal/status"
)

// instance is a vrrp_instance and how it is.
type instance struct {
	number uint32 // from 1
	c      *confparse.Instance
	now    *status.Instance
	link   string // its interface: its own, or the configured one
}

// list are the instances. One that the VRRP process does not know yet is in INIT.
func (s *snapshot) list() []instance {
	list := make([]instance, len(s.Config.Instances))
	for i, c := range s.Config.Instances {
		now := s.instances[c.Name]
		if now == nil {
			now = &status.Instance{Name: c.Name, State: "INIT", Want: "INIT", Priority: c.Priority}
		}
		list[i] = instance{uint32(i + 1), c, now, c.Interface}
		if (c.UseVMAC || c.IPVLAN != nil) && len(now.Devices) > 0 {
			list[i].link = cmp.Or(now.Devices[0].Name, c.Interface)
		}
	}
	return list
}

// vrrp are the tables of VRRP, in the order of their numbers.
func (s *snapshot) vrrp() []table {
	list := s.list()
	t := []table{s.syncGroups(), s.members()}
	t = append(t, s.instanceTable(list), s.trackedLinks(list), s.trackedBy(5, list, scriptsOf))
	t = append(t, s.addresses(list), s.routes(list), s.rules(list), s.scripts(), s.nextHops(list))
	t = append(t, s.trackedBy(12, list, filesOf), s.files())
	groups := s.Config.SyncGroups
	t = append(t, s.groupLinks(groups), s.groupBy(15, func(g *confparse.SyncGroup) []confparse.Track { return g.TrackScripts }),
		s.groupBy(16, func(g *confparse.SyncGroup) []confparse.Track { return g.TrackFiles }))
	t = append(t, s.trackedBy(17, list, bfdsOf), s.bfds(),
		s.groupBy(19, func(g *confparse.SyncGroup) []confparse.Track { return g.TrackBFDs }))
	t = append(t, s.trackedBy(20, list, processesOf), s.processes(),
		s.groupBy(22, func(g *confparse.SyncGroup) []confparse.Track { return g.TrackProcesses }))
	return t
}

// syncGroup is a vrrp_sync_group and its state.
type syncGroup struct {
	*confparse.SyncGroup
	state string
}

func (s *snapshot) syncGroups() table {
	now := map[string]string{}
	for _, g := range s.Status.Groups {
		now[g.Name] = g.State
	}
	rows := make([]syncGroup, len(s.Config.SyncGroups))
	for i, g := range s.Config.SyncGroups {
		rows[i] = syncGroup{g, now[g.Name]}
	}
	type G = syncGroup
	return newTable(vrrp.Add(1, 1), rows, byNumber, []column[G]{
		{2, func(g *G) agentx.Value { return agentx.Text(g.Name) }},
		{3, func(g *G) agentx.Value { return state(g.state) }},
		{4, func(g *G) agentx.Value { return truth(g.SMTPAlert) }},
		{5, func(g *G) agentx.Value { return truth(runs(&g.Notify)) }},
		{6, func(g *G) agentx.Value { return command(g.Notify.Master) }},
		{7, func(g *G) agentx.Value { return command(g.Notify.Backup) }},
		{8, func(g *G) agentx.Value { return command(g.Notify.Fault) }},
		{9, func(g *G) agentx.Value { return command(g.Notify.Any) }},
		{10, func(g *G) agentx.Value { return truth(g.TrackWeights) }},
		{11, func(g *G) agentx.Value { return command(g.Notify.Stop) }},
	})
}

// runs says that there is any script.
func runs(n *confparse.Notify) bool { return *n != confparse.Notify{} }

// cell is a row of a table below another table: both numbers, and the rest.
type cell[T any] struct {
	outer, inner uint32
	of           T
}

func (c *cell[T]) index() agentx.OID { return agentx.OID{c.outer, c.inner} }

func byCell[T any](_ int, c *cell[T]) agentx.OID { return c.index() }

// cells counts each list from 1.
func cells[O, T any](outer []O, list func(*O) []T) (rows []cell[T]) {
	for i := range outer {
		for k, of := range list(&outer[i]) {
			rows = append(rows, cell[T]{uint32(i + 1), uint32(k + 1), of})
		}
	}
	return rows
}

func (s *snapshot) members() table {
	rows := cells(s.Config.SyncGroups, func(g **confparse.SyncGroup) []string { return (*g).Members })
	return newTable(vrrp.Add(2, 1), rows, byCell, []column[cell[string]]{
		{2, func(m *cell[string]) agentx.Value { return agentx.Text(m.of) }},
	})
}

func (s *snapshot) instanceTable(list []instance) table {
	return newTable(vrrp.Add(3, 1), list, byNumber, append(s.instanceState(), instanceScripts()...))
}

// instanceState are the first columns of the table of instances.
func (s *snapshot) instanceState() []column[instance] {
	type I = instance
	return []column[I]{
		{2, func(i *I) agentx.Value { return agentx.Text(i.c.Name) }},
		{3, func(i *I) agentx.Value { return agentx.Gauge(uint64(i.c.VRID)) }},
		{4, func(i *I) agentx.Value { return state(i.now.State) }},
		{5, func(i *I) agentx.Value { return i.initial() }},
		{6, func(i *I) agentx.Value { return state(i.now.Want) }},
		{7, func(i *I) agentx.Value { return agentx.Int(int32(i.c.Priority)) }},
		{8, func(i *I) agentx.Value { return agentx.Int(int32(i.now.Priority)) }},
		{9, func(i *I) agentx.Value { return truth(i.now.Standing) }},
		{10, func(i *I) agentx.Value { return text(i.link) }},
		{11, func(i *I) agentx.Value { return truth(len(i.c.TrackInterfaces) > 0) }},
		{12, func(i *I) agentx.Value { return i.interval() }},
		{13, func(i *I) agentx.Value { return truth(!i.c.NoPreempt) }},
		{14, func(i *I) agentx.Value { return seconds(i.c.PreemptDelay) }},
		{15, func(i *I) agentx.Value { return agentx.Int(int32(i.c.AuthType)) }},
		{16, func(i *I) agentx.Value { return truth(i.c.LVSSyncInterface != "") }},
		{17, func(i *I) agentx.Value { return text(i.c.LVSSyncInterface) }},
		{18, func(i *I) agentx.Value { return text(s.groups[i.c.Name]) }},
		{19, func(i *I) agentx.Value { return seconds(i.c.GARP.Delay) }},
		{20, func(i *I) agentx.Value { return truth(i.c.SMTPAlert) }},
		{21, func(i *I) agentx.Value { return truth(runs(&i.c.Notify)) }},
	}
}

// instanceScripts are the others.
func instanceScripts() []column[instance] {
	type I = instance
	return []column[I]{
		{22, func(i *I) agentx.Value { return command(i.c.Notify.Master) }},
		{23, func(i *I) agentx.Value { return command(i.c.Notify.Backup) }},
		{24, func(i *I) agentx.Value { return command(i.c.Notify.Fault) }},
		{25, func(i *I) agentx.Value { return command(i.c.Notify.Stop) }},
		{26, func(i *I) agentx.Value { return command(i.c.Notify.Any) }},
		{27, func(i *I) agentx.Value { return i.accepts() }},
		{28, func(i *I) agentx.Value { return truth(i.c.PromoteSecondaries) }},
		{29, func(i *I) agentx.Value { return truth(i.c.LinkbeatPolling) }},
		{30, func(i *I) agentx.Value { return agentx.Int(int32(i.c.Version)) }},
		{31, func(i *I) agentx.Value { return command(i.c.Notify.LowerPriority) }},
		{32, func(i *I) agentx.Value { return command(i.c.Notify.Deleted) }},
		{33, func(i *I) agentx.Value { return truth(i.c.NotifyDeleted) }},
		{34, func(i *I) agentx.Value { return when(len(i.c.Peers) == 0, family(i.c.Group)) }},
		{35, func(i *I) agentx.Value { return when(len(i.c.Peers) == 0, address(i.c.Group)) }},
	}
}

// initial is the state that the instance is configured to begin with.
func (i *instance) initial() agentx.Value { return choose(i.c.Master, 2, 1) }

// interval is that between adverts: in seconds of version 2, in hundredths of a
// second of version 3.
func (i *instance) interval() agentx.Value {
	if i.c.Version == 2 {
		return seconds(i.c.AdvertInt)
	}
	return agentx.Gauge(uint64(i.c.AdvertInt.Milliseconds() / 10))
}

// accepts is 0 of version 2, which has no accept mode.
func (i *instance) accepts() agentx.Value {
	if i.c.Version == 2 {
		return agentx.Int(0)
	}
	return truth(i.c.Accept)
}
