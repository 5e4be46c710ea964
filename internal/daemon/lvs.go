package daemon

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"keepgo/checker"
	"keepgo/checker/probe"
	"keepgo/internal/lb"
	"keepgo/internal/status"
	"keepgo/internal/watch"
	"keepgo/ipvsctl"
)

// lvsLoop is the LVS process: verdicts on checks go in, the IPVS table and
// notifications come out.
type lvsLoop struct {
	up     *link[fromChild, toChild]
	log    func(format string, args ...any)
	rank   *rank
	node   *lb.Node
	probes *probe.Runner
	plane  *plane           // nil before the first plan
	here   *watch.Addresses // nil while no service has ha_suspend
	news   news             // what the parent does not have of the node's state
	begun  *lb.State        // what the process before left, while nothing balances
	again  again
	plans  int       // that were put in force
	undone int       // checks that are not made for want of IPVS
	turned time.Time // when a state was last sent because a server came or went
	sent   time.Time // when one was last sent
	// promise is where who watches over this process sees when the loop is to turn.
	promise *atomic.Int64
	tidy    tidier
}

// snapshots is the time between two states sent to the parent, and details the
// one between two that differ in what nothing is done about, as the words of a
// check. What is lost with a process that dies is found out again by its checks.
const (
	snapshots = time.Second
	details   = 5 * time.Second
)

// news is how much the parent is behind.
type news uint8

const (
	noNews    news = iota
	smallNews      // what nothing is done about
	bigNews
)

// lvsGC trades a little time for memory: with thousands of real servers nearly
// all of it is the plan, which stays.
const lvsGC = 40

// reloadGC is what holds instead over a reload.
const reloadGC = 100

// reloadGarbage is what may lie about then, however small the heap.
const reloadGarbage = 16 << 20

// runLVS is the main function of the LVS process.
func runLVS(up *link[fromChild, toChild]) error {
	debug.SetGCPercent(lvsGC)
	l := &lvsLoop{up: up, log: logTo(up), rank: newRank(logTo(up)), tidy: tidier{rest: lvsGC}}
	var err error
	if l.promise, err = inheritPromise(); err != nil {
		return err
	}
	l.probes = probe.NewRunner(probe.Options{Log: func(line string) { l.log("%s", line) }})
	defer l.probes.Close()
	up.send(fromChild{Waiting: true})
	return l.run()
}

// run is the loop. Its end is told by the parent, or by the parent's own end.
func (l *lvsLoop) run() error {
	var results []checker.Result
	var acts []lb.Action
	tick := time.NewTicker(snapshots)
	defer tick.Stop()
	l.promise.Store(int64(sinceBoot() + snapshots))
	for {
		select {
		case due := <-tick.C:
			l.promise.Store(int64(sinceBoot() + snapshots))
			l.rank.late(time.Since(due))
			l.second()
			if l.news == bigNews || time.Since(l.sent) >= details {
				l.snapshot()
			}
		case <-l.probes.Ready():
			results = l.probes.Take(results[:0])
			acts = l.judge(results, acts[:0])
		case <-l.moved():
			l.hereAre(l.here.Take())
		case m, open := <-l.up.in:
			if m.Leave {
				l.snapshot()
				return nil
			}
			if !open || m.Stop {
				return l.stop(open && m.Keep)
			}
			if err := l.told(m); err != nil {
				return err
			}
		}
	}
}

// judge lets the node hear verdicts.
func (l *lvsLoop) judge(results []checker.Result, acts []lb.Action) []lb.Action {
	for i := range results {
		if !l.node.Knows(&results[i]) {
			l.news = max(l.news, smallNews)
		}
		acts = l.node.Step(lb.Event{Kind: lb.EventResult, Result: results[i]}, acts)
	}
	l.perform(acts)
	if len(acts) > 0 {
		l.news = bigNews
		l.serversTurned(time.Now())
	}
	return acts
}

// told obeys the parent.
func (l *lvsLoop) told(m toChild) error {
	switch {
	case m.Orphan && l.node != nil:
		servers, _ := l.state().State() // it was packed just now
		will{Servers: servers}.leave(l.log)
	case m.Manner != nil:
		l.rank.set(*m.Manner)
	case m.LB != nil, m.LBUpdate != nil && l.node != nil:
		if err := l.adopt(m); err != nil {
			return err
		}
		l.snapshot() // it names the services that stand now
		l.tidy.soon()
		l.ready()
	case m.Files != nil:
		if l.node != nil {
			l.perform(l.filesSay(m.Files, nil))
		}
	case m.Yield != nil && l.node != nil:
		l.plane.yield(*m.Yield)
	case m.Orders != nil && l.node != nil:
		l.perform(l.node.Step(lb.Event{Kind: lb.EventOrders, Orders: m.Orders.Servers}, nil))
		l.news = bigNews
	case m.Report:
		l.report()
	}
	return nil
}

