package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDocs teaches by nftables, TestServiceDocs by IPVS and with the listings
// compared with ipvsadm's.
func TestDocs(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	teach(t)
}

func TestServiceDocs(t *testing.T) {
	needsIPVS(t)
	teach(t)
}

// teach runs every command of docs/lvs.md on the machines that it shows, and
// then what tutorials do with scripts, with keepgo's verbs alone.
func teach(t *testing.T) {
	s := newClassroom(t)
	list := blocks(t, "../docs/lvs.md")
	last := ""
	for _, b := range list {
		if !s.teaches(b.heading) {
			continue
		}
		if b.heading != last {
			s.before(b.heading)
		}
		last = b.heading
		s.play(b)
	}
	s.persistence()
	if s.ipvs { // its table is looked at
		s.script()
	}
	s.twoAddresses()
}

// ofTable are the sections about what balances: a guest is slow, and plays these
// alone.
var ofTable = []string{"Four ways to a real server", "Direct routing (DR)", "NAT", tunnels,
	"Persistence: a client stays with its server", "What not to test from the director", imports}

const tunnels = "Tunnels (TUN)"

// teaches tells whether a section is played here: nftables has no tunnels.
func (s *classroom) teaches(heading string) bool {
	if s.ipvs {
		return slices.Contains(ofTable, heading)
	}
	return heading != tunnels
}

const imports = "`keepgo import`: come from ipvsadm or a script"

// direct is the service of the section on direct routing.
const direct = `virtual_server 10.0.0.100 80 {
    lvs_sched rr
    lvs_method DR
    protocol TCP
    real_server 10.0.0.11 80 {
        TCP_CHECK {
            connect_timeout 3
        }
    }
}
`

// before prepares what the page takes for granted under a heading.
func (s *classroom) before(heading string) {
	s.t.Helper()
	switch heading {
	case "nginx and keepgo on the same machines":
		s.eventually("the brain is whole again", func() bool { return !s.machines["lb2"].Holds(vip4) })
	case "What not to test from the director":
		s.reload(direct)
	case "`keepgo rs`: on the real servers":
		s.run("rs1", "ip route replace default via 10.0.0.254")
	case imports:
		s.reload(direct)
		s.run("lb1", "ipvsadm -Sn > /etc/ipvsadm.rules")
		s.do(os.WriteFile(filepath.Join(s.machines["lb1"].dir, "health.sh"), []byte(health), 0o644))
	}
}

