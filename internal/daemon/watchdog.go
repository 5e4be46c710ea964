package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"keepgo/vrrp"
)

// A VRRP process that hangs (stopped, or waiting for what never comes) is silent
// and keeps its addresses: the other director takes over, and both have them. One
// of LVS asks nobody, and a server that dies stays in the table; of what one of BFD
// said last all holds on. So the parent
// looks whether they wake when they are due, kills one that does not, and starts
// another. In the place of the first that goes on as MASTER if nobody else can have
// been elected yet, and else begins anew: it takes the addresses away and listens.
// In the place of the others it goes on with what the parent knows.
const (
	watchEvery = 500 * time.Millisecond
	// hangTime is the least that the VRRP process may be late by, and all that the
	// BFD process may be: its neighbors have given up long before.
	hangTime = time.Second
	// lvsHangTime is what the LVS process may be late by, while the parent looks all
	// the time. Nothing turns on its being punctual, and to program many services,
	// or to load a module, may take it long.
	lvsHangTime = 10 * time.Second
	// replaceTime is how long a busy machine takes to start another one.
	replaceTime = 500 * time.Millisecond
)

// watchdog is what the parent saw of a process.
type watchdog struct {
	on     bool
	due    vrrp.Time // when it was to wake, at the last look
	looked vrrp.Time
	since  vrrp.Time // the first of the looks that saw it due then, each soon after the one before
}

// overdue is by how much the process is late, 0 while it is not, and where that
// is not sure: a parent that was itself kept from looking knows no more than
// that this machine stood still, and the process has to have its chance.
func (w *watchdog) overdue(now, due vrrp.Time) time.Duration {
	if due != w.due || now-w.looked >= 2*watchEvery {
		w.since = now
	}
	w.due, w.looked = due, now
	if w.since == now || due == 0 {
		return 0
	}
	return max(0, now-due)
}

// seen is for how long the parent has looked without a gap.
func (w *watchdog) seen() time.Duration { return w.looked - w.since }

// guard has the processes watched over that the configuration says so of.
func (p *parent) guard() {
	g := &p.cfg.Global
	p.vrrp.watchdog.on = g.RestartFrozen && !p.opts.NoRespawn
	p.lvs.watchdog.on = g.RestartFrozenLVS && !p.opts.NoRespawn
	p.bfd.watchdog.on = g.RestartFrozenBFD && !p.opts.NoRespawn
	if p.looks.Stop(); p.vrrp.watched() || p.lvs.watched() || p.bfd.watched() {
		p.looks.Reset(watchEvery)
	}
}

// look looks after the processes.
func (p *parent) look() {
	now := sinceBoot()
	if c := p.vrrp; c.punctual() {
		interval := p.shortest()
		if late := c.watchdog.overdue(now, c.promise.due()); late >= max(hangTime, interval) {
			c.hangs(late, late+replaceTime > 2*interval)
		}
	}
	if c := p.lvs; c.punctual() {
		if late := c.watchdog.overdue(now, c.promise.due()); min(late, c.watchdog.seen()) >= lvsHangTime {
			c.hangs(late, false)
		}
	}
	if c := p.bfd; c.punctual() {
		if late := c.watchdog.overdue(now, c.promise.due()); late >= hangTime {
			c.hangs(late, false)
		}
	}
}

// hangs kills a process that is late, unless it is not to blame for that. stale
// says that it was silent for so long that another may have been elected.
func (c *child) hangs(late time.Duration, stale bool) {
	pid := c.cmd.Process.Pid
	how, idle := idles(pid)
	if !idle {
		return
	}
	c.ready, c.stale = false, stale
	then := "another goes on in its place"
	if stale {
		then = "another listens in its place, for the other director may have taken over"
	}
	late = late.Round(time.Millisecond)
	c.parent.log.printf("%s child process(%d) was to wake %v ago and %s: it is killed, %s", c.title(), pid, late, how, then)
	c.parent.noteDaemon("HUNG", "%s process %d was to wake %v ago and %s", c.title(), pid, late, how)
	c.kill()
}

// watched says whether anybody is to look after the process.
func (c *child) watched() bool { return c.watchdog.on && c.needed && c.promise != nil }

// punctual says whether the process has nothing to do but what it promised. One
// that is about to get a plan, or to end, is left alone: much may be to do for it.
func (c *child) punctual() bool {
	return c.watched() && c.running() && c.ready && !c.leaving && !c.detached && c.before == nil
}

// shortest is the least interval of the instances that are MASTER: within two of
// it after a missed advert nobody else is elected (RFC 9568 section 6.1).
func (p *parent) shortest() time.Duration {
	least := time.Duration(0)
	for _, in := range p.cfg.Instances {
		if p.masters[in.Name] && (least == 0 || in.AdvertInt < least) {
			least = in.AdvertInt
		}
	}
	return least
}

// idles tells whether a process has no thread that computes or waits for a disk:
// what keeps those from going on would keep another process from it too. Of one
// that may not be looked at its being late has to do. how is what it does.
func idles(pid int) (how string, idle bool) {
	how = "sleeps"
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, f := range files {
		stat, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		// proc_pid_stat(5): the name, which may hold anything, is in parentheses.
		switch state := stat[min(bytes.LastIndexByte(stat, ')')+2, len(stat)-1)]; state {
		case 'R', 'D':
			return "", false
		case 'T', 't':
			how = "is stopped"
		}
	}
	return how, true
}
