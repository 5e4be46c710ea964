package lb

import (
	"cmp"
	"fmt"
	"slices"

	"keepgo/internal/status"
	"keepgo/ipvsctl"
)

// Preview tells what a reload from this plan to the next would do to virtual
// servers that are as state says (nil: as at the start). It is the reload itself,
// on tables that no kernel sees.
func (p *Plan) Preview(next *Plan, state *State) []status.Change {
	n, _ := NewNode(p, state)
	have := n.Table()
	names := p.names(map[ipvsctl.ServiceKey]string{})
	checks := n.identities()
	n.Step(Event{Kind: EventReload, Plan: next}, nil)
	want := n.Table()
	names = next.names(names)
	var list []status.Change
	at := map[string]int{}
	change := func(name string) *status.Change {
		i, known := at[name]
		if !known {
			i = len(list)
			at[name], list = i, append(list, status.Change{Name: name, What: "changed"})
		}
		return &list[i]
	}
	for _, op := range ipvsctl.Diff(have, want) {
		c := change(names[op.Service])
		c.Kernel = append(c.Kernel, op.String())
		if effect := consequence(op, have); effect != "" && !slices.Contains(c.Traffic, effect) {
			c.Traffic = append(c.Traffic, effect)
		}
		switch op.Kind {
		case ipvsctl.AddService:
			c.What = "added"
		case ipvsctl.DelService:
			c.What = "removed"
		}
	}
	for name, what := range compare(checks, n.identities()) {
		c := change(name)
		c.Details = append(c.Details, what)
	}
	slices.SortFunc(list, func(a, b status.Change) int { return cmp.Or(order(&a)-order(&b), cmp.Compare(a.Name, b.Name)) })
	for i := range list {
		if len(list[i].Traffic) == 0 {
			list[i].Traffic = []string{"none"}
		}
	}
	return list
}

// order puts what goes first.
func order(c *status.Change) int {
	return slices.Index([]string{"removed", "changed", "added"}, c.What)
}

// names are the names of the virtual servers that services belong to.
func (p *Plan) names(all map[ipvsctl.ServiceKey]string) map[ipvsctl.ServiceKey]string {
	for _, s := range p.Services {
		all[s.Key] = p.Pools[s.Pools[0]].Name
	}
	return all
}

// consequence is what an operation does to connections.
func consequence(op ipvsctl.Op, have ipvsctl.Table) string {
	server := op.Dest.Name(op.Service.Protocol)
	switch op.Kind {
	case ipvsctl.DelService:
		return "connections to " + op.Service.String() + " end"
	case ipvsctl.DelDest:
		return "connections to " + server + " are cut"
	case ipvsctl.EditService:
		return "new connections are scheduled the new way, and those that stand stay"
	case ipvsctl.EditDest:
		old := have[op.Service].Destinations[op.Dest]
		if old.Weight != op.Destination.Weight {
			return fmt.Sprintf("%s gets weight %d after %d; its connections stay", server, op.Destination.Weight, old.Weight)
		}
		return "new connections to " + server + " go the new way"
	}
	return ""
}

// identities are the checks of each virtual server, by its name.
func (n *Node) identities() map[string][]string {
	all := map[string][]string{}
	for i, o := range n.plan.Owners {
		name := n.plan.Pools[o.Pool].Name
		all[name] = append(all[name], n.ids[i])
	}
	return all
}

// compare tells of the virtual servers that have other checks now than before.
func compare(before, after map[string][]string) map[string]string {
	changed := map[string]string{}
	for name, now := range after {
		was, known := before[name]
		if !known || slices.Equal(was, now) {
			continue
		}
		fresh := 0
		for _, id := range now {
			if !slices.Contains(was, id) {
				fresh++
			}
		}
		changed[name] = fmt.Sprintf("%d checks, %d of them new; what is new counts as up until it answers, or with alpha as down", len(now), fresh)
	}
	return changed
}
