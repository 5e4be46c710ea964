package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepgo/internal/agentx"
	"keepgo/internal/netlab"
	"keepgo/internal/snmp"
)

// snmpServed is a configuration whose SNMP tables are compared.
const snmpServed = `
global_defs {
    router_id R1
    snmp_socket unix:%[1]s/agentx
    enable_snmp_vrrp
    enable_snmp_rfc
    enable_traps
    script_user root
    enable_script_security
    notification_email {
        a@example.net
        b@example.net
    }
    notification_email_from k@example.net
    smtp_server 127.0.0.9 2525
    smtp_connect_timeout 7
    smtp_alert_vrrp off
    no_email_faults
    lvs_flush_on_stop VS
}
vrrp_script good {
    script "/usr/bin/true"
    interval 2
    weight 5
    rise 2
    fall 3
}
vrrp_script bad {
    script "/usr/bin/false x"
    interval 3
    weight -7
}
vrrp_track_file tf {
    file %[1]s/number
    weight 3
}
vrrp_sync_group G1 {
    group {
        V1
        V2
    }
    notify_master "/usr/bin/true master"
    notify_stop "/usr/bin/true stop"
    notify "/usr/bin/true all"
    smtp_alert
}
vrrp_instance V1 {
    interface eth0
    virtual_router_id 51
    priority 150
    version 2
    authentication {
        auth_type PASS
        auth_pass secret
    }
    virtual_ipaddress {
        10.0.0.100/24 label eth0:v brd 10.0.0.255
        10.0.0.101/32 scope link
    }
    virtual_ipaddress_excluded {
        10.0.0.102/32 scope site
        fd00::55/64
    }
    virtual_routes {
        10.60.0.0/16 via 10.0.0.7 dev eth0 metric 5 mtu lock 1400 src 10.0.0.100 hoplimit 9 advmss 1000 rtt 500ms rttvar lock 600ms initcwnd 4 quickack 1
        blackhole 10.61.0.0/16
        10.62.0.0/16 nexthop via 10.0.0.8 dev eth0 weight 2 nexthop via 10.0.0.7 dev eth0 weight 3 onlink
        fd01::/64 via fe80::1 dev eth0 pref high expires 300
    }
    virtual_rules {
        from 10.60.0.0/16 to 10.1.0.0/24 table 200 priority 900
        iif eth0 fwmark 5/255 table 201 priority 901 tos 0x10
        not from 10.2.0.0/16 goto 1000 priority 902
        to 10.3.0.0/16 oif eth0 blackhole priority 903
        from 10.4.0.0/16 table 202 suppress_prefixlength 4 realms 5/6 priority 904 uidrange 5-6
        to fd05::/64 prohibit priority 905
    }
    nopreempt
    notify_backup "/usr/bin/true backup"
    notify_deleted "/usr/bin/true deleted"
    promote_secondaries
}
vrrp_instance V2 {
    state MASTER
    interface eth0
    virtual_router_id 52
    priority 120
    version 2
    virtual_ipaddress {
        10.0.0.110
    }
    garp_master_delay 12
}
vrrp_instance V6 {
    interface eth0
    virtual_router_id 53
    priority 120
    version 3
    advert_int 0.5
    virtual_ipaddress {
        fe80::99
        fd00::101/64
    }
    no_accept
    preempt_delay 3
    track_interface {
        eth0 weight 10
    }
    track_script {
        good
        bad weight -7
    }
    track_file {
        tf weight 3
    }
}
vrrp_instance V4 {
    interface eth0
    virtual_router_id 55
    priority 90
    version 3
    use_vmac
    vmac_xmit_base
    unicast_peer {
        10.0.0.44
    }
    virtual_ipaddress {
        10.0.0.98/24
    }
    notify "/usr/bin/true n"
}
`

// snmpd is a master agent on a host, with its configuration.
const snmpd = `
agentAddress udp:127.0.0.1:1611
rocommunity public
rwcommunity private
master agentx
agentXSocket unix:%[1]s/agentx
trap2sink 127.0.0.1:1620 public
`

// masterAgent runs snmpd beside a director, and hears what it sends.
type masterAgent struct {
	d     *director
	proc  *netlab.Process
	traps chan string
}

