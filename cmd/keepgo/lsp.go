package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"keepgo/confparse/syntax"
	"keepgo/internal/lsp"
)

// lspFlags are the options of the verb lsp.
func lspFlags(env *syntax.Env) *pflag.FlagSet {
	f := newFlags("lsp")
	f.StringVarP(&env.ConfigID, "config-id", "i", hostID(), "`id` for @id lines")
	f.Bool("stdio", true, "talk on standard input and output, as always")
	return f
}

// runLSP is the verb lsp: a language server for editors, on standard input
// and output.
func runLSP(args []string, out, errs io.Writer) int {
	env := syntax.Env{Getenv: os.Getenv}
	f := lspFlags(&env)
	if code, done := parse(f, args, errs); done {
		return code
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
