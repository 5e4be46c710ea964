package vrrp

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	wall  = time.Unix(1_800_000_000, 250_000_000)
	peer2 = netip.MustParseAddr("10.9.0.2")
	peer3 = netip.MustParseAddr("10.9.0.3")
)

// codec is a Codec that expects what it sends.
func codec(advert Packet, change func(*Expect)) *Codec {
	x := Expect{Version: advert.Version, Interval: advert.Interval, AuthType: advert.AuthType, Auth: advert.Auth, Addresses: advert.Addresses}
	if change != nil {
		change(&x)
	}
	var c Codec
	c.Configure(&advert, &x)
	return &c
}

func unicastTo(peers ...netip.Addr) func(*Expect) {
	return func(x *Expect) {
		x.Unicast = true
		for _, a := range peers {
			x.Peers = append(x.Peers, Peer{Addr: a})
		}
	}
}

// advertOf is the next advert of c from src to dst.
func advertOf(c *Codec, now time.Time, src, dst netip.Addr) []byte {
	c.Compose(now, 100, src)
	return c.AppendTo(nil, dst)
}

// arrival splits what a Codec wrote as the socket would.
func arrival(c *Codec, b []byte, src, dst netip.Addr) *Arrival {
	a := &Arrival{Src: src, Dst: dst, TTL: TTL, Data: bytes.Clone(b)}
	if c.AH() && len(b) >= ipv4Header {
		a.Header, a.Data = a.Data[:ipv4Header], a.Data[ipv4Header:]
	}
	return a
}

func read(c *Codec, now time.Time, b []byte, src, dst netip.Addr) error {
	_, err := c.Read(now, arrival(c, b, src, dst), netip.Addr{})
	return err
}

func plain2() Packet {
	return Packet{Version: 2, VRID: 51, Interval: sec, Addresses: addresses("10.9.0.100")}
}

func plain3() Packet {
	return Packet{Version: 3, VRID: 51, Interval: sec, Addresses: addresses("10.9.0.100")}
}

// TestUnicastSums: of one advert, every peer gets the checksum that is right
// for it, however it is counted.
func TestUnicastSums(t *testing.T) {
	cases := []struct {
		name   string
		change func(*Packet)
		want   Sum
	}{
		{"with the peer", func(*Packet) {}, SumGood},
		{"v3_checksum_as_v2", func(p *Packet) { p.PlainSum = true }, SumPlain},
		{"old_unicast_checksum", func(p *Packet) { p.OldSum = true }, SumOldUnicast},
		{"version 2", func(p *Packet) { p.Version = 2 }, SumGood},
	}
	for _, c := range cases {
		out := codec(but(plain3(), c.change), unicastTo(peer2, peer3))
		out.Compose(wall, 100, addr1)
		for _, dst := range []netip.Addr{peer2, peer3, addr3} {
			if p, err := Decode(out.AppendTo(nil, dst), addr1, dst); err != nil || p.Sum != c.want {
				t.Errorf("%s: %v has sum %v, error %v; want %v", c.name, dst, p.Sum, err, c.want)
			}
		}
	}
}

// TestOldChecksum: who hears the old checksum writes it from then on, to all.
func TestOldChecksum(t *testing.T) {
	old := advertOf(codec(but(plain3(), func(p *Packet) { p.OldSum = true }), unicastTo(peer2)), wall, addr1, peer2)
	for _, never := range []bool{false, true} {
		c := codec(plain3(), unicastTo(addr1, addr3))
		c.expect.NoOldChecksum = never
		err := read(c, wall, old, addr1, peer2)
		p, _ := Decode(advertOf(c, wall, peer2, addr3), peer2, addr3)
		wantErr, wantSum := error(nil), SumOldUnicast
		if never {
			wantErr, wantSum = ErrChecksum, SumGood
		}
		if err != wantErr || p.Sum != wantSum {
			t.Errorf("never %v: got %v and writes %v, want %v and %v", never, err, p.Sum, wantErr, wantSum)
		}
	}
}

