package integration

import (
	"fmt"
	"net/netip"
	"os"
	"time"
)

const hundred = quick + "state MASTER\npriority 100\n"

// weightOf is a case of the priority that a script with some weight gives.
func weightOf(name, track string, good, bad uint8) kase {
	return kase{name: "script weight " + name, conf: hundred + "track_script {\nok " + track + "\n}\n", play: func(s *stand) {
		s.t.Helper()
		s.before = s.okScript("interval 1\nfall 1\nrise 1\n")
		s.start()
		s.turns(good, bad)
	}}
}

// okScript is a vrrp_script that ends with the status in a file, at first 0.
func (s *stand) okScript(lines string) string {
	s.t.Helper()
	script := s.script("ok.sh", "exit $(cat "+s.write("status", "0")+")")
	return "vrrp_script ok {\nscript " + script + "\n" + lines + "}\n"
}

// turns checks the priority before and after the script fails, and once it
// succeeds again.
func (s *stand) turns(good, bad uint8) {
	s.t.Helper()
	s.saysPriority(good, s.begin)
	now := time.Now()
	s.write("status", "1")
	s.saysPriority(bad, now)
	s.d.logs(fmt.Sprintf("(VI) Changing effective priority from %d to %d", good, bad))
	now = time.Now()
	s.write("status", "0")
	s.saysPriority(good, now)
}

// fileSays is a case of the priorities that numbers in a tracked file give.
func fileSays(name, conf string, want map[string]uint8) kase {
	return kase{name: "file " + name, conf: hundred + conf, play: func(s *stand) {
		s.t.Helper()
		s.before = "track_file load {\nfile " + s.write("load", "0\n") + "\n}\n"
		s.start()
		s.speaks(s.begin)
		for number, priority := range want {
			now := time.Now()
			s.write("load", number+"\n")
			s.saysPriority(priority, now)
		}
	}}
}

var reversed = func() kase {
	k := weightOf("-20 reverse", "weight -20 reverse", 80, 100)
	k.alone = "does not reverse scripts"
	return k
}()

