package integration

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"keepgo/internal/netlab"
)

// dialect is a configuration of which every frame that leaves is compared with
// what keepalived sends for it.
type dialect struct {
	name     string
	global   string
	instance string // beside interface, virtual_router_id and state
	vips     string // 10.0.0.100 if it says nothing
	peers    int    // of unicast
	forward  bool   // the host is a router: neighbour advertisements say so

	// as makes of keepalived's frame what a later version sends, where 2.2.7
	// does not know the keyword.
	as func(frame []byte)
}

const (
	secret   = "authentication {\nauth_type %s\nauth_pass secret12\n}\n"
	peers4   = "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n10.0.0.9\n10.0.0.77\n}\n"
	peers6   = "unicast_src_ip fd00::1\nunicast_peer {\nfd00::2\nfd00::9\nfd00::77\n}\n"
	six      = "fe80::100\nfd00::100/64"
	nobody   = " "                           // no addresses
	quickly  = "version 3\nadvert_int 0.5\n" // who is not scheduled for three of them announces again
	twoBusts = "garp_master_delay 1\ngarp_master_repeat 2\n"
)

var dialects = []dialect{
	{name: "v2", instance: "version 2\n"},
	{name: "v2 advert_int 2", instance: "advert_int 2\n"},
	{name: "v2 PASS", instance: fmt.Sprintf(secret, "PASS")},
	{name: "v2 PASS of 3 bytes", instance: "authentication {\nauth_type PASS\nauth_pass abc\n}\n"},
	{name: "v2 AH", instance: fmt.Sprintf(secret, "AH")},
	{name: "v2 owner", instance: "priority 255\n"},
	{name: "v2 unicast", instance: peers4, peers: 3},
	{name: "v2 unicast PASS", instance: peers4 + fmt.Sprintf(secret, "PASS"), peers: 3},
	{name: "v2 unicast AH", instance: peers4 + fmt.Sprintf(secret, "AH"), peers: 3},
	{name: "v2 unicast_ttl", instance: peers4 + "unicast_ttl 64\n", peers: 3},
	{name: "v2 IPv6", instance: "version 2\n", vips: six},
	{name: "v2 IPv6 unicast", instance: "version 2\n" + peers6, vips: six, peers: 3},
	{name: "v2 many addresses", vips: addresses("10.0.0.%d/24", 101, 70)},
	{name: "v2 255 addresses", vips: addresses("10.0.2.%d", 0, 255)},
	{name: "v2 no addresses", vips: nobody},
	{name: "v2 mcast_src_ip", instance: "mcast_src_ip 10.0.0.1\n"},
	{name: "v2 mcast_dst_ip", instance: "mcast_dst_ip 224.0.0.77\n"},
	{name: "v3", instance: quickly},
	{name: "v3 advert_int 1", instance: "version 3\nadvert_int 1\n"},
	{name: "v3 unicast", instance: quickly + peers4, peers: 3},
	{name: "v3 old_unicast_checksum", instance: quickly + peers4 + "old_unicast_checksum\n", peers: 3},
	{name: "v3 v3_checksum_as_v2", instance: quickly + "v3_checksum_as_v2\n", as: plainChecksum},
	{name: "v3 many addresses", instance: quickly, vips: addresses("10.0.0.%d/24", 101, 70)},
	{name: "v3 excluded addresses", instance: quickly + "virtual_ipaddress_excluded {\n10.0.0.200\nfd00::200\n}\n"},
	{name: "v3 IPv6", instance: quickly, vips: six},
	{name: "v3 IPv6 of a router", instance: quickly, vips: six, forward: true},
	{name: "v3 IPv6 unicast", instance: quickly + peers6, vips: six, peers: 3},
	{name: "v3 IPv6 unicast_ttl", instance: quickly + peers6 + "unicast_ttl 64\n", vips: six, peers: 3},
	{name: "v3 IPv6 many addresses", instance: quickly, vips: "fe80::100\n" + addresses("fd00::%x/64", 0x100, 60)},
	{name: "v3 VMAC unicast", instance: quickly + "use_vmac\nvmac_xmit_base\n" + peers4, peers: 3},
	{name: "v2 VMAC", instance: "use_vmac\n"},
	{name: "v3 VMAC", instance: quickly + "use_vmac\n"},
	{name: "v3 VMAC vmac_xmit_base", instance: quickly + "use_vmac\nvmac_xmit_base\n"},
	{name: "v3 VMAC IPv6", instance: quickly + "use_vmac\n", vips: six},
	{name: "v3 VMAC IPv6 vmac_xmit_base", instance: quickly + "use_vmac\nvmac_xmit_base\n", vips: six},
}

