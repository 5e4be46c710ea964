package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
	"keepgo/internal/status"
)

// drillable is a pair that may be drilled: one instance, short intervals.
func drillable(t *testing.T, peer daemon) *world {
	t.Helper()
	w := newWorld(t, ours, peer)
	w.a.configure(drillableConf(150, ""))
	w.b.configure(drillableConf(100, ""))
	w.a.start()
	w.a.tells("MASTER", "status")
	w.b.start()
	w.eventually("the other one is BACKUP", func() bool { return strings.Contains(w.b.proc.Log(), "Entering BACKUP STATE") })
	w.a.tells("dev eth0  stands", "status")
	return w
}

func drillableConf(priority int, more string) string {
	return fmt.Sprintf("vrrp_instance VI_1 {\n interface eth0\n version 3\n virtual_router_id 51\n priority %d\n advert_int 0.3\n"+
		" virtual_ipaddress {\n  10.0.0.100/24\n%s }\n}\n", priority, more)
}

// file is one in the world's directory.
func (w *world) file(name string) string { return filepath.Join(w.lab.Dir, name) }

// drill begins a drill at the director. The pair has just started, and is calm
// all the same.
func (d *director) drill(args ...string) *netlab.Process {
	d.w.t.Helper()
	return must(d.Start(append([]string{keepgo, "drill", "--control", d.socket, "--calm", "1ms", "VI_1"}, args...)...))(d.w.t)
}

// ends waits for a drill, and for the status it is to have.
func (w *world) ends(p *netlab.Process, passes bool) string {
	w.t.Helper()
	w.eventually("the drill ends", func() bool { return isClosed(p.Done()) })
	if (p.Err() == nil) != passes {
		w.t.Fatalf("it ends with %v:\n%s", p.Err(), p.Log())
	}
	return p.Log()
}

// acted waits until the other director has the address in a drill.
func (w *world) acted(p *netlab.Process) {
	w.t.Helper()
	w.eventually("the other director took over:\n"+p.Log(), func() bool {
		return strings.Contains(p.Log(), "ok     the other director takes over") || isClosed(p.Done())
	})
	if isClosed(p.Done()) || !w.b.Holds(vip4) {
		w.t.Fatalf("nothing to take back:\n%s", p.Log())
	}
}

// isBack waits until all is as before a drill.
func (w *world) isBack() {
	w.t.Helper()
	w.eventually("the address is back", func() bool { return w.a.Holds(vip4) && !w.b.Holds(vip4) })
	if s := w.a.status(); s == nil || len(s.Orders) != 0 {
		w.t.Errorf("an order is left: %+v", s)
	}
}

func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("lacks %q:\n%s", p, text)
		}
	}
}

// TestDrill: the address goes to the other director and comes back, which is
// measured from here and from a client; the daemon remembers it.
func TestDrill(t *testing.T) {
	for _, peer := range []daemon{ours, theirs} {
		t.Run(string(peer), func(t *testing.T) {
			w := drillable(t, peer)
			p := w.a.drill("--accept", "peer")
			says(t, w.ends(p, true), "accepted peer         VI_1: no other router was ever heard", "nothing was done: --yes does it")
			if s := w.a.status(); s.Instances[0].State != "MASTER" || len(s.Drills) != 0 {
				t.Errorf("a look did something: %+v", s)
			}
			seen := must(w.client.Start(keepgo, "drill", "observe", "10.0.0.100", "--listen", "10.0.0.9:9651"))(t)
			w.eventually("the observer listens", func() bool {
				c, err := w.a.Dial(t.Context(), "tcp", "10.0.0.9:9651")
				if err == nil {
					c.Close()
				}
				return err == nil
			})
			page, junit := w.file("d.html"), w.file("d.xml")
			p = w.a.drill("--accept", "peer", "--yes", "--return", "--hold", "1s", "--json", "--html", page, "--junit", junit, "--observer", "http://10.0.0.9:9651")
			var r drill.Report
			if err := json.Unmarshal([]byte(w.ends(p, true)), &r); err != nil {
				t.Fatalf("%v:\n%s", err, p.Log())
			}
			w.drillReport(&r)
			says(t, string(must(os.ReadFile(page))(t)), "Drill: <span class=\"ok\">passed", "no other router was ever heard")
			says(t, string(must(os.ReadFile(junit))(t)), "keepgo.drill.switchover", "keepgo.preflight.split")
			w.isBack()
			w.a.tells("DRILL_ENDED: of VI_1 passed", "events")
			says(t, w.ends(w.a.drill(), false), "STOP     recent       the last drill, of VI_1, was")
			w.do(seen.Signal(syscall.SIGINT))
			w.eventually("the observer ends", func() bool { return isClosed(seen.Done()) })
			says(t, seen.Log(), "sees 10.0.0.100: arp:", w.b.MAC(lanLink).String()+" from")
			w.a.stop()
			w.a.start()
			w.a.tells("MASTER", "status")
			says(t, w.ends(w.a.drill(), false), "STOP     recent")
		})
	}
}

