package vrrp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func secret(id uint8) []byte { return bytes.Repeat([]byte{'a' + id}, 32) }

// keys is auth_hmac with one active key and those that are known.
func keys(active uint8, known ...uint8) *HMAC {
	h := &HMAC{Active: active}
	for _, id := range known {
		h.Keys = append(h.Keys, Key{id, secret(id)})
	}
	return h
}

// hmacCodec is a multicast version 3 router with auth_hmac h.
func hmacCodec(h *HMAC) *Codec {
	return codec(plain3(), func(x *Expect) { x.HMAC = h })
}

// TestTrailer builds the trailer by hand, byte for byte.
func TestTrailer(t *testing.T) {
	c := hmacCodec(keys(7, 7))
	got := advertOf(c, wall, addr1, GroupIPv4)
	pdu, trailer := got[:12], got[12:]
	if _, err := Decode(pdu, addr1, GroupIPv4); err != nil || len(trailer) != 28 {
		t.Fatalf("%d bytes of trailer behind % x: %v", len(trailer), pdu, err)
	}
	if p, _ := Decode(pdu, addr1, GroupIPv4); p.Sum != SumGood {
		t.Error("the checksum counts the trailer")
	}
	want := []byte{1, 7, 0, 0}
	want = binary.BigEndian.AppendUint32(want, 1_800_000_000)
	want = binary.BigEndian.AppendUint16(want, 0x4000) // a quarter of a second
	want = append(want, 0, 0)
	input := []byte{4, 3, 51, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	input = append(input, pdu...)
	input[20+6], input[20+7] = 0, 0
	input = append(append(input, want...), make([]byte, 16)...)
	mac := hmac.New(sha256.New, secret(7))
	mac.Write(input)
	want = append(want, mac.Sum(nil)[:16]...)
	if !bytes.Equal(trailer, want) {
		t.Errorf("trailer % x, want % x", trailer, want)
	}
}

// TestTrailerIPv6: the whole source is in the pseudo header.
func TestTrailerIPv6(t *testing.T) {
	six := but(plain3(), func(p *Packet) { p.Addresses = addresses("fe80::100") })
	signs := func(x *Expect) { x.HMAC = keys(1, 1) }
	c := codec(six, signs)
	link := netip.MustParseAddr("fe80::1234")
	b := advertOf(c, wall, link, GroupIPv6)
	if want := append([]byte{6, 3, 51, 0}, link.AsSlice()...); !bytes.Equal(c.sign.pseudo[:], want) {
		t.Errorf("pseudo header % x, want % x", c.sign.pseudo, want)
	}
	if err := read(codec(six, signs), wall, b, link.Next(), GroupIPv6); err != ErrExtDigest {
		t.Errorf("from another source: got %v", err)
	}
}

// TestSignedOnce: the copies of one advert differ in nothing but the checksum.
func TestSignedOnce(t *testing.T) {
	c := codec(plain3(), func(x *Expect) { x.HMAC = keys(1, 1); unicastTo(peer2, peer3)(x) })
	c.Compose(wall, 100, addr1)
	one, two := c.AppendTo(nil, peer2), c.AppendTo(nil, peer3)
	if bytes.Equal(one, two) || !bytes.Equal(one[12:], two[12:]) {
		t.Errorf("% x and % x", one, two)
	}
}

func TestVerify(t *testing.T) {
	ago := func(d time.Duration) time.Time { return wall.Add(-d) }
	with := func(h *HMAC, change func(*HMAC)) *HMAC {
		change(h)
		return h
	}
	monotonic := func(h *HMAC) { h.Monotonic = true }
	cases := []struct {
		name   string
		ours   *HMAC
		theirs *HMAC // nil signs nothing
		at     time.Time
		spoil  func([]byte)
		want   error
	}{
		{"good", keys(1, 1), keys(1, 1), wall, nil, nil},
		{"other active key", keys(1, 1, 2), keys(2, 1, 2), wall, nil, nil},
		{"unknown key", keys(1, 1), keys(2, 1, 2), wall, nil, ErrExtKey},
		{"same number, other key", keys(1, 1), &HMAC{Keys: []Key{{1, secret(9)}}, Active: 1}, wall, nil, ErrExtDigest},
		{"not signed", keys(1, 1), nil, wall, nil, ErrExtMissing},
		{"not signed, permissive", with(keys(1, 1), func(h *HMAC) { h.Mode = HMACPermissive }), nil, wall, nil, nil},
		{"not signed, receive-only", with(keys(1, 1), func(h *HMAC) { h.Mode = HMACReceiveOnly }), nil, wall, nil, nil},
		{"wrong, permissive", with(keys(1, 1), func(h *HMAC) { h.Mode = HMACPermissive }), keys(2, 2), wall, nil, ErrExtKey},
		{"wrong, receive-only", with(keys(1, 1), func(h *HMAC) { h.Mode = HMACReceiveOnly }), keys(2, 2), wall, nil, ErrExtKey},
		{"type", keys(1, 1), keys(1, 1), wall, func(b []byte) { b[12] = 2 }, ErrExtMalformed},
		{"reserved", keys(1, 1), keys(1, 1), wall, func(b []byte) { b[14] = 1 }, ErrExtMalformed},
		{"reserved too", keys(1, 1), keys(1, 1), wall, func(b []byte) { b[15] = 1 }, ErrExtMalformed},
		{"digest", keys(1, 1), keys(1, 1), wall, func(b []byte) { b[39] ^= 1 }, ErrExtDigest},
		{"priority", keys(1, 1), keys(1, 1), wall, func(b []byte) { b[2]++ }, ErrExtDigest},
		{"clocks drift", keys(1, 1), keys(1, 1), ago(3 * sec), nil, ErrExtClock},
		{"at the edge", keys(1, 1), keys(1, 1), ago(5 * sec), nil, ErrExtClock},
		{"too old", keys(1, 1), keys(1, 1), ago(6 * sec), nil, ErrExtStale},
		{"too new", keys(1, 1), keys(1, 1), ago(-6 * sec), nil, ErrExtStale},
		{"stale before the key", keys(1, 1), keys(2, 2), ago(6 * sec), nil, ErrExtStale},
		{"old but monotonic", with(keys(1, 1), monotonic), keys(1, 1), ago(9000 * sec), nil, nil},
	}
	for _, c := range cases {
		in, out := hmacCodec(c.ours), codec(plain3(), nil)
		if c.theirs != nil {
			out = hmacCodec(c.theirs)
		}
		b := advertOf(out, c.at, addr1, GroupIPv4)
		if c.spoil != nil {
			c.spoil(b)
		}
		a := arrival(in, b, addr1, GroupIPv4)
		p, err := in.Read(wall, a, netip.Addr{})
		if err != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err != nil && !strings.Contains(in.Explain(err, &p, a), addr1.String()) {
			t.Errorf("%s: %q does not name the sender", c.name, in.Explain(err, &p, a))
		}
	}
}

// TestUnsignedReader: who has no auth_hmac takes a signed advert for broken, and
// says what to do.
func TestUnsignedReader(t *testing.T) {
	in := codec(plain3(), nil)
	a := arrival(in, advertOf(hmacCodec(keys(1, 1)), wall, addr1, GroupIPv4), addr1, GroupIPv4)
	p, err := in.Read(wall, a, netip.Addr{})
	if text := in.Explain(err, &p, a); err != ErrLength || !strings.Contains(text, "receive-only") {
		t.Errorf("got %v: %s", err, text)
	}
}

func TestModesSign(t *testing.T) {
	for mode, signed := range map[HMACMode]bool{HMACEnforce: true, HMACPermissive: true, HMACReceiveOnly: false} {
		h := keys(1, 1)
		h.Mode = mode
		if n := len(advertOf(hmacCodec(h), wall, addr1, GroupIPv4)); (n == 40) != signed {
			t.Errorf("mode %d: %d bytes", mode, n)
		}
	}
}

// TestReplayWindow: per sender only more is accepted, until the mark is so old
// that the time alone refuses what is under it.
func TestReplayWindow(t *testing.T) {
	in, out := hmacCodec(keys(1, 1)), hmacCodec(keys(1, 1))
	first := advertOf(out, wall, addr1, GroupIPv4)
	second := advertOf(out, wall, addr1, GroupIPv4)
	for _, c := range []struct {
		b    []byte
		want error
	}{{second, nil}, {second, ErrExtReplay}, {first, ErrExtReplay}} {
		if err := read(in, wall, c.b, addr1, GroupIPv4); err != c.want {
			t.Errorf("got %v, want %v", err, c.want)
		}
	}
	other := advertOf(hmacCodec(keys(1, 1)), wall, addr2, GroupIPv4)
	if err := read(in, wall, other, addr2, GroupIPv4); err != nil {
		t.Errorf("another sender with the same time: %v", err)
	}
	ahead := advertOf(hmacCodec(keys(1, 1)), wall.Add(5*sec), addr3, GroupIPv4)
	if err := read(in, wall, ahead, addr3, GroupIPv4); err != ErrExtClock {
		t.Errorf("ahead: %v", err)
	}
	back := wall.Add(-60 * sec) // both clocks are set back
	if err := read(in, back, advertOf(hmacCodec(keys(1, 1)), back, addr3, GroupIPv4), addr3, GroupIPv4); err != nil {
		t.Errorf("after the clocks were set back: %v", err)
	}
}

// TestMonotonicReplay: without a window a mark is never forgotten.
func TestMonotonicReplay(t *testing.T) {
	h := keys(1, 1)
	h.Monotonic = true
	in, out := hmacCodec(h), hmacCodec(h)
	now := advertOf(out, wall, addr1, GroupIPv4)
	later := advertOf(out, wall.Add(-1000*sec), addr1, GroupIPv4) // its clock was set back
	for i, b := range [][]byte{now, later} {
		if err := read(in, wall, b, addr1, GroupIPv4); err != nil {
			t.Errorf("advert %d: %v", i, err)
		}
	}
	if err := read(in, wall.Add(9000*sec), now, addr1, GroupIPv4); err != ErrExtReplay {
		t.Errorf("replayed: got %v", err)
	}
}

// TestSequence: the clock, or one more; a clock set back far is followed.
func TestSequence(t *testing.T) {
	cases := []struct {
		name      string
		monotonic bool
		at        time.Duration // of the second advert, after the first
		want      uint64        // from the first
	}{
		{"same instant", false, 0, 1},
		{"later", false, sec, 1 << 32},
		{"set back a little", false, -5 * sec, 1},
		{"set back far", false, -6 * sec, 1<<64 - 6<<32},
		{"set back far, monotonic", true, -6 * sec, 1},
	}
	for _, c := range cases {
		s := signer{window: 5, cfg: HMAC{Monotonic: c.monotonic}}
		first := s.next(wall)
		if got := s.next(wall.Add(c.at)) - first; got != c.want {
			t.Errorf("%s: %#x further, want %#x", c.name, got, c.want)
		}
	}
}

// TestSequenceGrows: whatever the clock does inside the window, no advert of
// ours is a replay.
func TestSequenceGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, now := signer{window: 300, cfg: HMAC{Monotonic: rapid.Bool().Draw(t, "monotonic")}}, wall
		last := s.next(now)
		for range rapid.IntRange(1, 40).Draw(t, "adverts") {
			now = now.Add(time.Duration(rapid.IntRange(-5000, 5000).Draw(t, "ms")) * ms)
			next := s.next(now)
			if !after(next, last) {
				t.Fatalf("%#x after %#x", next, last)
			}
			last = next
		}
	})
}