// trackingCases: what makes a director fit, and how fit.
var trackingCases = []kase{
	weightOf("-20", "weight -20", 100, 80),
	weightOf("20", "weight 20", 120, 100),
	reversed,
	weightOf("is clamped to 254", "weight 200", 254, 100),
	weightOf("is clamped to 1", "weight -200", 100, 1),
	{name: "script without weight", conf: hundred + "track_script {\nok\n}\n", play: func(s *stand) {
		s.before = s.okScript("interval 1\nfall 1\nrise 1\n")
		s.master()
		now := time.Now()
		s.write("status", "1")
		s.says("a goodbye", now, func(v *view) bool { return v.priority == 0 })
		s.d.logs("(VI) Entering FAULT STATE")
		s.addr("10.0.0.100", false)
		s.silent(500*ms, "at fault")
		now = time.Now()
		s.write("status", "0")
		s.speaks(now)
		s.addr("10.0.0.100", true)
	}},
	{name: "a failing script from the start is a fault", conf: hundred + "track_script {\nok\n}\n", play: func(s *stand) {
		s.before = s.okScript("interval 1\n")
		s.write("status", "3")
		s.start()
		s.d.logs("VRRP_Script(ok) failed")
		s.silent(time.Second, "its script fails")
	}},
	{name: "script fall 3", conf: hundred + "track_script {\nok weight -20\n}\n", play: func(s *stand) {
		s.before = s.okScript("interval 1\nfall 3\nrise 1\n")
		s.start()
		s.saysPriority(100, s.begin)
		s.rest(time.Second) // its first success
		now := time.Now()
		s.write("status", "1")
		if early := s.saysPriority(80, now).At.Sub(now); early < 1500*ms {
			s.t.Errorf("down after %v: that is not the third failure", early)
		}
	}},
	{name: "script rise 3", conf: hundred + "track_script {\nok weight -20\n}\n", play: func(s *stand) {
		s.before = s.okScript("interval 1\nfall 1\nrise 3\n")
		s.write("status", "1")
		s.start()
		s.saysPriority(80, s.begin)
		now := time.Now()
		s.write("status", "0")
		if early := s.saysPriority(100, now).At.Sub(now); early < 1500*ms {
			s.t.Errorf("up after %v: that is not the third success", early)
		}
	}},
	{name: "script timeout", conf: hundred + "track_script {\nslow weight -30\n}\n", play: func(s *stand) {
		s.before = "vrrp_script slow {\nscript " + s.script("slow.sh", "exec sleep 20") + "\ninterval 2\ntimeout 1\nfall 1\n}\n"
		s.start()
		s.saysPriority(70, s.begin)
		s.d.logs("VRRP_Script(slow) timed_out")
	}},
	{name: "two scripts add up", conf: hundred + "track_script {\nyes\nno\n}\n", play: func(s *stand) {
		s.before = "vrrp_script yes {\nscript /bin/true\ninterval 1\nweight 7\n}\nvrrp_script no {\nscript /bin/false\ninterval 1\nweight -11\nfall 1\n}\n"
		s.start()
		s.saysPriority(96, s.begin)
	}},
	{name: "an owner is not weighed", conf: quick + owner + "track_script {\nno weight -50\n}\n", play: func(s *stand) {
		s.before = "vrrp_script no {\nscript /bin/false\ninterval 1\nfall 1\n}\n"
		s.master()
		s.rest(1500 * ms)
		for _, a := range s.said(s.begin) {
			if a.Priority != 255 {
				s.t.Fatalf("priority %d", a.Priority)
			}
		}
	}},
	fileSays("weight 1", "track_file {\nload weight 1\n}\n", map[string]uint8{"10": 110, "-10": 90, "0": 100, "0x20": 132}),
	fileSays("weight -2", "track_file {\nload weight -2\n}\n", map[string]uint8{"10": 80, "-10": 120}),
	fileSays("is clamped", "track_file {\nload weight 10\n}\n", map[string]uint8{"100": 254, "-20": 1}),
	{name: "file without weight", conf: hundred + "track_file {\nload weight 0\n}\n", play: func(s *stand) {
		s.before = "track_file load {\nfile " + s.write("load", "0\n") + "\n}\n"
		s.master()
		s.write("load", "1\n")
		s.d.logs("(VI) Entering FAULT STATE")
		now := time.Now()
		s.do(os.Remove(s.file("load")))
		s.speaks(now)
	}},
	{name: "file says take over", conf: quick + "priority 100\ntrack_file {\nload weight 1\n}\n", play: func(s *stand) {
		s.before = "track_file load {\nfile " + s.write("load", "0\n") + "\n}\n"
		s.start()
		defer s.keep(calm(150), quickInterval)()
		s.d.logs("Entering BACKUP STATE")
		s.silent(time.Second, "a better one is master")
		now := time.Now()
		s.write("load", "100\n")
		s.saysPriority(200, now)
	}},
	{name: "interface weight", conf: hundred + "track_interface {\neth1 weight -40\n}\n", play: func(s *stand) {
		s.secondLan()
		s.start()
		s.saysPriority(100, s.begin)
		now := time.Now()
		s.do(s.d.Cable("eth1", false))
		s.saysPriority(60, now)
		now = time.Now()
		s.do(s.d.Cable("eth1", true))
		s.saysPriority(100, now)
	}},
	{name: "interface weight above 0", conf: hundred + "track_interface {\neth1 weight 40\n}\n", play: func(s *stand) {
		s.secondLan()
		s.start()
		s.saysPriority(140, s.begin)
		now := time.Now()
		s.do(s.d.SetLink("eth1", false))
		s.saysPriority(100, now)
	}},
	{name: "interface without weight", conf: hundred + "track_interface {\neth1\n}\n", play: func(s *stand) {
		s.secondLan()
		s.master()
		now := time.Now()
		s.do(s.d.Cable("eth1", false))
		s.says("a goodbye", now, func(v *view) bool { return v.priority == 0 })
		s.d.logs("(VI) Entering FAULT STATE")
		now = time.Now()
		s.do(s.d.Cable("eth1", true))
		s.speaks(now)
	}},
	{name: "its own interface", conf: hundred, play: func(s *stand) {
		s.master()
		s.do(s.d.Cable(lanLink, false))
		s.d.logs("(VI) Entering FAULT STATE")
		s.addr("10.0.0.100", false)
		now := time.Now()
		s.do(s.d.Cable(lanLink, true))
		s.speaks(now)
		s.addr("10.0.0.100", true)
	}},
	{name: "the interface of an address", conf: hundred + "virtual_ipaddress {\n10.0.0.100\n10.0.1.100/24 dev eth1\n}\n", play: func(s *stand) {
		s.secondLan()
		s.master()
		s.addr("10.0.1.100", true)
		s.do(s.d.Cable("eth1", false))
		s.d.logs("(VI) Entering FAULT STATE")
		s.addr("10.0.0.100", false)
	}},
	{name: "no_track of an address", conf: hundred + "virtual_ipaddress {\n10.0.0.100\n10.0.1.100/24 dev eth1 no_track\n}\n", play: func(s *stand) {
		s.secondLan()
		s.master()
		s.addr("10.0.1.100", true)
		s.do(s.d.Cable("eth1", false))
		s.rest(500 * ms)
		s.staysMaster()
	}},
	{name: "process", alone: "does not hear of processes outside the first network namespace", conf: hundred + "track_process {\nsleeper weight 20\n}\n", play: func(s *stand) {
		sleeper := s.file("sleeper-of-ours")
		s.do(os.Symlink("/bin/sleep", sleeper))
		s.before = "vrrp_track_process sleeper {\nprocess " + sleeper + "\nfull_command\n}\n"
		s.start()
		s.saysPriority(100, s.begin)
		now := time.Now()
		p := must(s.d.Start(sleeper, "1000"))(s.t)
		s.saysPriority(120, now)
		now = time.Now()
		s.do(p.Signal(os.Kill))
		s.saysPriority(100, now)
	}},
	{name: "FIFO tells of priorities", conf: hundred + "notify_priority_changes\ntrack_file {\nload weight 1\n}\n", play: func(s *stand) {
		s.before = "track_file load {\nfile " + s.write("load", "0\n") + "\n}\n"
		s.fifo(func() {
			s.master()
			s.write("load", "5\n")
		}, `INSTANCE "VI" BACKUP 100`, `INSTANCE "VI" MASTER 100`, `INSTANCE "VI" MASTER_PRIORITY 105`, `INSTANCE "VI" STOP 105`)
	}},
	{name: "a lost address comes back", conf: hundred, play: func(s *stand) {
		s.master()
		s.addr("10.0.0.100", true)
		now := time.Now()
		s.do(s.d.DelAddr(lanLink, netip.MustParsePrefix("10.0.0.100/24")))
		s.announces("10.0.0.100", 1, now)
		s.addr("10.0.0.100", true)
	}},
}
