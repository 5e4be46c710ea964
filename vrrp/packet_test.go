package vrrp

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func addresses(list ...string) (b []byte) {
	for _, s := range list {
		b = AppendAddress(b, netip.MustParseAddr(s))
	}
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden are adverts of keepalived 2.2.7, seen on a wire.
var golden = []struct {
	name     string
	src, dst string
	hex      string
	packet   Packet
}{
	{
		"version 2 with a password", "10.0.0.2", "224.0.0.18",
		"2133 ff02 0101 5c81 0a00 0064 0a00 0065 7365 6372 6574 3132",
		Packet{
			Version: 2, Type: 1, VRID: 51, Priority: 255, Interval: time.Second, AuthType: AuthPass,
			Auth: [8]byte([]byte("secret12")), Addresses: addresses("10.0.0.100", "10.0.0.101"), Sum: SumGood,
		},
	},
	{
		"version 2 unicast", "10.0.0.2", "10.0.0.9",
		"2136 ff01 0001 d55e 0a00 0068 0000 0000 0000 0000",
		Packet{Version: 2, Type: 1, VRID: 54, Priority: 255, Interval: time.Second, Addresses: addresses("10.0.0.104"), Sum: SumGood},
	},
	{
		"version 3", "10.0.0.2", "224.0.0.18",
		"3134 ff01 0019 dab9 0a00 0066",
		Packet{Version: 3, Type: 1, VRID: 52, Priority: 255, Interval: 250 * time.Millisecond, Addresses: addresses("10.0.0.102"), Sum: SumGood},
	},
	{
		"version 3 over IPv6", "fe80::1cca:35ff:fec4:5180", "ff02::12",
		"3135 ff02 0064 0199 fe80 0000 0000 0000 0000 0000 0000 0053 2001 0db8 0000 0000 0000 0000 0000 0001",
		Packet{Version: 3, Type: 1, VRID: 53, Priority: 255, Interval: time.Second, Addresses: addresses("fe80::53", "2001:db8::1"), Sum: SumGood},
	},
	{
		"version 2 over IPv6", "fe80::1", "ff02::12",
		"2133 c801 0001 192a fe80 0000 0000 0000 0000 0000 0000 0100",
		Packet{Version: 2, Type: 1, VRID: 51, Priority: 200, Interval: time.Second, Addresses: addresses("fe80::100"), Sum: SumGood},
	},
}

func TestGoldenPackets(t *testing.T) {
	for _, g := range golden {
		src, dst, wire := netip.MustParseAddr(g.src), netip.MustParseAddr(g.dst), unhex(t, g.hex)
		p, err := Decode(wire, src, dst)
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
		}
		if diff := cmp.Diff(g.packet, p); diff != "" {
			t.Errorf("%s: decoded (-want +got):\n%s", g.name, diff)
		}
		if b := g.packet.AppendTo(nil, src, dst); !bytes.Equal(b, wire) {
			t.Errorf("%s: encoded % x, want % x", g.name, b, wire)
		}
	}
}

