package integration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keepgo/internal/guest"
)

// servedServers is a configuration whose SNMP tables of virtual servers are compared.
// 10.0.0.3 is a host, and nothing listens there.
const servedServers = `
global_defs {
    router_id R1
    snmp_socket unix:%[1]s/agentx
    enable_snmp_checker
    enable_traps
    script_user root
    enable_script_security
    smtp_server 127.0.0.9 2525
    smtp_connect_timeout 7
    lvs_timeouts tcp 100 tcpfin 20 udp 30
}
virtual_server_group GR {
    10.0.0.105 80
    10.0.0.106-108 80
}
virtual_server 10.0.0.100 80 {
    delay_loop 2
    lvs_sched wrr
    lvs_method DR
    protocol TCP
    persistence_timeout 50
    persistence_granularity 255.255.255.0
    quorum 2
    hysteresis 1
    quorum_up "/usr/bin/true quorum up"
    quorum_down "/usr/bin/true"
    retry 2
    sorry_server 10.0.0.99 80
    real_server 10.0.0.21 80 {
        weight 3
        notify_up "/usr/bin/true up"
    }
    real_server 10.0.0.22 80 {
        weight 4
        uthreshold 100
        lthreshold 50
        inhibit_on_failure
        MISC_CHECK {
            misc_path "/usr/bin/true"
            misc_timeout 60
            warmup 0
        }
    }
    real_server 10.0.0.3 80 {
        weight 5
        TCP_CHECK {
            connect_timeout 3
            retry 0
            delay_loop 2
            warmup 0
        }
    }
}
virtual_server fwmark 9 {
    lvs_sched sh
    sh-port
    lvs_method NAT
    omega
    real_server 10.0.0.23 53 {
        smtp_alert
    }
}
virtual_server group GR {
    lvs_sched mh
    mh-fallback
    lvs_method TUN
    protocol TCP
    real_server 10.0.0.24 80 {
    }
    real_server 10.0.0.25 80 {
        lvs_method TUN type gue port 6000
    }
}
virtual_server fd00::100 80 {
    lvs_sched lc
    ops
    lvs_method DR
    protocol UDP
    real_server fd00::21 80 {
        weight 2
    }
}
`

// toldOfServers is what one daemon tells of virtual servers.
type toldOfServers struct{ walk, sets, traps []string }

// Columns of the table of real servers.
const (
	serverStatus = "1.3.6.1.4.1.9586.100.5.3.4.1.6."
	failedChecks = "1.3.6.1.4.1.9586.100.5.3.4.1.13."
	serverWeight = "1.3.6.1.4.1.9586.100.5.3.4.1.7."
)

// weighings are sets of weights. Numbers above 255 are no part of them:
// keepalived takes their last eight bits.
var weighings = [][]string{
	{serverWeight + "1.2", "i", "9"}, {serverWeight + "1.2", "i", "0"}, {serverWeight + "1.2", "u", "5"}, {serverWeight + "1.2", "s", "5"},
	{serverWeight + "1.1", "i", "5"}, {serverWeight + "9.1", "i", "5"}, {serverWeight + "1", "i", "5"}, {serverStatus + "1.2", "i", "1"},
	{serverWeight + "1.2", "i", "11", serverWeight + "1.3", "i", "12"}, {serverWeight + "1.2", "i", "13", serverWeight + "1.3", "u", "14"}, {serverWeight + "1.4", "i", "15"},
}

