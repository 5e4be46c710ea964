package lab

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"keepgo/confparse"
	"keepgo/internal/netlab"
)

// chapter is one drill: a key for limits, a name, and what is played.
type chapter struct {
	key, about string
	play       func(*play) error
}

// short is what is played in under a minute.
var short = []chapter{
	{"start", "both directors start", (*play).start},
	{"server", "a real server dies and comes back", (*play).realServer},
	{"power", "the master loses power", (*play).powerCut},
	{"stop", "the master is stopped", (*play).stopping},
	{"link", "the master loses its link", func(p *play) error { return p.linkDown(p.stage.net.lans[0]) }},
}

// book is every drill.
var book = []chapter{
	{"pair", "the two files fit together", (*play).pair},
	{"start", "both directors start", (*play).start},
	{"kill", "the master's daemon is killed", (*play).killing},
	{"crash", "the master's VRRP process is killed", (*play).crash},
	{"hang", "the master's VRRP process hangs", (*play).hang},
	{"power", "the master loses power", (*play).powerCut},
	{"stop", "the master is stopped", (*play).stopping},
	{"link", "the master loses a link", (*play).links},
	{"mute", "the master's cable carries one way only: nothing out", (*play).mute},
	{"deaf", "the master's cable carries one way only: nothing in", (*play).deaf},
	{"partition", "the directors do not hear each other", (*play).partition},
	{"server", "each real server fails and comes back", (*play).realServers},
	{"all_servers", "all real servers of a service die", (*play).allDown},
	{"script", "a tracked script fails", (*play).scripts},
	{"address", "the virtual address is removed by hand", (*play).addressRemoved},
	{"table", "the services are removed by hand", (*play).tableCleared},
	{"freeze", "the master's daemon is frozen for 5 s", (*play).freeze},
	{"reload", "the master is reloaded with a change", (*play).reload},
	{"rolling", "an address is added, one director after the other", (*play).rolling},
	{"clock", "the clock steps", (*play).clockStep},
}

// Keys are the names of all drills, as a drill file has them.
func Keys() []string {
	var keys []string
	for _, c := range book {
		keys = append(keys, c.key)
	}
	return keys
}

// killing ends the master's processes, and leaves its machine as it is: its
// addresses stand.
func (p *play) killing() error {
	return p.lose(loss{gone: "the daemon of %s is killed (kill -9), its addresses stay", back: "%s is started again",
		take: (*director).kill, give: (*director).start, startup: startTime})
}

// crash ends the process that speaks VRRP. Its parent starts another one.
func (p *play) crash() error {
	m, _ := p.current()
	d := p.stage.directors[m]
	old := d.vrrpPID()
	if old == 0 {
		p.leave("the VRRP process of "+d.Name+" is killed", "%s has no pid file of it", d.Name)
		return nil
	}
	return p.act(deed{
		name: "the VRRP process of " + d.Name + " is killed", heir: true, least: p.restTime(), limit: p.takeover() + startTime + slack,
		do:   func() error { return d.signalPID(old, syscall.SIGKILL) },
		done: func() bool { return d.succeeded(old) && p.settledAfterReturn(m) },
		want: "the process is back and one director has the address",
	})
}

// restTime is how long a scene is watched at least so that nothing of it is left
// for the next: a daemon that cannot be asked may have timers that run still.
func (p *play) restTime() time.Duration {
	if p.foreign {
		return p.takeover() + time.Second
	}
	return 0
}

// links takes every link from the master that it needs, one after the other.
func (p *play) links() error {
	for _, l := range p.stage.net.lans {
		if err := p.linkDown(l); err != nil {
			return err
		}
	}
	return nil
}

// linkDown pulls the master's cable of a lan. A link that nothing watches
// matters if real servers are behind it.
func (p *play) linkDown(l *lan) error {
	moves := p.moved(func(in *confparse.Instance) bool { return watches(in, l.link) })
	behind := slices.ContainsFunc(p.stage.net.servers, func(s *server) bool { return s.lan == l && !s.addr.IsLoopback() })
	unwatched := !slices.ContainsFunc(p.vipIndexes(), moves)
	if unwatched && !behind {
		p.leave("the master loses its link "+l.link, "nothing tracks %s and no real server is behind it", l.link)
		return nil
	}
	m, _ := p.current()
	plug := func(in bool) func(*director) error {
		return func(d *director) error { return d.Cable(l.links[d.index()], in) }
	}
	lost := loss{gone: "%s loses its link " + l.link, back: "the link of %s is back", take: plug(false), give: plug(true), moves: moves}
	if unwatched {
		lost.moves = nil
		lost.want = fmt.Sprintf("%s stays master without its way to the real servers: nothing tracks %s, write it in a track_interface block",
			p.stage.directors[m].Name, l.link)
	}
	return p.lose(lost)
}

// watches says whether an instance gives up when an interface is down.
func watches(in *confparse.Instance, link string) bool {
	if in.Interface == link {
		return !in.DontTrackPrimary
	}
	return slices.ContainsFunc(in.TrackInterfaces, func(t confparse.Track) bool { return t.Name == link && !t.Reverse }) ||
		slices.ContainsFunc(slices.Concat(in.Addresses, in.Excluded), func(a confparse.Address) bool { return a.Interface == link && !a.NoTrack })
}

func (p *play) vipIndexes() []int {
	list := make([]int, len(p.stage.net.vips))
	for v := range list {
		list[v] = v
	}
	return list
}