func TestDecodeLengths(t *testing.T) {
	src, dst := addr1, GroupIPv4
	v2, v3 := golden[0].packet, golden[2].packet
	cases := []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, ErrLength},
		{"7 bytes", make([]byte, 7), ErrLength},
		{"version 1", []byte{0x11, 1, 1, 0, 0, 0, 0, 0}, ErrVersion},
		{"version 2 without authentication", v2.AppendTo(nil, src, dst)[:16], ErrLength},
		{"version 2 one byte longer than a short frame", append(v2.AppendTo(nil, src, dst), 0, 0, 0), ErrLength},
		{"version 2 padded to a short frame", append(v2.AppendTo(nil, src, dst), 0, 0), nil},
		{"version 3 one address short", v3.AppendTo(nil, src, dst)[:8], ErrLength},
		{"version 3 padded", append(v3.AppendTo(nil, src, dst), make([]byte, 14)...), nil},
	}
	for _, c := range cases {
		if _, err := Decode(c.b, src, dst); err != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// TestSums: every way of counting is recognised, and a changed bit fits none.
func TestSums(t *testing.T) {
	peer := addr3
	v3 := golden[2].packet
	plain := v3
	plain.PlainSum = true
	v2 := golden[0].packet
	cases := []struct {
		name string
		b    []byte
		dst  netip.Addr
		want Sum
	}{
		{"version 2", v2.AppendTo(nil, addr1, peer), peer, SumGood},
		{"version 3", v3.AppendTo(nil, addr1, peer), peer, SumGood},
		{"version 3 as 2", plain.AppendTo(nil, addr1, peer), peer, SumPlain},
		{"version 3 old unicast", v3.AppendTo(nil, addr1, GroupIPv4), peer, SumOldUnicast},
		{"version 3 for another", v3.AppendTo(nil, addr1, addr2), peer, SumBad},
	}
	for _, c := range cases {
		p, err := Decode(c.b, addr1, c.dst)
		if err != nil || p.Sum != c.want {
			t.Errorf("%s: sum %v, error %v; want %v", c.name, p.Sum, err, c.want)
		}
		c.b[2] ^= 4
		if p, _ := Decode(c.b, addr1, c.dst); p.Sum != SumBad {
			t.Errorf("%s: sum %v after a flipped bit", c.name, p.Sum)
		}
	}
}

// drawPacket is any packet that can be sent, with its addresses.
func drawPacket(t *rapid.T) (p Packet, src, dst netip.Addr) {
	src, dst = addr1, GroupIPv4
	size := 4
	if rapid.Bool().Draw(t, "v6") {
		src, dst, size = netip.MustParseAddr("fe80::1"), GroupIPv6, 16
	}
	p = Packet{
		Version: rapid.Uint8Range(2, 3).Draw(t, "version"), Type: 1,
		VRID: rapid.Uint8().Draw(t, "vrid"), Priority: rapid.Uint8().Draw(t, "priority"), Sum: SumGood,
	}
	n := rapid.IntRange(0, 255).Draw(t, "addresses") * size
	p.Addresses = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "bytes")
	if p.Version == 3 {
		p.Interval = time.Duration(rapid.IntRange(1, 4095).Draw(t, "centiseconds")) * centisecond
		return p, src, dst
	}
	p.Interval = time.Duration(rapid.IntRange(1, 255).Draw(t, "seconds")) * time.Second
	p.AuthType = rapid.Uint8().Draw(t, "auth type")
	if size == 4 {
		copy(p.Auth[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "auth"))
	}
	return p, src, dst
}

func TestPacketRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, src, dst := drawPacket(t)
		got, err := Decode(p.AppendTo([]byte("before")[:0], src, dst), src, dst)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Addresses, p.Addresses) {
			t.Fatalf("addresses % x, want % x", got.Addresses, p.Addresses)
		}
		got.Addresses, p.Addresses = nil, nil
		if diff := cmp.Diff(p, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzDecode: whatever comes, nothing breaks, and what was understood is
// written again byte for byte (padding, the reserved nibble of version 3 and
// the checksum apart).
func FuzzDecode(f *testing.F) {
	for _, g := range golden {
		f.Add(unhex(f, g.hex), netip.MustParseAddr(g.dst).Is6())
	}
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		src, dst := addr1, GroupIPv4
		if v6 {
			src, dst = netip.MustParseAddr("fe80::1"), GroupIPv6
		}
		p, err := Decode(b, src, dst)
		var s Tally
		s.CountError(err)
		if err != nil {
			return
		}
		x := Expect{Version: p.Version, Interval: p.Interval, Addresses: p.Addresses, AuthType: p.AuthType, Auth: p.Auth}
		if err := x.Check(&p, src, dst, TTL); err == ErrInterval || err == ErrAddresses || err == ErrAuthFailure || err == ErrVersion {
			t.Fatalf("differs from itself: %v", err)
		}
		again := p.AppendTo(nil, src, dst)
		q, err := Decode(again, src, dst)
		if err != nil || q.Priority != p.Priority || q.VRID != p.VRID || q.Interval != p.Interval || !bytes.Equal(q.Addresses, p.Addresses) {
			t.Fatalf("%+v became %+v (%v)", p, q, err)
		}
	})
}

