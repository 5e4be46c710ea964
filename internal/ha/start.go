package ha

import (
	"slices"

	"keepgo/vip"
	"keepgo/vrrp"
)

// start begins: leftovers of an earlier life go, then every router wakes up.
func (n *Node) start(now vrrp.Time, acts []Action) []Action {
	n.running = true
	n.began = now
	n.delay()
	for _, m := range n.members {
		n.resource(m)
	}
	n.landAll()
	n.indexWires()
	acts = append(n.absent(acts), Action{Kind: ActWires})
	if !n.plan.Static.Empty() {
		acts = append(acts, Action{Kind: ActSettle})
	}
	if n.plan.Sync != nil {
		acts = append(acts, Action{Kind: ActSync})
	}
	for _, m := range n.members {
		acts = n.enter(now, m, acts)
	}
	if !n.plan.Left.Empty() { // now that what goes on is wanted
		acts = append(acts, Action{Kind: ActClean})
	}
	return acts
}

// delay finds out until when the start-up delays keep everyone still.
func (n *Node) delay() {
	n.quiet = 0
	if n.plan.StartupDelay > 0 {
		n.quiet = n.began + n.plan.StartupDelay
	}
	if n.plan.AfterBoot > 0 {
		n.quiet = max(n.quiet, n.plan.AfterBoot)
	}
	n.framesBy = 0
	if n.began < freshBoot {
		n.framesBy = n.began + n.plan.FramesFirst
	}
}

// enter lets a new member begin, unless a script has to end or its device has
// to be made first.
func (n *Node) enter(now vrrp.Time, m *member, acts []Action) []Action {
	m.since, m.reason = now, "waiting for the first result of its scripts"
	if !m.resumed {
		acts = append(acts, Action{Kind: ActClean, ID: m.id})
		m.left = n.leftOver(m)
	}
	if m.plan.Device != nil {
		m.reason = "waiting for its interface"
	}
	if m.plan.equipped() {
		acts = append(acts, Action{Kind: ActDevice, ID: m.id})
	}
	return n.reconsider(now, m, acts)
}

// resume goes on as MASTER where nothing forbids it. What is not known yet, as
// the result of a script, does not count against it.
func (n *Node) resume(now vrrp.Time, m *member, v verdict, acts []Action) []Action {
	if n.hindered(m) {
		m.resumed = false
		return n.wake(now, m, v, append(acts, Action{Kind: ActClean, ID: m.id}))
	}
	m.resumed, m.started = false, true
	m.up, m.reason = now, "goes on after its process was replaced"
	priority := m.priority(v.sum)
	n.lead(m.router.State(), vrrp.Master)
	m.router = vrrp.Resume(now, n.config(m), vrrp.Master, priority)
	acts = m.log(acts, "%s", m.reason)
	acts = append(acts, Action{Kind: ActSettle, ID: m.id}, Action{Kind: ActAnnounce, ID: m.id})
	return n.step(now, m, vrrp.Event{Kind: vrrp.EventTick}, acts)
}

// hindered tells whether a member, or another of its group, has a cause of
// FAULT, or whether not all of the group were MASTER: the process may have died
// over a reload that made the group, or gave a member another name.
func (n *Node) hindered(m *member) bool {
	if m.group == nil {
		return n.judge(m).cause != ""
	}
	g := m.group
	if g.looked != n.steps { // nothing that counts changes within a step, and each member asks
		g.looked = n.steps
		g.hinders = slices.ContainsFunc(g.members, func(o *member) bool {
			return n.judge(o).cause != "" || !o.resumed && o.router.State() != vrrp.Master
		})
	}
	return g.hinders
}

// wake starts a member's router, in FAULT if something is wrong.
func (n *Node) wake(now vrrp.Time, m *member, v verdict, acts []Action) []Action {
	m.started = true
	m.blame(v.cause)
	ev := vrrp.Event{Kind: vrrp.EventReconfigure, Config: n.config(m)}
	ev.Priority = m.priority(v.sum)
	acts = n.step(now, m, ev, acts)
	if link := m.plan.Key.Link; link == "" || n.framed[link] {
		acts = n.step(now, m, vrrp.Event{Kind: vrrp.EventFrames}, acts)
	}
	switch g := m.group; {
	case m.cause != "":
		return n.fail(now, m, acts)
	case g != nil && g.faulty():
		return n.step(now, m, vrrp.Event{Kind: vrrp.EventFault}, acts)
	}
	acts = n.step(now, m, vrrp.Event{Kind: vrrp.EventStart}, acts)
	acts = n.part(now, m, acts)
	switch {
	case m.group == nil:
		return n.regroup(now, m, acts) // a group it has left may have put it in FAULT
	case m.group.waits():
		return acts
	}
	for _, o := range m.group.members { // it may have been the last they waited for
		acts = n.regroup(now, o, acts)
	}
	return acts
}

// leftOver tells whether an address of a member stands on its interface, of which
// it has put none there yet.
func (n *Node) leftOver(m *member) bool {
	link := n.links[m.plan.Key.Link]
	return m.router.State() != vrrp.Master && slices.ContainsFunc(m.plan.Addresses, func(a vip.Address) bool {
		return a.Link == link.Name && slices.Contains(link.Addresses, a.Prefix.Addr())
	})
}

// part takes leave of addresses that an earlier life left, once they are gone: a
// process was killed, and another router may have them since. Whoever asked
// meanwhile may have been told of this one; a goodbye has the master there is
// announce them again (RFC 9568 section 6.4.3).
func (n *Node) part(now vrrp.Time, m *member, acts []Action) []Action {
	if !m.left || !m.started || n.leftOver(m) {
		return acts
	}
	if m.left = false; m.router.State() != vrrp.Backup || !m.router.Config().ListenAfterPause || now < n.quiet {
		return acts
	}
	acts = m.log(acts, "addresses that an earlier process left are gone: whoever has them now is to announce them")
	goodbye := vrrp.Action{Kind: vrrp.ActSend}
	m.stats.CountActions(vrrp.Backup, []vrrp.Action{goodbye})
	return n.translate(now, m, &goodbye, vrrp.Backup, acts)
}
