package ha

import (
	"slices"

	"keepgo/vip"
	"keepgo/vrrp"
)

// reload puts another plan in force. What both plans have goes on with its
// state and rhythm; what vanished goes first, so an address may move from one
// instance to another.
func (n *Node) reload(now vrrp.Time, plan *Plan, acts []Action) []Action {
	old := n.match(plan)
	before := map[*member]*Instance{}
	for _, m := range old {
		before[m] = m.plan
	}
	synced := n.plan.Sync != nil
	spaced := !slices.EqualFunc(n.plan.Spacings, plan.Spacings, Spacing.same)
	acts = n.retire(now, before, acts)
	clear(n.kinds)
	for name, l := range n.links {
		if l.Exists {
			n.kinds[name] = l.Below
			n.onceUp[name] = n.onceUp[name] || l.Up
		}
	}
	n.adopt(plan, old)
	n.hasten()
	n.delay()
	for _, m := range n.members {
		n.resource(m)
	}
	n.indexWires()
	acts = append(n.absent(acts), Action{Kind: ActWires})
	acts = append(acts, Action{Kind: ActSettle}) // what is static; its door finds the difference
	if synced || plan.Sync != nil {
		acts = append(acts, Action{Kind: ActSync})
	}
	for _, m := range n.members {
		if was := before[m]; was != nil {
			acts = n.renew(now, m, was, spaced, acts)
		} else {
			acts = n.enter(now, m, acts)
		}
	}
	for _, m := range n.members { // once every cause is known
		acts = n.regroup(now, m, acts)
	}
	if plan.Repeat {
		return n.repeat(acts)
	}
	return acts
}

// repeat tells the states that the actions of a reload do not tell.
func (n *Node) repeat(acts []Action) []Action {
	told := map[Edge]bool{}
	for i := range acts {
		if acts[i].Kind == ActNotify {
			told[acts[i].Edge] = true
		}
	}
	again := func(e Edge) {
		if !told[e] {
			e.Again = true
			acts = append(acts, Action{Kind: ActNotify, Edge: e})
		}
	}
	for _, m := range n.members {
		if state := m.router.State(); state != vrrp.Init {
			again(m.edge(state.String()))
		}
	}
	for _, g := range n.groups {
		if g.told != vrrp.Init {
			again(g.edge(g.told.String()))
		}
	}
	return acts
}

// match finds for each instance of a plan the member that goes on as it: the one
// whose plan it is already, else one of its key, and of several with that key
// (unicast instances with other peers, or a mistake) first the one of its name.
func (n *Node) match(plan *Plan) map[*Instance]*member {
	left, found := make(map[*Instance]*member, len(n.members)), make(map[*Instance]*member, len(n.members))
	for _, m := range n.members {
		left[m.plan] = m
	}
	for _, p := range plan.Instances {
		if m := left[p]; m != nil {
			found[p] = m
			delete(left, p)
		}
	}
	byKey := map[Key][]*member{}
	for _, m := range n.members {
		if left[m.plan] != nil {
			byKey[m.plan.Key] = append(byKey[m.plan.Key], m)
		}
	}
	for _, named := range []bool{true, false} {
		for _, p := range plan.Instances {
			if found[p] != nil {
				continue
			}
			list := byKey[p.Key]
			if j := slices.IndexFunc(list, func(m *member) bool { return !named || m.plan.Name == p.Name }); j >= 0 {
				found[p] = list[j]
				byKey[p.Key] = slices.Delete(list, j, j+1)
			}
		}
	}
	return found
}

// retire ends the members that the new plan does not have. They stay known by
// id until the next reload, because their last adverts are still to be sent.
func (n *Node) retire(now vrrp.Time, kept map[*member]*Instance, acts []Action) []Action {
	clear(n.byID)
	for _, m := range n.members {
		n.byID[m.id] = m
		if kept[m] != nil {
			continue
		}
		was := m.router.State()
		acts = n.step(now, m, vrrp.Event{Kind: vrrp.EventStop}, acts)
		m.gone = true
		if m.plan.equipped() {
			acts = append(acts, Action{Kind: ActDevice, ID: m.id})
		}
		if state := m.farewell(was); state != "" {
			acts = append(acts, m.notify(state))
		}
	}
	return acts
}

// farewell is the state a removed instance is told with: DELETED where asked
// for, else FAULT unless that was told already. One that still waited to begin
// has told nothing, and has nothing to take back.
func (m *member) farewell(was vrrp.State) string {
	switch {
	case m.plan.Deleted:
		return "DELETED"
	case was != vrrp.Fault && was != vrrp.Init:
		return "FAULT"
	}
	return ""
}

// renew brings a kept member in line with its new plan. What stands and is told
// of one whose plan stayed is as it should be, unless spaced says that all are
// announced in other distances now, or a refresh comes with every reload.
func (n *Node) renew(now vrrp.Time, m *member, was *Instance, spaced bool, acts []Action) []Action {
	acts = n.reconfigure(now, m, acts)
	if m.plan != was || spaced || m.plan.Announce.Refresh > 0 {
		acts = n.replace(m, was, acts)
		acts = append(acts, Action{Kind: ActSettle, ID: m.id})
		switch {
		case m.router.State() != vrrp.Master:
		case grew(was.Addresses, m.plan.Addresses):
			acts = append(acts, Action{Kind: ActAnnounce, ID: m.id})
		default:
			acts = append(acts, Action{Kind: ActRevise, ID: m.id})
		}
	}
	return n.reconsider(now, m, acts)
}

// replace asks for other devices where the plan has others. One that is not
// wanted any more is forgotten at once.
func (n *Node) replace(m *member, was *Instance, acts []Action) []Action {
	if slices.Equal(was.Devices(), m.plan.Devices()) && was.Promote == m.plan.Promote {
		return acts
	}
	if m.plan.Device == nil && m.made != nil {
		m.made.own = stands{}
	}
	return append(acts, Action{Kind: ActDevice, ID: m.id}, Action{Kind: ActSettle, ID: m.id})
}

// regroup mends a member's FAULT where it hangs on a group that changed.
func (n *Node) regroup(now vrrp.Time, m *member, acts []Action) []Action {
	if !m.started || m.group != nil && m.group.waits() {
		return acts
	}
	faulty := m.cause != "" || m.group != nil && m.group.faulty()
	switch state := m.router.State(); {
	case faulty && state != vrrp.Fault:
		return n.step(now, m, vrrp.Event{Kind: vrrp.EventFault}, acts)
	case !faulty && state == vrrp.Fault:
		return n.step(now, m, vrrp.Event{Kind: vrrp.EventRecover}, acts)
	}
	return acts
}

// grew tells whether want has an address that have does not.
func grew(have, want vip.Set) bool {
	return slices.ContainsFunc(vip.Diff(have, want), func(op vip.Op) bool { return op.Kind == vip.Add })
}