func TestCheck(t *testing.T) {
	good := Packet{Version: 2, Type: 1, Priority: 100, Interval: sec, AuthType: AuthPass, Auth: [8]byte{'a'}, Addresses: addresses("10.0.0.100", "10.0.0.101"), Sum: SumGood}
	three := Packet{Version: 3, Type: 1, Priority: 100, Interval: sec, Addresses: good.Addresses, Sum: SumGood}
	x2 := Expect{Version: 2, Interval: sec, AuthType: AuthPass, Auth: [8]byte{'a'}, Addresses: addresses("10.0.0.101", "10.0.0.100")}
	x3 := Expect{Version: 3, Interval: sec, Addresses: good.Addresses}
	uni := Expect{Version: 3, Interval: sec, Unicast: true, Peers: []Peer{{Addr: addr1, MinTTL: 64, MaxTTL: 128}, {Addr: addr3}}}
	type in struct {
		x   Expect
		p   Packet
		src netip.Addr
		dst netip.Addr
		ttl uint8
	}
	cases := []struct {
		name     string
		in       in
		want     error
		accepted bool
	}{
		{"good 2", in{x2, good, addr1, GroupIPv4, 255}, nil, true},
		{"good 3", in{x3, three, addr1, GroupIPv4, 255}, nil, true},
		{"ttl", in{x2, good, addr1, GroupIPv4, 254}, ErrTTL, false},
		{"version", in{x3, good, addr1, GroupIPv4, 255}, ErrVersion, false},
		{"unknown authentication", in{x2, but(good, func(p *Packet) { p.AuthType = 3 }), addr1, GroupIPv4, 255}, ErrAuthType, false},
		{"no authentication", in{x2, but(good, func(p *Packet) { p.AuthType = 0 }), addr1, GroupIPv4, 255}, ErrAuthMismatch, false},
		{"password", in{x2, but(good, func(p *Packet) { p.Auth[7] = 1 }), addr1, GroupIPv4, 255}, ErrAuthFailure, false},
		{"interval 2", in{x2, but(good, func(p *Packet) { p.Interval = 2 * sec }), addr1, GroupIPv4, 255}, ErrInterval, false},
		{"interval 3", in{x3, but(three, func(p *Packet) { p.Interval = 2 * sec }), addr1, GroupIPv4, 255}, ErrInterval, true},
		{"type", in{x2, but(good, func(p *Packet) { p.Type = 2 }), addr1, GroupIPv4, 255}, ErrType, false},
		{"checksum", in{x2, but(good, func(p *Packet) { p.Sum = SumBad }), addr1, GroupIPv4, 255}, ErrChecksum, false},
		{"plain checksum", in{x3, but(three, func(p *Packet) { p.Sum = SumPlain }), addr1, GroupIPv4, 255}, ErrChecksum, false},
		{"plain checksum allowed", in{anySum(x3), but(three, func(p *Packet) { p.Sum = SumPlain }), addr1, GroupIPv4, 255}, nil, true},
		{"bad checksum of version 2", in{anySum(x2), but(good, func(p *Packet) { p.Sum = SumBad }), addr1, GroupIPv4, 255}, ErrChecksum, false},
		{"old checksum multicast", in{x3, but(three, func(p *Packet) { p.Sum = SumOldUnicast }), addr1, GroupIPv4, 255}, ErrChecksum, false},
		{"old checksum unicast", in{uni, but(three, func(p *Packet) { p.Sum = SumOldUnicast }), addr3, addr2, 255}, nil, true},
		{"unicast to multicast", in{x3, three, addr1, addr2, 255}, ErrCast, false},
		{"multicast to unicast", in{uni, three, addr1, GroupIPv4, 255}, ErrCast, false},
		{"unicast ttl", in{uni, three, addr1, addr2, 64}, nil, true},
		{"unicast ttl too low", in{uni, three, addr1, addr2, 63}, ErrTTL, false},
		{"unicast ttl too high", in{uni, three, addr1, addr2, 129}, ErrTTL, false},
		{"unicast stranger", in{uni, three, addr2, addr2, 1}, nil, true},
		{"unicast stranger checked", in{checked(uni), three, addr2, addr2, 1}, ErrSource, false},
		{"fewer addresses", in{x2, but(good, func(p *Packet) { p.Addresses = p.Addresses[:4] }), addr1, GroupIPv4, 255}, ErrAddresses, true},
		{"other addresses", in{x2, but(good, func(p *Packet) { p.Addresses = addresses("10.0.0.100", "10.0.0.100") }), addr1, GroupIPv4, 255}, ErrAddresses, true},
		{"addresses not compared", in{uni, but(three, func(p *Packet) { p.Addresses = nil }), addr3, addr2, 255}, nil, true},
		{"ttl before version", in{x3, good, addr1, GroupIPv4, 1}, ErrTTL, false},
		{"fatal before accepted", in{x3, but(three, func(p *Packet) { p.Addresses, p.Sum = nil, SumBad }), addr1, GroupIPv4, 255}, ErrChecksum, false},
	}
	for _, c := range cases {
		err := c.in.x.Check(&c.in.p, c.in.src, c.in.dst, c.in.ttl)
		if err != c.want || c.in.x.Accepted(err) != c.accepted {
			t.Errorf("%s: got %v, accepted %v; want %v, %v", c.name, err, c.in.x.Accepted(err), c.want, c.accepted)
		}
		if err != nil && !strings.Contains(c.in.x.Explain(err, &c.in.p, c.in.src, c.in.ttl), c.in.src.String()) {
			t.Errorf("%s: the explanation does not name the sender", c.name)
		}
	}
}

