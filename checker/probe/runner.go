package probe

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/checker"
)

// Options are the parts of a Runner that tests replace.
type Options struct {
	// Log gets every line for the log; it is called from several goroutines.
	// nil drops them.
	Log func(string)
	// Ask makes a probe; nil means Once.
	Ask func(ctx context.Context, c *checker.Check, step int) checker.Outcome
	// Limit bounds the probes under way at a time; 0 means a fourth of the files
	// this process may open. Those beyond wait, and count as late.
	Limit int
	// Spread is the random part of the first delay, 0 up to limit; nil means
	// uniformly random.
	Spread func(limit time.Duration) time.Duration
}

// Runner repeats probes in their rhythm. Checks that ask the same in the same
// rhythm share one probe. All wait in one heap with one timer. Plain probes are
// led by their sockets; of others, a goroutine exists only while one is under way. Verdicts wait in the Runner until
// they are taken, so a slow taker holds up no probe: of a check that changed
// twice it sees the newer verdict.
type Runner struct {
	Options
	ready  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	origin time.Time                 // what checker.Time is counted from
	poller *poller                   // of attempts; nil where every probe has a goroutine
	bell   func(after time.Duration) // has wake called after a time

	mu     sync.Mutex
	checks []checker.Check // of the last Set
	tasks  []*task
	due    schedule
	alarm  checker.Time // when timer is to ring, -1 while it is not
	queue  []*task      // with verdicts to take
	began  bool         // the first Set is over
	waking bool         // probes are being begun: the timer rests
	count  Count
}

// Count is what a Runner does, and did since its start.
type Count struct {
	Checks int    // that are to be made
	Tasks  int    // probes that answer for them all
	Busy   int    // of them, those under way
	Probes uint64 // that began
	Late   uint64 // of them, those that began more than 100 ms after their time
}

const (
	// lateness is how long after its time a probe may begin.
	lateness = 100 * time.Millisecond
	// slack is how long before its time a probe may begin: those that are due
	// together begin together, and the process wakes up less often.
	slack = 10 * time.Millisecond
	// mostBusy bounds the probes under way where files are plenty.
	mostBusy = 16384
)

// NewRunner makes a Runner without checks.
func NewRunner(o Options) *Runner {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	var p *poller
	if o.Ask == nil {
		o.Ask, p = Once, newPoller()
	}
	if o.Spread == nil {
		o.Spread = spread
	}
	if o.Limit == 0 {
		o.Limit = limit()
	}
	r := &Runner{Options: o, ready: make(chan struct{}, 1), origin: time.Now(), alarm: -1, poller: p}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	if r.bell = r.timer(); p != nil {
		r.bell = p.turn.set
		go p.serve(r)
	}
	return r
}

// timer is a bell without a poller.
func (r *Runner) timer() func(time.Duration) {
	timer := time.AfterFunc(time.Hour, func() {
		for r.wake() {
		}
	})
	timer.Stop()
	return func(after time.Duration) { timer.Reset(after) }
}

// limit is a fourth of the files this process may open: a script has three.
func limit() int {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return 64
	}
	return int(min(max(files.Cur/4, 16), mostBusy))
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
		if t.gone {
			continue
		}
		for _, c := range t.checks {
			dst = append(dst, t.damper.Result(c, t.why))
		}
	}
	clear(r.queue)
	r.queue = r.queue[:0]
	return dst
}

// Count tells what is done and was done.
func (r *Runner) Count() Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.count
	n.Tasks = len(r.tasks)
	for _, t := range r.tasks {
		n.Checks += len(t.checks)
	}
	return n
}

// Close ends every probe and waits until all have ended: at once, but for
// scripts that must be killed a few seconds.
func (r *Runner) Close() {
	r.mu.Lock()
	r.cancel()
	for _, t := range r.tasks {
		r.stop(t)
	}
	r.tasks = nil
	r.mu.Unlock()
	r.wg.Wait()
	if r.poller != nil {
		r.poller.close()
	}
	pingers.restore()
}

// now is the time on the clock of the tasks.
func (r *Runner) now() checker.Time { return time.Since(r.origin) }

