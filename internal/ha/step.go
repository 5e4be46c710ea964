package ha

import (
	"fmt"
	"time"

	"keepgo/vrrp"
)

// step lets a member's router hear an event, and turns what it wants into
// actions of the node.
func (n *Node) step(now vrrp.Time, m *member, ev vrrp.Event, acts []Action) []Action {
	var room [8]vrrp.Action
	was := m.router.State()
	var out []vrrp.Action
	m.router, out = m.router.Step(now, ev, room[:0])
	n.lead(was, m.router.State())
	n.arm(m)
	m.stats.CountActions(was, out)
	var orders []vrrp.Order
	if m.group != nil {
		orders = m.group.core.Stepped(int(m.place), ev.Kind, m.router, nil)
	}
	for i := range out {
		acts = n.translate(now, m, &out[i], was, acts)
	}
	if m.group != nil {
		return n.perform(now, m.group, orders, acts)
	}
	return acts
}

// lead counts the members that are MASTER.
func (n *Node) lead(was, is vrrp.State) {
	if was == vrrp.Master {
		n.leading--
	}
	if is == vrrp.Master {
		n.leading++
	}
}

// translate turns one action of a router into actions of the node.
func (n *Node) translate(now vrrp.Time, m *member, a *vrrp.Action, was vrrp.State, acts []Action) []Action {
	switch a.Kind {
	case vrrp.ActSend:
		if acts = append(acts, Action{Kind: ActSend, ID: m.id, Priority: a.Priority, speaker: m}); a.Priority == 0 {
			acts = m.detail(acts, "sent 0 priority")
		}
		return m.reserve(acts)
	case vrrp.ActBecome:
		return n.become(now, m, a, was, acts)
	case vrrp.ActReannounce:
		return n.reannounce(now, m, a, acts)
	case vrrp.ActLowerHeard:
		if m.yields(now, a.Peer.From) {
			return acts
		}
		return append(acts, m.notify("MASTER_RX_LOWER_PRI"))
	case vrrp.ActDefer:
		m.reason = fmt.Sprintf("no frame of another station has come in on %s since the boot: waiting for one, for %s at most", m.plan.Key.Link, (n.framesBy - now).Round(100*time.Millisecond))
		return m.log(acts, "%s", m.reason)
	case vrrp.ActIgnore:
		m.rarities().below = a.Peer.From
		return m.log(acts, "%s", a.Text(m.router.Priority()))
	case vrrp.ActAsk:
		return n.ask(now, m, acts)
	}
	return acts
}

// become follows a router into a new state: addresses, announcements, logs and
// notifications.
func (n *Node) become(now vrrp.Time, m *member, a *vrrp.Action, was vrrp.State, acts []Action) []Action {
	m.since, m.reason, m.told = now, m.words(a), 0
	if was == a.State {
		return acts
	}
	if !running(was) {
		m.up = now
	}
	m.unrivalled()
	m.agrees()
	n.arm(m)
	switch {
	case a.State == vrrp.Master:
		acts = append(acts, Action{Kind: ActSettle, ID: m.id}, Action{Kind: ActAnnounce, ID: m.id})
		acts = n.synced(m, acts)
	case was == vrrp.Master:
		acts = append(acts, Action{Kind: ActSilence, ID: m.id}, Action{Kind: ActSettle, ID: m.id})
		acts = n.synced(m, acts)
	}
	if a.State == vrrp.Init {
		return acts
	}
	if a.Reason == vrrp.ReasonRecovered && m.plan.Key.Unicast && m.link != "" && now >= n.quiet {
		acts = append(acts, Action{Kind: ActGreet, ID: m.id})
	}
	switch {
	case a.Reason == vrrp.ReasonStartup:
	case a.Reason == vrrp.ReasonTimeout:
		acts = m.detail(acts, m.reason)
	case a.State == vrrp.Fault && was == vrrp.Init:
		acts = m.log(acts, "entering FAULT state (%s)", m.reason)
	default:
		acts = m.log(acts, "%s", m.reason)
	}
	acts = m.log(acts, "Entering %s STATE%s", a.State, atStart(was, a.State))
	return append(acts, m.notify(a.State.String()))
}

// running tells whether a router in a state takes part in VRRP.
func running(s vrrp.State) bool { return s == vrrp.Backup || s == vrrp.Master }

// words is why the router is where it is.
func (m *member) words(a *vrrp.Action) string {
	if a.Reason == vrrp.ReasonFault && m.cause != "" {
		return m.cause
	}
	if a.Reason == vrrp.ReasonLost && m.held {
		return "handed over with priority 0 by order"
	}
	return a.Text(m.router.Priority())
}

// atStart marks the first state, which keepalived does not where an owner begins
// as MASTER: it passes through BACKUP in silence.
func atStart(was, is vrrp.State) string {
	if was == vrrp.Init && is != vrrp.Master {
		return " (init)"
	}
	return ""
}

// log appends a line about the member in keepalived's form.
func (m *member) log(acts []Action, format string, args ...any) []Action {
	text := "(" + m.plan.Name + ") " + fmt.Sprintf(format, args...)
	return append(acts, Action{Kind: ActLog, Text: text})
}

// detail does the same for those who ask for details.
func (m *member) detail(acts []Action, text string) []Action {
	acts = m.log(acts, "%s", text)
	acts[len(acts)-1].Detail = true
	return acts
}