func newMasterAgent(d *director) *masterAgent {
	t := d.w.t
	for _, name := range []string{"snmpd", "snmpwalk"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("needs an SNMP agent: apt-get install snmpd snmp")
		}
	}
	m := &masterAgent{d: d, traps: make(chan string, 1000)}
	c := must(d.ListenPacket("udp4", "127.0.0.1:1620"))(t)
	t.Cleanup(func() { c.Close() })
	go m.hear(c)
	conf := filepath.Join(d.w.lab.Dir, "snmpd.conf")
	d.w.do(os.WriteFile(conf, fmt.Appendf(nil, snmpd, d.w.lab.Dir), 0o600))
	m.start()
	d.w.eventually("snmpd runs", func() bool {
		_, err := os.Stat(filepath.Join(d.w.lab.Dir, "agentx"))
		return err == nil
	})
	return m
}

// start starts snmpd. An snmpd that was killed leaves its socket behind, which the
// next one replaces.
func (m *masterAgent) start() {
	m.proc = must(m.d.Start("snmpd", "-Lo", "-f", "-C", "-c", filepath.Join(m.d.w.lab.Dir, "snmpd.conf")))(m.d.w.t)
}

// hear reads notifications.
func (m *masterAgent) hear(c net.PacketConn) {
	b := make([]byte, 64<<10)
	for {
		n, _, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		m.traps <- trapText(b[:n])
	}
}

// trapText is a notification of SNMPv2c as one line: its objects, but for the
// first, which is the time.
func trapText(b []byte) string {
	message, _ := tlv(b)
	_, rest := tlv(message) // version
	_, rest = tlv(rest)     // community
	pdu, _ := tlv(rest)
	for range 3 { // id, error, index
		_, pdu = tlv(pdu)
	}
	var out []string
	for list, _ := tlv(pdu); len(list) > 0; {
		var bind []byte
		bind, list = tlv(list)
		name, value := tlv(bind)
		data, _ := tlv(value)
		switch value[0] {
		case 0x06:
			out = append(out, oidText(data))
		case 0x04:
			out = append(out, oidText(name)+"="+fmt.Sprintf("%q", data))
		default:
			out = append(out, oidText(name)+"="+fmt.Sprint(data))
		}
	}
	return strings.Join(out[1:], " ")
}

// tlv cuts the first value off BER.
func tlv(b []byte) (value, rest []byte) {
	n, head := int(b[1]), 2
	if n >= 0x80 {
		count := n & 0x7f
		n, head = 0, 2+count
		for _, c := range b[2:head] {
			n = n<<8 | int(c)
		}
	}
	return b[head : head+n], b[head+n:]
}

func oidText(b []byte) string {
	list := agentx.OID{uint32(b[0] / 40), uint32(b[0] % 40)}
	var n uint32
	for _, c := range b[1:] {
		if n = n<<7 | uint32(c&0x7f); c < 0x80 {
			list, n = append(list, n), 0
		}
	}
	return list.String()
}

// ask runs a program of net-snmp on the director's host.
func (m *masterAgent) ask(program string, args ...string) string {
	var out []byte
	err := m.d.Do(func() (err error) {
		argv := append([]string{"-On", "-v2c", "-c", "private", "-m", "", "-t", "5", "-r", "1", "127.0.0.1:1611"}, args...)
		if program == "snmpbulkwalk" {
			argv = append([]string{"-Cr50"}, argv...)
		}
		out, err = exec.Command(program, argv...).CombinedOutput()
		return err
	})
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		m.d.w.t.Fatal(err)
	}
	return string(out)
}

// walk are all objects of the tables.
func (m *masterAgent) walk(program string) (list []string) {
	for _, tree := range []string{"1.3.6.1.4.1.9586.100.5", "1.3.6.1.2.1.68", "1.3.6.1.2.1.207"} {
		list = append(list, strings.Split(strings.TrimSpace(m.ask(program, tree)), "\n")...)
	}
	return list
}

