package doctor

import (
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/lb"
	"keepgo/internal/status"
	"keepgo/ipvsctl"
)

const file = "/etc/keepalived/keepalived.conf"

const director = `
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        10.0.0.100/24
    }
}
virtual_server 10.0.0.100 80 {
    lvs_sched wrr
    lvs_method NAT
    protocol TCP
    real_server 10.1.0.21 80 {
        weight 2
        TCP_CHECK {
        }
    }
    real_server 10.1.0.22 80 {
        inhibit_on_failure
        TCP_CHECK {
        }
    }
}
`

func addrOf(s string) netip.Addr { return netip.MustParseAddr(s) }

// healthy are the facts of a director that has nothing, which mess changes.
func healthy(t *testing.T, mess func(*Facts)) *Facts {
	t.Helper()
	cfg, list := confparse.Load(fstest.MapFS{"k": {Data: []byte(director)}}, "k", syntax.Env{})
	if cfg == nil || len(list) > 0 {
		t.Fatal(list)
	}
	plan, _ := lb.Build(cfg)
	server := func(name string, weight int) status.Server {
		return status.Server{Name: name, Up: true, Weight: weight}
	}
	f := &Facts{
		File: file, Config: cfg, Plan: plan, Plane: IPVS,
		Status: &status.Status{Config: file, PID: 7, Digest: "d", Agreement: map[string]string{"VI_1": "x"},
			Instances: []status.Instance{{Name: "VI_1", VRID: 51, State: "MASTER", Standing: true,
				Places: []status.Place{{Address: "10.0.0.100/24", Link: "eth0", Stands: true}}}},
			Services: []status.Service{{Name: "[10.0.0.100]:tcp:80", Up: true,
				Servers: []status.Server{server("[10.1.0.21]:tcp:80", 2), server("[10.1.0.22]:tcp:80", 1)}}}},
		Sysctls:  map[string]string{forward4: "1", forward6: "1", nonlocal4: "0", nonlocal6: "0", trackIPVS: "0", "net/ipv4/vs/expire_nodest_conn": "1", "net/ipv4/vs/conn_reuse_mode": "1"},
		Standing: []Standing{{netip.MustParsePrefix("10.0.0.1/24"), "eth0"}, {netip.MustParsePrefix("10.0.0.100/24"), "eth0"}},
		Answers:  []Answer{{Addr: addrOf("10.0.0.100"), Link: "eth0", Ours: true, VRID: 51}},
		Paths: []Path{{Service: "[10.0.0.100]:tcp:80", Server: netip.MustParseAddrPort("10.1.0.21:80"), Virtual: netip.MustParseAddrPort("10.0.0.100:80"),
			Link: "eth1", MAC: "02:00:00:00:00:15", Direct: Accepts, Through: Accepts}},
		Pair: []Peer{{Addr: "10.0.0.2:9650", Within: time.Millisecond, Status: &status.Status{Digest: "d", Agreement: map[string]string{"VI_1": "x"},
			Instances: []status.Instance{{Name: "VI_1", VRID: 51, State: "BACKUP"}}}}},
	}
	f.Have = plan.Expected(f.Status.Services)
	for k, e := range f.Have {
		f.Have[k] = e.Canonical(k)
	}
	if mess != nil {
		mess(f)
	}
	return f
}

// backup makes a director one that holds nothing.
func backup(f *Facts) {
	in := &f.Status.Instances[0]
	in.State, in.Standing, in.Places[0].Stands = "BACKUP", false, false
	f.Standing = f.Standing[:1]
	master := Station{MAC: "02:00:00:00:00:02", Addr: addrOf("10.0.0.2"), Name: "master 10.0.0.2"}
	f.Answers = []Answer{{Addr: addrOf("10.0.0.100"), Link: "eth0", VRID: 51, Master: &master, Stations: []Station{master}}}
	f.Pair[0].Status.Instances[0].State = "MASTER"
	f.Paths[0].Through, f.Paths[0].NotAsked = NotTried, "this director is not MASTER"
}

func said(r *Report) string {
	var b strings.Builder
	for _, s := range r.Steps {
		for _, f := range s.Findings {
			b.WriteString(s.Name + " " + string(f.Severity) + ": " + f.What + " (" + f.Evidence + ")\n")
		}
	}
	return b.String()
}

