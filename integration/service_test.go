package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keepgo/internal/guest"
)

// TestServiceGuest boots a kernel with IPVS for the tests of services, one for
// each of these groups: the time of a guest is bounded.
func TestServiceGuest(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	groups := []string{"(Groups|Persistence|Sorry|Care|Transfer)", "(ThroughVIP|Gone)/^DR$"}
	if *long {
		groups = append(groups, "ThroughVIP$/^TUN$", "Docs")
	}
	for _, which := range groups {
		t.Run(which, func(t *testing.T) { guest.Tests(t, "^TestService"+which) })
	}
}

// transfer is a connection through the virtual address on which numbers go and
// come back.
type transfer struct {
	numbers atomic.Uint64
	failed  chan error
}

// transfer begins one with a server that echoes on a port.
func (f *farm) transfer(weight int, port string) *transfer {
	f.t.Helper()
	ln := must(f.servers[weight].host.Listen("tcp", ":"+port))(f.t)
	f.t.Cleanup(func() { ln.Close() })
	go func() {
		if c, err := ln.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := must(f.client.Dial(ctx, "tcp", vip4.String()+":"+port))(f.t)
	f.t.Cleanup(func() { c.Close() })
	x := &transfer{failed: make(chan error, 1)}
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			n := x.numbers.Load()
			c.SetDeadline(time.Now().Add(patience))
			err := binary.Write(c, binary.BigEndian, n)
			var back uint64
			if err == nil {
				err = binary.Read(c, binary.BigEndian, &back)
			}
			if err == nil && back != n {
				err = fmt.Errorf("%d came back as %d", n, back)
			}
			if err != nil {
				x.failed <- err
				return
			}
			x.numbers.Add(1)
		}
	}()
	return x
}

// goesOn waits for more of it.
func (f *farm) goesOn(x *transfer) {
	f.t.Helper()
	now := x.numbers.Load()
	f.eventually("the transfer goes on", func() bool {
		select {
		case err := <-x.failed:
			f.t.Fatalf("the transfer broke: %v", err)
		default:
		}
		return x.numbers.Load() > now+10
	})
}

// TestServiceGroupsByMark: a group is one service by mark, and what goes through it
// survives reloads and the death of the process that keeps it.
func TestServiceGroupsByMark(t *testing.T) {
	needsIPVS(t)
	f := newFarm(t, methods[1])
	const mark = "nftables_ipvs\n    nftables_ipvs_start_fwmark 4000"
	web := "virtual_server_group web {\n    10.0.0.100 80\n    10.0.0.100 8080\n}\n" +
		"virtual_server group web {\n    lvs_sched wrr\n    protocol TCP\n" + f.realServers("80", true) + "}\n" +
		"virtual_server 10.0.0.100 9000 {\n    lvs_sched rr\n    protocol TCP\n    lvs_method NAT\n    real_server 10.1.0.21 9000 {\n    }\n}\n"
	f.configureAll(mark, web)
	begin := time.Now()
	f.a.start()
	f.becomesMaster(f.a, vip4, begin)
	f.eventually("the service answers", func() bool { _, err := f.get(); return err == nil })
	f.proportions()
	if name, err := f.getFrom("8080"); err != nil {
		t.Errorf("the other port: %q, %v", name, err)
	}
	before := table(t, f.a.Host)
	if !slices.Contains(before, "-A -f 4000 -s wrr") || len(before) != 6 {
		t.Errorf("the table: %q", before)
	}

	x := f.transfer(1, "9000")
	f.goesOn(x)
	more := "virtual_server_group first {\n    10.0.0.99 80\n}\nvirtual_server group first {\n    lvs_sched rr\n    protocol TCP\n" + f.realServers("80", false) + "}\n"
	f.configureAll(mark, more+strings.Replace(web, "weight 2", "weight 7", 1))
	f.a.reload()
	f.eventually("the other group stands", func() bool {
		now := strings.Join(table(t, f.a.Host), "\n")
		return strings.Contains(now, "-a -f 4001 ") && strings.Contains(now, "-a -f 4000 -r 10.1.0.22:80 -m -w 7")
	})
	f.configureAll(mark, web)
	f.a.reload()
	f.eventually("the old table stands", func() bool { return slices.Equal(table(t, f.a.Host), before) })
	f.goesOn(x)
	f.a.killFrom(f.a.pidFiles()[2])
	f.a.logs("respawning")
	f.goesOn(x)
	f.eventually("the new process answers", func() bool { s := f.a.status(); return s != nil && len(s.Services) == 2 })
	f.eventually("a server that dies leaves", func() bool {
		f.servers[3].down()
		return !strings.Contains(strings.Join(table(t, f.a.Host), "\n"), "10.1.0.23")
	})
	f.goesOn(x)
	f.a.stop()
	if left := table(t, f.a.Host); len(left) > 0 {
		t.Errorf("left in the table: %q", left)
	}
	if left := say(t, f.a.Host, "nft", "list", "tables"); strings.Contains(left, "keepalived_ipvs") {
		t.Errorf("left in nftables: %s", left)
	}
}

