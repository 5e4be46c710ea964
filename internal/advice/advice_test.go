package advice_test

import (
	"fmt"
	"strings"
	"testing"

	"keepgo/internal/advice"
)

// instance is a vrrp_instance with more lines in it.
func instance(name string, vrid int, link, more string) string {
	return fmt.Sprintf("vrrp_instance %s {\n interface %s\n virtual_router_id %d\n virtual_ipaddress {\n  192.0.2.%d/24\n }\n%s}\n", name, link, vrid, vrid, more)
}

// service is a virtual_server with two checked servers and more lines in it.
func service(more, check string) string {
	server := " real_server 10.0.0.%d 80 {\n  weight %d\n" + check + " }\n"
	return "virtual_server 192.0.2.1 80 {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n" + more +
		fmt.Sprintf(server, 1, 1) + fmt.Sprintf(server, 2, 3) + "}\n"
}

const (
	script  = "vrrp_script chk {\n script \"/bin/true\"\n weight %d\n%s}\n"
	tracked = " track_script {\n  chk\n }\n"
	tcp     = "  TCP_CHECK {\n  }\n"
)

// TestAdvice: what is said of a file, and that nothing is said of its cure.
func TestAdvice(t *testing.T) {
	group := "vrrp_sync_group VG {\n group {\n  A\n  B\n }\n%s}\n"
	for _, c := range []struct{ name, bad, good, says string }{
		{"clamped weight", fmt.Sprintf(script, 10, "") + instance("A", 1, "eth0", " priority 254\n"+tracked),
			fmt.Sprintf(script, 10, "") + instance("A", 1, "eth0", " priority 240\n"+tracked),
			"warning: track_script chk (weight 10) changes nothing: priority 254 + 10 is cut to 1-254 and stays 254 when it fails"},
		{"nopreempt", fmt.Sprintf(script, -20, "") + instance("A", 1, "eth0", " nopreempt\n"+tracked),
			fmt.Sprintf(script, 0, "") + instance("A", 1, "eth0", " nopreempt\n"+tracked),
			"note: track_script chk (weight -20) fails: priority 100 to 80; a peer with nopreempt does not take over"},
		{"weights of a group", fmt.Sprintf(script, -20, "") + fmt.Sprintf(group, "") + instance("A", 1, "eth0", tracked) + instance("B", 2, "eth1", ""),
			fmt.Sprintf(script, -20, "") + fmt.Sprintf(group, " sync_group_tracking_weight\n") + instance("A", 1, "eth0", tracked) + instance("B", 2, "eth1", ""),
			"warning: track_script chk (weight -20) has no effect: A is in vrrp_sync_group VG"},
		{"intervals of a group", fmt.Sprintf(group, "") + instance("A", 1, "eth0", " advert_int 2\n") + instance("B", 2, "eth1", ""),
			fmt.Sprintf(group, "") + instance("A", 1, "eth0", "") + instance("B", 2, "eth1", ""),
			"note: advert_int 1 s of B, 2 s of A"},
		{"slow takeover", instance("A", 1, "eth0", " advert_int 5\n"), instance("A", 1, "eth0", ""),
			"note: a silent master is replaced after 15.609 s: 3 x advert_int 5 s and a skew of 0.609 s"},
		{"slow script", fmt.Sprintf(script, 0, " interval 30\n fall 3\n") + instance("A", 1, "eth0", tracked),
			fmt.Sprintf(script, 0, " interval 5\n fall 3\n") + instance("A", 1, "eth0", tracked),
			"note: a failure is noticed after up to 120 s: fall 3 x interval 30 s, and a timeout of 30 s"},
		{"static address", "static_ipaddress {\n 192.0.2.1/24 dev eth0\n}\n" + instance("A", 1, "eth0", ""),
			"static_ipaddress {\n 192.0.2.7/24 dev eth0\n}\n" + instance("A", 1, "eth0", ""),
			"warning: 192.0.2.1 is a static_ipaddress too (line 2)"},
		{"loopback", instance("A", 1, "lo", ""), instance("A", 1, "eth0", ""), "warning: no advert leaves the loopback interface"},
		{"quorum and sorry_server", service(" quorum 2\n sorry_server 10.0.0.9 80\n", tcp), service(" sorry_server 10.0.0.9 80\n", tcp),
			"warning: when 10.0.0.2 (weight 3) fails, 1 of 4 is left, below the quorum 2: the sorry_server replaces the servers that live"},
		{"quorum alone", service(" quorum 2\n", tcp), service("", tcp), "note: when 10.0.0.2 (weight 3) fails, 1 of 4 is left, below the quorum 2: quorum_down"},
		{"quorum out of reach", service(" quorum 4\n hysteresis 1\n", tcp), service("", tcp), "warning: the quorum is never reached: quorum 4 + hysteresis 1 is above the total weight 4"},
		{"no check", service("", ""), service("", tcp), "note: 2 of 2 real servers without a check"},
		{"slow check", service("", "  TCP_CHECK {\n   connect_timeout 20\n   retry 3\n   delay_before_retry 2\n  }\n"), service("", tcp),
			"note: TCP_CHECK finds a server that does not answer after up to 146 s: delay_loop 60 s + 4 x timeout 20 s + 3 x delay_before_retry 2 s"},
		{"two sides apart", service("", tcp) + instance("A", 1, "eth0", "") + instance("B", 2, "eth1", ""),
			service("", tcp) + fmt.Sprintf(group, "") + instance("A", 1, "eth0", "") + instance("B", 2, "eth1", ""),
			"note: virtual_server 192.0.2.1 80 (line 1) forwards by NAT: with A on eth0 and B on eth1 MASTER on different directors"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var said []string
			for _, e := range advice.Check(file(t, "x.conf", c.bad)) {
				said = append(said, fmt.Sprintf("%s: %v", e.Severity, e.Err))
				if e.Pos.Line == 0 || e.Len == 0 {
					t.Errorf("%v has no place", e)
				}
			}
			if len(said) != 1 || !strings.HasPrefix(said[0], c.says) {
				t.Errorf("said %q, want %q", said, c.says)
			}
			if errs := advice.Check(file(t, "x.conf", c.good)); len(errs) > 0 {
				t.Errorf("the cure: %v", errs)
			}
		})
	}
}