func addresses(format string, first, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+"\n", first+i)
	}
	return b.String()
}

// TestFrames: for the same configuration every frame, from the Ethernet header
// to its end, is the one that keepalived sends, in the same order.
func TestFrames(t *testing.T) {
	for _, d := range dialects {
		t.Run(strings.ReplaceAll(d.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, theirs, ours)
			w.strangers()
			if d.forward {
				w.do(w.a.Sysctl("net/ipv6/conf/all/forwarding", "1"))
			}
			want := w.speech(w.a, &d)
			if d.as != nil {
				for _, frame := range slices.Concat(want.adverts, want.last) {
					d.as(frame)
				}
			}
			w.a.daemon = ours
			got := w.speech(w.a, &d)
			sameFrames(t, "adverts", got.adverts, want.adverts)
			// ARP and neighbour discovery go by lanes of their own, each with its own
			// spacing: which comes first does not count.
			for name, kind := range map[string]func([]byte) bool{"ARP": isARP, "neighbour advertisements": isIPv6} {
				sameFrames(t, name, only(kind, got.announced), only(kind, want.announced))
			}
			sameFrames(t, "last words", got.last, want.last)
			agreesWithTCPDump(t, slices.Concat(got.adverts, got.last))
		})
	}
}

// strangers are unicast peers that do not exist, at addresses that need not be
// asked for.
func (w *world) strangers() {
	w.t.Helper()
	l := must(w.a.Netlink().LinkByName(lanLink))(w.t)
	for _, n := range []int{9, 77} {
		for _, ipv6 := range []bool{false, true} {
			ip := hostAddr(0, ipv6, n)
			if n == 77 && ipv6 {
				ip = netip.MustParseAddr("fd00::77")
			}
			w.do(w.a.Netlink().NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT,
				IP: ip.AsSlice(), HardwareAddr: w.client.MAC(lanLink)}))
		}
	}
}

// speech is what a director says from its start to its stop.
type speech struct {
	adverts, announced, last [][]byte
}

// rounds is how many adverts are compared.
const rounds = 3

// speech runs a director until it has said all that is to be compared.
func (w *world) speech(d *director, k *dialect) (s speech) {
	w.t.Helper()
	d.configure(k.conf())
	begin, peers := time.Now(), max(1, k.peers)
	d.start()
	var last []netlab.Advert
	w.eventually(string(d.daemon)+" speaks", func() bool { return len(d.speaks(begin)) >= rounds*peers })
	s.adverts = framesOf(d.speaks(begin)[:rounds*peers])
	w.eventually(fmt.Sprintf("%s announces its addresses twice, %d times", d.daemon, k.announcements()), func() bool {
		s.announced = w.announcements(d, begin)
		return len(s.announced) >= k.announcements()
	})
	d.stop()
	for _, a := range w.sniff.Adverts(begin) {
		if a.From == d.Host && a.Priority == 0 {
			last = append(last, a)
		}
	}
	s.announced, s.last = w.announcements(d, begin), framesOf(last)
	return s
}

func framesOf(adverts []netlab.Advert) (frames [][]byte) {
	for _, a := range adverts {
		frames = append(frames, a.Frame)
	}
	return frames
}

