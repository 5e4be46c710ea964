package daemon

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"keepgo/internal/ha"
	"keepgo/internal/notify"
	"keepgo/internal/snmp"
	"keepgo/internal/status"
	"keepgo/vip/garp"
	"keepgo/vip/rtnl"
	"keepgo/vrrp"
	"keepgo/vrrp/sock"
)

// vrrpLoop is the VRRP process: it lets the node hear what happens and carries
// out what it wants. Two goroutines take turns at it, one that hears the network
// and the clock, which must not wait for anybody to be woken, and one that hears
// all others. Every door keeps its own pace.
type vrrpLoop struct {
	mu      sync.Mutex // held for a turn
	confine func()     // gives away what is left to give away
	up      *link[fromChild, toChild]
	log     func(format string, args ...any)
	monitor monitor
	rank    *rank
	clock   *clock
	node    *ha.Node
	links   *rtnl.Door
	arp     *garp.Pacer
	herald  *herald
	devices *devices
	beats   *beats
	filter  *firewall
	syncer  *syncer

	poll   *poll
	room   *sock.Room
	wires  map[ha.Wire]*wire
	plugs  []*wire       // the open ones by the number that the node knows them by, from 1
	failed chan error    // the end of the first goroutine
	dirty  *dirtySet     // links that changed
	losses chan ha.Event // what another hand removed

	coming  []*ha.Instance // of the plan that is being told
	plans   int            // that were put in force
	past    []*ha.Plan     // those before, while not all of the last one stands
	acts    []ha.Action
	batch   *sock.Batch
	letters []letter // in the batch
	event   ha.Packet
	lull    lull
	graced  bool // the tick that comes was put off
	tidy    tidier
}

// wire is an open socket.
type wire struct {
	conn     *sock.Conn
	group    netip.Addr          // whom adverts are for; not valid for unicast
	lost     map[netip.Addr]bool // where the last send to failed, which was told
	failures int                 // to receive, in a row
	buffer   int                 // asked for, in bytes
}

// runVRRP is the main function of the VRRP process.
func runVRRP(up *link[fromChild, toChild]) error {
	confine := vrrpRights().hurried(logTo(up))
	// A quiet process: what little garbage state changes make can wait.
	debug.SetGCPercent(400)
	l := &vrrpLoop{
		confine: confine,
		up:      up, log: logTo(up), monitor: monitor{log: logTo(up)}, rank: newRank(logTo(up)),
		room:    sock.NewRoom(),
		batch:   sock.NewBatch(),
		wires:   map[ha.Wire]*wire{},
		failed:  make(chan error, 1),
		losses:  make(chan ha.Event, 64),
		dirty:   newDirtySet(),
		devices: newDevices(logTo(up)),
		filter:  newFirewall(logTo(up)),
		syncer:  &syncer{log: logTo(up)},
	}
	var err error
	if l.clock, err = newClock(); err != nil {
		return err
	}
	defer l.clock.close()
	if l.clock.promise, err = inheritPromise(); err != nil {
		return err
	}
	if l.poll, err = newPoll(); err != nil {
		return err
	}
	// It is closed by the end of the process: who attends to it may be waiting for
	// the turn that never comes, and a close would wait for that.
	if err = l.poll.rouse(l.clock.fd); err != nil {
		return err
	}
	if l.arp, err = garp.Open(l.announceFailed); err != nil {
		return err
	}
	if l.herald, err = newHerald(l.arp, l.log); err != nil {
		return err
	}
	if l.links, err = rtnl.Open(rtnl.Options{Notify: l.kernel}); err != nil {
		return err
	}
	l.herald.links, l.filter.links = l.links, l.links
	l.beats = &beats{log: l.log, dirty: l.dirty.add}
	defer l.beats.close()
	up.send(fromChild{Waiting: true})
	return l.run()
}

// run is the loop. Its end is told by the parent, or by the parent's own end.
func (l *vrrpLoop) run() error {
	go l.attend()
	for {
		select {
		case <-l.dirty.C:
			l.turn(l.linksChanged)
		case <-l.devices.C:
			l.turn(l.devicesChanged)
		case c := <-l.herald.claims:
			l.hear(ha.Event{Kind: ha.EventClaim, ID: c.id, Lost: netip.PrefixFrom(c.addr, c.addr.BitLen()), Name: c.station})
		case name := <-l.herald.frames:
			l.hear(ha.Event{Kind: ha.EventFrames, Name: name})
		case ev := <-l.losses:
			l.hear(ev)
		case err := <-l.failed:
			return err
		case m, open := <-l.up.in:
			if !open || m.Stop || m.Leave {
				l.mu.Lock() // for good: nobody has another turn
				return l.end(m, open)
			}
			l.turn(func() { l.told(m) })
		}
	}
}

