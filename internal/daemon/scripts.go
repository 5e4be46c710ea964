package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"keepgo/checker"
	"keepgo/checker/script"
	"keepgo/confparse"
)

// tracker runs the tracked scripts: each at once and then every interval,
// never beside itself. It belongs to the parent's goroutine.
type tracker struct {
	report func(name string, ok bool)
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

func newTracker(report func(string, bool), log func(string, ...any)) *tracker {
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
	go r.loop(ctx, cmd, t.report)
}

// loop runs the script until it is cancelled.
func (r *trackedRun) loop(ctx context.Context, cmd checker.Command, report func(string, bool)) {
	ticker := time.NewTicker(r.plan.interval)
	defer ticker.Stop()
	for {
		out := script.Run(ctx, cmd, r.plan.timeout)
		if ctx.Err() != nil {
			return
		}
		ok := out.Exited() && out.Status == 0
		r.mu.Lock()
		r.known, r.ok = true, ok
		r.mu.Unlock()
		report(r.plan.name, ok)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
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
	uid, gid, err := script.Identity(c.User, c.Group)
	return checker.Command{Args: c.Args, UID: uid, GID: gid}, err
}

// runScript runs a notification script to its end.
func (p *parent) runScript(c confparse.Command) {
	cmd, err := command(c)
	if err == nil {
		if out := script.Run(context.Background(), cmd, 0); out.Err != nil {
			err = out.Err
		}
	}
	if err != nil {
		p.log.printf("script %s: %v", strings.Join(c.Args, " "), err)
	}
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

// vetScripts takes the scripts out of a configuration that cannot or must not
// run, as keepalived does, and returns why.
func vetScripts(cfg *confparse.Config) []error {
	var problems []error
	vet := func(c **confparse.Command) {
		if *c == nil {
			return
		}
		defaultIdentity(*c, &cfg.Global)
		if err := vetScript(*c, cfg.Global.ScriptSecurity); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w; the script is disabled", (*c).Pos, err))
			*c = nil
		}
	}
	cfg.Scripts = slices.DeleteFunc(cfg.Scripts, func(s *confparse.Script) bool {
		c := &s.Command
		vet(&c)
		return c == nil
	})
	for _, in := range cfg.Instances {
		vetNotify(&in.Notify, vet)
	}
	for _, g := range cfg.SyncGroups {
		vetNotify(&g.Notify, vet)
	}
	for _, v := range cfg.VirtualServers {
		vet(&v.QuorumUp)
		vet(&v.QuorumDown)
		for _, s := range v.Servers {
			vet(&s.NotifyUp)
			vet(&s.NotifyDown)
			for _, k := range s.Checkers {
				if k.Misc != nil {
					defaultIdentity(&k.Misc.Command, &cfg.Global)
				}
			}
		}
	}
	return problems
}

func vetNotify(n *confparse.Notify, vet func(**confparse.Command)) {
	for _, c := range []**confparse.Command{&n.Master, &n.Backup, &n.Fault, &n.Stop, &n.Deleted, &n.Any, &n.LowerPriority} {
		vet(c)
	}
}

// defaultIdentity fills in script_user.
func defaultIdentity(c *confparse.Command, g *confparse.Global) {
	if c.User == "" && g.ScriptUser != "" {
		c.User, c.Group = g.ScriptUser, g.ScriptGroup
	}
}

// vetScript says why a script cannot run, or with enable_script_security must
// not: as root from a path that others can write.
func vetScript(c *confparse.Command, secure bool) error {
	if len(c.Args) == 0 {
		return fmt.Errorf("no command given")
	}
	path, err := exec.LookPath(c.Args[0])
	if err != nil {
		return fmt.Errorf("script %s: %w", c.Args[0], os.ErrNotExist)
	}
	uid, gid, err := script.Identity(c.User, c.Group)
	if err != nil {
		return fmt.Errorf("script %s: %w", c.Args[0], err)
	}
	if !secure || uid != 0 && gid != 0 {
		return nil
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	return script.Safe(path)
}
