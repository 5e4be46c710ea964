package probe

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"keepgo/checker"
)

// Options are the parts of a Runner that tests replace.
type Options struct {
	// Log gets every line for the log; it is called from several goroutines.
	// nil drops them.
	Log func(string)
	// Ask makes a probe; nil means Once.
	Ask func(ctx context.Context, c *checker.Check, step int) checker.Outcome
	// Spread is the random part of the first delay, 0 up to limit; nil means
	// uniformly random.
	Spread func(limit time.Duration) time.Duration
}

// Runner repeats probes in their rhythm. An idle check costs one timer; a
// goroutine exists only while a probe is under way. Verdicts wait in the Runner
// until they are taken, so a slow taker holds up no probe: of a check that
// changed twice it sees the newer verdict.
type Runner struct {
	Options
	ready  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	tasks map[string][]*task // by identity; equal checks of one server share a key
	queue []*task            // with verdicts to take
	began bool               // the first Set is over
}

// task is one check at work.
type task struct {
	check  checker.Check
	damper checker.Damper
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelFunc

	busy, gone   bool
	queued       bool
	why          string
	rescheduling bool // the last probe failed on this side: said once
}

// NewRunner makes a Runner without checks.
func NewRunner(o Options) *Runner {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	if o.Ask == nil {
		o.Ask = Once
	}
	if o.Spread == nil {
		o.Spread = spread
	}
	r := &Runner{Options: o, ready: make(chan struct{}, 1), tasks: map[string][]*task{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func spread(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return rand.N(limit)
}

// Ready is readable while there are verdicts to take.
func (r *Runner) Ready() <-chan struct{} { return r.ready }

// Take appends the verdicts that are new since the last Take: the first of each
// check and every change after it. IDs are those of the last Set.
func (r *Runner) Take(dst []checker.Result) []checker.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.queue {
		t.queued = false
		if !t.gone {
			dst = append(dst, t.damper.Result(t.check.ID, t.why))
		}
	}
	clear(r.queue)
	r.queue = r.queue[:0]
	return dst
}

// Set replaces all checks. One that was there (by Identity) keeps its verdict,
// and with equal timers its rhythm too; others start afresh. It does not wait
// for probes that it calls off.
func (r *Runner) Set(checks []checker.Check) {
	identities.forget()
	patterns.forget()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return
	}
	old := r.tasks
	r.tasks = make(map[string][]*task, len(checks))
	for i := range checks {
		id := checks[i].Identity()
		if same := old[id]; len(same) > 0 {
			old[id] = same[1:]
			r.keep(same[0], checks[i])
			r.tasks[id] = append(r.tasks[id], same[0])
			continue
		}
		r.tasks[id] = append(r.tasks[id], r.begin(checks[i]))
	}
	for _, dropped := range old {
		for _, t := range dropped {
			t.stop()
		}
	}
	r.began = true
}

// Close ends every probe and waits until all have ended: at once, but for
// scripts that must be killed a few seconds.
func (r *Runner) Close() {
	r.mu.Lock()
	r.cancel()
	for _, tasks := range r.tasks {
		for _, t := range tasks {
			t.stop()
		}
	}
	r.tasks = nil
	r.mu.Unlock()
	r.wg.Wait()
	pingers.restore()
}

// begin starts a check that is new. The caller holds mu, so its first probe
// finds the task complete.
func (r *Runner) begin(c checker.Check) *task {
	t := &task{check: c, damper: checker.NewDamper(&c, !r.began)}
	t.ctx, t.cancel = context.WithCancel(r.ctx)
	t.timer = time.AfterFunc(r.firstDelay(&c), func() { r.probe(t) })
	return t
}

// firstDelay spreads the probes of many checks that begin together.
func (r *Runner) firstDelay(c *checker.Check) time.Duration {
	return time.Second + r.Spread(c.Warmup)
}

// keep gives a task its check of a new plan. The caller holds mu.
func (r *Runner) keep(t *task, c checker.Check) {
	was := t.damper
	t.damper = was.Retimed(&c)
	t.check = c
	if t.damper != was && !t.busy {
		t.timer.Reset(r.firstDelay(&c))
	}
}

// stop calls a task off. The caller holds mu.
func (t *task) stop() {
	t.gone = true
	t.timer.Stop()
	t.cancel()
}

// probe makes one probe of t, in a goroutine of its own.
func (r *Runner) probe(t *task) {
	r.mu.Lock()
	if t.gone || t.busy {
		r.mu.Unlock()
		return
	}
	t.busy = true
	r.wg.Add(1)
	c, step := t.check, t.damper.At
	r.mu.Unlock()
	defer r.wg.Done()

	start := time.Now()
	o := r.Ask(t.ctx, &c, step)
	for _, line := range r.settle(t, o, time.Since(start)) {
		r.Log(line)
	}
}

// settle takes the outcome of a probe, sets the time of the next and returns
// what the log should have of it.
func (r *Runner) settle(t *task, o checker.Outcome, took time.Duration) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.gone {
		return nil
	}
	was := t.damper
	d, report, wait := was.Step(o)
	t.busy, t.damper = false, d
	if kindOf(&t.check).fromStart {
		wait -= took
	}
	t.timer.Reset(max(wait, 0))
	if report {
		t.why = o.Why
		r.offer(t)
	}
	return t.lines(was, o)
}

// offer queues the verdict of t. The caller holds mu.
func (r *Runner) offer(t *task) {
	if !t.queued {
		t.queued = true
		r.queue = append(r.queue, t)
	}
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// lines is what the log gets of one outcome: a change of the verdict, and with
// log_all_failures every failure. Trouble of this side is told when it begins.
func (t *task) lines(was checker.Damper, o checker.Outcome) []string {
	c, d := &t.check, t.damper
	began := o.Answer == checker.Local && !t.rescheduling
	t.rescheduling = o.Answer == checker.Local
	var lines []string
	if o.Phrase != "" && (began || o.Answer == checker.Failed && c.LogAll || o.Answer == checker.Passed && !was.Up) {
		lines = append(lines, o.Phrase)
	}
	switch {
	case was.Up && !d.Up, !was.Decided && d.Decided && !d.Up:
		lines = append(lines, downLine(c, o.Why))
	case !was.Up && d.Up:
		lines = append(lines, kindOf(c).up(c))
	}
	return lines
}
