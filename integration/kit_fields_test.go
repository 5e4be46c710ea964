package integration

import (
	"fmt"
	"slices"
	"strings"

	"keepgo/internal/netlab"
)

// hasWords asks the first adverts, one a line, for words of their String.
func hasWords(wants ...string) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		s.start()
		s.eventually("it speaks", func() bool { return len(s.said(s.begin)) >= len(wants) })
		for i, want := range wants {
			got := look(s.said(s.begin)[i].Frame).String()
			for _, word := range strings.Fields(want) {
				if !slices.Contains(strings.Fields(got), word) {
					s.t.Errorf("advert %d has no %s: %s", i+1, word, got)
				}
			}
		}
	}
}

// withGlobal does it with lines in global_defs.
func withGlobal(lines string, play func(*stand)) func(*stand) {
	return func(s *stand) {
		s.t.Helper()
		s.global = lines
		play(s)
	}
}

// unhurried is for those who count announcements: a director that was not scheduled
// for three of its intervals announces again.
const unhurried = "version 3\nadvert_int 5\n"

const (
	owner  = "priority 255\n"
	master = "state MASTER\n"
	ip6    = "virtual_ipaddress {\nfe80::100\nfd00::100/64\n}\n"
	noVIPs = "virtual_ipaddress {\n}\n"
)

// fieldCases: every byte of the adverts. RFC 3768 section 5, RFC 9568 section 5.
var fieldCases = []kase{
	{name: "v2 every field", conf: owner, play: hasWords(
		"to=01:00:5e:00:00:12 src=10.0.0.1 dst=224.0.0.18 ttl=255 tos=0xc0 frag=0000 proto=112 ihl=5 " +
			"version=2 type=1 vrid=51 priority=255 count=1 auth=0 int=1 sums=right length=20 addrs=10.0.0.100 data=0000000000000000")},
	{name: "v3 every field", conf: quick + owner, play: hasWords(
		"to=01:00:5e:00:00:12 src=10.0.0.1 dst=224.0.0.18 ttl=255 tos=0xc0 frag=0000 proto=112 ihl=5 " +
			"version=3 type=1 vrid=51 priority=255 count=1 int=10 sums=right length=12 addrs=10.0.0.100 data=")},
	{name: "IPv6 every field", conf: "advert_int 0.1\n" + owner + ip6, play: hasWords(
		"to=33:33:00:00:00:12 dst=ff02::12 ttl=255 class=0xc0 proto=112 " +
			"version=3 type=1 vrid=51 priority=255 count=2 int=10 sums=right length=40 addrs=fe80::100,fd00::100 data=")},
	{name: "IPv6 v2 every field", conf: "version 2\n" + owner + ip6, play: hasWords(
		"dst=ff02::12 ttl=255 version=2 count=2 auth=0 int=1 length=40 data= sums=right")},
	{name: "IPv6 source is link-local", conf: "advert_int 0.1\n" + owner + ip6, play: sourceIsLinkLocal},
	{name: "state MASTER without priority is an owner", conf: quick + master, play: hasWords("priority=255")},
	{name: "without priority it is 100", conf: quick, play: hasWords("priority=100")},
	{name: "advert_int 3", conf: owner + "advert_int 3\n", play: hasWords("int=3")},
	{name: "v2 advert_int 0.5 is 1", conf: owner + "advert_int 0.5\n", play: hasWords("version=2 int=1")},
	{name: "v2 advert_int 1.5 is 2", conf: owner + "advert_int 1.5\n", play: hasWords("int=2")},
	{name: "v2 advert_int 255", conf: owner + "advert_int 255\n", play: hasWords("int=255")},
	{name: "v3 advert_int 0.25", conf: owner + "version 3\nadvert_int 0.25\n", play: hasWords("int=25")},
	{name: "v3 advert_int 0.01", conf: owner + "version 3\nadvert_int 0.01\n", play: hasWords("int=1")},
	{name: "v3 advert_int 1 by default", conf: owner + "version 3\n", play: hasWords("int=100")},
	{name: "v3 advert_int 40.95", conf: owner + "version 3\nadvert_int 40.95\n", play: hasWords("int=4095")},
	{name: "vrrp_version 3", conf: owner, play: withGlobal("vrrp_version 3\n", hasWords("version=3 int=100"))},
	{name: "version overrides vrrp_version", conf: owner + "version 2\n", play: withGlobal("vrrp_version 3\n", hasWords("version=2"))},
	{name: "addresses in the order of the file", conf: quick + owner + "virtual_ipaddress {\n10.0.0.103\n10.0.0.101/24\n10.0.0.102/32\n}\n",
		play: hasWords("count=3 addrs=10.0.0.103,10.0.0.101,10.0.0.102 sums=right")},
	{name: "addresses twice in the file go once", conf: quick + owner + "virtual_ipaddress {\n10.0.0.101\n10.0.0.102\n10.0.0.101\n}\n",
		play:  hasWords("count=2 addrs=10.0.0.101,10.0.0.102"),
		alone: "sends it twice"},
	{name: "excluded addresses are not told", conf: quick + owner + "virtual_ipaddress_excluded {\n10.0.0.110\n}\n", play: hasWords("count=1 addrs=10.0.0.100")},
	{name: "v2 no addresses", conf: owner + noVIPs, play: hasWords("count=0 length=16 sums=right")},
	{name: "v3 no_virtual_ipaddress", conf: quick + owner + "no_virtual_ipaddress\n" + noVIPs, play: hasWords("count=0 length=8 sums=right"),
		alone: "does not know no_virtual_ipaddress, and ends"},
	{name: "200 addresses", conf: quick + owner + "virtual_ipaddress {\n" + addresses("10.0.3.%d", 1, 200) + "}\n", play: hasWords("count=200 length=808 sums=right")},
	{name: "auth_pass", conf: owner + fmt.Sprintf(secret, "PASS"), play: hasWords("auth=1 data=7365637265743132 sums=right")},
	{name: "auth_pass is cut to 8 bytes", conf: owner + strings.Replace(fmt.Sprintf(secret, "PASS"), "secret12", "secret123", 1), play: hasWords("data=7365637265743132")},
	{name: "auth_pass is padded", conf: owner + strings.Replace(fmt.Sprintf(secret, "PASS"), "secret12", "abc", 1), play: hasWords("auth=1 data=6162630000000000")},
	{name: "auth_type AH", conf: owner + fmt.Sprintf(secret, "AH"), play: hasWords(
		"proto=51 ah=70040000 spi=0a000001 seq=1 auth=2 data=0000000000000000", "seq=2 sums=right")},
	{name: "v3 has no authentication", conf: quick + owner + fmt.Sprintf(secret, "PASS"), play: hasWords("version=3 length=12 data= int=10")},
	{name: "virtual_router_id 1", conf: quick + owner + "virtual_router_id 1\n", play: hasWords("vrid=1")},
	{name: "virtual_router_id 255", conf: quick + owner + "virtual_router_id 255\n", play: hasWords("vrid=255")},
	{name: "mcast_src_ip", conf: quick + owner + "mcast_src_ip 10.0.0.77\n", play: hasWords("src=10.0.0.77 sums=right")},
	{name: "mcast_dst_ip", conf: quick + owner + "mcast_dst_ip 224.0.0.99\n", play: hasWords("dst=224.0.0.99 to=01:00:5e:00:00:63 sums=right")},
	{name: "vrrp_mcast_group4", conf: quick + owner, play: withGlobal("vrrp_mcast_group4 224.0.0.98\n", hasWords("dst=224.0.0.98 to=01:00:5e:00:00:62"))},
	{name: "vrrp_mcast_group6", conf: "advert_int 0.1\n" + owner + ip6, play: withGlobal("vrrp_mcast_group6 ff02::98\n", hasWords("dst=ff02::98 to=33:33:00:00:00:98"))},
	{name: "unicast to every peer in order", conf: quick + owner + peers4, play: func(s *stand) {
		s.strangers()
		hasWords("dst=10.0.0.2 ttl=255 sums=right", "dst=10.0.0.9 sums=right", "dst=10.0.0.77 sums=right", "dst=10.0.0.2")(s)
	}},
	{name: "unicast_ttl", conf: quick + owner + peers4 + "unicast_ttl 7\n", play: hasWords("dst=10.0.0.2 ttl=7")},
	{name: "IPv6 unicast hop limit is the kernel's", conf: quick + owner + peers6 + ip6, play: hasWords("dst=fd00::2 ttl=64 src=fd00::1 sums=right")},
	{name: "use_vmac", conf: quick + owner + "use_vmac\n", play: hasWords("from=00:00:5e:00:01:33 src=10.0.0.1")},
	{name: "use_vmac IPv6", conf: quick + owner + "use_vmac\n" + ip6, play: hasWords("from=00:00:5e:00:02:33")},
	{name: "vmac_xmit_base", conf: quick + owner + "use_vmac\nvmac_xmit_base\n", play: sourceIsTheBase},
	{name: "v3_checksum_as_v2", conf: quick + owner + "v3_checksum_as_v2\n", play: plainSum, alone: "does not know v3_checksum_as_v2"},
	{name: "a goodbye differs in its priority only", conf: quick + master + "priority 150\n", play: goodbyeFields},
}