// TestSenders: a multicast router remembers four senders and forgets the one
// heard longest ago; a unicast one remembers every peer and hears nobody else.
func TestSenders(t *testing.T) {
	var list []netip.Addr
	var adverts [][]byte
	for i := range byte(6) {
		list = append(list, netip.AddrFrom4([4]byte{10, 1, 1, i}))
		adverts = append(adverts, advertOf(hmacCodec(keys(1, 1)), wall, list[i], GroupIPv4))
	}
	in := hmacCodec(keys(1, 1))
	for _, c := range []struct {
		i    int
		want error
	}{{0, nil}, {1, nil}, {2, nil}, {3, nil}, {0, ErrExtReplay}, {4, nil}, {3, ErrExtReplay}, {0, nil}, {5, nil}} {
		if err := read(in, wall, adverts[c.i], list[c.i], GroupIPv4); err != c.want {
			t.Errorf("sender %d: got %v, want %v", c.i, err, c.want)
		}
	}
	if len(in.sign.marks) != extSenders {
		t.Errorf("%d senders remembered", len(in.sign.marks))
	}
	uni := codec(plain3(), func(x *Expect) { x.HMAC = keys(1, 1); unicastTo(list[:5]...)(x) })
	for round, want := range []error{nil, ErrExtReplay} {
		for i := range 5 {
			b := advertOf(codec(plain3(), func(x *Expect) { x.HMAC = keys(1, 1); unicastTo(peer2)(x) }), wall, list[i], peer2)
			if err := read(uni, wall, b, list[i], peer2); err != want {
				t.Errorf("round %d, peer %d: got %v, want %v", round, i, err, want)
			}
		}
	}
	if err := read(uni, wall, adverts[5], list[5], peer2); err != ErrSource {
		t.Errorf("a stranger: got %v", err)
	}
}

