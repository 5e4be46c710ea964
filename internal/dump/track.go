package dump

import (
	"fmt"
	"strings"

	"keepgo/confparse"
	"keepgo/internal/status"
)

// groups adds the sync groups.
func (p *page) groups() {
	if len(p.Config.SyncGroups) == 0 {
		return
	}
	now := map[string]status.Group{}
	for _, g := range p.Status.Groups {
		now[g.Name] = g
	}
	p.put(rule, "VRRP Sync groups")
	for _, c := range p.Config.SyncGroups {
		g := now[c.Name]
		p.put(" VRRP Sync Group = %s, %s", c.Name, or(g.State, "INIT"))
		p.put("   Num member fault %d, num member init 0", g.Faults)
		p.put("   VRRP member instances :")
		for _, name := range c.Members {
			p.put("     %s", name)
		}
		p.tracked("Tracked interfaces", " ", c.TrackInterfaces)
		p.tracked("Tracked scripts", " ", c.TrackScripts)
		p.tracked("Tracked files", ", ", c.TrackFiles)
		p.tracked("Tracked processes", ", ", c.TrackProcesses)
		p.put("   Using smtp notification = %s", yesNo(c.SMTPAlert))
		p.notify(&c.Notify)
	}
}

// tracking adds the instances that track something.
func (p *page) tracking(name string, of func(*confparse.Instance) []confparse.Track) {
	p.put("   Tracking instances :")
	for _, c := range p.Config.Instances {
		for _, t := range of(c) {
			p.when(t.Name == name, "     %s, weight %d%s", c.Name, t.Weight, choose(t.Reverse, " reverse", ""))
		}
	}
}

// scripts adds the tracked scripts.
func (p *page) scripts() {
	used := map[string]bool{}
	note := func(tracks []confparse.Track) {
		for _, t := range tracks {
			used[t.Name] = true
		}
	}
	for _, c := range p.Config.Instances {
		note(c.TrackScripts)
	}
	for _, g := range p.Config.SyncGroups {
		note(g.TrackScripts)
	}
	now := map[string]status.Script{}
	for _, s := range p.Status.Scripts {
		now[s.Name] = s
	}
	if len(used) > 0 {
		p.put(rule, "VRRP Scripts")
	}
	for _, c := range p.Config.Scripts {
		if used[c.Name] {
			p.vrrpScript(c, now[c.Name])
		}
	}
}

func (p *page) vrrpScript(c *confparse.Script, s status.Script) {
	uid, gid := p.ids(c.Command.User, c.Command.Group)
	p.put(" VRRP Script = %s", c.Name)
	p.put("   Command = %s", quoted(c.Command.Args))
	p.put("   Interval = %g sec", c.Interval.Seconds())
	p.put("   Timeout = %g sec", c.Timeout.Seconds())
	p.put("   Weight = %d%s", c.Weight, choose(c.Reverse, " reverse", ""))
	p.put("   Rise = %d", max(c.Rise, 1))
	p.put("   Fall = %d", max(c.Fall, 1))
	p.put("   Result = %d", s.Result)
	p.put("   Insecure = no")
	p.put("   Init state = unknown")
	p.put("   Status = %s", choose(s.Known, choose(s.Good, "GOOD", "BAD"), "INIT"))
	p.put("   Script uid:gid = %d:%d", uid, gid)
	p.put("   VRRP instances :")
	p.tracking(c.Name, func(in *confparse.Instance) []confparse.Track { return in.TrackScripts })
	p.put("   State = idle")
}

// trackFiles adds the tracked files.
func (p *page) trackFiles() {
	if len(p.Config.TrackFiles) > 0 {
		p.put(rule, "VRRP Track files")
	}
	for _, f := range p.Config.TrackFiles {
		p.put(" Track file = %s", f.Name)
		p.put("   File = %s", f.Path)
		p.put("   Status = %d", p.Status.Files[f.Name])
		p.put("   Weight = %d%s", f.Weight, choose(f.Reverse, " reverse", ""))
		p.tracking(f.Name, func(in *confparse.Instance) []confparse.Track { return in.TrackFiles })
	}
}

// trackProcesses adds the tracked processes.
func (p *page) trackProcesses() {
	if len(p.Config.TrackProcesses) > 0 {
		p.put(rule, "VRRP Track processes")
	}
	for _, t := range p.Config.TrackProcesses {
		p.put(" VRRP Track process = %s", t.Name)
		p.put("   Process = %s", t.Process)
		if t.Match != confparse.ParamsIgnored {
			p.put("   Parameters = %s", strings.Join(t.Params, " "))
			p.put("   Param match = %s", matches[t.Match])
		}
		p.put("   Min processes = %d", t.Quorum)
		p.put("   Max processes = %s", choose(t.QuorumMax < 0, "(no max)", fmt.Sprint(t.QuorumMax)))
		p.put("   Have quorum = %s", trueFalse(p.Status.Processes[t.Name]))
		p.put("   Weight = %d%s", t.Weight, choose(t.Reverse, " reverse", ""))
		p.put("   Terminate delay = %fs", t.TerminateDelay.Seconds())
		p.put("   Fork delay = %fs", t.ForkDelay.Seconds())
		p.put("   Full command = %s", trueFalse(t.FullCommand))
		p.tracking(t.Name, func(in *confparse.Instance) []confparse.Track { return in.TrackProcesses })
	}
}
