package daemon

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// pair makes two ends of a link in one process.
func pair(t *testing.T) (*link[toChild, fromChild], *link[fromChild, toChild]) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newLink[toChild, fromChild](os.NewFile(uintptr(fds[0]), "a"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := newLink[fromChild, toChild](os.NewFile(uintptr(fds[1]), "b"))
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestLinkKeepsOrderAndDeliversAllBeforeClosing(t *testing.T) {
	a, b := pair(t)
	const n = 500
	for i := range n {
		a.send(toChild{Script: &scriptResult{Script: i, OK: i%2 == 0}})
	}
	go a.close()
	got := 0
	for m := range b.in {
		if m.Script == nil || m.Script.Script != got || m.Script.OK != (got%2 == 0) {
			t.Fatalf("message %d is %+v", got, m.Script)
		}
		got++
	}
	if got != n {
		t.Errorf("%d messages arrived, want %d", got, n)
	}
	b.close()
}

func TestLinkEndsWhenThePeerIsGone(t *testing.T) {
	a, b := pair(t)
	b.close()
	if _, open := <-a.in; open {
		t.Error("a message arrived from a closed peer")
	}
	a.send(toChild{Stop: true}) // must neither panic nor block
	a.close()
}