// turn does something while nobody else does.
func (l *vrrpLoop) turn(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
	l.rearm()
}

// attend hears the network, and then the clock: a backup must hear its master
// before it believes that it was silent.
func (l *vrrpLoop) attend() {
	l.failed <- l.poll.serve(func() (more bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		more = l.poll.round()
		if at, come := l.clock.come(); come && !l.late(at) {
			l.step(ha.Event{Kind: ha.EventTick})
		}
		l.lull.next(l)
		l.rearm()
		return more
	})
}

// lateness is how late a tick may be before the loop takes it that the process
// was not scheduled, and grace the time it then gives the adverts that are on
// their way. Where nobody is MASTER here it is a quarter of what was missed:
// whatever stopped this machine may have stopped the master too, and nothing
// that it says can have come yet.
const (
	lateness = 20 * time.Millisecond
	grace    = 5 * time.Millisecond
	maxGrace = time.Second
)

// late tells that the tick of an instant is put off once for the sake of what is on its way.
func (l *vrrpLoop) late(at vrrp.Time) bool {
	now := l.clock.now()
	late := now - at
	l.rank.late(late)
	if l.graced || late < lateness {
		l.graced = false
		return false
	}
	l.graced = true
	l.arm(now + l.grace(late))
	return true
}

// grace is how long a tick that came late is put off.
func (l *vrrpLoop) grace(late time.Duration) time.Duration {
	if l.node == nil || l.node.Leads() {
		return grace // its own adverts are late already
	}
	return max(grace, min(late/4, maxGrace))
}

// rearm sets the clock to the node's next deadline.
func (l *vrrpLoop) rearm() {
	if l.node != nil && !l.graced {
		l.arm(min(l.node.Next(), l.lull.end()))
	}
}

// arm sets the clock. Without one there is no going on.
func (l *vrrpLoop) arm(at vrrp.Time) {
	if err := l.clock.arm(at); err != nil {
		l.fail(err)
	}
}

