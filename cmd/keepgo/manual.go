package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"keepgo/internal/manual"
)

// runManual is the verb manual: what is known of a keyword, or of all.
func runManual(args []string, out, errs io.Writer) int {
	var page bool
	f := manualFlags(&page)
	if code, done := parse(f, args, errs); done {
		return code
	}
	switch {
	case page && f.NArg() == 0:
		fmt.Fprint(out, manual.Page(version))
	case page || f.NArg() > 1:
		fmt.Fprintln(errs, "usage: keepgo manual [KEYWORD|BLOCK], keepgo manual --man")
		return exitUsage
	case f.NArg() == 0:
		fmt.Fprint(out, manual.Overview())
	default:
		return tellKeyword(f.Arg(0), out, errs)
	}
	return exitOK
}

func manualFlags(page *bool) *pflag.FlagSet {
	f := newFlags("manual")
	f.BoolVar(page, "man", false, "write the man page keepgo.conf(5)")
	return f
}

func tellKeyword(name string, out, errs io.Writer) int {
	text, ok := manual.Lookup(name)
	if ok {
		fmt.Fprint(out, text)
		return exitOK
	}
	fmt.Fprintf(errs, "keepgo manual: there is no keyword %q", name)
	if near := manual.Near(name); len(near) > 0 {
		fmt.Fprintf(errs, "; did you mean %s?", strings.Join(near, ", "))
	}
	fmt.Fprintln(errs)
	return exitFaulty
}
