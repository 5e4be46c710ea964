package vip

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

var testNames = ReadNames(fstest.MapFS{
	"etc/iproute2/rt_tables":                   {Data: []byte("# local\n255 local\n100\tblue # ours\n0x65 red\nbad line here\n")},
	"usr/share/iproute2/rt_tables":             {Data: []byte("7 unseen\n")},
	"usr/share/iproute2/rt_tables.d/more.conf": {Data: []byte("300 more\n301 other\n")},
	"etc/iproute2/rt_tables.d/more.conf":       {Data: []byte("302 more\n")},
	"usr/share/iproute2/rt_dsfield":            {Data: []byte("0x28\tAF11\n")},
	"usr/lib/iproute2/rt_realms":               {Data: []byte("5 paid\n")},
	"etc/iproute2/group":                       {Data: []byte("9 lan\n")},
	"etc/protocols":                            {Data: []byte("# x\nospf 89 OSPFIGP # routing\n")},
}, NameDirs("", "")...)

func TestReadNames(t *testing.T) {
	for _, tt := range []struct {
		table map[string]uint32
		name  string
		want  string
	}{
		{testNames.Tables, "main", "254"}, {testNames.Tables, "blue", "100"}, {testNames.Tables, "red", "101"},
		{testNames.Tables, "unseen", "none"}, {testNames.Tables, "more", "302"}, {testNames.Tables, "other", "none"},
		{testNames.DSFields, "AF11", "40"}, {testNames.Realms, "paid", "5"}, {testNames.Groups, "lan", "9"},
		{testNames.IPProtocols, "OSPFIGP", "89"}, {testNames.IPProtocols, "tcp", "6"}, {testNames.Protocols, "keepalived", "18"},
	} {
		got := "none"
		if v, ok := tt.table[tt.name]; ok {
			got = fmt.Sprint(v)
		}
		if got != tt.want {
			t.Errorf("%s is %s, want %s", tt.name, got, tt.want)
		}
	}
	if n := ReadNames(os.DirFS("/"), NameDirs("", "")...); n.Tables["main"] != 254 {
		t.Errorf("the host's main table is %d", n.Tables["main"])
	}
}

func TestNameDirs(t *testing.T) {
	files := fstest.MapFS{
		"opt/etc/rt_tables":          {Data: []byte("1000 own\n")},
		"opt/etc/group.d/a.conf":     {Data: []byte("7 lan\n")},
		"opt/usr/rt_tables":          {Data: []byte("1001 unseen\n")},
		"opt/usr/rt_protos":          {Data: []byte("99 mine\n")},
		"opt/usr/rt_tables.d/b.conf": {Data: []byte("1002 more\n")},
		"etc/iproute2/rt_tables":     {Data: []byte("1003 unseen\n")},
	}
	n := ReadNames(files, NameDirs("/opt/etc/", "/opt/usr")...)
	if n.Tables["own"] != 1000 || n.Tables["more"] != 1002 || n.Tables["unseen"] != 0 || n.Protocols["mine"] != 99 {
		t.Errorf("tables %v, protocols %v", n.Tables, n.Protocols)
	}
	for word, want := range map[string]uint32{"lan": 7, "0x20": 32, "default": 0} {
		if v, ok := n.Group(word); !ok || v != want {
			t.Errorf("group %s is %d %v", word, v, ok)
		}
	}
	if _, ok := n.Group("wan"); ok {
		t.Error("there is no group wan")
	}
}

