package integration

import (
	"slices"
	"time"

	"keepgo/internal/netlab"
)

const ms = time.Millisecond

// silence plays one advert of the other machine and then its death: the
// director is MASTER after the given time.
func takesOverAfter(p pdu, want time.Duration) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		first := calm(254)
		if first.version = p.version; p.version == 2 {
			first.interval = 1
		}
		s.backup(first)
		last := s.send(p)
		s.within("it is MASTER", s.speaks(last).At.Sub(last), want)
	}
}

// startsAfter measures from the start of the daemon to its first advert: never
// earlier than wanted, nor much later after the VRRP process is there.
func startsAfter(want time.Duration) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		s.start()
		s.d.logs("Starting VRRP child process")
		there := time.Now()
		first := s.speaks(s.begin).At
		s.within("it is MASTER", max(want, first.Sub(there)), want)
		if early := first.Sub(s.begin); early < want {
			s.t.Errorf("it is MASTER %v after its start, want %v", early, want)
		}
	}
}

// timerCases: RFC 9568 section 6.1, RFC 3768 section 6.1.
var timerCases = []kase{
	{name: "an owner speaks at once", conf: owner, play: startsAfter(0)},
	{name: "state MASTER speaks after an interval", alone: "waits for the master down time", conf: master + "priority 100\n", play: startsAfter(1004 * ms)},
	{name: "state BACKUP speaks after the master down time", conf: "priority 100\n", play: startsAfter(3609 * ms)},
	{name: "v3 state BACKUP", conf: "version 3\nadvert_int 0.5\npriority 100\n", play: startsAfter(1804 * ms)},
	{name: "down_timer_adverts 1", conf: "version 3\nadvert_int 0.5\npriority 100\ndown_timer_adverts 1\n", play: startsAfter(804 * ms)},
	{name: "v2 master down time", conf: "priority 200\n", play: takesOverAfter(pdu{version: 2, priority: 254}, 3218*ms)},
	{name: "v2 skew after priority 0", conf: "priority 100\n", play: takesOverAfter(pdu{version: 2, priority: 0}, 609*ms)},
	{name: "v2 skew of priority 254", conf: "priority 254\n", play: takesOverAfter(pdu{version: 2, priority: 0}, 8*ms)},
	{name: "v3 skew after priority 0", conf: "version 3\nadvert_int 1\npriority 56\n", play: takesOverAfter(pdu{priority: 0, interval: 100}, 781*ms)},
	{name: "v3 learned interval", conf: "version 3\nadvert_int 1\npriority 200\n", play: takesOverAfter(pdu{priority: 254, interval: 10}, 322*ms)},
	{name: "v3 learned longer interval", conf: quick + "priority 200\n", play: takesOverAfter(pdu{priority: 254, interval: 50}, 1609*ms)},
	{name: "v3 speaks with its own interval after it learned another", conf: "version 3\nadvert_int 0.2\npriority 200\n", play: speaksItsOwn},
	{name: "v3 rhythm", conf: quick + owner, play: rhythm(20, quickInterval)},
	{name: "v3 rhythm of 30 ms", conf: "version 3\nadvert_int 0.03\n" + owner, play: rhythm(50, 30*ms)},
	{name: "v2 rhythm", conf: owner, play: rhythm(4, time.Second)},
	{name: "lower priority does not postpone preemption", conf: quick + "priority 200\n", play: func(s *stand) {
		s.backup(calm(254))
		last := s.send(pdu{priority: 254})
		defer s.keep(pdu{priority: 100}, 50*ms)()
		s.within("it preempts", s.speaks(last).At.Sub(last), 322*ms)
	}},
	{name: "nopreempt", conf: quick + "priority 200\nnopreempt\n", play: func(s *stand) {
		s.backup(calm(254))
		stop := s.keep(calm(100), quickInterval)
		s.silent(1500*ms, "nopreempt, and a master is there")
		stop()
		s.speaks(time.Now())
	}},
	{name: "preempt_delay", conf: quick + "priority 200\npreempt_delay 5\n", play: func(s *stand) {
		s.backup(calm(254))
		first := time.Now()
		defer s.keep(pdu{priority: 100, interval: 30}, quickInterval)()
		got := s.speaks(first).At
		last := first // that postpones: until the delay's end
		for _, a := range s.sniff.Adverts(first) {
			if a.From == s.b.Host && a.At.Before(first.Add(5*time.Second)) {
				last = a.At
			}
		}
		s.within("it preempts", got.Sub(last), 966*ms)
	}},
	{name: "preempt_delay does not wait for a dead master", conf: quick + "priority 200\npreempt_delay 30\n", play: takesOverAfter(pdu{priority: 254}, 322*ms)},
	{name: "equal priority is a master", conf: quick + "priority 100\n", play: func(s *stand) {
		s.backup(calm(254))
		stop := s.keep(calm(100), quickInterval)
		s.silent(time.Second, "the master has its priority")
		stop()
		s.speaks(time.Now())
	}},
	{name: "a refused advert does not postpone", conf: "priority 200\n", play: func(s *stand) {
		s.backup(pdu{version: 2, priority: 254})
		last := s.send(pdu{version: 2, priority: 254})
		defer s.keep(pdu{version: 2, priority: 254, interval: 3}, 100*ms)()
		s.within("it is MASTER", s.speaks(last).At.Sub(last), 3218*ms)
	}},
	{name: "vrrp_startup_delay", conf: quick + owner, alone: "speaks during the delay", play: func(s *stand) {
		s.global = "vrrp_startup_delay 2\n"
		s.start()
		s.within("it speaks", s.speaks(s.begin).At.Sub(s.begin), 2*time.Second)
	}},
	{name: "five announcements, five after 5 seconds", conf: unhurried + owner, play: announcesIn("10.0.0.100", 5, 5*time.Second)},
	{name: "five advertisements, five after 5 seconds", conf: unhurried + owner + ip6, play: announcesIn("fd00::100", 5, 5*time.Second)},
	{name: "garp_master_repeat and garp_master_delay", conf: unhurried + owner + "garp_master_repeat 3\ngarp_master_delay 1\n", play: announcesIn("10.0.0.100", 3, time.Second)},
	{name: "garp_master_delay 0", conf: unhurried + owner + "garp_master_delay 0\n", play: func(s *stand) {
		s.master()
		s.announces("10.0.0.100", 5, s.begin)
		s.rest(6 * time.Second)
		if n := len(s.garps("10.0.0.100", s.begin)); n != 5 {
			s.t.Errorf("%d announcements, want one burst of 5", n)
		}
	}},
	{name: "garp_master_refresh", conf: unhurried + owner + "garp_master_repeat 1\ngarp_master_delay 1\ngarp_master_refresh 1\ngarp_master_refresh_repeat 2\n", play: func(s *stand) {
		s.master()
		g := s.announces("10.0.0.100", 6, s.begin)
		s.within("the first refresh came", g[2].At.Sub(s.elected()), 2*time.Second)
		s.within("the second refresh came", g[4].At.Sub(s.elected()), 3*time.Second)
		s.within("a refresh repeats at once", g[3].At.Sub(g[2].At), 0)
	}},
	{name: "vrrp_garp_interval", conf: unhurried + owner + "virtual_ipaddress {\n10.0.0.101\n10.0.0.102\n}\n", alone: "forgets repetitions that have to wait", play: withGlobal("vrrp_garp_interval 0.05\n", func(s *stand) {
		s.master()
		s.announces("10.0.0.101", 3, s.begin)
		all := s.announces("10.0.0.102", 3, s.begin)
		all = slices.Concat(all, s.garps("10.0.0.101", s.begin))
		slices.SortFunc(all, func(a, b netlab.ARP) int { return a.At.Compare(b.At) })
		for i := 1; i < 6; i++ {
			s.within("the next announcement", all[i].At.Sub(all[i-1].At), 50*ms)
		}
	})},
}

