package integration

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"keepgo/internal/netlab"
)

func isGoodbye(a netlab.Advert) bool { return a.Priority == 0 }

// takeoverCases: what becoming and no longer being MASTER means.
var takeoverCases = []kase{
	{name: "the advert comes before the announcement", conf: quick + owner + "virtual_ipaddress {\n10.0.0.100\n10.0.0.101\n}\n", play: func(s *stand) {
		s.master()
		g := s.announces("10.0.0.101", 5, s.begin)
		if first := s.said(s.begin)[0].At; g[0].At.Before(first) || s.garps("10.0.0.100", s.begin)[0].At.Before(first) {
			s.t.Error("an address was announced before the first advert")
		}
	}},
	{name: "addresses are announced in turn", conf: unhurried + owner + "garp_master_repeat 2\ngarp_master_delay 0\nvirtual_ipaddress {\n10.0.0.102\n10.0.0.101\n}\nvirtual_ipaddress_excluded {\n10.0.0.103\n}\n", play: func(s *stand) {
		s.master()
		s.announces("10.0.0.103", 2, s.begin)
		var order []string
		for _, a := range s.sniff.ARPs(s.begin) {
			if a.From == s.d.Host && a.Gratuitous() && a.Sender.String() > "10.0.0.100" && a.Sender.Is4() {
				order = append(order, a.Sender.String()[7:])
			}
		}
		if got := strings.Join(order, " "); got != "102 101 103 102 101 103" {
			s.t.Errorf("announced %s", got)
		}
	}},
	{name: "addresses as they are written", conf: quick + owner + `virtual_ipaddress {
10.0.0.100/24
10.0.0.101
10.0.0.102/24 brd 10.0.0.255 dev eth0 scope global label eth0:7
10.0.9.103/24 scope link
10.0.0.104/32 dev eth0
}
virtual_ipaddress_excluded {
10.0.0.105/28
fd00::105/64
}
`, play: hasAddresses("10.0.0.100/24 scope global", "10.0.0.101/32 scope global", "10.0.0.102/24 brd 10.0.0.255 scope global secondary eth0:7",
		"10.0.9.103/24 scope link", "10.0.0.104/32 scope global", "10.0.0.105/28 scope global", "fd00::105/64 scope global nodad")},
	{name: "IPv6 addresses without duplicate address detection", conf: "advert_int 0.1\n" + owner + ip6, play: hasAddresses("fe80::100/128 scope link nodad deprecated", "fd00::100/64 scope global nodad")},
	{name: "log of a start as BACKUP", conf: quick, play: func(s *stand) {
		s.master()
		s.logs("(VI) Entering BACKUP STATE (init)", "(VI) Receive advertisement timeout", "(VI) Entering MASTER STATE")
	}},
	{name: "higher priority takes over", conf: quick + master + "priority 100\n", play: func(s *stand) {
		s.master()
		defer s.keep(calm(200), quickInterval)()
		s.addr("10.0.0.100", false)
		s.d.logs("(VI) Master received advert from 10.0.0.2 with higher priority 200, ours 100")
		s.d.logs("(VI) Entering BACKUP STATE")
		s.silent(500*ms, "another is master")
		if zero := slices.ContainsFunc(s.said(s.begin), isGoodbye); zero {
			s.t.Error("it said goodbye to a better master")
		}
	}},
	{name: "higher address takes over at equal priority", conf: quick + master + "priority 100\n", play: func(s *stand) {
		s.master()
		defer s.keep(pdu{priority: 100, src: "10.0.0.2"}, quickInterval)()
		s.addr("10.0.0.100", false)
		s.d.logs("(VI) Entering BACKUP STATE")
	}},
	{name: "lower address does not", conf: quick + master + "priority 100\nmcast_src_ip 10.0.0.77\n", play: func(s *stand) {
		s.master()
		defer s.keep(pdu{priority: 100}, quickInterval)()
		s.staysMaster()
	}},
	{name: "addresses are compared as numbers", conf: quick + master + "priority 100\nmcast_src_ip 10.0.0.200\n", play: func(s *stand) {
		s.master()
		defer s.keep(pdu{priority: 100, src: "10.0.0.9"}, quickInterval)()
		s.staysMaster()
	}},
	{name: "lower priority is answered at once", conf: "version 3\nadvert_int 2\n" + owner, play: func(s *stand) {
		s.master()
		heard := s.send(pdu{priority: 50})
		s.within("it answered", s.speaks(heard).At.Sub(heard), 0)
		s.announces("10.0.0.100", 5, heard)
		s.d.logs("(VI) Received advert from 10.0.0.2 with lower priority 50, ours 255")
	}},
	{name: "lower_prio_no_advert", conf: "version 3\nadvert_int 3\n" + owner + "lower_prio_no_advert\n", play: func(s *stand) {
		first := s.master().said(s.begin)[0].At
		s.rest(300 * ms)
		s.send(pdu{priority: 50})
		s.rest(time.Second)
		if next := s.speaks(first.Add(1)); next.At.Sub(first) < 2*time.Second {
			s.t.Errorf("it answered a lower priority, %v after its advert", next.At.Sub(first))
		}
	}},
	{name: "higher_prio_send_advert", conf: "version 3\nadvert_int 3\n" + master + "priority 100\nhigher_prio_send_advert\n", play: func(s *stand) {
		s.master()
		s.rest(300 * ms)
		heard := s.send(pdu{priority: 200, interval: 300})
		s.within("it spoke once more", s.speaks(heard).At.Sub(heard), 0)
		s.addr("10.0.0.100", false)
	}},
	{name: "priority 0 is answered at once", conf: "version 3\nadvert_int 2\n" + owner, play: func(s *stand) {
		s.master()
		heard := s.send(pdu{priority: 0})
		s.within("it answered", s.speaks(heard).At.Sub(heard), 0)
	}},
	{name: "stop gives everything back", conf: quick + owner + "virtual_ipaddress {\n10.0.0.100\n10.0.0.101\n}\n", play: func(s *stand) {
		s.master()
		s.addr("10.0.0.101", true)
		stopped := time.Now()
		s.d.stop()
		s.addr("10.0.0.100", false)
		s.addr("10.0.0.101", false)
		if !slices.ContainsFunc(s.said(stopped), isGoodbye) {
			s.t.Error("no goodbye")
		}
	}},
	{name: "a BACKUP says nothing when it stops", conf: quick + "priority 100\n", play: func(s *stand) {
		s.start()
		defer s.keep(calm(200), quickInterval)()
		s.d.logs("Entering BACKUP STATE")
		s.d.stop()
		if said := s.said(s.begin); len(said) > 0 {
			s.t.Errorf("it spoke: %s", look(said[0].Frame))
		}
	}},
	{name: "dont-release-vrrp", conf: quick + owner, play: func(s *stand) {
		s.start("-V")
		s.addr("10.0.0.100", true)
		s.d.stop()
		if slices.ContainsFunc(s.said(s.begin), isGoodbye) || !s.d.Holds(vip4) {
			s.t.Error("it let go although it was told not to")
		}
	}},
	{name: "notify scripts", conf: quick + "priority 150\nstate MASTER\n", play: func(s *stand) {
		s.notified("notify %s", "INSTANCE VI BACKUP 150", "INSTANCE VI MASTER 150", "INSTANCE VI STOP 150")
	}},
	{name: "notify of an owner begins with MASTER", conf: quick + owner, play: func(s *stand) {
		s.notified("notify %s", "INSTANCE VI MASTER 255", "INSTANCE VI STOP 255")
	}},
	{name: "notify_master alone", conf: quick + owner, play: func(s *stand) {
		s.notified("notify_master \"%s is master\"", "is master")
	}},
	{name: "notify_stop alone", conf: quick + owner, play: func(s *stand) {
		s.notified("notify_stop \"%s stops\"", "stops")
	}},
	{name: "notify_master_rx_lower_pri", conf: quick + owner, play: func(s *stand) {
		record := s.records("notify_master_rx_lower_pri \"%s lower\"")
		s.master()
		s.send(pdu{priority: 20})
		s.eventually("the script runs", func() bool { return lines(record)[0] == "lower" })
	}},
	{name: "notify_fifo", conf: quick + "priority 150\nstate MASTER\n", play: func(s *stand) {
		s.fifo(func() { s.master() }, `INSTANCE "VI" BACKUP 150`, `INSTANCE "VI" MASTER 150`, `INSTANCE "VI" STOP 150`)
	}},
	{name: "sync group goes together", conf: quick + "priority 150\nstate MASTER\n", play: func(s *stand) {
		s.before = "vrrp_sync_group G {\ngroup {\nVI\nVJ\n}\n}\n"
		s.after = "vrrp_instance VJ {\ninterface eth0\nvirtual_router_id 52\npriority 150\nversion 3\nadvert_int 0.1\nvirtual_ipaddress {\n10.0.0.110\n}\n}\n"
		s.start()
		s.addr("10.0.0.100", true)
		s.addr("10.0.0.110", true)
		s.send(pdu{priority: 200, vrid: 52, addrs: []string{"10.0.0.110"}, interval: 4000})
		s.addr("10.0.0.100", false)
		s.addr("10.0.0.110", false)
		s.d.logs("VRRP_Group(G) Syncing instances to BACKUP state")
	}},
	{name: "use_vmac holds the address on the virtual interface", conf: quick + owner + "use_vmac\n", play: func(s *stand) {
		s.master()
		for _, a := range s.announces("10.0.0.100", 5, s.begin) {
			if a.MAC.String() != "00:00:5e:00:01:33" {
				s.t.Errorf("announced at %v", a.MAC)
			}
		}
		s.eventually("vrrp.51 has it", func() bool { return strings.Contains(s.ip("addr", "show", "dev", "vrrp.51"), "10.0.0.100/24") })
		s.d.stop()
		if list := s.ip("link"); strings.Contains(list, "vrrp.51") {
			s.t.Errorf("left behind: %s", list)
		}
	}},
	{name: "virtual_routes", conf: quick + owner + "virtual_routes {\n192.0.2.0/24 via 10.0.0.9 dev eth0\n}\n", play: func(s *stand) {
		s.master()
		s.eventually("the route stands", func() bool { return strings.Contains(s.ip("route"), "192.0.2.0/24 via 10.0.0.9 dev eth0") })
		s.d.stop()
		if list := s.ip("route"); strings.Contains(list, "192.0.2.0") {
			s.t.Errorf("left behind: %s", list)
		}
	}},
	{name: "an address that another claims is announced again", conf: quick + owner + "garp_master_delay 0\n", alone: "does not listen", play: func(s *stand) {
		s.master()
		s.announces("10.0.0.100", 5, s.begin)
		s.rest(quickInterval * 5)
		claimed := time.Now()
		s.do(s.in.Send(arpClaim(s.b.MAC(lanLink), vip4)))
		s.announces("10.0.0.100", 1, claimed)
		s.d.logs("10.0.0.100 is claimed by")
	}},
}

