package notify

import (
	"sync"
	"time"

	"keepgo/confparse"
)

// patience is how long the next script of an object waits for the one before
// it. keepalived does not wait at all, so a flip can leave the scripts of the
// older state finishing last; one that never ends must not silence the rest.
const patience = 30 * time.Second

// haste is the same once the daemon is about to end: scripts that are told of
// the stop must have their time as well.
const haste = 300 * time.Millisecond

// Queue runs scripts: those of one object in order, one at a time; those of
// different objects side by side.
type Queue struct {
	run func(confparse.Command)
	log func(format string, args ...any)

	mu      sync.Mutex
	waiting map[string][]confparse.Command // an entry, perhaps empty, for every object at work
	running int                            // scripts
	idle    *sync.Cond
	hurry   chan struct{} // closed by Hurry
	once    sync.Once
}

// NewQueue makes a queue that runs each script by run, which returns when the
// script has ended.
func NewQueue(run func(confparse.Command), log func(format string, args ...any)) *Queue {
	q := &Queue{run: run, log: log, waiting: map[string][]confparse.Command{}, hurry: make(chan struct{})}
	q.idle = sync.NewCond(&q.mu)
	return q
}

// Post queues scripts for an object.
func (q *Queue) Post(object string, cmds ...confparse.Command) {
	if len(cmds) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	_, busy := q.waiting[object]
	q.waiting[object] = append(q.waiting[object], cmds...)
	if !busy {
		go q.work(object)
	}
}

// Hurry lets scripts wait hardly any more for those before them.
func (q *Queue) Hurry() { q.once.Do(func() { close(q.hurry) }) }

// Drain waits until every script has ended, or for the given time.
func (q *Queue) Drain(limit time.Duration) {
	expired := false
	timer := time.AfterFunc(limit, func() {
		q.mu.Lock()
		expired = true
		q.mu.Unlock()
		q.idle.Broadcast()
	})
	defer timer.Stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting)+q.running > 0 && !expired {
		q.idle.Wait()
	}
}

// work runs an object's scripts until none is left.
func (q *Queue) work(object string) {
	for {
		cmd, ok := q.next(object)
		if !ok {
			return
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			q.run(cmd)
			q.done()
		}()
		if !q.await(ended) {
			q.log("script %s of %s still runs, the next one starts beside it", cmd.Args[0], object)
		}
	}
}

// await gives a script its time to end and says whether it did.
func (q *Queue) await(ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	case <-time.After(patience):
		return false
	case <-q.hurry:
	}
	select {
	case <-ended:
		return true
	case <-time.After(haste):
		return false
	}
}

func (q *Queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running--
	q.idle.Broadcast()
}

func (q *Queue) next(object string) (confparse.Command, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	cmds := q.waiting[object]
	if len(cmds) == 0 {
		delete(q.waiting, object)
		q.idle.Broadcast()
		return confparse.Command{}, false
	}
	q.waiting[object] = cmds[1:]
	q.running++
	return cmds[0], true
}
