// Package subagent keeps a session with the master agent of a host (RFC 2741):
// it answers what the master asks, and tells it what happens.
package subagent

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"keepgo/internal/agentx"
)

// Options are what an Agent serves, and where.
type Options struct {
	Socket string       // of the master, see Address
	Name   string       // how the master knows us
	ID     agentx.OID   // the same, as an identifier
	Trees  []agentx.OID // what is ours; none: there is no session but for notifications
}

// same says that a session for o is one for other too.
func (o *Options) same(other *Options) bool {
	return fmt.Sprint(*o) == fmt.Sprint(*other)
}

// Address takes apart what net-snmp calls an agentXSocket: a path, unix:PATH,
// tcp:HOST:PORT or HOST:PORT, tcp6:[ADDR]:PORT. Port 705 may be left out.
func Address(socket string) (network, address string, err error) {
	kind, rest, colon := strings.Cut(socket, ":")
	switch {
	case strings.HasPrefix(socket, "/"):
		return "unix", socket, nil
	case colon && kind == "unix":
		return "unix", rest, nil
	case colon && (kind == "tcp" || kind == "tcp4"):
		network, address = "tcp", rest
	case colon && (kind == "tcp6" || kind == "tcpv6" || kind == "tcpipv6"):
		network, address = "tcp6", rest
	case colon && (kind == "udp" || kind == "udp6" || kind == "ssh" || kind == "dtlsudp"):
		return "", "", fmt.Errorf("%q is no place of an AgentX master that can be used: give unix:PATH or tcp:HOST:PORT", socket)
	default:
		network, address = "tcp", socket
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), "705")
	}
	return network, address, nil
}

// trap is a notification that waits to be sent.
type trap struct {
	at   time.Time
	tell func() (agentx.OID, []agentx.Bind)
}

// Notifications wait for a master so long, and so many of them.
const (
	trapAge = 30 * time.Second
	traps   = 1024
)

// Between two attempts to find a master.
const (
	firstPause = time.Second
	longPause  = time.Minute
)

// Agent keeps a session with a master agent, from a goroutine of its own.
type Agent struct {
	answers agentx.Responder // of a new session
	log     func(format string, a ...any)

	set   chan *Options
	traps chan trap
	idle  chan chan struct{}
	stop  context.CancelFunc
	done  chan struct{}

	missed sync.Once // of notifications, told once
}

// New starts an agent without options, which does nothing yet. view makes what
// is told when a master asks, and write, which may be nil, puts in force what one
// sets (see agentx.Responder); both are called on the agent's goroutine.
func New(view func() agentx.View, write func([]agentx.Bind) (undo func(), err error), log func(format string, a ...any)) *Agent {
	ctx, stop := context.WithCancel(context.Background())
	a := &Agent{
		answers: agentx.Responder{View: view, Write: write}, log: log, stop: stop,
		set: make(chan *Options, 1), traps: make(chan trap, traps), done: make(chan struct{}), idle: make(chan chan struct{}),
	}
	go a.run(ctx)
	return a
}

// Set has the agent serve something else, or with nil nothing. It never blocks.
func (a *Agent) Set(o *Options) {
	for {
		select {
		case a.set <- o:
			return
		case <-a.set: // an older wish
		}
	}
}

// Notify sends a notification to the master, or keeps it for a short time until
// there is one. tell is asked for it, and for its objects, on the agent's
// goroutine; without an identifier there is none after all. It never blocks.
func (a *Agent) Notify(tell func() (id agentx.OID, objects []agentx.Bind)) {
	select {
	case a.traps <- trap{time.Now(), tell}:
	default:
		a.missed.Do(func() { a.log("SNMP: no master takes the notifications; more than %d are lost", traps) })
	}
}

// trapID is snmpTrapOID.0 of RFC 3418.
var trapID = agentx.MustOID("1.3.6.1.6.3.1.1.4.1.0")

// Close ends the agent once it has sent what it has to tell, but does not wait
// for that longer than limit.
func (a *Agent) Close(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	sent := make(chan struct{})
	select {
	case a.idle <- sent:
		select {
		case <-sent:
		case <-timer.C:
		}
	case <-timer.C:
	}
	a.stop()
	select {
	case <-a.done:
	case <-timer.C:
	}
}

// run is the agent's goroutine: it has sessions, one after the other.
func (a *Agent) run(ctx context.Context) {
	defer close(a.done)
	var o *Options
	pause, told := time.Duration(0), ""
	for {
		next, changed := a.rest(ctx, o, pause)
		if ctx.Err() != nil {
			return
		}
		if changed {
			o, pause = next, 0
		}
		if o == nil {
			continue
		}
		began, socket := time.Now(), o.Socket
		err := a.serve(ctx, &o, func() {
			a.log("SNMP: connected to the AgentX master at %s", socket)
			told = ""
		})
		if err == nil || time.Since(began) > longPause {
			pause = 0
		}
		if err == nil {
			continue
		}
		pause = min(max(2*pause, firstPause), longPause)
		if told != socket {
			a.log("SNMP: the AgentX master at %s: %v; it is tried again", socket, err)
		}
		told = socket
	}
}

// rest waits until the next attempt is due, or other options come. Without
// options only those end it.
func (a *Agent) rest(ctx context.Context, o *Options, pause time.Duration) (next *Options, changed bool) {
	var due <-chan time.Time
	if o != nil {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		due = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil, true
		case next := <-a.set:
			return next, true
		case sent := <-a.idle:
			close(sent) // there is nobody to send to
		case <-due:
			return nil, false
		}
	}
}

// serve has one session, until it breaks or something else is to be served:
// then the error is nil.
func (a *Agent) serve(ctx context.Context, o **Options, opened func()) error {
	s, err := dial(ctx, *o, a.log)
	if err != nil {
		return err
	}
	s.answers = a.answers
	opened()
	for _, tree := range (*o).Trees {
		if err := s.register(tree); err != nil {
			s.drop()
			return err
		}
	}
	again, err := a.talk(ctx, s, o)
	if again || err == nil {
		s.end()
	} else {
		s.drop()
	}
	return err
}

// talk goes on until the session breaks, or there are other options.
func (a *Agent) talk(ctx context.Context, s *session, o **Options) (orderly bool, err error) {
	pulse := time.NewTicker(heartbeat)
	defer pulse.Stop()
	for {
		select {
		case <-ctx.Done():
			return true, nil
		case next := <-a.set:
			if next == nil || !next.same(*o) {
				*o = next
				return true, nil
			}
		case p, more := <-s.in:
			if !more {
				return false, s.err
			}
			err = s.heard(&p)
		case t := <-a.traps:
			err = a.notify(s, t)
		case sent := <-a.idle:
			for len(a.traps) > 0 && err == nil {
				err = a.notify(s, <-a.traps)
			}
			close(sent)
		case <-pulse.C:
			err = s.beat()
		}
		if err != nil {
			return false, err
		}
	}
}

// notify sends a notification, unless it is an old story.
func (a *Agent) notify(s *session, t trap) error {
	if time.Since(t.at) > trapAge {
		a.missed.Do(func() { a.log("SNMP: notifications that no master took for %v are lost", trapAge) })
		return nil
	}
	id, objects := t.tell()
	if id == nil {
		return nil
	}
	binds := append([]agentx.Bind{{Name: trapID, Value: agentx.Value{Kind: agentx.ObjectID, OID: id}}}, objects...)
	return s.call(&agentx.Packet{Type: agentx.Notify, Binds: binds}, func(*agentx.Packet) {})
}