// TestWeak: what is said of trackers by the peer's priority.
func TestWeak(t *testing.T) {
	half := func(priority, weight int, more string) string {
		return fmt.Sprintf(script, weight, "") + instance("A", 1, "eth0", fmt.Sprintf(" priority %d\n", priority)+more+tracked)
	}
	for _, c := range []struct{ name, a, b, says, hint string }{
		{"too small", half(101, -2, ""), half(98, -2, ""), "warning: track_script chk (weight -2) fails: priority 101 to 99, peer 98 (b.conf:11): the VIP stays", "weight -4 would move it"},
		{"equal is not enough", half(101, -3, ""), half(98, -3, ""), "warning: track_script chk (weight -3) fails: priority 101 to 98, peer 98 (b.conf:11): the VIP stays", "weight -4 would move it"},
		{"enough", half(101, -4, ""), half(98, -4, ""), "", ""},
		{"positive", half(101, 2, ""), half(98, 2, ""), "warning: track_script chk (weight 2) fails: priority 103 to 101, peer 100 (b.conf:11): the VIP stays",
			"the priority without the weight must be below the peer's 100"},
		{"nopreempt", half(101, -20, ""), half(98, -20, " nopreempt\n"), "warning: track_script chk (weight -20) fails: priority 101 to 81, peer 98: the VIP stays, for the peer has nopreempt", "weight 0"},
		{"fault", half(101, 0, ""), half(98, 0, " nopreempt\n"), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := advice.Compare(file(t, "a.conf", c.a), file(t, "b.conf", c.b))
			said, hint := "", ""
			for _, e := range r.Findings {
				said, hint = fmt.Sprintf("%s: %v", e.Severity, e.Err), e.Hint
			}
			if len(r.Findings) > 1 || !strings.HasPrefix(said, c.says) || (c.says == "") != (said == "") || !strings.HasPrefix(hint, c.hint) {
				t.Errorf("said %v, want %q, %q", r.Findings, c.says, c.hint)
			}
		})
	}
}

// TestEqualOnTheWire: of a password, what travels counts.
func TestEqualOnTheWire(t *testing.T) {
	half := func(password string) string {
		return instance("A", 1, "eth0", " authentication {\n  auth_type PASS\n  auth_pass "+password+"\n }\n")
	}
	for _, c := range []struct {
		a, b  string
		split bool
	}{{"secret78", "secret78-long", false}, {"secret78", "secret79", true}, {"1111", "11112", true}} {
		r := advice.Compare(file(t, "a.conf", half(c.a)), file(t, "b.conf", half(c.b)))
		if split := r.Contests[0].Split != ""; split != c.split {
			t.Errorf("%s and %s: split %v, %v", c.a, c.b, split, r.Findings)
		}
	}
}

// TestMatch: of two routers with one number, those on the same interface
// belong together, whatever their order.
func TestMatch(t *testing.T) {
	one, two := instance("ONE", 7, "eth0", ""), instance("TWO", 7, "eth1", "")
	r := advice.Compare(file(t, "a.conf", one+two), file(t, "b.conf", two+one))
	if len(r.Contests) != 2 {
		t.Fatalf("%d contests: %v", len(r.Contests), r.Findings)
	}
	for _, c := range r.Contests {
		if m := c.Members[0]; m.Names[0] != m.Names[1] || m.Interfaces[0] != m.Interfaces[1] {
			t.Errorf("matched %v", m)
		}
	}
}

// TestGroupIsAsSlowAsItsSlowest: the addresses of a group are back when its
// last member would be.
func TestGroupIsAsSlowAsItsSlowest(t *testing.T) {
	group := "vrrp_sync_group VG {\n group {\n  A\n  B\n }\n}\n"
	text := func(priority string) string {
		return group + instance("A", 1, "eth0", " advert_int 3\n"+priority) + instance("B", 2, "eth1", priority)
	}
	r := advice.Compare(file(t, "a.conf", text("")), file(t, "b.conf", text(" priority 90\n")))
	for _, f := range r.Contests[0].Failures[:1] {
		if f.After.String() != "9.6484375s" || f.BackAfter.String() != "9.609375s" {
			t.Errorf("%+v", f)
		}
	}
}
