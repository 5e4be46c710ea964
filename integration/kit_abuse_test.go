package integration

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// mutant is a packet that must not count, or must although it looks odd.
type mutant struct {
	name   string
	conf   string // beyond the version and the priority
	pdu    pdu
	counts bool
	alone  string
}

const checked = "check_unicast_src\n"

var mutants = []mutant{
	{name: "TTL 254", pdu: pdu{ttl: 254}},
	{name: "TTL 1", pdu: pdu{ttl: 1}},
	{name: "version 1", pdu: pdu{wrong: set(0, 0x11)}},
	{name: "version 2", pdu: pdu{version: 2}},
	{name: "version 4", pdu: pdu{wrong: set(0, 0x41)}},
	{name: "version 0", pdu: pdu{wrong: set(0, 0x01)}},
	{name: "version 15", pdu: pdu{wrong: set(0, 0xf1)}},
	{name: "type 0", pdu: pdu{wrong: set(0, 0x30)}},
	{name: "type 2", pdu: pdu{wrong: set(0, 0x32)}},
	{name: "type 15", pdu: pdu{wrong: set(0, 0x3f)}},
	{name: "another VRID", pdu: pdu{vrid: 52}},
	{name: "VRID 0", pdu: pdu{wrong: set(1, 0)}},
	{name: "wrong checksum", pdu: pdu{ruin: flip(34 + 6)}},
	{name: "wrong low byte of the checksum", pdu: pdu{ruin: flip(34 + 7)}},
	{name: "checksum without pseudo header", pdu: pdu{ruin: plainFrame}},
	{name: "no checksum", pdu: pdu{ruin: func(b []byte) []byte { clear(b[40:42]); return b }}},
	{name: "changed address", pdu: pdu{ruin: flip(34 + 11)}},
	{name: "count above the addresses", pdu: pdu{wrong: set(3, 2)}},
	{name: "count 255", pdu: pdu{wrong: set(3, 255)}},
	{name: "count below the addresses", pdu: pdu{addrs: many(20), wrong: set(3, 1)}},
	{name: "count 0 with many addresses", pdu: pdu{addrs: many(20), wrong: set(3, 0)}},
	{name: "100 bytes too many", pdu: pdu{wrong: grow(100)}},
	{name: "total length too short", pdu: pdu{ruin: totalLength(-4)}},
	{name: "total length too long", pdu: pdu{ruin: totalLength(8)}},
	{name: "total length of a header", pdu: pdu{ruin: totalLength(-12)}},
	{name: "first fragment", pdu: pdu{ruin: fragment(0x2000)}},
	{name: "last fragment", pdu: pdu{ruin: fragment(0x0010)}},
	{name: "another protocol", pdu: pdu{proto: 113}},
	{name: "AH where none is configured", pdu: pdu{proto: 51}},
	{name: "another group", pdu: pdu{dst: "224.0.0.99"}},
	{name: "broadcast", pdu: pdu{dst: "10.0.0.255"}},
	{name: "unicast to a multicast instance", pdu: pdu{dst: "10.0.0.1"}},
	{name: "multicast to a unicast instance", conf: peers4, pdu: pdu{}},
	{name: "unicast to somebody else", conf: peers4, pdu: pdu{dst: "10.0.0.99"}},
	{name: "unicast from a stranger", conf: peers4 + checked, pdu: pdu{src: "10.0.0.66", dst: "10.0.0.1"}},
	{name: "unicast below min_ttl", conf: "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2 min_ttl 255\n}\n", pdu: pdu{dst: "10.0.0.1", ttl: 254}},
	{name: "v2 interval", conf: "version 2\n", pdu: pdu{version: 2, interval: 2}},
	{name: "v2 to v3", conf: "version 2\n", pdu: pdu{version: 3}},
	{name: "v2 password where none is configured", conf: "version 2\n", pdu: pdu{version: 2, pass: "secret12"}},
	{name: "v2 no password", conf: "version 2\n" + fmt.Sprintf(secret, "PASS"), pdu: pdu{version: 2}},
	{name: "v2 wrong password", conf: "version 2\n" + fmt.Sprintf(secret, "PASS"), pdu: pdu{version: 2, pass: "secret13"}},
	{name: "v2 part of the password", conf: "version 2\n" + fmt.Sprintf(secret, "PASS"), pdu: pdu{version: 2, pass: "secret1"}},
	{name: "v2 authentication type 3", conf: "version 2\n", pdu: pdu{version: 2, wrong: set(4, 3)}},
	{name: "v2 without the authentication field", conf: "version 2\n", pdu: pdu{version: 2, cut: 13}},
	{name: "v2 AH without its header", conf: "version 2\n" + fmt.Sprintf(secret, "AH"), pdu: pdu{version: 2, wrong: set(4, 2)}},
	{name: "IPv6 hop limit 254", conf: ip6, pdu: pdu{ipv6: true, ttl: 254}},
	{name: "IPv6 wrong checksum", conf: ip6, pdu: pdu{ipv6: true, ruin: flip(54 + 6)}},
	{name: "IPv6 another group", conf: ip6, pdu: pdu{ipv6: true, dst: "ff02::99"}},
	{name: "IPv6 to an IPv4 instance", pdu: pdu{ipv6: true}},
	{name: "IPv4 to an IPv6 instance", conf: ip6, pdu: pdu{}},

	{name: "padding to 60 bytes", pdu: pdu{ruin: pad(60)}, counts: true},
	{name: "another interval", pdu: pdu{interval: 20}, counts: true},
	{name: "other addresses", pdu: pdu{addrs: []string{"10.0.0.222"}}, counts: true, alone: "drops it; later versions do not"},
	{name: "no addresses", pdu: pdu{addrs: []string{}}, counts: true, alone: "drops it; later versions do not"},
	{name: "IP options", pdu: pdu{ruin: options}, counts: true},
	{name: "reserved bits of the interval", pdu: pdu{wrong: func(v []byte) []byte { v[4] |= 0xf0; return v }}, counts: true},
	{name: "any TOS and identification", pdu: pdu{ruin: func(b []byte) []byte { b[15], b[18] = 0, 7; return resum(b) }}, counts: true},
	{name: "unicast TTL 1", conf: peers4, pdu: pdu{dst: "10.0.0.1", ttl: 1}, counts: true},
	{name: "unicast from a stranger unchecked", conf: peers4, pdu: pdu{src: "10.0.0.66", dst: "10.0.0.1"}, counts: true},
	{name: "v2 password", conf: "version 2\n" + fmt.Sprintf(secret, "PASS"), pdu: pdu{version: 2, pass: "secret12"}, counts: true},
	{name: "IPv6", conf: ip6, pdu: pdu{ipv6: true, addrs: []string{"fe80::100", "fd00::100"}}, counts: true},
}