// TestFirstOnly: skip_check_adv_addr compares what a new master says, once.
func TestFirstOnly(t *testing.T) {
	other := advertOf(codec(but(plain2(), func(p *Packet) { p.Addresses = nil }), nil), wall, addr1, GroupIPv4)
	c := codec(plain2(), func(x *Expect) { x.FirstOnly = true })
	for _, k := range []struct {
		master netip.Addr
		first  bool
		want   error
	}{
		{netip.Addr{}, true, ErrAddresses}, {addr3, true, ErrAddresses}, {addr1, true, nil}, {addr1, false, ErrAddresses},
	} {
		c.expect.FirstOnly = k.first
		if _, err := c.Read(wall, arrival(c, other, addr1, GroupIPv4), k.master); err != k.want {
			t.Errorf("master %v, first only %v: got %v, want %v", k.master, k.first, err, k.want)
		}
	}
}

// TestExplainAddresses: an operator sees both lists and how they relate.
func TestExplainAddresses(t *testing.T) {
	ab, abc, cd := addresses("10.0.0.1", "10.0.0.2"), addresses("10.0.0.1", "10.0.0.2", "10.0.0.3"), addresses("10.0.0.3", "10.0.0.4")
	cases := []struct {
		theirs, ours []byte
		want         string
	}{
		{abc, ab, "ours is a subset: it has 1 more): theirs 10.0.0.1 10.0.0.2 10.0.0.3, ours 10.0.0.1 10.0.0.2:"},
		{ab, abc, "ours is a superset: it lacks 1)"},
		{ab, cd, "different: it lacks 2 of ours and has 2 more)"},
		{nil, ab, "ours is a superset: it lacks 2): theirs none"},
		{ab, addresses("10.0.0.1", "10.0.0.1", "10.0.0.2"), "the same, but not each as often"},
		{bytes.Repeat(ab, 100), cd, "and 184 more"},
	}
	for _, c := range cases {
		x := Expect{Addresses: c.ours}
		if got := x.Explain(ErrAddresses, &Packet{Addresses: c.theirs}, addr1, TTL); !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q in it", got, c.want)
		}
	}
}

// TestAnySumIPv6: v3_checksum_as_v2 is about IPv4 alone.
func TestAnySumIPv6(t *testing.T) {
	k := kinds()[2]
	c := codec(k.advert, func(x *Expect) { x.AnySum = true })
	b := advertOf(c, wall, k.src, k.dst)
	if b[7]++; read(c, wall, b, k.src, k.dst) != ErrChecksum {
		t.Error("a wrong checksum is accepted over IPv6")
	}
}

// TestPadding: what keepalived takes for the padding of a short frame.
func TestPadding(t *testing.T) {
	b := plain2() // 20 bytes of VRRP: 6 of padding
	wire := b.AppendTo(nil, addr1, GroupIPv4)
	for n, want := range map[int]bool{0: true, 1: false, 2: true, 3: false, 4: false, 6: true, 7: false, 10: true, 14: false, 18: false} {
		if _, err := Decode(append(bytes.Clone(wire), make([]byte, n)...), addr1, GroupIPv4); (err == nil) != want {
			t.Errorf("%d bytes behind: %v", n, err)
		}
	}
}

// TestAbuse: every shortening of every kind of packet, and every changed byte of
// the signed kinds, is refused without harm, and the next good one is heard.
func TestAbuse(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			in, out := codec(k.advert, k.change), codec(k.advert, k.change)
			good := advertOf(out, wall, k.src, k.dst)
			for n := range good {
				if n < ipv4Header && in.AH() {
					continue
				}
				if err := read(in, wall, good[:n], k.src, k.dst); in.expect.Accepted(err) {
					t.Fatalf("accepted at %d of %d bytes", n, len(good))
				}
			}
			for i := range good {
				b := bytes.Clone(good)
				b[i] ^= 1 << rand.IntN(8)
				if err := read(in, wall, b, k.src, k.dst); in.expect.Accepted(err) && !mutable(in, i) {
					t.Fatalf("accepted with byte %d changed: % x", i, b)
				}
			}
			fresh := advertOf(out, wall, k.src, k.dst)
			if err := read(in, wall, fresh, k.src, k.dst); err != nil {
				t.Errorf("a good advert after all that: %v", err)
			}
			a := arrival(in, advertOf(out, wall, k.src, k.dst), k.src, k.dst)
			if a.TTL = 254; !in.expect.Unicast {
				if _, err := in.Read(wall, a, netip.Addr{}); err != ErrTTL {
					t.Errorf("TTL 254: got %v", err)
				}
			}
		})
	}
}

