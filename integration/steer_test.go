package integration

import (
	"strings"
	"testing"
	"time"
)

// TestSwitchover: a planned handover is made before it is broken, with keepgo and
// with keepalived on the other side; it ends when it should, and it is refused
// with nobody to take over.
func TestSwitchover(t *testing.T) {
	for _, peer := range []daemon{ours, theirs} {
		t.Run(string(peer), func(t *testing.T) {
			w := newWorld(t, ours, peer)
			w.a.configure(watchedConf("150"))
			w.b.configure(watchedConf("100"))
			w.a.start()
			w.a.tells("MASTER", "status")

			if out, err := w.a.ask("switchover", "VI_1"); err == nil || !strings.Contains(out, "nobody took VI_1 over") {
				t.Fatalf("with nobody there: %v %s", err, out)
			}
			w.a.tells("155 = 150 configured", "status")
			if out, err := w.a.ask("switchover", "--break", "VI_1"); err == nil || !strings.Contains(out, "not even after priority 0") {
				t.Fatalf("with nobody there, and priority 0: %v %s", err, out)
			}
			w.a.tells("dev eth0  stands", "status")

			w.b.start()
			w.eventually("the other one has started", func() bool { return strings.Contains(w.b.proc.Log(), "Entering BACKUP STATE") })
			since := time.Now()
			out, err := w.a.ask("switchover", "--for", "8s", "VI_1")
			if err != nil || !strings.Contains(out, "VI_1: 10.0.0.2 took over before it was let go here") {
				t.Fatalf("with another: %v %s", err, out)
			}
			w.a.tells("Master received advert from 10.0.0.2", "explain", "VI_1")
			for _, advert := range w.said(w.a, since) {
				if advert.Priority == 0 {
					t.Error("it gave up with priority 0: the address was nowhere for a moment")
				}
			}
			w.a.tells("ORDER      switchover of VI_1", "status")
			if out, err := w.a.ask("switchover", "VI_1"); err == nil || !strings.Contains(out, "10.0.0.2 is MASTER") {
				t.Errorf("a second time: %v %s", err, out)
			}
			w.a.reload()
			w.a.tells("ORDER      switchover of VI_1", "status")
			w.a.tells("ORDER_ENDED", "events")
			w.a.tells("10.0.0.100/24 dev eth0  stands", "status")
		})
	}
}

// TestSwitchoverBreaks: a peer that never preempts obeys priority 0.
func TestSwitchoverBreaks(t *testing.T) {
	w := newWorld(t, ours, ours)
	never := func(priority string) string {
		return strings.Replace(watchedConf(priority), "version 3", "version 3\n state BACKUP\n nopreempt", 1)
	}
	w.a.configure(never("150"))
	w.b.configure(never("100"))
	w.a.start()
	w.a.tells("MASTER", "status")
	w.b.start()
	w.b.tells("BACKUP", "status")
	if out, err := w.a.ask("switchover", "VI_1"); err == nil || !strings.Contains(out, "--break") {
		t.Fatalf("as it is: %v %s", err, out)
	}
	out, err := w.a.ask("switchover", "--break", "VI_1")
	if err != nil || !strings.Contains(out, "10.0.0.2 took over after priority 0") {
		t.Fatalf("with --break: %v %s", err, out)
	}
}

// TestMaintenance: everything goes to the other director and stays there, over a
// restart of the daemon, until maintenance ends.
func TestMaintenance(t *testing.T) {
	w := newWorld(t, ours, ours)
	w.a.configure(watchedConf("150"))
	w.b.configure(watchedConf("100"))
	w.a.start()
	w.a.tells("MASTER", "status")
	w.b.start()
	w.b.tells("BACKUP", "status")
	if out, err := w.a.ask("maintenance", "on"); err != nil || !strings.Contains(out, "10.0.0.2 took over before") {
		t.Fatalf("on: %v %s", err, out)
	}
	w.a.stop()
	w.a.start()
	w.a.tells("ORDER      maintenance", "status")
	w.a.tells("priority   1 = ", "status")
	w.b.tells("MASTER", "status")
	must(w.a.ask("maintenance", "off"))(t)
	w.a.tells("10.0.0.100/24 dev eth0  stands", "status")
	if out, err := w.a.ask("maintenance", "off"); err == nil {
		t.Errorf("off twice: %s", out)
	}
}

// TestServerOrders: orders for real servers come before their checks, end when
// they should, and outlive a reload, the LVS process and the daemon.
func TestServerOrders(t *testing.T) {
	w := newWorld(t, ours, ours)
	d := w.a
	conf := "virtual_server 10.0.0.100 80 {\n lvs_sched wrr\n lvs_method NAT\n protocol TCP\n delay_loop 1\n" +
		" real_server 10.0.0.7 80 {\n weight 3\n }\n real_server 10.0.0.8 80 {\n weight 4\n }\n}\n"
	d.configure(conf)
	d.start()
	d.tells("[10.0.0.7]:tcp:80            up    weight 3 ", "status")
	must(d.ask("rs", "drain", "10.0.0.7"))(t)
	const drained = "[10.0.0.7]:tcp:80            up    weight 0     by order: drain"
	d.tells(drained, "status")
	d.reload()
	d.tells("DAEMON   "+d.conf+" RELOAD", "events")
	d.tells(drained, "status")
	d.killFrom(d.pidFiles()[2])
	d.tells("RESPAWN", "events")
	d.tells(drained, "status")
	d.stop()
	d.start()
	d.tells(drained, "status")
	must(d.ask("rs", "auto", "10.0.0.7"))(t)
	d.tells("[10.0.0.7]:tcp:80            up    weight 3 ", "status")
	must(d.ask("rs", "weight", "10.0.0.8:80", "9", "--for", "3s"))(t)
	d.tells("[10.0.0.8]:tcp:80            up    weight 9     by order: weight", "status")
	d.tells("[10.0.0.8]:tcp:80            up    weight 4 ", "status")
	must(d.ask("rs", "down", "10.0.0.8", "--service", "10.0.0.100:80"))(t)
	d.tells("RS       [10.0.0.8]:tcp:80 [10.0.0.100]:tcp:80 DOWN: by order", "events")
	if out, err := d.ask("rs", "down", "10.0.0.9"); err == nil || !strings.Contains(out, "no real server") {
		t.Errorf("for one that is not there: %v %s", err, out)
	}
}
