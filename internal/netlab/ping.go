package netlab

import (
	"fmt"
	"net/netip"
	"sort"
	"sync"
	"time"

	"keepgo/internal/ping"
)

// Pinger sends ICMP echo requests to one address at a fixed rate and notes when
// answers came.
type Pinger struct {
	conn    *ping.Conn
	stop    chan struct{}
	stopped sync.WaitGroup
	once    sync.Once

	mu      sync.Mutex
	answers []time.Time
	sent    []request
}

// request is one echo request and what became of it.
type request struct {
	at       time.Time
	answered bool
}

// Ping starts to ping an address from the host, one request every interval.
// Close of the lab stops it.
func (h *Host) Ping(dst netip.Addr, every time.Duration) (*Pinger, error) {
	p := &Pinger{stop: make(chan struct{})}
	err := h.Do(func() (err error) {
		p.conn, err = ping.Dial(dst)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", h.Name, err)
	}
	p.stopped.Go(func() { p.send(every) })
	p.stopped.Go(p.receive)
	h.lab.onClose(p.Stop)
	return p, nil
}

// Stop ends the pinging; what was noted stays.
func (p *Pinger) Stop() {
	p.once.Do(func() {
		close(p.stop)
		p.conn.Close()
	})
	p.stopped.Wait()
}

func (p *Pinger) send(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for seq := 0; ; seq++ {
		p.mu.Lock()
		p.sent = append(p.sent, request{at: time.Now()})
		p.mu.Unlock()
		p.conn.Send(seq) // unreachable is an answer that did not come
		select {
		case <-tick.C:
		case <-p.stop:
			return
		}
	}
}

func (p *Pinger) receive() {
	for {
		seq, err := p.conn.Receive()
		if err != nil {
			return
		}
		p.answered(seq)
	}
}

// answered notes an answer to the newest request with a sequence number.
func (p *Pinger) answered(seq int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = append(p.answers, time.Now())
	last := len(p.sent) - 1
	if i := last - (last-seq)&0xffff; i >= 0 {
		p.sent[i].answered = true
	}
}

// AnsweredSince says whether an answer came after an instant.
func (p *Pinger) AnsweredSince(t time.Time) bool {
	return p.Last().After(t)
}

// Last is when the last answer came; the zero Time means none ever did.
func (p *Pinger) Last() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) == 0 {
		return time.Time{}
	}
	return p.answers[len(p.answers)-1]
}

// Gap is the longest time without an answer between an instant and now. What
// went before the instant does not count.
func (p *Pinger) Gap(since time.Time) time.Duration {
	from, to := p.Silence(since)
	return to.Sub(from)
}

// Silence is when the longest time without an answer between an instant and now
// began and ended. One that lasts ends now. Of a silence in which no request was
// lost the time does not count in which the pinger itself stood still.
func (p *Pinger) Silence(since time.Time) (from, to time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := since
	note := func(t time.Time) {
		if from.IsZero() || t.Sub(last) > to.Sub(from) {
			if idle := p.idle(last, t); from.IsZero() || t.Sub(last)-idle > to.Sub(from) {
				from, to = last.Add(idle), t
			}
		}
	}
	for _, t := range p.answers[p.after(since):] {
		note(t)
		last = t
	}
	note(time.Now())
	return from, to
}

// stands is the longest time between two requests, or a request and its answer,
// for which a pinger is not taken to stand still itself.
const stands = 50 * time.Millisecond

// idle is how long the pinger stood still between two instants: a busy machine
// lets it neither ask nor hear. Where a request was lost nothing is taken off.
func (p *Pinger) idle(from, to time.Time) (idle time.Duration) {
	i := sort.Search(len(p.sent), func(i int) bool { return p.sent[i].at.After(from) })
	last := from
	for ; i < len(p.sent) && p.sent[i].at.Before(to); i++ {
		r := p.sent[i]
		if !r.answered && time.Since(r.at) > stands {
			return 0
		}
		if d := r.at.Sub(last); d > stands {
			idle += d - stands
		}
		last = r.at
	}
	if d := to.Sub(last); d > stands {
		idle += d - stands
	}
	return idle
}

// AnsweredAfter is when the first answer after an instant came; false before it
// has.
func (p *Pinger) AnsweredAfter(t time.Time) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.after(t)
	if i == len(p.answers) {
		return time.Time{}, false
	}
	return p.answers[i], true
}

// after is the place of the first answer after an instant.
func (p *Pinger) after(t time.Time) int {
	return sort.Search(len(p.answers), func(i int) bool { return p.answers[i].After(t) })
}

// Lost counts the requests that went out between two instants, and those of
// them that no answer has come to.
func (p *Pinger) Lost(from, to time.Time) (sent, lost int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.sent {
		if r.at.Before(from) || r.at.After(to) {
			continue
		}
		sent++
		if !r.answered {
			lost++
		}
	}
	return sent, lost
}
