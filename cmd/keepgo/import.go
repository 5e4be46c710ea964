package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"keepgo/internal/importer"
	"keepgo/internal/ipvsadm"
	"keepgo/internal/ipvsadm/tool"
	"keepgo/ipvsctl/genl"
)

// savedTable is where RHEL keeps what ipvsadm saves, and debianTable Debian.
const (
	savedTable  = "/etc/sysconfig/ipvsadm"
	debianTable = "/etc/ipvsadm.rules"
)

// importLimit bounds a file to import.
const importLimit = 64 << 20

func importFlags(running *bool) *pflag.FlagSet {
	f := newFlags("import")
	f.BoolVar(running, "running", false, "from the table that stands in the kernel")
	return f
}

// runImport writes a configuration that programs the table of another tool.
func runImport(args []string, out, errs io.Writer) int {
	running := false
	f := importFlags(&running)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if f.NArg() > 1 || running && f.NArg() > 0 {
		fmt.Fprintf(errs, "usage: keepgo import %s\n", find("import").args)
		return exitUsage
	}
	src, err := importSource(running, f.Arg(0))
	if err != nil {
		fmt.Fprintf(errs, "keepgo import: %v\n", err)
		return exitFaulty
	}
	if len(src.Table) == 0 {
		fmt.Fprintf(errs, "keepgo import: there is no service in %s\n", src.Name)
		return exitFaulty
	}
	fmt.Fprint(out, src.Text())
	return exitOK
}

// importSource reads the kernel's table, a file, standard input for -, or the
// first of the usual files there is.
func importSource(running bool, name string) (importer.Source, error) {
	if running {
		return fromKernel()
	}
	if name == "" {
		name = savedTable
		if _, err := os.Stat(name); err != nil {
			name = debianTable
		}
	}
	in := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return importer.Source{}, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, importLimit))
	if err != nil {
		return importer.Source{}, fmt.Errorf("%s: %w", name, err)
	}
	if importer.IsScript(string(b)) {
		return importer.FromScript(name, string(b))
	}
	return importer.FromCommands(name, string(b), &tool.SystemNames{})
}

func fromKernel() (src importer.Source, err error) {
	k, err := genl.Dial()
	if err != nil {
		return src, err
	}
	defer k.Close()
	services, err := k.Services()
	if err != nil {
		return src, err
	}
	var list []ipvsadm.Listed
	for _, s := range services {
		servers, err := k.Servers(s.Key)
		if err != nil {
			return src, err
		}
		list = append(list, ipvsadm.Listed{ServiceListing: s, Servers: servers})
	}
	return importer.FromListing("the kernel's table", list), nil
}
