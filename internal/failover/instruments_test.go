package failover

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"keepgo/internal/capture"
	"keepgo/internal/lab/drill"
	"keepgo/vrrp"
)

// TestLapsed: an address that was let go while nobody asked went when this
// director took it.
func TestLapsed(t *testing.T) {
	const s = time.Second
	w := &instruments{hushed: 10 * s, holds: []drill.Hold{{Has: true}, {At: 2 * s}, {At: 12 * s, Has: true}, {At: 12 * s, Address: 1, Has: true}}}
	for missed, want := range map[time.Duration]time.Duration{5 * s: 5 * s, 11 * s: 11 * s, 14 * s: 12 * s} {
		if got := w.lapsed(0, missed); got != want {
			t.Errorf("missed at %v, it lapsed at %v, want %v", missed, got, want)
		}
	}
	if w.hushed = 0; w.lapsed(0, 14*s) != 14*s {
		t.Error("there was no pause")
	}
}

// TestSort: the first advert and announcement of each director count, of this
// virtual router alone.
func TestSort(t *testing.T) {
	vip := netip.MustParseAddr("10.0.0.100")
	x := &wire{vrid: 51, vip: vip}
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	advert := func(ms int, out bool, vrid, priority uint8, src string) *capture.Packet {
		return &capture.Packet{At: at(ms), Out: out, Kind: capture.Advert, Src: netip.MustParseAddr(src), VRRP: vrrp.Packet{VRID: vrid, Priority: priority}}
	}
	for _, p := range []*capture.Packet{
		advert(1, false, 52, 100, "10.0.0.2"), advert(2, false, 51, 100, "fe80::2"), advert(3, false, 51, 0, "10.0.0.2"),
		advert(4, false, 51, 100, "10.0.0.2"), advert(5, false, 51, 100, "10.0.0.2"), advert(6, true, 51, 150, "10.0.0.1"),
		{At: at(7), Kind: capture.Announcement, Addr: netip.MustParseAddr("10.0.0.9")}, {At: at(8), Kind: capture.Answer, Addr: vip},
		{At: at(9), Kind: capture.Announcement, Addr: vip},
	} {
		x.sort(p)
	}
	want := [2]moments{this: {advert: at(6)}, other: {advert: at(4), announced: at(9)}}
	if x.first != want {
		t.Errorf("%+v, want %+v", x.first, want)
	}
}

// TestOthers: an address that is pinged answers here, then nowhere, then at the
// other director, which a ping is lost to, and here again.
func TestOthers(t *testing.T) {
	const s = time.Second
	began := time.Unix(0, 0)
	at := func(d time.Duration) time.Time { return began.Add(d) }
	o := drill.Observation{Began: began, Now: at(60 * s), Series: []drill.Series{{Outages: []drill.Outage{
		{From: at(10 * s), To: at(13 * s)}, {From: at(20 * s), To: at(21 * s)}, {From: at(50 * s), To: at(60 * s)}}}}}
	own := []drill.Hold{{Has: true}, {At: 11 * s}, {At: 30 * s, Has: true}, {At: 40 * s}, {At: 12 * s, Address: 1, Has: true}}
	var got []time.Duration
	for i, h := range others(own, 0, answered(&o, began)) {
		if got = append(got, h.At); h.Director != other || h.Has != (i%2 == 0) {
			t.Errorf("hold %d is %+v", i, h)
		}
	}
	if want := []time.Duration{13 * s, 20 * s, 21 * s, 30 * s, 40 * s, 50 * s}; !slices.Equal(got, want) {
		t.Errorf("it changes at %v, want %v", got, want)
	}
}

// TestNothingSeen: what nobody could measure is no time of 0 ms.
func TestNothingSeen(t *testing.T) {
	s := drill.Scene{OK: true}
	new(instruments).measure(&s, time.Now(), time.Now())
	gap := time.Duration(0)
	drill.Judge(&s, drill.Limit{Gap: &gap})
	if s.GapMS != drill.Unseen || s.TwoMS != drill.Unseen || s.NoneMS != drill.Unseen || !s.OK {
		t.Errorf("%+v", s)
	}
	if text := lasted("both", s.TwoMS); text != "how long both was not seen" {
		t.Errorf("%q", text)
	}
}