// wake begins probes that are due, some at a time: it tells whether there are
// more.
func (r *Runner) wake() (more bool) {
	var room [batch]*attempt
	plain, more := r.start(room[:0])
	if len(plain) > 0 {
		r.poller.lead(plain, r)
	}
	return more
}

// start launches what is due, up to a batch of attempts, which the caller leads.
func (r *Runner) start(plain []*attempt) (_ []*attempt, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waking = true
	for now := r.now(); r.pending() && r.due[0].next <= now+slack; {
		if len(plain) == cap(plain) {
			return plain, true
		}
		if a := r.launch(heap.Pop(&r.due).(*task), now); a != nil {
			plain = append(plain, a)
		}
	}
	r.waking, r.alarm = false, -1
	r.arm()
	return plain, false
}

// pending says that a probe may begin when its time comes.
func (r *Runner) pending() bool {
	return len(r.due) > 0 && r.count.Busy < r.Limit && r.ctx.Err() == nil
}

// arm sets the timer to the next probe that is due. The caller holds mu.
func (r *Runner) arm() {
	if r.waking || !r.pending() || r.due[0].next == r.alarm {
		return
	}
	r.alarm = r.due[0].next
	r.bell(max(r.alarm-r.now(), 0))
}

// launch begins a probe of t: in a goroutine of its own, or as an attempt for the
// caller to lead. The caller holds mu.
func (r *Runner) launch(t *task, now checker.Time) *attempt {
	r.count.Probes++
	if now-t.next > lateness {
		r.count.Late++
	}
	r.count.Busy++
	r.wg.Add(1)
	c, step := t.checks[0], t.damper.At
	if r.poller != nil && plain(c, step) {
		t.attempt = &attempt{task: t, check: c, step: step, fd: -1, place: -1}
		return t.attempt
	}
	go r.probe(r.callable(t), t, c, step, now)
	return nil
}

// callable is a context of a probe of t, which ends when t is called off. The
// caller holds mu.
func (r *Runner) callable(t *task) (ctx context.Context) {
	ctx, t.cancel = context.WithCancel(r.ctx)
	return ctx
}

// probe makes one probe of t, in a goroutine of its own.
func (r *Runner) probe(ctx context.Context, t *task, c *checker.Check, step int, start checker.Time) {
	r.finish(t, r.Ask(ctx, c, step), start)
}

// finish tells the outcome of a probe.
func (r *Runner) finish(t *task, o checker.Outcome, start checker.Time) {
	defer r.wg.Done()
	for _, line := range r.settle(t, o, start) {
		r.Log(line)
	}
}

// settle takes the outcome of a probe, sets the time of the next and returns
// what the log should have of it.
func (r *Runner) settle(t *task, o checker.Outcome, start checker.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.arm()
	r.count.Busy--
	if t.gone {
		return nil
	}
	if t.cancel != nil {
		t.cancel()
	}
	t.cancel, t.attempt = nil, nil
	was := t.damper
	d, report, wait := was.Step(t.checks[0], o)
	t.damper, t.next = d, r.next(t, start, wait)
	heap.Push(&r.due, t)
	if report {
		t.why = o.Why
		r.offer(t)
	}
	return t.lines(was, o)
}

// next is when t is due again, wait after the probe that began at start and is
// over now. By how much this side began too late or too early is made good, so
// that it does not add up, but for a fourth of the wait at most.
func (r *Runner) next(t *task, start checker.Time, wait time.Duration) checker.Time {
	now := r.now()
	if kindOf(t.checks[0]).fromStart {
		return max(start+wait, now)
	}
	lag := min(max(start-t.next, -slack), wait/4)
	return max(now-lag+wait, now)
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

// attempted takes the outcome of an attempt.
func (r *Runner) attempted(a *attempt, o checker.Outcome) {
	a.free()
	r.finish(a.task, explained(a.check, o), a.start.Sub(r.origin))
}

// stream goes on with an attempt whose answer is too long to keep.
func (r *Runner) stream(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.task.attempt = nil
	ctx := r.callable(a.task)
	if a.task.gone {
		a.task.cancel()
	}
	go func() { r.finish(a.task, explained(a.check, a.stream(ctx)), a.start.Sub(r.origin)) }()
}
