package daemon

import (
	"context"
	"os"
	"os/signal"
	"slices"

	"golang.org/x/sys/unix"
)

// Exit statuses of keepalived (its lib/scheduler.h).
const (
	exitOK         = 0
	exitFatal      = 1
	exitConfig     = 2
	exitPermission = 4
	exitNoConfig   = 6 // there is no configuration file
)

// The real-time signals of keepalived. Programs have their numbers built in:
// those of glibc, whose SIGRTMIN is 34 and whose SIGRTMAX is 64.
const (
	sigJSON       = unix.Signal(36) // SIGRTMIN + 2
	sigStatsClear = unix.Signal(63) // SIGRTMAX - 1
)

// Signals are the signals of keepalived(8) by the names of --signum.
var Signals = map[string]unix.Signal{
	"STOP": unix.SIGTERM, "RELOAD": unix.SIGHUP,
	"DATA": unix.SIGUSR1, "STATS": unix.SIGUSR2, "STATS_CLEAR": sigStatsClear, "JSON": sigJSON,
}

// dumpSignals are those that ask for a dump.
var dumpSignals = []os.Signal{unix.SIGUSR1, unix.SIGUSR2, sigStatsClear, sigJSON}

// listenSignals takes the signals of keepalived(8).
func (p *parent) listenSignals() {
	signal.Notify(p.signals, unix.SIGHUP, unix.SIGTERM)
	signal.Notify(p.signals, dumpSignals...)
	disregard(unix.SIGPIPE)
	if p.opts.IgnoreINT {
		disregard(unix.SIGINT)
	} else {
		signal.Notify(p.signals, unix.SIGINT)
	}
}

// endedDuring runs f and tells whether a signal that ends the daemon came before
// f was done: then its context ends. Other signals wait for the loop.
func (p *parent) endedDuring(f func(context.Context)) (ended bool) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() {
		f(ctx)
		close(done)
	}()
	var others []os.Signal
	for {
		select {
		case s := <-p.signals:
			if s == unix.SIGTERM || s == unix.SIGINT {
				ended = true
				cancel()
			} else if !slices.Contains(others, s) {
				others = append(others, s)
			}
		case <-done:
			p.later(others)
			return ended
		}
	}
}

// later puts signals where the loop will find them; a flood of signals that has
// filled the place has the same ones in it.
func (p *parent) later(signals []os.Signal) {
	for _, s := range signals {
		select {
		case p.signals <- s:
		default:
		}
	}
}

// execute executes a program in this process. SIGHUP would end it on its way to
// the first instruction that takes signals: it is ignored until then, for the
// program reads the configuration anyway.
func execute(path string, env []string) error {
	signal.Ignore(unix.SIGHUP)
	return unix.Exec(path, os.Args, env)
}

// signal obeys one signal of keepalived(8).
func (p *parent) signal(s os.Signal) {
	switch s {
	case unix.SIGHUP:
		p.reload()
	case unix.SIGTERM, unix.SIGINT:
		p.stop()
	default:
		p.dump(s, func() {})
	}
}
