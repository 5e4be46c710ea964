package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"keepgo/internal/capture"
	"keepgo/internal/capture/tap"
	"keepgo/internal/daemon"
	"keepgo/internal/ha"
)

// captureOptions are those of the verb capture.
type captureOptions struct {
	file, write, read string
	only              string
	json, all         bool
	count             int
	during            time.Duration
}

func captureFlags(o *captureOptions) *pflag.FlagSet {
	f := newFlags("capture")
	f.StringVarP(&o.file, "file", "f", "", "hold adverts against this configuration `file`")
	f.StringVar(&o.write, "pcap", "", "write the packets to this `file` as well, for tcpdump or Wireshark")
	f.StringVar(&o.read, "read", "", "read the packets from this pcap `file`")
	f.BoolVar(&o.json, "json", false, "print one JSON object a line")
	f.BoolVarP(&o.all, "all", "a", false, "every ARP question and answer, and not only those about virtual addresses")
	f.StringVar(&o.only, "only", "", "`what` to tell of: vrrp or arp (with neighbour discovery)")
	f.IntVar(&o.count, "count", 0, "end after so many `packets`")
	f.DurationVar(&o.during, "for", 0, "end after this `time`, such as 10s")
	return f
}

// runCapture is the verb capture. Its exit status tells of faults: 1.
func runCapture(args []string, out, errs io.Writer) int {
	var o captureOptions
	f := captureFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if o.only != "" && o.only != onlyVRRP && o.only != onlyARP {
		fmt.Fprintf(errs, "keepgo capture: --only %s is neither vrrp nor arp\n", o.only)
		return exitUsage
	}
	if f.NArg() > 1 || (f.NArg() == 1) == (o.read != "") || o.read != "" && o.write != "" {
		fmt.Fprintln(errs, "usage: keepgo capture IF [--pcap FILE], or keepgo capture --read FILE")
		return exitUsage
	}
	faults, err := o.capture(f.Arg(0), out)
	if err != nil {
		fmt.Fprintf(errs, "keepgo capture: %v\n", err)
		return exitFaulty
	}
	if faults > 0 {
		return exitFaulty
	}
	return exitOK
}

// What --only may say.
const (
	onlyVRRP = "vrrp"
	onlyARP  = "arp"
)

// frames are what is captured.
type frames interface {
	Read(*capture.Frame) error
}

// capture tells of the packets of an interface or a file, and how many had
// faults.
func (o *captureOptions) capture(link string, out io.Writer) (faults int, err error) {
	expected, err := o.expected(link)
	if err != nil {
		return 0, err
	}
	in, end, err := o.source(link)
	if err != nil {
		return 0, err
	}
	defer end()
	keep := func(*capture.Frame) error { return nil }
	if o.write != "" {
		file, err := os.Create(o.write)
		if err != nil {
			return 0, err
		}
		defer file.Close()
		w, err := capture.NewWriter(file)
		if err != nil {
			return 0, err
		}
		keep = w.Write
	}
	seen, faults, err := o.tell(in, capture.NewWatcher(o.all, expected), keep, out)
	if t, ok := in.(*tap.Tap); ok && err == nil {
		if lost := t.Lost(); lost > 0 {
			return faults, fmt.Errorf("%d packets were lost: they come faster than they can be told", lost)
		}
	}
	if err == nil && !o.json {
		_, err = fmt.Fprintf(out, "%d packets, %d with faults\n", seen, faults)
	}
	return faults, err
}

// source opens a file or an interface. A signal or the time ends the latter.
func (o *captureOptions) source(link string) (in frames, end func(), err error) {
	if o.read != "" {
		file, err := os.Open(o.read)
		if err != nil {
			return nil, nil, err
		}
		r, err := capture.NewReader(file)
		if err != nil {
			file.Close()
			return nil, nil, fmt.Errorf("%s: %w", o.read, err)
		}
		return r, func() { file.Close() }, nil
	}
	t, err := tap.Open(link)
	if err != nil {
		return nil, nil, err
	}
	if o.during > 0 {
		err = t.Until(time.Now().Add(o.during))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { _ = t.Until(time.Now()) })
	return t, func() { stop(); t.Close() }, err
}

// tell reads frames until there are no more, or enough.
func (o *captureOptions) tell(in frames, w *capture.Watcher, keep func(*capture.Frame) error, out io.Writer) (seen, faults int, err error) {
	var f capture.Frame
	var line []byte
	for o.count == 0 || seen < o.count {
		switch err := in.Read(&f); {
		case err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded):
			return seen, faults, nil
		case err != nil:
			return seen, faults, err
		}
		p, ok := w.Read(&f)
		if !ok || !o.wants(p.Kind) {
			continue
		}
		seen++
		if len(p.Faults) > 0 {
			faults++
		}
		if line, err = o.line(line[:0], &p); err == nil {
			_, err = out.Write(line)
		}
		if err := errors.Join(err, keep(&f)); err != nil {
			return seen, faults, err
		}
	}
	return seen, faults, nil
}

// wants tells whether a kind of packets is told of.
func (o *captureOptions) wants(kind capture.Kind) bool {
	return o.only == "" || (o.only == onlyVRRP) == (kind == capture.Advert)
}

func (o *captureOptions) line(b []byte, p *capture.Packet) ([]byte, error) {
	if !o.json {
		return p.AppendText(b), nil
	}
	text, err := json.Marshal(p)
	return append(append(b, text...), '\n'), err
}

// expected is what the configuration says of the virtual routers on a link; of
// all for a file.
func (o *captureOptions) expected(link string) (list []capture.Expected, err error) {
	if o.file == "" {
		return nil, nil
	}
	cfg, _, err := daemon.Read(daemon.Options{File: o.file})
	if err != nil {
		return nil, err
	}
	for _, in := range ha.Build(cfg).Instances {
		if link != "" && in.Key.Link != "" && in.Key.Link != link {
			continue
		}
		e := capture.Expected{Name: in.Name, VRID: in.Key.VRID, IPv6: in.Key.IPv6, Unicast: in.Key.Unicast, Expect: in.Expect}
		for _, p := range in.Expect.Peers {
			e.Peers = append(e.Peers, p.Addr)
		}
		for _, a := range in.Addresses {
			e.Addresses = append(e.Addresses, a.Prefix.Addr())
		}
		list = append(list, e)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no vrrp_instance on %s", o.file, link)
	}
	return list, nil
}
