package watch

import (
	"bytes"
	"reflect"
	"time"
)

// maxComm is the length of a process' name, TASK_COMM_LEN of linux/sched.h
// without its NUL.
const maxComm = 15

// census counts the processes that trackers ask for. It knows neither the
// kernel nor the clock.
type census struct {
	trackers  []*tracker
	byComm    map[string][]*tracker
	byCommand map[string][]*tracker
	pids      map[int32][]*tracker // what a process counts for; those that count for nothing are absent
	longest   int                  // bytes of a command line that tell; 0: nobody asks for it
}

// tracker is a tracked process with what is known of it.
type tracker struct {
	of      Process
	args    []byte // Params as they stand in a command line, each with its NUL
	count   int
	was     int // count at the last step
	settled bool
	good    bool
	told    bool
	due     time.Time // when good turns unless the count returns; zero: it stands
}

// byCommandLine says whether the first word of the command line is compared,
// rather than the name the kernel keeps: with parameters it is, in keepalived
// too.
func (p *Process) byCommandLine() bool {
	return p.FullCommand || p.Match != ParamsIgnored || len(p.Params) > 0
}

// set replaces the trackers. One that stays as it was keeps its verdict and
// what is due; the counts are void until the processes were seen again.
func (c *census) set(want []Process) {
	old := map[string]*tracker{}
	for _, t := range c.trackers {
		old[t.of.Name] = t
	}
	*c = census{byComm: map[string][]*tracker{}, byCommand: map[string][]*tracker{}, pids: map[int32][]*tracker{}}
	for _, p := range want {
		t := old[p.Name]
		if t == nil || !reflect.DeepEqual(t.of, p) {
			t = newTracker(p)
		}
		t.told = false
		c.trackers = append(c.trackers, t)
		c.index(t)
	}
	c.recount()
}

func newTracker(p Process) *tracker {
	t := &tracker{of: p}
	for _, arg := range p.Params {
		t.args = append(append(t.args, arg...), 0)
	}
	return t
}

func (c *census) index(t *tracker) {
	if t.of.byCommandLine() {
		c.byCommand[t.of.Process] = append(c.byCommand[t.of.Process], t)
		c.longest = max(c.longest, len(t.of.Process)+1+len(t.args)+1)
		return
	}
	comm := t.of.Process[:min(len(t.of.Process), maxComm)]
	c.byComm[comm] = append(c.byComm[comm], t)
}

// recount begins a count of all processes.
func (c *census) recount() {
	clear(c.pids)
	for _, t := range c.trackers {
		t.count = 0
	}
}

// see counts a process as what it is now.
func (c *census) see(pid int32, comm, cmdline []byte) {
	c.gone(pid)
	c.add(pid, c.match(comm, cmdline))
}

// forked counts a child as its parent: it is the same program until it
// executes another.
func (c *census) forked(parent, child int32) {
	c.gone(child)
	c.add(child, c.pids[parent])
}

func (c *census) add(pid int32, counts []*tracker) {
	if len(counts) == 0 {
		return
	}
	c.pids[pid] = counts
	for _, t := range counts {
		t.count++
	}
}

func (c *census) gone(pid int32) {
	for _, t := range c.pids[pid] {
		t.count--
	}
	delete(c.pids, pid)
}

// match is what a process counts for.
func (c *census) match(comm, cmdline []byte) []*tracker {
	counts := c.byComm[string(comm)]
	name, args, _ := bytes.Cut(cmdline, []byte{0})
	if len(name) == 0 {
		return counts
	}
	shared := true // counts is the index's own
	for _, t := range c.byCommand[string(name)] {
		if !t.takes(args) {
			continue
		}
		if shared {
			counts, shared = append([]*tracker(nil), counts...), false
		}
		counts = append(counts, t)
	}
	return counts
}

// takes compares what follows the command in a command line.
func (t *tracker) takes(args []byte) bool {
	switch {
	case t.of.Match == ParamsInitial:
		return bytes.HasPrefix(args, bytes.TrimSuffix(t.args, []byte{0}))
	case t.of.Match == ParamsPartial:
		return bytes.HasPrefix(args, t.args)
	case t.of.Match == ParamsIgnored && len(t.of.Params) == 0:
		return true
	}
	return bytes.Equal(args, t.args)
}

// step compares the count with the quorum, and says whether the verdict is
// news. The first stands at once.
func (t *tracker) step(now time.Time) bool {
	enough := t.count >= t.of.Quorum && (t.of.QuorumMax < 0 || t.count <= t.of.QuorumMax)
	more := t.count > t.was
	t.was = t.count
	switch {
	case !t.settled:
		t.settled, t.due = true, now
	case enough == t.good:
		t.due = time.Time{}
		return false
	case t.due.IsZero():
		t.due = now.Add(t.delay(more))
	}
	if now.Before(t.due) {
		return false
	}
	t.good, t.due = enough, time.Time{}
	return true
}

// delay is how long a change must last. What counts is the way it came about:
// a fork that exceeds quorum_max waits for fork_delay, as keepalived's manual
// advises.
func (t *tracker) delay(more bool) time.Duration {
	if more {
		return t.of.ForkDelay
	}
	return t.of.TerminateDelay
}

// settle tells the verdicts that are news, and when the next may turn without
// an event; the zero time: none.
func (c *census) settle(now time.Time, tell func(name string, good bool)) (next time.Time) {
	for _, t := range c.trackers {
		if t.step(now) || !t.told {
			t.told = true
			tell(t.of.Name, t.good)
		}
		next = earlier(next, t.due)
	}
	return next
}

// earlier is the earlier of two times; the zero time is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
