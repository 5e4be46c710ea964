package daemon

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"keepgo/checker/script"
	"keepgo/confparse"
	"keepgo/internal/lb"
)

// vetter gives the scripts of a configuration their users and files, and finds
// those that cannot or must not run.
type vetter struct {
	global *confparse.Global
	found  []error
}

// vetScripts fills in who runs each script of a configuration and which file it
// is, takes out those that cannot or must not run, as keepalived does, and
// returns why. A MISC_CHECK that must not run stays without a command: it fails.
func vetScripts(cfg *confparse.Config) []error {
	g := &cfg.Global
	v := &vetter{global: g}
	v.vet(&g.StartupScript, &g.ShutdownScript, &g.NotifyFIFO.Script, &g.VRRPNotifyFIFO.Script, &g.LVSNotifyFIFO.Script)
	cfg.Scripts = slices.DeleteFunc(cfg.Scripts, func(s *confparse.Script) bool {
		return !v.fit(&s.Command, "it is disabled")
	})
	for _, in := range cfg.Instances {
		v.vetNotify(&in.Notify)
	}
	for _, s := range cfg.SyncGroups {
		v.vetNotify(&s.Notify)
	}
	for _, s := range cfg.VirtualServers {
		v.vetService(s)
	}
	return v.found
}

func (v *vetter) vetNotify(n *confparse.Notify) {
	v.vet(&n.Master, &n.Backup, &n.Fault, &n.Stop, &n.Deleted, &n.Any, &n.LowerPriority)
}

func (v *vetter) vetService(s *confparse.VirtualServer) {
	v.vet(&s.QuorumUp, &s.QuorumDown)
	for _, rs := range s.Servers {
		v.vet(&rs.NotifyUp, &rs.NotifyDown)
		for _, c := range rs.Checkers {
			if c.Misc != nil && !v.fit(&c.Misc.Command, "the check fails") {
				c.Misc.Command.Args = nil
			}
		}
	}
}

// vet takes out the commands that are not fit.
func (v *vetter) vet(commands ...**confparse.Command) {
	for _, c := range commands {
		if *c != nil && !v.fit(*c, "it is disabled") {
			*c = nil
		}
	}
}

// fit completes a command and says whether it may run.
func (v *vetter) fit(c *confparse.Command, otherwise string) bool {
	v.identify(c)
	err := v.find(c)
	if err != nil {
		v.found = append(v.found, fmt.Errorf("%s: script %s: %w; %s", c.Pos, strings.Join(c.Args, " "), err, otherwise))
	}
	return err == nil
}

// identify fills in script_user and set_supplementary_groups.
func (v *vetter) identify(c *confparse.Command) {
	if c.User == "" {
		c.User, c.Group = v.global.ScriptUser, v.global.ScriptGroup
	}
	if v.global.ScriptGroups && !strings.HasPrefix(c.Group, ":") {
		c.Group = ":" + c.Group
	}
}

// find fills in the file of a command. One that would run with the rights of
// root from a path that others can write must not run with
// enable_script_security, and is told without.
func (v *vetter) find(c *confparse.Command) error {
	if len(c.Args) == 0 {
		return errors.New("no command given")
	}
	id, err := script.Resolve(c.User, c.Group)
	if err != nil {
		return err
	}
	secure := v.global.ScriptSecurity
	if secure && c.User == "" && id.UID == 0 && os.Geteuid() == 0 {
		return fmt.Errorf("enable_script_security needs a script_user, or the user %s: it would run as root", script.DefaultUser)
	}
	if script.Redirection(c.Args) {
		return nil
	}
	path, target, err := script.Find(c.Args[0], id)
	if err != nil {
		return err
	}
	if c.Path = target; v.global.SymlinkPaths {
		c.Path = path
	}
	if !script.Privileged(target, id) {
		return nil
	}
	err = script.Safe(path)
	if err != nil && !secure {
		v.found = append(v.found, fmt.Errorf("%s: Unsafe permissions found for script '%s': %w", c.Pos, c.Args[0], err))
		return nil
	}
	return err
}

// identifyChecks gives the scripts of checks their users. One that has none must
// not run as root instead: it fails.
func identifyChecks(plan *lb.Plan) (errs []error) {
	for i := range plan.Checks {
		c := &plan.Checks[i]
		if c.Probe.Program == nil {
			continue
		}
		cmd := &c.Probe.Program.Command
		if err := identify(cmd); err != nil {
			errs = append(errs, fmt.Errorf("MISC_CHECK of %s: %w; the check fails", c.Name, err))
			cmd.Args = nil
		}
	}
	return errs
}

// Checks plans the virtual servers of a configuration with their checks, ready
// to be made, as the daemon does. The errors are scripts that cannot run.
func Checks(cfg *confparse.Config) (*lb.Plan, []error) {
	errs := vetScripts(cfg)
	plan, _ := lb.Build(cfg)
	return plan, append(errs, identifyChecks(plan)...)
}
