package ha

import (
	"fmt"

	"keepgo/vrrp"
)

// group is a sync group at work.
type group struct {
	name    string
	core    vrrp.Group
	members []*member
	told    vrrp.State // the state scripts heard of last
	busy    bool       // members are being switched: the group speaks when all are
	begun   int        // so many of the first members are known to have started
	faults  int        // members with a cause of FAULT
	looked  int        // the step of the Node in which its members were last looked at for hindered
	hinders bool       // what was found then
}

// adoptGroups builds the groups of the plan around its members. A group of the
// same name keeps the state it told.
func (n *Node) adoptGroups(plans []Group) {
	old := map[string]vrrp.State{}
	for _, g := range n.groups {
		old[g.name] = g.told
	}
	for _, m := range n.members {
		m.group = nil
	}
	n.groups = nil
	for _, p := range plans {
		g := &group{name: p.Name, core: vrrp.NewGroup(len(p.Members)), told: old[p.Name]}
		for place, i := range p.Members {
			m := n.members[i]
			m.group, m.place = g, int32(place)
			g.members = append(g.members, m)
			g.core.Stepped(place, vrrp.EventStart, m.router, nil)
			if m.cause != "" {
				g.faults++
				g.core.Fault(place, nil)
			}
		}
		n.groups = append(n.groups, g)
	}
}

// fail puts a member, and with it its group, into FAULT.
func (n *Node) fail(now vrrp.Time, m *member, acts []Action) []Action {
	if m.group == nil {
		return n.step(now, m, vrrp.Event{Kind: vrrp.EventFault}, acts)
	}
	return n.perform(now, m.group, m.group.core.Fault(int(m.place), nil), acts)
}

// recover takes a member out of FAULT, or all of its group once none of them
// has a cause left or waits for a script.
func (n *Node) recover(now vrrp.Time, m *member, acts []Action) []Action {
	if m.group == nil {
		return n.step(now, m, vrrp.Event{Kind: vrrp.EventRecover}, acts)
	}
	orders := m.group.core.Recover(int(m.place), nil)
	if m.group.waits() {
		return acts
	}
	return n.perform(now, m.group, orders, acts)
}

// ask puts a router's wish to become master to its group.
func (n *Node) ask(now vrrp.Time, m *member, acts []Action) []Action {
	return n.perform(now, m.group, m.group.core.Ask(int(m.place), nil), acts)
}

// perform carries out what a group ordered, then lets it speak.
func (n *Node) perform(now vrrp.Time, g *group, orders []vrrp.Order, acts []Action) []Action {
	outer := g.busy
	g.busy = true
	for _, o := range orders {
		acts = n.step(now, g.members[o.Member], vrrp.Event{Kind: o.Kind}, acts)
	}
	g.busy = outer
	return g.speak(acts)
}

// speak tells the group's state when it changed.
func (g *group) speak(acts []Action) []Action {
	state := g.core.State()
	if g.busy || state == g.told || state == vrrp.Init {
		return acts
	}
	g.told = state
	return append(acts,
		Action{Kind: ActLog, Text: fmt.Sprintf("VRRP_Group(%s) Syncing instances to %s state", g.name, state)},
		Action{Kind: ActNotify, Edge: g.edge(state.String())})
}

// edge is a change of the group's state as scripts hear of it.
func (g *group) edge(state string) Edge {
	return Edge{Group: true, Name: g.name, State: state}
}

// waits tells whether a member's scripts have not all ended once. Who has started
// once stays so.
func (g *group) waits() bool {
	for g.begun < len(g.members) && g.members[g.begun].started {
		g.begun++
	}
	return g.begun < len(g.members)
}

// faulty tells whether any member has a cause of its own.
func (g *group) faulty() bool { return g.faults > 0 }

// blame gives a member its cause of FAULT, "" for none.
func (m *member) blame(cause string) {
	if m.group != nil && m.cause != "" {
		m.group.faults--
	}
	if m.group != nil && cause != "" {
		m.group.faults++
	}
	m.cause = cause
}
