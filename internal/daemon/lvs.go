package daemon

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"keepgo/checker"
	"keepgo/checker/probe"
	"keepgo/internal/lb"
	"keepgo/internal/status"
	"keepgo/ipvsctl"
	"keepgo/ipvsctl/genl"
)

// lvsLoop is the LVS process: verdicts on checks go in, the IPVS table and
// notifications come out.
type lvsLoop struct {
	up     *link[fromChild, toChild]
	log    func(format string, args ...any)
	rank   *rank
	node   *lb.Node
	probes *probe.Runner
	table  *genl.Door // nil where the kernel has no IPVS
	noIPVS string     // why table is nil
	fresh  bool       // the parent has the node's state
}

// snapshots is the time between two states sent to the parent. What is lost
// with a process that dies is found out again by its checks.
const snapshots = time.Second

// runLVS is the main function of the LVS process.
func runLVS(up *link[fromChild, toChild]) error {
	l := &lvsLoop{up: up, log: logTo(up), rank: newRank(logTo(up))}
	l.probes = probe.NewRunner(probe.Options{Log: func(line string) { l.log("%s", line) }})
	defer l.probes.Close()
	var err error
	if l.table, err = openIPVS(genl.Options{Report: l.kernel}); err != nil {
		if !errors.Is(err, genl.ErrNoIPVS) {
			return err
		}
		l.noIPVS = err.Error()
		l.log("%v; health checks run all the same", err)
	}
	return l.run()
}

// run is the loop. Its end is told by the parent, or by the parent's own end.
func (l *lvsLoop) run() error {
	var results []checker.Result
	var acts []lb.Action
	tick := time.NewTicker(snapshots)
	defer tick.Stop()
	for {
		select {
		case due := <-tick.C:
			l.rank.late(time.Since(due))
			l.snapshot()
		case <-l.probes.Ready():
			results = l.probes.Take(results[:0])
			acts = acts[:0]
			for _, r := range results {
				acts = l.node.Step(lb.Event{Kind: lb.EventResult, Result: r}, acts)
			}
			l.perform(acts)
			l.fresh = false
		case m, open := <-l.up.in:
			if !open || m.Stop {
				return l.stop(open && m.Keep)
			}
			l.told(m)
		}
	}
}

// told obeys the parent.
func (l *lvsLoop) told(m toChild) {
	switch {
	case m.Manner != nil:
		l.rank.set(*m.Manner)
	case m.LB != nil:
		l.adopt(m)
		l.up.send(fromChild{Ready: true})
	case m.Files != nil:
		if l.node != nil {
			l.perform(l.filesSay(m.Files, nil))
		}
	case m.Report:
		l.report()
	}
}

// report sends the state of every virtual server. Reading the counters of many
// takes its time, which no verdict waits for.
func (l *lvsLoop) report() {
	n := l.probes.Count()
	s := &status.Status{IPVS: l.noIPVS, Probes: (*status.Probes)(&n)}
	if l.node != nil {
		s.Services = l.node.Status()
	}
	if l.node == nil || l.table == nil {
		l.up.send(fromChild{Report: s})
		return
	}
	plan := l.node.Plan()
	go func() {
		if usage, err := l.table.Usage(); err == nil {
			plan.Traffic(s.Services, usage)
		}
		l.up.send(fromChild{Report: s})
	}()
}

// adopt starts the first plan or goes on with another. The services stand
// before the first probe is sent.
func (l *lvsLoop) adopt(m toChild) {
	if l.node == nil {
		l.begin(m)
		var acts []lb.Action
		l.node, acts = lb.NewNode(m.LB, m.State)
		l.perform(l.filesSay(m.Files, acts))
	} else {
		l.perform(l.filesSay(m.Files, nil))
		l.perform(l.node.Step(lb.Event{Kind: lb.EventReload, Plan: m.LB}, nil))
	}
	l.configure(l.node.Plan())
	l.probes.Set(l.node.Plan().Checks)
	l.fresh = false
}

// filesSay lets the node hear the numbers in tracked files, in the order of
// their names.
func (l *lvsLoop) filesSay(numbers map[string]int, acts []lb.Action) []lb.Action {
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		acts = l.node.Step(lb.Event{Kind: lb.EventFile, Name: name, Number: numbers[name]}, acts)
	}
	return acts
}

// begin prepares the table for the first plan.
func (l *lvsLoop) begin(m toChild) {
	if l.table == nil {
		return
	}
	if m.State != nil {
		l.table.Resume(m.State.Replaced)
	}
	if m.Flush {
		if err := l.table.Flush(); err != nil {
			l.log("%v", err)
		}
	}
}

// configure gives the kernel what is not of any service.
func (l *lvsLoop) configure(p *lb.Plan) {
	if l.table != nil {
		l.table.Leave(!p.Repair)
		l.table.SetSync(p.Sync)
		l.table.SetTimeouts(p.Timeouts)
	}
}

// snapshot sends the node's state when it changed.
func (l *lvsLoop) snapshot() {
	if l.node != nil && !l.fresh {
		state := l.node.State()
		if l.table != nil {
			state.Replaced = l.table.Replaced()
		}
		l.up.send(fromChild{State: &state})
		l.fresh = true
	}
}

// perform carries out actions: the table in one piece, then words.
func (l *lvsLoop) perform(acts []lb.Action) {
	changed, removed := ipvsctl.Table{}, []ipvsctl.ServiceKey(nil)
	for i := range acts {
		switch a := &acts[i]; a.Kind {
		case lb.ActSet:
			changed[l.node.Plan().Services[a.Service].Key] = l.node.Want(a.Service)
		case lb.ActRemove:
			removed = append(removed, a.Key)
		case lb.ActLog:
			l.up.send(fromChild{Log: a.Text})
		case lb.ActNotify:
			edge := a.Edge
			l.up.send(fromChild{Server: &edge})
		}
	}
	if l.table != nil && len(changed)+len(removed) > 0 {
		l.table.Set(changed, removed)
	}
}

// kernel hears the IPVS door, on its goroutine.
func (l *lvsLoop) kernel(ev genl.Event) { l.log("%s", ev) }

// stop takes out what is ours, unless it is to be kept, then tells.
func (l *lvsLoop) stop(keep bool) error {
	l.probes.Close()
	var err error
	if l.table != nil {
		defer l.table.Close()
	}
	if l.node == nil || keep {
		return nil
	}
	if l.table != nil {
		err = l.table.Clear(l.node.Plan().FlushAtStop)
	}
	l.perform(l.node.Step(lb.Event{Kind: lb.EventStop}, nil))
	if err != nil {
		return fmt.Errorf("removing our IPVS services: %w", err)
	}
	return nil
}
