package ha

import (
	"time"

	"keepgo/vrrp"
)

// Delay is how long an interface must be down, or up again, before that counts
// (interface_up_down_delays).
type Delay struct{ Down, Up time.Duration }

// pending is a change of an interface that has not lasted long enough.
type pending struct{ since, due vrrp.Time }

// debounce keeps a change of up or down from l until it has lasted: only where
// the interface was up once and is still the same, and none that is undone
// meanwhile. A vanished interface counts at once.
func (n *Node) debounce(now vrrp.Time, was, l *Link) {
	d := n.delayOf(l.Name, l.Up)
	known := l.Exists && was.Index == l.Index && n.onceUp[l.Name]
	if n.plan.Delays != nil {
		n.onceUp[l.Name] = known || l.Up
	}
	if was.Up == l.Up || !known || d == 0 || !n.running {
		delete(n.pending, l.Name)
		return
	}
	l.Up = was.Up
	if _, waits := n.pending[l.Name]; !waits {
		n.pending[l.Name] = pending{now, now + d}
	}
}

// delayOf is how long a change of an interface must last now: what is configured
// of it, or for a device of the interface below it, but never so long that an
// instance there would still be believed when its neighbours have given it up. In
// version 3 that depends on what the master says.
func (n *Node) delayOf(link string, up bool) time.Duration {
	if n.plan.Delays == nil {
		return 0
	}
	link = n.beneath(link)
	d := n.plan.Delays[link].Down
	if up {
		d = n.plan.Delays[link].Up
	}
	for _, m := range n.byLink[link] {
		if m.plan.Key.Link == link {
			d = min(d, (time.Duration(m.plan.Router.DownAdverts)-1)*m.router.MasterInterval())
		}
	}
	return max(d, 0)
}

// beneath is the interface below a device of an instance, and any other itself.
func (n *Node) beneath(link string) string {
	for _, m := range n.byLink[link] {
		for k, d := range m.plan.Devices() {
			if m.deviceName(k) == link {
				return d.Parent
			}
		}
	}
	return link
}

// hasten fits what is pending to delays that have become shorter.
func (n *Node) hasten() {
	for link, p := range n.pending {
		p.due = min(p.due, p.since+n.delayOf(link, !n.links[link].Up))
		n.pending[link] = p
	}
}

// lasting is when the first pending change has lasted long enough.
func (n *Node) lasting() vrrp.Time {
	first := vrrp.Never
	for _, p := range n.pending {
		first = min(first, p.due)
	}
	return first
}

// settled lets those changes count that have lasted.
func (n *Node) settled(now vrrp.Time, acts []Action) []Action {
	for link, p := range n.pending {
		if p.due > now {
			continue
		}
		delete(n.pending, link)
		l := n.links[link]
		l.Up = !l.Up
		acts = n.changed(now, l, acts)
	}
	return acts
}
