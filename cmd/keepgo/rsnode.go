package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"keepgo/internal/daemon"
	"keepgo/internal/rsnode"
)

// nodeOptions are those of keepgo rs on a real server.
type nodeOptions struct {
	file, state, dev string
	vips, directors  []string
	wire             []string
	tunnel, json     bool
}

func nodeFlags(o *nodeOptions) *pflag.FlagSet {
	f := newFlags("rs")
	f.StringVarP(&o.file, "file", "f", daemon.Defaults().File, "configuration `file` of the director")
	f.StringSliceVar(&o.vips, "vip", nil, "virtual `addresses`, instead of a file")
	f.BoolVar(&o.tunnel, "tunnel", false, "the addresses of --vip come by tunnel (TUN)")
	f.StringVar(&o.dev, "dev", "", "`interface` that their packets arrive by (default: that of the default route)")
	f.StringSliceVar(&o.directors, "director", nil, "`addresses` of directors, which must not be the gateway")
	f.StringSliceVar(&o.wire, "wire", nil, "verify: virtual `addresses`, for which all stations of the network are asked")
	f.StringVar(&o.state, "state", rsnode.StateFile, "`file` that says how all was before")
	f.BoolVar(&o.json, "json", false, "status, verify --wire: print JSON")
	return f
}

// nodeVerbs are what keepgo rs does on a real server itself. Up and down are
// orders for a daemon too: then a server is named.
var nodeVerbs = map[string]func(*nodeSession) error{
	"up": (*nodeSession).up, "down": (*nodeSession).down, "status": (*nodeSession).status,
	"verify": (*nodeSession).verify, "watch": (*nodeSession).watch,
}

// onNode tells the command line of a real server from an order for a daemon.
func onNode(args []string) bool {
	if len(args) == 0 || nodeVerbs[args[0]] == nil {
		return false
	}
	if args[0] != "up" && args[0] != "down" || len(args) == 1 {
		return true
	}
	name := strings.TrimLeft(args[1], "-")
	name, _, _ = strings.Cut(name, "=")
	f := nodeFlags(&nodeOptions{})
	long := strings.HasPrefix(args[1], "--") && f.Lookup(name) != nil && name != "json"
	return long || strings.HasPrefix(args[1], "-f")
}

// nodeSession is one of them at work.
type nodeSession struct {
	nodeOptions
	rsnode.Node
	out io.Writer
}

// runNode is keepgo rs on a real server.
func runNode(args []string, out, errs io.Writer) int {
	s := nodeSession{out: out}
	f := nodeFlags(&s.nodeOptions)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if f.NArg() != 1 {
		fmt.Fprintln(errs, "usage: keepgo rs up|down|status|verify|watch [-f FILE | --vip ADDRESS,...]")
		return exitUsage
	}
	if f.Arg(0) == "verify" && len(s.wire) > 0 {
		return runWire(&s.nodeOptions, out, errs)
	}
	s.File, s.Ingress = s.nodeOptions.state, s.dev
	s.Report = func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	err := s.Open()
	if err == nil {
		defer s.Close()
		err = nodeVerbs[f.Arg(0)](&s)
	}
	if err != nil {
		fmt.Fprintf(errs, "keepgo rs %s: %v\n", f.Arg(0), err)
		return exitFaulty
	}
	return exitOK
}

// wanted is the VIPs that are named, or those of the configuration, and the
// directors.
func (s *nodeSession) wanted() (vips []rsnode.VIP, directors []netip.Addr, err error) {
	if directors, err = addresses(s.directors); err != nil {
		return nil, nil, err
	}
	if len(s.vips) > 0 {
		named, err := addresses(s.vips)
		for _, a := range named {
			vips = append(vips, rsnode.VIP{Addr: a, Tunnel: s.tunnel})
		}
		return vips, directors, err
	}
	cfg, _, err := daemon.Read(daemon.Options{File: s.file})
	if err != nil {
		return nil, nil, err
	}
	own, err := s.Own()
	if err != nil {
		return nil, nil, err
	}
	if vips, err = rsnode.FromConfig(cfg, own); err != nil {
		err = fmt.Errorf("%s: %w", s.file, err)
	}
	return vips, append(directors, rsnode.Directors(cfg)...), err
}

func addresses(texts []string) (list []netip.Addr, err error) {
	for _, text := range texts {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no address", text)
		}
		list = append(list, a.Unmap())
	}
	return list, nil
}

func (s *nodeSession) up() error {
	vips, _, err := s.wanted()
	if err != nil {
		return err
	}
	return s.Up(vips)
}

// down takes the VIPs away that are named, or all.
func (s *nodeSession) down() error {
	named, err := addresses(s.vips)
	if err != nil {
		return err
	}
	return s.Down(named)
}

func (s *nodeSession) status() error {
	state, err := s.State()
	if err != nil {
		return err
	}
	if s.json {
		return json.NewEncoder(s.out).Encode(state)
	}
	if len(state.VIPs) == 0 {
		fmt.Fprintln(s.out, "this machine answers for no virtual address")
		return nil
	}
	for _, v := range state.VIPs {
		fmt.Fprintln(s.out, v)
	}
	return s.tell(state.VIPs, nil)
}

// verify checks what should be, whatever the state says.
func (s *nodeSession) verify() error {
	vips, directors, err := s.wanted()
	if err != nil {
		return err
	}
	return s.tell(vips, directors)
}

// tell prints what is wrong, which is an error then.
func (s *nodeSession) tell(vips []rsnode.VIP, directors []netip.Addr) error {
	wrong, err := s.Check(vips, directors)
	for _, line := range slices.Compact(wrong) {
		fmt.Fprintln(s.out, line)
	}
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("not all is as it should be: %d to mend", len(wrong))
	}
	if err == nil {
		fmt.Fprintln(s.out, "all is as it should be")
	}
	return err
}

// watch is up, and stays so until it is told to end. What stands then stays:
// connections go on over a restart.
func (s *nodeSession) watch() error {
	if err := s.up(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return s.Watch(ctx)
}
