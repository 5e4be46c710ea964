package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"keepgo/internal/daemon"
	"keepgo/internal/failover"
	"keepgo/internal/lab"
)

// drillVerbs are what keepgo drill does beside the drill itself, by the word
// behind it. An instance of such a name stands behind --.
var drillVerbs = map[string]func(args []string, out, errs io.Writer) int{"observe": runObserve, "report": runDrillReport, "traffic": runTraffic}

// drillOptions are those of a drill.
type drillOptions struct {
	failover.Options
	limits string
}

func drillFlags(o *drillOptions) *pflag.FlagSet {
	f := newFlags("drill")
	f.StringVar(&o.Control, "control", daemon.Defaults().Control, "`path` of the control socket")
	f.BoolVar(&o.Yes, "yes", false, "do it (default: look, and say what would be done)")
	f.BoolVar(&o.Return, "return", false, "take it back after --hold (default: it stays with the other director)")
	f.DurationVar(&o.Hold, "hold", 30*time.Second, "watch the other director serve for `time`")
	f.BoolVar(&o.Break, "break", false, "say priority 0 if nobody takes over otherwise")
	f.StringVar(&o.Peer, "peer", "", "the other director's status: the `url` of its metrics_listen, a file with what keepgo status --json printed there, or -")
	observerFlag(f, o)
	f.StringSliceVar(&o.Accept, "accept", nil, "go on in spite of a finding of this `key`")
	f.DurationVar(&o.Rest, "rest", 10*time.Minute, "the last drill must be this `time` ago")
	f.DurationVar(&o.Calm, "calm", 10*time.Minute, "the last change of state must be this `time` ago")
	reportFlags(f, o)
	return f
}

func observerFlag(f *pflag.FlagSet, o *drillOptions) {
	f.StringSliceVar(&o.Observers, "observer", nil, "what keepgo drill observe saw elsewhere: a `url` of its --listen, or a file with its JSON")
}

// reportFlags are how a drill is judged and told.
func reportFlags(f *pflag.FlagSet, o *drillOptions) {
	f.StringVar(&o.limits, "limits", "", "drill `file`: what each scene may cost (etc/drill.example; default: a gap of 10 s)")
	f.BoolVar(&o.JSON, "json", false, "print the outcome as one JSON document")
	f.StringVar(&o.JUnit, "junit", "", "write the outcome to a `file` as JUnit XML")
	f.StringVar(&o.HTML, "html", "", "write the outcome to a `file` as a page with time lines")
}

// runDrill is the verb drill: a failover drill on the running pair.
func runDrill(args []string, out, errs io.Writer) int {
	if len(args) > 0 && drillVerbs[args[0]] != nil {
		return drillVerbs[args[0]](args[1:], out, errs)
	}
	var o drillOptions
	f := drillFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if f.NArg() != 1 || o.Hold < 0 {
		fmt.Fprintf(errs, "usage: keepgo drill %s\n", find("drill").args)
		return exitUsage
	}
	o.Name, o.In, o.Out = f.Arg(0), os.Stdin, out
	return o.told(errs, func(ctx context.Context) error { return failover.Run(ctx, o.Options) })
}

// told reads the limits, does something until it is interrupted or the terminal
// goes, and makes an exit status of what came of it.
func (o *drillOptions) told(errs io.Writer, f func(context.Context) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	var err error
	if o.Limits, err = lab.Limits(o.limits); err == nil {
		err = f(ctx)
	}
	switch {
	case err == nil:
		return exitOK
	case !errors.Is(err, failover.ErrFailed):
		fmt.Fprintf(errs, "keepgo drill: %v\n", err)
	}
	return exitFaulty
}

// allDrillFlags are those of the drill and of the words behind it, for shells.
func allDrillFlags() *pflag.FlagSet {
	f := drillFlags(&drillOptions{})
	f.AddFlagSet(observeFlags(&observeOptions{}))
	f.AddFlagSet(trafficFlags(&trafficOptions{}))
	return f
}
