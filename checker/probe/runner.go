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
// rhythm share one probe. All wait in one heap with one timer; a goroutine
// exists only while a probe is under way. Verdicts wait in the Runner until
// they are taken, so a slow taker holds up no probe: of a check that changed
// twice it sees the newer verdict.
type Runner struct {
	Options
	ready  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	origin time.Time // what checker.Time is counted from

	mu    sync.Mutex
	tasks map[string]*task // by checker.Check.Sharing
	due   schedule
	timer *time.Timer
	alarm checker.Time // when timer is to ring, -1 while it is not
	queue []*task      // with verdicts to take
	began bool         // the first Set is over
	count Count
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
	if o.Ask == nil {
		o.Ask = Once
	}
	if o.Spread == nil {
		o.Spread = spread
	}
	if o.Limit == 0 {
		o.Limit = limit()
	}
	r := &Runner{Options: o, ready: make(chan struct{}, 1), tasks: map[string]*task{}, origin: time.Now(), alarm: -1}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.timer = time.AfterFunc(time.Hour, r.wake)
	r.timer.Stop()
	return r
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
			dst = append(dst, t.damper.Result(c.ID, t.why))
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
	r.timer.Stop()
	for _, t := range r.tasks {
		r.stop(t)
	}
	r.tasks = nil
	r.mu.Unlock()
	r.wg.Wait()
	pingers.restore()
}

// now is the time on the clock of the tasks.
func (r *Runner) now() checker.Time { return time.Since(r.origin) }

// wake begins the probes that are due.
func (r *Runner) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alarm = -1
	for now := r.now(); r.pending() && r.due[0].next <= now+slack; {
		r.launch(heap.Pop(&r.due).(*task), now)
	}
	r.arm()
}

// pending says that a probe may begin when its time comes.
func (r *Runner) pending() bool {
	return len(r.due) > 0 && r.count.Busy < r.Limit && r.ctx.Err() == nil
}

// arm sets the timer to the next probe that is due. The caller holds mu.
func (r *Runner) arm() {
	if !r.pending() || r.due[0].next == r.alarm {
		return
	}
	r.alarm = r.due[0].next
	r.timer.Reset(max(r.alarm-r.now(), 0))
}

// launch begins a probe of t. The caller holds mu.
func (r *Runner) launch(t *task, now checker.Time) {
	r.count.Probes++
	if now-t.next > lateness {
		r.count.Late++
	}
	r.count.Busy++
	r.wg.Add(1)
	var ctx context.Context
	ctx, t.cancel = context.WithCancel(r.ctx)
	go r.probe(ctx, t, t.checks[0], t.damper.At, now)
}

// probe makes one probe of t, in a goroutine of its own.
func (r *Runner) probe(ctx context.Context, t *task, c *checker.Check, step int, start checker.Time) {
	defer r.wg.Done()
	o := r.Ask(ctx, c, step)
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
	t.cancel()
	t.cancel = nil
	was := t.damper
	d, report, wait := was.Step(o)
	t.damper, t.next = d, r.now()+wait
	if kindOf(t.checks[0]).fromStart {
		t.next = max(start+wait, r.now())
	}
	heap.Push(&r.due, t)
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
