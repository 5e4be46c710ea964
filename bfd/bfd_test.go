package bfd

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ms = time.Millisecond

func config() Config {
	return Config{MinRx: 10 * ms, MinTx: 10 * ms, IdleTx: time.Second, Multiplier: 5}
}

// wire is two sessions and what is between them.
type wire struct {
	now  Time
	ends [2]Session
	cut  [2]bool // from this end to the other
	sent [2]int
}

func newWire(a, b Config) *wire {
	return &wire{ends: [2]Session{New(a, 1, 0), New(b, 2, 0)}}
}

func (w *wire) carry(from int, p Packet) {
	for range 4 { // answers to answers end
		w.sent[from]++
		var err error
		if p, err = Parse(p.Append(nil)); err != nil {
			panic(err)
		}
		if w.cut[from] {
			return
		}
		from = 1 - from
		var send bool
		if p, send = w.ends[from].Hear(p, w.now); !send {
			return
		}
	}
}

func (w *wire) advance(d time.Duration) {
	for end := w.now + d; ; {
		next := min(w.ends[0].Next(), w.ends[1].Next())
		if next > end {
			w.now = end
			return
		}
		w.now = max(w.now, next)
		for i := range w.ends {
			if p, send := w.ends[i].Due(w.now); send {
				w.carry(i, p)
			}
		}
	}
}

func (w *wire) want(t *testing.T, a, b State) {
	t.Helper()
	if w.ends[0].State() != a || w.ends[1].State() != b {
		t.Fatalf("at %v: %v and %v, want %v and %v", w.now, w.ends[0].State(), w.ends[1].State(), a, b)
	}
}

func TestComesUpAndDown(t *testing.T) {
	w := newWire(config(), config())
	w.advance(2 * time.Second)
	w.want(t, Up, Up)
	w.sent = [2]int{}
	w.advance(time.Second)
	if w.sent[0] < 100 || w.sent[0] > 135 { // 10 ms less 10 to 25 percent
		t.Errorf("%d packets in a second", w.sent[0])
	}
	w.cut[0] = true
	w.advance(40 * ms) // what came last is up to 9 ms old
	if w.ends[1].State() != Up {
		t.Error("down before the detection time")
	}
	w.advance(12 * ms)
	w.want(t, Down, Down) // the second end tells the first
	if got := w.ends[1].Expired(); got != 50*ms {
		t.Errorf("expired after %v, want 50ms", got)
	}
	w.cut[0] = false
	w.advance(3 * time.Second)
	w.want(t, Up, Up)
}

func TestPassiveWaits(t *testing.T) {
	passive := config()
	passive.Passive = true
	w := newWire(passive, passive)
	w.advance(5 * time.Second)
	if w.sent != [2]int{} {
		t.Errorf("passive ends sent %v", w.sent)
	}
	w = newWire(passive, config())
	w.advance(3 * time.Second)
	w.want(t, Up, Up)
}

// The intervals are what both ends agree to, also when they change.
func TestIntervals(t *testing.T) {
	slow := config()
	slow.MinRx, slow.MinTx, slow.Multiplier = 100*ms, 50*ms, 3
	w := newWire(config(), slow)
	w.advance(3 * time.Second)
	w.want(t, Up, Up)
	w.sent = [2]int{}
	w.advance(time.Second)
	if w.sent[0] > 14 || w.sent[1] > 27 || w.sent[1] < 20 {
		t.Errorf("%v packets in a second", w.sent)
	}
	w.ends[1].Configure(config(), w.now)
	w.advance(time.Second)
	w.sent = [2]int{}
	w.advance(time.Second)
	if w.sent[0] < 100 {
		t.Errorf("after a change %v packets in a second", w.sent)
	}
	w.want(t, Up, Up)
}

func TestClose(t *testing.T) {
	w := newWire(config(), config())
	w.advance(2 * time.Second)
	w.carry(0, w.ends[0].Close())
	if w.ends[1].State() != Down || w.ends[1].Expired() != 0 {
		t.Errorf("the other end is %v", w.ends[1].State())
	}
	if _, send := w.ends[0].Due(w.now + time.Hour); send {
		t.Error("a closed session speaks")
	}
}

// Whatever is cut and for how long: once the wire is whole both ends come up.
func TestHeals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := func(name string) Config {
			return Config{
				MinRx:      time.Duration(rapid.IntRange(1, 300).Draw(t, name+" rx")) * ms,
				MinTx:      time.Duration(rapid.IntRange(1, 300).Draw(t, name+" tx")) * ms,
				IdleTx:     time.Second,
				Multiplier: uint8(rapid.IntRange(1, 10).Draw(t, name+" multiplier")),
			}
		}
		w := newWire(c("a"), c("b"))
		for range rapid.IntRange(0, 6).Draw(t, "cuts") {
			w.cut = [2]bool{rapid.Bool().Draw(t, "ab"), rapid.Bool().Draw(t, "ba")}
			w.advance(time.Duration(rapid.IntRange(1, 5000).Draw(t, "for")) * ms)
		}
		w.cut = [2]bool{}
		w.advance(20 * time.Second)
		if w.ends[0].State() != Up || w.ends[1].State() != Up {
			t.Fatalf("%v and %v", w.ends[0].State(), w.ends[1].State())
		}
	})
}

func TestParse(t *testing.T) {
	good := Packet{State: Up, Multiplier: 3, Mine: 1, Yours: 2, MinTx: 10 * ms, MinRx: 20 * ms, Poll: true, Diagnostic: DetectionExpired}
	b := good.Append(nil)
	if p, err := Parse(b); err != nil || p != good {
		t.Errorf("%+v, %v", p, err)
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"short":          func(b []byte) []byte { return b[:23] },
		"version":        func(b []byte) []byte { b[0] = 2 << 5; return b },
		"length":         func(b []byte) []byte { b[3] = 25; return b },
		"multiplier":     func(b []byte) []byte { b[2] = 0; return b },
		"multipoint":     func(b []byte) []byte { b[1] |= flagMultipoint; return b },
		"authentication": func(b []byte) []byte { b[1] |= flagAuthentication; return b },
		"mine":           func(b []byte) []byte { b[7] = 0; return b },
		"yours":          func(b []byte) []byte { b[11] = 0; return b },
	} {
		if p, err := Parse(spoil(append([]byte(nil), b...))); err == nil {
			t.Errorf("%s: taken as %+v", name, p)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Packet{State: Up, Multiplier: 3, Mine: 1, Yours: 2}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := New(config(), 1, 0)
		if p, err := Parse(b); err == nil {
			s.Hear(p, 0)
			s.Due(time.Second)
		}
	})
}
