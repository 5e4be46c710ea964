package main

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// failover lets masters fall silent, and takes how much later than
// Master_Down_Interval the director announces their addresses. The masters are
// the bench's: they go without a word, as after kill -9 or a power cut.
func failover(interval time.Duration, instances, whole, quick int) func(*rig) error {
	return func(g *rig) error {
		s := &shape{instances: instances, interval: interval, priority: 100, vips: 1}
		key := fmt.Sprintf("failover %v", interval)
		return g.deaths(s, g.few(whole, quick), func(deaths []time.Duration, frames []frame) error {
			return g.firstARPs(s, deaths, frames, key)
		})
	}
}

// deaths starts the director as a backup and lets its masters die and come back
// again and again. Each router's last advert, and what was heard, go to note.
func (g *rig) deaths(s *shape, times int, note func(last []time.Duration, frames []frame) error) error {
	all := voices(s.instances)
	sp := g.speak(all, s.interval)
	if err := g.start(s.String()); err != nil {
		return err
	}
	if err := g.backup(s); err != nil {
		return err
	}
	for n := range times {
		if n > 0 {
			sp = g.speak(all, s.interval)
			if err := g.backup(s); err != nil {
				return err
			}
		}
		g.ring.forget()
		rest(s.interval + s.interval/2)
		end, err := sp.end()
		if err != nil {
			return err
		}
		var frames []frame
		if err := g.until("every master is replaced", func() bool {
			frames = g.ring.take()
			return len(announced(frames, end)) >= s.instances*max(1, s.vips)
		}); err != nil {
			return err
		}
		if err := note(lastAdverts(frames, s.instances), frames); err != nil {
			return err
		}
	}
	return g.stop()
}

// backup waits until the director runs, and says nothing while masters speak.
func (g *rig) backup(s *shape) error {
	quiet := max(2*s.interval, 150*time.Millisecond)
	if _, err := g.pid("vrrp"); err != nil { // it has just been started
		quiet = max(4*s.interval, 500*time.Millisecond+time.Duration(s.instances)*time.Millisecond)
	}
	return g.until("the director is backup", func() bool {
		g.ring.forget()
		rest(quiet)
		if _, err := g.pid("vrrp"); err != nil {
			return false
		}
		for _, f := range g.ring.take() {
			if f.advert() {
				return false
			}
		}
		return true
	})
}

// lastAdverts finds when each router of the bench spoke last.
func lastAdverts(frames []frame, instances int) []time.Duration {
	last := make([]time.Duration, instances)
	first := firstIndex(frames)
	for _, f := range frames {
		if i := (f.link-first)*perLink + int(f.vrid) - 1; f.sent && !f.arp && i < instances {
			last[i] = f.at
		}
	}
	return last
}

// firstIndex is the least interface index: the links were made in order.
func firstIndex(frames []frame) int {
	least := frames[0].link
	for _, f := range frames {
		least = min(least, f.link)
	}
	return least
}

// announced finds when each address was announced first after an instant.
func announced(frames []frame, since time.Duration) map[netip.Addr]time.Duration {
	first := map[netip.Addr]time.Duration{}
	for i := range frames {
		f := &frames[i]
		if _, known := first[f.addr]; f.announces() && f.at >= since && !known {
			first[f.addr] = f.at
		}
	}
	return first
}

func (g *rig) firstARPs(s *shape, deaths []time.Duration, frames []frame, key string) error {
	for i, death := range deaths {
		v := voiceOf(i)
		if at, ok := announced(frames, death)[vipOf(v.link, int(v.vrid), 0)]; ok && death > 0 {
			g.note(key, millis(at-death-s.down()))
		}
	}
	return nil
}

// answers asks for the address twice in a millisecond while its master is dead.
func answers(g *rig) error {
	s := &shape{instances: 1, interval: 100 * time.Millisecond, priority: 100, vips: 1}
	vip := vipOf(0, 1, 0)
	stop, done := make(chan struct{}), make(chan struct{})
	go g.ask(vip, stop, done)
	err := g.deaths(s, g.few(10, 6), func(deaths []time.Duration, frames []frame) error {
		var at time.Duration
		err := g.until("the address answers", func() bool {
			for _, f := range g.ring.take() {
				if f.arp && !f.sent && f.reply && f.addr == vip && f.target != vip && f.at > deaths[0] {
					at = f.at
					return true
				}
			}
			return false
		})
		g.note("answers", millis(at-deaths[0]-s.down()))
		return err
	})
	close(stop)
	<-done
	return err
}