// ready tells that a plan is in force, and later that the table is as it says.
func (l *lvsLoop) ready() {
	l.plans++
	n, plane := l.plans, l.plane
	l.up.send(fromChild{Ready: true})
	go func() {
		if plane.settled() == nil {
			l.up.send(fromChild{Settled: n})
		}
	}()
}

// report sends the state of every virtual server. Reading the counters of many
// takes its time, which no verdict waits for.
func (l *lvsLoop) report() {
	n := l.probes.Count()
	s := &status.Status{Probes: (*status.Probes)(&n)}
	if l.node == nil {
		l.up.send(fromChild{Report: s})
		return
	}
	s.IPVS, s.DataPlane, s.Services = l.plane.lack, l.plane.name(), l.node.Status()
	plan, plane := l.node.Plan(), l.plane
	go func() {
		s.Sync = plane.sync()
		if usage, err := plane.usage(); err == nil {
			plan.Traffic(s.Services, usage)
		}
		l.up.send(fromChild{Report: s})
	}()
}

// adopt starts the first plan or goes on with another. The services stand
// before the first probe is sent.
func (l *lvsLoop) adopt(m toChild) error {
	put := l.goOn
	if l.node == nil {
		put = l.begin
	}
	if err := put(m); err != nil {
		return err
	}
	l.plane.configure(l.node.Plan())
	l.confine()
	l.watch()
	l.news = bigNews
	return nil
}

// begin starts the first plan.
func (l *lvsLoop) begin(m toChild) error {
	state, err := m.State.State()
	if err != nil {
		l.log("%v; starting anew", err)
	}
	if l.plane, err = newPlane(m.LB.DataPlane, l.log, false); err != nil {
		return err
	}
	l.plane.begin(state, m.Flush)
	if l.plane.lack != "" {
		l.begun = state
	}
	var acts []lb.Action
	l.node, acts = lb.NewNode(m.LB, state)
	l.perform(l.filesSay(m.Files, acts))
	return nil
}

// goOn puts another plan in force.
func (l *lvsLoop) goOn(m toChild) error {
	l.tidy.busy(reloadGC, reloadGarbage)
	var stay []int
	if m.LBUpdate != nil {
		m.LB, stay = m.LBUpdate.Onto(l.node.Plan()), m.LBUpdate.Stay
	}
	if m.LB == nil {
		return errors.New("the parent told what changed of a plan that is not in force") // the next process is told all of it
	}
	if m.LB.DataPlane != l.node.Plan().DataPlane {
		l.log("another lvs_data_plane takes effect with the next start")
	}
	l.perform(l.filesSay(m.Files, nil))
	l.perform(l.node.Step(lb.Event{Kind: lb.EventReload, Plan: m.LB, Stay: stay}, nil))
	return nil
}

// confine gives away what the plan does not take, once all is open. The parent
// replaces this process when a plan takes more.
func (l *lvsLoop) confine() {
	programs := slices.ContainsFunc(l.node.Plan().Checks, func(c checker.Check) bool { return c.Probe.Program != nil })
	lvsRights(programs).confined(l.log)
}

// watch follows the addresses that ha_suspend depends on, where there are any,
// and lets the checks begin.
func (l *lvsLoop) watch() {
	wanted := l.node.Plan().Watched()
	if l.here == nil && len(wanted) > 0 {
		var err error
		if l.here, err = watch.NewAddresses(l.log); err != nil {
			l.log("ha_suspend: %v; checks run wherever the addresses are", err)
			l.hereAre(everywhere(wanted))
			return
		}
	}
	if l.here == nil {
		l.check()
		return
	}
	plan := l.node.Plan()
	if err := l.here.SetBuffers(watch.Buffer(plan.Events), watch.Buffer(plan.Answers)); err != nil {
		l.log("%v", err)
	}
	l.here.Set(wanted)
	l.hereAre(l.here.Take())
}

