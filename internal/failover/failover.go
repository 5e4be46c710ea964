// Package failover practises a failover on the running pair of directors: it
// looks first, hands over, watches what comes of it, takes back what was handed
// over, and tells how it went. When anything goes wrong it takes back at once;
// when it dies itself, the daemon does.
package failover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"keepgo/internal/control"
	"keepgo/internal/ha"
	"keepgo/internal/lab/drill"
	"keepgo/internal/observe"
	"keepgo/internal/ping"
	"keepgo/internal/preflight"
	"keepgo/internal/status"
)

// Options say what to practise and how to tell.
type Options struct {
	Name    string // of the instance or sync group
	Control string // path of the daemon's control socket
	Yes     bool   // do it; without, only look
	Return  bool   // take back after Hold; without, it stays where it is
	Break   bool   // with priority 0, if nobody takes over otherwise

	Hold       time.Duration // how long the other director serves
	Rest, Calm time.Duration // as of preflight.Facts
	Accept     []string      // keys of findings that do not stop it

	Peer      string    // where the other director's status is: a file, a URL, - for In, or "" for nowhere
	In        io.Reader // standard input
	Observers []string  // files or URLs of observations

	Limits      drill.Limits // nil for those of Prudent
	JSON        bool
	JUnit, HTML string    // files for the outcome; "" for none
	Out         io.Writer // standard output
}

// Prudent is what a drill may cost where nobody says: a gap that a person
// notices.
func Prudent() drill.Limits {
	gap := 10 * time.Second
	return drill.Limits{drill.Any: {Gap: &gap}}
}

// ErrFailed says that the pair may not be drilled now, or that the drill failed.
// What and why was told.
var ErrFailed = errors.New("the drill failed")

// run is a drill on its way.
type run struct {
	Options
	*control.Client
	out    *outlet
	facts  preflight.Facts
	order  ha.Handover
	report drill.Report
	last   uint64 // number of the last event that was read

	watch  *instruments
	views  *views
	now    *status.Status // how this director was last
	leased chan error     // gets why the order could not be prolonged
	leases sync.WaitGroup
}

// Run looks, and with Yes practises. It returns ErrFailed after it told why, or
// an error that kept it from looking.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &run{Options: o, Client: control.New(o.Control), out: &outlet{w: o.Out, gone: cancel, quiet: o.JSON}, leased: make(chan error, 1)}
	if d.Limits == nil {
		d.Limits = Prudent()
	}
	if err := d.look(ctx); err != nil {
		return err
	}
	d.tellFindings()
	d.tellPlan()
	d.report.OK = len(drill.Stopped(d.report.Findings)) == 0
	if !d.report.OK || !o.Yes {
		return d.finish()
	}
	if err := d.act(ctx); err != nil {
		return err
	}
	return d.finish()
}

// look gathers what both directors tell, and judges it.
func (d *run) look(ctx context.Context) error {
	if err := d.accepts(); err != nil {
		return err
	}
	here, err := d.Status(ctx)
	if err != nil {
		return err
	}
	f := &d.facts
	*f = preflight.Facts{Now: here.Asked, Here: here, Return: d.Return, Break: d.Break, Rest: d.Rest, Calm: d.Calm, TherePlan: "no --peer was given"}
	if f.Events, err = d.news(ctx); err != nil {
		return err
	}
	if f.There, err = readPeer(ctx, d.Peer, d.In); err != nil {
		return fmt.Errorf("--peer: %w", err)
	}
	if d.order, err = ha.CanHandOver(here, d.Name); err != nil {
		f.Refused = err.Error()
	}
	f.Instances = d.order.Instances
	f.Raw, f.Ping, f.Observers = observe.Raw(), pings(here, f.Instances), len(d.Observers)
	d.now = here
	host, _ := os.Hostname()
	d.report.File = fmt.Sprintf("%s of %s on %s", d.Name, here.Config, host)
	d.report.DataPlane = here.DataPlane
	d.report.Findings = preflight.Check(f)
	for i := range d.report.Findings {
		if x := &d.report.Findings[i]; x.Verdict == drill.Stops && slices.Contains(d.Accept, x.Key) {
			x.Verdict = drill.Accepted
		}
	}
	return nil
}

// pings says why the first address of the instances cannot be pinged from here.
func pings(here *status.Status, instances []string) error {
	for i := range here.Instances {
		if in := &here.Instances[i]; slices.Contains(instances, in.Name) && len(in.Places) > 0 {
			prefix, err := netip.ParsePrefix(in.Places[0].Address)
			if err != nil {
				continue
			}
			conn, err := ping.Dial(prefix.Addr())
			if err == nil {
				conn.Close()
			}
			return err
		}
	}
	return nil
}

// accepts refuses to accept what is no finding, or cannot be done without.
func (d *run) accepts() error {
	for _, key := range d.Accept {
		if key == preflight.Master || !slices.Contains(preflight.Keys(), key) {
			return fmt.Errorf("--accept %s: what may be accepted is %s", key, strings.Join(preflight.Keys()[1:], ", "))
		}
	}
	return nil
}

// news are the events since the last that was read.
func (d *run) news(ctx context.Context) (list []status.Event, err error) {
	err = d.Get(ctx, fmt.Sprintf("/events?after=%d", d.last), &list)
	if n := len(list); n > 0 {
		d.last = list[n-1].Number
	}
	return list, err
}

// finish writes the outcome in every form.
func (d *run) finish() error {
	if err := Write(d.Options, &d.report); err != nil {
		return err
	}
	if !d.report.OK {
		return ErrFailed
	}
	return nil
}
