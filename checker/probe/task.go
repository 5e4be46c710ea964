package probe

import (
	"container/heap"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"keepgo/checker"
)

// task is one probe at work, for all checks that share it.
type task struct {
	key     checker.Key      // of what they share
	checks  []*checker.Check // equal but for whom they are made for
	damper  checker.Damper
	next    checker.Time       // when the next probe is due
	place   int                // in the schedule, -1 while it is not there
	cancel  context.CancelFunc // of the probe under way, nil none
	attempt *attempt           // that is under way, nil none

	gone, queued bool
	rescheduling bool // the last probe failed on this side: said once
	why          string
}

// schedule is the heap of the tasks that wait, by the time they are due.
type schedule []*task

// Len implements heap.Interface.
func (s schedule) Len() int { return len(s) }

// Less implements heap.Interface.
func (s schedule) Less(i, j int) bool { return s[i].next < s[j].next }

// Swap implements heap.Interface.
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push implements heap.Interface.
func (s *schedule) Push(x any) {
	t := x.(*task)
	t.place = len(*s)
	*s = append(*s, t)
}

// Pop implements heap.Interface.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	t := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	t.place = -1
	return t
}

// Set replaces all checks. One that was there (by Identity) keeps its verdict,
// and with equal timers its rhythm too; one that joins others hears their
// verdict; what is left starts afresh. It does not wait for probes that it
// calls off. The checks must not change any more, but for what is Known of them.
func (r *Runner) Set(checks []checker.Check) {
	identities.forget()
	patterns.forget()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return
	}
	stay := staysOf(r.checks, checks)
	r.checks = checks
	groups := shared(stay.fresh())
	left := r.keep(&stay, groups)
	known := byIdentity(left, len(groups) > 0)
	for key, group := range groups {
		r.tasks = append(r.tasks, r.begin(key, group, known))
	}
	for _, t := range left {
		r.stop(t)
	}
	r.began = true
	r.arm()
}

// keep goes on with the tasks that answer for a check now, whose groups it takes
// out, and returns the others. The caller holds mu.
func (r *Runner) keep(stay *stays, groups map[checker.Key][]*checker.Check) (left []*task) {
	tasks := r.tasks
	r.tasks = make([]*task, 0, len(tasks)+len(groups))
	for _, t := range tasks {
		group := stay.of(t.checks)
		if joins, ok := groups[t.key]; ok {
			delete(groups, t.key)
			group = inOrder(group, joins)
		}
		if len(group) == 0 {
			left = append(left, t)
			continue
		}
		r.tasks = append(r.tasks, t)
		r.hand(t, t.checks, group)
	}
	return left
}

// inOrder puts two groups together.
func inOrder(a, b []*checker.Check) []*checker.Check {
	if len(a) == 0 {
		return b
	}
	all := append(a, b...)
	slices.SortFunc(all, func(a, b *checker.Check) int { return int(a.ID - b.ID) })
	return all
}

// shared are the checks that one probe answers, by what they share. Of equal
// private ones each shares with itself alone.
func shared(checks []checker.Check) map[checker.Key][]*checker.Check {
	groups := make(map[checker.Key][]*checker.Check, len(checks))
	alike := map[checker.Key]uint64{}
	for i := range checks {
		c := &checks[i]
		key := c.Sharing()
		if c.Private {
			alike[key]++
			binary.NativeEndian.PutUint64(key[8:], binary.NativeEndian.Uint64(key[8:])+alike[key])
		}
		groups[key] = append(groups[key], c)
	}
	return groups
}

// byIdentity finds the task that knows of a check, where anybody is to ask.
func byIdentity(tasks []*task, asked bool) map[string]*task {
	if !asked {
		return nil
	}
	known := make(map[string]*task, len(tasks))
	for _, t := range tasks {
		for _, c := range t.checks {
			known[c.Identity()] = t
		}
	}
	return known
}

// begin starts a probe that is new, with what is known of one of its checks
// under other timers. The caller holds mu.
func (r *Runner) begin(key checker.Key, group []*checker.Check, known map[string]*task) *task {
	c := group[0]
	t := &task{key: key, checks: group, damper: checker.NewDamper(c, !r.began), next: r.now() + firstDelay + r.Spread(c.Warmup)}
	for i := 0; i < len(group) && len(known) > 0; i++ {
		if was := known[group[i].Identity()]; was != nil {
			t.damper, t.why = was.damper, was.why
			r.hand(t, was.checks, group)
			if was.queued {
				r.offer(t)
			}
			break
		}
	}
	heap.Push(&r.due, t)
	return t
}

// firstDelay is the time before the first probe, to which a part of the warmup
// comes that spreads the probes of many checks: check_api.c of keepalived.
const firstDelay = time.Second

// hand gives a task its checks of a new plan. Those of services that did not
// hear of it before hear its verdict. The caller holds mu.
func (r *Runner) hand(t *task, was, group []*checker.Check) {
	t.checks = group
	same := slices.EqualFunc(was, group, func(a, b *checker.Check) bool { return a.Service == b.Service })
	if !same && t.damper.Decided {
		r.offer(t)
	}
}

// stop calls a task off. The caller holds mu.
func (r *Runner) stop(t *task) {
	t.gone = true
	if t.cancel != nil {
		t.cancel()
	}
	if t.attempt != nil && r.poller.drop(t.attempt) {
		r.count.Busy--
		r.wg.Done()
	}
	if t.place >= 0 {
		heap.Remove(&r.due, t.place)
	}
}

// talkative says that failures are logged each.
func (t *task) talkative() bool {
	return slices.ContainsFunc(t.checks, func(c *checker.Check) bool { return c.LogAll })
}

// lines is what the log gets of one outcome: a change of the verdict, and with
// log_all_failures every failure. Trouble of this side is told when it begins.
func (t *task) lines(was checker.Damper, o checker.Outcome) []string {
	c, d := t.checks[0], t.damper
	began := o.Answer == checker.Local && !t.rescheduling
	t.rescheduling = o.Answer == checker.Local
	var lines []string
	if o.Phrase != "" && (began || o.Answer == checker.Failed && t.talkative() || o.Answer == checker.Passed && !was.Up) {
		lines = append(lines, o.Phrase)
	}
	switch {
	case was.Up && !d.Up, !was.Decided && d.Decided && !d.Up && o.Answer == checker.Failed:
		lines = append(lines, downLine(c, &o))
	case !was.Up && d.Up:
		lines = append(lines, kindOf(c).up(c))
	}
	return lines
}