// mutable bytes of the IP header are changed by routers and not signed. A
// socket reads the addresses and the rest of the header itself.
func mutable(c *Codec, i int) bool {
	return c.AH() && (i == 1 || i == 6 || i == 7 || i == 8 && c.expect.Unicast || i == 10 || i == 11)
}

type kind struct {
	name     string
	advert   Packet
	change   func(*Expect)
	src, dst netip.Addr
}

// kinds are all ways an advert can look.
func kinds() []kind {
	link, group := netip.MustParseAddr("fe80::1"), GroupIPv6
	six := but(plain3(), func(p *Packet) { p.Addresses = addresses("fe80::100") })
	sixOld := but(six, func(p *Packet) { p.Version = 2 })
	authed := but(plain2(), func(p *Packet) { p.AuthType, p.Auth = AuthPass, [8]byte{'x'} })
	sealed := but(plain2(), func(p *Packet) { p.AuthType, p.Auth = AuthAH, [8]byte{'x'} })
	signs := func(x *Expect) { x.HMAC = keys(1, 1) }
	return []kind{
		{"version 2", plain2(), nil, addr1, GroupIPv4},
		{"version 3", plain3(), nil, addr1, GroupIPv4},
		{"version 3 IPv6", six, nil, link, group},
		{"version 2 IPv6", sixOld, nil, link, group},
		{"password", authed, nil, addr1, GroupIPv4},
		{"AH", sealed, nil, addr1, GroupIPv4},
		{"AH unicast", sealed, unicastTo(addr1), addr1, peer2},
		{"signed version 2", plain2(), signs, addr1, GroupIPv4},
		{"signed version 3", plain3(), signs, addr1, GroupIPv4},
		{"signed version 3 IPv6", six, signs, link, group},
		{"signed unicast", plain3(), func(x *Expect) { signs(x); unicastTo(addr1)(x) }, addr1, peer2},
	}
}

// FuzzRead: whatever comes, to whomever, nothing breaks, and every refusal can
// be counted and explained.
func FuzzRead(f *testing.F) {
	for i, k := range kinds() {
		f.Add(uint8(i), advertOf(codec(k.advert, k.change), wall, k.src, k.dst))
	}
	all := kinds()
	f.Fuzz(func(t *testing.T, n uint8, b []byte) {
		k := all[int(n)%len(all)]
		c := codec(k.advert, k.change)
		a := arrival(c, b, k.src, k.dst)
		a.VRID(c.AH())
		p, err := c.Read(wall, a, netip.Addr{})
		if err == nil {
			return
		}
		var s Tally
		s.CountError(err)
		if _, ok := err.(PacketError); !ok || c.Explain(err, &p, a) == "" {
			t.Fatalf("%v is not explained", err)
		}
	})
}

func TestVRID(t *testing.T) {
	for _, k := range kinds() {
		c := codec(k.advert, k.change)
		a := arrival(c, advertOf(c, wall, k.src, k.dst), k.src, k.dst)
		if got := a.VRID(c.AH()); got != 51 {
			t.Errorf("%s: VRID %d", k.name, got)
		}
		if a.Data = a.Data[:1]; a.VRID(c.AH()) != 0 {
			t.Errorf("%s: VRID of one byte", k.name)
		}
	}
}

func TestCodecNoAllocs(t *testing.T) {
	for _, k := range kinds() {
		in, out := codec(k.advert, k.change), codec(k.advert, k.change)
		buf, a := make([]byte, 0, 128), &Arrival{}
		now := wall
		n := testing.AllocsPerRun(100, func() {
			now = now.Add(time.Second)
			out.Compose(now, 100, k.src)
			buf = out.AppendTo(buf[:0], k.dst)
			*a = Arrival{Src: k.src, Dst: k.dst, TTL: TTL, Data: buf}
			if in.AH() {
				a.Header, a.Data = buf[:ipv4Header], buf[ipv4Header:]
			}
			if _, err := in.Read(now, a, netip.Addr{}); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: an advert allocates %v times", k.name, n)
		}
	}
}
