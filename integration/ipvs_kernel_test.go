package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"keepgo/internal/netlab"
)

// say is what a program prints on a host.
func say(t *testing.T, h *netlab.Host, argv ...string) string {
	t.Helper()
	p := must(h.Start(argv...))(t)
	if p.Err() != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), p.Err(), p.Log())
	}
	return strings.TrimSpace(p.Log())
}

// balancing is what the kernel of a director holds, as ipvsadm tells it.
func balancing(t *testing.T, d *director) map[string]any {
	t.Helper()
	return map[string]any{
		"table":      table(t, d.Host),
		"thresholds": say(t, d.Host, "ipvsadm", "-Ln", "--thresholds"),
		"daemons":    say(t, d.Host, "ipvsadm", "-l", "--daemon"),
		"timeouts":   say(t, d.Host, "ipvsadm", "-l", "--timeout"),
	}
}

// variety is services of many kinds, in an order that ipvsadm keeps.
const variety = `
virtual_server 10.0.0.100 80 {
    lvs_sched sh
    sh-port
    sh-fallback
    lvs_method NAT
    protocol TCP
    persistence_timeout 50
    persistence_granularity 255.255.255.0
    real_server 10.1.0.21 8080 {
        weight 3
        uthreshold 100
        lthreshold 50
    }
    real_server 10.1.0.22 8080 {
        weight 0
    }
}
virtual_server 10.0.0.100 5060 {
    lvs_sched rr
    lvs_method DR
    protocol UDP
    ops
    real_server 10.0.0.21 5060 {
    }
}
virtual_server 10.0.0.100 9 {
    lvs_sched wlc
    lvs_method TUN type gre csum
    protocol SCTP
    real_server 10.0.0.21 9 {
    }
    real_server 10.0.0.22 9 {
        lvs_method TUN type gue port 6080 remcsum
    }
}
virtual_server fwmark 7 {
    lvs_sched mh
    mh-port
    lvs_method DR
    ip_family inet6
    persistence_timeout 60
    persistence_granularity 64
    real_server fd00::21 {
    }
}
virtual_server fd00::100 443 {
    lvs_sched wrr
    flag-1
    flag-3
    lvs_method NAT
    protocol TCP
    sorry_server fd00::99 443
    real_server fd00::21 443 {
        weight 5
    }
}
`

// TestIPVSAsKeepalived: what stands in the kernel for a configuration is what
// keepalived puts there, before the stop and after it.
func TestIPVSAsKeepalived(t *testing.T) {
	needsIPVS(t)
	c := confA(wire{version: 2})
	c.global = "lvs_sync_daemon eth0 VI_1 maxlen 1200 port 8850\n    lvs_timeouts tcp 800 udp 77"
	c.after = variety
	seen := map[daemon][]map[string]any{}
	for _, who := range []daemon{theirs, ours} {
		w := newWorld(t, who, who)
		w.a.configure(c.String())
		begin := time.Now()
		w.a.start()
		w.becomesMaster(w.a, vip4, begin)
		syncs(w.a, "master sync daemon (mcast=eth0, syncid=51, maxlen=1200, group=224.0.0.81, port=8850, ttl=1)")
		w.eventually("the services stand", func() bool { return len(table(t, w.a.Host)) == 12 })
		master := balancing(t, w.a)
		w.a.stop()
		seen[who] = []map[string]any{master, balancing(t, w.a)}
	}
	if diff := cmp.Diff(seen[theirs], seen[ours]); diff != "" {
		t.Errorf("the kernel (-keepalived +keepgo):\n%s", diff)
	}
}

// syncs waits for the sync daemons as ipvsadm tells them.
func syncs(d *director, want string) {
	d.w.t.Helper()
	d.w.eventually(d.Name+": "+want, func() bool { return say(d.w.t, d.Host, "ipvsadm", "-l", "--daemon") == want })
}

