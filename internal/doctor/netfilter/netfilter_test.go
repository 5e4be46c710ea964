package netfilter

import (
	"encoding/binary"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/nftables/expr"

	"keepgo/internal/netlab/testns"
)

// advert is what a router at 10.0.0.2 sends.
func advert() *Packet {
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, 255, 112
	copy(h[12:], netip.MustParseAddr("10.0.0.2").AsSlice())
	copy(h[16:], netip.MustParseAddr("224.0.0.18").AsSlice())
	return &Packet{Link: "eth0", Index: 7, Protocol: 112, Header: h, Group: true}
}

// inNamespace lets the test have a network namespace of its own, and nft in it.
func inNamespace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft: apt-get install nftables")
	}
	testns.Enter(t)
}

// TestRules are rulesets that the kernel has, written by nft.
func TestRules(t *testing.T) {
	const input = "table inet f {\n%s\nchain input {\ntype filter hook input priority 0; policy %p;\n%r\n}\n}\n"
	for _, tt := range []struct {
		name, sets, policy, rules string
		want                      string // "", or the rule that drops
		unsure                    bool
	}{
		{"nothing", "", "accept", "", "", false},
		{"policy", "", "drop", "", "policy drop", false},
		{"let in by number", "", "drop", "meta l4proto 112 accept", "", false},
		{"let in by the header", "", "drop", "ip protocol vrrp accept", "", false},
		{"let in by group", "", "drop", "ip daddr 224.0.0.0/8 accept", "", false},
		{"let in by link", "", "drop", `iifname "eth0" accept`, "", false},
		{"let in by a part of the link", "", "drop", `iifname "eth*" accept`, "", false},
		{"let in on another link", "", "drop", `iifname "eth1" accept`, "policy drop", false},
		{"let in in a set", "", "drop", "ip protocol { icmp, 112 } accept", "", false},
		{"let in in a range", "", "drop", "ip saddr { 10.0.0.0/24, 192.0.2.1 } accept", "", false},
		{"not in the range", "", "drop", "ip saddr { 10.0.1.0/24, 192.0.2.1 } accept", "policy drop", false},
		{"in a named set", "set peers {\ntype ipv4_addr\nelements = { 10.0.0.2 }\n}", "drop", "ip saddr @peers accept", "", false},
		{"answers only", "", "drop", "ct state established,related accept\niif lo accept\ntcp dport 22 accept", "policy drop", false},
		{"new ones", "", "drop", "ct state { new, established } accept", "", false},
		{"dropped", "", "accept", "ip protocol 112 drop", "ip protocol vrrp drop", false},
		{"dropped by group", "", "accept", "counter ip daddr 224.0.0.18 log drop", "ip daddr 224.0.0.18", false},
		{"rejected", "", "accept", "meta l4proto != { tcp, udp, icmp } reject", "meta l4proto != {", false},
		{"other family", "", "drop", "meta nfproto ipv6 accept", "policy drop", false},
		{"of another", "", "accept", "ip saddr 10.0.0.3 drop", "", false},
		{"by size", "", "drop", "meta mark 5 accept", "policy drop", true},
		{"by pace", "", "drop", "ip protocol 112 limit rate 5/second accept", "policy drop", true},
		{"perhaps dropped", "", "accept", "meta mark 5 drop", "", false},
		{"jump", "chain vrrp {\nip saddr 10.0.0.2 accept\n}", "drop", "ip protocol 112 jump vrrp", "", false},
		{"jump and back", "chain vrrp {\nip saddr 10.0.0.3 accept\n}", "drop", "ip protocol 112 jump vrrp\nip ttl 255 accept", "", false},
		{"goto", "chain vrrp {\nip saddr 10.0.0.3 accept\n}", "drop", "ip protocol 112 goto vrrp\naccept", "policy drop", false},
		{"verdict map", "", "accept", "ip protocol vmap { tcp : accept, 112 : drop }", "vmap", false},
		{"zones", "chain public {\nip protocol tcp accept\nreject\n}", "accept", `iifname vmap { "eth0" : goto public, "lo" : accept }`, "reject", false},
		{"zone of another link", "chain public {\nreject\n}", "accept", `iifname vmap { "eth1" : goto public, "lo" : accept }`, "", false},
		{"pkttype", "", "accept", "meta pkttype multicast drop", "meta pkttype multicast", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inNamespace(t)
			text := strings.NewReplacer("%s", tt.sets, "%p", tt.policy, "%r", tt.rules).Replace(input)
			cmd := exec.Command("nft", "-f", "-")
			cmd.Stdin = strings.NewReader(text)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			r, err := Read(false)
			if err != nil {
				t.Fatal(err)
			}
			v := r.Judge(advert())
			if v.Drops != (tt.want != "") || !strings.Contains(v.Rule, tt.want) || v.Unsure != tt.unsure {
				t.Errorf("%+v, want %q, unsure %v", v, tt.want, tt.unsure)
			}
			if v.Drops && v.Where != "nftables inet f input" && tt.name != "zones" {
				t.Errorf("where: %s", v.Where)
			}
		})
	}
}

func TestFirstHookFirst(t *testing.T) {
	inNamespace(t)
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(`
table ip late {
	chain in {
		type filter hook input priority -300
		ip protocol 112 drop
	}
}
table ip early {
	chain pre {
		type filter hook prerouting priority 300
		ip protocol 112 drop
	}
}
table ip6 other {
	chain pre {
		type filter hook prerouting priority 0; policy drop
	}
}
table ip way {
	chain out {
		type filter hook output priority 0; policy drop
	}
}`)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := Read(false)
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Judge(advert()); v.Where != "nftables ip early pre" {
		t.Errorf("%+v", v)
	}
}