// shares are the answers of each server in the report of a drill of traffic.
func shares(report string) map[string]int {
	got := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^  (\S+) +(\d+) answers`).FindAllStringSubmatch(report, -1) {
		got[m[1]], _ = strconv.Atoi(m[2])
	}
	return got
}

// checked asks more of what a command said than that it went well.
func (s *classroom) checked(heading, name, line, said string) {
	s.t.Helper()
	got := shares(said)
	bad := false
	switch {
	case strings.HasPrefix(line, "keepgo drill traffic"):
		switch heading {
		case "Direct routing (DR)": // wrr 1:3 of some 40
			bad = got["rs2"] < 3*got["rs1"]-4 || got["rs2"] > 3*got["rs1"]+4 || len(got) != 2
		case "NAT", "FULLNAT":
			bad = got["rs1"] < got["rs2"]-2 || got["rs1"] > got["rs2"]+2 || len(got) != 2
		case tunnels:
			bad = got["rs3"] == 0 || len(got) != 1
		case "Persistence: a client stays with its server":
			s.stays(said)
		}
	case strings.HasPrefix(line, "keepgo capture eth0 --for 10s"):
		bad = !strings.Contains(said, "! two masters: 10.0.0.1 (priority 100) speaks too")
	case line == "keepgo ipvs -Ln --persistent-conn":
		bad = s.ipvs && !strings.Contains(said, "FWM  8")
	case strings.HasPrefix(line, "keepgo import ") && (s.ipvs || strings.Contains(line, "health.sh")):
		text := string(must(os.ReadFile(filepath.Join(s.machines["lb1"].dir, "keepalived.conf")))(s.t))
		bad = !strings.Contains(text, "virtual_server 10.0.0.100 80")
		said = text
	}
	if bad {
		s.t.Errorf("%s: %s: %s says\n%s\n%v", heading, name, line, said, got)
	}
}

// stays checks that one client stays with one server.
func (s *classroom) stays(reports ...string) {
	s.t.Helper()
	who := map[string]bool{}
	for _, r := range reports {
		for name := range shares(r) {
			who[name] = true
		}
	}
	if len(who) != 1 {
		s.t.Errorf("a client that stays with its server saw %v:\n%s", who, strings.Join(reports, "\n"))
	}
}

// reload makes lb1 have another service.
func (s *classroom) reload(conf string) {
	s.t.Helper()
	s.conf = conf
	s.write()
	s.run("lb1", "kill -HUP $(cat /run/keepalived.pid)")
	s.settled()
}

// persistence is PPC, a service for each port, and PCC, one for all.
func (s *classroom) persistence() {
	s.t.Helper()
	const of = "virtual_server 10.0.0.100 %d {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\npersistence_timeout 600\n" +
		"real_server 10.1.0.11 %[1]d {\n}\nreal_server 10.1.0.12 %[1]d {\n}\n}\n"
	for _, m := range []string{"rs1", "rs2"} {
		s.run(m, "ip route replace default via 10.1.0.254")
	}
	s.reload(fmt.Sprintf(of, 80) + fmt.Sprintf(of, 443))
	s.answers()
	ask := "keepgo drill traffic 10.0.0.100:%d --http --rate 10 --for 500ms"
	s.stays(s.run("client", fmt.Sprintf(ask, 80)))
	s.stays(s.run("client", fmt.Sprintf(ask, 443)))
	s.asIPVSADM()
	s.reload(fmt.Sprintf(of, 0))
	s.answers()
	s.stays(s.run("client", fmt.Sprintf(ask, 80)), s.run("client", fmt.Sprintf(ask, 443)), s.run("client", fmt.Sprintf(ask, 8080)))
	s.asIPVSADM()
	if said := s.run("lb1", "keepgo ipvs -Ln"); s.ipvs && !strings.Contains(said, "TCP  10.0.0.100:0 rr persistent 600") {
		s.t.Errorf("%s", said)
	}
}

// health is a health-check script as tutorials have them.
const health = `#!/bin/bash
VIP=10.0.0.100
CPORT=80
FAIL_BACK=10.0.0.12
RS=("10.0.0.11" "10.0.0.12")
RW=("2" "1")
RPORT=80
TYPE=g
CHKLOOP=3
`

// script puts checks in the place of a script: what it names stands in the
// table; a server that dies leaves, and comes back with its weight.
func (s *classroom) script() {
	s.t.Helper()
	s.do(os.WriteFile(filepath.Join(s.machines["lb1"].dir, "health.sh"), []byte(health), 0o644))
	for _, m := range []string{"rs1", "rs2"} {
		s.run(m, "ip route replace default via 10.0.0.254; keepgo rs up --vip 10.0.0.100")
	}
	imported := s.run("lb1", "keepgo import health.sh")
	if !strings.Contains(imported, "TCP_CHECK {") || !strings.Contains(imported, "sorry_server 10.0.0.12 80") {
		s.t.Fatalf("imported:\n%s", imported)
	}
	s.reload(strings.Replace(imported, "virtual_server 10.0.0.100 80 {", "virtual_server 10.0.0.100 80 {\n    delay_loop 1\n    delay_before_retry 1\n", 1))
	const both = "-A -t 10.0.0.100:80 -s wlc\n-a -t 10.0.0.100:80 -r 10.0.0.11:80 -g -w 2\n-a -t 10.0.0.100:80 -r 10.0.0.12:80 -g -w 1\n"
	table := func() string { return strings.Join(sortedLines(s.run("lb1", "keepgo ipvs -Sn")), "\n") + "\n" }
	if got := table(); got != both {
		s.t.Errorf("the table of the script is\n%s\nwant\n%s", got, both)
	}
	s.dies("rs1")
	s.eventually("the dead server leaves", func() bool { return !strings.Contains(table(), "10.0.0.11") })
	if got := shares(s.run("client", "keepgo drill traffic 10.0.0.100 --rate 10 --for 1s")); len(got) != 1 || got["rs2"] == 0 {
		s.t.Errorf("without rs1: %v", got)
	}
	s.lives("rs1")
	s.eventually("it comes back with its weight", func() bool { return table() == both })
	s.asIPVSADM()
}

// twoAddresses takes one of two virtual addresses of a real server away: the
// other's ARP settings stay until it goes too.
func (s *classroom) twoAddresses() {
	s.t.Helper()
	const read = "cat /proc/sys/net/ipv4/conf/all/arp_ignore /proc/sys/net/ipv4/conf/all/arp_announce; ip -o -4 addr show dev lo"
	s.run("rs1", "keepgo rs down; keepgo rs up --vip 10.0.0.100; keepgo rs up --vip 10.0.0.101")
	s.run("rs1", "keepgo rs down --vip 10.0.0.100")
	if said := s.run("rs1", read); !strings.HasPrefix(said, "1\n2\n") || strings.Contains(said, "10.0.0.100") || !strings.Contains(said, "10.0.0.101/32") {
		s.t.Errorf("after one of two has gone: %s", said)
	}
	s.run("rs1", "keepgo rs verify --vip 10.0.0.101")
	s.run("rs1", "keepgo rs down --vip 10.0.0.101")
	if said := s.run("rs1", read); !strings.HasPrefix(said, "0\n0\n") || strings.Contains(said, "10.0.0.10") {
		s.t.Errorf("after both have gone: %s", said)
	}
}