// TestServiceTransfer: a connection through the virtual address outlives reloads
// that change all around it, the death of the process that keeps the table, and
// that of both, however packets get to its server.
func TestServiceTransfer(t *testing.T) {
	needsIPVS(t)
	for _, m := range methods {
		t.Run(m.name, func(t *testing.T) {
			f := newFarm(t, m)
			web := func(weight string) string {
				return "virtual_server 10.0.0.100 80 {\n    lvs_sched wrr\n    protocol TCP\n" + strings.Replace(f.realServers("80", true), "weight 2", "weight "+weight, 1) + "}\n"
			}
			own := fmt.Sprintf("virtual_server 10.0.0.100 9000 {\n    lvs_sched rr\n    protocol TCP\n    lvs_method %s\n    real_server %s21 9000 {\n        TCP_CHECK {\n            connect_port 80\n        }\n    }\n}\n", f.name, f.prefix)
			f.configureAll("", web("2")+own)
			begin := time.Now()
			f.a.start()
			f.becomesMaster(f.a, vip4, begin)
			f.eventually("the service answers", func() bool { _, err := f.get(); return err == nil })
			x := f.transfer(1, "9000")
			f.goesOn(x)
			has := func(text string) func() bool {
				return func() bool { return strings.Contains(strings.Join(table(t, f.a.Host), "\n"), text) }
			}
			f.configureAll("", web("7")+own)
			f.a.reload()
			f.eventually("the other weight stands", has("-w 7"))
			f.goesOn(x)
			f.a.killFrom(f.a.pidFiles()[2])
			f.a.logs("respawning")
			f.configureAll("", own)
			f.a.reload()
			f.eventually("the other service goes", func() bool { return !has("10.0.0.100:80")() })
			f.goesOn(x)
			f.a.killFrom(f.a.pidFiles()[1])
			f.eventually("both died", func() bool { return strings.Count(f.a.proc.Log(), "respawning") == 2 })
			f.goesOn(x)
			f.a.stop()
			if left := table(t, f.a.Host); len(left) > 0 {
				t.Errorf("left in the table: %q", left)
			}
		})
	}
}

// TestServiceGroupsAsKeepalived: marks, tables and ports are those that keepalived
// would use.
func TestServiceGroupsAsKeepalived(t *testing.T) {
	needsIPVS(t)
	const groups = `
global_defs {
    nftables_ipvs
}
virtual_server_group one {
    10.1.0.1 80
    10.1.0.2-5 443
    10.1.1.0/28 8080
}
virtual_server_group six {
    2001:db8::1 80
    fd00::1-8 81
}
virtual_server group one {
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    real_server 10.2.0.1 80 {
    }
    real_server 10.2.0.2 81 {
    }
}
virtual_server group one {
    lvs_sched wlc
    lvs_method TUN
    protocol UDP
    persistence_timeout 60
    real_server 10.2.0.1 80 {
    }
}
virtual_server group six {
    lvs_sched rr
    lvs_method DR
    protocol SCTP
    real_server fd00::9 80 {
    }
}
`
	r := newRivals(t, groups)
	if !r.agree("-f 1002") {
		r.differ(t, "after the start")
	}
}

// TestServicePersistence: a client stays with its server, on one port or on all.
func TestServicePersistence(t *testing.T) {
	needsIPVS(t)
	f := newFarm(t, methods[1])
	ask := func(port string) string {
		t.Helper()
		name, err := f.getFrom(port)
		if err != nil {
			t.Fatalf("port %s: %v", port, err)
		}
		return name
	}
	for weight := 1; weight <= 3; weight++ {
		f.servers[weight].also(f.world, ":9000")
	}
	service := func(at, port string) string {
		return "virtual_server " + at + " {\n    lvs_sched rr\n    protocol TCP\n    persistence_timeout 300\n" + f.realServers(port, false) + "}\n"
	}
	f.configureAll("", service("10.0.0.100 80", "80")+service("10.0.0.100 9000", "9000"))
	begin := time.Now()
	f.a.start()
	f.becomesMaster(f.a, vip4, begin)
	f.eventually("the service answers", func() bool { _, err := f.get(); return err == nil })
	for range 5 {
		if ask("80") != ask("80") || ask("9000") != ask("9000") {
			t.Fatal("a client changes its server")
		}
	}

	f.configureAll("", service("10.0.0.100", ""))
	f.a.reload()
	f.eventually("the service of all ports stands", func() bool {
		return strings.Contains(strings.Join(table(t, f.a.Host), "\n"), "-A -t 10.0.0.100:0 -s rr -p 300")
	})
	for range 5 {
		if ask("80") != ask("9000") {
			t.Fatal("a client changes its server with the port")
		}
	}
}