func speaksItsOwn(s *stand) {
	s.backup(calm(254))
	s.says("its own interval", time.Now(), func(v *view) bool { return v.interval() == 20 })
}

// rhythm is that of many adverts: their mean, for a busy machine may be late
// with any one of them, and none before its time.
func rhythm(n int, interval time.Duration) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		s.master()
		s.eventually("it goes on", func() bool { return len(s.said(s.begin)) > n })
		said := s.said(s.begin)[:n+1]
		mean := said[n].At.Sub(said[0].At) / time.Duration(n)
		if mean < interval-interval/20 || mean > interval+interval/4+noise.since(s.begin)/time.Duration(n) {
			s.t.Errorf("an advert every %v, want %v", mean, interval)
		}
	}
}

// elected is when it said first that it is master. What is planned then counts from
// there: the first announcement may be late, and the second one not.
func (s *stand) elected() time.Time { return s.speaks(s.begin).At }

// announcesIn is two bursts, the second so much later.
func announcesIn(ip string, n int, delay time.Duration) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		s.master()
		g := s.announces(ip, 2*n, s.begin)
		s.within("the first burst took", g[n-1].At.Sub(g[0].At), 0)
		s.within("the second burst began", g[n].At.Sub(s.elected()), delay)
		s.rest(500 * ms)
		if more := len(s.garps(ip, s.begin)); more != 2*n {
			s.t.Errorf("%d announcements of %s, want %d", more, ip, 2*n)
		}
	}
}
