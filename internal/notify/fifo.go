package notify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/confparse"
)

const (
	// backlogLimit bounds the lines, in bytes, that wait for room in the pipe.
	// The pipe itself holds 64 KiB (pipe(7)), so 4000 instances can fall and
	// rise once while nobody reads.
	backlogLimit = 256 << 10
	// A full pipe is tried again after retryMin, and ever less often up to
	// retryMax: nobody may be reading at all.
	retryMin = 20 * time.Millisecond
	retryMax = time.Second
	// farewell is how long a closing FIFO waits for its reader to catch up.
	farewell = time.Second
)

// Runner runs a script to its end and returns how that went wrong, nil for exit
// status 0. When ctx ends, the script gets SIGTERM.
type Runner func(ctx context.Context, c confparse.Command) error

// Log takes a message for the operator. It is called from several goroutines.
type Log func(format string, args ...any)

// FIFOOptions describe a named pipe and the program that reads it.
type FIFOOptions struct {
	Path        string             // absolute; "" is no FIFO
	User, Group string             // the owner of a FIFO made by us; "" as for scripts
	Mode        uint32             // of a FIFO made by us; 0 means 0600
	Script      *confparse.Command // started once, with the path as last argument; nil none
}

func (o FIFOOptions) equal(p FIFOOptions) bool {
	if o.Path != p.Path || o.User != p.User || o.Group != p.Group || (o.Script == nil) != (p.Script == nil) {
		return false
	}
	return o.Script == nil || o.Script.User == p.Script.User && o.Script.Group == p.Script.Group &&
		slices.Equal(o.Script.Args, p.Script.Args)
}

// FIFO writes lines to a named pipe. Nobody who writes to it waits: lines that
// find no room are kept in order, and of too many the oldest are lost. What is
// lost is counted and reported.
type FIFO struct {
	options FIFOOptions
	run     Runner
	log     Log

	wake    chan struct{} // a line waits
	closing chan struct{}
	closed  chan struct{} // the pipe is closed and, if it was ours, removed
	ended   chan struct{} // the script has ended; nil while none was started
	script  context.Context
	term    context.CancelFunc
	once    sync.Once

	mu      sync.Mutex
	backlog []string
	size    int // of the backlog, in bytes
	lost    losses

	// What follows belongs to the goroutine of the FIFO.
	pipe  pipe
	line  string        // taken from the backlog to be written; "" none
	sent  int           // bytes of it that are written
	pause time.Duration // until a full pipe is tried again
	fault string        // the last error told
}

// NewFIFO opens a FIFO as soon as those in after are closed. A path that cannot
// be opened is reported, and tried again whenever lines wait.
func NewFIFO(o FIFOOptions, run Runner, log Log, after ...*FIFO) *FIFO {
	f := &FIFO{
		options: o, run: run, log: log, pipe: pipe{fd: -1}, pause: retryMin,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), closed: make(chan struct{}),
	}
	f.script, f.term = context.WithCancel(context.Background())
	go f.work(after)
	return f
}

