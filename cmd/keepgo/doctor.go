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

	"keepgo/internal/control"
	"keepgo/internal/daemon"
	"keepgo/internal/doctor"
	"keepgo/internal/doctor/look"
)

// Exit statuses of the doctor, which are those of monitoring plugins.
const (
	exitHealthy = 0
	exitWarned  = 1
	exitSick    = 2
	exitUnknown = 3 // nothing was looked at
)

// doctorOptions are those of the verb doctor.
type doctorOptions struct {
	look.Options
	id   string
	json bool
}

func doctorFlags(o *doctorOptions) *pflag.FlagSet {
	f := newFlags("doctor")
	f.StringVar(&o.Control, "control", daemon.Defaults().Control, "`path` of the control socket")
	f.StringVarP(&o.id, "config-id", "i", "", "`id` for @id lines (default: the host's name)")
	f.StringSliceVar(&o.Peers, "peer", nil, "`addresses` or URLs where other directors serve their status (metrics_listen)")
	f.BoolVar(&o.Passive, "passive", false, "send nothing on the network")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return f
}

// runDoctor is the verb doctor: what is wrong with this director.
func runDoctor(args []string, out, errs io.Writer) int {
	o := doctorOptions{}
	o.Root = "/"
	f := doctorFlags(&o)
	if code, done := parse(f, args, errs); done {
		if code == exitUsage {
			code = exitUnknown
		}
		return code
	}
	if f.NArg() > 1 {
		fmt.Fprintf(errs, "usage: keepgo doctor %s\n", find("doctor").args)
		return exitUnknown
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(errs, "keepgo doctor: it needs root: most of what it looks at is closed to others, and would seem to be wrong")
		return exitUnknown
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	r, err := o.examine(ctx, f.Arg(0))
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(errs, "keepgo doctor: %v\n", err)
		return exitUnknown
	}
	o.print(out, r)
	switch {
	case r.Count(doctor.Fault) > 0:
		return exitSick
	case r.Count(doctor.Warning) > 0:
		return exitWarned
	}
	return exitHealthy
}

// examine looks at the director of a file; "" is that of the running daemon.
func (o *doctorOptions) examine(ctx context.Context, file string) (*doctor.Report, error) {
	if file == "" {
		file = o.running(ctx)
	}
	f := &doctor.Facts{File: absolute(file)}
	cfg, list, err := daemon.Read(daemon.Options{File: file, ConfigID: o.id})
	if err != nil {
		f.Unreadable = err.Error()
	} else {
		if err := daemon.Enter(&cfg.Global); err != nil {
			return nil, err
		}
		f.Config, f.Text = cfg, append(list, hostFaults(cfg)...)
		f.Plan, _ = daemon.Checks(cfg)
		o.Within = func(look func() error) error { return daemon.WithinIPVS(&cfg.Global, look) }
	}
	look.Complete(ctx, f, o.Options)
	return doctor.Examine(f), nil
}

// running is the file of the running daemon, or the usual one.
func (o *doctorOptions) running(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, daemonTime)
	defer cancel()
	if st, err := control.New(o.Control).Status(ctx); err == nil && st.Config != "" {
		return st.Config
	}
	return daemon.Defaults().File
}

func (o *doctorOptions) print(out io.Writer, r *doctor.Report) {
	if o.json {
		_ = encode(out, r)
		return
	}
	for _, step := range r.Steps {
		fmt.Fprintf(out, "%-14s %s %s\n", step.Name, step.Asks, answerOf(step))
		printFindings(out, step.Findings)
	}
	fmt.Fprintf(out, "\n%d faults, %d warnings, %d notes, %d not checked\n", r.Count(doctor.Fault), r.Count(doctor.Warning), r.Count(doctor.Note), r.Count(doctor.Unchecked))
}

// answerOf is what a step found, in a word.
func answerOf(s doctor.Step) string {
	word := "ok"
	for _, f := range s.Findings {
		switch f.Severity {
		case doctor.Fault:
			return "NO"
		case doctor.Warning:
			word = "not quite"
		case doctor.Unchecked:
			if word == "ok" {
				word = "not checked in all"
			}
		}
	}
	return word
}

func printFindings(out io.Writer, list []doctor.Finding) {
	for _, f := range list {
		fmt.Fprintf(out, "    %s: %s\n", f.Severity, oneLine(f.What))
		if f.Evidence != "" {
			fmt.Fprintf(out, "        seen: %s\n", oneLine(f.Evidence))
		}
		if f.Fix != "" {
			fmt.Fprintf(out, "        do:   %s\n", oneLine(f.Fix))
		}
	}
}

// oneLine is a text that other machines may have had a hand in, on one line.
func oneLine(text string) string {
	return strings.ReplaceAll(printable([]byte(text)), "\n", " ")
}