func TestParseRoute(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"10.1.0.0/16 via 10.0.0.1", "10.1.0.0/16 via 10.0.0.1"},
		{"via 10.0.0.1 dev eth0 to 10.1.0.0/16", "10.1.0.0/16 via 10.0.0.1 dev eth0"},
		{"inet 10.1.0.0/16 dev eth0", "10.1.0.0/16 dev eth0"},
		{"to blackhole 10.1.0.0/16", "blackhole 10.1.0.0/16"},
		{"to inet6 default via fe80::1 dev eth0", "inet6 default via fe80::1 dev eth0"},
		{"default6 via fe80::1 oif eth0", "inet6 default via fe80::1 dev eth0"},
		{"default via inet6 fe80::1 dev eth0", "inet6 default via fe80::1 dev eth0"},
		{"inet default via inet6 fe80::1 dev eth0", "default via fe80::1 dev eth0"},
		{"any gw 10.0.0.1", "default via 10.0.0.1"},
		{"10.1/16 dev eth0", "10.1.0.0/16 dev eth0"},
		{"10.1.0.0/255.255.0.0 dev eth0", "10.1.0.0/16 dev eth0"},
		{"10.1.0.7 dev eth0", "10.1.0.7/32 dev eth0"},
		{"2001:db8::7/32 dev eth0", "2001:db8::/32 dev eth0"},
		{"10.1.0.0/16 dev eth0 tos AF11 table blue scope link priority 0x10", "10.1.0.0/16 tos 40 table 100 metric 16 scope 253 dev eth0"},
		{"local 10.1.0.1 dev eth0", "local 10.1.0.1/32 dev eth0"},
		{"10.1.0.0/16 dev eth0 rtt 300ms rttvar lock 1.5s rto_min 20", "10.1.0.0/16 rtt 2400 rttvar lock 6000 rto_min lock 20 dev eth0"},
		{"10.1.0.0/16 dev eth0 features ecn congctl lock reno mtu lock 1400", "10.1.0.0/16 mtu lock 1400 features ecn congctl lock reno dev eth0"},
		{"10.1.0.0/16 dev eth0 realms paid/7 no_track protocol bird append", "10.1.0.0/16 protocol 12 realms 5/7 append no_track dev eth0"},
		{"10.1.0.0/16 via 10.0.0.1 or 10.0.0.2", "10.1.0.0/16 nexthop via 10.0.0.1 weight 1 nexthop via 10.0.0.2 weight 1"},
		{"10.1.0.0/16 nexthop via 10.0.0.1 weight 7", "10.1.0.0/16 via 10.0.0.1"},
		{"10.1.0.0/16 nexthop via 10.0.0.1 dev a onlink weight 256 nexthop dev b realms 5",
			"10.1.0.0/16 nexthop via 10.0.0.1 dev a weight 256 onlink nexthop dev b weight 1 realms 5"},
		{"10.1.0.0/16 encap ip dst 1.2.3.4 tos AF11 ttl 9 dev eth0 tos 8", "10.1.0.0/16 tos 8 encap ip id 0 dst 1.2.3.4 tos 40 ttl 9 dev eth0"},
		{"10.1.0.0/16 encap ip6 id 0x10 dst fd00::1 tc 3 hoplimit 4 flags 1 dev eth0", "10.1.0.0/16 encap ip6 id 16 dst fd00::1 tc 3 hoplimit 4 flags 1 dev eth0"},
		{"10.1.0.0/16 encap mpls 100/0x10 via 10.0.0.1", "10.1.0.0/16 encap mpls 100/16 via 10.0.0.1"},
		{"fd01::/64 encap ila 1:2:3:ffff via fd00::1", "fd01::/64 encap ila 1:2:3:ffff via fd00::1"},
		{"fd01::/64 from fd02::/64 dev eth0 expires 9 pref low ttl-propagate enabled", "fd01::/64 from fd02::/64 expires 9 pref low ttl-propagate enabled dev eth0"},
		{"10.1.0.0/16 vrf red dev eth0 track_group G add", "10.1.0.0/16 vrf red add track_group G dev eth0"},
	} {
		r, err := ParseRoute(strings.Fields(tt.line), testNames)
		if err != nil || r.String() != tt.want {
			t.Errorf("%s\n got %s, %v\nwant %s", tt.line, r, err, tt.want)
		}
	}
}

