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
	"slices"
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
	// Planes are what balances connections: ipvs or nftables. Each plays the book
	// in its turn; none leaves it to the file.
	Planes []string
	// SetClock lets the drill of the clock set this machine's: only one that is
	// there for tests bears that.
	SetClock bool
}

// ErrFailed says that at least one scene did not go as it should.
var ErrFailed = errors.New("the lab failed")

// The longest a lab may take, without and with all drills. Scenes that would
// not fit are left out.
const (
	shortBudget = 58 * time.Second
	longBudget  = 15 * time.Minute
	liveBudget  = 24 * time.Hour // of one that somebody plays with
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
	limits, err := Limits(o.Limits)
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
	var reports []drill.Report
	for _, t := range o.turns() {
		r, failed := rehearse(ctx, o, limits, t)
		if failed != nil {
			err = failed
			if t.name != "" {
				err = fmt.Errorf("with %s: %w", t.name, failed)
			}
			break
		}
		reports = append(reports, *r)
	}
	if len(reports) > 0 {
		err = errors.Join(tell(o, reports), err)
	}
	if err == nil && slices.ContainsFunc(o.decisive(reports), func(r drill.Report) bool { return !r.OK }) {
		return ErrFailed
	}
	return err
}

// turn is one playing of the book.
type turn struct {
	name    string // what it is played with; "" for the only one
	plane   string // what balances; "" where the file says
	daemon  []string
	foreign bool // the daemon is not keepgo
}

// turns are those that were asked for.
func (o Options) turns() (list []turn) {
	for _, plane := range o.Planes {
		list = append(list, turn{name: plane, plane: plane, daemon: append(slices.Clone(o.Daemon), "--data-plane", plane)})
	}
	if len(list) == 0 {
		list = []turn{{name: filepath.Base(o.Daemon[0]), daemon: o.Daemon}}
	}
	if o.Beside != "" {
		list = append(list, turn{name: filepath.Base(o.Beside), daemon: []string{o.Beside}, foreign: true})
	}
	if len(list) == 1 {
		list[0].name = ""
	}
	return list
}

// decisive are the reports of our own turns.
func (o Options) decisive(reports []drill.Report) []drill.Report {
	return reports[:min(len(reports), max(1, len(o.Planes)))]
}

// command is what runs a director. Without IPVS in the kernel another daemon does
// VRRP alone; ours, which had its turn before, has asked the kernel for it.
func (t turn) command() []string {
	if _, err := os.Stat("/proc/net/ip_vs"); err != nil && t.foreign {
		return append(slices.Clone(t.daemon), "--vrrp")
	}
	return t.daemon
}

// Limits reads a drill file, of rehearsals and of drills on a running pair; nil
// where none is named.
func Limits(name string) (drill.Limits, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return drill.ReadLimits(f, name, append(Keys(), drill.LiveKeys()...))
}

// rehearse plays the book once.
func rehearse(ctx context.Context, o Options, limits drill.Limits, t turn) (*drill.Report, error) {
	src, err := loadPair(o)
	if err != nil {
		return nil, err
	}
	src.plane = t.plane
	if src.net, err = planNetwork(src); err != nil {
		return nil, fmt.Errorf("%s: %w", o.File, err)
	}
	net, err := netlab.New()
	if err != nil {
		return nil, err
	}
	defer net.Close()
	screen, err := takeTerminal(o)
	if err != nil {
		return nil, err
	}
	chapters, budget := short, shortBudget
	switch {
	case screen != nil:
		defer screen.close()
		budget = liveBudget
	case o.Drills:
		chapters, budget = book, longBudget
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	stage, err := build(net, src, t.command(), t.foreign)
	if err != nil {
		return nil, err
	}
	defer stage.closeServers()
	p := newPlay(ctx, src, stage, newView(o, screen), budget)
	defer p.tick.Stop()
	p.options = o
	p.limits, p.foreign, p.setClock = limits, t.foreign, o.SetClock
	p.report.Foreign, p.beside = t.foreign, o.Beside != ""
	p.report.File, p.report.Other, p.report.Daemon = o.File, o.Other, t.name
	if t.name != "" {
		p.view.say("-- with " + t.name)
	}
	if src.faults > 0 {
		p.note("%d errors in the file, see keepgo check %s", src.faults, o.File)
	}
	for _, note := range slices.Concat(src.adopted(), src.net.lacks, src.beyond()) {
		p.note("%s", note)
	}
	if screen != nil {
		return &p.report, p.playLive(screen)
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
	case o.JSON && len(o.turns()) > 1:
		return encode(o.Out, reports)
	case o.JSON:
		return encode(o.Out, reports[0])
	case o.Drills, len(reports) > 1:
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
