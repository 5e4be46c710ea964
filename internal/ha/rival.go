package ha

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"keepgo/vrrp"
)

// rivalry is what a MASTER knows of another router that is MASTER too: by its
// adverts, heard or refused, or by the ARP of a station for an address of ours.
// It begins with the first sign. A rival that was only late to give way falls
// silent at once; one that goes on makes it a split brain.
type rivalry struct {
	peer   string // who
	sign   string // what it does
	cause  string // why, where the sign itself says so
	began  vrrp.Time
	heard  vrrp.Time     // the last sign
	hush   time.Duration // after so long without one it is over
	fresh  bool          // we had just become MASTER ourselves, and it has not gone on since
	goes   bool          // it goes on
	byARP  bool          // no advert of it was heard
	claims bool          // it claims an address, and has had no answer yet
	told   string        // the split brain as it was told, "" before

	again vrrp.Time // when to look at it again
}

// hushes is how many intervals without a sign end a rivalry of adverts.
const hushes = 3

// claimsEnd does so for claims by ARP: the witness tells of one that goes on
// every ten seconds.
const claimsEnd = 25 * time.Second

// lettingGo is how long after we became MASTER the one before may still speak by
// ARP in the name of an address: until our advert has reached it and the address
// is gone there, its kernel asks who has its clients, and answers.
const lettingGo = time.Second

// Announcing again: the first time at once, then at growing distances, for a
// rival may go on for hours.
const (
	firstPause = time.Second
	lastPause  = 10 * time.Second
)

// pace keeps announcements apart.
type pace struct {
	next  vrrp.Time
	pause time.Duration
}

// may tells whether it is time, and makes the next pause longer.
func (p *pace) may(now vrrp.Time) bool {
	if now < p.next {
		return false
	}
	p.pause = min(max(2*p.pause, firstPause), lastPause)
	p.next = now + p.pause
	return true
}

// arm files when a member is to be looked at again.
func (n *Node) arm(m *member) {
	m.next = min(m.router.Next(), m.rival.due())
	n.due.file(m)
}

// reannounce follows the wish of a router to announce again. keepalived's way
// is to do so for every lower advert, and for nothing else.
func (n *Node) reannounce(now vrrp.Time, m *member, a *vrrp.Action, acts []Action) []Action {
	lower := a.Reason == vrrp.ReasonLowerPriority
	switch {
	case !m.plan.Reannounce && !lower:
		return acts
	case a.Reason == vrrp.ReasonPaused:
		m.rarities().slept = sleep{a.Late, now}
	case lower && m.rival.known(): // nothing is made up again for each advert
		n.rivals(now, m, "", "", "")
	case lower:
		n.rivals(now, m, a.Peer.From.String(), fmt.Sprintf("%s (priority %d) is MASTER too", a.Peer.From, a.Peer.Priority), "")
	}
	switch {
	case m.plan.Reannounce && lower && m.yields(now, a.Peer.From):
		return acts
	case m.plan.Reannounce && !m.rarities().pace.may(now):
		if m.rival.known() { // it may have announced after us: its turn comes when the pace allows
			m.rival.claims = true
			m.rival.again = min(m.rival.again, m.rare.pace.next)
			n.arm(m)
		}
		return acts
	}
	text := a.Text(m.router.Priority())
	if !lower {
		text += ": announcing the addresses again"
	}
	return m.log(n.again(m, acts), "%s", text)
}

// yields tells that a lower advert may be the last word of the master before
// (vrrp.Config.LastWord): we took its place a moment ago and have announced.
// One that goes on will be heard again.
func (m *member) yields(now vrrp.Time, peer netip.Addr) bool {
	return m.plan.Reannounce && m.rare.known().below == peer && now-m.since < m.router.Config().Interval
}

// again announces a member's addresses again, and those of its sync group: who
// took one for the rival's took them all.
func (n *Node) again(m *member, acts []Action) []Action {
	m.stats.Rare().Reannounced++
	acts = append(acts, Action{Kind: ActRepeat, ID: m.id})
	if m.group == nil {
		return acts
	}
	for _, o := range m.group.members {
		if o != m && o.router.State() == vrrp.Master {
			acts = append(acts, Action{Kind: ActRepeat, ID: o.id})
		}
	}
	return acts
}

// known tells that there is a rival whose adverts come.
func (r *rivalry) known() bool { return r != nil && !r.byARP }

// due is when a rivalry is to be looked at again; Never where there is none.
func (r *rivalry) due() vrrp.Time {
	if r == nil {
		return vrrp.Never
	}
	return r.again
}

