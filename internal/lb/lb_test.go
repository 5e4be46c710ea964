package lb

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"keepgo/checker"
	"keepgo/confparse"
	"keepgo/ipvsctl"
)

// rs is a real server 10.0.0.n:80 of weight w with checkers.
func rs(n, w int, checks ...*confparse.Checker) *confparse.RealServer {
	return &confparse.RealServer{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), Port: 80, Weight: w, Checkers: checks,
		NotifyUp: script("rs-up"), NotifyDown: script("rs-down"), SMTPAlert: true}
}

func script(name string) *confparse.Command {
	return &confparse.Command{Args: []string{"/bin/" + name}}
}

func tcp() *confparse.Checker {
	return &confparse.Checker{Kind: confparse.TCPCheck, Addr: netip.MustParseAddr("10.9.9.9"), Port: 80, Timeout: time.Second, DelayLoop: time.Minute}
}

func misc() *confparse.Checker {
	return &confparse.Checker{Kind: confparse.MiscCheck, Misc: &confparse.Misc{Dynamic: true, Command: *script("misc")}}
}

func alpha(c *confparse.Checker) *confparse.Checker { c.Alpha = true; return c }

// vs is a virtual server 10.1.0.n:80 of quorum 1.
func vs(n int, servers ...*confparse.RealServer) *confparse.VirtualServer {
	return &confparse.VirtualServer{Addr: netip.AddrFrom4([4]byte{10, 1, 0, byte(n)}), Port: 80, Protocol: confparse.TCP,
		Scheduler: "wlc", Quorum: 1, Servers: servers, QuorumUp: script("vs-up"), QuorumDown: script("vs-down")}
}

func sorry(v *confparse.VirtualServer) *confparse.VirtualServer {
	v.Sorry = &confparse.RealServer{Addr: netip.MustParseAddr("10.0.0.200"), Port: 80, Weight: 1}
	return v
}

func plan(t *testing.T, servers ...*confparse.VirtualServer) *Plan {
	t.Helper()
	p, found := Build(&confparse.Config{VirtualServers: servers})
	if len(found) > 0 {
		t.Fatal(found[0])
	}
	return p
}

// down and up are verdicts on a check.
func down(id int) Event {
	return Event{Result: checker.Result{ID: checker.ID(id), Why: "refused"}}
}

func up(id int) Event {
	return Event{Result: checker.Result{ID: checker.ID(id), Up: true, Why: "connected"}}
}

func weight(id, w int) Event {
	return Event{Result: checker.Result{ID: checker.ID(id), Up: true, Dynamic: true, Weight: w}}
}

// told writes actions one a line, short names for long ones.
func told(acts []Action) string {
	var s []string
	for _, a := range acts {
		switch a.Kind {
		case ActSet:
			s = append(s, fmt.Sprint("set ", a.Service))
		case ActRemove:
			s = append(s, "remove "+a.Key.String())
		case ActLog:
			s = append(s, a.Text)
		case ActNotify:
			line := "tell " + a.Edge.Line()
			if a.Edge.OfCheck {
				line = "mail " + a.Edge.Subject()
			}
			if a.Edge.Ending {
				line = fmt.Sprintf("%s of %d left", line, a.Edge.Left)
			}
			if a.Edge.Quiet {
				s = append(s, strings.Replace(line, "tell", "tell SNMP", 1))
				continue
			}
			if a.Edge.Command != nil {
				line += " " + a.Edge.Command.Args[0]
			}
			if a.Edge.Mail {
				line += " " + a.Edge.Body
			}
			s = append(s, line)
		}
	}
	return strings.NewReplacer(":tcp:80", "", "10.0.0.", "r", "10.1.0.", "v").Replace(strings.Join(s, "\n"))
}

// table writes the weights of a service's destinations: "r1=5 r2=0".
func table(n *Node, service int) string {
	var s []string
	dests := n.Want(service).Destinations
	for _, k := range sortedDests(dests) {
		s = append(s, fmt.Sprintf("r%d=%d", k.Addr.As4()[3], dests[k].Weight))
	}
	return strings.Join(s, " ")
}

func sortedDests(m map[ipvsctl.DestKey]ipvsctl.Destination) (keys []ipvsctl.DestKey) {
	for i := range 256 {
		k := ipvsctl.DestKey{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Port: 80}
		if _, ok := m[k]; ok {
			keys = append(keys, k)
		}
	}
	return keys
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n--- got\n%s\n--- want\n%s", what, got, want)
	}
}