// staysMaster checks that the director speaks on and keeps its address.
func (s *stand) staysMaster() {
	s.t.Helper()
	now := time.Now()
	s.eventually("it speaks on", func() bool { return len(s.d.speaks(now)) > 10 })
	if !s.d.Holds(vip4) || strings.Count(s.d.proc.Log(), "Entering BACKUP STATE") > 1 {
		s.t.Error("it gave way")
	}
}

// logs waits for lines in this order.
func (s *stand) logs(texts ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the log has %q", texts), func() bool {
		rest := s.d.proc.Log()
		for _, text := range texts {
			_, after, found := strings.Cut(rest, text)
			if !found {
				return false
			}
			rest = after
		}
		return true
	})
}

// ip runs ip(8) on the director.
func (s *stand) ip(args ...string) string {
	s.t.Helper()
	var out []byte
	s.do(s.d.Do(func() (err error) {
		out, err = exec.Command("ip", args...).CombinedOutput()
		return err
	}))
	return string(out)
}

// hasAddresses waits until ip(8) lists addresses with these words.
func hasAddresses(wants ...string) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		s.master()
		for _, want := range wants {
			words := strings.Fields(want)
			s.eventually("it holds "+want, func() bool {
				for _, line := range strings.Split(s.ip("-o", "addr", "show", "dev", "eth0"), "\n") {
					have := strings.Fields(strings.ReplaceAll(line, "\\", " "))
					if !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(have, w) }) {
						return true
					}
				}
				return false
			})
		}
	}
}