// serveServers plays one daemon until its server is found down, and then stops it.
func serveServers(t *testing.T, d daemon) (s toldOfServers) {
	w := newWorld(t, d, ours)
	m := newMasterAgent(w.a)
	w.a.configure(fmt.Sprintf(servedServers, w.lab.Dir))
	w.a.start("-C")
	m.collect(&s.traps, string(d)+" finds a server down", func() bool {
		got := m.ask("snmpget", serverStatus+"1.4", failedChecks+"1.4") // before it has begun they are down too
		return strings.Contains(got, "INTEGER: 2") && strings.Contains(got, "Gauge32: 1")
	})
	s.walk = strings.Split(strings.TrimSpace(m.ask("snmpbulkwalk", "1.3.6.1.4.1.9586.100.5")), "\n")
	before := table(t, w.a.Host)
	for _, set := range weighings {
		s.sets = append(s.sets, m.ask("snmpset", set...)+m.ask("snmpget", serverWeight+"1.2", serverWeight+"1.3", serverWeight+"1.4"))
	}
	m.collect(&s.traps, string(d)+" has the weights in IPVS", func() bool {
		now := strings.Join(table(t, w.a.Host), "\n")
		return strings.Contains(now, "10.0.0.21:80 -g -w 11") && strings.Contains(now, "10.0.0.22:80 -g -w 12")
	})
	w.a.reload()
	m.collect(&s.traps, string(d)+" has the weights of the file", func() bool { return slices.Equal(before, table(t, w.a.Host)) })
	w.do(w.a.proc.Signal(syscall.SIGTERM))
	m.collect(&s.traps, string(d)+" ends", func() bool { return isClosed(w.a.proc.Done()) })
	m.collect(&s.traps, "the end of all is told", func() bool { return strings.Count(strings.Join(s.traps, "\n"), ".3.3.1.23=[3]") == 4 })
	return s
}

// collect waits, and keeps what comes meanwhile.
func (m *masterAgent) collect(traps *[]string, what string, ok func() bool) {
	m.d.w.t.Helper()
	m.d.w.eventually(what, func() bool {
		for len(m.traps) > 0 {
			*traps = append(*traps, <-m.traps)
		}
		return ok()
	})
}

// otherwise are objects of virtual servers that are not equal: the version; what a
// virtual_server and a real_server say for their checks, which is that of the
// first check here; the protocol of a mark, which keepalived leaves out, and the
// length of a prefix, which it has without one.
var otherwise = regexp.MustCompile(`^\.1\.3\.6\.1\.4\.1\.9586\.100\.5\.(1\.1\.0|3\.3\.1\.(16|51|57|60|64)\.|3\.3\.1\.8\.2 |3\.4\.1\.(43|44|46|48|50|51)\.)`)

// markProtocol is the protocol of a virtual server by mark, which keepalived's
// notifications say is UDP.
var markProtocol = regexp.MustCompile(`(\.3\.3\.1\.4=\[9\] \S+\.3\.3\.1\.8=)\[\d+\]`)

// inCommon are notifications in their order, but for those of the quorum that
// is there from the start: keepalived 2.2.7 tells of it, and 2.4 no more.
func inCommon(traps []string) (list []string) {
	for _, t := range traps {
		if !strings.Contains(t, ".3.3.1.23=[1]") {
			list = append(list, markProtocol.ReplaceAllString(t, "$1"))
		}
	}
	return list
}

// TestGuestSNMP boots a kernel with IPVS for what follows.
func TestGuestSNMP(t *testing.T) {
	needsRoot(t)
	needsTime(t)
	t.Parallel()
	guest.Tests(t, "^TestSNMPServers")
}

// TestSNMPServersAgreeWithKeepalived compares what both daemons tell of virtual
// servers, what they let be set, and what they notify of.
func TestSNMPServersAgreeWithKeepalived(t *testing.T) {
	if !guest.Inside() {
		t.Skip("needs a kernel with IPVS: runs in TestGuestSNMP")
	}
	their, our := serveServers(t, theirs), serveServers(t, ours)
	if len(their.walk) < 500 {
		t.Fatalf("keepalived tells only this:\n%s", strings.Join(their.walk, "\n"))
	}
	unequal := func(s string) bool { return otherwise.MatchString(s) }
	if diff := cmp.Diff(slices.DeleteFunc(their.walk, unequal), slices.DeleteFunc(our.walk, unequal)); diff != "" {
		t.Errorf("the tables (-keepalived +keepgo):\n%s", diff)
	}
	for i := range weighings {
		if diff := cmp.Diff(their.sets[i], our.sets[i]); diff != "" {
			t.Errorf("snmpset %v (-keepalived +keepgo):\n%s", weighings[i], diff)
		}
	}
	if diff := cmp.Diff(inCommon(their.traps), inCommon(our.traps)); diff != "" {
		t.Errorf("notifications (-keepalived +keepgo):\n%s", diff)
	}
}
