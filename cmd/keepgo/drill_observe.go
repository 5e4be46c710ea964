package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"keepgo/internal/observe"
)

// observeOptions are those of drill observe.
type observeOptions struct {
	observe.Options
	during time.Duration
	listen string
	json   bool
}

func observeFlags(o *observeOptions) *pflag.FlagSet {
	f := newFlags("drill observe")
	f.DurationVar(&o.Every, "every", 50*time.Millisecond, "`time` between two questions")
	f.DurationVar(&o.during, "for", 0, "end after `time` (default: when interrupted)")
	f.StringVar(&o.Link, "link", "", "`interface` to ask by ARP or neighbour solicitation on (default: that of the route)")
	f.Uint16Var(&o.Port, "port", 0, "connect to this TCP `port` too")
	f.StringVar(&o.listen, "listen", "", "tell what was seen so far at this `address` and port, over HTTP")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return f
}

// runObserve is drill observe: how a drill looks from here.
func runObserve(args []string, out, errs io.Writer) int {
	var o observeOptions
	f := observeFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	vip, err := netip.ParseAddr(f.Arg(0))
	if f.NArg() != 1 || err != nil {
		fmt.Fprintln(errs, "usage: keepgo drill observe VIP [--every TIME] [--for TIME] [--port PORT] [--listen ADDRESS:PORT] [--json]")
		return exitUsage
	}
	o.VIP = vip.Unmap()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := o.observe(ctx, out, errs); err != nil {
		fmt.Fprintf(errs, "keepgo drill observe: %v\n", err)
		return exitFaulty
	}
	return exitOK
}

func (o *observeOptions) observe(ctx context.Context, out, errs io.Writer) error {
	if o.during > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.during)
		defer cancel()
	}
	ob, err := observe.Start(o.Options)
	if err != nil {
		return err
	}
	defer ob.Close()
	if o.listen != "" {
		if err := ob.Serve(ctx, o.listen); err != nil {
			return err
		}
	}
	for _, note := range ob.Seen().Notes {
		fmt.Fprintf(errs, "keepgo drill observe: %s\n", note)
	}
	<-ctx.Done()
	seen := ob.Seen()
	if o.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(&seen)
	}
	fmt.Fprintln(out, seen.String())
	return nil
}