func but(p Packet, change func(*Packet)) Packet {
	change(&p)
	return p
}

func anySum(x Expect) Expect {
	x.AnySum = true
	return x
}

func checked(x Expect) Expect {
	x.CheckSource = true
	return x
}

func TestStats(t *testing.T) {
	var s Tally
	for e := ErrLength; e <= ErrExtClock; e++ {
		s.CountError(e)
	}
	s.CountError(nil)
	s.CountHeard(Heard{Priority: 0})
	s.CountHeard(Heard{Priority: 7})
	s.CountActions(Backup, []Action{{Kind: ActSend, Priority: 100}, {Kind: ActBecome, State: Master}})
	s.CountActions(Master, []Action{{Kind: ActSend, Priority: 0}, {Kind: ActBecome, State: Fault}})
	s.CountActions(Fault, []Action{{Kind: ActBecome, State: Backup}})
	want := Stats{
		AdvertRcvd: 2, AdvertSent: 2, BecomeMaster: 1, ReleaseMaster: 1, PacketLenErr: 1, AdvertIntervalErr: 1,
		IPTTLErr: 1, InvalidTypeRcvd: 1, AddrListErr: 1, InvalidAuthtype: 1, AuthtypeMismatch: 1, AuthFailure: 4,
		PriZeroRcvd: 1, PriZeroSent: 1, VersErr: 1, ChecksumErr: 1, OtherErr: 2,
		AuthExtMissing: 1, AuthExtMalformed: 1, AuthExtUnknownKey: 1, AuthExtBadHMAC: 1, AuthExtStale: 1, AuthExtReplay: 1,
	}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestNoAllocs(t *testing.T) {
	x := Expect{Version: 2, Interval: sec, AuthType: AuthPass, Auth: golden[0].packet.Auth, Addresses: addresses("10.0.0.101", "10.0.0.100")}
	p, buf, acts := golden[0].packet, make([]byte, 0, 64), make([]Action, 0, 8)
	p.Priority = 100
	backup, lead := started(config(2, 100)), master(t, config(2, 200))
	n := testing.AllocsPerRun(100, func() {
		buf = p.AppendTo(buf[:0], addr1, GroupIPv4)
		q, err := Decode(buf, addr1, GroupIPv4)
		if err != nil || x.Check(&q, addr1, GroupIPv4, TTL) != nil {
			t.Error("golden packet is not accepted")
		}
		ev := Event{Kind: EventAdvert, Heard: q.Heard(addr1)}
		_, acts = backup.Step(1, ev, acts[:0])
		_, acts = lead.Step(1, ev, acts[:0])
		_, acts = lead.Step(lead.Next(), Event{Kind: EventTick}, acts[:0])
	})
	if n != 0 {
		t.Errorf("an advert allocates %v times", n)
	}
}