// fail ends the process, once its turn is over.
func (l *vrrpLoop) fail(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

// told obeys the parent.
func (l *vrrpLoop) told(m toChild) {
	switch {
	case m.Orphan && l.node != nil:
		will{Masters: l.node.Masters(), Sequences: l.node.Sequences(), Left: l.places()}.leave(l.log)
	case m.Manner != nil:
		l.rank.set(*m.Manner)
	case m.Instances != nil:
		l.coming = append(l.coming, m.Instances...)
	case m.HA != nil && l.node == nil:
		l.complete(m.HA)
		l.begin(m.HA, m)
		go l.confine() // the first adverts have left
	case m.HA != nil:
		l.complete(m.HA)
		l.goOn(m.HA)
	case m.HAUpdate != nil && l.node != nil:
		l.update(m.HAUpdate)
	case m.Script != nil && l.node != nil:
		l.step(ha.Event{Kind: ha.EventScript, Script: m.Script.Script, OK: m.Script.OK, Words: m.Script.Words})
	case m.Files != nil && l.node != nil:
		l.filesSay(m.Files)
	case m.Processes != nil && l.node != nil:
		l.processesAre(m.Processes)
	case m.Orders != nil:
		l.obey(m.Orders)
	case m.Sessions != nil && l.node != nil:
		l.sessionsAre(m.Sessions)
	case m.Announce != "" && l.node != nil:
		l.arp.Burst(l.node.Named(m.Announce), 1, 0)
	case m.Detach:
		l.up.hold(fromChild{Detached: true})
	case m.Attach:
		l.up.release()
	case m.Report:
		l.report(m.Clear)
	}
}

// complete gives a plan the instances that were told before it.
func (l *vrrpLoop) complete(plan *ha.Plan) {
	plan.Instances, l.coming = append(l.coming, plan.Instances...), nil
	plan.Share()
}

// begin starts the first plan.
func (l *vrrpLoop) begin(plan *ha.Plan, m toChild) {
	l.monitor.on.Store(m.Monitor)
	l.devices.file = m.States
	l.equip(plan)
	l.node, l.past = ha.New(plan), []*ha.Plan{plan} // what it is to take away is told with it
	l.herald.learn(plan)
	l.node.Resume(m.Resume)
	l.node.Continue(m.Sequences)
	for _, k := range l.links.Links() {
		l.node.Step(l.clock.now(), ha.Event{Kind: ha.EventLink, Link: l.view(k.Name)}, nil)
	}
	l.filesSay(m.Files)
	l.processesAre(m.Processes)
	l.sessionsAre(m.Sessions)
	l.filter.plan = plan.Firewall
	l.step(ha.Event{Kind: ha.EventStart})
	l.filter.begin()
	l.herald.await(l.node.Awaited(l.clock.now()))
	l.devices.clean()
	if m.Replaces {
		l.filter.clean()
	}
	l.ready()
}

// filesSay lets the node hear the numbers in tracked files.
func (l *vrrpLoop) filesSay(values map[string]int) {
	for name, value := range values {
		l.step(ha.Event{Kind: ha.EventFile, Name: name, Value: value})
	}
}

// processesAre lets the node hear which tracked processes are as they should be.
func (l *vrrpLoop) processesAre(good map[string]bool) {
	for name, ok := range good {
		l.step(ha.Event{Kind: ha.EventProcess, Name: name, OK: ok})
	}
}

// sessionsAre lets the node hear which BFD sessions are up.
func (l *vrrpLoop) sessionsAre(up map[string]bool) {
	for name, ok := range up {
		l.step(ha.Event{Kind: ha.EventBFD, Name: name, OK: ok})
	}
}

// step lets the node hear an event and does what it wants. What more than
// adverts takes is let go: it comes seldom, and may be much.
func (l *vrrpLoop) step(ev ha.Event) { l.stepAt(l.clock.now(), ev) }

// fewActs is how many actions there is always room for: what one instance asks
// for that becomes MASTER, many times over.
const fewActs = 64

// stepAt does it as of an instant a little while ago.
func (l *vrrpLoop) stepAt(at vrrp.Time, ev ha.Event) {
	l.acts = l.node.Step(at, ev, l.acts[:0])
	l.perform(l.acts)
	if slices.ContainsFunc(l.acts, func(a ha.Action) bool { return a.Kind != ha.ActSend }) {
		if clear(l.acts); cap(l.acts) > fewActs {
			l.acts = nil
		}
		l.tidy.soon()
	}
}

// perform carries out actions in three beats: adverts first, because silence
// costs mastership; then the addresses and their announcement; then words.
func (l *vrrpLoop) perform(acts []ha.Action) {
	l.speak(acts)
	for i := range acts {
		l.announce(&acts[i])
	}
	for i := range acts {
		switch a := &acts[i]; a.Kind {
		case ha.ActSettle:
			l.filter.settle(a.ID, l.node.Want(a.ID), l.node.Drop(a.ID))
		case ha.ActClean:
			l.links.CleanAll(l.node.Placed(a.ID))
		case ha.ActDevice:
			l.devices.set(a.ID, l.node.Devices(a.ID), l.node.Promoted(a.ID))
			l.filter.hush(a.ID, l.node.Devices(a.ID))
		case ha.ActSync:
			l.syncer.set(l.node.Sync())
		}
	}
	for i := range acts {
		switch a := &acts[i]; a.Kind {
		case ha.ActLog:
			l.up.send(fromChild{Log: a.Text, Detail: a.Detail})
		case ha.ActNotify:
			l.up.send(fromChild{Edge: edge(a.Edge), Why: a.Text})
		case ha.ActFault:
			if in := l.node.Planned(a.ID); in != nil {
				l.up.send(fromChild{Fault: &snmp.Fault{Instance: in.Name, Kind: a.Fault, From: a.Text}})
			}
		}
	}
}

// announce arms the herald before the addresses are asked for, so that the
// first gratuitous ARP leaves the moment they stand.
func (l *vrrpLoop) announce(a *ha.Action) {
	switch a.Kind {
	case ha.ActAnnounce:
		l.herald.announce(a.ID, l.voice(a.ID), round)
	case ha.ActGreet:
		if w, ok := l.node.Wire(a.ID); ok {
			l.herald.greet(a.ID, w.Link, w.Source)
		}
	case ha.ActRevise:
		l.herald.announce(a.ID, l.voice(a.ID), refresh)
	case ha.ActSilence:
		l.herald.silence(a.ID)
	case ha.ActRepeat:
		if in := l.node.Planned(a.ID); in != nil && in.Announce.LowerRepeat > 0 {
			l.arp.Burst(a.ID, in.Announce.LowerRepeat, in.Announce.LowerDelay)
		}
	}
}

// voice is how an instance announces its addresses.
func (l *vrrpLoop) voice(id int) voice {
	v := voice{Announce: l.node.Planned(id).Announce}
	if w, ok := l.node.Wire(id); ok {
		v.link = w.Index
	}
	return v
}

// edge is a node's edge in the words scripts get.
func edge(e ha.Edge) *notify.Edge {
	kind := "INSTANCE"
	if e.Group {
		kind = "GROUP"
	}
	return &notify.Edge{Kind: kind, Name: e.Name, State: e.State, Priority: int(e.Priority), Again: e.Again, Gone: e.Gone}
}

// kernel hears the address door, on its goroutine.
func (l *vrrpLoop) kernel(ev rtnl.Event) {
	switch ev.Kind {
	case rtnl.Applied:
		l.herald.stands(ev.Owner, ev.Set)
		l.filter.stands(ev.Owner, ev.Set)
	case rtnl.Standing:
		l.herald.stand(ev.Owner, ev.Set)
	case rtnl.Restored:
		l.restored(ev)
	case rtnl.Failed:
		l.log("%v", ev.Err)
	case rtnl.LinkChanged:
		l.herald.linkChanged(ev.Link.Name)
		l.dirty.add(ev.Link.Name)
	case rtnl.LinkGone:
		l.dirty.add(ev.Link.Name)
	case rtnl.AddressChanged:
		l.monitor.hear(ev)
	case rtnl.Resynced:
		l.log("the kernel dropped netlink notifications; links and addresses were read anew; a larger vrrp_netlink_monitor_rcv_bufs avoids it")
	}
}

// hear lets the node hear an event, if there is one already.
func (l *vrrpLoop) hear(ev ha.Event) {
	l.turn(func() {
		if l.node != nil {
			l.step(ev)
		}
	})
}

// restored tells what another hand removed; an address is announced again. Of a
// flood of losses one is enough.
func (l *vrrpLoop) restored(ev rtnl.Event) {
	if ev.Taken {
		select {
		case l.losses <- ha.Event{Kind: ha.EventLost, ID: ev.Owner, Lost: ev.Address.Prefix}:
		default:
		}
	}
	what := fmt.Sprintf("%s on %s", ev.Address.Prefix, ev.Address.Link)
	switch {
	case ev.Route != nil:
		what = "the route " + ev.Route.String()
	case ev.Rule != nil:
		what = "the rule " + ev.Rule.String()
	default:
		l.herald.restored(ev.Owner)
	}
	switch {
	case !ev.Taken:
		l.log("%s stands now", what)
	case ev.Port == 0:
		l.log("%s was removed by another hand and is put back", what)
	default:
		l.log("%s was removed by netlink port %d and is put back", what, ev.Port)
	}
}

// devicesChanged lets the node hear which devices stand.
func (l *vrrpLoop) devicesChanged() {
	for _, ev := range l.devices.take(l.links.LinkByName) {
		if l.node == nil {
			continue
		}
		for _, d := range l.node.Devices(ev.ID) {
			if d.Key() == ev.Device {
				base, _ := l.links.LinkByName(d.Parent)
				l.filter.guard(&ev, base.Index, &d)
			}
		}
		l.filter.hush(ev.ID, l.node.Devices(ev.ID))
		l.step(ev)
	}
}

// announceFailed hears the ARP pacer.
func (l *vrrpLoop) announceFailed(f garp.Failure) { l.log("%v", f.Err) }

// report sends the state of every instance, and sets the counters to zero if
// that is asked for.
func (l *vrrpLoop) report(clear bool) {
	s := &status.Status{}
	if l.node != nil {
		s = l.node.Report(l.clock.now(), time.Now())
		l.devices.outcomes(s.Instances)
		if clear {
			l.node.ClearCounters()
		}
	}
	l.up.send(fromChild{Report: s})
}