func abuseCases() (out []kase) {
	for _, m := range mutants {
		k := kase{name: "mutant " + m.name, conf: m.lines(), alone: m.alone, play: m.play}
		if m.counts {
			k.name = "oddity " + m.name
		}
		out = append(out, k)
	}
	return append(out, kase{name: "every truncation", conf: quick + "priority 100\nstate MASTER\n", play: truncated},
		kase{name: "every truncation v2", conf: "priority 100\nstate MASTER\n", play: truncated2},
		kase{name: "echoes of its own adverts", conf: quick + "priority 100\nstate MASTER\n", play: echoes},
		kase{name: "every byte changed", conf: quick + "priority 100\nstate MASTER\n", play: everyByte})
}

func (m *mutant) lines() string {
	lines := "priority 100\nstate MASTER\n" + m.conf
	if strings.Contains(m.conf, "version 2") {
		return lines
	}
	return quick + lines
}

// play sends the packet with a better priority to a MASTER. One that does not
// count changes nothing: it goes on speaking, in its rhythm, and holds its
// address. One that counts makes it give way.
func (m *mutant) play(s *stand) {
	s.t.Helper()
	p := m.pdu
	p.priority = 200
	s.master()
	if m.counts {
		defer s.keep(p, 50*ms)()
		s.d.logs("(VI) Master received advert from")
		return
	}
	s.d.logs("Entering MASTER STATE")
	now := time.Now()
	stop := s.keep(p, s.pace())
	s.unmoved(now)
	stop()
	// A right one shows that the wrong ones arrived.
	if m.conf == "" {
		defer s.keep(pdu{priority: 200}, 50*ms)()
		s.d.logs("(VI) Master received advert from 10.0.0.2 with higher priority 200, ours 100")
	}
}

