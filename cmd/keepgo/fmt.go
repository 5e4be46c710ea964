package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/pflag"

	"keepgo/confparse/format"
)

// fmtOptions are those of the verb fmt.
type fmtOptions struct {
	diff, write bool
}

// runFmt is the verb fmt: the text of files put in order.
func runFmt(args []string, out, errs io.Writer) int {
	var o fmtOptions
	f := fmtFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if f.NArg() == 0 {
		fmt.Fprintln(errs, "usage: keepgo fmt [-d|-w] FILE...")
		return exitUsage
	}
	code := exitOK
	for _, name := range f.Args() {
		changed, err := o.file(name, out)
		if err != nil {
			fmt.Fprintf(errs, "keepgo fmt: %v\n", err)
		}
		if err != nil || changed && o.diff {
			code = exitFaulty
		}
	}
	return code
}

func fmtFlags(o *fmtOptions) *pflag.FlagSet {
	f := newFlags("fmt")
	f.BoolVarP(&o.diff, "diff", "d", false, "print what would change; the exit status is 1 if anything would")
	f.BoolVarP(&o.write, "write", "w", false, "write the files")
	return f
}

// file puts one file in order and says whether that changes it.
func (o fmtOptions) file(name string, out io.Writer) (changed bool, err error) {
	old, err := os.ReadFile(name)
	if err != nil {
		return false, err
	}
	text, err := format.Source(name, old)
	if err != nil {
		return false, err
	}
	changed = !bytes.Equal(old, text)
	switch {
	case o.diff:
		_, err = out.Write(diff.Diff(name, old, name, text))
	case !o.write:
		_, err = out.Write(text)
	}
	if err == nil && o.write && changed {
		err = replace(name, text)
	}
	return changed, err
}

// replace gives a file another text at one stroke: whoever reads it meanwhile
// sees the old or the new. Its mode and its owner stay; of a link, the file it
// leads to is replaced.
func replace(name string, text []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	if err = fill(tmp, text, info); err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// fill writes a file that takes the place of another.
func fill(f *os.File, text []byte, like os.FileInfo) error {
	_, err := f.Write(text)
	if owner, ok := like.Sys().(*syscall.Stat_t); ok && err == nil {
		err = f.Chown(int(owner.Uid), int(owner.Gid))
	}
	if err == nil {
		err = f.Chmod(like.Mode())
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