func lines(s ...string) string { return strings.Join(s, "\n") }

func TestNodeStartsWithServersUp(t *testing.T) {
	n, acts := NewNode(plan(t, vs(1, rs(1, 3, tcp()), rs(2, 5)), vs(2, rs(3, 1, alpha(tcp())))), nil)
	expect(t, "actions", told(acts), "set 0\nset 1")
	expect(t, "service 0", table(n, 0), "r1=3 r2=5")
	expect(t, "service 1", table(n, 1), "")
}

func TestNodeServerGoesAndComes(t *testing.T) {
	n, _ := NewNode(plan(t, vs(1, rs(1, 3, tcp()), rs(2, 5, tcp()))), nil)
	expect(t, "down", told(n.Step(down(0), nil)), lines("set 0",
		"Removing service [r1] from VS [v1]",
		"tell RS [r1] [v1] DOWN /bin/rs-down => TCP CHECK failed on service <="))
	expect(t, "table", table(n, 0), "r2=5")
	expect(t, "again", told(n.Step(down(0), nil)), "")
	expect(t, "last one", told(n.Step(down(1), nil)), lines("set 0",
		"Removing service [r2] from VS [v1]",
		"tell RS [r2] [v1] DOWN /bin/rs-down => TCP CHECK failed on service <=",
		"Lost quorum 1-0=1 > 0 for VS [v1]",
		"tell VS [v1] DOWN /bin/vs-down"))
	expect(t, "up", told(n.Step(up(0), nil)), lines("set 0",
		"Adding service [r1] to VS [v1]",
		"tell RS [r1] [v1] UP /bin/rs-up => TCP CHECK succeed on service <=",
		"Gained quorum 1+0=1 <= 3 for VS [v1]",
		"tell VS [v1] UP /bin/vs-up"))
	expect(t, "table", table(n, 0), "r1=3")
	expect(t, "no such check", told(n.Step(down(9), nil))+told(n.Step(down(-1), nil)), "")
}

func TestNodeServerNeedsAllItsChecks(t *testing.T) {
	n, _ := NewNode(plan(t, vs(1, rs(1, 3, tcp(), misc(), tcp()))), nil)
	n.Step(down(0), nil)
	expect(t, "second failure", told(n.Step(down(1), nil)), "mail Realserver [r1] of virtual server [v1] - DOWN => MISC CHECK failed on service <=")
	expect(t, "the same again", told(n.Step(down(1), nil)), "")
	expect(t, "first success", told(n.Step(up(0), nil)), "mail Realserver [r1] of virtual server [v1] - DOWN => TCP CHECK succeed on service <=")
	expect(t, "table", table(n, 0), "")
	n.Step(up(1), nil)
	expect(t, "table", table(n, 0), "r1=3")
}

func TestNodeMailsOfServersAlone(t *testing.T) {
	quiet := rs(2, 3, tcp(), tcp())
	quiet.SMTPAlert = false
	cfg := &confparse.Config{VirtualServers: []*confparse.VirtualServer{vs(1, rs(1, 3, tcp(), misc()), quiet)}}
	p, _ := Build(cfg)
	n, _ := NewNode(p, nil)
	n.Step(down(2), nil)
	expect(t, "a server without smtp_alert", told(n.Step(down(3), nil)), "")
	cfg.Global.NoCheckerEmails = true
	p, _ = Build(cfg)
	n, _ = NewNode(p, nil)
	n.Step(down(0), nil)
	expect(t, "no_checker_emails", told(n.Step(down(1), nil)), "")
}

func TestNodeTellsFirstStates(t *testing.T) {
	cfg := &confparse.Config{VirtualServers: []*confparse.VirtualServer{vs(1, rs(1, 3, tcp()), rs(2, 5, alpha(tcp())))}}
	cfg.Global.RSInitNotifies = true
	p, _ := Build(cfg)
	n, acts := NewNode(p, nil)
	expect(t, "start", told(acts), lines("set 0", "tell RS [r1] [v1] UP /bin/rs-up"))
	cfg.VirtualServers[0].Servers = append(cfg.VirtualServers[0].Servers, rs(3, 1))
	cfg.VirtualServers = append(cfg.VirtualServers, vs(2, rs(4, 1)))
	p, _ = Build(cfg)
	expect(t, "reload", told(n.Step(Event{Kind: EventReload, Plan: p}, nil)), lines("set 0", "set 1", "Adding service [r3] to VS [v1]",
		"tell RS [r3] [v1] UP /bin/rs-up => Adding <=", "tell RS [r4] [v2] UP /bin/rs-up"))
	state := n.State()
	_, acts = NewNode(p, &state)
	expect(t, "another process", told(acts), "set 0\nset 1")
}