// TestServiceSorryServer: below the quorum, and not before, the sorry server
// answers.
func TestServiceSorryServer(t *testing.T) {
	needsIPVS(t)
	f := newFarm(t, methods[1])
	f.add(4)
	f.configureAll("", "virtual_server 10.0.0.100 80 {\n    lvs_sched wrr\n    protocol TCP\n    quorum 5\n    hysteresis 1\n"+
		"    sorry_server 10.1.0.24 80\n"+f.realServers("80", true)+"}\n")
	begin := time.Now()
	f.a.start()
	f.becomesMaster(f.a, vip4, begin)
	answers := func(who string) bool {
		name, err := f.get()
		return err == nil && (name == "web24") == (who == "sorry")
	}
	f.eventually("a real server answers", func() bool { return answers("real") })
	f.servers[2].down()
	f.eventually("it leaves", func() bool { return !f.has(f.a, 2) })
	if !answers("real") || f.has(f.a, 4) {
		t.Error("the sorry server steps in too early: 4 is not less than 5-1")
	}
	f.servers[3].down()
	f.eventually("the sorry server answers", func() bool { return f.has(f.a, 4) && !f.has(f.a, 1) && answers("sorry") })
	f.servers[3].up(f.world)
	f.a.logs("Adding service [10.1.0.23]:tcp:80")
	if !answers("sorry") || f.has(f.a, 3) {
		t.Error("the real servers step in too early: 4 is less than 5+1")
	}
	f.servers[2].up(f.world)
	f.eventually("all real servers answer", func() bool { return !f.has(f.a, 4) && f.has(f.a, 1) && f.has(f.a, 2) && f.has(f.a, 3) })
	f.proportions()
}

// TestServiceCare: switches of the kernel stand while they are asked for, and a
// server that comes back gets its weight little by little.
func TestServiceCare(t *testing.T) {
	needsIPVS(t)
	f := newFarm(t, methods[1])
	const service = "virtual_server 10.0.0.100 80 {\n    lvs_sched wrr\n    lvs_method NAT\n    protocol TCP\n    delay_loop 1\n    warmup 0\n" +
		"    real_server 10.1.0.21 80 {\n        weight 6000\n        slow_start 3000\n        TCP_CHECK {\n            retry 0\n        }\n    }\n}\n"
	switched := func(name, value string) {
		t.Helper()
		f.eventually(name+" is "+value, func() bool {
			return say(t, f.a.Host, "sh", "-c", "cat /proc/sys/net/ipv4/vs/"+name+" || true") == value
		})
	}
	f.configureAll("lvs_expire_nodest_conn\n    lvs_conn_reuse_mode 0", service)
	f.a.start("-C")
	switched("expire_nodest_conn", "1")
	switched("conn_reuse_mode", "0")
	f.a.logs("a client that uses a port again")
	has := func(text string) func() bool {
		return func() bool { return strings.Contains(strings.Join(table(t, f.a.Host), "\n")+"\n", text) }
	}
	f.eventually("the server stands", has("-r 10.1.0.21:80 -m -w 6000\n"))
	f.servers[1].down()
	f.eventually("it leaves", func() bool { return !has("10.1.0.21")() })
	f.servers[1].up(f.world)
	f.eventually("it comes back", has("10.1.0.21"))
	if has("-w 6000\n")() {
		t.Error("it has its full weight at once")
	}
	f.eventually("its weight grows", func() bool { return !has("-w 1\n")() && !has("-w 6000\n")() })

	f.configureAll("lvs_conn_reuse_mode 0", service)
	f.a.reload()
	switched("expire_nodest_conn", "0")
	switched("conn_reuse_mode", "0")
	f.a.logs("hang until their clients give up")
	f.a.stop()
	switched("conn_reuse_mode", "1")
}
