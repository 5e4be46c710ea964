// Package observe asks for a virtual address again and again, from wherever it
// runs, and takes down how long nobody answered and who did.
package observe

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"keepgo/internal/lab/drill"
)

// Options say what to ask and how often.
type Options struct {
	VIP   netip.Addr
	Every time.Duration // 5 ms to 10 s
	Link  string        // where ARP and neighbour solicitations go; "" for where the route leads
	Port  uint16        // of TCP to connect to; 0 for none
	// Silent leaves ping out: of an address that may be this machine's own its
	// answers say nothing.
	Silent bool
}

// Bounds of Options.Every.
const (
	fastest = 5 * time.Millisecond
	slowest = 10 * time.Second
)

// Observer is at work until it is closed.
type Observer struct {
	every time.Duration
	stop  chan struct{}
	work  sync.WaitGroup
	once  sync.Once

	paused atomic.Bool

	mu      sync.Mutex
	seen    drill.Observation // without its series and owners
	owners  []owner
	tallies []*tally
	askers  []asker
}

// asker is one way to ask. Send asks with a number; listen tells answers with
// the number they are for, or -1 for the last, and the MAC they came from, until
// close.
type asker interface {
	means() string
	send(seq int)
	listen(answer func(seq int, mac string))
	close()
}

// Start begins to ask in every way that is possible here. What is not is noted;
// it is an error if nothing is.
func Start(o Options) (*Observer, error) {
	if o.Every < fastest || o.Every > slowest {
		return nil, fmt.Errorf("an interval of %v: it is %v to %v", o.Every, fastest, slowest)
	}
	host, _ := os.Hostname()
	now := time.Now()
	ob := &Observer{every: o.Every, stop: make(chan struct{}),
		seen: drill.Observation{Observer: host, VIP: o.VIP.String(), Began: now, EveryMS: o.Every.Milliseconds()}}
	var errs []error
	for _, open := range []func(Options) (asker, error){newResolver, newPinger, newConnector} {
		a, err := open(o)
		if err != nil {
			errs = append(errs, err)
			ob.seen.Notes = append(ob.seen.Notes, err.Error())
		} else if a != nil {
			ob.askers = append(ob.askers, a)
			ob.tallies = append(ob.tallies, &tally{Series: drill.Series{Means: a.means()}, slack: slackOf(o.Every)})
		}
	}
	if len(ob.askers) == 0 {
		return nil, errors.Join(errs...)
	}
	for i := range ob.askers {
		ob.work.Go(func() { ob.ask(i) })
		ob.work.Go(func() { ob.listen(i) })
	}
	return ob, nil
}

// Close ends it. What was seen stays.
func (ob *Observer) Close() {
	ob.once.Do(func() {
		close(ob.stop)
		for _, a := range ob.askers {
			a.close()
		}
	})
	ob.work.Wait()
}

// Seen is what was seen so far; an outage that lasts ends now.
func (ob *Observer) Seen() drill.Observation {
	ob.mu.Lock()
	defer ob.mu.Unlock()
	o := ob.seen
	o.Now = time.Now()
	o.Series = make([]drill.Series, len(ob.tallies))
	for i, t := range ob.tallies {
		o.Series[i] = t.told(o.Now)
	}
	for _, w := range ob.owners {
		if w.Gone = ob.tallies[w.tally].Asked-w.seq > ob.missable(); !w.Gone {
			w.Missed = time.Time{}
		}
		o.Owners = append(o.Owners, w.Owner)
	}
	return o
}

// Pause stops asking, and begins again without it.
func (ob *Observer) Pause(on bool) { ob.paused.Store(on) }

func (ob *Observer) ask(i int) {
	tick := time.NewTicker(ob.every)
	defer tick.Stop()
	for {
		if !ob.paused.Load() {
			ob.askers[i].send(ob.number(i, time.Now()))
		}
		select {
		case <-tick.C:
		case <-ob.stop:
			return
		}
	}
}

// number gives a question its number, and notes whose answer was one to the last.
func (ob *Observer) number(i int, now time.Time) int {
	ob.mu.Lock()
	defer ob.mu.Unlock()
	for k := range ob.owners {
		if w := &ob.owners[k]; w.tally == i && w.seq == ob.tallies[i].Asked && w.Missed.IsZero() {
			w.Missed = now
		}
	}
	ob.tallies[i].Asked++
	return ob.tallies[i].Asked
}

func (ob *Observer) listen(i int) {
	ob.askers[i].listen(func(seq int, mac string) {
		now := time.Now()
		ob.mu.Lock()
		defer ob.mu.Unlock()
		ob.tallies[i].answer(seq, now)
		if mac != "" {
			ob.own(mac, i, now)
		}
	})
}

// owner is who answered, and the number of the last question before its last
// answer. Questions are counted and not time: this process may have been kept
// from asking.
type owner struct {
	drill.Owner
	tally int // the series of its answers
	seq   int
}

// maxOwners bounds the list of who answered.
const maxOwners = 1000

// missable is how many questions in a row somebody may miss who is still there.
func (ob *Observer) missable() int { return int(slackOf(ob.every) / ob.every) }

// own notes who answered. After a pause it is another entry.
func (ob *Observer) own(mac string, tally int, now time.Time) {
	seq := ob.tallies[tally].Asked
	for i := len(ob.owners) - 1; i >= 0; i-- {
		w := &ob.owners[i]
		if w.MAC != mac {
			continue
		}
		if seq-w.seq > ob.missable() {
			break
		}
		w.To, w.seq, w.Missed = now, seq, time.Time{}
		return
	}
	if len(ob.owners) < maxOwners {
		ob.owners = append(ob.owners, owner{drill.Owner{MAC: mac, From: now, To: now}, tally, seq})
	}
}

// slackOf is how long an answer may be missing without a word: a busy machine is
// late.
func slackOf(every time.Duration) time.Duration { return max(3*every, 100*time.Millisecond) }

// tally counts one series.
type tally struct {
	drill.Series
	slack time.Duration
	last  int       // number of the newest question with an answer
	at    time.Time // of that answer
}

// answer takes in an answer to a question. One that comes after that to a later
// question counts for nothing. Without a number it may be that to an earlier
// question than the last, and only a pause shows a loss.
func (t *tally) answer(seq int, now time.Time) {
	exact := seq >= 0
	if !exact {
		seq = t.Asked
	}
	if seq <= t.last {
		return
	}
	if !t.at.IsZero() && seq > t.last+1 && (exact || now.Sub(t.at) > t.slack) {
		t.Add(drill.Outage{From: t.at, To: now, Lost: seq - t.last - 1})
	}
	t.Answered++
	t.last, t.at = seq, now
}

// told is the series with an outage that lasts.
func (t *tally) told(now time.Time) drill.Series {
	s := t.Series
	s.Outages = append([]drill.Outage(nil), s.Outages...)
	if !t.at.IsZero() && t.Asked > t.last+1 && now.Sub(t.at) > t.slack {
		s.Add(drill.Outage{From: t.at, To: now, Lost: t.Asked - t.last - 1})
	}
	return s
}