func everywhere(addrs []netip.Addr) map[netip.Addr]bool {
	here := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		here[a] = true
	}
	return here
}

// hereAre lets checks rest or run by the addresses on this machine.
func (l *lvsLoop) hereAre(here map[netip.Addr]bool) {
	l.perform(l.node.Step(lb.Event{Kind: lb.EventHere, Here: here}, nil))
	l.check()
}

// check has the checks made that are not at rest, but for those that need IPVS
// where there is none: they would ask this very machine.
func (l *lvsLoop) check() {
	checks, undone := l.node.Checks(), 0
	through := func(c checker.Check) bool { return c.Probe.Via.IsValid() }
	if l.plane.ipvs == nil && slices.ContainsFunc(checks, through) {
		made := slices.DeleteFunc(slices.Clone(checks), through)
		checks, undone = made, len(checks)-len(made)
	}
	if undone > 0 && undone != l.undone {
		l.log("through_vip needs IPVS: %d checks with it are not made, and their servers count as if they had none", undone)
	}
	l.undone = undone
	l.probes.Set(checks)
}

// moved is readable when a watched address came or went; never while none is
// watched.
func (l *lvsLoop) moved() <-chan struct{} {
	if l.here == nil {
		return nil
	}
	return l.here.Ready()
}

// filesSay lets the node hear the numbers in tracked files, in the order of
// their names.
func (l *lvsLoop) filesSay(numbers map[string]int, acts []lb.Action) []lb.Action {
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		acts = l.node.Step(lb.Event{Kind: lb.EventFile, Name: name, Number: numbers[name]}, acts)
	}
	return acts
}

// second lets the node know that one passed.
func (l *lvsLoop) second() {
	if l.node == nil {
		return
	}
	if l.plane.lack != "" && l.again.due(snapshots, moduleThere()) {
		l.reopen()
	}
	if acts := l.node.Step(lb.Event{Kind: lb.EventSecond}, nil); len(acts) > 0 {
		l.perform(acts)
		l.news = bigNews
	}
}

// serversTurned sends the state at once when a server came or went, at most each
// time that snapshots are apart: a process that dies just then is replaced by
// one that knows.
func (l *lvsLoop) serversTurned(now time.Time) {
	if now.Sub(l.turned) >= snapshots {
		l.turned = now
		l.snapshot()
	}
}

// snapshot sends the node's state when it changed.
func (l *lvsLoop) snapshot() {
	if l.node != nil && l.news > noNews {
		l.up.send(fromChild{State: l.state()})
		l.news, l.sent = noNews, time.Now()
	}
}

// state is what a process in this one's place would go on from.
func (l *lvsLoop) state() *lb.Packed {
	state := l.node.Pack()
	state.Rest.Replaced, state.Rest.Switched = l.plane.replaced(), maps.Clone(l.plane.switches.replaced)
	return state
}

// perform carries out actions: the table in one piece, then words.
func (l *lvsLoop) perform(acts []lb.Action) {
	changed, removed := ipvsctl.Table{}, []ipvsctl.ServiceKey(nil)
	places := map[ipvsctl.ServiceKey]string{}
	for i := range acts {
		switch a := &acts[i]; a.Kind {
		case lb.ActSet:
			s, e := &l.node.Plan().Services[a.Service], l.node.Want(a.Service)
			if s.Unscheduled && l.plane.balances() {
				e.Service.Scheduler = lb.Rounds
			}
			changed[s.Key] = e
			places[s.Key] = s.Place
		case lb.ActRemove:
			removed = append(removed, a.Key)
		case lb.ActLog:
			l.up.send(fromChild{Log: a.Text})
		case lb.ActNotify:
			edge := a.Edge
			l.up.send(fromChild{Server: &edge, Why: a.Text})
		}
	}
	for k, err := range l.plane.set(changed, removed) {
		l.log("%s: virtual server %s is left out, nftables cannot do it: %v", places[k], k, err)
	}
}

// stop takes out what is ours, unless it is to be kept, then tells.
func (l *lvsLoop) stop(keep bool) error {
	l.probes.Close()
	if l.node == nil {
		return nil
	}
	defer l.plane.close()
	if keep {
		return nil
	}
	err := l.plane.clear(l.node.Plan().FlushAtStop)
	l.perform(l.node.Step(lb.Event{Kind: lb.EventStop}, nil))
	if err != nil {
		return fmt.Errorf("removing our services: %w", err)
	}
	return nil
}
