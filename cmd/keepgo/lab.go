package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"keepgo/internal/lab"
)

// runLab is the verb lab: a configuration on a pair of directors in network
// namespaces of this machine.
func runLab(args []string, out, errs io.Writer) int {
	o := lab.Options{Out: out}
	f := labFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if f.NArg() != 1 {
		fmt.Fprintln(errs, "usage: keepgo lab FILE [--json]")
		return exitUsage
	}
	o.File = f.Arg(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := lab.Run(ctx, o); err != nil {
		fmt.Fprintf(errs, "keepgo lab: %v\n", err)
		return exitFaulty
	}
	return exitOK
}

func labFlags(o *lab.Options) *pflag.FlagSet {
	f := newFlags("lab")
	f.BoolVar(&o.JSON, "json", false, "print the outcome as one JSON document")
	f.StringVarP(&o.ConfigID, "config-id", "i", "", "`id` for @id lines (default: the host's name)")
	return f
}
