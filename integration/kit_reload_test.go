package integration

import (
	"slices"
	"strings"
	"syscall"
	"time"
)

const vj = "vrrp_instance VJ {\ninterface eth0\nvirtual_router_id 52\npriority 255\nversion 3\nadvert_int 0.1\nvirtual_ipaddress {\n10.0.0.110\n}\n}\n"

// steady reloads with other lines, and checks that a MASTER stays it without a
// missing advert.
func (s *stand) steady(lines string) (since time.Time) {
	s.t.Helper()
	s.speaks(time.Now())
	now := s.change(lines)
	s.d.logs("Reload")
	s.eventually("it goes on speaking", func() bool { return len(s.d.speaks(now)) > 10 })
	s.unshaken(s.d, quickInterval, now)
	if n := strings.Count(s.d.proc.Log(), "(VI) Entering MASTER STATE"); n != 1 {
		s.t.Errorf("it entered MASTER %d times", n)
	}
	return now
}

// reloadCases: SIGHUP changes what the file changes, and nothing else.
var reloadCases = []kase{
	{name: "reload of the same", conf: quick + owner, play: func(s *stand) { s.master().steady(s.lines) }},
	{name: "reload adds an address", conf: quick + owner, play: func(s *stand) {
		now := s.master().steady(quick + owner + "virtual_ipaddress {\n10.0.0.100/24\n10.0.0.101/24\n}\n")
		s.addr("10.0.0.101", true)
		s.announces("10.0.0.101", 5, now)
		s.says("both", now, func(v *view) bool { return slices.Equal(v.addrs, []string{"10.0.0.100", "10.0.0.101"}) })
	}},
	{name: "reload removes an address", conf: quick + owner + "virtual_ipaddress {\n10.0.0.100/24\n10.0.0.101/24\n}\n", play: func(s *stand) {
		s.master()
		s.addr("10.0.0.101", true)
		now := s.steady(quick + owner + "virtual_ipaddress {\n10.0.0.100/24\n}\n")
		s.addr("10.0.0.101", false)
		s.says("the one that stays", now, func(v *view) bool { return slices.Equal(v.addrs, []string{"10.0.0.100"}) })
		if !s.d.Holds(vip4) {
			s.t.Error("the address that stays is gone")
		}
	}},
	{name: "reload changes the order of addresses", conf: quick + owner + "virtual_ipaddress {\n10.0.0.100\n10.0.0.101\n}\n", play: func(s *stand) {
		now := s.master().steady(quick + owner + "virtual_ipaddress {\n10.0.0.101\n10.0.0.100\n}\n")
		s.says("the new order", now, func(v *view) bool { return slices.Equal(v.addrs, []string{"10.0.0.101", "10.0.0.100"}) })
	}},
	{name: "reload adds an instance", conf: quick + owner, play: func(s *stand) {
		s.master()
		s.after = vj
		now := s.steady(s.lines)
		s.addr("10.0.0.110", true)
		s.says("the new instance", now, func(v *view) bool { return v.v[1] == 52 })
	}},
	{name: "reload removes an instance", conf: quick + owner, play: func(s *stand) {
		s.after = vj
		s.master()
		s.addr("10.0.0.110", true)
		s.after = ""
		now := s.steadyBut52()
		s.says("its goodbye", now, func(v *view) bool { return v.v[1] == 52 && v.priority == 0 })
		s.addr("10.0.0.110", false)
	}},
	{name: "reload renames an instance", conf: quick + owner, play: func(s *stand) {
		s.master()
		s.d.configure(strings.Replace(s.conf(), "vrrp_instance VI", "vrrp_instance RENAMED", 1))
		now := time.Now()
		s.d.reload()
		s.eventually("it goes on speaking", func() bool { return len(s.d.speaks(now)) > 10 })
		s.unshaken(s.d, quickInterval, now)
		if strings.Contains(s.d.proc.Log(), "(RENAMED) Entering") {
			s.t.Error("the renamed instance began anew")
		}
	}},
	{name: "reload changes the priority of a MASTER", conf: hundred, play: func(s *stand) {
		now := s.master().steady(quick + master + "priority 120\n")
		s.saysPriority(120, now)
	}},
	{name: "reload raises the priority of a BACKUP", conf: quick + "priority 100\n", play: func(s *stand) {
		s.start()
		defer s.keep(calm(150), quickInterval)()
		s.d.logs("Entering BACKUP STATE")
		now := s.change(quick + "priority 200\n")
		s.saysPriority(200, now)
	}},
	{name: "reload below the MASTER keeps a BACKUP", conf: quick + "priority 100\n", play: func(s *stand) {
		s.start()
		defer s.keep(calm(150), quickInterval)()
		s.d.logs("Entering BACKUP STATE")
		s.change(quick + "priority 149\n")
		s.silent(time.Second, "a better one is master")
	}},
	{name: "reload changes advert_int", conf: quick + owner, play: func(s *stand) {
		now := s.master().steady("version 3\nadvert_int 0.05\n" + owner)
		s.says("the new interval", now, func(v *view) bool { return v.interval() == 5 })
	}},
	{name: "reload changes the version", conf: "version 2\n" + owner, play: func(s *stand) {
		s.master()
		now := s.change(quick + owner)
		s.says("version 3", now, func(v *view) bool { return v.version == 3 && v.interval() == 10 })
		if slices.ContainsFunc(s.said(s.begin), isGoodbye) {
			s.t.Error("it said goodbye")
		}
	}},
	{name: "reload adds a password", conf: owner, play: func(s *stand) {
		s.master()
		now := s.change(owner + strings.Replace(secret, "%s", "PASS", 1))
		s.says("the password", now, func(v *view) bool { return v.v[4] == 1 && string(v.data) == "secret12" })
	}},
	{name: "reload keeps a learned master", conf: "version 3\nadvert_int 1\npriority 100\n", play: func(s *stand) {
		s.backup(calm(150))
		defer s.keep(calm(150), quickInterval)()
		now := s.change(s.lines)
		s.silent(time.Second, "a better one is master")
		if said := s.said(now); len(said) > 0 {
			s.t.Error("a BACKUP spoke")
		}
	}},
	{name: "reload moves an address to another instance", conf: quick + owner + "virtual_ipaddress {\n10.0.0.100\n10.0.0.101\n}\n", play: func(s *stand) {
		s.after = vj
		s.master()
		s.addr("10.0.0.101", true)
		s.after = strings.Replace(vj, "10.0.0.110", "10.0.0.110\n10.0.0.101", 1)
		now := s.change(quick + owner + "virtual_ipaddress {\n10.0.0.100\n}\n")
		s.says("the moved address", now, func(v *view) bool { return v.v[1] == 52 && len(v.addrs) == 2 })
		s.addr("10.0.0.101", true)
	}},
	{name: "reload adds a tracked script", conf: hundred, play: func(s *stand) {
		s.master()
		s.before = s.okScript("interval 1\nfall 1\nrise 1\n")
		s.write("status", "1")
		now := s.change(s.lines + "track_script {\nok weight -10\n}\n")
		s.saysPriority(90, now)
	}},
	{name: "reload of unicast peers", conf: quick + owner + "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}\n", play: func(s *stand) {
		s.strangers()
		s.master()
		now := s.change(quick + owner + "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.9\n}\n")
		s.says("to the new peer", now, func(v *view) bool { _, dst := v.ends(); return dst.String() == "10.0.0.9" })
	}},
	{name: "reload of a file with a fault", conf: quick + owner, alone: "takes what it understands", play: func(s *stand) {
		s.master().steady(quick + owner + "virtual_ipaddress {\n10.0.0.101\n}\nno_such_keyword 1\n")
		s.d.logs("no_such_keyword")
		if s.d.Holds(hostAddr(0, false, 101)) || !s.d.Holds(vip4) {
			s.t.Error("the faulty file changed something")
		}
	}},
	{name: "reload notifies nobody of what stays", conf: quick + owner, play: func(s *stand) {
		record := s.records("notify %s")
		s.master()
		s.eventually("MASTER is told", func() bool { return slices.Equal(lines(record), []string{"INSTANCE VI MASTER 255"}) })
		s.steady(s.lines)
		if got := lines(record); len(got) != 1 {
			s.t.Errorf("told %q", got)
		}
	}},
	{name: "ten reloads in a row", conf: quick + owner, play: func(s *stand) {
		s.master()
		now := time.Now()
		for range 10 {
			s.do(s.d.proc.Signal(syscall.SIGHUP))
			s.rest(100 * ms)
		}
		s.eventually("it goes on speaking", func() bool { return len(s.d.speaks(now)) > 20 })
		s.unshaken(s.d, quickInterval, now)
	}},
}

// steadyBut52 reloads the configuration as it is rendered now; router 51 stays
// MASTER, whatever 52 does.
func (s *stand) steadyBut52() (since time.Time) {
	s.t.Helper()
	now := s.change(s.lines)
	s.eventually("51 goes on speaking", func() bool { return len(s.d.speaksFor(router{vrid: 51}, now)) > 10 })
	for _, a := range s.said(now) {
		if a.VRID == 51 && a.Priority == 0 {
			s.t.Error("51 gave up mastership")
		}
	}
	return now
}
