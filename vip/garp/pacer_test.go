package garp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// wire is a sender that remembers what was sent and when.
type wire struct {
	mu    sync.Mutex
	start time.Time
	log   []string
	fail  func(Target) error
	gate  chan struct{} // if set, each send takes one from it first
}

func newWire() *wire { return &wire{start: time.Now()} }

func (w *wire) send(frames []*frame) (int, error) {
	if w.gate != nil {
		<-w.gate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, f := range frames {
		if w.fail != nil {
			if err := w.fail(*f.target); err != nil {
				return i, err
			}
		}
		w.log = append(w.log, fmt.Sprintf("%v %v", time.Since(w.start), last(*f.target)))
	}
	return len(frames), nil
}

func (w *wire) close() error { return nil }

// take returns what was sent since the last call.
func (w *wire) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.log, ", ")
	w.log = nil
	return s
}

// last is the final byte of an address: a short name for it.
func last(t Target) int {
	b := t.Addr.AsSlice()
	return int(b[len(b)-1])
}

func targets(addrs ...string) []Target {
	var out []Target
	for _, a := range addrs {
		out = append(out, target(a))
	}
	return out
}

// spaced are targets whose lane keeps a distance between packets.
func spaced(d time.Duration, list ...Target) []Target {
	for i := range list {
		list[i].Spacing = d
	}
	return list
}

// stage runs a test in simulated time with a pacer.
func stage(t *testing.T, failed func(Failure), test func(p *Pacer, w *wire)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		p := newPacer(w, failed)
		test(p, w)
		p.Close()
	})
}

// expect lets all settle after d and compares what was sent.
func expect(t *testing.T, w *wire, d time.Duration, want string) {
	t.Helper()
	time.Sleep(d) // simulated
	synctest.Wait()
	if got := w.take(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDefaultSchedule(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		p.Start(1, targets("10.0.0.1", "10.0.0.2"), Schedule{Repeat: 2, Delay: 5 * time.Second})
		expect(t, w, 0, "0s 1, 0s 2, 0s 1, 0s 2")
		expect(t, w, 4999*time.Millisecond, "")
		expect(t, w, time.Millisecond, "5s 1, 5s 2, 5s 1, 5s 2")
		expect(t, w, 24*time.Hour, "")
		if sent, failed := p.Sent(); sent != 8 || failed != 0 {
			t.Errorf("counted %d sent, %d failed", sent, failed)
		}
	})
}

func TestRefresh(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		p.Start(1, targets("10.0.0.1"), Schedule{Repeat: 1, Delay: 5 * time.Second, Refresh: time.Minute, RefreshRepeat: 2})
		expect(t, w, 5*time.Second, "0s 1, 5s 1")
		expect(t, w, time.Minute, "1m5s 1, 1m5s 1")
		expect(t, w, time.Minute, "2m5s 1, 2m5s 1")
		p.Start(1, targets("10.0.0.1"), Schedule{Repeat: 1, Refresh: time.Minute, RefreshRepeat: 1})
		expect(t, w, time.Minute, "2m5s 1, 3m5s 1") // one refresh, not two
	})
}

func TestIntervalIsPerLinkAndProtocol(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		other := target("10.0.0.9")
		other.IfIndex = 4
		p.Start(1, append(spaced(10*time.Millisecond, targets("10.0.0.1", "10.0.0.2")...), append(spaced(25*time.Millisecond, targets("fe80::7", "fe80::8")...),
			spaced(10*time.Millisecond, other)...)...), Schedule{Repeat: 2})
		expect(t, w, 0, "0s 1, 0s 7, 0s 9")
		expect(t, w, 10*time.Millisecond, "10ms 2, 10ms 9")
		expect(t, w, time.Second, "20ms 1, 25ms 8, 30ms 2, 50ms 7, 75ms 8")
	})
}

func TestTwoOwnersShareALink(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		s := Schedule{Repeat: 2}
		p.Start(1, spaced(time.Second, targets("10.0.0.1")...), s)
		p.Start(2, spaced(time.Second, targets("10.0.0.2")...), s)
		expect(t, w, time.Minute, "0s 1, 1s 2, 2s 1, 3s 2")
	})
}

// TestFirstGoesBeforeAgain: whoever comes while another's repetitions wait is
// announced before them.
func TestFirstGoesBeforeAgain(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		p.Start(1, spaced(time.Second, targets("10.0.0.1", "10.0.0.2")...), Schedule{Repeat: 3})
		expect(t, w, 2500*time.Millisecond, "0s 1, 1s 2, 2s 1")
		p.Start(2, spaced(time.Second, targets("10.0.0.3")...), Schedule{Repeat: 2})
		expect(t, w, 10*time.Second, "3s 3, 4s 2, 5s 1, 6s 3, 7s 2")
	})
}