// moved says which addresses move when some instances give up: theirs, and
// those of the instances in a sync group with them.
func (p *play) moved(hit func(*confparse.Instance) bool) func(vip int) bool {
	struck := map[string]bool{}
	for _, in := range p.cfg.Instances {
		struck[in.Name] = hit(in)
	}
	for _, g := range p.cfg.SyncGroups {
		if slices.ContainsFunc(g.Members, func(name string) bool { return struck[name] }) {
			for _, name := range g.Members {
				struck[name] = true
			}
		}
	}
	return func(v int) bool { return struck[p.stage.net.vips[v].instance.Name] }
}

// mute cuts the cable of the master's first interface so that nothing it sends
// arrives.
func (p *play) mute() error {
	l := p.stage.net.lans[0]
	cut := func(way netlab.Cut) func(*director) error {
		return func(d *director) error { return d.Cut(l.links[d.index()], way) }
	}
	return p.lose(loss{gone: "%s sends into a broken cable of " + l.link + ", and hears", back: "the cable of %s is mended",
		take: cut(netlab.Mute), give: cut(netlab.Healed),
		moves: p.moved(func(in *confparse.Instance) bool { return in.Interface == l.link })})
}

// deaf cuts the cable so that nothing arrives at the master. Its adverts keep
// the backup quiet: only a check of its own can tell.
func (p *play) deaf() error {
	l := p.stage.net.lans[0]
	m, _ := p.current()
	d := p.stage.directors[m]
	err := p.act(deed{
		name: d.Name + " hears nothing from a broken cable of " + l.link + ", and sends", heir: true, silent: true,
		least: p.takeover() + time.Second, limit: p.takeover() + slack,
		do:   func() error { return d.Cut(l.links[m], netlab.Deaf) },
		done: func() bool { return true }, remark: "its adverts arrive, so only a track_script that asks the network can move the address",
	})
	if err != nil || p.leftOut {
		return err
	}
	return p.act(deed{
		name: "the cable of " + d.Name + " is mended", heir: true, limit: p.takeover() + slack,
		do:   func() error { return d.Cut(l.links[m], netlab.Healed) },
		done: func() bool { return p.settledAfterReturn(m) }, want: "the address is where it belongs",
	})
}

// partition keeps the directors from hearing each other; everybody else hears
// both.
func (p *play) partition() error {
	_, o := p.current()
	err := p.act(deed{
		name: "split brain: no adverts between the directors", limit: p.takeover() + slack,
		do:   func() error { return p.part(netlab.Parted) },
		done: func() bool { return p.heirHolds(o, nil) }, want: p.stage.directors[o].Name + " takes over too",
	})
	if err != nil {
		return err
	}
	return p.act(deed{
		name: "the directors hear each other again", heir: true, limit: p.takeover() + slack,
		do:   func() error { return p.part(netlab.Healed) },
		done: func() bool { return p.single() }, want: "one director alone has the address",
	})
}

// part cuts all cables of both directors in a way, or heals them.
func (p *play) part(way netlab.Cut) error {
	for _, l := range p.stage.net.lans {
		for i, d := range p.stage.directors {
			if err := d.Cut(l.links[i], way); err != nil {
				return err
			}
		}
	}
	return nil
}

// single says whether every address is with one director.
func (p *play) single() bool {
	for v := range p.stage.net.vips {
		if p.master(v) < 0 {
			return false
		}
	}
	return true
}

// frozenFor is how long a process is frozen: long enough to lose the mastership
// with usual intervals.
const frozenFor = 5 * time.Second

// hang stops the process that speaks VRRP, and no other, as if it hung. If nobody
// puts another in its place the other director takes over, and both have the
// addresses.
func (p *play) hang() error {
	m, o := p.current()
	d := p.stage.directors[m]
	old := d.vrrpPID()
	if old == 0 {
		p.leave("the VRRP process of "+d.Name+" hangs", "%s has no pid file of it", d.Name)
		return nil
	}
	replaced := func() bool { return d.succeeded(old) }
	moves := p.takeover() < frozenFor
	err := p.act(deed{
		name: fmt.Sprintf("the VRRP process of %s hangs for %v", d.Name, frozenFor), heir: true, least: frozenFor, limit: frozenFor + p.takeover() + slack,
		do: func() error { return d.signalPID(old, syscall.SIGSTOP) },
		done: func() bool {
			return replaced() && p.settledAfterReturn(m) || !replaced() && (!moves || p.heirHolds(o, nil))
		},
		want: "another process is in its place, or the other director takes over",
	})
	if err != nil || replaced() {
		return err
	}
	return p.act(deed{
		name: "the VRRP process of " + d.Name + " goes on", heir: true, limit: p.takeover() + slack,
		do:   func() error { return d.signalPID(old, syscall.SIGCONT) },
		done: func() bool { return p.alive(m) && p.settledAfterReturn(m) }, want: "the address is where it belongs",
	})
}

// freeze stops the master's processes for a while, as a paused virtual machine
// or a stuck disk does.
func (p *play) freeze() error {
	m, o := p.current()
	d := p.stage.directors[m]
	moves := p.takeover() < frozenFor
	err := p.act(deed{
		name: fmt.Sprintf("the daemon of %s is frozen for %v", d.Name, frozenFor), least: frozenFor, limit: frozenFor + slack,
		do:   d.freeze,
		done: func() bool { return !moves || p.heirHolds(o, nil) }, want: p.stage.directors[o].Name + " is master",
	})
	if err != nil {
		return err
	}
	return p.act(deed{
		name: d.Name + " goes on", heir: true, limit: p.takeover() + slack,
		do:   d.thaw,
		done: func() bool { return p.alive(m) && p.settledAfterReturn(m) }, want: "the address is where it belongs",
	})
}
