package notify

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// letterLimit bounds the letters that wait; of more, the oldest are dropped.
	letterLimit = 256
	// A failed attempt is repeated after backoffMin, and ever less often up to
	// backoffMax: a router that turns is often cut off for a moment itself.
	backoffMin = time.Second
	backoffMax = time.Minute
	// defaultPatience is longer than mail servers put off strangers.
	defaultPatience = 10 * time.Minute
)

// letter is a mail that waits.
type letter struct {
	all, to       []string // the recipients, and those that have not got it yet
	subject, body string
	id            string // Message-ID, the same at every attempt
	at            time.Time
	due           time.Time // of the next attempt
	tries         int
}

// Mailer sends mails, one after the other. Nobody who posts one waits.
type Mailer struct {
	log     Log
	deliver func(context.Context, MailOptions, *letter) result
	wake    chan struct{}
	closing chan struct{}
	done    chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
	once    sync.Once

	mu      sync.Mutex
	options MailOptions
	letters []*letter // the oldest first
	dropped losses
	posted  int
	hold    time.Time // while the server is down: when to try it again
	trials  int       // since it is down
}

// NewMailer makes a mailer that sends nothing until it has Options.
func NewMailer(log Log) *Mailer { return newMailer(log, deliver) }

func newMailer(log Log, send func(context.Context, MailOptions, *letter) result) *Mailer {
	m := &Mailer{
		log: log, deliver: send,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	go m.work()
	return m
}

// Apply replaces the options. Letters that wait keep their recipients and go
// through the new server; they are dropped if there is none.
func (m *Mailer) Apply(o MailOptions) {
	m.mu.Lock()
	m.options, m.hold, m.trials = o, time.Time{}, 0
	if !o.enabled() {
		m.dropped.n += len(m.letters)
		m.letters = nil
	}
	m.mu.Unlock()
	m.signal()
}

// Post queues a mail; without a server or a recipient there is none.
func (m *Mailer) Post(subject, body string) {
	m.mu.Lock()
	if o := &m.options; o.enabled() {
		now := time.Now()
		m.posted++
		m.letters = append(m.letters, &letter{
			all: o.To, to: o.To, subject: "[" + o.RouterID + "] " + subject, body: body, at: now, due: now,
			id: fmt.Sprintf("%d.%d.%d@%s", now.UnixNano(), os.Getpid(), m.posted, o.Helo),
		})
	}
	if n := len(m.letters) - letterLimit; n > 0 {
		m.letters = m.letters[n:]
		m.dropped.n += n
	}
	m.mu.Unlock()
	m.signal()
}

// Close sends what waits until ctx ends, and drops the rest.
func (m *Mailer) Close(ctx context.Context) {
	m.once.Do(func() { close(m.closing) })
	select {
	case <-m.done:
	case <-ctx.Done():
		m.cancel()
		<-m.done
	}
	m.cancel()
}

func (m *Mailer) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *Mailer) work() {
	defer close(m.done)
	defer m.tellDropped(true)
	for closing := m.closing; ; {
		m.tellDropped(false)
		l, o, wait := m.next()
		switch {
		case l != nil && wait <= 0:
			m.attempt(o, l)
			continue
		case l == nil && closing == nil:
			return
		}
		var again <-chan time.Time
		if wait > 0 {
			again = time.After(wait)
		}
		select {
		case <-m.wake:
		case <-again:
		case <-closing:
			closing = nil
		case <-m.ctx.Done():
			m.Apply(MailOptions{})
		}
	}
}

// next is the letter that is due first, the oldest of several, and how long it
// has to wait; without one, how long the next report has to.
func (m *Mailer) next() (l *letter, o MailOptions, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, c := range m.letters {
		if l == nil || c.due.Before(l.due) && l.due.After(now) {
			l = c
		}
	}
	if l == nil && m.dropped.n > 0 {
		return nil, m.options, m.dropped.due()
	}
	if l == nil {
		return nil, m.options, 0
	}
	return l, m.options, max(l.due.Sub(now), m.hold.Sub(now))
}

// attempt tries to send a letter and puts it off or away.
func (m *Mailer) attempt(o MailOptions, l *letter) {
	r := m.deliver(m.ctx, o, l)
	if r.refused != nil {
		m.log("mail %q refused: %s", l.subject, oneLine(r.refused))
	}
	if m.ctx.Err() == nil {
		m.tellTrouble(o, l, r)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.letters = slices.DeleteFunc(m.letters, func(c *letter) bool { return c == l && len(r.later) == 0 })
	if r.down {
		m.hold = now.Add(backoff(m.trials))
		m.trials++
	} else {
		m.hold, m.trials = time.Time{}, 0
		l.to, l.due = r.later, now.Add(backoff(l.tries))
		l.tries++
	}
	m.expire(now.Add(-o.patience()))
}

// tellTrouble tells of the first of several failures, and of their end.
func (m *Mailer) tellTrouble(o MailOptions, l *letter, r result) {
	m.mu.Lock()
	trials := m.trials
	m.mu.Unlock()
	switch {
	case !r.down && trials > 0:
		m.log("mail server %s port %d takes mails again, after %d attempts in vain", o.Server, o.Port, trials)
	case r.cause == nil:
	case r.down && trials == 0:
		m.log("mail server %s port %d: %s; trying again for %v", o.Server, o.Port, oneLine(r.cause), o.patience())
	case !r.down && l.tries == 0:
		m.log("mail %q put off: %s; trying again for %v", l.subject, oneLine(r.cause), o.patience())
	}
}

func backoff(tries int) time.Duration {
	return min(backoffMin<<min(tries, 10), backoffMax)
}

// expire drops the letters of the given time and before.
func (m *Mailer) expire(limit time.Time) {
	n := len(m.letters)
	m.letters = slices.DeleteFunc(m.letters, func(l *letter) bool { return !l.at.After(limit) })
	m.dropped.n += n - len(m.letters)
}

// tellDropped reports letters given up.
func (m *Mailer) tellDropped(last bool) {
	m.mu.Lock()
	n := m.dropped.report(last)
	m.mu.Unlock()
	if n > 0 {
		m.log("mails dropped: %d, the oldest of those that waited for the mail server", n)
	}
}

// oneLine is an error for the log; joined errors have a line each.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
