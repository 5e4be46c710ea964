package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/vrrp"
)

// A VRRP process that hangs (stopped, or waiting for what never comes) is silent
// and keeps its addresses: the other director takes over, and both have them. So
// the parent looks whether it wakes when it is due, kills one that does not, and
// starts another. That goes on as MASTER if nobody else can have been elected
// yet, and else begins anew: it takes the addresses away and listens.
const (
	watchEvery = 500 * time.Millisecond
	// hangTime is the least that a process may be late by.
	hangTime = time.Second
	// replaceTime is how long a busy machine takes to start another one.
	replaceTime = 500 * time.Millisecond
)

// watchdog is what the parent saw of the VRRP process.
type watchdog struct {
	tick   *time.Ticker
	due    vrrp.Time // when it was to wake, at the last look
	looked vrrp.Time
}

func newWatchdog() *watchdog {
	w := &watchdog{tick: time.NewTicker(watchEvery)}
	w.set(false)
	return w
}

// set lets the parent look, or not.
func (w *watchdog) set(on bool) {
	if w.tick.Stop(); on {
		w.tick.Reset(watchEvery)
	}
}

// overdue is by how much the process is late, 0 while it is not, and where that
// is not sure: a parent that was itself kept from looking knows no more than
// that this machine stood still, and the process has to have its chance.
func (w *watchdog) overdue(now, due vrrp.Time) time.Duration {
	sure := due == w.due && now-w.looked < 2*watchEvery
	w.due, w.looked = due, now
	if !sure || due == 0 {
		return 0
	}
	return max(0, now-due)
}

// watch looks after the VRRP process. One that is about to get a plan, or to end,
// is left alone: much may be to do for it.
func (p *parent) watch() {
	c := p.vrrp
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil || !c.watched() {
		return
	}
	late := p.watchdog.overdue(time.Duration(ts.Nano()), c.promise.due())
	if late < hangTime {
		return
	}
	interval := p.shortest()
	if late < interval {
		return
	}
	how, idle := idles(c.cmd.Process.Pid)
	if !idle {
		return
	}
	c.ready, c.stale = false, late+replaceTime > 2*interval
	then := "another goes on in its place"
	if c.stale {
		then = "another listens in its place, for the other director may have taken over"
	}
	pid := c.cmd.Process.Pid
	p.log.printf("%s child process(%d) was to wake %v ago and %s: it is killed, %s", c.title(), pid, late.Round(time.Millisecond), how, then)
	p.noteDaemon("HUNG", "%s process %d was to wake %v ago and %s", c.title(), pid, late.Round(time.Millisecond), how)
	c.kill()
}

// watched says whether the process has nothing to do but what it promised.
func (c *child) watched() bool {
	return c.running() && c.promise != nil && c.needed && c.ready && !c.leaving && !c.detached && c.before == nil
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
