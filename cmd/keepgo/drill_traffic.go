package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"keepgo/internal/lab"
	"keepgo/internal/traffic"
	"keepgo/internal/traffic/client"
)

// trafficOptions are those of drill traffic.
type trafficOptions struct {
	client.Options
	modes  [4]bool // in the order of trafficModes
	during time.Duration
	json   bool
}

// trafficModes are the ways to ask, with the port that each has without one.
var trafficModes = []struct {
	client.Mode
	port  uint16
	usage string
}{
	{client.HTTP, 80, "get a page (the default)"},
	{client.TLS, 443, "get a page over TLS; certificates are not verified"},
	{client.TCP, 0, "connect and read a line"},
	{client.UDP, 0, "send a datagram and read the answer"},
}

func trafficFlags(o *trafficOptions) *pflag.FlagSet {
	f := newFlags("drill traffic")
	f.Float64Var(&o.Rate, "rate", 20, "`questions` a second")
	f.DurationVar(&o.during, "for", 0, "end after `time` (default: when interrupted)")
	for i, m := range trafficModes {
		f.BoolVar(&o.modes[i], string(m.Mode), false, m.usage)
	}
	f.StringVar(&o.Host, "host", "", "`name` of the site, instead of the address")
	f.StringVar(&o.Path, "path", "/", "`page` to get")
	f.StringVar(&o.Header, "header", "", "`name` of the header that tells servers apart, instead of the page")
	f.StringVar(&o.Send, "send", "", "`text` to say first (default with --udp: an empty line)")
	f.DurationVar(&o.Timeout, "timeout", 2*time.Second, "`time` that an answer may take")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return f
}

// runTraffic is drill traffic: a client that tells who answers. Its exit status
// is 1 when a question failed.
func runTraffic(args []string, out, errs io.Writer) int {
	var o trafficOptions
	f := trafficFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if err := o.target(f.Args()); err != nil {
		fmt.Fprintf(errs, "keepgo drill traffic: %v\nusage: keepgo drill traffic VIP[:PORT] [--rate N] [--for TIME] [--http|--tls|--tcp|--udp] [--json]\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	note := atHome(o.Target.Addr())
	if note != "" {
		fmt.Fprintf(errs, "keepgo drill traffic: %s\n", note)
	}
	r := o.ask(ctx, out)
	if note != "" {
		r.Notes = append(r.Notes, note)
	}
	var err error
	if o.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(&r)
	} else {
		_, err = io.WriteString(out, r.String())
	}
	if err != nil || r.Failed > 0 || r.Asked == 0 {
		return exitFaulty
	}
	return exitOK
}

// target reads whom to ask and how.
func (o *trafficOptions) target(args []string) error {
	given := 0
	o.Mode = client.HTTP
	port := trafficModes[0].port
	for i, m := range trafficModes {
		if o.modes[i] {
			o.Mode, port, given = m.Mode, m.port, given+1
		}
	}
	switch {
	case given > 1:
		return errors.New("only one of --http, --tls, --tcp and --udp")
	case len(args) != 1:
		return errors.New("one virtual address is needed")
	case o.Rate <= 0 || o.Rate > client.MaxRate:
		return fmt.Errorf("--rate %g is not above 0 and up to %d", o.Rate, client.MaxRate)
	case o.Timeout <= 0:
		return errors.New("--timeout must be above 0")
	}
	if o.Mode == client.UDP && o.Send == "" {
		o.Send = "\n"
	}
	target, err := netip.ParseAddrPort(args[0])
	if err != nil {
		addr, failed := netip.ParseAddr(args[0])
		if failed != nil {
			return fmt.Errorf("%q is neither an address nor one with its port", args[0])
		}
		target = netip.AddrPortFrom(addr, port)
	}
	if target.Port() == 0 {
		return fmt.Errorf("--%s needs a port: %s:PORT", o.Mode, args[0])
	}
	o.Target = netip.AddrPortFrom(target.Addr().Unmap(), target.Port())
	return nil
}

// atHome warns where this machine has the address itself: a director, or a real
// server. "" elsewhere.
func atHome(vip netip.Addr) string {
	links, _ := net.Interfaces()
	for _, l := range links {
		addrs, _ := l.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == vip {
				return fmt.Sprintf("%s is an address of this machine (%s): on a director it is not asked as by a client, on a real server it answers itself; ask from another machine", vip, l.Name)
			}
		}
	}
	return ""
}

// redraw is the time between two pictures.
const redraw = 500 * time.Millisecond

// ask asks until it is over; on a terminal it shows how it goes.
func (o *trafficOptions) ask(ctx context.Context, out io.Writer) traffic.Report {
	if o.during > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.during)
		defer cancel()
	}
	var lock sync.Mutex
	var tally traffic.Tally
	begin := time.Now()
	report := func() traffic.Report {
		r := tally.Report(time.Since(begin))
		r.Target, r.Told, r.Rate = o.String(), o.Told(), o.Rate
		return r
	}
	if !o.json && lab.IsTerminal(out) {
		go everyUntil(ctx, redraw, func() {
			lock.Lock()
			r := report()
			text := tally.Plot(&r, o.during)
			lock.Unlock()
			_, _ = io.WriteString(out, clearScreen+text)
		})
	}
	client.Run(ctx, o.Options, func(a traffic.Answer) {
		lock.Lock()
		defer lock.Unlock()
		tally.Add(a)
	})
	lock.Lock()
	defer lock.Unlock()
	return report()
}

// everyUntil calls f again and again until ctx ends.
func everyUntil(ctx context.Context, every time.Duration, f func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f()
		case <-ctx.Done():
			return
		}
	}
}
