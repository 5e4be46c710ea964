package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"keepgo/confparse/syntax"
	"keepgo/internal/daemon"
)

// runCheck is the verb check: every fault of every file, with its place.
func runCheck(args []string, out, errs io.Writer) int {
	o := daemon.Defaults()
	f := pflag.NewFlagSet("keepgo check", pflag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVarP(&o.ConfigID, "config-id", "i", "", "`id` for @id lines (default: the host's name)")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return exitOK
		}
		fmt.Fprintf(errs, "keepgo check: %v\n", err)
		return exitUsage
	}
	files := f.Args()
	if len(files) == 0 {
		files = []string{o.File}
	}
	code := exitOK
	for _, o.File = range files {
		code = max(code, checkFile(o, out, errs))
	}
	return code
}

// checkFile prints the faults of one file. Warnings and notes are told, but do
// not count.
func checkFile(o daemon.Options, out, errs io.Writer) int {
	_, list, err := daemon.Read(o)
	if err != nil {
		fmt.Fprintf(errs, "keepgo check: %v\n", err)
		return exitFaulty
	}
	if err := list.Write(out, os.ReadFile); err != nil {
		fmt.Fprintf(errs, "keepgo check: %v\n", err)
		return exitFaulty
	}
	faults := list.Count(syntax.Failure)
	fmt.Fprintf(out, "%s: %d errors, %d warnings, %d notes\n", o.File, faults, list.Count(syntax.Warning), list.Count(syntax.Note))
	if faults > 0 {
		return exitFaulty
	}
	return exitOK
}
