package daemon

import (
	"os"
	"testing"
	"time"

	"keepgo/vrrp"
)

// serving has a poll called in turns; after each, what rearm says is done.
func serving(t *testing.T, p *poll, rearm func()) {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		ended <- p.serve(func() bool {
			more := p.round()
			rearm()
			return more
		})
	}()
	t.Cleanup(func() {
		p.close()
		if err := <-ended; err == nil {
			t.Error("a closed poll ends without an error")
		}
	})
}

// take waits for a value, but not for ever.
func take[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing comes")
	}
	return v
}

// TestClockWakesOnceAndRearms: the clock is heard no earlier than the earliest
// instant that it was armed for, once, at once where that has passed, and then
// not before it is armed anew.
func TestClockWakesOnceAndRearms(t *testing.T) {
	c, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	p, err := newPoll()
	if err != nil {
		t.Fatal(err)
	}
	woke, next := make(chan vrrp.Time), make(chan vrrp.Time)
	if err := p.rouse(c.fd); err != nil {
		t.Fatal(err)
	}
	at := c.now() + 20*time.Millisecond
	for _, at := range []vrrp.Time{vrrp.Never, at + time.Hour, at, at + time.Minute, vrrp.Never} {
		if err := c.arm(at); err != nil {
			t.Fatal(err)
		}
	}
	serving(t, p, func() {
		if _, come := c.come(); come {
			woke <- c.now()
			if err := c.arm(<-next); err != nil {
				t.Error(err)
			}
		}
	})
	if now := take(t, woke); now < at {
		t.Errorf("it woke %v early", at-now)
	}
	next <- at // has passed
	take(t, woke)
	next <- vrrp.Never
	select {
	case <-woke:
		t.Error("a clock woke that was not armed")
	case <-time.After(50 * time.Millisecond):
	}
}

// TestPollHearsEverybodyInEachRound: who always has more to say does not keep
// others from being heard, and who was removed is heard no more.
func TestPollHearsEverybodyInEachRound(t *testing.T) {
	p, err := newPoll()
	if err != nil {
		t.Fatal(err)
	}
	loud, voice := pipe(t)
	quiet, word := pipe(t)
	rounds, heard := 0, make(chan int, 1)
	hear := func() bool {
		var b [1]byte
		_, _ = quiet.Read(b[:])
		heard <- rounds
		return false
	}
	flood := func() bool {
		if rounds++; rounds == 1000 {
			p.remove(int(loud.Fd()))
		}
		return true
	}
	for f, ready := range map[*os.File]func() bool{loud: flood, quiet: hear} {
		if err := p.add(int(f.Fd()), ready); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []*os.File{voice, word} {
		if _, err := f.WriteString("x"); err != nil {
			t.Fatal(err)
		}
	}
	serving(t, p, func() {})
	if n := take(t, heard); n > 1 {
		t.Errorf("heard only in round %d", n)
	}
	if _, err := word.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	take(t, heard)
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}