func (g *rig) ask(vip netip.Addr, stop, done chan struct{}) {
	defer close(done)
	question := g.question(0, vip)
	for {
		select {
		case <-stop:
			return
		default:
		}
		_ = g.out[0].Send(question) // the one that gets through counts
		rest(500 * time.Microsecond)
	}
}

// many takes a thousand addresses over and gives them back, instances of vips
// each. The masters go with priority 0, after which a backup waits Skew_Time.
func many(key string, s shape) func(*rig) error {
	return func(g *rig) error {
		all := voices(s.instances)
		sp := g.speak(all, s.interval)
		if err := g.start(s.String()); err != nil {
			return err
		}
		watch, err := g.addrs()
		if err != nil {
			return err
		}
		defer watch.close()
		for range g.few(6, 4) {
			if err := g.backup(&s); err != nil {
				return err
			}
			if _, err := sp.end(); err != nil {
				return err
			}
			if err := g.handOver(&s, watch, key); err != nil {
				return err
			}
			if sp, err = g.takeBack(&s, watch, key); err != nil {
				return err
			}
		}
		if _, err := sp.end(); err != nil {
			return err
		}
		return g.stop()
	}
}

// handOver takes how long after Skew_Time the last address is announced.
func (g *rig) handOver(s *shape, watch *addrWatch, key string) error {
	g.ring.forget()
	begin := wall()
	for i := range s.instances {
		v := voiceOf(i)
		if err := g.out[v.link].Send(g.advert(v, 0, s.interval)); err != nil {
			return err
		}
	}
	n := s.instances * s.vips
	if _, err := watch.count(unix.RTM_NEWADDR, n); err != nil {
		return err
	}
	var frames []frame
	if err := g.until("all addresses are announced", func() bool {
		frames = g.ring.take()
		return len(announced(frames, begin)) >= n
	}); err != nil {
		return err
	}
	// In a sync group the first whose time has come takes the others along.
	zero := frames[0].at
	last := zero
	for _, at := range announced(frames, begin) {
		last = max(last, at)
	}
	g.note(key, millis(last-zero-s.skew()))
	return nil
}

// takeBack takes how long the last address stands once the masters are back.
func (g *rig) takeBack(s *shape, watch *addrWatch, key string) (*speaker, error) {
	rest(5 * time.Millisecond)
	g.ring.forget()
	all := voices(s.instances)
	for _, v := range all {
		if err := g.out[v.link].Send(g.advert(v, 200, s.interval)); err != nil {
			return nil, err
		}
	}
	sp := g.speak(all, s.interval)
	last, err := watch.count(unix.RTM_DELADDR, s.instances*s.vips)
	if err != nil {
		return nil, err
	}
	for _, f := range g.ring.take() {
		if f.sent {
			g.note(key+" release", millis(last-f.at))
			break
		}
	}
	return sp, nil
}

// mass lets the masters of many instances fall silent at once.
func mass(instances int) func(*rig) error {
	return func(g *rig) error {
		s := &shape{instances: instances, interval: time.Second, priority: 100, vips: 1}
		return g.deaths(s, 1, func(deaths []time.Duration, frames []frame) error {
			g.firstAdverts(s, deaths, frames)
			rest(3 * time.Second) // what a takeover took is given back in peace
			pss, err := g.pss("vrrp")
			g.note(fmt.Sprintf("pss %d backup", instances), pss)
			return err
		})
	}
}

// firstAdverts takes how late each router speaks up.
func (g *rig) firstAdverts(s *shape, deaths []time.Duration, frames []frame) {
	first := map[voice]time.Duration{}
	base := firstIndex(frames)
	for _, f := range frames {
		v := voice{f.link - base, f.vrid}
		if _, known := first[v]; f.advert() && !known {
			first[v] = f.at
		}
	}
	for i, death := range deaths {
		if at, ok := first[voiceOf(i)]; ok && death > 0 {
			g.note(fmt.Sprintf("mass %d", s.instances), millis(at-death-s.down()))
		}
	}
}