// TestAhead: what was announced ahead has one announcement less in the first
// burst, and comes after who has had none.
func TestAhead(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		p.Ahead(1, targets("10.0.0.1"))
		p.Ahead(1, targets("10.0.0.2"))
		expect(t, w, 0, "0s 1, 0s 2")
		p.Start(1, targets("10.0.0.1", "10.0.0.2", "10.0.0.3"), Schedule{Repeat: 2, Delay: time.Second})
		expect(t, w, 0, "0s 3, 0s 1, 0s 2, 0s 3")
		expect(t, w, time.Second, "1s 1, 1s 2, 1s 3, 1s 1, 1s 2, 1s 3")
		if p.runs[1].ahead != nil {
			t.Error("what was announced ahead is remembered")
		}
		p.Ahead(1, targets("10.0.0.1"))
		p.Start(1, targets("10.0.0.1"), Schedule{Repeat: 1})
		expect(t, w, 0, "1s 1")
	})
}

// TestAheadThatWaits is stopped, and goes on, with the rest.
func TestAheadThatWaits(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		three := spaced(time.Second, targets("10.0.0.1", "10.0.0.2", "10.0.0.3")...)
		p.Ahead(1, three)
		p.Stop(1)
		expect(t, w, 10*time.Second, "")
		p.Ahead(1, three)
		p.Start(1, three, Schedule{Repeat: 2})
		expect(t, w, 2500*time.Millisecond, "10s 1, 11s 2, 12s 3")
		p.Stop(1)
		expect(t, w, 10*time.Second, "")
		p.Ahead(1, three)
		p.Start(1, three, Schedule{Repeat: 1})
		p.Replace(1, three[1:], Schedule{Repeat: 1})
		expect(t, w, 10*time.Second, "22.5s 2, 23.5s 3")
		p.Ahead(1, three)
		p.Start(1, three, Schedule{Repeat: 1})
		p.Stop(1)
		expect(t, w, 10*time.Second, "")
	})
}

func TestStopCancelsWhatWaits(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		s := Schedule{Repeat: 3, Delay: time.Second, Refresh: time.Second, RefreshRepeat: 1}
		p.Start(1, spaced(10*time.Millisecond, targets("10.0.0.1", "10.0.0.2")...), s)
		p.Start(2, spaced(10*time.Millisecond, targets("10.0.0.3")...), Schedule{Repeat: 2})
		expect(t, w, 10*time.Millisecond, "0s 1, 10ms 2")
		p.Stop(1)
		p.Stop(7) // unknown
		expect(t, w, time.Hour, "20ms 3, 30ms 3")
		p.Burst(1, 5, 0)
		expect(t, w, time.Hour, "")
	})
}

func TestBurst(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		p.Start(1, targets("10.0.0.1"), Schedule{Repeat: 1})
		expect(t, w, time.Second, "0s 1")
		p.Burst(1, 2, 5*time.Second)
		expect(t, w, 2*time.Second, "1s 1, 1s 1")
		p.Burst(1, 1, 5*time.Second) // the second burst is put off, not doubled
		expect(t, w, time.Hour, "3s 1, 8s 1, 8s 1")
		p.Burst(1, 1, 0)
		expect(t, w, time.Hour, "1h0m3s 1")
	})
}

func TestBurstWhileOneWaits(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		p.Start(1, spaced(time.Second, targets("10.0.0.1", "10.0.0.2")...), Schedule{Repeat: 2})
		p.Burst(1, 2, 0)
		expect(t, w, time.Hour, "0s 1, 1s 2, 2s 1, 3s 2")
	})
}

func TestReplace(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		s := Schedule{Repeat: 2, Delay: 5 * time.Second, Refresh: time.Minute, RefreshRepeat: 1}
		p.Start(1, spaced(time.Second, targets("10.0.0.1", "10.0.0.2")...), s)
		expect(t, w, 0, "0s 1")
		later := spaced(time.Second, targets("10.0.0.2", "10.0.0.3")...)
		later[0].HardwareAddr[5]++ // still the same address
		p.Replace(1, later, s)
		expect(t, w, 4*time.Second, "1s 2, 2s 2")
		expect(t, w, time.Minute, "5s 2, 6s 3, 7s 2, 8s 3")
		expect(t, w, 5*time.Second, "1m5s 2, 1m6s 3")
		p.Replace(2, targets("10.0.0.4"), Schedule{Repeat: 3, Delay: time.Second})
		expect(t, w, 50*time.Second, "")
	})
}

func TestManyTargetsKeepTheirOrder(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		var many []Target
		var want []string
		for i := range 200 {
			many = append(many, target(fmt.Sprintf("10.0.0.%d", i+1)))
			want = append(want, fmt.Sprintf("0s %d", i+1))
		}
		p.Start(1, many, Schedule{Repeat: 3})
		expect(t, w, 0, strings.Join(slices.Concat(want, want, want), ", "))
	})
}

func TestFailuresAreToldTogether(t *testing.T) {
	var told []Failure
	stage(t, func(f Failure) { told = append(told, f) }, func(p *Pacer, w *wire) {
		w.fail = func(t Target) error {
			if n := last(t); n == 2 || n == 3 {
				return unix.ENETDOWN
			}
			return nil
		}
		p.Start(1, targets("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"), Schedule{Repeat: 1})
		expect(t, w, 0, "0s 1, 0s 4")
		if sent, failed := p.Sent(); sent != 2 || failed != 2 {
			t.Errorf("counted %d sent, %d failed", sent, failed)
		}
	})
	if len(told) != 1 || told[0].Count != 2 || last(told[0].Target) != 2 || !errors.Is(told[0].Err, unix.ENETDOWN) {
		t.Errorf("told %v", told)
	}
}