func sourceIsLinkLocal(s *stand) {
	s.master()
	if src, _ := look(s.said(s.begin)[0].Frame).ends(); !src.IsLinkLocalUnicast() {
		s.t.Errorf("source %v", src)
	}
}

func sourceIsTheBase(s *stand) {
	s.master()
	if from := s.said(s.begin)[0].MAC.String(); from != s.d.MAC(lanLink).String() {
		s.t.Errorf("source %s, the base interface has %s", from, s.d.MAC(lanLink))
	}
}

func plainSum(s *stand) {
	s.master()
	if v := look(s.said(s.begin)[0].Frame).v; checksum(v) != 0 {
		s.t.Errorf("the checksum is not over the advert alone: % x", v)
	}
}

func goodbyeFields(s *stand) {
	s.master()
	s.rest(3 * quickInterval)
	s.d.stop()
	var said []netlab.Advert
	s.eventually("the goodbye is seen", func() bool {
		said = s.said(s.begin)
		return said[len(said)-1].Priority == 0
	})
	first, last := look(said[0].Frame), look(said[len(said)-1].Frame)
	want := strings.Replace(first.String(), "priority=150", "priority=0", 1)
	if last.String() != want {
		s.t.Errorf("said last %s, want %s", last, want)
	}
	if n := len(slices.DeleteFunc(said, func(a netlab.Advert) bool { return a.Priority != 0 })); n != 1 {
		s.t.Errorf("%d goodbyes, want one", n)
	}
}
