package lab

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func vipOf(s string, link string) confparse.Address {
	return confparse.Address{Prefix: netip.MustParsePrefix(s), Interface: link}
}

func pairConfig() *confparse.Config {
	return &confparse.Config{
		Instances: []*confparse.Instance{{
			Name: "VI_1", Interface: "eth0", AdvertInt: time.Second,
			Addresses: []confparse.Address{vipOf("192.0.2.100/24", "")},
			Excluded:  []confparse.Address{vipOf("198.51.100.1/24", "eth1")},
		}},
		VirtualServers: []*confparse.VirtualServer{{
			Addr: addr("192.0.2.100"), Port: 80, Protocol: confparse.TCP,
			Servers: []*confparse.RealServer{
				{Addr: addr("198.51.100.21"), Port: 80, Forward: confparse.NAT, Checkers: []*confparse.Checker{{
					Kind: confparse.HTTPCheck, Addr: addr("198.51.100.21"), Port: 80,
					HTTP: &confparse.HTTP{URLs: []confparse.URL{{Path: "/gone", Status: []confparse.StatusRange{{First: 410, Last: 410}}}}},
				}}},
				{Addr: addr("192.0.2.31"), Port: 8080, Forward: confparse.Direct},
			},
		}},
	}
}

func sourceOf(c *confparse.Config) *source { return &source{Config: c, pages: pagesOf(c)} }

func TestPlanNetwork(t *testing.T) {
	n, err := planNetwork(sourceOf(pairConfig()))
	if err != nil {
		t.Fatal(err)
	}
	if len(n.lans) != 2 || n.lans[0].link != "eth0" || n.lans[1].link != "eth1" {
		t.Fatalf("lans %+v", n.lans)
	}
	if len(n.vips) != 1 || n.vips[0].addr != addr("192.0.2.100") {
		t.Errorf("vips %+v", n.vips)
	}
	out := n.lans[0].subnets
	if len(out) != 1 || out[0].lb1 != addr("192.0.2.254") || out[0].lb2 != addr("192.0.2.253") || out[0].client != addr("192.0.2.252") {
		t.Errorf("outside subnets %+v", out)
	}
	if len(n.servers) != 2 {
		t.Fatalf("servers %+v", n.servers)
	}
	nat, dr := n.servers[0], n.servers[1]
	if nat.lan.link != "eth1" || !nat.nat || nat.subnet.gateway != addr("198.51.100.1") || nat.sites[endpoint{"tcp", 80}].pages[pageKey{"", "/gone"}].status != 410 {
		t.Errorf("NAT server %+v", nat)
	}
	if dr.lan.link != "eth0" || dr.nat || len(dr.virtuals) != 1 || dr.virtuals[0] != addr("192.0.2.100") {
		t.Errorf("DR server %+v", dr)
	}
	if a, b := n.partner(out[0].lb1), n.partner(out[0].lb2); a != out[0].lb2 || b != out[0].lb1 {
		t.Errorf("partners %v %v", a, b)
	}
}

func TestPlanTakesUnicastAddresses(t *testing.T) {
	c := pairConfig()
	c.Instances[0].Source = addr("192.0.2.12")
	c.Instances[0].Peers = []confparse.Peer{{Addr: addr("192.0.2.13")}}
	n, err := planNetwork(sourceOf(c))
	if err != nil {
		t.Fatal(err)
	}
	if s := n.lans[0].subnets[0]; s.lb1 != addr("192.0.2.12") || s.lb2 != addr("192.0.2.13") {
		t.Errorf("directors at %v and %v", s.lb1, s.lb2)
	}
}

// TestPlanGivesEveryInterfaceAnAddress has the address on another interface than
// the adverts. 198.18.0.0/15 is for tests: RFC 2544 appendix C.2.2.
func TestPlanGivesEveryInterfaceAnAddress(t *testing.T) {
	c := pairConfig()
	c.Instances[0].Interface = "em4"
	c.Instances[0].Addresses[0].Interface = "em1"
	n, err := planNetwork(sourceOf(c))
	if err != nil {
		t.Fatal(err)
	}
	if l := n.lans[0]; l.link != "em4" || len(l.subnets) != 1 || !l.subnets[0].lb1.IsValid() || l.subnets[0].Addr() != addr("198.18.0.0") {
		t.Errorf("lan %+v", l)
	}
}

func TestPlanReachesUnicastPeers(t *testing.T) {
	c := pairConfig()
	c.Instances[0].Addresses = []confparse.Address{vipOf("172.17.0.10/32", "")}
	c.Instances[0].Source = addr("172.17.0.2")
	c.Instances[0].Peers = []confparse.Peer{{Addr: addr("172.17.1.2")}}
	n, err := planNetwork(sourceOf(c))
	if err != nil {
		t.Fatal(err)
	}
	if s := n.lans[0].subnets[0]; s.String() != "172.17.0.0/23" || s.lb1 != addr("172.17.0.2") || s.lb2 != addr("172.17.1.2") {
		t.Errorf("directors at %v and %v in %v", s.lb1, s.lb2, s.Prefix)
	}
}

func TestPlanGuessesSubnetOfSingleAddress(t *testing.T) {
	c := pairConfig()
	c.VirtualServers = nil
	c.Instances[0].Excluded = nil
	c.Instances[0].Addresses = []confparse.Address{vipOf("10.1.2.3/32", ""), vipOf("2001:db8::5/128", "")}
	n, err := planNetwork(sourceOf(c))
	if err != nil {
		t.Fatal(err)
	}
	subs := n.lans[0].subnets
	if len(subs) != 2 || subs[0].String() != "10.1.2.0/24" || subs[1].String() != "2001:db8::/64" {
		t.Fatalf("subnets %+v", subs)
	}
	if subs[1].lb1 != addr("2001:db8::fffe") {
		t.Errorf("IPv6 address of the first director %v", subs[1].lb1)
	}
}

func TestPlanSaysWhatIsMissing(t *testing.T) {
	if _, err := planNetwork(&source{Config: &confparse.Config{}}); err == nil || !strings.Contains(err.Error(), "nothing to play") {
		t.Errorf("an empty file: %v", err)
	}
	c := pairConfig()
	c.Instances[0].Addresses[0] = vipOf("192.0.2.101/30", "")
	if _, err := planNetwork(sourceOf(c)); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("a subnet of two addresses: %v", err)
	}
}