// serveSNMP plays one daemon until it is MASTER of everything, and then stops it.
func serveSNMP(t *testing.T, d daemon) (walk, traps []string) {
	w := newWorld(t, d, ours)
	m := newMasterAgent(w.a)
	w.do(os.WriteFile(filepath.Join(w.lab.Dir, "number"), []byte("2"), 0o600))
	w.a.configure(fmt.Sprintf(snmpServed, w.lab.Dir))
	w.a.start()
	w.eventually(string(d)+" is MASTER of everything", func() bool {
		states := m.ask("snmpwalk", "1.3.6.1.4.1.9586.100.5.2.3.1.4")
		scripts := m.ask("snmpwalk", "1.3.6.1.4.1.9586.100.5.2.9.1.6")
		groups := m.ask("snmpwalk", "1.3.6.1.4.1.9586.100.5.2.1.1.3")
		return strings.Count(states, "INTEGER: 2") == 4 && strings.Contains(scripts, ".1 = INTEGER: 3") && strings.Contains(scripts, ".2 = INTEGER: 2") && strings.Contains(groups, "INTEGER: 2")
	})
	if walk = m.walk("snmpwalk"); d == ours {
		m.examine(walk)
	}
	traps = m.provoke()
	w.do(w.a.proc.Signal(syscall.SIGTERM))
	w.eventually(string(d)+" ends", func() bool { return isClosed(w.a.proc.Done()) })
	w.eventually("the end of all is told", func() bool {
		m.ask("snmpget", "1.3.6.1.2.1.1.3.0") // by its answer what came before has been passed on
		more := len(m.traps) > 0
		for len(m.traps) > 0 {
			traps = append(traps, <-m.traps)
		}
		ends := slices.DeleteFunc(slices.Clone(traps), func(s string) bool { return !strings.Contains(s, "=[5]") })
		return !more && len(ends) >= 5
	})
	for i := range traps {
		traps[i] = linkLocal.ReplaceAllString(traps[i], "=fe80::")
	}
	for i := range walk {
		walk[i] = strings.ReplaceAll(walk[i], w.lab.Dir, "DIR")
	}
	return walk, once(traps)
}

// refusable are packets that are refused, each for what another notification tells.
var refusable = []pdu{
	{version: 2, pass: "secret", ttl: 7}, {version: 2, pass: "secret", ruin: flip(34 + 6)}, {version: 3},
	{version: 2, pass: "wrong"}, {version: 2}, {version: 2, pass: "secret", wrong: func(v []byte) []byte { v[4] = 7; return v }},
	{ipv6: true, vrid: 53, ttl: 7},
}

// refusal says that a notification is of a packet that was refused.
func refusal(t string) bool {
	return strings.HasPrefix(t, "1.3.6.1.2.1.68.0.2 ") || strings.HasPrefix(t, "1.3.6.1.2.1.207.0.2 ")
}

// provoke sends wrong packets until there is a notification of each, and returns
// what came meanwhile.
func (m *masterAgent) provoke() (traps []string) {
	w := m.d.w
	in := must(w.client.Inject(lanLink))(w.t)
	kinds := map[string]bool{}
	for i, p := range refusable {
		p.src, p.priority, p.addrs = "10.0.0.9", 1, []string{"10.0.0.100", "10.0.0.101"}
		if p.ipv6 {
			p.src, p.addrs = "fe80::9", []string{"fe80::99", "fd00::101"}
		}
		frame := p.frame(w.client.MAC(lanLink), w.a.MAC(lanLink))
		w.eventually(fmt.Sprintf("wrong packet %d is told of", i), func() bool {
			w.do(in.Send(frame))
			for len(m.traps) > 0 {
				t := <-m.traps
				traps = append(traps, t)
				if refusal(t) {
					kinds[t] = true
				}
			}
			return len(kinds) > i
		})
	}
	return traps
}

// once leaves out that a refusal was told of more than once: packets are sent
// until they are.
func once(traps []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(traps, func(t string) bool {
		again := seen[t]
		seen[t] = refusal(t)
		return again
	})
}

