package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"keepgo/checker"
	"keepgo/checker/script"
	"keepgo/confparse"
)

// killLimit is longer than a program survives that is to end.
const killLimit = 3 * time.Second

// tracker runs the tracked scripts: each at once and then every interval,
// never beside itself. It belongs to the parent's goroutine.
type tracker struct {
	report func(name string, ok bool, words string)
	log    func(format string, args ...any)
	runs   map[string]*trackedRun
}

// trackedRun is one script at work.
type trackedRun struct {
	plan   trackedScript
	cancel context.CancelFunc

	mu    sync.Mutex
	known bool
	ok    bool
}

// trackedScript is what makes two runs the same, as a comparable value.
type trackedScript struct {
	name              string
	command           string // arguments and identity
	interval, timeout time.Duration
}

func newTracker(report func(name string, ok bool, words string), log func(string, ...any)) *tracker {
	return &tracker{report: report, log: log, runs: map[string]*trackedRun{}}
}

// set replaces the scripts that run. One that did not change goes on.
func (t *tracker) set(scripts []*confparse.Script) {
	wanted := map[string]bool{}
	for _, s := range scripts {
		wanted[s.Name] = true
		plan := trackedScript{s.Name, fmt.Sprintf("%q", append(slices.Clone(s.Command.Args), s.Command.User, s.Command.Group)), s.Interval, s.Timeout}
		if r := t.runs[s.Name]; r != nil {
			if r.plan == plan {
				continue
			}
			r.cancel()
		}
		t.start(plan, s.Command)
	}
	for name, r := range t.runs {
		if !wanted[name] {
			r.cancel()
			delete(t.runs, name)
		}
	}
}

// result is how a tracked script ended last, perhaps under the program before.
func (p *parent) result(name string) (ok, known bool) {
	if ok, known = p.tracked.result(name); !known {
		ok, known = p.last[name]
	}
	return ok, known
}

// result is how a script ended last.
func (t *tracker) result(name string) (ok, known bool) {
	r := t.runs[name]
	if r == nil {
		return false, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ok, r.known
}

func (t *tracker) start(plan trackedScript, c confparse.Command) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &trackedRun{plan: plan, cancel: cancel}
	t.runs[plan.name] = r
	cmd, err := command(c)
	if err != nil {
		t.log("vrrp_script %s: %v", plan.name, err)
	}
	go r.loop(ctx, cmd, t)
}

// loop runs the script until it is cancelled.
func (r *trackedRun) loop(ctx context.Context, cmd checker.Command, t *tracker) {
	status := 0
	ticker := time.NewTicker(r.plan.interval)
	defer ticker.Stop()
	for {
		out := script.Run(ctx, cmd, r.plan.timeout)
		if ctx.Err() != nil {
			return
		}
		ok := out.Exited() && out.Status == 0
		if out.Exited() && out.Status != status {
			status = out.Status
			t.log("Script `%s` now returning %d", r.plan.name, status)
		}
		r.mu.Lock()
		r.known, r.ok = true, ok
		r.mu.Unlock()
		t.report(r.plan.name, ok, words(out))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// words is how a tracked script ended, as keepalived logs it.
func words(out script.Outcome) string {
	switch {
	case out.TimedOut:
		return "timed_out"
	case out.Err != nil:
		return "failed (" + out.Err.Error() + ")"
	case out.Signal != 0:
		return fmt.Sprintf("failed (due to signal %d)", int(out.Signal))
	case out.Status != 0:
		return fmt.Sprintf("failed (exited with status %d)", out.Status)
	}
	return "succeeded"
}

// trackedScripts are the scripts that an instance or a group tracks; keepalived
// does not run the others.
func trackedScripts(cfg *confparse.Config) []*confparse.Script {
	used := map[string]bool{}
	for _, in := range cfg.Instances {
		for _, t := range in.TrackScripts {
			used[t.Name] = true
		}
	}
	for _, g := range cfg.SyncGroups {
		for _, t := range g.TrackScripts {
			used[t.Name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(cfg.Scripts), func(s *confparse.Script) bool { return !used[s.Name] })
}

// command gives a configured command its identity.
func command(c confparse.Command) (checker.Command, error) {
	cmd := checker.Command{Args: c.Args, Path: c.Path, User: c.User, Group: c.Group}
	return cmd, identify(&cmd)
}

// identify resolves the names of a command's user and group.
func identify(c *checker.Command) error {
	id, err := script.Resolve(c.User, c.Group)
	c.UID, c.GID, c.Groups = id.UID, id.GID, id.Groups
	return err
}

// runScript runs a notification script to its end.
func (p *parent) runScript(c confparse.Command) {
	cmd, err := command(c)
	switch {
	case p.life.Err() != nil:
		err = errors.New("not run: the daemon has stopped before it was its turn")
	case err == nil:
		err = script.Run(p.life, cmd, 0).Err
	}
	if errors.Is(err, context.Canceled) {
		err = fmt.Errorf("killed: it takes longer than the %v it has at the stop", stopLimit)
	}
	if err != nil {
		p.log.printf("script %s: %v", strings.Join(c.Args, " "), err)
	}
}

// farewell ends everything once no child is left: scripts first, which are
// killed when they take too long, then what reads the FIFOs and the mail.
func (p *parent) farewell() {
	p.onBus.leave()
	p.snmp.close()
	p.scripts.Drain(stopLimit)
	p.kill()
	p.scripts.Drain(killLimit)
	ctx, cancel := context.WithTimeout(context.Background(), killLimit)
	defer cancel()
	p.outlet.Close(ctx)
	p.runOnce(context.Background(), "shutdown_script", p.cfg.Global.ShutdownScript, p.cfg.Global.ShutdownTimeout)
	os.Remove(p.opts.Control)
	p.log.printf("Stopped Keepalived %s", p.opts.Version)
}

// runReader runs the program that reads a FIFO until ctx ends.
func (p *parent) runReader(ctx context.Context, c confparse.Command) error {
	cmd, err := command(c)
	if err != nil {
		return err
	}
	out := script.Run(ctx, cmd, 0)
	if out.Err != nil {
		return out.Err
	}
	if out.Status != 0 || out.Signal != 0 {
		return errors.New(out.String())
	}
	return nil
}

func (p *parent) runStartup(ctx context.Context) {
	p.runOnce(ctx, "startup_script", p.cfg.Global.StartupScript, p.cfg.Global.StartupTimeout)
}

// runOnce runs startup_script or shutdown_script, and waits for it.
func (p *parent) runOnce(ctx context.Context, name string, c *confparse.Command, limit time.Duration) {
	if c == nil {
		return
	}
	p.log.printf("Running %s %s", name, strings.Join(c.Args, " "))
	cmd, err := command(*c)
	if err != nil {
		p.log.printf("%s: %v", name, err)
		return
	}
	if out := script.Run(ctx, cmd, limit); !out.Exited() || out.Status != 0 {
		p.log.printf("%s %s: %s", name, strings.Join(c.Args, " "), out)
	}
}
