package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"keepgo/internal/control"
	"keepgo/internal/daemon"
	"keepgo/internal/show"
	"keepgo/internal/status"
)

// watchEvery is how often --watch and --follow ask.
const watchEvery = time.Second

// clearScreen goes home and erases what is below (ECMA-48).
const clearScreen = "\x1b[H\x1b[J"

// steerOptions are what the verbs have in common that ask a running daemon.
type steerOptions struct {
	control     string
	json, watch bool
}

// controlFlags are the options of a verb that asks a running daemon.
func controlFlags(verb string, o *steerOptions) *pflag.FlagSet {
	f := newFlags(verb)
	f.StringVar(&o.control, "control", daemon.Defaults().Control, "`path` of the control socket")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return f
}

func statusFlags(o *steerOptions) *pflag.FlagSet {
	f := controlFlags("status", o)
	f.BoolVarP(&o.watch, "watch", "w", false, "show it again every second, until interrupted")
	return f
}

func eventsFlags(o *steerOptions) *pflag.FlagSet {
	f := controlFlags("events", o)
	f.BoolVarP(&o.watch, "follow", "f", false, "go on with what happens, until interrupted")
	return f
}

// session is one verb's talk with the daemon.
type session struct {
	*control.Client
	ctx  context.Context
	o    *steerOptions
	out  io.Writer
	errs io.Writer
	verb string
}

// with parses the options of a verb and lets f talk with the daemon. Of
// operands there must be as many as f takes.
func with(verb string, f *pflag.FlagSet, o *steerOptions, operands string, args []string, out, errs io.Writer, talk func(*session, []string) error) int {
	if code, done := parse(f, args, errs); done {
		return code
	}
	if !enough(operands, f.NArg()) {
		fmt.Fprintf(errs, "usage: keepgo %s %s\n", verb, find(verb).args)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s := &session{Client: control.New(o.control), ctx: ctx, o: o, out: out, errs: errs, verb: verb}
	if err := talk(s, f.Args()); err != nil && ctx.Err() == nil {
		fmt.Fprintf(errs, "keepgo %s: %v\n", verb, err)
		return exitFaulty
	}
	return exitOK
}

// enough compares a number of operands with "0", "1" or a range such as "0-1".
func enough(operands string, n int) bool {
	low, high := 0, 0
	if k, _ := fmt.Sscanf(operands, "%d-%d", &low, &high); k == 1 {
		high = low
	}
	return n >= low && n <= high
}

// print prints a value as JSON, or as text if that is not asked for.
func (s *session) print(v any, text string) {
	if !s.o.json {
		fmt.Fprint(s.out, text)
		return
	}
	e := json.NewEncoder(s.out)
	if !s.o.watch {
		e.SetIndent("", "  ")
	}
	_ = e.Encode(v)
}

// again calls f until it fails or the session is interrupted; once if nothing
// is to be watched.
func (s *session) again(f func() error) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := f(); err != nil || !s.o.watch {
			return err
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return nil
		}
	}
}

// runStatus is the verb status: how the daemon is.
func runStatus(args []string, out, errs io.Writer) int {
	var o steerOptions
	return with("status", statusFlags(&o), &o, "0", args, out, errs, func(s *session, _ []string) error {
		return s.again(func() error {
			st, err := s.Status(s.ctx)
			if err != nil {
				return err
			}
			text := show.Status(st)
			if o.watch {
				text = clearScreen + text
			}
			s.print(st, text)
			return nil
		})
	})
}

// runEvents is the verb events: what happened.
func runEvents(args []string, out, errs io.Writer) int {
	var o steerOptions
	return with("events", eventsFlags(&o), &o, "0", args, out, errs, func(s *session, _ []string) error {
		var last uint64
		return s.again(func() error {
			var list []status.Event
			if err := s.Get(s.ctx, fmt.Sprintf("/events?after=%d", last), &list); err != nil {
				return err
			}
			if len(list) > 0 {
				last = list[len(list)-1].Number
				s.print(list, show.Events(list))
			}
			return nil
		})
	})
}

// runExplain is the verb explain: all about one instance or virtual server.
func runExplain(args []string, out, errs io.Writer) int {
	var o steerOptions
	return with("explain", controlFlags("explain", &o), &o, "1", args, out, errs, func(s *session, args []string) error {
		var e status.Explanation
		if err := s.Get(s.ctx, "/explain/"+url.PathEscape(args[0]), &e); err != nil {
			return err
		}
		s.print(&e, show.Explanation(&e))
		return nil
	})
}