// examine asks ours in other ways.
func (m *masterAgent) examine(walk []string) {
	t := m.d.w.t
	t.Helper()
	untimed := func(list []string) []string { return slices.DeleteFunc(slices.Clone(list), unequalObject) }
	if diff := cmp.Diff(untimed(walk), untimed(m.walk("snmpbulkwalk"))); diff != "" {
		t.Errorf("snmpbulkwalk (-snmpwalk +snmpbulkwalk):\n%s", diff)
	}
	if got := m.ask("snmpget", "1.3.6.1.4.1.9586.100.5.1.2.0", "1.3.6.1.4.1.9586.100.5.2.3.1.7.99"); !strings.Contains(got, `"R1"`) || !strings.Contains(got, "No Such Instance") {
		t.Errorf("snmpget: %s", got)
	}
	if got := m.ask("snmpset", "1.3.6.1.4.1.9586.100.5.2.3.1.8.1", "i", "7"); !strings.Contains(got, "notWritable") {
		t.Errorf("snmpset: %s", got)
	}
}

// different are objects that are not equal: what a host or a program has of its
// own, times and what keepalived 2.2.7 has wrong. Of addresses it says of those
// of the first instance alone that they are advertised; the master of a virtual
// router of version 2 is nobody to it while it is MASTER itself; and of all the
// routers of version 2 two of its tables have the first alone.
var different = regexp.MustCompile(`^\.1\.3\.6\.1\.(4\.1\.9586\.100\.5\.(1\.1\.0|2\.6\.1\.11\.)|2\.1\.68\.1\.3\.1\.(2|7|13)\.|2\.1\.68\.(1\.3|2\.4)\.1\.\d+\.\d+\.52 |2\.1\.207\.1\.1\.1\.1\.([345]|12)\.|2\.1\.207\.1\.2\.5\.1\.8)`)

// linkLocal is an address that a host has by chance.
var linkLocal = regexp.MustCompile(`="\\xfe\\x80(?:[^"\\]|\\.)*"`)

func unequalObject(s string) bool { return different.MatchString(s) }

// TestSNMPAgreesWithKeepalived walks through the tables of both daemons, and
// compares them object by object, and the notifications of a whole life.
func TestSNMPAgreesWithKeepalived(t *testing.T) {
	theirWalk, theirTraps := serveSNMP(t, theirs)
	ourWalk, ourTraps := serveSNMP(t, ours)
	if len(theirWalk) < 400 {
		t.Fatalf("keepalived tells only this:\n%s", strings.Join(theirWalk, "\n"))
	}
	if diff := cmp.Diff(slices.DeleteFunc(theirWalk, unequalObject), slices.DeleteFunc(ourWalk, unequalObject)); diff != "" {
		t.Errorf("the tables (-keepalived +keepgo):\n%s", diff)
	}
	slices.Sort(theirTraps)
	slices.Sort(ourTraps)
	if diff := cmp.Diff(theirTraps, ourTraps); diff != "" {
		t.Errorf("notifications, in any order (-keepalived +keepgo):\n%s", diff)
	}
}

// TestSNMPFollowsReloads turns the tables off and on, and lets the master agent
// die.
func TestSNMPFollowsReloads(t *testing.T) {
	w := newWorld(t, ours, ours)
	m := newMasterAgent(w.a)
	text := fmt.Sprintf(snmpServed, w.lab.Dir)
	w.a.configure(text)
	w.a.start()
	name := snmp.Keepalived.Add(1, 2, 0).String()
	tells := func(what string, yes bool) {
		t.Helper()
		w.eventually(what, func() bool { return strings.Contains(m.ask("snmpget", name), `"R`) == yes })
	}
	tells("the tables are served", true)
	w.a.configure(strings.NewReplacer("enable_snmp_vrrp", "", "enable_snmp_rfc", "").Replace(text))
	w.a.reload()
	tells("a reload takes them away", false)
	w.a.configure(text)
	w.a.reload()
	tells("another brings them back", true)
	w.a.configure(strings.Replace(text, "router_id R1", "router_id R2", 1))
	w.a.reload()
	w.eventually("a reload tells the new name", func() bool { return strings.Contains(m.ask("snmpget", name), `"R2"`) })
	w.do(m.proc.Signal(syscall.SIGKILL))
	w.eventually("the master agent is gone", func() bool { return isClosed(m.proc.Done()) })
	m.start()
	tells("the next master agent is found", true)
}