// drillReport checks what a drill with an observer has in it.
func (w *world) drillReport(r *drill.Report) {
	w.t.Helper()
	var keys []string
	for _, s := range r.Scenes {
		keys = append(keys, s.Key)
	}
	if !slices.Equal(keys, drill.LiveKeys()) || !r.OK || len(r.Observers) != 1 {
		w.t.Fatalf("scenes %q, %d observers, %+v", keys, len(r.Observers), r)
	}
	first, last := r.Scenes[0], r.Scenes[2]
	if first.Asked == 0 || first.Master != "10.0.0.2" || first.Stages == nil || first.Stages.AddressMS < 0 || first.Stages.ElectedMS < 0 || first.Stages.ARPMS < 0 {
		w.t.Errorf("the takeover: %+v %+v", first, first.Stages)
	}
	if last.Stages == nil || last.Stages.AddressMS < 0 || last.Stages.ElectedMS < 0 || last.Stages.ARPMS < 0 || !slices.ContainsFunc(last.Spans, func(s drill.Span) bool { return s.Who == "lb2" }) {
		w.t.Errorf("the way back: %+v %+v", last, last.Stages)
	}
	macs := map[string]bool{}
	for _, o := range r.Observers[0].Owners {
		macs[o.MAC] = true
	}
	if !macs[w.a.MAC(lanLink).String()] || !macs[w.b.MAC(lanLink).String()] {
		w.t.Errorf("the client does not see both answer: %+v", r.Observers[0].Owners)
	}
}

// TestDrillStays: without --return the other director keeps the address, as long
// as the order is not taken back.
func TestDrillStays(t *testing.T) {
	w := drillable(t, ours)
	says(t, w.ends(w.a.drill("--accept", "peer", "--yes", "--hold", "500ms"), true), "VI_1 stays with the other director")
	s := w.a.status()
	if len(s.Orders) != 1 || s.Orders[0].Until != nil || s.Instances[0].State != "BACKUP" {
		t.Errorf("%+v", s.Orders)
	}
	must(w.a.ask("switchover", "--back", "VI_1"))(t)
	w.isBack()
}

// TestDrillReverts: whatever ends a drill before its time, the address comes
// back.
func TestDrillReverts(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*world, *netlab.Process)
		says string
	}{
		"interrupt":     {func(w *world, p *netlab.Process) { w.do(p.Signal(syscall.SIGINT)) }, "FAILED it serves for 1h0m0s"},
		"terminal gone": {func(w *world, p *netlab.Process) { w.do(p.Signal(syscall.SIGHUP)) }, "interrupted"},
		"killed":        {func(w *world, p *netlab.Process) { w.do(p.Signal(syscall.SIGKILL)) }, ""},
		"limit passed":  {func(w *world, _ *netlab.Process) { w.do(w.b.Cable(lanLink, false)) }, "without an answer for"},
		"order gone":    {func(w *world, _ *netlab.Process) { must(w.a.ask("switchover", "--back", "VI_1"))(w.t) }, "somebody took the order back"},
	} {
		t.Run(name, func(t *testing.T) {
			w := drillable(t, ours)
			limits, gap := w.file("limits"), "20s"
			if name == "limit passed" {
				gap = "300ms"
			}
			w.do(os.WriteFile(limits, []byte("hold gap "+gap+"\n"), 0o600))
			p := w.a.drill("--accept", "peer", "--yes", "--return", "--hold", "1h", "--limits", limits)
			w.acted(p)
			c.end(w, p)
			says(t, w.ends(p, false), c.says)
			if name == "limit passed" {
				w.eventually("the address is here again", func() bool { return w.a.Holds(vip4) })
				w.a.tells("DRILL_ENDED: of VI_1 failed: it serves for 1h0m0s: the client went without an answer", "events")
				return
			}
			w.isBack()
			if name == "killed" {
				w.a.tells("ORDER_ENDED: switchover VI_1", "events")
				if d := w.a.status().Drills; len(d) != 1 || d[0].Ended != nil {
					t.Errorf("it is remembered as %+v", d)
				}
			}
		})
	}
}

// TestDrillRefusesASecond: one goes on at a time.
func TestDrillRefusesASecond(t *testing.T) {
	w := drillable(t, ours)
	p := w.a.drill("--accept", "peer", "--yes", "--return", "--hold", "1h")
	w.acted(p)
	says(t, w.ends(w.a.drill("--yes"), false), "STOP     master       VI_1 is BACKUP here already; 10.0.0.2 is MASTER", "STOP     maintenance  VI_1 was switched over here", "STOP     recent")
	w.do(p.Signal(syscall.SIGTERM))
	w.ends(p, false)
	w.isBack()
}

// TestDrillNobodyTakesOver: without another director nothing is given up.
func TestDrillNobodyTakesOver(t *testing.T) {
	w := drillable(t, ours)
	w.b.stop()
	since := time.Now()
	says(t, w.ends(w.a.drill("--accept", "peer,flaps", "--yes"), false), "FAILED the other director takes over: took", "nobody took VI_1 over")
	w.isBack()
	for _, a := range w.said(w.a, since) {
		if a.Priority == 0 {
			t.Error("it said goodbye with nobody there")
		}
	}
}