func TestHealthy(t *testing.T) {
	if got := said(Examine(healthy(t, nil))); got != "" {
		t.Errorf("of a master:\n%s", got)
	}
	r := Examine(healthy(t, backup))
	if r.Count(Fault)+r.Count(Warning)+r.Count(Note) > 0 || r.Count(Unchecked) != 1 {
		t.Errorf("of a backup:\n%s", said(r))
	}
	if len(r.Steps) != 10 {
		t.Errorf("%d steps", len(r.Steps))
	}
}

func key() ipvsctl.ServiceKey {
	return ipvsctl.ServiceKey{Protocol: 6, Addr: addrOf("10.0.0.100"), Port: 80}
}

func dest(a string) ipvsctl.DestKey { return ipvsctl.DestKey{Addr: addrOf(a), Port: 80} }

// TestFindings: each mess is named, and nothing else.
func TestFindings(t *testing.T) {
	server := Station{MAC: "02:00:00:00:00:15", Addr: addrOf("10.0.0.21"), Name: "real server 10.0.0.21"}
	for _, tt := range []struct {
		name string
		mess func(*Facts)
		want string
	}{
		{"no file", func(f *Facts) { f.Unreadable, f.Config, f.Plan, f.Pair = "configuration file: gone", nil, nil, nil }, "configuration fault: configuration file: gone"},
		{"error", func(f *Facts) { f.Text = syntax.ErrorList{{Severity: syntax.Failure, Err: errText("bad word")}} }, "configuration fault: bad word"},
		{"hint", func(f *Facts) { f.Text = syntax.ErrorList{{Severity: syntax.Note, Err: errText("old word")}} }, ""},
		{"other file", func(f *Facts) { f.Status.Config = "/x" }, "daemon warning: the daemon runs with /x, not with " + file},
		{"relative file", func(f *Facts) { f.Status.Config = "./keepalived.conf" }, ""},
		{"may not ask", func(f *Facts) { f.Status, f.Denied, f.NoStatus, f.Have = nil, true, "for root", nil }, "daemon unchecked: the running daemon (for root)"},
		{"fault", func(f *Facts) { f.Status.Instances[0].State, f.Status.Instances[0].Reason = "FAULT", "eth0 is down" }, "daemon fault: instance VI_1 is in FAULT and takes no part (eth0 is down)"},
		{"rival", func(f *Facts) { f.Status.Instances[0].Rival = "10.0.0.2" }, "daemon fault: instance VI_1: there is more than one master"},
		{"refused adverts", func(f *Facts) { f.Status.Instances[0].Peers = []status.Peer{{Address: "10.0.0.2", Fault: "bad auth"}} }, "daemon fault: instance VI_1: adverts of 10.0.0.2 are not accepted (bad auth)"},
		{"drift", func(f *Facts) { f.Status.Instances[0].Drift = "lacks 10.0.0.101" }, "daemon warning: instance VI_1: the addresses of the master differ"},
		{"no vmac", func(f *Facts) { f.Status.Instances[0].Devices = []status.Device{{Parent: "eth0"}} }, "daemon fault: instance VI_1: its interface above eth0 does not stand"},
		{"order", func(f *Facts) { f.Status.Orders = []status.Order{{Verb: "drain", Server: "x"}} }, "daemon note: an order is in force: drain x"},
		{"no IPVS", func(f *Facts) { f.Status.IPVS, f.Have = "no module", nil }, "kernel fault: connections are not balanced (no module)"},
		{"no forwarding", func(f *Facts) { f.Sysctls[forward4] = "0" }, "kernel fault: this machine does not forward packets, which NAT needs"},
		{"lists", func(f *Facts) { f.Sysctls["net/ipv4/vs/conn_reuse_mode"] = "0" }, "kernel note: a client that uses a port again"},
		{"strict", func(f *Facts) {
			f.Status.Instances[0].Devices = []status.Device{{Name: "vrrp.51", Parent: "eth0"}}
			f.Sysctls["net/ipv4/conf/all/rp_filter"] = "1"
		}, "kernel warning: packets to the addresses of VI_1 are dropped"},
		{"loose", func(f *Facts) {
			f.Status.Instances[0].Devices = []status.Device{{Name: "vrrp.51", Parent: "eth0"}}
			f.Sysctls["net/ipv4/conf/all/rp_filter"], f.Sysctls["net/ipv4/conf/vrrp.51/rp_filter"] = "1", "2"
		}, ""},
		{"silent", func(f *Facts) { f.Sysctls["net/ipv4/conf/eth0/arp_ignore"] = "8" }, "kernel fault: this machine answers no ARP for the addresses of VI_1"},
		{"binds", func(f *Facts) { f.Listening = []Listener{{netip.MustParseAddrPort("10.0.0.100:8080"), "nginx"}} }, "kernel warning: nginx listens at the virtual address"},
		{"binds elsewhere", func(f *Facts) { f.Listening = []Listener{{netip.MustParseAddrPort("10.0.0.1:8080"), "nginx"}} }, ""},
		{"service gone", func(f *Facts) { f.Have = ipvsctl.Table{} }, "table fault: the service [10.0.0.100]:tcp:80 is missing in the kernel"},
		{"server gone", func(f *Facts) { delete(f.Have[key()].Destinations, dest("10.1.0.21")) }, "table fault: the servers of [10.0.0.100]:tcp:80 are not those that should stand ([10.1.0.21]:tcp:80 is missing)"},
		{"server added", func(f *Facts) { f.Have[key()].Destinations[dest("10.1.0.29")] = ipvsctl.Destination{} }, "table fault: the servers of [10.0.0.100]:tcp:80 are not those that should stand ([10.1.0.29]:tcp:80 stands there"},
		{"other method", func(f *Facts) {
			f.Have[key()].Destinations[dest("10.1.0.22")] = ipvsctl.Destination{Weight: 1, Forward: 3}
		}, "table fault: the servers of [10.0.0.100]:tcp:80 are not those that should stand ([10.1.0.22]:tcp:80 is reached by DR, wanted NAT)"},
		{"inhibited", func(f *Facts) {
			f.Status.Services[0].Servers[1].Up = false
			f.Status.Services[0].Servers[1].Order = "down"
			f.Have[key()].Destinations[dest("10.1.0.22")] = ipvsctl.Destination{}
		}, ""},
		{"down and out", func(f *Facts) {
			f.Status.Services[0].Servers[0].Up = false
			f.Status.Services[0].Servers[0].Order = "down"
			delete(f.Have[key()].Destinations, dest("10.1.0.21"))
		}, ""},
		{"leftover", func(f *Facts) { f.Have[ipvsctl.ServiceKey{FWMark: 9}] = ipvsctl.Entry{} }, "table warning: services stand in the kernel that the file does not have (FWM 9)"},
		{"missing address", func(f *Facts) { f.Status.Instances[0].Places[0].Stands = false }, "addresses fault: VI_1 is MASTER, and its address 10.0.0.100/24 is missing on eth0"},
		{"mask", func(f *Facts) { f.Standing[1].Prefix = netip.MustParsePrefix("10.0.0.100/16") }, "addresses fault: the virtual address 10.0.0.100 stands with another mask"},
		{"wide", func(f *Facts) {
			f.Status.Instances[0].Places[0].Address, f.Standing[1].Prefix = "10.0.0.100/16", netip.MustParsePrefix("10.0.0.100/16")
		}, "addresses warning: the mask of the virtual address 10.0.0.100/16 is wider"},
		{"for good", func(f *Facts) { f.Static = []Static{{"/etc/network/interfaces:3", addrOf("10.0.0.100")}} }, "addresses fault: the virtual address 10.0.0.100 is configured for good on this machine (/etc/network/interfaces:3)"},
		{"stranger answers", func(f *Facts) { f.Answers[0].Stations = []Station{server} }, "arp fault: 10.0.0.100 stands here, and others answer for it too: 02:00:00:00:00:15 (real server 10.0.0.21)"},
		{"passive", func(f *Facts) { f.Passive, f.Answers, f.Paths = true, nil, nil }, "unchecked: "},
		{"no quorum", func(f *Facts) { f.Status.Services[0].Up = false }, "servers fault: the virtual server [10.0.0.100]:tcp:80 has no quorum"},
		{"no route", func(f *Facts) { f.Paths[0].NoRoute = "unreachable" }, "servers fault: there is no route to 10.1.0.21 of"},
		{"other way back", func(f *Facts) { f.Paths[0].Through = Silence }, "servers fault: the answers of 10.1.0.21 of [10.0.0.100]:tcp:80 to clients do not come back through this director"},
		{"only its own address", func(f *Facts) { f.Paths[0].Forward, f.Paths[0].Through = 3, Refuses }, "servers fault: 10.1.0.21 of [10.0.0.100]:tcp:80 accepts connections to its own address, and refuses"},
		{"DR behind a router", func(f *Facts) { f.Paths[0].Forward, f.Paths[0].Via = 3, "10.1.0.254" }, "servers fault: 10.1.0.21 of [10.0.0.100]:tcp:80 is behind a router"},
		{"tunnel", func(f *Facts) { f.Paths[0].Forward, f.Paths[0].Through = 2, Silence }, "servers fault: 10.1.0.21 of [10.0.0.100]:tcp:80 does not take what comes for 10.0.0.100 by the tunnel"},
		{"itself", func(f *Facts) { f.Paths[0] = Path{Local: true} }, ""},
		{"drops", func(f *Facts) { f.Rules = []Verdict{{What: "VRRP on eth0", Where: "w", Rule: "r", Drops: true}} }, "firewall fault: VRRP on eth0 is dropped"},
		{"may drop", func(f *Facts) {
			f.Rules = []Verdict{{What: "VRRP on eth0", Where: "w", Rule: "r", Drops: true, Unsure: true}}
		}, "firewall warning: VRRP on eth0 is dropped unless"},
		{"another", func(f *Facts) { f.Others = []Other{{Name: "ucarp", Harm: "moves", What: "process 3"}} }, "competitors warning: ucarp: moves (process 3)"},
		{"clock", func(f *Facts) { f.Pair[0].Ahead = -2 * time.Second }, "pair warning: the clock of 10.0.0.2:9650 is 2s behind ours"},
		{"clock far off", func(f *Facts) { f.Pair[0].Ahead = time.Minute }, "pair fault: the clock of 10.0.0.2:9650 is 1m0s ahead of ours"},
		{"clock not exactly known", func(f *Facts) { f.Pair[0].Ahead, f.Pair[0].Within = 2*time.Second, 2*time.Second }, ""},
		{"disagree", func(f *Facts) {
			f.Pair[0].Status.Digest, f.Pair[0].Status.Agreement = "e", map[string]string{"VI_1": "y"}
		}, "pair fault: what must be alike on both directors is not (VI_1)"},
		{"two masters", func(f *Facts) { f.Pair[0].Status.Instances[0].State = "MASTER" }, "pair fault: both directors are MASTER of VI_1"},
		{"peer silent", func(f *Facts) { f.Pair[0] = Peer{Addr: "x", Failed: "refused"} }, "pair unchecked: the other director x, and the difference of the clocks (refused)"},
		{"peer unknown", func(f *Facts) { f.Pair = nil }, "pair unchecked: the other director, and the difference of the clocks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := said(Examine(healthy(t, tt.mess)))
			lines := strings.Count(got, "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) || lines > 1 && tt.name != "passive" && tt.name != "other file" {
				t.Errorf("said:\n%swant %s", got, tt.want)
			}
		})
	}
}

