package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
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
	if f.NArg() < 1 || f.NArg() > 2 {
		fmt.Fprintln(errs, "usage: keepgo lab FILE [FILE_OF_THE_OTHER] [--drills] [--json]")
		return exitUsage
	}
	o.File, o.Other = f.Arg(0), f.Arg(1)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if os.Geteuid() != 0 {
		code, err := lab.Rootless(ctx, append([]string{"lab"}, args...), out, errs)
		if err != nil {
			fmt.Fprintf(errs, "keepgo lab: %v\n", err)
			return exitFaulty
		}
		return code
	}
	if err := lab.Run(ctx, o); err != nil {
		fmt.Fprintf(errs, "keepgo lab: %v\n", err)
		return exitFaulty
	}
	return exitOK
}

func labFlags(o *lab.Options) *pflag.FlagSet {
	f := newFlags("lab")
	f.BoolVar(&o.JSON, "json", false, "print the outcome as one JSON document")
	f.BoolVar(&o.Drills, "drills", false, "play every drill of the book, which takes some minutes")
	f.BoolVar(&o.SetClock, "set-clock", false, "let the drill of the clock set this machine's clock, and set it right after")
	f.StringVar(&o.Limits, "limits", "", "drill `file`: what each drill may cost (etc/drill.example)")
	f.StringVar(&o.JUnit, "junit", "", "write the outcome to a `file` as JUnit XML")
	f.StringVar(&o.HTML, "html", "", "write the outcome to a `file` as a page with time lines")
	f.StringVar(&o.Beside, "daemon", "", "play it with another `program` too, keepalived for one, and put both side by side")
	f.Func("data-plane", "`what` balances connections: ipvs, nftables, or ipvs,nftables for the one after the other, side by side", func(text string) error {
		o.Planes = strings.Split(text, ",")
		return lab.CheckPlanes(o.Planes)
	})
	f.StringVarP(&o.ConfigID, "config-id", "i", "", "`id` for @id lines (default: the host's name)")
	return f
}
