package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"keepgo/internal/status"
)

const watched = "vrrp_script chk {\n script /bin/true\n interval 1\n weight 5\n}\n" +
	"vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n priority %PRIORITY\n version 3\n advert_int 0.2\n track_script {\n chk\n }\n" +
	" virtual_ipaddress {\n 10.0.0.100/24\n }\n}\n"

func watchedConf(priority string) string { return strings.Replace(watched, "%PRIORITY", priority, 1) }

// ask runs a verb against a director's daemon.
func (d *director) ask(verb string, args ...string) (out string, err error) {
	d.w.t.Helper()
	argv := append([]string{verb, "--control", d.socket}, args...)
	b, err := exec.Command(keepgo, argv...).CombinedOutput()
	return string(b), err
}

// tells waits until a verb's answer has a text.
func (d *director) tells(text, verb string, args ...string) string {
	d.w.t.Helper()
	var out string
	d.w.eventually(verb+" on "+d.Name+" tells "+text, func() bool {
		out, _ = d.ask(verb, args...)
		return strings.Contains(out, text)
	})
	return out
}

// TestSeenFromOutside: status, events and explain tell what a pair does, why,
// and what the kernel has of it.
func TestSeenFromOutside(t *testing.T) {
	w := newWorld(t, ours, ours)
	w.a.configure(watchedConf("150"))
	w.b.configure(watchedConf("100"))
	w.a.start()
	w.a.tells("MASTER", "status")
	w.b.start()
	w.a.tells("155 = 150 configured +5 track_script chk", "status")
	w.a.tells("10.0.0.100/24 dev eth0  stands", "status")
	w.b.tells("10.0.0.100/24 dev eth0  elsewhere", "status")
	w.b.tells("master     10.0.0.1, priority 155", "status")
	w.b.tells("peer       10.0.0.1 heard ", "status")
	for _, want := range []string{"INSTANCE VI_1 MASTER: ", "DAEMON "} {
		w.a.tells(want, "events")
	}
	w.a.tells("what it will do", "explain", "VI_1")

	w.a.configure(watchedConf("50"))
	w.a.reload()
	w.a.tells("INSTANCE VI_1 BACKUP: ", "events")
	w.a.tells("INSTANCE VI_1 MASTER: ", "events") // those from before the reload, too
	w.a.tells("10.0.0.100/24 dev eth0  elsewhere", "status")

	var s status.Status
	out := must(w.a.ask("status", "--json"))(t)
	if err := json.Unmarshal([]byte(out), &s); err != nil || len(s.Instances) != 1 || s.Reloaded == nil {
		t.Errorf("%v in %s", err, out)
	}
	if out, err := w.a.ask("explain", "VI_X"); err == nil || !strings.Contains(out, `"VI_X"`) {
		t.Errorf("explaining what is not there: %v %s", err, out)
	}
}

// TestPlannedReload: plan tells what a reload then does, and does nothing.
func TestPlannedReload(t *testing.T) {
	w := newWorld(t, ours, ours)
	w.a.configure(watchedConf("150"))
	w.a.start()
	w.a.tells("dev eth0  stands", "status")
	if out := must(w.a.ask("plan", w.a.conf))(t); !strings.Contains(out, "changes nothing") {
		t.Errorf("of the file that runs: %s", out)
	}
	w.a.configure(strings.Replace(watchedConf("140"), "10.0.0.100/24", "10.0.0.100/24\n 10.0.0.101/24", 1))
	out := must(w.a.ask("plan", w.a.conf))(t)
	for _, want := range []string{"priority 150 -> 140", "kernel   add address 10.0.0.101/24 dev eth0"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q: %s", want, out)
		}
	}
	if out := must(w.a.ask("status"))(t); strings.Contains(out, "10.0.0.101") || !strings.Contains(out, "150 configured") {
		t.Errorf("the plan was carried out: %s", out)
	}
	w.a.reload()
	w.a.tells("10.0.0.101/24 dev eth0  stands", "status")
	w.a.configure(strings.Replace(watched, "interface", "interfac", 1))
	if out, err := w.a.ask("plan", w.a.conf); err == nil || !strings.Contains(out, "would be refused") {
		t.Errorf("of a faulty file: %v %s", err, out)
	}
}

// TestMetrics: nothing listens unasked; with metrics_listen a page is there, and
// a reload moves it.
func TestMetrics(t *testing.T) {
	w := newWorld(t, ours, ours)
	page := func(port string) string {
		client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: w.client.Dial, DisableKeepAlives: true}}
		r, err := client.Get("http://10.0.0.1:" + port + "/metrics")
		if err != nil {
			return ""
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		return string(b)
	}
	asks := func(what, port, text string) {
		t.Helper()
		w.eventually(what, func() bool { return strings.Contains(page(port), text) })
	}
	w.a.configure("global_defs {\n metrics_listen 10.0.0.1:9650\n}\n" + watchedConf("150"))
	w.a.start()
	asks("a page", "9650", `keepgo_vrrp_state{instance="VI_1",interface="eth0",vrid="51"} 2`)
	if strings.Contains(page("9650"), "keepalived_") {
		t.Error("the exporters' names are there unasked")
	}
	w.a.configure("global_defs {\n metrics_listen 10.0.0.1:9651\n metrics_exporters\n}\n" + watchedConf("150"))
	w.a.reload()
	asks("the page at its new place", "9651", `keepalived_vrrp_state{iname="VI_1",intf="eth0",vrid="51",ip_address="10.0.0.100/24"} 2`)
	w.eventually("the old address answers no more", func() bool { return page("9650") == "" })
	w.a.configure(watchedConf("150"))
	w.a.reload()
	w.eventually("nothing listens", func() bool { return page("9651") == "" })
}
