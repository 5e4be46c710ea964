package integration

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestUpgrade: the daemon becomes the program that its file is now, in the same
// process, with its orders and its history; the other director notices nothing.
func TestUpgrade(t *testing.T) {
	w := newWorld(t, ours, ours)
	conf := func(priority string) string {
		return strings.Replace(watchedConf(priority), "advert_int 0.2", "advert_int 1", 1) +
			"virtual_server 10.0.0.100 80 {\n lvs_sched wrr\n lvs_method NAT\n protocol TCP\n real_server 10.0.0.7 80 {\n weight 3\n }\n}\n"
	}
	w.a.configure(conf("150"))
	w.b.configure(conf("100"))
	w.a.start()
	w.a.tells("MASTER", "status")
	w.b.start()
	w.b.tells("BACKUP", "status")
	must(w.a.ask("rs", "drain", "10.0.0.7"))(t)
	gone := must(w.a.AddrEvents())(t)
	before := pids(w.a)
	since := time.Now()
	for range 2 {
		if out, err := w.a.ask("upgrade"); err != nil || !strings.Contains(out, " is now "+keepgo) {
			t.Fatalf("%v %s", err, out)
		}
		w.a.tells("10.0.0.100/24 dev eth0  stands", "status")
	}
	if log := w.a.proc.Log(); strings.Contains(log, "parent that died") || strings.Contains(log, "the last VRRP process:") {
		t.Error("the last VRRP process did not go on until there was one in its place")
	}
	w.a.tells("DAEMON   "+w.a.conf+" START", "events")
	w.a.tells("by order: drain", "status")
	w.a.tells("155 = 150 configured +5 track_script chk", "status")
	after := pids(w.a)
	if before[0] != after[0] || before[1] == after[1] || before[2] == after[2] {
		t.Errorf("processes %v became %v", before, after)
	}
	if said := w.b.speaks(since); len(said) > 0 {
		t.Errorf("the other director took over")
	}
	for _, advert := range w.said(w.a, since) {
		if advert.Priority == 0 {
			t.Error("it gave up with priority 0")
		}
	}
	for {
		select {
		case ev := <-gone:
			if ev.Addr == vip4 {
				t.Errorf("the address was touched: %+v", ev)
			}
			continue
		default:
		}
		break
	}
	w.a.stop()
	if w.a.Holds(vip4) {
		t.Error("after the stop the address stands")
	}
}

// TestUpgradeRefused: what is no keepgo is not executed.
func TestUpgradeRefused(t *testing.T) {
	w := newWorld(t, ours, ours)
	w.a.configure(watchedConf("150"))
	own := w.lab.Dir + "/keepgo"
	must(exec.Command("cp", keepgo, own).CombinedOutput())(t)
	w.a.proc = must(w.a.Start(own, "run", "-n", "-l", "-D", "-G", "-f", w.a.conf, "--control", w.a.socket,
		"-p", w.a.pidFiles()[0], "-r", w.a.pidFiles()[1], "-c", w.a.pidFiles()[2]))(t)
	w.a.tells("MASTER", "status")
	w.a.configure(watchedConf("140"))
	if out, err := w.a.ask("upgrade"); err == nil || !strings.Contains(out, "reload first") {
		t.Errorf("with another configuration: %v %s", err, out)
	}
	w.a.configure(watchedConf("150"))
	w.do(os.Remove(own))
	w.do(os.WriteFile(own, []byte("#!/bin/sh\necho something else\n"), 0o755))
	if out, err := w.a.ask("upgrade"); err == nil || !strings.Contains(out, "is not keepgo; the daemon goes on as it is") {
		t.Errorf("%v %s", err, out)
	}
	w.a.tells("10.0.0.100/24 dev eth0  stands", "status")
}

// TestUpgradeFails: a program that does not take the configuration is not put in
// force; where it cannot be executed any more when its turn has come, the old one
// goes on. The other director notices neither.
func TestUpgradeFails(t *testing.T) {
	w := newWorld(t, ours, ours)
	conf := func(priority string) string {
		return strings.Replace(watchedConf(priority), "advert_int 0.2", "advert_int 1", 1)
	}
	w.a.configure(conf("150"))
	w.b.configure(conf("100"))
	own := w.lab.Dir + "/keepgo"
	must(exec.Command("cp", keepgo, own).CombinedOutput())(t)
	w.a.proc = must(w.a.Start(own, "run", "-n", "-l", "-D", "-G", "-f", w.a.conf, "--control", w.a.socket,
		"-p", w.a.pidFiles()[0], "-r", w.a.pidFiles()[1], "-c", w.a.pidFiles()[2]))(t)
	w.a.tells("MASTER", "status")
	w.b.start()
	w.b.tells("BACKUP", "status")
	since := time.Now()
	becomes := func(otherwise string) {
		w.do(os.WriteFile(own+".new", []byte("#!/bin/sh\ncase $1 in\nversion) echo keepgo 9.9;;\n*) "+otherwise+";;\nesac\n"), 0o755))
		w.do(os.Rename(own+".new", own))
	}
	becomes("echo 'I know no vrrp_instance'; exit 2")
	if out, err := w.a.ask("upgrade"); err == nil || !strings.Contains(out, "does not take") || !strings.Contains(out, "I know no vrrp_instance") {
		t.Errorf("a program that does not take the configuration: %v %s", err, out)
	}
	becomes("rm $0")
	if out, err := w.a.ask("upgrade"); err == nil || !strings.Contains(out, "the old program goes on") {
		t.Errorf("a program that went meanwhile: %v %s", err, out)
	}
	w.a.tells("10.0.0.100/24 dev eth0  stands", "status")
	w.a.tells("155 = 150 configured +5 track_script chk", "status")
	w.moreAdverts(w.a, 3)
	w.unshaken(w.a, time.Second, since)
	w.a.reload()
	w.a.logs("Reload complete")
	w.a.stop()
}

// pids are the processes that the pid files name.
func pids(d *director) (list [3]int) {
	for i, file := range d.pidFiles()[:3] {
		text, _ := os.ReadFile(file)
		list[i], _ = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	return list
}
