// Package lab is the engine of the lab verb: it builds a network out of
// namespaces for a configuration file, runs the real daemon on two directors in
// it, takes one thing after another away from them, and measures how long a
// client goes without an answer.
package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
)

// Options say what to play and how to tell.
type Options struct {
	File     string
	Other    string    // the other director's file; "" has it derived
	ConfigID string    // option -i: decides @id conditions
	Drills   bool      // the whole book, and not what fits in a minute
	Limits   string    // file of what the drills may cost; "" for none
	JSON     bool      // one document at the end instead of the play-by-play
	JUnit    string    // file for the outcome as JUnit XML; "" for none
	HTML     string    // file for the outcome as a page; "" for none
	Out      io.Writer // nil means standard output
	// Daemon is the program and its first arguments that run a director; nil
	// means this program's run verb.
	Daemon []string
	// Beside is another program with keepalived's options that plays the same
	// book after it; "" for none.
	Beside string
}

// ErrFailed says that at least one scene did not go as it should.
var ErrFailed = errors.New("the lab failed")

// The longest a lab may take, without and with all drills. Scenes that would
// not fit are left out.
const (
	shortBudget = 58 * time.Second
	longBudget  = 15 * time.Minute
)

// Run plays the lab and tells of it. It returns ErrFailed when a scene failed,
// and another error when the lab could not be played to its end. Whatever it
// started is gone when it returns, also when ctx ends early.
func Run(ctx context.Context, o Options) error {
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("the lab makes network namespaces, which needs root: sudo keepgo lab %s", o.File)
	}
	limits, err := readLimits(o.Limits)
	if err != nil {
		return err
	}
	if o.Daemon == nil {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.Daemon = []string{self, "run"}
	}
	r, err := rehearse(ctx, o, limits, o.Daemon, false)
	if err != nil {
		return err
	}
	reports := []drill.Report{*r}
	if o.Beside != "" {
		if r, err = rehearse(ctx, o, limits, beside(o.Beside), true); err != nil {
			return fmt.Errorf("with %s: %w", o.Beside, err)
		}
		reports = append(reports, *r)
	}
	if err := tell(o, reports); err != nil {
		return err
	}
	if !reports[0].OK {
		return ErrFailed
	}
	return nil
}

// beside is another daemon's command: without IPVS in the kernel keepalived
// does VRRP alone.
func beside(program string) []string {
	if _, err := os.Stat("/proc/net/ip_vs"); err != nil {
		return []string{program, "--vrrp"}
	}
	return []string{program}
}

// readLimits reads the drill file.
func readLimits(name string) (drill.Limits, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return drill.ReadLimits(f, name, Keys())
}

// rehearse plays the book with one daemon. A foreign one is not keepgo.
func rehearse(ctx context.Context, o Options, limits drill.Limits, daemon []string, foreign bool) (*drill.Report, error) {
	src, err := loadPair(o)
	if err != nil {
		return nil, err
	}
	if src.net, err = planNetwork(src); err != nil {
		return nil, fmt.Errorf("%s: %w", o.File, err)
	}
	net, err := netlab.New()
	if err != nil {
		return nil, err
	}
	defer net.Close()
	chapters, budget := short, shortBudget
	if o.Drills {
		chapters, budget = book, longBudget
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	stage, err := build(net, src, daemon, foreign)
	if err != nil {
		return nil, err
	}
	defer stage.closeServers()
	p := newPlay(ctx, src, stage, newView(o), budget)
	defer p.tick.Stop()
	p.limits, p.foreign = limits, foreign
	p.report.File, p.report.Other = o.File, o.Other
	if o.Beside != "" {
		p.report.Daemon = filepath.Base(daemon[0])
	}
	if src.faults > 0 {
		p.note("%d errors in the file, see keepgo check %s", src.faults, o.File)
	}
	err = p.run(chapters)
	return &p.report, err
}

// tell writes the outcome in every form that is asked for.
func tell(o Options, reports []drill.Report) error {
	for name, write := range map[string]func(io.Writer, []drill.Report) error{o.JUnit: drill.WriteJUnit, o.HTML: drill.WriteHTML} {
		if name == "" {
			continue
		}
		if err := toFile(name, reports, write); err != nil {
			return err
		}
	}
	switch {
	case o.JSON && o.Beside != "":
		return encode(o.Out, reports)
	case o.JSON:
		return encode(o.Out, reports[0])
	case o.Drills:
		fmt.Fprintln(o.Out)
		return drill.WriteTable(o.Out, reports)
	}
	for _, a := range reports[0].HTTP {
		fmt.Fprintln(o.Out, a)
	}
	return nil
}

func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func toFile(name string, reports []drill.Report, write func(io.Writer, []drill.Report) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f, reports), f.Close())
}