type errText string

func (e errText) Error() string { return string(e) }

func TestWire(t *testing.T) {
	master := Station{MAC: "02:00:00:00:00:02", Name: "master 10.0.0.2"}
	server := Station{MAC: "02:00:00:00:00:15", Name: "real server 10.0.0.21"}
	virtual := Station{MAC: "00:00:5e:00:01:33"}
	for _, tt := range []struct {
		name   string
		answer Answer
		want   string
	}{
		{"master", Answer{Master: &master, Stations: []Station{master}}, ""},
		{"its virtual address", Answer{Master: &master, VRID: 51, Stations: []Station{virtual}}, ""},
		{"another's virtual address", Answer{Master: &master, VRID: 52, Stations: []Station{virtual}}, "fault: 10.0.0.100 is answered for by 00:00:5e:00:01:33, and not by the master"},
		{"nobody", Answer{Master: &master}, "fault: nobody answers"},
		{"both", Answer{Master: &master, Stations: []Station{server, master}}, "fault: 10.0.0.100 is answered for by the master, 02:00:00:00:00:02 (master 10.0.0.2), and also by 02:00:00:00:00:15 (real server 10.0.0.21)"},
		{"a server alone", Answer{Stations: []Station{server}}, "fault: 10.0.0.100 is answered for by 02:00:00:00:00:15 (real server"},
		{"two of whom nothing is known", Answer{Stations: []Station{virtual, {MAC: "02:00:00:00:00:09"}}}, "fault: 2 stations answer"},
		{"one of whom nothing is known", Answer{Stations: []Station{virtual}}, "unchecked: whether 00:00:5e:00:01:33"},
		{"not asked", Answer{Failed: "no interface"}, "unchecked: who answers for 10.0.0.100"},
	} {
		tt.answer.Addr, tt.answer.Link = addrOf("10.0.0.100"), "eth0"
		got := ""
		for _, f := range Wire([]Answer{tt.answer}) {
			got += string(f.Severity) + ": " + f.What
		}
		if !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