// TestDrillWithoutRawSockets: who may not ask by ARP pings, and who may not ping
// either is told so, and of no gap of 0 ms.
func TestDrillWithoutRawSockets(t *testing.T) {
	w := drillable(t, ours)
	argv := []string{"setpriv", "--bounding-set=-net_raw", keepgo, "drill", "--control", w.a.socket, "--calm", "1ms", "--rest", "1ms", "VI_1", "--accept", "peer,recent,flaps,measure", "--yes", "--return", "--hold", "1s", "--json"}
	if _, err := exec.LookPath(argv[0]); err != nil {
		t.Skipf("needs setpriv: %v", err)
	}
	play := func() (r drill.Report) {
		p := must(w.a.Start(argv...))(t)
		if err := json.Unmarshal([]byte(w.ends(p, true)), &r); err != nil || len(r.Scenes) != 3 {
			t.Fatalf("%v:\n%s", err, p.Log())
		}
		w.isBack()
		return r
	}
	for _, s := range play().Scenes {
		if s.GapMS != drill.Unseen || s.TwoMS != drill.Unseen {
			t.Errorf("blind, %s is measured: %+v", s.Name, s)
		}
	}
	w.do(w.a.Sysctl("net/ipv4/ping_group_range", "0 2147483647"))
	r := play()
	for _, s := range r.Scenes {
		if s.GapMS < 0 || s.TwoMS != drill.Unseen {
			t.Errorf("by pings, %s is measured as %+v", s.Name, s)
		}
	}
	if spans := r.Scenes[1].Spans; !slices.ContainsFunc(spans, func(s drill.Span) bool { return s.Who == "lb2" }) {
		t.Errorf("who had it in %q: %+v", r.Scenes[1].Name, spans)
	}
}

const drillableServer = "virtual_server 10.0.0.100 80 {\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n delay_loop 1\n real_server 10.0.0.9 %d {\n  TCP_CHECK {\n   connect_timeout 1\n  }\n }\n}\n"

// TestPreflight: what is planted on a running pair is found, and stops a drill
// before it begins.
func TestPreflight(t *testing.T) {
	w := drillable(t, ours)
	metrics := "global_defs {\n metrics_listen 10.0.0.2:9650\n}\n"
	w.b.configure(metrics + drillableConf(100, ""))
	w.b.reload()
	w.b.tells("RELOAD", "events")
	look := func(passes bool, args ...string) string { t.Helper(); return w.ends(w.a.drill(args...), passes) }
	peer := []string{"--peer", "http://10.0.0.2:9650"}
	w.eventually("the peer listens", func() bool {
		p := w.a.drill(peer...)
		return netlab.Until(patience, func() bool { return isClosed(p.Done()) }) && p.Err() == nil
	})
	says(t, look(true, peer...), "ok       peer         VI_1: it is BACKUP and hears 10.0.0.1", "ok       config       what must be alike is", "ok       takeover", "ok       return")
	says(t, look(false), "STOP     peer         VI_1: no other router was ever heard (no --peer was given)")

	told := must(w.b.ask("status", "--json"))(t)
	file := w.file("peer.json")
	w.do(os.WriteFile(file, []byte(told), 0o600))
	says(t, look(true, "--peer", file), "ok       peer")
	var s status.Status
	w.do(json.Unmarshal([]byte(told), &s))
	s.Asked = s.Asked.Add(-time.Hour)
	w.do(os.WriteFile(file, must(json.Marshal(&s))(t), 0o600))
	says(t, look(false, "--peer", file), "STOP     peer         its status is of")
	says(t, look(false, "--peer", w.a.conf), "keepgo drill: --peer:")
	says(t, look(false, "--peer", "http://10.0.0.2:1"), "connection refused")

	must(w.b.ask("maintenance", "on"))(t)
	says(t, look(false, peer...), "STOP     maintenance  maintenance is on on the peer")
	must(w.b.ask("maintenance", "off"))(t)

	w.b.configure(metrics + drillableConf(100, "  10.0.0.101/24\n"))
	w.b.reload()
	w.b.tells("10.0.0.101", "status")
	says(t, look(false, peer...), "STOP     config       virtual router 51 IPv4: addresses: 1 addresses")
	w.b.configure(metrics + strings.Replace(drillableConf(200, ""), "version 3", "version 3\n nopreempt\n state BACKUP", 1))
	w.b.reload()
	w.b.tells("priority   200", "status")
	says(t, look(false, append(peer, "--return")...), "STOP     takeover     VI_1: the peer has nopreempt", "STOP     return       VI_1: the peer's priority 200 is not below ours, 150")

	w.a.configure(drillableConf(150, "") + fmt.Sprintf(drillableServer, 1))
	w.a.reload()
	w.a.tells("DOWN", "events")
	says(t, look(false, append(peer, "--accept", "config,takeover,return")...), "STOP     servers      ", "accepted config       virtual_server 10.0.0.100 80 TCP: only here")
	if s := w.a.status(); s.Instances[0].State != "MASTER" || len(s.Drills) != 0 {
		t.Errorf("it began a drill: %+v", s.Drills)
	}
}
