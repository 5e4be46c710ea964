package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"keepgo/internal/failover"
)

// drillReportFlags are the options of drill report.
func drillReportFlags(o *drillOptions) *pflag.FlagSet {
	f := newFlags("drill report")
	observerFlag(f, o)
	reportFlags(f, o)
	return f
}

// runDrillReport is drill report: what came of a drill, with what observers saw
// whose files were not there yet.
func runDrillReport(args []string, out, errs io.Writer) int {
	var o drillOptions
	f := drillReportFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if f.NArg() != 1 {
		fmt.Fprintln(errs, "usage: keepgo drill report FILE [--observer FILE]... [--limits FILE] [--json] [--junit FILE] [--html FILE]")
		return exitUsage
	}
	o.In, o.Out = os.Stdin, out
	return o.told(errs, func(ctx context.Context) error { return failover.Again(ctx, o.Options, f.Arg(0)) })
}
