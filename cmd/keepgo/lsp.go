package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"keepgo/confparse/syntax"
	"keepgo/internal/lsp"
)

// runLSP is the verb lsp: a language server for editors, on standard input
// and output.
func runLSP(args []string, out, errs io.Writer) int {
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	env := syntax.Env{Getenv: os.Getenv}
	f := pflag.NewFlagSet("keepgo lsp", pflag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVarP(&env.ConfigID, "config-id", "i", host, "`id` for @id lines")
	f.Bool("stdio", true, "talk on standard input and output, as always")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return exitOK
		}
		fmt.Fprintf(errs, "keepgo lsp: %v\n", err)
		return exitUsage
	}
	if f.NArg() > 0 {
		fmt.Fprintln(errs, "usage: keepgo lsp [-i ID]; an editor starts it (docs/editors.md)")
		return exitUsage
	}
	err := lsp.Serve(os.Stdin, out, lsp.Options{Files: os.DirFS("/"), Env: env, Version: version, Log: errs})
	if err != nil {
		fmt.Fprintf(errs, "keepgo lsp: %v\n", err)
		return exitFaulty
	}
	return exitOK
}