// records gives the director a script that notes its arguments, in a line with
// %s for it.
func (s *stand) records(line string) (record string) {
	s.t.Helper()
	script, record := s.recorder("noted")
	s.lines += fmt.Sprintf(line, script) + "\n"
	return record
}

// notified runs the director from start to stop and checks what a script was
// told.
func (s *stand) notified(line string, want ...string) {
	s.t.Helper()
	record := s.records(line)
	s.master()
	s.eventually("the script has run", func() bool {
		_, err := os.Stat(record)
		return err == nil && len(lines(record)) >= len(want)-1 || len(want) == 1
	})
	s.d.stop()
	s.eventually(fmt.Sprintf("the script was told %q", want), func() bool { return slices.Equal(lines(record), want) })
}

// fifo starts the director with a FIFO, plays, stops it, and checks the lines.
func (s *stand) fifo(play func(), want ...string) {
	s.t.Helper()
	name, record := s.file("fifo"), s.file("fifo.txt")
	s.global += "vrrp_notify_fifo " + name + "\n"
	must(s.d.Start("sh", "-c", "mkfifo "+name+"; exec cat <>"+name+" >"+record))(s.t)
	s.eventually("the FIFO is there", func() bool { _, err := os.Stat(name); return err == nil })
	play()
	s.eventually("the FIFO has lines", func() bool { return len(lines(record)) >= len(want)-1 })
	s.do(s.d.proc.Signal(os.Interrupt))
	s.eventually(fmt.Sprintf("the FIFO says %q", want), func() bool { return slices.Equal(lines(record), want) })
}

// arpClaim is a gratuitous ARP packet, RFC 5227 section 2.3.
func arpClaim(mac net.HardwareAddr, ip netip.Addr) []byte {
	b := slices.Concat([]byte{255, 255, 255, 255, 255, 255}, mac, []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 1}, mac, ip.AsSlice())
	return slices.Concat(b, make([]byte, 6), ip.AsSlice())
}
