package lb

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"keepgo/checker"
	"keepgo/checker/pcre"
	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/ipvsctl"
)

// built are the names of the planned services and the findings of a load.
func built(cfg *confparse.Config) (*Plan, string, string) {
	p, found := Build(cfg)
	var services, faults []string
	for _, s := range p.Services {
		pools := strings.Trim(fmt.Sprint(s.Pools), "[]")
		services = append(services, fmt.Sprintf("%s %s", pools, s.Key))
	}
	for _, f := range found {
		faults = append(faults, fmt.Sprintf("%s: %s: %v; %s", f.Path, f.Severity, f.Err, f.Hint))
	}
	return p, strings.Join(services, "\n"), strings.Join(faults, "\n")
}

func group(name string, entries ...confparse.GroupEntry) *confparse.ServerGroup {
	return &confparse.ServerGroup{Name: name, Entries: entries}
}

func span(a, b string, port uint16) confparse.GroupEntry {
	return confparse.GroupEntry{First: netip.MustParseAddr(a), Last: netip.MustParseAddr(b), Port: port}
}

func TestBuildKernel(t *testing.T) {
	var cfg confparse.Config
	if p, _, _ := built(&cfg); p.Sync.Roles != 0 || p.FlushAtStop || p.Repair || p.Timeouts != (ipvsctl.Timeouts{}) {
		t.Errorf("of nothing: %+v", p)
	}
	g := &cfg.Global
	g.LVSTimeouts = confparse.LVSTimeouts{TCP: time.Hour, UDP: time.Minute}
	g.LVSRepair, g.LVSFlushOnStop = true, true
	g.LVSSync = &confparse.SyncDaemon{Interface: "eth1", ID: 0, MaxLen: 900}
	p, _, _ := built(&cfg)
	both := ipvsctl.SyncWant{Sync: ipvsctl.Sync{Link: "eth1", MaxLen: 900}, Roles: ipvsctl.SyncMaster | ipvsctl.SyncBackup}
	if p.Sync != both || !p.FlushAtStop || !p.Repair || p.Timeouts != (ipvsctl.Timeouts{TCP: time.Hour, UDP: time.Minute}) {
		t.Errorf("plan %+v", p)
	}
	g.LVSFlushVS, g.LVSSync.Instance = true, "VI_1"
	if p, _, _ = built(&cfg); p.FlushAtStop || p.Sync.Roles != 0 {
		t.Errorf("plan %+v", p)
	}
}

func TestBuildGroups(t *testing.T) {
	v := &confparse.VirtualServer{Group: "web", Protocol: confparse.TCP, Servers: []*confparse.RealServer{rs(1, 1, tcp())}, Quorum: 1}
	twin := *v
	twin.Protocol = confparse.UDP
	p, services, faults := built(&confparse.Config{
		ServerGroups: []*confparse.ServerGroup{group("web",
			span("10.1.0.254", "10.1.1.1", 80), span("10.1.1.0", "10.1.1.0", 80), confparse.GroupEntry{FWMark: 8, IPv6: true}, span("2001:db8::ffff", "2001:db8::1:0", 80))},
		VirtualServers: []*confparse.VirtualServer{v, &twin},
	})
	expect(t, "services", services, lines("0 [10.1.0.254]:tcp:80", "0 [10.1.0.255]:tcp:80", "0 [10.1.1.0]:tcp:80", "0 [10.1.1.1]:tcp:80",
		"0 1 FWM 8", "0 [2001:db8::ffff]:tcp:80", "0 [2001:db8::1:0]:tcp:80",
		"1 [10.1.0.254]:udp:80", "1 [10.1.0.255]:udp:80", "1 [10.1.1.0]:udp:80", "1 [10.1.1.1]:udp:80",
		"1 [2001:db8::ffff]:udp:80", "1 [2001:db8::1:0]:udp:80"))
	expect(t, "findings", faults, "virtual_server [web]:0: warning: FWM 8 belongs to virtual server [web]:0 already; its servers are added there, and the first scheduler counts")
	if p.Pools[0].Key == p.Pools[1].Key || fmt.Sprint(p.Pools[1].Services) != "[7 8 9 10 4 11 12]" {
		t.Errorf("pools %+v", p.Pools)
	}
	n, _ := NewNode(p, nil)
	acts := n.Step(down(0), nil)
	for i := range 7 {
		left := 0
		if i == 4 { // the mark is the other virtual server's too
			left = 1
		}
		if acts[i] != (Action{Kind: ActSet, Service: i}) || len(n.Want(i).Destinations) != left {
			t.Errorf("service %d: %+v, %+v", i, acts[i], n.Want(i))
		}
	}
	if len(n.Want(7).Destinations) != 1 {
		t.Error("the other protocol lost its server too")
	}
}

