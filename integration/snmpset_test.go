package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Columns of the table of instances: base and effective priority, preempt.
const (
	instances = "1.3.6.1.4.1.9586.100.5.2.3.1."
	priority  = instances + "7."
	effective = instances + "8."
	preempt   = instances + "13."
)

// sets are what a manager tries: by turns objects, types and values.
var sets = [][]string{
	{priority + "1", "i", "100"}, {priority + "1", "i", "0"}, {priority + "1", "i", "256"}, {priority + "1", "u", "100"}, {priority + "1", "s", "100"},
	{priority + "9", "i", "100"}, {priority + "9", "u", "100"}, {priority + "0", "i", "100"}, {priority + "1.1", "i", "100"}, {strings.TrimSuffix(priority, "."), "i", "1"},
	{preempt + "2", "i", "2"}, {preempt + "2", "i", "1"}, {preempt + "2", "i", "0"}, {preempt + "2", "i", "3"}, {preempt + "2", "i", "-1"}, {preempt + "2", "u", "1"}, {preempt + "7", "i", "1"},
	// Several at a time: all of them, or none.
	{priority + "1", "i", "90", preempt + "1", "i", "1"}, {priority + "1", "i", "91", preempt + "1", "i", "7"}, {priority + "1", "i", "92", preempt + "8", "i", "1"},
	{priority + "2", "i", "77", instances + "2.2", "s", "x"},
	// What the MIB has as read-write, and keepalived does not take.
	{instances + "27.1", "i", "1"}, {instances + "27.3", "i", "1"}, {instances + "27.3", "i", "9"}, {instances + "28.1", "i", "2"}, {instances + "29.1", "i", "2"}, {instances + "33.1", "i", "1"},
	{instances + "2.1", "s", "x"}, {instances + "6.1", "i", "2"}, {instances + "99.1", "i", "2"}, {instances + "27", "i", "1"}, {"1.3.6.1.4.1.9586.100.5.1.2.0", "s", "x"},
	{"1.3.6.1.4.1.9586.100.5.2", "i", "1"}, {"1.3.6.1.2.1.68.1.2.0", "i", "2"}, {"1.3.6.1.2.1.207.1.1.1.1.7.1.53.2", "u", "2"},
}

// setSNMP tries all sets with one daemon, and a reload behind them.
func setSNMP(t *testing.T, d daemon) (answers []string) {
	w := newWorld(t, d, ours)
	m := newMasterAgent(w.a)
	w.do(os.WriteFile(w.lab.Dir+"/number", []byte("2"), 0o600))
	w.a.configure(fmt.Sprintf(snmpServed, w.lab.Dir))
	w.a.start()
	values := func() string {
		return m.ask("snmpget", priority+"1", priority+"2", preempt+"1", preempt+"2")
	}
	var before string
	w.eventually(string(d)+" tells what it has", func() bool {
		before = values()
		return strings.Contains(before, "INTEGER: 150") && strings.Contains(m.ask("snmpget", instances+"4.1"), "INTEGER: 2")
	})
	for _, set := range sets {
		answers = append(answers, m.ask("snmpset", set...)+values())
	}
	w.eventually(string(d)+" says the new priority", func() bool { return strings.Contains(m.ask("snmpget", effective+"1"), "INTEGER: 90") })
	for _, want := range []string{"(V1) base priority changed from 150 to 100 via SNMP", "(V1) preemption enabled with SNMP", "(V2) preemption disabled with SNMP"} {
		w.eventually(string(d)+" logs "+want, func() bool { return strings.Contains(w.a.proc.Log(), want) })
	}
	w.a.reload()
	w.eventually(string(d)+" has what the file says", func() bool {
		return values() == before && strings.Contains(m.ask("snmpget", effective+"1"), "INTEGER: 150")
	})
	return answers
}

// TestSNMPSetsAgreeWithKeepalived sets whatever may be set, and what may not: the
// answers are keepalived's. Numbers above 255 are no part of it: keepalived takes
// their last eight bits.
func TestSNMPSetsAgreeWithKeepalived(t *testing.T) {
	want, got := setSNMP(t, theirs), setSNMP(t, ours)
	for i := range sets {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("snmpset %v (-keepalived +keepgo):\n%s", sets[i], diff)
		}
	}
}

// TestSNMPSetMovesMaster has a set change who is MASTER, which a VRRP process that
// dies does not, and a reload changes it back.
func TestSNMPSetMovesMaster(t *testing.T) {
	w := newWorld(t, ours, ours)
	m := newMasterAgent(w.a)
	k := wire{version: 3}
	a, b := confA(k), confB(k)
	a.global = fmt.Sprintf("snmp_socket unix:%s/agentx\n    enable_snmp_vrrp\n", w.lab.Dir)
	w.a.configure(a.String())
	w.b.configure(b.String())
	w.a.start()
	w.b.start()
	master := func(what string, is, other *director) {
		t.Helper()
		w.eventually(what, func() bool { return is.state() == "MASTER" && other.state() == "BACKUP" })
	}
	master("the better one is MASTER", w.a, w.b)
	w.eventually("the priority is set", func() bool { return strings.Contains(m.ask("snmpset", priority+"1", "i", "3"), "INTEGER: 3") })
	master("the other one is better now", w.b, w.a)
	w.do(syscall.Kill(w.a.vrrpPID(), syscall.SIGKILL))
	w.eventually("there is another VRRP process", func() bool { return strings.Count(w.a.proc.Log(), "Starting VRRP child process") == 2 })
	w.eventually("it has what was set", func() bool {
		return w.a.state() == "BACKUP" && strings.Contains(m.ask("snmpget", effective+"1"), "INTEGER: 3")
	})
	master("the other one stays MASTER", w.b, w.a)
	w.a.reload()
	master("the reload puts it back", w.a, w.b)
}