// TestIPVSSyncFollowsMaster: the sync daemons change places with the directors,
// and connections become known to the backup.
func TestIPVSSyncFollowsMaster(t *testing.T) {
	needsIPVS(t)
	f := newFarm(t, methods[0])
	f.configureBoth("lvs_sync_daemon eth0 VI_1")
	const tail = " sync daemon (mcast=eth0, syncid=51, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)"
	begin := time.Now()
	f.a.start()
	f.b.start()
	f.becomesMaster(f.a, vip4, begin)
	syncs(f.a, "master"+tail)
	syncs(f.b, "backup"+tail)
	f.eventually("the service answers", func() bool { _, err := f.get(); return err == nil })
	f.eventually("the backup hears of connections", func() bool {
		f.get()
		return strings.Contains(say(t, f.b.Host, "ipvsadm", "-Lnc"), vip4.String()+":80")
	})

	peer := filepath.Join(f.lab.Dir, "peer.json")
	f.eventually("a drill finds them warm", func() bool {
		f.do(os.WriteFile(peer, []byte(must(f.b.ask("status", "--json"))(t)), 0o600))
		p := f.a.drill("--peer", peer)
		f.eventually("it looked", func() bool { return isClosed(p.Done()) })
		return strings.Contains(p.Log(), "ok       sync") && !strings.Contains(p.Log(), " 0 on the peer")
	})

	before := threads(f.a)
	f.a.reload()
	f.a.logs("Reload complete")
	f.a.killFrom(f.a.pidFiles()[1])
	f.a.logs("respawning")
	f.eventually("the VRRP process is replaced", func() bool { return f.a.state() == "MASTER" })
	syncs(f.a, "master"+tail)
	if after := threads(f.a); after != before {
		t.Errorf("a reload and a crash restarted the sync daemon: %q, before %q", after, before)
	}

	lost := time.Now()
	f.a.stop()
	f.becomesMaster(f.b, vip4, lost)
	syncs(f.b, "master"+tail)
	syncs(f.a, "")
	f.b.stop()
	syncs(f.b, "")
}

// threads are the kernel's sync threads.
func threads(d *director) string {
	return say(d.w.t, d.Host, "sh", "-c", "grep -lE '^ipvs-[mb]' /proc/[0-9]*/comm | sort")
}

var conns = regexp.MustCompile(`(?m)^TCP +10\.0\.0\.100:80 +(\d+)`)