// announcements are the gratuitous ARP packets and unsolicited advertisements
// of virtual addresses. The kernel sends others, for addresses of its own.
func (w *world) announcements(d *director, since time.Time) (frames [][]byte) {
	for _, a := range w.sniff.ARPs(since) {
		own := slices.ContainsFunc([]string{"10.0.0.1", "fd00::1"}, func(s string) bool { return s == a.Sender.String() })
		auto := a.Sender.IsLinkLocalUnicast() && a.Sender != netip.MustParseAddr("fe80::100")
		if a.From == d.Host && a.Gratuitous() && !own && !auto {
			frames = append(frames, a.Frame)
		}
	}
	return frames
}

// announcements are two bursts of two for every address.
func (k *dialect) announcements() int {
	n := len(strings.Fields(strings.ReplaceAll(k.addresses(), "/24", "")))
	if strings.Contains(k.instance, "excluded") {
		n += 2
	}
	return 2 * 2 * n
}

func (k *dialect) addresses() string {
	if k.vips == "" {
		return "10.0.0.100"
	}
	return k.vips
}

func (k *dialect) conf() string {
	priority, list := "priority 150\n", ""
	if strings.Contains(k.instance, "priority") {
		priority = ""
	}
	if k.vips != nobody {
		list = "virtual_ipaddress {\n" + k.addresses() + "\n}\n"
	}
	return "global_defs {\nrouter_id a\nscript_user root\n" + k.global + "}\nvrrp_instance V {\nstate MASTER\ninterface " + lanLink +
		"\nvirtual_router_id 51\n" + priority + twoBusts + k.instance + list + "}\n"
}

// mask is a part of a frame that may differ.
type mask struct {
	name, why string
	from, to  int
	of        func(frame []byte) bool
}

var masks = []mask{
	{"IPv4 identification", "of a packet that is not fragmented it says nothing, RFC 6864 section 4.1; ours is the kernel's", 18, 20, isIPv4},
	{"IPv4 header checksum", "follows from the identification; that it is right is checked", 24, 26, isIPv4},
	{"IPv6 flow label", "the kernel makes one up for every socket, RFC 6437 section 3", 15, 18, isIPv6},
}

func isARP(b []byte) bool  { return b[12] == 0x08 && b[13] == 0x06 }
func isIPv4(b []byte) bool { return b[12] == 0x08 && b[13] == 0x00 }
func isIPv6(b []byte) bool { return b[12] == 0x86 && b[13] == 0xdd }

func only(kind func([]byte) bool, frames [][]byte) (out [][]byte) {
	for _, f := range frames {
		if kind(f) {
			out = append(out, f)
		}
	}
	return out
}

// plainChecksum makes the checksum of an IPv4 advert that of v3_checksum_as_v2,
// which 2.2.7 does not know: without a pseudo header.
func plainChecksum(frame []byte) {
	pdu := frame[34:]
	clear(pdu[6:8])
	binary.BigEndian.PutUint16(pdu[6:], checksum(pdu))
}

// masked is a frame without what may differ.
func masked(t *testing.T, frame []byte) []byte {
	t.Helper()
	if isIPv4(frame) && checksum(frame[14:34]) != 0 {
		t.Errorf("wrong IP header checksum in\n%s", hex.Dump(frame))
	}
	b := bytes.Clone(frame)
	for _, m := range masks {
		if m.of(b) {
			clear(b[m.from:m.to])
		}
	}
	return b
}

// checksum is that of RFC 1071; over data with a right one in it, it is 0.
func checksum(b []byte) uint16 {
	var sum uint32
	for i, v := range b {
		sum += uint32(v) << (8 * (^i & 1))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func sameFrames(t *testing.T, what string, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d frames, keepalived sends %d", what, len(got), len(want))
	}
	wrong := 0
	for i := range min(len(got), len(want)) {
		g, k := masked(t, got[i]), masked(t, want[i])
		if wrong++; bytes.Equal(g, k) {
			wrong--
		} else if wrong <= 2 {
			t.Errorf("%s: frame %d of %d\n%skeepalived sends\n%s", what, i, len(want), hex.Dump(g), hex.Dump(k))
		}
	}
	if wrong > 2 {
		t.Errorf("%s: %d frames differ", what, wrong)
	}
}