func TestBuildLeavesOut(t *testing.T) {
	twice := vs(1, rs(1, 3), rs(1, 4))
	empty := vs(2)
	lost := vs(3, rs(1, 1))
	lost.Group = "none"
	again := vs(1, rs(2, 1))
	huge := vs(4, rs(1, 1))
	huge.Group = "huge"
	back := vs(5, rs(1, 1))
	back.Group = "back"
	bfd := vs(6, rs(1, 1, &confparse.Checker{Kind: confparse.BFDCheck}))
	web := vs(7, rs(1, 1, &confparse.Checker{Kind: confparse.HTTPCheck, HTTP: &confparse.HTTP{}}))
	p, services, faults := built(&confparse.Config{
		ServerGroups:   []*confparse.ServerGroup{group("huge", span("10.0.0.0", "10.255.255.255", 1)), group("back", span("10.0.0.2", "10.0.0.1", 1))},
		VirtualServers: []*confparse.VirtualServer{twice, empty, lost, again, huge, back, bfd, web},
	})
	expect(t, "services", services, lines("0 1 [10.1.0.1]:tcp:80", "2 [10.1.0.6]:tcp:80", "3 [10.1.0.7]:tcp:80"))
	expect(t, "findings", strings.ReplaceAll(faults, "virtual_server ", "vs "), lines(
		"vs [10.1.0.1]:tcp:80 > real_server [10.0.0.1]:tcp:80: error: real server stands twice in its virtual server; this one is left out",
		"vs [10.1.0.2]:tcp:80: warning: virtual server has no real_server; it is left out",
		"vs [none]:0: error: virtual_server_group none does not exist; it is left out",
		"vs [10.1.0.1]:tcp:80: warning: [10.1.0.1]:tcp:80 belongs to virtual server [10.1.0.1]:tcp:80 already; its servers are added there, and the first scheduler counts",
		"vs [huge]:0: error: group names more than 65536 services; it is left out",
		"vs [back]:0: error: : range 10.0.0.2-10.0.0.1 of group back runs backwards; it is left out",
		"vs [10.1.0.6]:tcp:80 > real_server [10.0.0.1]:tcp:80: error: BFD_CHECK is not supported; the server counts as if it had no such check",
		"vs [10.1.0.7]:tcp:80 > real_server [10.0.0.1]:tcp:80: error: HTTP_GET has no url; the check is left out"))
	if len(p.Pools[0].Servers) != 1 || p.Pools[0].Config.Servers[0].Destination.Weight != 3 {
		t.Errorf("of two equal servers: %+v", p.Pools[0].Config.Servers)
	}
}

func TestBuildService(t *testing.T) {
	v := vs(1, rs(1, -4), rs(2, 1))
	v.Scheduler, v.SchedFlags, v.OnePacket, v.Persistence, v.Engine = "sh", 8, true, time.Minute, "sip"
	v.Netmask = netip.MustParseAddr("255.255.0.0")
	v.Servers[1].Inhibit, v.Servers[1].Forward, v.Servers[1].Upper, v.Servers[1].Lower = true, confparse.Direct, 9, 8
	v.Sorry, v.SorryInhibit = rs(2, 0), false
	c := plan(t, v).Pools[0].Config
	want := ipvsctl.Service{Scheduler: "sh", Flags: 12, Timeout: time.Minute, Engine: "sip", Netmask4: [4]byte{255, 255}}
	if c.Service != want {
		t.Errorf("service %+v, want %+v", c.Service, want)
	}
	if d := c.Servers[0].Destination; d != (ipvsctl.Destination{}) {
		t.Errorf("destination %+v", d)
	}
	if d := c.Servers[1].Destination; d != (ipvsctl.Destination{Weight: 1, Forward: 3, Upper: 9, Lower: 8}) {
		t.Errorf("destination %+v", d)
	}
	if !c.Sorry.Inhibit || c.Sorry.Destination.Weight != 1 {
		t.Errorf("sorry server %+v", c.Sorry)
	}
}

