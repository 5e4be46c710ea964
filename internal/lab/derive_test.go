package lab

import (
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

const original = `$PRIO=150
global_defs {
    router_id mine
    script_user nobody
    vrrp_garp_master_repeat 2
}
include more.conf
vrrp_script chk { # a comment
    script "killall -0 haproxy"
    weight -60
}
vrrp_instance VI_1 {
    state MASTER
    priority $PRIO
    unicast_src_ip 10.0.0.1
    unicast_peer {
        10.0.0.2 min_ttl 3
        10.0.0.7
    }
    virtual_ipaddress { 10.0.0.100/24 }
    notify "/etc/danger.sh now"
    track_script {
        chk
    }
}
`

func derived(t *testing.T, second bool) string {
	t.Helper()
	fsys := fstest.MapFS{
		"k.conf":    {Data: []byte(original)},
		"more.conf": {Data: []byte("static_ipaddress {\n 10.0.0.50/24 dev eth0\n}\n")},
	}
	tree, errs := syntax.Parse(fsys, "k.conf", syntax.Env{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	swap := map[string]string{"10.0.0.1": "10.0.0.2", "10.0.0.2": "10.0.0.1"}
	partner := func(a netip.Addr) netip.Addr {
		if p, ok := swap[a.String()]; ok {
			return netip.MustParseAddr(p)
		}
		return a
	}
	config := &confparse.Config{Instances: []*confparse.Instance{{Name: "VI_1", Priority: 150}}}
	return derive(tree.Nodes, side{name: "lb9", second: second, partner: partner, config: config})
}

func wants(t *testing.T, text string, has, lacks []string) {
	t.Helper()
	for _, s := range has {
		if !strings.Contains(text, s) {
			t.Errorf("lacks %q", s)
		}
	}
	for _, s := range lacks {
		if strings.Contains(text, s) {
			t.Errorf("has %q", s)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestDeriveKeepsTheFirstAsItIs(t *testing.T) {
	wants(t, derived(t, false), []string{
		"router_id lb9", "state MASTER", "priority 150", "unicast_src_ip 10.0.0.1", "10.0.0.2 min_ttl 3", "10.0.0.7",
		"vrrp_garp_master_repeat 2", "10.0.0.50/24 dev eth0", "10.0.0.100/24", "script /bin/true", "weight -60",
	}, []string{"router_id mine", "script_user nobody", "danger", "haproxy", "PRIO", "include"})
}

func TestDeriveMakesThePartner(t *testing.T) {
	wants(t, derived(t, true), []string{
		"router_id lb9", "state BACKUP", "priority 100", "unicast_src_ip 10.0.0.2", "10.0.0.1 min_ttl 3", "10.0.0.7",
	}, []string{"state MASTER", "priority 150", "danger"})
}

func TestDeriveFitsThePlane(t *testing.T) {
	const file = "virtual_server 10.0.0.100 80 {\n lvs_sched wlc\n}\nvirtual_server 10.0.0.100 81 {\n lb_algo sh\n}\nvirtual_server 10.0.0.100 82 {\n lb_algo lc\n}\n"
	tree, errs := syntax.Parse(fstest.MapFS{"k.conf": {Data: []byte(file)}}, "k.conf", syntax.Env{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	wants(t, derive(tree.Nodes, side{plane: planeNFT}), []string{"lvs_sched wrr", "lb_algo sh", "lb_algo rr"}, []string{"wlc"})
	wants(t, derive(tree.Nodes, side{plane: planeIPVS}), []string{"lvs_sched wlc", "lb_algo sh", "lb_algo lc"}, nil)
}

func TestBeyondThePlaneIsTold(t *testing.T) {
	c := pairConfig()
	one := c.VirtualServers[0]
	one.Scheduler = "wlc"
	other := *one
	other.Port, other.Scheduler, other.Servers = 81, "wrr", []*confparse.RealServer{{Addr: addr("198.51.100.21"), Port: 81, Forward: confparse.Tunnel}}
	c.VirtualServers = append(c.VirtualServers, &other)
	one.Servers = one.Servers[:1]
	for plane, want := range map[string][]string{"": nil, planeIPVS: nil, planeNFT: {
		"virtual server 192.0.2.100 80: wlc counts open connections, which nftables cannot: wrr stands in for it",
		"nftables cannot do it: server [198.51.100.21]:tcp:81: TUN needs the kernel's IPVS",
	}} {
		notes := (&source{Config: c, plane: plane}).beyond()
		if len(notes) != len(want) {
			t.Errorf("on %q: %q, want %q", plane, notes, want)
			continue
		}
		for i, w := range want {
			wants(t, notes[i], []string{w}, nil)
		}
	}
	if one.Scheduler != "wlc" || c.Global.DataPlane != confparse.PlaneAuto {
		t.Error("the configuration was changed")
	}
}

func TestDerivedFileParsesToTheSame(t *testing.T) {
	once := derived(t, false)
	tree, errs := syntax.Parse(fstest.MapFS{"k.conf": {Data: []byte(once)}}, "k.conf", syntax.Env{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	again := derive(tree.Nodes, side{name: "lb9", partner: func(a netip.Addr) netip.Addr { return a }})
	head := "global_defs {\n    router_id lb9\n    script_user root\n}\nglobal_defs {\n}\n"
	if want := strings.Replace(once, "global_defs {\n    router_id lb9\n    script_user root\n}\n", head, 1); again != want {
		t.Errorf("derived twice:\n%s\nwant\n%s", again, want)
	}
}

func TestPriorityIsLower(t *testing.T) {
	for p, want := range map[uint8]uint8{255: 205, 150: 100, 51: 1, 50: 25, 2: 1, 1: 1} {
		s := side{config: &confparse.Config{Instances: []*confparse.Instance{{Name: "VI_1", Priority: p}}}}
		block := &syntax.Node{Words: []syntax.Word{{Text: "vrrp_instance"}, {Text: "VI_1"}}}
		if got := s.priority(block); got != want {
			t.Errorf("below %d: %d, want %d", p, got, want)
		}
	}
}
