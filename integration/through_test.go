package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// throughVIP is the services of a farm: one asks its servers at the virtual
// address as well, the other at their own alone.
func (f *farm) throughVIP(through string) string {
	var b strings.Builder
	for _, port := range []string{"80", "9000"} {
		fmt.Fprintf(&b, "virtual_server %s %s {\n    lvs_sched wrr\n    protocol TCP\n    lvs_method %s\n    delay_loop 1\n    warmup 0\n    retry 1\n", vip4, port, f.name)
		for weight := 1; weight <= 3; weight++ {
			fmt.Fprintf(&b, "    real_server %s%d %s {\n        weight %d\n        TCP_CHECK {\n            connect_port 80\n        }\n", f.prefix, 20+weight, port, weight)
			if port == "80" && through != "" {
				fmt.Fprintf(&b, "        HTTP_GET {\n            url {\n                path /\n            }\n            connect_timeout 2\n            delay_before_retry 1\n            %s\n        }\n", through)
			}
			b.WriteString("    }\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// throughVIPSix is a service of IPv6, asked at the virtual address alone.
const throughVIPSix = `
virtual_server fd00::100 80 {
    lvs_sched rr
    lvs_method DR
    protocol TCP
    real_server fd00::22 80 {
        TCP_CHECK {
            through_vip
            delay_loop 1
            delay_before_retry 1
            connect_timeout 2
        }
    }
}
`

// TestServiceThroughVIPSix: the same of IPv6, where the kernel has no rule about
// answers from its own addresses.
func TestServiceThroughVIPSix(t *testing.T) {
	needsIPVS(t)
	f := newFarm(t, methods[0])
	const vip = "fd00::100/128"
	server := f.servers[2].host
	say(t, f.a.Host, "ip", "addr", "add", vip, "dev", lanLink, "nodad", "preferred_lft", "0") // as VRRP sets it
	say(t, server, "ip", "addr", "add", vip, "dev", "lo")
	f.configureAll("", throughVIPSix)
	f.a.start()
	f.b.start()
	both := func(in bool) func() bool {
		has := func(d *director) bool {
			return strings.Contains(strings.Join(table(t, d.Host), "\n"), "-r [fd00::22]:80 ")
		}
		return func() bool { return has(f.a) == in && has(f.b) == in }
	}
	f.eventually("the server stands", both(true))
	for _, d := range []*director{f.a, f.b} {
		f.eventually("its check passes", func() bool {
			s := d.status()
			return s != nil && len(s.Services) == 1 && s.Services[0].Servers[0].Why == "connected"
		})
	}
	say(t, server, "ip", "addr", "del", vip, "dev", "lo")
	f.eventually("the server without the address leaves", both(false))
	say(t, server, "ip", "addr", "add", vip, "dev", "lo")
	f.eventually("it comes back", both(true))
	if v := say(t, f.a.Host, "cat", "/proc/sys/net/ipv4/conf/all/accept_local"); v != "0" {
		t.Errorf("accept_local %s", v)
	}
}

// private are the lines of the table that belong to no virtual server.
func private(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return !strings.Contains(s, " -f ") })
}

// TestServiceThroughVIP: a server that has lost the virtual address on lo leaves
// the table of both directors, the one that has the address and the one that has
// not, though all is well at its own address.
func TestServiceThroughVIP(t *testing.T) {
	needsIPVS(t)
	for _, m := range methods {
		if m.name == "NAT" {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			f := newFarm(t, m)
			accepts := func(d *director) string { return say(t, d.Host, "cat", "/proc/sys/net/ipv4/conf/all/accept_local") }
			f.configureAll("", f.throughVIP("through_vip"))
			begin := time.Now()
			f.a.start()
			f.b.start()
			f.becomesMaster(f.a, vip4, begin)
			f.eventually("the service answers", func() bool { _, err := f.get(); return err == nil })
			both := func(weight int, in bool) func() bool {
				return func() bool { return f.has(f.a, weight) == in && f.has(f.b, weight) == in }
			}
			stays := func(name string, ok func() bool) {
				t.Helper()
				for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
					if !ok() {
						t.Fatalf("%s: it left\n%s", name, f.a.proc.LogTail(20))
					}
				}
			}
			all := func() bool { return both(1, true)() && both(2, true)() && both(3, true)() }
			stays("a server that has the address", all)
			if got := private(table(t, f.a.Host)); len(got) != 6 || accepts(f.a) != "1" {
				t.Errorf("ways of the probes: %q, accept_local %s", got, accepts(f.a))
			}

			say(t, f.servers[2].host, "ip", "addr", "del", vip4.String()+"/32", "dev", "lo")
			f.eventually("the server without the address leaves", both(2, false))
			for _, d := range []*director{f.a, f.b} {
				d.logs("has the server lost 10.0.0.100 on lo?")
				d.logs("Removing service [10.0.0.22]:tcp:80 from VS [10.0.0.100]:tcp:80")
				if !strings.Contains(strings.Join(table(t, d.Host), "\n"), "-r 10.0.0.22:9000 ") {
					t.Error("the service that asks at the servers' own addresses lost it too")
				}
			}
			if !both(1, true)() || !both(3, true)() {
				t.Error("another server left too")
			}
			f.eventually("the status has the virtual servers alone", func() bool { s := f.a.status(); return s != nil && len(s.Services) == 2 })

			mark := strings.Fields(private(table(t, f.a.Host))[0])[2]
			say(t, f.a.Host, "ipvsadm", "-D", "-f", mark)
			f.eventually("a way that was removed comes back", func() bool { return len(private(table(t, f.a.Host))) == 6 })

			say(t, f.servers[2].host, "ip", "addr", "add", vip4.String()+"/32", "dev", "lo")
			f.eventually("the server comes back", all)
			f.a.killFrom(f.a.pidFiles()[2])
			f.a.logs("respawning")
			stays("after the death of the process", all)

			f.configureAll("", f.throughVIP(""))
			f.a.reload()
			f.eventually("the ways go with the keyword", func() bool { return len(private(table(t, f.a.Host))) == 0 && accepts(f.a) == "0" })
			f.b.stop()
			if left := table(t, f.b.Host); len(left) > 0 || accepts(f.b) != "0" {
				t.Errorf("left after the stop: %q, accept_local %s", left, accepts(f.b))
			}
		})
	}
}