func TestBuildChecks(t *testing.T) {
	web := &confparse.Checker{Kind: confparse.SSLCheck, Addr: netip.MustParseAddr("2001:db8::1"), Port: 443, BindPort: 99, BindIf: "eth0", FWMark: 7,
		Timeout: 1, DelayLoop: 2, Retry: 3, DelayBeforeRetry: 4, Warmup: 5, Alpha: true, LogAll: true,
		HTTP: &confparse.HTTP{Protocol: "1.1", VirtualHost: "all", SNIHost: "tls", SNI: true, FastRecovery: true, URLs: []confparse.URL{
			{Path: "/a", VirtualHost: "one", Digest: "d", Status: []confparse.StatusRange{{First: 200, Last: 204}}, Regex: "x", RegexNegate: true,
				RegexOptions: []string{"utf"}, RegexMin: 1, RegexMax: 2}, {Path: "/b", TLSCompliant: true}}}}
	plain := &confparse.Checker{Kind: confparse.HTTPCheck, Addr: netip.MustParseAddr("10.0.0.1"), Port: 80, BindAddr: netip.MustParseAddr("10.0.0.2"),
		HTTP: &confparse.HTTP{Protocol: "1.0", SNI: true, SNIName: "n", URLs: []confparse.URL{{Path: "/"}}}}
	one := func(kind confparse.CheckKind, port uint16) *confparse.Checker {
		return &confparse.Checker{Kind: kind, Addr: netip.MustParseAddr("10.0.0.1"), Port: port}
	}
	mail, name, packet := one(confparse.SMTPCheck, 25), one(confparse.DNSCheck, 53), one(confparse.UDPCheck, 9)
	mail.SMTP, mail.Private = &confparse.Dialogue{Helo: "me"}, true
	name.DNS = &confparse.Question{Type: "AAAA", Name: "a.b"}
	packet.UDP = &confparse.Datagram{Payload: []byte("p"), RequireReply: true, Reply: []byte("r"), Mask: []byte{0xf0}, MinReply: 1, MaxReply: 2}
	script := misc()
	script.Misc.Command.User, script.Misc.Command.Group, script.Misc.Command.Path = "u", "g", "/usr/bin/misc"
	v := vs(1, rs(1, 1, web, plain), rs(2, 1, script, mail, name, packet, one(confparse.PingCheck, 80)))
	p, found := Build(&confparse.Config{VirtualServers: []*confparse.VirtualServer{v},
		TLS: confparse.TLS{Key: "k"}})
	want := []checker.Check{
		{ID: 0, Name: "[10.0.0.1]:tcp:80", Service: "[10.1.0.1]:tcp:80", Timeout: 1, Interval: 2, Retry: 3, RetryDelay: 4, Warmup: 5, Alpha: true, LogAll: true,
			Probe: checker.Probe{Kind: checker.HTTP, Target: netip.MustParseAddrPort("[2001:db8::1]:443"), Bind: netip.MustParseAddrPort("[::]:99"),
				BindLink: "eth0", Mark: 7, Web: &checker.Web{TLS: &checker.TLS{Key: "k"}, Protocol: "1.1", FastRecovery: true, URLs: []checker.URL{
					{Path: "/a", Host: "one", SNI: "one", Digest: "d", Status: []checker.Range{{First: 200, Last: 204}}, NoMatch: true,
						Regex: &pcre.Pattern{Text: "x", Options: []string{"utf"}, Min: 1, Max: 2}},
					{Path: "/b", Host: "all", SNI: "tls", Polite: true}}}}},
		{ID: 1, Name: "[10.0.0.1]:tcp:80", Service: "[10.1.0.1]:tcp:80",
			Probe: checker.Probe{Kind: checker.HTTP, Target: netip.MustParseAddrPort("10.0.0.1:80"), Bind: netip.MustParseAddrPort("10.0.0.2:0"),
				Web: &checker.Web{Protocol: "1.0", URLs: []checker.URL{{Path: "/", Host: "10.0.0.1:80"}}}}},
		{ID: 2, Name: "[10.0.0.2]:tcp:80", Service: "[10.1.0.1]:tcp:80",
			Probe: checker.Probe{Kind: checker.Script, Program: &checker.Program{Dynamic: true, Command: checker.Command{Args: []string{"/bin/misc"}, Path: "/usr/bin/misc", User: "u", Group: "g"}}}},
		{ID: 3, Name: "[10.0.0.2]:tcp:80", Service: "[10.1.0.1]:tcp:80", Private: true,
			Probe: checker.Probe{Kind: checker.SMTP, Target: netip.MustParseAddrPort("10.0.0.1:25"), Helo: "me"}},
		{ID: 4, Name: "[10.0.0.2]:tcp:80", Service: "[10.1.0.1]:tcp:80",
			Probe: checker.Probe{Kind: checker.DNS, Target: netip.MustParseAddrPort("10.0.0.1:53"), Question: &checker.Question{Name: "a.b", Type: 28}}},
		{ID: 5, Name: "[10.0.0.2]:tcp:80", Service: "[10.1.0.1]:tcp:80", Probe: checker.Probe{Kind: checker.UDP, Target: netip.MustParseAddrPort("10.0.0.1:9"),
			Datagram: &checker.Datagram{Payload: []byte("p"), Required: true, Reply: []byte("r"), Mask: []byte{0xf0}, Min: 1, Max: 2}}},
		{ID: 6, Name: "[10.0.0.2]:tcp:80", Service: "[10.1.0.1]:tcp:80", Probe: checker.Probe{Kind: checker.Ping, Target: netip.MustParseAddrPort("10.0.0.1:0")}},
	}
	if len(found) > 0 || len(p.Checks) != len(want) {
		t.Fatalf("%d checks, findings %v", len(p.Checks), found)
	}
	for i := range want {
		if got := fmt.Sprintf("%+v", p.Checks[i]); !reflect.DeepEqual(p.Checks[i], want[i]) {
			t.Errorf("check %d:\n got %s\nwant %+v", i, got, want[i])
		}
	}
	if fmt.Sprint(p.Owners) != "[{0 0} {0 0} {0 1} {0 1} {0 1} {0 1} {0 1}]" {
		t.Errorf("owners %v", p.Owners)
	}
	if c := p.Pools[0].QuorumUp; c != v.QuorumUp {
		t.Errorf("quorum_up is %v, the configuration says %v", c, v.QuorumUp)
	}
}

