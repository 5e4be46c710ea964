package vrrp

// Group is a sync group: its members are MASTER together or not at all, and in
// FAULT together. It keeps counts, so no question costs more than its answer.
// Members are numbered from 0. The faults of a member go to the group, not to
// the member's Router.
type Group struct {
	members []member
	masters int // members in MASTER
	wanting int // members that want MASTER
	failed  int // members in FAULT
	idle    int // members in INIT
	faulty  int // members with a fault of their own
}

type member struct {
	state, want State
	faulty      bool
}

// Order is an event that a Group has for one of its members.
type Order struct {
	Member int
	Kind   EventKind
}

// NewGroup is a group of n members in Init.
func NewGroup(n int) Group {
	return Group{members: make([]member, n), idle: n}
}

// State is FAULT when any member is, MASTER when all are, INIT before the
// first member has started, and BACKUP otherwise.
func (g *Group) State() State {
	switch {
	case g.masters == len(g.members):
		return Master
	case g.failed > 0:
		return Fault
	case g.idle == len(g.members):
		return Init
	}
	return Backup
}

// Stepped tells the group that member i was stepped by an event of kind and is
// now r. When it lost MASTER to another router, the others yield.
func (g *Group) Stepped(i int, kind EventKind, r Router, orders []Order) []Order {
	m := &g.members[i]
	lost := m.state == Master && r.state == Backup && kind != EventYield && kind != EventLost
	g.masters += change(m.state == Master, r.state == Master)
	g.wanting += change(m.want == Master, r.want == Master)
	g.failed += change(m.state == Fault, r.state == Fault)
	g.idle += change(m.state == Init, r.state == Init)
	m.state, m.want = r.state, r.want
	if !lost {
		return orders
	}
	return g.others(i, EventYield, orders)
}

func change(before, after bool) int {
	switch {
	case before == after:
		return 0
	case after:
		return 1
	}
	return -1
}

// Ask answers ActAsk of member i, after Stepped. It is granted where the group
// is MASTER already or every other member wants to be, and then all go.
func (g *Group) Ask(i int, orders []Order) []Order {
	others := g.wanting - change(false, g.members[i].want == Master)
	if g.faulty > 0 || g.masters == 0 && others < len(g.members)-1 {
		return append(orders, Order{i, EventHold})
	}
	return g.others(i, EventGrant, append(orders, Order{i, EventGrant}))
}

// Fault tells that member i has a fault of its own: all go to FAULT.
func (g *Group) Fault(i int, orders []Order) []Order {
	g.setFaulty(i, true)
	return g.others(i, EventFault, append(orders, Order{i, EventFault}))
}

// Recover tells that member i has no fault of its own any more. The group
// returns when no member has.
func (g *Group) Recover(i int, orders []Order) []Order {
	g.setFaulty(i, false)
	if g.faulty > 0 {
		return orders
	}
	return g.others(i, EventRecover, append(orders, Order{i, EventRecover}))
}

func (g *Group) setFaulty(i int, faulty bool) {
	g.faulty += change(g.members[i].faulty, faulty)
	g.members[i].faulty = faulty
}

// others orders kind for every member but i.
func (g *Group) others(i int, kind EventKind, orders []Order) []Order {
	for j := range g.members {
		if j != i {
			orders = append(orders, Order{j, kind})
		}
	}
	return orders
}
