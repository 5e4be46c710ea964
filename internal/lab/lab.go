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
	"strings"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/netlab"
)

// Options say what to play and how to tell.
type Options struct {
	File     string
	ConfigID string    // option -i: decides @id conditions
	JSON     bool      // one document at the end instead of the play-by-play
	Out      io.Writer // nil means standard output
	// Daemon is the program and its first arguments that run a director; nil
	// means this program's run verb.
	Daemon []string
}

// Report is the outcome of a lab.
type Report struct {
	File      string     `json:"file"`
	OK        bool       `json:"ok"`                   // every scene went as it should
	DataPlane string     `json:"data_plane,omitempty"` // what balances: ipvs or nftables; "" where nothing does
	Notes     []string   `json:"notes,omitempty"`
	Scenes    []Scene    `json:"scenes"`
	HTTP      []*Answers `json:"http,omitempty"` // asked through the virtual addresses, by service
}

// Answers is what a client got that asked a virtual server over and over.
type Answers struct {
	Target  string         `json:"target"`
	Servers map[string]int `json:"servers"` // answers by the address of the real server
	Failed  int            `json:"failed"`
}

// Scene is one thing that was done to the pair, and what came of it.
type Scene struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	GapMS  int64  `json:"gap_ms"`                 // longest time the client went without an answer
	Master string `json:"took_over_by,omitempty"` // who held the address in the end
	TookMS int64  `json:"took_ms"`                // from the deed to the settled end
	Why    string `json:"why,omitempty"`          // what was missing where it failed, or why it was left out
	// HTTP is what the client got meanwhile through the virtual addresses.
	HTTP []*Answers `json:"http,omitempty"`
}

// ErrFailed says that at least one scene did not go as it should.
var ErrFailed = errors.New("the lab failed")

// budget is the longest a whole lab may take. Scenes that would not fit are
// left out.
const budget = 58 * time.Second

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
	src, err := load(o)
	if err != nil {
		return err
	}
	plan, err := planNetwork(src.Config)
	if err != nil {
		return fmt.Errorf("%s: %w", o.File, err)
	}
	if o.Daemon == nil {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.Daemon = []string{self, "run"}
	}
	net, err := netlab.New()
	if err != nil {
		return err
	}
	defer net.Close()
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	stage, err := build(net, plan, src, o.Daemon)
	if err != nil {
		return err
	}
	defer stage.closeServers()
	return perform(ctx, o, src, stage)
}

// source is the file as a meaning, as text to derive from, and what is wrong
// with it.
type source struct {
	*confparse.Config
	tree   *syntax.Tree
	faults int
}

// load reads the file as the daemon does, which goes on past what it does not
// understand.
func load(o Options) (*source, error) {
	name, err := filepath.Abs(o.File)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(name); err != nil {
		return nil, err
	}
	if o.ConfigID == "" {
		host, _ := os.Hostname()
		o.ConfigID, _, _ = strings.Cut(host, ".")
	}
	env := syntax.Env{ConfigID: o.ConfigID, Getenv: os.Getenv}
	root := os.DirFS("/")
	cfg, found := confparse.Load(root, name, env)
	tree, _ := syntax.Parse(root, name, env)
	return &source{cfg, tree, found.Count(syntax.Failure)}, nil
}

// perform plays the scenes and writes the outcome.
func perform(ctx context.Context, o Options, src *source, s *stage) error {
	view := newView(o)
	p := newPlay(ctx, src.Config, s, view)
	defer p.tick.Stop()
	p.report.File = o.File
	if src.faults > 0 {
		p.note("%d errors in the file, see keepgo check %s", src.faults, o.File)
	}
	err := p.run()
	if err != nil {
		return err
	}
	if o.JSON {
		enc := json.NewEncoder(o.Out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(p.report); err != nil {
			return err
		}
	}
	if !p.report.OK {
		return ErrFailed
	}
	return nil
}
