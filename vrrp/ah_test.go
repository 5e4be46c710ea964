package vrrp

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

// sealed are IP packets of keepalived 2.2.7 with auth_type AH, seen on a wire:
// the second of a multicast router, and the second to the second peer of a
// unicast one.
var sealed = []struct {
	name   string
	dst    string
	pass   string
	advert Packet
	change func(*Expect)
	hex    string
}{
	{
		"multicast", "224.0.0.18", "secret12",
		Packet{Version: 2, VRID: 51, Interval: sec, AuthType: AuthAH, Addresses: addresses("10.9.0.100", "10.9.0.101")}, nil,
		"45c00044 00020000 ff33d0a8 0a090001 e0000012 70040000 0a090001 00000002 46e8f7be ecb044cc 450e9d43" +
			"2133c802 0201ffed 0a090064 0a090065 00000000 00000000",
	},
	{
		"unicast", "10.9.0.3", "abc",
		Packet{Version: 2, VRID: 52, Interval: sec, AuthType: AuthAH, Addresses: addresses("10.9.0.110")},
		unicastTo(peer2, peer3, netip.MustParseAddr("10.9.0.1")),
		"45c00040 00020000 ff33a6b3 0a090001 0a090003 70040000 0a090001 00000002 3599bf3b 4fa3e3ce 7e7dc94a" +
			"2134c801 02010a52 0a09006e 00000000 00000000",
	},
}

func TestAHGolden(t *testing.T) {
	src := netip.MustParseAddr("10.9.0.1")
	for _, g := range sealed {
		copy(g.advert.Auth[:], g.pass)
		dst, wire := netip.MustParseAddr(g.dst), unhex(t, g.hex)
		out := codec(g.advert, g.change)
		out.Compose(wall, 200, src)
		out.AppendTo(nil, peer2)
		out.Compose(wall, 200, src)
		if got := out.AppendTo(nil, dst); !bytes.Equal(got, wire) {
			t.Errorf("%s: wrote\n% x, want\n% x", g.name, got, wire)
		}
		in := codec(g.advert, g.change)
		p, err := in.Read(wall, arrival(in, wire, src, dst), netip.Addr{})
		if err != nil || p.Priority != 200 || in.Sequence() != 2 {
			t.Errorf("%s: read %+v (%v), sequence %d", g.name, p, err, in.Sequence())
		}
	}
}

func ahCodec(pass string) *Codec {
	p := but(plain2(), func(p *Packet) { p.AuthType = AuthAH })
	copy(p.Auth[:], pass)
	return codec(p, nil)
}

// TestAHReplay: both sides count together, and nothing is believed twice.
func TestAHReplay(t *testing.T) {
	a, b := ahCodec("x"), ahCodec("x")
	a.Continue(999)
	first := advertOf(a, wall, addr1, GroupIPv4)
	if err := read(b, wall, first, addr1, GroupIPv4); err != nil {
		t.Fatal(err)
	}
	if err := read(b, wall, first, addr1, GroupIPv4); err != ErrAHReplay {
		t.Errorf("a second time: got %v", err)
	}
	if err := read(a, wall, advertOf(b, wall, addr2, GroupIPv4), addr2, GroupIPv4); err != nil {
		t.Errorf("the new master is refused: %v", err)
	}
	if a.Sequence() != 1001 || b.Sequence() != 1001 {
		t.Errorf("sequences %d and %d, want 1001", a.Sequence(), b.Sequence())
	}
}

// TestAHForger: who does not know the password moves nothing.
func TestAHForger(t *testing.T) {
	a, b, forger := ahCodec("x"), ahCodec("x"), ahCodec("y")
	forger.Continue(1 << 30)
	if err := read(b, wall, advertOf(forger, wall, addr1, GroupIPv4), addr1, GroupIPv4); err != ErrAHDigest {
		t.Errorf("forged: got %v", err)
	}
	if err := read(b, wall, advertOf(a, wall, addr1, GroupIPv4), addr1, GroupIPv4); err != nil {
		t.Errorf("the true one after it: %v", err)
	}
	stolen := advertOf(a, wall, addr1, GroupIPv4)
	arr := arrival(b, stolen, addr1, GroupIPv4)
	copy(arr.Header[12:], addr3.AsSlice())
	if _, err := b.Read(wall, arr, netip.Addr{}); err != ErrAH {
		t.Errorf("from another address: got %v", err)
	}
	arr = arrival(b, stolen, addr1, GroupIPv4)
	arr.Header = nil
	if _, err := b.Read(wall, arr, netip.Addr{}); err != ErrAH {
		t.Errorf("without header: got %v", err)
	}
}

// TestAHCycle: after the last number comes the first, and it is accepted.
func TestAHCycle(t *testing.T) {
	a, b := ahCodec("x"), ahCodec("x")
	a.Continue(lastSequence - 1)
	for _, want := range []uint32{lastSequence, 1, 2} {
		if err := read(b, wall, advertOf(a, wall, addr1, GroupIPv4), addr1, GroupIPv4); err != nil || b.Sequence() != want {
			t.Errorf("sequence %d, want %d: %v", b.Sequence(), want, err)
		}
	}
}

// TestAHReload: a changed interval keeps the sequence; the password is a key and
// never stands in a packet.
func TestAHReload(t *testing.T) {
	c := ahCodec("secret12")
	c.Compose(wall, 100, addr1)
	c.Configure(c.advert, c.expect)
	if c.Sequence() != 1 {
		t.Errorf("sequence %d after a reload, want 1", c.Sequence())
	}
	if b := advertOf(c, wall, addr1, GroupIPv4); bytes.Contains(b, []byte("secret")) {
		t.Errorf("the password is in % x", b)
	}
}

func TestAHExplain(t *testing.T) {
	c := ahCodec("x")
	a := arrival(c, advertOf(c, wall, addr1, GroupIPv4), addr1, GroupIPv4)
	for err, want := range map[PacketError]string{
		ErrAH: "auth_type AH", ErrAHDigest: "auth_pass", ErrAHReplay: "ours is 1", ErrLength: "bytes", ErrTTL: "TTL",
	} {
		if got := c.Explain(err, &Packet{}, a); !strings.Contains(got, want) || !strings.Contains(got, addr1.String()) {
			t.Errorf("%v: %q lacks %q", err, got, want)
		}
	}
}

// TestAHContinue: a new process sends behind what the last one may have sent, and
// hears a master that has not come so far.
func TestAHContinue(t *testing.T) {
	master, peer, back := ahCodec("x"), ahCodec("x"), ahCodec("x")
	advert := func() []byte { return advertOf(master, wall, addr1, GroupIPv4) }
	for range 3 {
		if err := read(peer, wall, advert(), addr1, GroupIPv4); err != nil {
			t.Fatal(err)
		}
	}
	back.Continue(master.Ahead(256))
	if err := read(back, wall, advert(), addr1, GroupIPv4); err != nil {
		t.Errorf("the master is refused: %v", err)
	}
	if err := read(peer, wall, advertOf(back, wall, addr2, GroupIPv4), addr2, GroupIPv4); err != nil || back.Sequence() != 3+256+1 {
		t.Errorf("number %d is refused: %v", back.Sequence(), err)
	}
	master.auth.seq = lastSequence - 3
	if got := master.Ahead(256); got != lastSequence-1 {
		t.Errorf("ahead of the end lies %d", got)
	}
}
