package daemon

import (
	"os"
	"os/signal"

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
func listenSignals(o Options) chan os.Signal {
	signals := make(chan os.Signal, 32)
	signal.Notify(signals, unix.SIGHUP, unix.SIGTERM)
	signal.Notify(signals, dumpSignals...)
	disregard(unix.SIGPIPE)
	if o.IgnoreINT {
		disregard(unix.SIGINT)
	} else {
		signal.Notify(signals, unix.SIGINT)
	}
	return signals
}

// signal obeys one signal of keepalived(8).
func (p *parent) signal(s os.Signal) {
	switch s {
	case unix.SIGHUP:
		p.reload()
	case unix.SIGTERM, unix.SIGINT:
		p.stop()
	default:
		p.dump(s)
	}
}
