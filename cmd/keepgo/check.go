package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/spf13/pflag"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/advice"
	"keepgo/internal/daemon"
	"keepgo/internal/lb"
)

// checkOptions are those of the verb check.
type checkOptions struct {
	daemon.Options
	format string
	host   bool
	noPair bool
}

// formats of the findings.
const (
	formatText  = "text"
	formatJSON  = "json"
	formatSARIF = "sarif"
)

// checkGC is how much the heap may grow between two collections, in percent.
const checkGC = 10

// runCheck is the verb check: every fault of every file, with its place, and
// what two files do as a pair.
func runCheck(args []string, out, errs io.Writer) int {
	o := checkOptions{Options: daemon.Defaults()}
	f := checkFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if !slices.Contains([]string{formatText, formatJSON, formatSARIF}, o.format) {
		fmt.Fprintf(errs, "keepgo check: --format %s is none of text, json and sarif\n", o.format)
		return exitUsage
	}
	files := f.Args()
	if len(files) == 0 {
		files = []string{o.File}
	}
	// A check is short: memory counts for more than the time that collecting takes.
	debug.SetGCPercent(checkGC)
	r := o.check(files)
	if err := r.write(o.format, out, errs); err != nil {
		fmt.Fprintf(errs, "keepgo check: %v\n", err)
		return exitFaulty
	}
	return r.exit()
}

func checkFlags(o *checkOptions) *pflag.FlagSet {
	f := newFlags("check")
	f.StringVarP(&o.ConfigID, "config-id", "i", "", "`id` for @id lines (default: the host's name)")
	f.StringVar(&o.format, "format", formatText, "`format` of the findings: text, json or sarif")
	f.BoolVar(&o.host, "host", false, "hold the names of interfaces, scripts and users against this machine")
	f.BoolVar(&o.noPair, "no-pair", false, "two files are not the two directors of a pair")
	return f
}

// check reads the files and, of two, what they do together.
func (o checkOptions) check(files []string) *report {
	r := &report{rules: map[*syntax.Error]string{}}
	var read []*advice.File
	for _, name := range files {
		o.File = name
		if f := o.checkFile(r); f != nil {
			read = append(read, f)
		}
	}
	if len(files) == 2 && len(read) == 2 && !o.noPair {
		r.pair = advice.Compare(read[0], read[1])
		r.add(rulePair, r.pair.Findings, read...)
		r.lists = append(r.lists, findings{"pair", r.pair.Findings})
	}
	if len(files) == 1 && len(read) == 1 && r.exit() == exitOK {
		r.outlook = advice.Foresee(read[0])
	}
	return r
}

// checkFile adds the findings of one file. It returns nil for one that cannot
// be read.
func (o checkOptions) checkFile(r *report) *advice.File {
	cfg, list, err := daemon.Read(o.Options)
	if err != nil {
		r.unreadable = append(r.unreadable, unreadable{o.File, err})
		return nil
	}
	tree := sync.OnceValue(func() *syntax.Tree { return daemon.Parse(o.Options) })
	f := &advice.File{Label: o.File, Name: absolute(o.File), Config: cfg, Places: advice.NewPlaces(tree)}
	r.add(ruleFile, list, f)
	planned := unplannable(cfg, list)
	r.add(ruleFile, planned, f)
	list = append(list, planned...)
	hints := advice.Check(f)
	r.add(ruleAdvice, hints, f)
	list = append(list, hints...)
	if o.host {
		faults := hostFaults(cfg)
		r.add(ruleHost, faults, f)
		list = append(list, faults...)
	}
	if len(hints)+len(planned) > 0 || o.host { // else they are in the order of the text
		list.Sort(order(tree().Files, f))
	}
	r.lists = append(r.lists, findings{o.File, list})
	return f
}

// unplannable is what cannot be balanced as it is written, unless something was
// found there already. Only with groups, or without IPVS, is there anything that
// the text does not show, and planning takes longer than reading.
func unplannable(cfg *confparse.Config, found syntax.ErrorList) (list syntax.ErrorList) {
	if len(cfg.ServerGroups) == 0 && cfg.Global.DataPlane != confparse.PlaneNFTables {
		return nil
	}
	told := map[syntax.Pos]bool{}
	for _, e := range found {
		told[e.Pos] = true
	}
	_, problems := lb.Build(cfg)
	for _, e := range problems {
		if !told[e.Pos] {
			list = append(list, e)
		}
	}
	return list
}

// order is the files of a configuration as they were read, by the names the user
// gave.
func order(files []string, f *advice.File) []string {
	names := slices.Clone(files)
	for i, name := range names {
		if name == f.Name {
			names[i] = f.Label
		}
	}
	return names
}

// hostFaults holds a configuration against this machine.
func hostFaults(cfg *confparse.Config) syntax.ErrorList {
	return append(confparse.CheckHost(cfg, host{}), unsafeScripts(cfg)...)
}

// absolute is a file's name as places in it have it.
func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// findings are those of one file, or of the pair.
type findings struct {
	of   string
	list syntax.ErrorList
}

// unreadable is a file that gave no configuration.
type unreadable struct {
	name string
	err  error
}

// report is all that the verb check has to say.
type report struct {
	lists      []findings
	unreadable []unreadable
	rules      map[*syntax.Error]string
	pair       *advice.Report
	outlook    []advice.Outlook // of one file that has no errors
}

// add keeps where findings come from, and gives their files the names that the
// user gave.
func (r *report) add(rule string, list syntax.ErrorList, files ...*advice.File) {
	for _, e := range list {
		r.rules[e] = rule
		for _, f := range files {
			if e.Pos.File == f.Name {
				e.Pos.File = f.Label
			}
		}
	}
}

// exit is the exit status: only errors count.
func (r *report) exit() int {
	faulty := len(r.unreadable) > 0
	for _, l := range r.lists {
		faulty = faulty || l.list.Count(syntax.Failure) > 0
	}
	if faulty {
		return exitFaulty
	}
	return exitOK
}

func (r *report) write(format string, out, errs io.Writer) error {
	switch format {
	case formatJSON:
		return r.writeJSON(out)
	case formatSARIF:
		return r.writeSARIF(out)
	}
	return r.writeText(out, errs)
}

func (r *report) writeText(out, errs io.Writer) error {
	for _, u := range r.unreadable {
		fmt.Fprintf(errs, "keepgo check: %v\n", u.err)
	}
	for _, l := range r.lists {
		if err := l.list.Write(out, os.ReadFile); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %d errors, %d warnings, %d notes\n", l.of,
			l.list.Count(syntax.Failure), l.list.Count(syntax.Warning), l.list.Count(syntax.Note))
	}
	r.writeOutlook(out)
	if r.pair == nil {
		return nil
	}
	if len(r.pair.Contests) > 0 {
		fmt.Fprintln(out)
	}
	return r.pair.Write(out)
}

// maxOutlook is how many instances a screen has room for; JSON has all.
const maxOutlook = 30

// writeOutlook tells what happens when something fails.
func (r *report) writeOutlook(out io.Writer) {
	for i, o := range r.outlook {
		switch {
		case i == 0:
			fmt.Fprint(out, "\nwhat will happen (a second file, of the other director, says it exactly):\n")
		case i == maxOutlook:
			fmt.Fprintf(out, "  and %d instances more\n", len(r.outlook)-i)
			return
		}
		fmt.Fprintf(out, "  %s: %s\n", o.Name, o.Text)
	}
}