func TestParseRouteErrors(t *testing.T) {
	for _, tt := range []struct{ line, word, why string }{
		{"", "", "no destination"},
		{"dev eth0", "", "no destination"},
		{"10.1.0.0/16 dev eth0 mteric 5", "mteric", "unknown word 'mteric' (did you mean 'metric'?)"},
		{"10.1.0.0/16 dev eth0 metric", "", "'metric' needs something behind it"},
		{"10.1.0.0/16 dev eth0 metric five", "five", "'metric five': a number between 0 and 4294967295"},
		{"10.1.0.0/16 dev eth0 metric 4294967296", "4294967296", "a number between"},
		{"10.1.0.0/16 dev eth0 hoplimit 256", "256", "between 0 and 255"},
		{"10.1.0.0/16 dev eth0 table bleu", "bleu", "'bleu' is no routing table: neither a name of this host nor a number up to 4294967295 (did you mean 'blue'?)"},
		{"10.1.0.1/16 dev eth0", "10.1.0.1/16", "(did you mean '10.1.0.0/16'?)"},
		{"10.1.0.0/33 dev eth0", "10.1.0.0/33", "prefix length between 0 and 32"},
		{"10.1.0.0/16 10.2.0.0/16 dev eth0", "10.2.0.0/16", "unknown word"},
		{"10.1.0.0/16", "", "needs 'via ADDRESS' or 'dev INTERFACE'"},
		{"blackhole 10.1.0.0/16 dev eth0", "10.1.0.0/16", "a blackhole route goes nowhere"},
		{"10.1.0.0/16 via here", "here", "'via here': an IPv4 or IPv6 address"},
		{"10.1.0.0/16 via inet fd00::1", "fd00::1", "an IPv4 address"},
		{"fd01::/64 via 10.0.0.1", "fd01::/64", "neither an IPv4 gateway"},
		{"inet6 10.1.0.0/16 dev eth0", "10.1.0.0/16", "not of the family"},
		{"10.1.0.0/16 dev eth0 src fd00::1", "10.1.0.0/16", "different families"},
		{"10.1.0.0/16 dev eth0 from 10.2.0.0/16", "10.2.0.0/16", "use a rule"},
		{"fd01::/64 dev eth0 realms 5", "fd01::/64", "only IPv4 routes"},
		{"10.1.0.0/16 dev eth0 expires 5", "10.1.0.0/16", "only IPv6 routes"},
		{"10.1.0.0/16 dev a-name-that-is-too-long", "a-name-that-is-too-long", "cannot be the name"},
		{"10.1.0.0/16 dev eth0 features ecm", "ecm", "(did you mean 'ecn'?)"},
		{"10.1.0.0/16 dev eth0 rtt 5y", "5y", "a time like"},
		{"10.1.0.0/16 dev eth0 nexthop via 10.0.0.1", "10.1.0.0/16", "belong behind each"},
		{"10.1.0.0/16 nexthop weight 3", "nexthop", "needs 'via ADDRESS'"},
		{"10.1.0.0/16 nexthop via 10.0.0.1 weight 0", "0", "between 1 and 256"},
		{"10.1.0.0/16 nexthop via 10.0.0.1 metric 5", "metric", "unknown word"},
		{"10.1.0.0/16 encap gre dst 1.2.3.4 dev eth0", "gre", "unknown encapsulation"},
		{"10.1.0.0/16 encap ip ttl 4 dev eth0", "ip", "needs 'dst ADDRESS'"},
		{"10.1.0.0/16 encap ip dst fd00::1 dev eth0", "ip", "another family"},
		{"10.1.0.0/16 encap mpls 1048576 dev eth0", "1048576", "labels below"},
		{"10.1.0.0/16 encap ila 1:2:3 dev eth0", "1:2:3", "four groups"},
		{"10.1.0.0/16 via 10.0.0.1 track_group G", "10.1.0.0/16", "'track_group' needs 'dev'"},
		{"10.1.0.0/16 as to 5", "as", "MPLS"},
	} {
		_, err := ParseRoute(strings.Fields(tt.line), testNames)
		checkError(t, tt.line, err, tt.word, tt.why)
	}
}

func checkError(t *testing.T, line string, err error, word, why string) {
	t.Helper()
	var e *LineError
	if !errors.As(err, &e) {
		t.Errorf("%s: got %v", line, err)
		return
	}
	if e.Word != word || !strings.Contains(e.Error(), why) {
		t.Errorf("%s:\n got %q: %v\nwant %q: %s", line, e.Word, e, word, why)
	}
	words := strings.Fields(line)
	if at := e.At; at < len(words) && words[at] != word || word == "" && at != len(words) {
		t.Errorf("%s: place %d", line, at)
	}
}