// entry is an ipt_entry with the standard target.
func entry(source, link string, protocol uint16, inverted byte, verdict int32) []byte {
	e := make([]byte, 112+40)
	if source != "" {
		p := netip.MustParsePrefix(source)
		copy(e, p.Addr().AsSlice())
		binary.BigEndian.PutUint32(e[8:], ^uint32(0)<<(32-p.Bits()))
	}
	copy(e[16:], link)
	for i := range link {
		e[48+i] = 0xff
	}
	binary.NativeEndian.PutUint16(e[80:], protocol)
	e[83] = inverted
	binary.NativeEndian.PutUint16(e[88:], 112)
	binary.NativeEndian.PutUint16(e[90:], uint16(len(e)))
	binary.NativeEndian.PutUint16(e[112:], 40)
	binary.NativeEndian.PutUint32(e[144:], uint32(verdict))
	return e
}

// chainHead is the entry before a chain of the user's.
func chainHead(name string) []byte {
	e := append(entry("", "", 0, 0, 0), make([]byte, 24)...)
	binary.NativeEndian.PutUint16(e[90:], uint16(len(e)))
	copy(e[114:], errorTarget)
	copy(e[144:], name)
	return e
}

func TestLegacyTable(t *testing.T) {
	const size = 152
	for _, tt := range []struct {
		name  string
		rules [][]byte
		want  string
	}{
		{"protocol", [][]byte{entry("", "", 6, 0, legacyDrop), entry("", "", 112, 0, legacyDrop)}, "rule 2"},
		{"all others", [][]byte{entry("", "", 112, 0x40, legacyDrop)}, ""},
		{"source", [][]byte{entry("10.0.0.0/24", "", 0, 0, legacyAccept), entry("", "", 112, 0, legacyDrop)}, ""},
		{"other source", [][]byte{entry("10.0.1.0/24", "", 0, 0, legacyAccept), entry("", "", 112, 0, legacyDrop)}, "rule 2"},
		{"link", [][]byte{entry("", "eth", 0, 0, legacyAccept), entry("", "", 0, 0, legacyDrop)}, ""},
		{"not the link", [][]byte{entry("", "eth", 0, 1, legacyAccept), entry("", "", 0, 0, legacyDrop)}, "rule 2"},
		{"return", [][]byte{entry("", "", 0, 0, legacyReturn), entry("", "", 0, 0, legacyDrop)}, "return"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var blob []byte
			for _, e := range tt.rules {
				blob = append(blob, e...)
			}
			info := legacyInfo{hooks: [5]int{-1, 0, -1, -1, -1}, policies: [5]int{-1, len(blob), -1, -1, -1}}
			blob = append(blob, entry("", "", 0, 0, legacyAccept)...)
			blob = append(blob, chainHead(errorTarget)...)
			r := newRuleset()
			if err := legacyFamilies[false].parse(r, blob, info, "filter", 2); err != nil {
				t.Fatal(err)
			}
			if tt.want == "return" { // leaves the chain, whose policy lets it in
				tt.want = ""
			}
			if v := r.Judge(advert()); v.Rule != tt.want || v.Drops != (tt.want != "") {
				t.Errorf("%+v", v)
			}
		})
	}
	// INPUT: jump to the user's chain, which drops; policy. OUTPUT: policy.
	blob := entry("", "", 112, 0, 4*size+24)
	blob = append(blob, entry("", "", 0, 0, legacyDrop)...)
	blob = append(blob, entry("", "", 0, 0, legacyAccept)...)
	blob = append(blob, chainHead("vrrp")...)
	blob = append(blob, entry("10.0.0.2/32", "", 0, 0, legacyAccept)...)
	blob = append(blob, entry("", "", 0, 0, legacyReturn)...)
	blob = append(blob, chainHead(errorTarget)...)
	info := legacyInfo{hooks: [5]int{-1, 0, -1, 2 * size, -1}, policies: [5]int{-1, size, -1, 2 * size, -1}}
	r := newRuleset()
	if err := legacyFamilies[false].parse(r, blob, info, "filter", 2); err != nil {
		t.Fatal(err)
	}
	if v := r.Judge(advert()); v.Drops {
		t.Errorf("let in by the user's chain: %+v", v)
	}
	other := advert()
	copy(other.Header[12:], []byte{10, 0, 0, 3})
	if v := r.Judge(other); !v.Drops || v.Rule != "policy drop" || v.Where != "iptables (legacy) filter INPUT" {
		t.Errorf("%+v", v)
	}
}

func FuzzLegacy(f *testing.F) {
	f.Add(append(entry("10.0.0.2/32", "eth", 112, 0, legacyDrop), chainHead("x")...))
	f.Fuzz(func(t *testing.T, blob []byte) {
		for six, family := range legacyFamilies {
			r := newRuleset()
			if family.parse(r, blob, legacyInfo{hooks: [5]int{-1, 0, -1, -1, -1}}, "filter", 0) == nil {
				p := advert()
				p.IPv6 = six
				r.Judge(p)
			}
		}
	})
}

// TestRegistersOverlap: four small registers are one large one.
func TestRegistersOverlap(t *testing.T) {
	m := machine{walk: &walk{packet: advert()}}
	m.load(8, []byte{1, 2, 3, 4})
	m.load(9, []byte{5, 6, 7, 8})
	if v := m.value(1, 8); string(v) != "\x01\x02\x03\x04\x05\x06\x07\x08" {
		t.Errorf("value %x", v)
	}
	if m.value(1, 9) != nil || m.value(99, 1) != nil {
		t.Error("what was never loaded is known")
	}
	m.load(9, nil)
	if m.value(1, 8) != nil {
		t.Error("what nobody knows is known")
	}
	m.step(&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{1, 2, 3, 4}})
	if m.match == maybe {
		t.Error("the known part is not")
	}
}