func (s *stand) v2() bool {
	return !strings.Contains(s.lines, "version 3") || strings.Contains(s.lines, "version 2")
}

// pace is how fast wrong packets come. A refused one makes keepalived wait for a
// whole interval again: a few every interval, and it speaks no more.
func (s *stand) pace() time.Duration {
	switch {
	case s.d.daemon == ours:
		return 5 * ms
	case s.v2():
		return 1500 * ms
	}
	return quickInterval * 3 / 2
}

// unmoved checks that a MASTER does not mind.
func (s *stand) unmoved(since time.Time) {
	s.t.Helper()
	n, interval := 10, quickInterval
	if s.v2() {
		n, interval = 2, time.Second
	}
	s.eventually("it speaks on", func() bool { return len(s.d.speaks(since)) >= n })
	if s.d.daemon == ours {
		s.unbroken(s.d, interval, since)
	}
	if held := s.d.Holds(vip4) || s.d.Holds(hostAddr(0, true, 100)) || s.d.Holds(fe80vip); !held {
		s.t.Error("it let its address go")
	}
}

// truncated sends every beginning of a right advert.
func truncated(s *stand) {
	s.master()
	now := time.Now()
	for n := range len((&pdu{version: 3, addrs: []string{"10.0.0.100"}}).body()) {
		s.send(pdu{priority: 200, cut: n + 1})
		s.rest(s.pace())
	}
	s.unmoved(now)
}

func truncated2(s *stand) {
	s.master()
	now := time.Now()
	for n := range len((&pdu{version: 2, addrs: []string{"10.0.0.100"}}).body()) {
		s.send(pdu{version: 2, priority: 200, cut: n + 1})
		s.rest(s.pace())
	}
	s.unmoved(now)
}

// echoes sends its own adverts back to it.
func echoes(s *stand) {
	frame := s.master().speaks(s.begin).Frame
	now := time.Now()
	for range 20 {
		s.do(s.in.Send(frame))
		s.rest(20 * ms)
	}
	s.unmoved(now)
}

// everyByte changes every byte of a right advert behind the Ethernet header,
// and no checksum.
func everyByte(s *stand) {
	right := pdu{priority: 200}.frame(s.b.MAC(lanLink), s.d.MAC(lanLink))
	s.master()
	now := time.Now()
	for i := 14; i < len(right); i++ {
		b := slices.Clone(right)
		b[i] ^= 0x55
		s.do(s.in.Send(b))
		s.rest(s.pace())
	}
	s.unmoved(now)
}

var fe80vip = netip.MustParseAddr("fe80::100")

// Changes of packets.

func set(at int, value byte) func([]byte) []byte {
	return func(v []byte) []byte { v[at] = value; return v }
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 0xff; return b }
}

func grow(n int) func([]byte) []byte {
	return func(v []byte) []byte { return append(v, make([]byte, n)...) }
}

func pad(size int) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, make([]byte, size-len(b))...) }
}

func plainFrame(b []byte) []byte { plainChecksum(b); return b }

// resum makes the checksum of the IPv4 header again.
func resum(b []byte) []byte {
	clear(b[24:26])
	binary.BigEndian.PutUint16(b[24:], checksum(b[14:14+int(b[14]&15)*4]))
	return b
}

func totalLength(more int) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint16(b[16:], uint16(int(binary.BigEndian.Uint16(b[16:]))+more))
		return resum(b)
	}
}

func fragment(field uint16) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint16(b[20:], field)
		return resum(b)
	}
}

// options puts four bytes of no operation into the header, RFC 791 section 3.1.
func options(b []byte) []byte {
	b = slices.Insert(b, 34, 1, 1, 1, 1)
	b[14] = 0x46
	return totalLength(4)(b)
}

func many(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("10.0.0.%d", 100+i))
	}
	return out
}