func TestParseRule(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"from 10.1.0.0/16 table blue", "from 10.1.0.0/16 table 100"},
		{"inet from 10.1.0.0/16 lookup 7", "from 10.1.0.0/16 table 7"},
		{"inet6 fwmark 9 table 7", "inet6 from all fwmark 0x9 table 7"},
		{"from fd00::/16 to all table 7", "inet6 from fd00::/16 table 7"},
		{"not to 10.1.0.1/16 type unreachable pref 5", "not from all to 10.1.0.1/16 preference 5 unreachable"},
		{"fwmark 24/12 iif a oif b tos 16 order 39 goto 40", "from all tos 0x10 fwmark 0x18/0xc iif a oif b preference 39 goto 40"},
		{"from 10.1.0.0/16 realms 30/20 table main suppress_prefixlength 3 sup_group lan", "from 10.1.0.0/16 table 254 realms 30/20 suppress_prefixlength 3 suppress_ifgroup 9"},
		{"to 10.1.0.0/16 uidrange 5-10 ipproto TCP sport 80 dport 80-90 table 7", "from all to 10.1.0.0/16 uidrange 5-10 ipproto 6 sport 80-80 dport 80-90 table 7"},
		{"tunnel-id 5 l3mdev protocol bird no_track", "from all tunnel-id 5 protocol 12 l3mdev no_track"},
		{"dev eth0 nop track_group G", "from all iif eth0 nop track_group G"},
	} {
		r, err := ParseRule(strings.Fields(tt.line), testNames)
		if err != nil || r.String() != tt.want {
			t.Errorf("%s\n got %s, %v\nwant %s", tt.line, r, err, tt.want)
		}
	}
}

func TestParseRuleErrors(t *testing.T) {
	for _, tt := range []struct{ line, word, why string }{
		{"from 10.1.0.0/16", "", "says not what to do"},
		{"form 10.1.0.0/16 table 7", "form", "(did you mean 'from'?)"},
		{"from 10.1.0.0/16 to fd00::/16 table 7", "fd00::/16", "another family"},
		{"from 10.1.0.0/16 table 7 blackhole", "blackhole", "the action 'table' already"},
		{"from 10.1.0.0/16 table 0", "0", "table 0"},
		{"from 10.1.0.0/16 goto 5", "", "a preference of its own"},
		{"from 10.1.0.0/16 pref 9 goto 5", "5", "must go behind"},
		{"from 10.1.0.0/16 nop suppress_prefixlength 5", "", "need 'table TABLE'"},
		{"from fd00::/16 realms 5 table 7", "", "only IPv4"},
		{"from 10.1.0.0/16 sport 90-80 table 7", "90-80", "a range like"},
		{"from 10.1.0.0/16 sport 0 table 7", "0", "a port lies"},
		{"from 10.1.0.0/16 fwmark x table 7", "x", "NUMBER/MASK"},
		{"from 10.1.0.0/16 ipproto tpc table 7", "tpc", "(did you mean 'tcp'?)"},
		{"from 10.1.0.0/16 type table 7", "table", "is wanted"},
		{"table 7 track_group G", "", "needs 'iif'"},
	} {
		_, err := ParseRule(strings.Fields(tt.line), testNames)
		checkError(t, tt.line, err, tt.word, tt.why)
	}
}

// vocabulary is what lines are drawn from: all words, and values for them.
func vocabulary() []string {
	words := []string{"10.1.0.0/16", "fd01::/64", "10.0.0.1", "fe80::1", "eth0", "5", "7", "10-20", "lock", "100/200", "1:2:3:4", "default", "all",
		"300ms", "ecn", "enabled", "high", "ip", "ip6", "mpls", "ila", "dst", "id", "ttl", "weight", "main", "G"}
	for _, table := range []map[string]func(*line, *routeDraft) error{routeWords} {
		for w := range table {
			words = append(words, w)
		}
	}
	for w := range ruleWords {
		words = append(words, w)
	}
	for w := range routeTypes {
		words = append(words, w)
	}
	return words
}

