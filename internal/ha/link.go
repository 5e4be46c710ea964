package ha

import (
	"net/netip"
	"slices"

	"keepgo/vrrp"
)

// Link is an interface as the kernel shows it. The zero Up and Exists describe
// one that is not there.
type Link struct {
	Name   string
	Index  int
	Exists bool
	Up     bool // IFF_UP and IFF_RUNNING
	MTU    int
	// Below is the interface whose wire a macvlan or ipvlan shares; "" for all
	// others.
	Below string
	// Unicast: it carries no multicast.
	Unicast bool
	// Addresses stand on it, the oldest first, without those that instances
	// put there and those that are still checked for duplicates.
	Addresses []netip.Addr
}

// same tells whether nothing changed.
func (l *Link) same(o *Link) bool {
	return l.Name == o.Name && l.Index == o.Index && l.Exists == o.Exists && l.Up == o.Up && l.MTU == o.MTU &&
		l.Below == o.Below && l.Unicast == o.Unicast && slices.Equal(l.Addresses, o.Addresses)
}

// link hears how an interface is now.
func (n *Node) link(now vrrp.Time, l Link, acts []Action) []Action {
	was := n.links[l.Name]
	n.debounce(now, &was, &l)
	if was.same(&l) {
		return acts
	}
	if _, known := n.kinds[l.Name]; l.Exists && !known && len(n.byLink[l.Name]) > 0 {
		n.kinds[l.Name] = l.Below
	}
	return n.changed(now, l, acts)
}

// changed takes over how an interface is now.
func (n *Node) changed(now vrrp.Time, l Link, acts []Action) []Action {
	was := n.links[l.Name]
	if n.links[l.Name] = l; !l.Exists { // names of containers' interfaces never come again
		delete(n.links, l.Name)
		delete(n.onceUp, l.Name)
	}
	if !n.running {
		return acts
	}
	concerned := n.byLink[l.Name]
	if len(concerned) > 0 {
		acts = tellLink(&was, &l, acts)
	}
	for _, m := range concerned {
		m.sees(&l)
	}
	concerned = append(concerned[:len(concerned):len(concerned)], n.roaming...)
	for _, m := range n.byLink[l.Name] {
		concerned = append(concerned, n.land(m)...)
	}
	acts = n.rewire(now, concerned, acts)
	for _, m := range concerned {
		acts = n.part(now, m, n.reconsider(now, m, acts))
	}
	return acts
}

// tellLink logs what became of an interface, in keepalived's words.
func tellLink(was, now *Link, acts []Action) []Action {
	if was.Exists != now.Exists {
		word := " added"
		if was.Exists {
			word = " deleted"
		}
		acts = append(acts, Action{Kind: ActLog, Text: "Interface " + now.Name + word})
	}
	if was.Up != now.Up {
		acts = append(acts, Action{Kind: ActLog, Text: "Netlink reports " + now.Name + upDown(now.Up)})
	}
	return acts
}

func upDown(up bool) string {
	if up {
		return " up"
	}
	return " down"
}

// rewire lets members take over what changed of the interfaces they speak
// through.
func (n *Node) rewire(now vrrp.Time, members []*member, acts []Action) []Action {
	var moved []*member
	for _, m := range members {
		was := m.source
		if !n.resource(m) {
			continue
		}
		moved = append(moved, m)
		if was.IsValid() && m.source.IsValid() && was != m.source {
			acts = m.log(acts, "%s is gone, adverts are sent from %s", was, m.source)
		}
	}
	if len(moved) == 0 {
		return acts
	}
	n.indexWires()
	acts = append(acts, Action{Kind: ActWires})
	for _, m := range moved {
		acts = n.reconfigure(now, m, acts)
	}
	return acts
}

// resource takes over the interface, its index, the source address and the
// size of the receive buffer, and says whether any of them changed. When the
// last address went the old one still serves to hand over.
func (n *Node) resource(m *member) bool {
	source := n.source(m)
	if !source.IsValid() {
		source = m.source
	}
	link, index := n.speaks(m)
	buffer := int(m.plan.Buffer) + int(m.plan.BufferMTUs)*n.links[m.plan.Key.Link].MTU
	changed := source != m.source || int32(index) != m.index || link != m.link || buffer != m.buffer
	m.source, m.index, m.link, m.buffer = source, int32(index), link, buffer
	return changed
}

// reconfigure tells the router what changed around it.
func (n *Node) reconfigure(now vrrp.Time, m *member, acts []Action) []Action {
	if !m.started || n.config(m) == m.router.Config() {
		return acts
	}
	v := n.judge(m)
	ev := vrrp.Event{Kind: vrrp.EventReconfigure, Config: n.config(m)}
	ev.Priority = m.priority(v.sum)
	return n.step(now, m, ev, acts)
}

// config is the member's router configuration with its source filled in.
func (n *Node) config(m *member) vrrp.Config {
	c := m.plan.Router
	c.Source = m.source
	c.QuietUntil, c.FramesBy = n.quiet, n.framesBy
	if m.held {
		c.Priority, c.StartMaster = heldPriority, false
	}
	return c
}

// indexLinks notes who must hear of which interface.
func (n *Node) indexLinks() {
	n.byLink, n.roaming = map[string][]*member{}, nil
	var links []string
	for _, m := range n.members {
		if m.plan.TrackSource && m.plan.Key.Link == "" {
			n.roaming = append(n.roaming, m)
		}
		links = m.concerns(links[:0])
		for _, link := range links {
			if all := n.byLink[link]; link != "" && (len(all) == 0 || all[len(all)-1] != m) {
				n.byLink[link] = append(all, m)
			}
		}
	}
}

// concerns appends the interfaces that a member must hear of, some of them more
// than once, and "" for those that it does not have.
func (m *member) concerns(links []string) []string {
	links = append(links, m.plan.Key.Link, m.plan.Key.VRF, m.device().name)
	for _, s := range m.extra() {
		links = append(links, s.name)
	}
	for i := range m.plan.Links {
		links = append(links, m.plan.Links[i].Link)
	}
	return links
}

// reindex notes that a device of a member has another name now.
func (n *Node) reindex(m *member, old, now string) {
	if m.gone || old == now {
		return
	}
	concerns := m.concerns(nil)
	if old != "" && !slices.Contains(concerns, old) {
		n.byLink[old] = slices.DeleteFunc(n.byLink[old], func(o *member) bool { return o == m })
	}
	if now != "" && slices.Contains(concerns, now) && !slices.Contains(n.byLink[now], m) {
		n.byLink[now] = append(n.byLink[now], m)
	}
}
