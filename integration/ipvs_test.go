package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"keepgo/internal/guest"
	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
)

// TestGuest boots a kernel with IPVS and runs the tests of this file in it.
func TestGuest(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	guest.Tests(t, "^TestIPVS")
}

func needsIPVS(t *testing.T) {
	t.Helper()
	if !guest.Inside() {
		t.Skip("needs a kernel with IPVS: runs in TestGuest")
	}
}

// method is a forwarding method and the network it needs.
type method struct {
	name   string
	prefix string // of the real servers: prefix + last byte
}

var methods = []method{{"DR", "10.0.0."}, {"NAT", "10.1.0."}, {"TUN", "10.0.0."}}

// farm is a world with three real servers behind the pair, by weight.
type farm struct {
	*world
	method
	inside  *netlab.Switch
	servers map[int]*web // by weight
}

// gateway is the address the NAT servers answer through; it moves with the
// virtual address.
const gateway = "10.1.0.254"

func newFarm(t *testing.T, m method) *farm {
	t.Helper()
	w := newWorld(t, ours, ours)
	f := &farm{world: w, method: m, inside: must(w.lab.Switch("inside"))(t), servers: map[int]*web{}}
	for i, d := range []*director{w.a, w.b} {
		w.do(d.Attach("eth1", f.inside, netip.MustParsePrefix(fmt.Sprintf("10.1.0.%d/24", i+1))))
		w.do(d.Sysctl("net/ipv4/ip_forward", "1"))
	}
	for weight := 1; weight <= 3; weight++ {
		f.add(weight)
	}
	return f
}

// add brings one more server to life.
func (f *farm) add(weight int) {
	f.t.Helper()
	by := ""
	if f.name == "NAT" {
		by = gateway
	}
	s := f.server(20+weight, f.inside, by)
	if f.name == "TUN" {
		say(f.t, s.host, "modprobe", "ipip")
		say(f.t, s.host, "ip", "link", "set", "tunl0", "up")
	}
	s.up(f.world)
	f.servers[weight] = s
}

// configureBoth writes both directors' files, with more of global_defs.
func (f *farm) configureBoth(global string) {
	f.t.Helper()
	f.configureAll(global, fmt.Sprintf("virtual_server %s 80 {\n    lvs_sched wrr\n    protocol TCP\n%s}\n", vip4, f.realServers("80", true)))
}

// configureAll writes both directors' files, with more of global_defs and these
// services.
func (f *farm) configureAll(global, services string) {
	f.t.Helper()
	k := wire{version: 2}
	for d, c := range map[*director]conf{f.a: confA(k), f.b: confB(k)} {
		c.instance = "virtual_ipaddress_excluded {\n        " + gateway + "/24 dev eth1\n    }"
		c.global, c.after = global, services
		d.configure(c.String())
	}
}

// realServers are the servers of the farm with this port, and how to reach them.
func (f *farm) realServers(port string, checked bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "    lvs_method %s\n    delay_loop 1\n    warmup 0\n", f.name)
	for weight := 1; weight <= 3; weight++ {
		check := ""
		if checked {
			check = "        TCP_CHECK {\n            connect_timeout 3\n            retry 0\n        }\n"
		}
		fmt.Fprintf(&b, "    real_server %s%d %s {\n        weight %d\n%s    }\n", f.prefix, 20+weight, port, weight, check)
	}
	return b.String()
}

// table is the IPVS table of a host as ipvsadm saves it.
func table(t *testing.T, h *netlab.Host) []string {
	t.Helper()
	p := must(h.Start("ipvsadm", "-Sn"))(t)
	if p.Err() != nil {
		t.Fatalf("ipvsadm -Sn: %v\n%s", p.Err(), p.Log())
	}
	return sortedLines(p.Log())
}

// has says whether the director's table has a server.
func (f *farm) has(d *director, weight int) bool {
	want := fmt.Sprintf("-r %s%d:80 ", f.prefix, 20+weight)
	return strings.Contains(strings.Join(table(f.t, d.Host), "\n"), want)
}

// get asks the virtual server once, over a connection of its own.
func (f *farm) get() (string, error) { return f.getFrom("80") }

// getFrom asks on another port.
func (f *farm) getFrom(port string) (string, error) {
	client := http.Client{Timeout: patience / 3,
		Transport: &http.Transport{DialContext: f.client.Dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+vip4.String()+":"+port+"/", nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// proportions checks that 60 connections spread over the servers like their
// weights.
func (f *farm) proportions() {
	f.t.Helper()
	got := map[string]int{}
	for range 60 {
		name, err := f.get()
		if err != nil {
			f.t.Fatalf("through the virtual address: %v", err)
		}
		got[name]++
	}
	for weight := 1; weight <= 3; weight++ {
		if n := got[fmt.Sprintf("web%d", 20+weight)]; n < 10*weight-1 || n > 10*weight+1 {
			f.t.Errorf("weight %d got %d of 60 connections, want %d: %v", weight, n, 10*weight, got)
		}
	}
}

func TestIPVSBalances(t *testing.T) {
	needsIPVS(t)
	for _, m := range methods {
		t.Run(m.name, func(t *testing.T) {
			f := newFarm(t, m)
			f.configureBoth("lvs_expire_nodest_conn") // the ports of the client come again
			begin := time.Now()
			f.a.start()
			f.b.start()
			f.becomesMaster(f.a, vip4, begin)
			answers := func() bool { _, err := f.get(); return err == nil }
			f.eventually("the service answers", answers)
			f.proportions()

			f.servers[3].down()
			f.eventually("the dead server leaves the table", func() bool { return !f.has(f.a, 3) && f.has(f.a, 2) })
			for range 12 {
				if name, err := f.get(); err != nil || name == "web23" {
					t.Errorf("without the dead server: answer %q, %v", name, err)
				}
			}
			f.servers[3].up(f.world)
			f.eventually("the server comes back into both tables", func() bool { return f.has(f.a, 3) && f.has(f.b, 3) })

			lost := time.Now()
			f.a.powerCut()
			f.becomesMaster(f.b, vip4, lost)
			f.eventually("the service answers through the partner", answers)
			f.proportions()

			f.b.stop()
			if left := table(t, f.b.Host); len(left) > 0 {
				t.Errorf("left in the table after the stop: %q", left)
			}
		})
	}
}

// TestIPVSLab plays the example where the kernel balances. How long things take
// in a guest says nothing.
func TestIPVSLab(t *testing.T) {
	needsIPVS(t)
	cmd, out, errs, _ := labCommand(t, "--json", example)
	err := cmd.Run()
	var r drill.Report
	if json.Unmarshal(out.Bytes(), &r) != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	balanced(t, &r, "ipvs")
	t.Logf("%s%s", out, errs)
}
