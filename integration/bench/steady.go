package main

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// steady runs masters for a time, and takes the rhythm of their adverts, the
// processor time they cost, and the memory.
func steady(instances int, interval time.Duration, whole, quick int) func(*rig) error {
	return func(g *rig) error {
		s := &shape{instances: instances, interval: interval, priority: 255, vips: 1}
		if err := g.masters(s); err != nil {
			return err
		}
		g.ring.forget()
		before, err := g.cpu("vrrp")
		if err != nil {
			return err
		}
		begin := wall()
		rest(time.Duration(g.few(whole, quick)) * time.Second)
		after, err := g.cpu("vrrp")
		if err != nil {
			return err
		}
		if err := g.rhythm(s, stretch{begin, wall()}, after-before); err != nil {
			return err
		}
		pss, err := g.pss("vrrp")
		g.note(fmt.Sprintf("pss %d", instances), pss)
		if err != nil {
			return err
		}
		return g.stop()
	}
}

// masters starts the director and waits until all instances speak, and its
// announcements are over.
func (g *rig) masters(s *shape) error {
	if err := g.start(s.String()); err != nil {
		return err
	}
	begin := wall()
	if err := g.until("all instances speak", func() bool { return len(announced(g.ring.take(), begin)) >= s.instances }); err != nil {
		return err
	}
	rest(1500 * time.Millisecond) // the second round comes after garp_master_delay
	return nil
}

// stretch is a time of the ring's clock in which something was measured.
type stretch struct{ begin, end time.Duration }

// frames are those of it.
func (g *rig) frames(t stretch) (all []frame) {
	for _, f := range g.ring.take() {
		if f.at >= t.begin && f.at <= t.end {
			all = append(all, f)
		}
	}
	return all
}

// rhythm takes how regularly every router spoke, how often of what it wanted to,
// and the processor time of an advert.
func (g *rig) rhythm(s *shape, t stretch, cpu time.Duration) error {
	key := fmt.Sprintf("%d at %v", s.instances, s.interval)
	first, last, sent := map[voice]time.Duration{}, map[voice]time.Duration{}, 0
	for _, f := range g.frames(t) {
		if !f.advert() {
			continue
		}
		sent++
		v := voice{f.link, f.vrid}
		if before, ok := last[v]; ok {
			g.note("jitter "+key, math.Abs(millis(f.at-before-s.interval)))
		} else {
			first[v] = f.at
		}
		last[v] = f.at
	}
	if len(last) != s.instances {
		return fmt.Errorf("%d of %d routers speak", len(last), s.instances)
	}
	var wanted float64 // after the first of each
	for v, until := range last {
		if t.end-until > 2*s.interval {
			until = t.end // it has fallen silent
		}
		wanted += float64(until-first[v]) / float64(s.interval)
	}
	g.note("sent "+key, float64(sent-len(last))/wanted)
	g.note("cpu "+key, millis(cpu)/float64(sent)*1000)
	return nil
}

// receive takes what hearing adverts costs a backup. Where the machine held the
// masters up for so long that the backup took over, nothing was measured.
func receive(instances int) func(*rig) error {
	return func(g *rig) (err error) {
		for range 3 {
			if err = hear(g, instances); err != errTookOver {
				return err
			}
			if err := g.stop(); err != nil {
				return err
			}
		}
		return err
	}
}

var errTookOver = errors.New("the director took over although its master spoke")

// hear takes it once.
func hear(g *rig, instances int) error {
	s := &shape{instances: instances, interval: 100 * time.Millisecond, priority: 100, vips: 1}
	sp := g.speak(voices(s.instances), s.interval)
	if err := g.start(s.String()); err != nil {
		return err
	}
	if err := g.backup(s); err != nil {
		return err
	}
	g.ring.forget()
	before, err := g.cpu("vrrp")
	if err != nil {
		return err
	}
	begin := wall()
	rest(time.Duration(g.few(10, 5)) * time.Second)
	after, err := g.cpu("vrrp")
	if err != nil {
		return err
	}
	frames := g.frames(stretch{begin, wall()})
	if _, err := sp.end(); err != nil {
		return err
	}
	heard := 0
	for _, f := range frames {
		if f.sent && !f.arp {
			heard++
		}
		if f.advert() {
			return errTookOver
		}
	}
	g.note(fmt.Sprintf("cpu %d heard", instances), millis(after-before)/float64(heard)*1000)
	return g.stop()
}

// lives starts and stops a director that owns its address.
func lives(g *rig) error {
	s := &shape{instances: 1, interval: time.Second, priority: 255, vips: 1}
	for range g.few(10, 8) {
		g.ring.forget()
		begin := wall()
		if err := g.start(s.String()); err != nil {
			return err
		}
		first, err := g.advertAt(func(f *frame) bool { return f.priority == 255 })
		if err != nil {
			return err
		}
		g.note("first advert", millis(first-begin))
		rest(300 * time.Millisecond)
		begin = wall()
		if err := g.proc.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		<-g.proc.Done()
		g.note("gone", millis(wall()-begin))
		zero, err := g.advertAt(func(f *frame) bool { return f.priority == 0 })
		if err != nil {
			return err
		}
		g.note("priority 0", millis(zero-begin))
		if err := g.until("no process is left", func() bool { return len(g.dir.PIDs()) == 0 }); err != nil {
			return err
		}
	}
	return nil
}

// advertAt waits for an advert of the director.
func (g *rig) advertAt(ok func(*frame) bool) (at time.Duration, err error) {
	err = g.until("an advert comes", func() bool {
		frames := g.ring.take()
		for i := range frames {
			if frames[i].advert() && ok(&frames[i]) {
				at = frames[i].at
				return true
			}
		}
		return false
	})
	return at, err
}

// reload gives one of many instances another address.
func reload(instances int) func(*rig) error {
	return func(g *rig) error {
		return g.reload(&shape{instances: instances, interval: time.Second, priority: 255, vips: 1})
	}
}

func (g *rig) reload(s *shape) error {
	if err := g.masters(s); err != nil {
		return err
	}
	watch, err := g.addrs()
	if err != nil {
		return err
	}
	defer watch.close()
	for range g.few(3, 2) {
		g.ring.forget()
		rest(1100 * time.Millisecond)
		kind := uint16(unix.RTM_NEWADDR)
		if s.changed = 1 - s.changed; s.changed == 0 {
			kind = unix.RTM_DELADDR
		}
		if err := g.write(s.String()); err != nil {
			return err
		}
		begin := wall()
		if err := g.proc.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		at, err := watch.count(kind, 1)
		if err != nil {
			return err
		}
		g.note(fmt.Sprintf("reload %d", s.instances), millis(at-begin))
		rest(2500 * time.Millisecond)
		g.longestGap(s)
	}
	rest(3 * time.Second) // what a reload took is given back in peace
	pss, err := g.pss("vrrp")
	g.note(fmt.Sprintf("pss %d reloaded", s.instances), pss)
	if err != nil {
		return err
	}
	return g.stop()
}

// longestGap is how many intervals lie between two adverts of one router, at
// most.
func (g *rig) longestGap(s *shape) {
	last, gap := map[voice]time.Duration{}, time.Duration(0)
	for _, f := range g.ring.take() {
		if v := (voice{f.link, f.vrid}); f.advert() {
			if before, ok := last[v]; ok {
				gap = max(gap, f.at-before)
			}
			last[v] = f.at
		}
	}
	g.note(fmt.Sprintf("gap %d", s.instances), float64(gap)/float64(s.interval))
}
