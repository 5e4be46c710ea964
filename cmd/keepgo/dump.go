package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"keepgo/confparse"
	"keepgo/confparse/format"
	"keepgo/confparse/syntax"
	"keepgo/internal/daemon"
)

// dumpOptions are those of the verb dump.
type dumpOptions struct {
	daemon.Options
	secrets bool
}

// runDump is the verb dump: what a configuration comes to, as plain statements.
func runDump(args []string, out, errs io.Writer) int {
	o := dumpOptions{Options: daemon.Defaults()}
	f := dumpFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if f.NArg() != 1 {
		fmt.Fprintln(errs, "usage: keepgo dump [--secrets] FILE")
		return exitUsage
	}
	o.File = f.Arg(0)
	_, list, err := daemon.Read(o.Options)
	if err == nil {
		_, err = out.Write(format.Dump(o.tree(), o.secrets))
	}
	if err != nil {
		fmt.Fprintf(errs, "keepgo dump: %v\n", err)
		return exitFaulty
	}
	if n := list.Count(syntax.Failure); n > 0 {
		fmt.Fprintf(errs, "keepgo dump: %s has %d errors; 'keepgo check %s' shows them\n", o.File, n, o.File)
		return exitFaulty
	}
	return exitOK
}

// tree reads the statements of the file.
func (o dumpOptions) tree() *syntax.Tree {
	env := syntax.Env{ConfigID: o.ConfigID, Getenv: os.Getenv, Random: rand.IntN, Grammar: confparse.Grammar()}
	if env.ConfigID == "" {
		env.ConfigID = hostID()
	}
	tree, _ := syntax.Parse(os.DirFS("/"), absolute(o.File), env) // daemon.Read told what is wrong
	return tree
}

func dumpFlags(o *dumpOptions) *pflag.FlagSet {
	f := newFlags("dump")
	f.StringVarP(&o.ConfigID, "config-id", "i", "", "`id` for @id lines (default: the host's name)")
	f.BoolVar(&o.secrets, "secrets", false, "show passwords")
	return f
}

// hostID is the id of @id lines where none is given: the host's name up to its
// first dot.
func hostID() string {
	host, _ := os.Hostname()
	id, _, _ := strings.Cut(host, ".")
	return id
}