func TestFullLinkDoesNotHoldUpOthers(t *testing.T) {
	var told []Failure
	stage(t, func(f Failure) { told = append(told, f) }, func(p *Pacer, w *wire) {
		tries := 0
		w.fail = func(t Target) error {
			if t.IfIndex == 3 {
				tries++
				return unix.EAGAIN
			}
			return nil
		}
		other := target("10.0.0.9")
		other.IfIndex = 4
		p.Start(1, append(targets("10.0.0.1", "10.0.0.2", "10.0.0.3"), other), Schedule{Repeat: 1})
		expect(t, w, 0, "0s 9")
		if tries != 1 {
			t.Errorf("waited %d times for the same link", tries)
		}
	})
	if len(told) != 1 || told[0].Count != 3 {
		t.Errorf("told %v", told)
	}
}

func TestCallerNeverWaits(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		w.gate = make(chan struct{})
		for owner := range 100 {
			p.Start(owner, targets("10.0.0.1", "10.0.0.2"), Schedule{Repeat: 5})
		}
		synctest.Wait() // the pacer is stuck in send
		for owner := range 100 {
			p.Burst(owner, 1, 0)
			p.Stop(owner)
		}
		close(w.gate)
		synctest.Wait()
		if got := strings.Count(w.take(), ","); got >= maxBatch {
			t.Errorf("%d frames went out after Stop", got+1)
		}
	})
}

func TestAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		p := newPacer(w, nil)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p.Start(1, targets("10.0.0.1"), Schedule{Repeat: 1})
		p.Burst(1, 1, 0)
		expect(t, w, time.Second, "")
	})
}

func TestLanesOfVanishedLinksAreForgotten(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		for i := range 1000 {
			one := target("10.0.0.1")
			one.IfIndex = i + 1
			p.Start(1, []Target{one}, Schedule{Repeat: 1})
			synctest.Wait()
		}
		if n := len(p.lanes); n > 200 {
			t.Errorf("%d lanes are kept", n)
		}
	})
}

// quiet is a sender that does nothing.
type quiet struct{}

func (quiet) send(frames []*frame) (int, error) { return len(frames), nil }
func (quiet) close() error                      { return nil }

// TestSteadyPathDoesNotAllocate runs bursts by hand, without the goroutine.
func TestSteadyPathDoesNotAllocate(t *testing.T) {
	p := &Pacer{sender: quiet{}, runs: make(map[int]*run), lanes: make(map[laneKey]*lane), wake: make(chan struct{}, 1)}
	p.Start(1, targets("10.0.0.1", "10.0.0.2", "fe80::1"), Schedule{Repeat: 5})
	batch := make([]*Target, 0, maxBatch)
	burst := func() {
		p.Burst(1, 5, time.Hour)
		for {
			if batch, _, _ = p.due(batch[:0]); len(batch) == 0 {
				return
			}
			p.transmit(batch)
		}
	}
	burst()
	if n := testing.AllocsPerRun(100, burst); n != 0 {
		t.Errorf("a burst allocates %v times", n)
	}
	if sent, _ := p.Sent(); sent == 0 {
		t.Error("nothing was sent")
	}
}

func TestLanesAcrossLinks(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		shared := spaced(time.Second, targets("10.0.0.1", "10.0.0.2", "fe80::3")...)
		shared[1].IfIndex = 4
		for i := range shared {
			shared[i].Lane = -1
		}
		alone := spaced(time.Second, target("10.0.0.4"))
		p.Start(1, append(shared, alone...), Schedule{Repeat: 2})
		expect(t, w, time.Minute, "0s 1, 0s 3, 0s 4, 1s 2, 1s 3, 1s 4, 2s 1, 3s 2")
	})
}

func TestExtra(t *testing.T) {
	stage(t, nil, func(p *Pacer, w *wire) {
		list := targets("10.0.0.1", "10.0.0.2", "10.0.0.3")
		list[1].Extra = true
		s := Schedule{Repeat: 1, Refresh: 25 * time.Second, RefreshRepeat: 1, Extra: 10 * time.Second}
		p.Start(1, list, s)
		expect(t, w, 20*time.Second, "0s 1, 0s 2, 0s 3, 10s 2, 20s 2")
		expect(t, w, 5*time.Second, "25s 1, 25s 2, 25s 3")
		p.Replace(1, list, s) // keeps the rhythm
		expect(t, w, 5*time.Second, "30s 2")
		s.Extra = 3 * time.Second
		p.Replace(1, list, s)
		expect(t, w, 4*time.Second, "33s 2")
		p.Stop(1)
		expect(t, w, time.Hour, "")
		s.Refresh = 0
		p.Start(1, targets("10.0.0.1"), s) // none of them is extra
		expect(t, w, time.Hour, "1h0m34s 1")
	})
}
