package lab

import (
	"fmt"
	"os"
	"slices"
	"time"

	"keepgo/confparse"
)

// mostTroubled bounds how many real servers, and how many scripts, are troubled
// one by one: a farm of hundreds is no more of a rehearsal.
const mostTroubled = 8

// realServers troubles every real server in turn.
func (p *play) realServers() error {
	if p.foreign {
		p.leave("each real server fails and comes back", "%s does not tell what it thinks of its real servers", p.report.Daemon)
		return nil
	}
	played := 0
	for _, vs := range p.cfg.VirtualServers {
		for _, rs := range vs.Servers {
			name := fmt.Sprintf("real server %s:%d", rs.Addr, rs.Port)
			if why := p.untroubled(vs, rs); why != "" {
				p.leave(name+" dies", "%s", why)
				continue
			}
			if played++; played > mostTroubled {
				p.leave(name+" dies", "%d real servers were played", mostTroubled)
				continue
			}
			if err := p.trouble(vs, rs, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// untroubled says why a real server is not played, "" if it is.
func (p *play) untroubled(vs *confparse.VirtualServer, rs *confparse.RealServer) string {
	m := p.stage.servers[rs.Addr]
	switch {
	case m == nil || m.host == nil:
		return "it stands on a director"
	case !slices.ContainsFunc(rs.Checkers, func(c *confparse.Checker) bool { return notices(c, rs) }):
		return "no check asks it over the network"
	case !p.serverIs(vs, rs, true):
		return "the daemon does not say that it is in: see keepgo check"
	case noticeTime(rs) > longestNotice:
		return fmt.Sprintf("its checks take up to %v to notice", noticeTime(rs))
	}
	return ""
}

// trouble is what a server can suffer from, and its cure.
type trouble struct {
	what string
	do   func(*machine) error
	sees func(*confparse.Checker) bool // whether a check notices it
	// silent says that every attempt of a check lasts as long as it may.
	silent bool
}

var troubles = []trouble{
	{what: "dies", do: (*machine).close, sees: func(*confparse.Checker) bool { return true }},
	{what: "is too slow", do: moody(slow), sees: waits, silent: true},
	{what: "answers wrongly", do: moody(wrong), sees: reads},
}

// silentTime is how much longer checks take to notice a server that keeps them
// waiting.
func silentTime(rs *confparse.RealServer) (t time.Duration) {
	for _, c := range rs.Checkers {
		if notices(c, rs) && waits(c) {
			t = max(t, time.Duration(c.Retry+1)*c.Timeout)
		}
	}
	return t
}

func moody(mood int32) func(*machine) error {
	return func(m *machine) error { m.mood.Store(mood); return nil }
}

// waits says whether a check waits for an answer, and reads whether it looks at
// what the answer says.
func waits(c *confparse.Checker) bool {
	return c.HTTP != nil || c.SMTP != nil || c.DNS != nil || c.UDP != nil && c.UDP.RequireReply
}

func reads(c *confparse.Checker) bool { return waits(c) && (c.UDP == nil || len(c.UDP.Reply) > 0) }

// trouble plays everything that a check of the server can notice.
func (p *play) trouble(vs *confparse.VirtualServer, rs *confparse.RealServer, name string) error {
	m := p.stage.servers[rs.Addr]
	for _, t := range troubles {
		took := noticeTime(rs)
		if t.silent {
			took += silentTime(rs)
		}
		if !slices.ContainsFunc(rs.Checkers, func(c *confparse.Checker) bool { return notices(c, rs) && t.sees(c) }) {
			continue
		}
		err := p.act(deed{
			name: name + " " + t.what, takes: took, limit: took + slack, want: "it is out",
			do:   func() error { return t.do(m) },
			done: func() bool { return p.serverIs(vs, rs, false) },
		})
		if err != nil {
			return err
		}
		err = p.act(deed{
			name: name + " is well again", limit: took + slack, want: "it is in again",
			do:   m.cure,
			done: func() bool { return p.serverIs(vs, rs, true) },
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// allDown ends all servers of the first service that checks can empty.
func (p *play) allDown() error {
	const name = "all real servers of a service die"
	if p.foreign {
		p.leave(name, "%s does not tell what it thinks of its real servers", p.report.Daemon)
		return nil
	}
	i := slices.IndexFunc(p.cfg.VirtualServers, func(vs *confparse.VirtualServer) bool {
		return len(vs.Servers) > 0 && !slices.ContainsFunc(vs.Servers, func(rs *confparse.RealServer) bool { return p.untroubled(vs, rs) != "" })
	})
	if i < 0 {
		p.leave(name, "no service has checks on all its servers that would notice in time")
		return nil
	}
	vs := p.cfg.VirtualServers[i]
	took := time.Duration(0)
	for _, rs := range vs.Servers {
		took = max(took, noticeTime(rs))
	}
	each := func(do func(*machine) error) error {
		for _, rs := range vs.Servers {
			if err := do(p.stage.servers[rs.Addr]); err != nil {
				return err
			}
		}
		return nil
	}
	are := func(up bool) func() bool {
		return func() bool {
			return !slices.ContainsFunc(vs.Servers, func(rs *confparse.RealServer) bool { return !p.serverIs(vs, rs, up) }) &&
				p.sorry(vs) == (!up && vs.Sorry != nil)
		}
	}
	want := "all are out"
	if vs.Sorry != nil {
		want += " and the sorry server is in their place"
	}
	err := p.act(deed{name: fmt.Sprintf("all real servers of %s:%d die", vs.Addr, vs.Port), takes: took, limit: took + slack,
		do: func() error { return each(troubles[0].do) }, done: are(false), want: want})
	if err != nil {
		return err
	}
	return p.act(deed{name: "they come back", limit: took + slack,
		do: func() error { return each((*machine).cure) }, done: are(true), want: "all are in again"})
}

// sorry says whether the master's sorry server of a service is in.
func (p *play) sorry(vs *confparse.VirtualServer) bool {
	m, _ := p.current()
	if s := p.status[m]; s != nil {
		for _, service := range s.Services {
			if namesService(service.Name, vs) {
				return service.Sorry
			}
		}
	}
	return false
}

// scripts fails every tracked script on the master.
func (p *play) scripts() error {
	tracked := map[string]bool{}
	for _, in := range p.cfg.Instances {
		for _, t := range in.TrackScripts {
			tracked[t.Name] = true
		}
	}
	for _, g := range p.cfg.SyncGroups {
		for _, t := range g.TrackScripts {
			tracked[t.Name] = true
		}
	}
	played := 0
	for _, s := range p.cfg.Scripts {
		if !tracked[s.Name] || played == mostTroubled {
			continue
		}
		played++
		if err := p.script(s); err != nil {
			return err
		}
	}
	if played == 0 {
		p.leave("a tracked script fails", "no vrrp_script is tracked")
	}
	return nil
}

// script fails one script on the master and lets it succeed again.
func (p *play) script(s *confparse.Script) error {
	m, _ := p.current()
	d, name := p.stage.directors[m], "script "+s.Name
	notice := time.Duration(max(s.Fall, s.Rise)+1)*s.Interval + time.Second
	switch {
	case notice > longestNotice:
		p.leave(name+" fails", "it takes up to %v to notice", notice)
		return nil
	case s.Reverse:
		p.leave(name+" fails", "it counts in reverse: that it succeeds is the failure")
		return nil
	}
	flag := d.scriptFlag(s.Name)
	moves := p.moved(func(in *confparse.Instance) bool { return p.loses(in, s.Name, m) })
	l := loss{gone: name + " fails on %s", back: name + " succeeds again on %s", moves: moves, startup: notice,
		take: func(*director) error { return os.WriteFile(flag, nil, 0o644) },
		give: func(*director) error { return os.Remove(flag) }}
	if slices.ContainsFunc(p.vipIndexes(), moves) {
		return p.lose(l)
	}
	return p.stays(l, d, notice)
}

// stays plays a loss that by the arithmetic of the priorities moves nothing.
func (p *play) stays(l loss, d *director, notice time.Duration) error {
	m := d.index()
	remark := fmt.Sprintf("%s stays master: the script's weight does not bring its priority below the other's", d.Name)
	err := p.act(deed{
		name: fmt.Sprintf(l.gone, d.Name), heir: true, least: notice, limit: notice + slack, remark: remark,
		do: func() error { return l.take(d) }, done: func() bool { return !p.src.paired() && p.single() }, want: remark,
	})
	if err != nil {
		return err
	}
	return p.act(deed{
		name: fmt.Sprintf(l.back, d.Name), heir: true, limit: notice + p.takeover() + slack,
		do: func() error { return l.give(d) }, done: func() bool { return p.settledAfterReturn(m) }, want: "the address is where it belongs",
	})
}

// loses says whether an instance gives up, or falls below its peer, when a
// script fails on a director.
func (p *play) loses(in *confparse.Instance, script string, m int) bool {
	tracks := slices.Clone(in.TrackScripts)
	for _, g := range p.cfg.SyncGroups {
		if slices.Contains(g.Members, in.Name) {
			tracks = append(tracks, g.TrackScripts...)
		}
	}
	for _, t := range tracks {
		if t.Name != script {
			continue
		}
		own, peer := p.priority(in, m), p.priority(in, 1-m)
		if t.Weight == 0 || own-max(t.Weight, -t.Weight) < peer {
			return true
		}
	}
	return false
}

// priority is that of an instance on a director.
func (p *play) priority(in *confparse.Instance, director int) int {
	if director == 0 {
		return int(in.Priority)
	}
	return int(p.src.second(in))
}

// addressRemoved takes the first virtual address away from the master.
func (p *play) addressRemoved() error {
	m, _ := p.current()
	d, v := p.stage.directors[m], p.stage.net.vips[0]
	return p.act(deed{
		name: fmt.Sprintf("somebody removes %s from %s", v.addr, d.Name), heir: true, limit: p.takeover() + slack,
		do:   func() error { return d.takeAway(v.addr) },
		done: func() bool { return p.master(0) >= 0 }, want: "one director has the address again",
	})
}

// tableCleared removes all services from the kernel.
func (p *play) tableCleared() error {
	m, _ := p.current()
	d := p.stage.directors[m]
	plane := d.dataPlane()
	name := map[string]string{planeIPVS: "somebody runs ipvsadm -C on " + d.Name, planeNFT: "somebody deletes the nftables tables of the services on " + d.Name}[plane]
	if plane == "" {
		p.leave("the services are removed by hand", "nothing is balanced by this kernel")
		return nil
	}
	limit := repairTime
	if p.foreign {
		limit = foreignTime
	}
	err := p.act(deed{
		name: name, limit: limit, want: "the services stand again",
		do:   func() error { return d.clearServices(plane) },
		done: func() bool { return d.dataPlane() != "" },
	})
	if err != nil || d.dataPlane() != "" {
		return err
	}
	return p.restart(d) // what follows is not to be judged by this
}

// foreignTime is how long another daemon has to bring services back.
const foreignTime = 10 * time.Second

// restart ends a daemon that did not mend what was broken, and starts it anew.
func (p *play) restart(d *director) error {
	if err := d.stop(); err != nil {
		return err
	}
	if ok, err := p.wait(startTime+slack, d.ended); err != nil || !ok {
		return err
	}
	if err := d.start(); err != nil {
		return err
	}
	_, err := p.wait(p.takeover()+startTime+slack, func() bool { return p.settledAfterReturn(d.index()) })
	return err
}

// repairTime is the longest until services that were removed stand again: a look
// at them is taken every minute where the kernel does not tell.
const repairTime = 70 * time.Second

// reload adds an address that is not announced to the master's file, and takes
// it out again.
func (p *play) reload() error {
	m, _ := p.current()
	d, extra := p.stage.directors[m], p.stage.net.extra
	if !extra.IsValid() {
		p.leave("the master is reloaded with a change", "no address is free in the subnet of %s", p.stage.net.vips[0].addr)
		return nil
	}
	change := more{block: "virtual_ipaddress_excluded", addr: extra}
	err := p.act(deed{
		name: fmt.Sprintf("%s is reloaded with one more virtual_ipaddress_excluded", d.Name), heir: true, limit: p.takeover() + slack,
		do:   func() error { return d.rewrite(p.src.text(d, change)) },
		done: func() bool { return d.Holds(extra) && p.master(0) == m }, want: d.Name + " stays master and has " + extra.String(),
	})
	if err != nil {
		return err
	}
	return p.act(deed{
		name: d.Name + " is reloaded without it", heir: true, limit: p.takeover() + slack,
		do:   func() error { return d.rewrite(p.src.text(d)) },
		done: func() bool { return !d.Holds(extra) && p.master(0) == m }, want: d.Name + " stays master and has it no more",
	})
}

// rolling adds an announced address on the backup first, then on the master,
// and takes it away in the same order.
func (p *play) rolling() error {
	m, o := p.current()
	extra := p.stage.net.extra
	if !extra.IsValid() {
		p.leave("an address is added, one director after the other", "no address is free in the subnet of %s", p.stage.net.vips[0].addr)
		return nil
	}
	with := []more{{block: "virtual_ipaddress", addr: extra}}
	steps := []struct {
		name     string
		director int
		list     []more
		has      bool
	}{
		{"%s, the backup, is reloaded with one more virtual_ipaddress", o, with, false},
		{"%s, the master, is reloaded with it too", m, with, true},
		{"%s, the backup, is reloaded without it", o, nil, true},
		{"%s, the master, is reloaded without it too", m, nil, false},
	}
	for _, s := range steps {
		d := p.stage.directors[s.director]
		err := p.act(deed{
			name: fmt.Sprintf(s.name, d.Name), heir: true, least: p.takeover(), limit: p.takeover() + slack,
			do: func() error { return d.rewrite(p.src.text(d, s.list...)) },
			done: func() bool {
				return p.master(0) == m && p.stage.directors[m].Holds(extra) == s.has && !p.stage.directors[o].Holds(extra)
			},
			want: p.stage.directors[m].Name + " alone is master, with its addresses",
		})
		if err != nil {
			return err
		}
	}
	return nil
}
