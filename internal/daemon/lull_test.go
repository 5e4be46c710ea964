package daemon

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/ha"
)

// roused tells whether the loop would wake.
func roused(l *vrrpLoop) bool {
	var events [1]unix.EpollEvent
	return l.poll.outer.Ready(events[:]) > 0
}

// TestLull: while adverts come fast the loop is not woken by one, hears it when it
// looks, and is woken again once they come slower.
func TestLull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: raw sockets on the loopback interface")
	}
	master, backup := advertiser(t, 1, "127.0.0.2"), advertiser(t, 2, "127.0.0.1")
	lead(master)
	speak := func() {
		master.acts = master.node.Step(master.node.Next(), ha.Event{Kind: ha.EventTick}, master.acts[:0])
		master.perform(master.acts) // over lo it has arrived when the call returns
	}
	u := &backup.lull
	look := func() { // as soon as the lull is over
		u.until = min(u.until, backup.clock.now())
		backup.poll.round()
		u.next(backup)
	}
	speak()
	if !roused(backup) {
		t.Fatal("an advert does not wake")
	}
	backup.poll.round()
	u.last = backup.clock.now() // the one before had come a moment ago
	u.next(backup)
	if pause := u.until - u.last; u.until == 0 || pause > maxPause {
		t.Fatalf("a lull of %v", pause)
	}
	speak()
	speak()
	if roused(backup) {
		t.Error("an advert wakes in a lull")
	}
	if look(); u.until == 0 {
		t.Error("two adverts end the lull")
	}
	speak()
	if look(); u.until != 0 {
		t.Error("one does not")
	}
	speak()
	if !roused(backup) {
		t.Error("after a lull an advert does not wake")
	}
	backup.poll.round()
	if got := backup.node.Report(backup.clock.now(), backup.clock.origin).Instances[0].Counters.AdvertRcvd; got != 5 {
		t.Errorf("of 5 adverts %d were heard", got)
	}
	u.last, u.heard = backup.clock.now(), crowd+1
	if u.next(backup); u.until != 0 {
		t.Error("a lull in a flood")
	}
	u.last, u.heard = backup.clock.now(), 2
	if u.next(backup); u.until != 0 {
		t.Error("a lull just after a flood")
	}
	u.wary = 0
	u.last, u.heard, backup.graced = backup.clock.now(), 2, true
	if u.next(backup); u.until != 0 {
		t.Error("a lull while a tick is put off")
	}
}

// TestWaited: what the wall clock says of an advert's age is believed within a lull.
func TestWaited(t *testing.T) {
	now := time.Now()
	for age, want := range map[time.Duration]time.Duration{
		-time.Hour: 0, 0: 0, time.Millisecond: time.Millisecond, time.Hour: maxPause,
	} {
		if got := waited(now, now.Add(-age).Round(0)); got != want {
			t.Errorf("%v ago is taken for %v", age, got)
		}
	}
	if got := waited(now, time.Time{}); got != 0 {
		t.Errorf("an unknown instant is taken for %v ago", got)
	}
}