// served is how many connections the service's counter says.
func served(d *director) int {
	m := conns.FindStringSubmatch(say(d.w.t, d.Host, "ipvsadm", "-Ln", "--stats", "--exact"))
	if m == nil {
		return -1
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// TestIPVSKeepsWhatStands: reloads, crashes and other hands do not disturb
// services, and services of others are left alone.
func TestIPVSKeepsWhatStands(t *testing.T) {
	needsIPVS(t)
	f := newFarm(t, methods[0])
	f.configureBoth("lvs_timeouts tcp 800")
	begin := time.Now()
	f.a.start()
	f.becomesMaster(f.a, vip4, begin)
	f.eventually("the service answers", func() bool { _, err := f.get(); return err == nil })
	f.eventually("the kernel counts", func() bool { return served(f.a) > 0 })
	n := served(f.a)
	f.eventually("the status tells the traffic", func() bool {
		s := f.a.status()
		return s != nil && len(s.Services) == 1 && s.Services[0].Traffic != nil && s.Services[0].Traffic.Connections >= uint64(n) &&
			s.Services[0].Servers[2].Traffic != nil
	})
	say(t, f.a.Host, "ipvsadm", "-A", "-t", "10.9.9.9:80", "-s", "rr")
	say(t, f.a.Host, "ipvsadm", "-a", "-t", "10.9.9.9:80", "-r", "10.0.0.21:80", "-g", "-w", "4")
	undisturbed := func(after string) {
		t.Helper()
		if got := served(f.a); got < n {
			t.Errorf("after %s the service has counted %d connections, before %d", after, got, n)
		}
		if got := strings.Join(table(t, f.a.Host), "\n"); !strings.Contains(got, "-a -t 10.9.9.9:80 -r 10.0.0.21:80 -g -w 4") {
			t.Errorf("after %s somebody else's service is not as it was:\n%s", after, got)
		}
	}
	holds := func(what string) {
		t.Helper()
		f.eventually(what, func() bool { return strings.Contains(strings.Join(table(t, f.a.Host), "\n")+"\n", what+"\n") })
	}

	text := string(must(os.ReadFile(f.a.conf))(t))
	f.a.configure(strings.NewReplacer("lvs_sched wrr", "lvs_sched wlc\n    persistence_timeout 30", "weight 3", "weight 7").Replace(text))
	f.a.reload()
	holds("-A -t 10.0.0.100:80 -s wlc -p 30")
	holds("-a -t 10.0.0.100:80 -r 10.0.0.23:80 -g -w 7")
	undisturbed("a reload")

	f.a.killFrom(f.a.pidFiles()[2])
	f.a.logs("Healthcheck child process")
	f.eventually("the LVS process is replaced", func() bool { return strings.Count(f.a.proc.Log(), "Starting Healthcheck") == 2 })
	f.a.configure(text)
	f.a.reload()
	holds("-a -t 10.0.0.100:80 -r 10.0.0.23:80 -g -w 3")
	undisturbed("a crash of the LVS process")

	say(t, f.a.Host, "ipvsadm", "-d", "-t", "10.0.0.100:80", "-r", "10.0.0.22:80")
	f.a.logs("IPVS was changed by another hand and is put back: add server [10.0.0.22]:tcp:80 of [10.0.0.100]:tcp:80")
	holds("-a -t 10.0.0.100:80 -r 10.0.0.22:80 -g -w 2")
	undisturbed("the repair of a server")

	f.do(f.a.KillAll())
	for _, file := range f.a.pidFiles() {
		os.Remove(file)
	}
	f.a.start()
	f.eventually("it runs again", func() bool { return f.a.state() == "MASTER" })
	holds("-a -t 10.0.0.100:80 -r 10.0.0.23:80 -g -w 3")
	undisturbed("a start over what stood")

	say(t, f.a.Host, "ipvsadm", "-C")
	holds("-a -t 10.0.0.100:80 -r 10.0.0.22:80 -g -w 2")
	f.a.logs("another hand")
	if lines := strings.Count(f.a.proc.Log(), "another hand"); lines != 1 {
		t.Errorf("a repair in %d lines", lines)
	}
	say(t, f.a.Host, "ipvsadm", "-A", "-t", "10.9.9.9:80", "-s", "rr")
	f.a.stop()
	if got := table(t, f.a.Host); len(got) != 1 || got[0] != "-A -t 10.9.9.9:80 -s rr" {
		t.Errorf("after the stop: %q", got)
	}
}

// TestIPVSSwitches: the keywords that say what happens to the table as a whole.
func TestIPVSSwitches(t *testing.T) {
	needsIPVS(t)
	w := newWorld(t, ours, ours)
	c := confA(wire{version: 2})
	c.after = variety
	run := func(global string, then func()) {
		t.Helper()
		say(t, w.a.Host, "ipvsadm", "-A", "-t", "10.9.9.9:80", "-s", "rr")
		c.global = global
		w.a.configure(c.String())
		w.a.start()
		w.eventually("the services stand", func() bool { return len(table(t, w.a.Host)) >= 12 && w.a.status() != nil })
		then()
		w.a.stop()
	}
	left := func() int { return len(table(t, w.a.Host)) }

	run("lvs_flush\n    lvs_sync_daemon eth0", func() {
		if n := left(); n != 12 {
			t.Errorf("%d lines in a flushed table", n)
		}
		syncs(w.a, "master sync daemon (mcast=eth0, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)\n"+
			"backup sync daemon (mcast=eth0, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)")
		c.global = "lvs_sync_daemon eth0 id 3"
		w.a.configure(c.String())
		w.a.reload()
		w.eventually("another id", func() bool {
			return strings.Count(say(t, w.a.Host, "ipvsadm", "-l", "--daemon"), "syncid=3,") == 2
		})
	})
	syncs(w.a, "")
	if n := left(); n != 0 {
		t.Errorf("%d lines left", n)
	}
	run("lvs_flush_on_stop VS", func() {})
	if n := left(); n != 1 {
		t.Errorf("%d lines left after a stop that takes our services, want 1", n)
	}
	say(t, w.a.Host, "ipvsadm", "-C")
	run("lvs_flush_on_stop", func() {})
	if n := left(); n != 0 {
		t.Errorf("%d lines left after a flush", n)
	}
	run("lvs_repair off", func() {
		say(t, w.a.Host, "ipvsadm", "-D", "-f", "7", "-6")
		w.moreAdverts(w.a, 4) // longer than a repair would take
		if got := strings.Join(table(t, w.a.Host), "\n"); strings.Contains(got, "-f 7") {
			t.Errorf("what another hand removed is back:\n%s", got)
		}
		c.global = ""
		w.a.configure(c.String())
		w.a.reload()
		w.eventually("the service comes back", func() bool { return strings.Contains(strings.Join(table(t, w.a.Host), "\n"), "-f 7") })
	})
}
