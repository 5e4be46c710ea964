package ha

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// ground is a virtual router on a wire: an interface, or the one below it whose
// wire it shares. The zero ground is that of nobody.
type ground struct {
	link string
	vrid uint8
	ipv6 bool
}

// groundOf is where an instance's adverts are heard. Peers of unicast tell
// their routers apart by themselves.
func (n *Node) groundOf(m *member) ground {
	k, l := &m.plan.Key, n.links[m.plan.Key.Link]
	if k.Unicast || !l.Exists {
		return ground{}
	}
	return ground{cmp.Or(l.Below, k.Link), k.VRID, k.IPv6}
}

// land brings a member to the ground it is on now. The result is who has to do
// with that.
func (n *Node) land(m *member) (touched []*member) {
	from, to := m.ground, n.groundOf(m)
	if from == to {
		return nil
	}
	m.ground = to
	n.grounds[from] = slices.DeleteFunc(n.grounds[from], func(o *member) bool { return o == m })
	touched = append(touched, n.grounds[from]...)
	if len(n.grounds[from]) == 0 {
		delete(n.grounds, from)
	}
	if to != (ground{}) {
		n.grounds[to] = append(n.grounds[to], m)
	}
	return append(touched, n.grounds[to]...)
}

// landAll does it for everyone anew.
func (n *Node) landAll() {
	n.grounds = make(map[ground][]*member, len(n.members))
	for _, m := range n.members {
		if m.ground = n.groundOf(m); m.ground != (ground{}) {
			n.grounds[m.ground] = append(n.grounds[m.ground], m)
		}
	}
}

// judgeGround faults an instance whose interface shares a wire with another of
// the same number, and one whose interface is not what it was.
func (n *Node) judgeGround(m *member, v *verdict) {
	k := &m.plan.Key
	l, was := n.links[k.Link], n.kinds[k.Link]
	first := m
	if on := n.grounds[m.ground]; len(on) > 0 {
		first = on[0]
	}
	switch {
	case v.cause != "":
	case l.Exists && l.Below != was && !n.plan.AllowIfChanges:
		v.cause = fmt.Sprintf("interface %s is %s now and was %s; if that is meant, set 'dynamic_interfaces allow_if_changes'", k.Link, stacked(l.Below), stacked(was))
	case first != m:
		v.cause = fmt.Sprintf("virtual_router_id %d is that of %s on the wire of %s", k.VRID, first.plan.Name, m.ground.link)
	}
}

func stacked(below string) string {
	if below == "" {
		return "one of its own"
	}
	return "above " + below
}

// absent logs which interfaces of the plan are not there, each once.
func (n *Node) absent(acts []Action) []Action {
	told := map[string]bool{"": true}
	hint := ""
	if !n.plan.Dynamic {
		hint = "; if that is meant, set 'dynamic_interfaces' in global_defs"
	}
	for _, m := range n.members {
		look := func(link string) {
			if told[link] {
				return
			}
			if told[link] = true; !n.links[link].Exists {
				acts = m.log(acts, "interface %s does not exist, it is used once it appears%s", link, hint)
			}
		}
		look(m.plan.Key.Link)
		for _, t := range m.plan.Links {
			look(t.Link)
		}
	}
	for _, link := range slices.Sorted(maps.Keys(n.plan.Delays)) {
		if !told[link] && !n.links[link].Exists {
			acts = append(acts, Action{Kind: ActLog, Text: "interface_up_down_delays: interface " + link + " does not exist, and no instance depends on it"})
		}
	}
	return acts
}