// rivals notes a sign of a rival.
func (n *Node) rivals(now vrrp.Time, m *member, peer, sign, cause string) {
	r, interval := m.rival, m.router.MasterInterval()
	if !m.plan.Reannounce {
		return
	}
	if r == nil || r.byARP && cause != unheard { // an advert says more than ARP
		m.rival = &rivalry{peer: peer, sign: sign, cause: cause, began: now, hush: hushes * interval, byARP: cause == unheard,
			claims: r != nil && r.claims, fresh: now-m.since < interval, again: now + interval + interval/2}
		r = m.rival
		n.arm(m)
	}
	r.heard = now
	r.goes = r.goes || !r.byARP && now-r.began >= interval/2
}

// refused hears that a MASTER dropped an advert of its own virtual router: the
// sender is MASTER too, and neither hears the other.
func (n *Node) refused(now vrrp.Time, m *member, err error, advert *vrrp.Packet, p *Packet) {
	if m.router.State() != vrrp.Master || advert.Priority == 0 {
		return
	}
	if m.rival.known() {
		n.rivals(now, m, "", "", "")
		return
	}
	n.rivals(now, m, p.Src.String(), fmt.Sprintf("%s (priority %d) is MASTER too", p.Src, advert.Priority),
		"its adverts are refused here, and ours there most likely: "+m.codec.Explain(err, advert, &p.Arrival))
}

// claimed hears that another station claims an address of an instance. The
// answer waits for an interval: a router that was just elected says so by its
// adverts, and takes nothing from us. One that we took the place of is answered,
// for it may have been believed; it is a rival if it goes on when it must have
// let go.
func (n *Node) claimed(now vrrp.Time, id int, a netip.Addr, station string, acts []Action) []Action {
	m := n.byID[id]
	if m == nil || m.gone || m.router.State() != vrrp.Master || !m.plan.Reannounce {
		return acts
	}
	n.rivals(now, m, station, fmt.Sprintf("%s is claimed by %s", a, station), unheard)
	r := m.rival
	if r.byARP {
		r.goes = r.goes || now-m.since >= max(lettingGo, m.router.MasterInterval())
		r.fresh, r.hush = !r.goes, claimsEnd
	}
	r.claims = true
	r.again = min(r.again, now+m.router.Config().Interval)
	n.arm(m)
	return acts
}

// Likely causes of a split brain.
const (
	unheard = "either another director is MASTER and its adverts do not arrive here, or another host has the address; between directors, "
	deaf    = "it does not hear our adverts, or refuses them (authentication, version or interval differ: its log says so); "
	parted  = "no adverts passed between us for a while, or it was not scheduled (frozen)"

	multicastWay = "look for a switch that snoops IGMP and has no querier, a VLAN, a firewall"
	unicastWay   = "look for a firewall, a route, and whether each has the other among its unicast_peer"
)

// why is the likely cause of a rivalry.
func (m *member) why() string {
	r, way, slept := m.rival, multicastWay, m.rare.known().slept
	if m.plan.Key.Unicast {
		way = unicastWay
	}
	switch {
	case r.byARP:
		return r.cause + way
	case r.cause != "":
		return r.cause
	case slept.late > 0 && r.began-slept.woke < r.hush:
		return fmt.Sprintf("we were not scheduled for %s, and it took over meanwhile", slept.late)
	case !r.goes:
		return parted
	}
	return deaf + way
}

// revisit looks at a rivalry: whether it goes on, is over, or waits for an
// answer.
func (n *Node) revisit(now vrrp.Time, m *member, acts []Action) []Action {
	r := m.rival
	over := now >= r.heard+r.hush
	if r.told == "" && (r.goes || over && !r.fresh) {
		acts = n.split(m, over, acts)
	} else if over && r.told != "" {
		acts = m.log(acts, "split brain is over: no sign of %s any more", r.peer)
	}
	if r.claims && (m.rarities().pace.may(now) || over) {
		r.claims = false
		acts = m.log(n.again(m, acts), "%s: announcing the addresses again", r.sign)
	}
	r.again = r.heard + r.hush
	if r.claims {
		r.again = min(r.again, m.rare.pace.next)
	}
	if over {
		m.unrivalled()
	}
	n.arm(m)
	return acts
}

// split tells of a split brain, once.
func (n *Node) split(m *member, over bool, acts []Action) []Action {
	r := m.rival
	words := "split brain"
	if over {
		words, r.sign = "split brain, over now", strings.Replace(r.sign, " is ", " was ", 1)
	}
	r.told = fmt.Sprintf("%s: %s", r.sign, m.why())
	m.stats.Rare().SplitBrain++
	acts = m.log(acts, "%s: %s", words, r.told)
	acts = append(acts, m.notify("SPLIT_BRAIN"))
	acts[len(acts)-1].Text = r.told
	return acts
}