func TestMailBodies(t *testing.T) {
	for kind, want := range map[checker.Kind]string{
		checker.TCP:    "=> TCP CHECK succeed on service <= => TCP CHECK failed on service <=",
		checker.UDP:    "=> UDP CHECK succeed on service <= => UDP CHECK failed on service <=",
		checker.Ping:   "=> ICMP CHECK succeed on service <= => ICMP CHECK failed on service <=",
		checker.DNS:    "=> DNS_CHECK: succeed on service <= => DNS_CHECK: failed on service <=",
		checker.Script: "=> MISC CHECK succeeded on service <= => MISC CHECK failed on service <=",
		checker.HTTP:   "=> CHECK succeed on service <= => CHECK failed on service : HTTP request failed <=",
		checker.SMTP:   "=> CHECK succeed on service <= => CHECK failed on service : no greeting <=",
	} {
		c := cause{check: &checker.Check{Probe: checker.Probe{Kind: kind}}, why: "no greeting"}
		expect(t, "bodies", c.text(true)+" "+c.text(false), want)
	}
	late := cause{check: &checker.Check{Probe: checker.Probe{Kind: checker.Script}}, why: checker.Late + "2s"}
	expect(t, "body", late.text(false), "=> MISC CHECK timed out on service <=")
}

func TestNodeSorryServer(t *testing.T) {
	v := sorry(vs(1, rs(1, 3, tcp()), rs(2, 5, alpha(tcp()))))
	v.Quorum = 4
	n, acts := NewNode(plan(t, v), nil)
	expect(t, "start", told(acts), lines("set 0",
		"Starting with quorum down 4-0=4 > 3 for VS [v1]",
		"tell VS [v1] DOWN /bin/vs-down",
		"Adding sorry server [r200] to VS [v1]"))
	expect(t, "table", table(n, 0), "r200=1")
	n.Step(up(1), nil)
	expect(t, "table", table(n, 0), "r1=3 r2=5")
}

func TestNodeDynamicWeight(t *testing.T) {
	n, _ := NewNode(plan(t, vs(1, rs(1, 10, misc(), misc()))), nil)
	expect(t, "weight", told(n.Step(weight(0, 4), nil)), lines("set 0",
		"Changing weight from 10 to 4 for active service [r1] of VS [v1]"))
	n.Step(weight(1, 12), nil)
	expect(t, "sum", table(n, 0), "r1=6")
	n.Step(up(0), nil)
	expect(t, "named no more", table(n, 0), "r1=12")
	n.Step(weight(0, 0), nil)
	n.Step(weight(1, 0), nil)
	expect(t, "clamped", table(n, 0), "r1=0")
	n.Step(down(1), nil)
	n.Step(up(1), nil)
	expect(t, "after a failure", table(n, 0), "r1=0")
}

func TestNodeStop(t *testing.T) {
	v := vs(2, rs(3, 1, tcp()))
	v.Omega = true
	n, _ := NewNode(plan(t, vs(1, rs(1, 1), rs(2, 1, alpha(tcp())), rs(4, 1)), v), nil)
	expect(t, "stop", told(n.Step(Event{Kind: EventStop}, nil)), lines("remove [v1]", "remove [v2]",
		"Shutting down service [r1] from VS [v1]",
		"tell SNMP RS [r1] [v1] DOWN of 1 left",
		"Shutting down service [r4] from VS [v1]",
		"tell SNMP RS [r4] [v1] DOWN of 0 left",
		"Lost quorum 1-0=1 > 0 for VS [v1]",
		"tell SNMP VS [v1] DOWN of 0 left",
		"Shutting down service [r3] from VS [v2]",
		"tell RS [r3] [v2] DOWN of 0 left /bin/rs-down => Shutting down <=",
		"Lost quorum 1-0=1 > 0 for VS [v2]",
		"tell VS [v2] DOWN of 0 left /bin/vs-down"))
}