func TestWhatParsesReadsBack(t *testing.T) {
	parsed := 0
	rapid.Check(t, func(t *rapid.T) {
		words := append([]string{rapid.SampledFrom([]string{"10.1.0.0/16", "fd01::/64", "table"}).Draw(t, "first"),
			rapid.SampledFrom([]string{"dev", "via", "5"}).Draw(t, "second"), rapid.SampledFrom([]string{"eth0", "10.0.0.1", "from"}).Draw(t, "third")},
			rapid.SliceOfN(rapid.SampledFrom(vocabulary()), 0, 8).Draw(t, "rest")...)
		if r, err := ParseRoute(words, testNames); err == nil {
			parsed++
			again, err := ParseRoute(strings.Fields(r.String()), testNames)
			if err != nil || !reflect.DeepEqual(r, again) || !r.StandsAs(again) && r.Key() == again.Key() {
				t.Fatalf("%v\nis   %+v\nthen %+v, %v", words, r, again, err)
			}
		}
		if r, err := ParseRule(words, testNames); err == nil {
			again, err := ParseRule(strings.Fields(r.String()), testNames)
			if err != nil || r != again {
				t.Fatalf("%v\nis   %+v\nthen %+v, %v", words, r, again, err)
			}
		}
	})
	if parsed == 0 {
		t.Error("no line was a route")
	}
}

// routes draws routes of every option, by their own words.
func routes() *rapid.Generator[Route] {
	return rapid.Custom(func(t *rapid.T) Route {
		six := rapid.Bool().Draw(t, "six")
		words := []string{"10.1.0.0/16", "10.2.0.0/16", "default"}
		hops := []string{"via 10.0.0.1", "dev eth0", "via 10.0.0.1 dev eth0 onlink", "encap ip dst 1.2.3.4 dev eth0", "encap mpls 5 via 10.0.0.1",
			"nexthop via 10.0.0.1 weight 3 nexthop via 10.0.0.2 dev eth0 realms 3/4"}
		options := []string{"metric 5", "table 7", "tos 8", "realms 5/6", "scope 200", "mtu lock 1400", "rtt 1s", "rto_min 20ms", "features ecn", "congctl reno", "append", "no_track", "vrf red"}
		if six {
			words = []string{"fd01::/64", "fd02::/64", "inet6 default"}
			hops = []string{"via fd00::1", "dev eth0", "nexthop via fd00::1 weight 2 nexthop via fd00::2", "encap ip6 id 4 dst fd00::1 dev eth0", "encap ila 1:2:3:4 via fd00::1"}
			options = []string{"metric 5", "table 7", "from fd05::/64", "expires 9", "pref high", "advmss 1300", "quickack 1", "add", "protocol 4"}
		}
		line := rapid.SampledFrom(words).Draw(t, "dst")
		for _, o := range rapid.SliceOfNDistinct(rapid.SampledFrom(options), 0, 4, rapid.ID[string]).Draw(t, "options") {
			line += " " + o
		}
		r, err := ParseRoute(strings.Fields(line+" "+rapid.SampledFrom(hops).Draw(t, "hops")), testNames)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return r
	})
}

func TestRoutesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := routes().Draw(t, "route")
		again, err := ParseRoute(strings.Fields(r.String()), testNames)
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%s\nbecomes %+v, %v", r, again, err)
		}
		if !r.StandsAs(r) {
			t.Fatalf("%s does not stand as itself", r)
		}
	})
}

func TestDiffRoutesLeadsFromHaveToWant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(routes(), 0, 8)
		have, want := list.Draw(t, "have"), list.Draw(t, "want")
		remove, add := DiffRoutes(have, want)
		stand := make(map[string]bool)
		for _, r := range have {
			stand[r.String()] = true
		}
		for _, r := range remove {
			if !stand[r.String()] {
				t.Fatalf("removes %s, which does not stand", r)
			}
			delete(stand, r.String())
		}
		for _, r := range add {
			if stand[r.String()] {
				t.Fatalf("adds %s, which stands", r)
			}
			stand[r.String()] = true
		}
		if !reflect.DeepEqual(stand, keys(want, Route.String)) {
			t.Fatalf("got %v, want %v", stand, want)
		}
	})
}