// TestKeyChange: a new key is added everywhere, made active everywhere, the old
// one is removed everywhere, one router after the other, and no advert is lost.
func TestKeyChange(t *testing.T) {
	steps := []*HMAC{keys(1, 1), keys(1, 1, 2), keys(2, 1, 2), keys(2, 2)}
	a, b := hmacCodec(steps[0]), hmacCodec(steps[0])
	exchange := func(step int) {
		t.Helper()
		if err := read(b, wall, advertOf(a, wall, addr1, GroupIPv4), addr1, GroupIPv4); err != nil {
			t.Errorf("step %d: b refuses: %v", step, err)
		}
		if err := read(a, wall, advertOf(b, wall, addr2, GroupIPv4), addr2, GroupIPv4); err != nil {
			t.Errorf("step %d: a refuses: %v", step, err)
		}
	}
	for i, h := range steps {
		for _, c := range []*Codec{a, b} {
			x := *c.expect
			x.HMAC = h
			c.Configure(c.advert, &x)
			exchange(i)
		}
	}
	if err := read(b, wall, advertOf(hmacCodec(steps[0]), wall.Add(sec), addr1, GroupIPv4), addr1, GroupIPv4); err != ErrExtKey {
		t.Errorf("the old key at the end: got %v", err)
	}
}

func TestWindowDefault(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		100 * ms: 5 * sec, sec: 5 * sec, 2 * sec: 6 * sec, 2900 * ms: 6 * sec, 40 * sec: 120 * sec, 255 * sec: 300 * sec,
	} {
		if got := (&HMAC{}).window(interval); got != want {
			t.Errorf("interval %v: window %v, want %v", interval, got, want)
		}
	}
	if got := (&HMAC{Window: 77 * sec}).window(sec); got != 77*sec {
		t.Errorf("configured: %v", got)
	}
}