func TestServiceSharedByTwoVirtualServers(t *testing.T) {
	first, second := vs(1, rs(1, 1), rs(2, 1)), vs(1, rs(2, 9), rs(3, 1, tcp()))
	second.Scheduler = "sh"
	first.Scheduler = "wlc"
	p, _, _ := built(&confparse.Config{VirtualServers: []*confparse.VirtualServer{first, second}})
	n, _ := NewNode(p, nil)
	e := n.Want(0)
	if e.Service.Scheduler != "wlc" || len(e.Destinations) != 3 || e.Destinations[p.Pools[0].Config.Servers[1].Key].Weight != 1 {
		t.Errorf("the shared service is %+v", e)
	}
	if n.Step(down(0), nil); len(n.Want(0).Destinations) != 2 {
		t.Errorf("after a server of the second went down: %+v", n.Want(0))
	}
}

func TestServerWithoutPortTakesItsServices(t *testing.T) {
	v := vs(1, rs(1, 1))
	v.Group, v.Servers[0].Port = "web", 0
	p, _, _ := built(&confparse.Config{
		ServerGroups: []*confparse.ServerGroup{group("web", span("10.1.0.1", "10.1.0.1", 80),
			span("10.1.0.1", "10.1.0.1", 443), confparse.GroupEntry{FWMark: 8})},
		VirtualServers: []*confparse.VirtualServer{v},
	})
	n, _ := NewNode(p, nil)
	for i, port := range []uint16{80, 443, 0} {
		for key := range n.Want(i).Destinations {
			if key.Port != port {
				t.Errorf("service %s has server %v", p.Services[i].Key, key)
			}
		}
	}
}

// What the file says of the netlink sockets of this process goes with the plan;
// what it does not say leaves the default.
func TestBuffers(t *testing.T) {
	text := "virtual_server 10.0.0.1 80 {\n real_server 10.0.0.2 80 {\n }\n}\n"
	for globals, want := range map[string][2]confparse.NetlinkBuffer{
		"": {},
		"global_defs {\n lvs_netlink_monitor_rcv_bufs 9000\n lvs_netlink_monitor_rcv_bufs_force on\n lvs_netlink_cmd_rcv_bufs 8000\n}\n": {{Bytes: 9000, Force: true}, {Bytes: 8000}},
	} {
		cfg, _ := confparse.Load(fstest.MapFS{"f": {Data: []byte(globals + text)}}, "f", syntax.Env{})
		p, _ := Build(cfg)
		if got := [2]confparse.NetlinkBuffer{p.Events, p.Answers}; got != want {
			t.Errorf("%q plans %+v, want %+v", globals, got, want)
		}
	}
}
