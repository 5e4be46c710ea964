package epoll

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func write(t *testing.T, w *os.File) {
	t.Helper()
	_, err := w.WriteString("x")
	must(t, err)
}

// take waits for a value, but not for ever.
func take[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing comes")
	}
	return v
}

// TestSet: who is ready is named, as long as it is in the set.
func TestSet(t *testing.T) {
	s, err := NewSet()
	must(t, err)
	defer s.Close()
	r, w := pipe(t)
	must(t, s.Control(unix.EPOLL_CTL_ADD, int(r.Fd()), unix.EPOLLIN))
	var events [4]unix.EpollEvent
	if n := s.Ready(events[:]); n != 0 {
		t.Fatalf("%d are ready of which nobody wrote to", n)
	}
	if n, err := s.Wait(events[:], time.Millisecond); n != 0 || err != nil {
		t.Fatalf("at the time limit: %d, %v", n, err)
	}
	write(t, w)
	for name, ask := range map[string]func() (int, error){
		"Ready": func() (int, error) { return s.Ready(events[:]), nil },
		"Wait":  func() (int, error) { return s.Wait(events[:], time.Minute) },
	} {
		if n, err := ask(); n != 1 || err != nil || events[0].Fd != int32(r.Fd()) {
			t.Errorf("%s: %d, %v, of %v", name, n, err, events[0])
		}
	}
	must(t, s.Control(unix.EPOLL_CTL_DEL, int(r.Fd()), 0))
	if n := s.Ready(events[:]); n != 0 {
		t.Errorf("%d are ready after the only one was removed", n)
	}
}

func TestSetErrors(t *testing.T) {
	s, err := NewSet()
	must(t, err)
	r, _ := pipe(t)
	if err := s.Control(unix.EPOLL_CTL_MOD, int(r.Fd()), 0); !errors.Is(err, unix.ENOENT) {
		t.Errorf("changing who is not there: %v", err)
	}
	must(t, s.Close())
	var events [1]unix.EpollEvent
	if n, err := Set(-1).Wait(events[:], 0); n != 0 || err != unix.EBADF {
		t.Errorf("waiting for none: %d, %v", n, err)
	}
	if n := Set(-1).Ready(events[:]); n != 0 {
		t.Errorf("of none %d are ready", n)
	}
}

// TestWatched: a goroutine has a turn when anybody is ready, another while it says
// that there is more, and of a set within the set when that has anybody who is.
func TestWatched(t *testing.T) {
	w, err := NewWatched()
	must(t, err)
	inner, err := NewSet()
	must(t, err)
	defer inner.Close()
	near, write1 := pipe(t)
	far, write2 := pipe(t)
	must(t, w.Control(unix.EPOLL_CTL_ADD, int(near.Fd()), unix.EPOLLIN|unix.EPOLLET))
	must(t, inner.Control(unix.EPOLL_CTL_ADD, int(far.Fd()), unix.EPOLLIN))
	must(t, w.Control(unix.EPOLL_CTL_ADD, int(inner), unix.EPOLLIN))
	var events [4]unix.EpollEvent
	if n := w.Ready(events[:]); n != 0 {
		t.Fatalf("%d are ready of which nobody wrote to", n)
	}
	write(t, write2)
	if n := w.Ready(events[:]); n != 1 || events[0].Fd != int32(inner) {
		t.Fatalf("%d are ready, %v", n, events[0])
	}
	var b [1]byte
	_, err = far.Read(b[:])
	must(t, err)
	turns, ended := make(chan int), make(chan error, 1)
	go func() {
		more := false
		ended <- w.Serve(func(s Set) bool {
			var events [4]unix.EpollEvent
			n := s.Ready(events[:])
			if n == 0 && !more {
				return false // the poller says that it is ready at the beginning
			}
			for _, e := range events[:n] {
				if e.Fd == int32(inner) {
					var b [1]byte
					_, _ = unix.Read(int(far.Fd()), b[:])
				}
			}
			turns <- n
			more = !more
			return more
		})
	}()
	for name, f := range map[string]*os.File{"of its own": write1, "of the set within": write2} {
		write(t, f)
		if n := take(t, turns); n != 1 {
			t.Errorf("%s: %d are ready", name, n)
		}
		if n := take(t, turns); n != 0 {
			t.Errorf("%s: %d are ready in the turn after", name, n)
		}
	}
	must(t, w.Close())
	if err := take(t, ended); err == nil {
		t.Error("it ends without an error")
	}
	if err := w.Control(unix.EPOLL_CTL_DEL, int(near.Fd()), 0); err == nil {
		t.Error("one that is closed changes")
	}
	if n := w.Ready(events[:]); n != 0 {
		t.Errorf("of one that is closed %d are ready", n)
	}
}

// TestNoAllocs: to hear costs no memory.
func TestNoAllocs(t *testing.T) {
	s, err := NewSet()
	must(t, err)
	defer s.Close()
	r, w := pipe(t)
	must(t, s.Control(unix.EPOLL_CTL_ADD, int(r.Fd()), unix.EPOLLIN))
	write(t, w)
	var events [4]unix.EpollEvent
	if n := testing.AllocsPerRun(100, func() { s.Ready(events[:]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