// Write hands over a line with its end. It never waits.
func (f *FIFO) Write(line string) {
	f.mu.Lock()
	f.backlog = append(f.backlog, line)
	f.size += len(line)
	for f.size > backlogLimit {
		f.pop()
		f.lost.n++
	}
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Terminate sends the script SIGTERM. keepalived does so at its stop, before the
// last lines are written: a script that wants them ignores the signal until it
// has read them.
func (f *FIFO) Terminate() { f.term() }

// Close writes what still finds room, for a second at most, removes the FIFO if
// it is one of ours, and ends the script. It waits for both until ctx ends.
func (f *FIFO) Close(ctx context.Context) {
	f.once.Do(func() { close(f.closing) })
	select {
	case <-f.closed:
	case <-ctx.Done():
		f.term()
		return
	}
	f.term()
	if f.ended == nil {
		return
	}
	select {
	case <-f.ended:
	case <-ctx.Done():
	}
}

func (f *FIFO) work(after []*FIFO) {
	defer close(f.closed)
	for _, old := range after {
		<-old.closed
	}
	for open := true; open; open = f.wait() {
		f.flush()
	}
	f.finish()
}

// wait returns when there may be something to do, false when it is to close.
func (f *FIFO) wait() (open bool) {
	var again <-chan time.Time
	f.mu.Lock()
	if len(f.backlog) > 0 || f.line != "" {
		again = time.After(f.pause)
		f.pause = min(2*f.pause, retryMax)
	} else if f.lost.n > 0 {
		again = time.After(f.lost.due())
	}
	f.mu.Unlock()
	select {
	case <-f.wake:
	case <-again:
	case <-f.closing:
		return false
	}
	return true
}

// flush writes what there is room for and says whether all of it was written.
func (f *FIFO) flush() bool {
	defer f.tellLoss(false)
	if err := f.ensure(); err != nil {
		f.tell(err)
		return false
	}
	for f.take() {
		n, err := f.pipe.write(f.line[f.sent:])
		f.sent += n
		if n > 0 {
			f.pause = retryMin
		}
		if err != nil {
			if !errors.Is(err, unix.EAGAIN) {
				f.tell(err)
			}
			return false
		}
	}
	return true
}

// take makes sure that there is a line to write, whole or the rest of one.
func (f *FIFO) take() bool {
	if f.sent < len(f.line) {
		return true
	}
	f.line, f.sent = "", 0
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.line == "" && len(f.backlog) > 0 {
		f.line = f.pop()
	}
	return f.line != ""
}

// ensure opens the pipe, or opens it anew when another hand took its path away.
func (f *FIFO) ensure() error {
	if f.pipe.fd >= 0 {
		if f.pipe.stands(f.options.Path) {
			return nil
		}
		f.log("FIFO %s was removed or replaced; opening it again", f.options.Path)
		f.pipe.close()
	}
	p, err := openPipe(f.options)
	if err != nil {
		return err
	}
	f.pipe, f.fault, f.sent = p, "", 0
	f.start()
	return nil
}

// start runs the script, once in the life of the FIFO.
func (f *FIFO) start() {
	if f.options.Script == nil || f.ended != nil {
		return
	}
	c := *f.options.Script
	c.Args = append(slices.Clone(c.Args), f.options.Path)
	f.ended = make(chan struct{})
	go func() {
		defer close(f.ended)
		err := f.run(f.script, c)
		switch {
		case f.script.Err() != nil:
		case err != nil:
			f.log("script %s of FIFO %s ended: %v; it is not started again", strings.Join(c.Args, " "), f.options.Path, err)
		default:
			f.log("script %s of FIFO %s ended; it is not started again", strings.Join(c.Args, " "), f.options.Path)
		}
	}()
}

// finish gives the reader a moment to make room, and closes.
func (f *FIFO) finish() {
	deadline := time.Now().Add(farewell)
	for !f.flush() && f.pipe.fd >= 0 && time.Now().Before(deadline) {
		<-time.After(retryMin)
	}
	f.mu.Lock()
	f.lost.n += len(f.backlog)
	if f.line != "" {
		f.lost.n++
	}
	f.line, f.backlog, f.size = "", nil, 0
	f.mu.Unlock()
	f.tellLoss(true)
	f.pipe.remove(f.options.Path)
	f.pipe.close()
}

// pop takes the oldest line that waits.
func (f *FIFO) pop() string {
	line := f.backlog[0]
	f.size -= len(line)
	f.backlog[0] = ""
	f.backlog = f.backlog[1:]
	return line
}

// tell reports an error once.
func (f *FIFO) tell(err error) {
	if text := err.Error(); text != f.fault {
		f.fault = text
		f.log("FIFO %s: %s", f.options.Path, text)
	}
}

// tellLoss reports lost lines.
func (f *FIFO) tellLoss(last bool) {
	f.mu.Lock()
	n := f.lost.report(last)
	f.mu.Unlock()
	if n > 0 {
		f.log("FIFO %s: %d lines lost, the oldest of those that waited; its reader is missing or too slow", f.options.Path, n)
	}
}
