package observe

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"keepgo/internal/whohas"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

// TestTally: questions are asked every 100 ms; some answers are missing, late,
// or come twice.
func TestTally(t *testing.T) {
	y := &tally{slack: slackOf(100 * time.Millisecond)}
	ask := func(n int) { y.Asked = n }
	ask(2)
	y.answer(2, at(200)) // what nobody answered before the first answer is no outage
	y.answer(2, at(201))
	ask(7)
	y.answer(7, at(700)) // 3 to 6 are lost
	y.answer(5, at(710))
	ask(9)
	y.answer(9, at(900)) // 8 is
	ask(13)
	s := y.told(at(1300))
	if s.Answered != 3 || s.Asked != 13 || len(s.Outages) != 3 {
		t.Fatalf("%+v", s)
	}
	for i, want := range [][3]int{{200, 700, 4}, {700, 900, 1}, {900, 1300, 3}} {
		if x := s.Outages[i]; !x.From.Equal(at(want[0])) || !x.To.Equal(at(want[1])) || x.Lost != want[2] {
			t.Errorf("outage %d is %+v, want %v", i, x, want)
		}
	}
	if len(y.Outages) != 2 {
		t.Error("what lasts was taken down for good")
	}
}

// TestTallyWithoutNumbers: an answer that is late is no loss.
func TestTallyWithoutNumbers(t *testing.T) {
	y := &tally{slack: slackOf(100 * time.Millisecond)}
	for n := 1; n <= 20; n += 2 { // every other is answered after the next question
		y.Asked = n + 1
		y.answer(-1, at(n*100))
	}
	if len(y.Outages) != 0 {
		t.Errorf("late answers are losses: %+v", y.Outages)
	}
	y.Asked = 40
	y.answer(-1, at(4000))
	if len(y.Outages) != 1 || y.Outages[0].Lost == 0 {
		t.Errorf("a silence is none: %+v", y.Outages)
	}
}

// TestOwners: a answers to the first questions, b to later ones, and a again
// much later. That nobody asked for a while is no pause of anybody.
func TestOwners(t *testing.T) {
	ob := &Observer{every: 50 * time.Millisecond, tallies: []*tally{{}}}
	for n := 0; n <= 20; n++ {
		ob.tallies[0].Asked = n
		now := at(50 * n)
		if n > 10 {
			now = at(50*n + 5000)
		}
		if n <= 12 {
			ob.own("a", 0, now)
		}
		if n >= 11 {
			ob.own("b", 0, now)
		}
	}
	ob.tallies[0].Asked = 40
	ob.own("a", 0, at(9000))
	seen := ob.Seen()
	list := seen.Owners
	if len(list) != 3 || list[0].MAC != "a" || !list[0].To.Equal(at(5600)) || list[1].MAC != "b" || !list[1].From.Equal(at(5550)) || !list[2].From.Equal(at(9000)) {
		t.Fatalf("%+v", list)
	}
	if !list[0].Gone || !list[1].Gone || list[2].Gone {
		t.Errorf("who is gone: %+v", list)
	}
	if two := seen.Two(at(0), at(8000)); two != 50*time.Millisecond {
		t.Errorf("two of them answered for %v", two)
	}
}

func TestARPAnswers(t *testing.T) {
	mine, its := net.HardwareAddr{2, 0, 0, 0, 0, 9}, net.HardwareAddr{2, 0, 0, 0, 0, 1}
	vip := netip.MustParseAddr("10.0.0.100")
	a := &arpAsker{mac: mine, vip: vip}
	question := whohas.Frame(mine, netip.Addr{}, vip)
	reply := append(bytes.Clone(mine), its...)
	reply = append(reply, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 2)
	reply = append(append(append(append(reply, its...), vip.AsSlice()...), mine...), 0, 0, 0, 0)
	if mac, ok := a.ours(reply); !ok || mac.String() != its.String() {
		t.Errorf("an answer is not read: %v %v", mac, ok)
	}
	change := func(i int, v byte) []byte { b := bytes.Clone(reply); b[i] = v; return b }
	for name, b := range map[string][]byte{"question": question, "to another": change(5, 8), "of another address": change(31, 101), "short": reply[:41], "nothing": nil} {
		if _, ok := a.ours(b); ok {
			t.Errorf("%s is taken for an answer", name)
		}
	}
}

func TestNDAnswers(t *testing.T) {
	vip := netip.MustParseAddr("fd00::100")
	a := &ndAsker{vip: vip}
	na := append([]byte{136, 0, 0, 0, 0x60, 0, 0, 0}, vip.AsSlice()...)
	na = append(na, 2, 1, 2, 0, 0, 0, 0, 1)
	if mac, ok := a.ours(na); !ok || mac.String() != "02:00:00:00:00:01" {
		t.Errorf("an answer is not read: %v %v", mac, ok)
	}
	unasked := bytes.Clone(na)
	unasked[4] = 0x20
	for name, b := range map[string][]byte{"unasked": unasked, "short": na[:31], "nothing": nil} {
		if _, ok := a.ours(b); ok {
			t.Errorf("%s is taken for an answer", name)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	for _, every := range []time.Duration{0, time.Millisecond, time.Minute} {
		if _, err := Start(Options{VIP: netip.MustParseAddr("127.0.0.1"), Every: every}); err == nil {
			t.Errorf("an interval of %v is taken", every)
		}
	}
}