func TestDiffRules(t *testing.T) {
	a, b, c := Rule{Preference: 1}, Rule{Preference: 2}, Rule{Preference: 3}
	remove, add := DiffRules([]Rule{a, b, c, a}, []Rule{c, {Preference: 4}, {Preference: 4}})
	if fmt.Sprint(preferences(remove), preferences(add)) != "[1 2] [4]" {
		t.Errorf("removes %v, adds %v", preferences(remove), preferences(add))
	}
}

func preferences(rules []Rule) (out []int64) {
	for _, r := range rules {
		out = append(out, r.Preference)
	}
	return out
}

func TestNumberRules(t *testing.T) {
	first := []Rule{{Preference: -1}, {Preference: 16383}, {Preference: -1, IPv6: true}}
	second := []Rule{{Preference: -1}, {Preference: -1, IPv6: true}, {Preference: 0}}
	NumberRules(first, second)
	if got := fmt.Sprint(preferences(first), preferences(second)); got != "[16384 16383 16384] [16382 16383 0]" {
		t.Errorf("got %s", got)
	}
}

func TestStandsAs(t *testing.T) {
	parse := func(line string) Route {
		r, err := ParseRoute(strings.Fields(line), testNames)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, tt := range []struct {
		wanted, stands string
		want           bool
	}{
		{"10.1.0.0/16 via 10.0.0.1", "10.1.0.0/16 via 10.0.0.1 dev eth0", true},
		{"10.1.0.0/16 via 10.0.0.1 dev eth1", "10.1.0.0/16 via 10.0.0.1 dev eth0", false},
		{"10.1.0.0/16 via 10.0.0.1", "10.1.0.0/16 via 10.0.0.2 dev eth0", false},
		{"10.1.0.0/16 via 10.0.0.1 mtu 1400", "10.1.0.0/16 via 10.0.0.1 dev eth0", false},
		{"10.1.0.0/16 dev eth0 scope link", "10.1.0.0/16 dev eth0", false},
		{"fd01::/64 via fd00::1", "fd01::/64 via fd00::1 dev eth0 metric 1024", true},
		{"fd01::/64 via fd00::1 metric 5", "fd01::/64 via fd00::1 dev eth0 metric 1024", false},
		{"fd01::/64 via fd00::1 expires 100", "fd01::/64 via fd00::1 dev eth0 expires 99", true},
		{"fd01::/64 via fd00::1", "fd01::/64 nexthop via fd00::1 dev a weight 1 nexthop via fd00::2 dev a weight 1", true},
		{"10.1.0.0/16 nexthop via 10.0.0.1 weight 2 nexthop via 10.0.0.2", "10.1.0.0/16 nexthop via 10.0.0.1 dev a weight 2 nexthop via 10.0.0.2 dev a", true},
		{"10.1.0.0/16 nexthop via 10.0.0.1 weight 2 nexthop via 10.0.0.2", "10.1.0.0/16 nexthop via 10.0.0.1 dev a weight 3 nexthop via 10.0.0.2 dev a", false},
		{"10.1.0.0/16 nexthop via 10.0.0.1 nexthop via 10.0.0.2", "10.1.0.0/16 via 10.0.0.1 dev a", false},
	} {
		if got := parse(tt.wanted).StandsAs(parse(tt.stands)); got != tt.want {
			t.Errorf("%s as %s: %v", tt.wanted, tt.stands, got)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add("10.1.0.0/16 nexthop via 10.0.0.1 encap ip dst 1.2.3.4 weight 5")
	f.Add("not from fd00::/8 fwmark 1/2 sport 5-6 goto 9 pref 4")
	f.Fuzz(func(t *testing.T, s string) {
		words := strings.Fields(s)
		_, err := ParseRoute(words, testNames)
		_, err2 := ParseRule(words, testNames)
		for _, err := range []error{err, err2} {
			var e *LineError
			if err != nil && (!errors.As(err, &e) || e.At < 0 || e.At > len(words)) {
				t.Errorf("%q: %v", words, err)
			}
		}
	})
}

func BenchmarkRouteString(b *testing.B) {
	r, err := ParseRoute(strings.Fields("10.1.0.0/16 via 10.0.0.1 table 100"), testNames)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		_ = r.String()
	}
}
