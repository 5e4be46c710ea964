package daemon

import (
	"errors"
	"os"
	"time"

	"keepgo/internal/ha"
	"keepgo/vip"
	viplink "keepgo/vip/link"
	"keepgo/vip/rtnl"
)

// equip prepares the host for a plan, before anybody speaks: what does not
// belong to an instance.
func (l *vrrpLoop) equip(plan *ha.Plan) {
	if err := l.links.SetBuffers(rtnl.Buffer(plan.News), rtnl.Buffer(plan.Orders)); err != nil {
		l.log("%v", err)
	}
	l.devices.quietIGMP(plan.QuietIGMP)
	l.beats.set(plan.Polls)
}

// goOn puts another plan in force.
func (l *vrrpLoop) goOn(plan *ha.Plan) {
	l.herald.learn(plan)
	l.equip(plan)
	l.past = append(l.past, l.node.Plan())
	l.step(ha.Event{Kind: ha.EventReload, Plan: plan})
	l.ready()
}

// ready tells that a plan is in force, and later that all of it stands.
func (l *vrrpLoop) ready() {
	l.plans++
	n := l.plans
	l.up.send(fromChild{Ready: true, Masters: l.node.Masters()})
	l.filter.settled(func() {
		l.up.send(fromChild{Settled: n})
		go l.turn(func() { // the door does not wait for that
			if n == l.plans {
				l.past = nil
			}
		})
	})
}

// places is all that this process may have placed, or was told to take away.
func (l *vrrpLoop) places() vip.Want {
	w := l.node.Plan().Places()
	for _, p := range l.past {
		w.Add(p.Places())
		w.Add(p.Left)
	}
	return w
}

// update goes on with a plan that is told by what changed. One that changes
// another plan than this process has ends it: the next is told all of it.
func (l *vrrpLoop) update(u *ha.Update) {
	l.complete(u.Plan)
	plan := u.Onto(l.node.Plan())
	if plan == nil {
		l.fail(errors.New("the parent told what changed of a plan that is not in force"))
		return
	}
	l.goOn(plan)
}

// linksChanged lets the node hear how the links that changed are now.
func (l *vrrpLoop) linksChanged() {
	for _, name := range l.dirty.take() {
		if l.node != nil {
			l.step(ha.Event{Kind: ha.EventLink, Link: l.view(name)})
		}
	}
	l.devices.recheck()
	if l.node != nil {
		l.herald.await(l.node.Awaited(l.clock.now()))
	}
}

// view is a link as the node sees it.
func (l *vrrpLoop) view(name string) ha.Link {
	k, ok := l.links.LinkByName(name)
	v := ha.Link{
		Name: name, Index: k.Index, Exists: ok, MTU: k.MTU,
		Up: k.Up && !l.beats.silent(name), Unicast: ok && !k.Multicast,
	}
	if k.Below != 0 {
		v.Below = l.links.Name(k.Below)
	}
	for _, p := range l.links.Addresses(name) {
		v.Addresses = append(v.Addresses, p.Addr())
	}
	return v
}

// igmpReports is whether the kernel reports the groups 224.0.0.0/24 that the
// host has joined (linux Documentation/networking/ip-sysctl.rst).
const igmpReports = "net/ipv4/igmp_link_local_mcast_reports"

// igmpPatience bounds the wait for igmpReports at start: the first report leaves
// with the first group that is joined.
const igmpPatience = time.Second

// hostOwner is who wants what belongs to no instance.
const hostOwner = 0

// quietIGMP keeps the kernel from reporting the groups that instances join, or
// lets it do so again. It waits for the first only.
func (d *devices) quietIGMP(quiet bool) {
	if quiet == d.quiet {
		return
	}
	if err := d.open(); err != nil {
		d.log("%v", err)
		return
	}
	d.quiet = quiet
	if !quiet {
		d.door.Set(hostOwner, viplink.Want{})
		return
	}
	now, err := os.ReadFile("/proc/sys/" + igmpReports)
	d.door.Set(hostOwner, viplink.Want{Sysctls: []viplink.Sysctl{{Path: igmpReports, Value: "0"}}})
	if err != nil || string(now) == "0\n" { // as an earlier life left it
		return
	}
	select {
	case <-d.hushed:
	case <-time.After(igmpPatience):
	}
}