func TestNodeReload(t *testing.T) {
	n, _ := NewNode(plan(t, vs(1, rs(1, 3, tcp()), rs(2, 5, tcp()), rs(4, 1)), vs(2, rs(1, 1))), nil)
	n.Step(down(0), nil)
	next := plan(t, vs(3, rs(1, 1)), vs(1, rs(2, 7, tcp()), rs(1, 3, tcp()), rs(3, 1, tcp())))
	expect(t, "reload", told(n.Step(Event{Kind: EventReload, Plan: next}, nil)), lines("set 0", "set 1", "remove [v2]",
		"Removing service [r4] from VS [v1]",
		"tell RS [r4] [v1] DOWN /bin/rs-down => Removing <=",
		"Changing weight from 5 to 7 for active service [r2] of VS [v1]",
		"Adding service [r3] to VS [v1]",
		"tell RS [r3] [v1] UP /bin/rs-up => Adding <=",
		"Removing service [r1] from VS [v2]",
		"Lost quorum 1-0=1 > 0 for VS [v2]"))
	expect(t, "table", table(n, 1), "r2=7 r3=1")
	n.Step(up(1), nil) // the check of r1 under its new number
	expect(t, "table", table(n, 1), "r1=3 r2=7 r3=1")
}

func TestNodeReloadOfChecks(t *testing.T) {
	start := func(first, second *confparse.Checker, ev Event) string {
		n, _ := NewNode(plan(t, vs(1, rs(1, 3, first))), nil)
		n.Step(ev, nil)
		n.Step(Event{Kind: EventReload, Plan: plan(t, vs(1, rs(1, 3, second)))}, nil)
		return table(n, 0)
	}
	timers := tcp()
	timers.DelayLoop, timers.Retry = time.Hour, 7
	other := tcp()
	other.Port = 81
	expect(t, "equal: stays down", start(tcp(), tcp(), down(0)), "")
	expect(t, "other timers: stays down", start(tcp(), timers, down(0)), "")
	expect(t, "another check: has not failed", start(tcp(), other, down(0)), "r1=3")
	expect(t, "another alpha check: stays up", start(alpha(tcp()), alpha(misc()), up(0)), "r1=3")
	expect(t, "another alpha check: stays down", start(alpha(tcp()), alpha(misc()), down(0)), "")
	expect(t, "weight is kept", start(misc(), misc(), weight(0, 9)), "r1=9")
}

func TestNodeResumes(t *testing.T) {
	p := plan(t, sorry(vs(1, rs(1, 3, tcp()), rs(2, 5, misc()))))
	n, _ := NewNode(p, nil)
	n.Step(down(0), nil)
	n.Step(weight(1, 9), nil)
	state := through(t, n.State())
	arrived := through(t, *p)
	again, acts := NewNode(&arrived, &state)
	expect(t, "actions", told(acts), "set 0")
	expect(t, "table", table(again, 0), table(n, 0))
	n.Step(down(1), nil)
	state = n.State()
	again, acts = NewNode(p, &state)
	expect(t, "actions with the sorry server", told(acts), "set 0")
	expect(t, "table with the sorry server", table(again, 0), "r200=1")
}

// through is v after a journey between processes.
func through[T any](t *testing.T, v T) (out T) {
	t.Helper()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := gob.NewDecoder(&b).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPlanTravels(t *testing.T) {
	p := plan(t, sorry(vs(1, rs(1, 3, tcp(), misc()), rs(2, 5, misc()))))
	if got := through(t, *p); !reflect.DeepEqual(got, *p) {
		t.Errorf("arrived as %+v", got)
	}
}

func TestStatus(t *testing.T) {
	n, _ := NewNode(plan(t, sorry(vs(1, rs(1, 3, tcp(), tcp()), rs(2, 5, tcp())))), nil)
	n.Step(down(0), nil)
	n.Step(up(1), nil)
	n.Step(up(2), nil)
	got := fmt.Sprintf("%+v", n.Status())
	expect(t, "status", got, "[{Name:[10.1.0.1]:tcp:80 Up:true Sorry:false Suspended:false Servers:["+
		"{Name:[10.0.0.1]:tcp:80 Up:false Weight:3 Why:refused Order: Checks:[{Kind:TCP_CHECK Up:false Why:refused} {Kind:TCP_CHECK Up:true Why:connected}] Traffic:<nil>} {Name:[10.0.0.2]:tcp:80 Up:true Weight:5 Why:connected Order: Checks:[{Kind:TCP_CHECK Up:true Why:connected}] Traffic:<nil>}] Traffic:<nil>}]")
}

func TestSubject(t *testing.T) {
	e := Edge{Service: "V", Up: true}
	expect(t, "service", e.Subject(), "Virtualserver V - UP")
	e.Server, e.Up = "R", false
	expect(t, "server", e.Subject(), "Realserver R of virtual server V - DOWN")
}
