package daemon

import (
	"encoding/gob"
	"encoding/json"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLinkHolds: what is said while the peer becomes another program reaches that
// program, or the old one if it stays, and is said once.
func TestLinkHolds(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, err := newLink[fromChild, toChild](os.NewFile(uintptr(fds[0]), "near"))
	if err != nil {
		t.Fatal(err)
	}
	far := os.NewFile(uintptr(fds[1]), "far")
	defer far.Close()
	dec := gob.NewDecoder(far)
	expect := func(want fromChild) {
		t.Helper()
		var m fromChild
		if err := dec.Decode(&m); err != nil || m.Log != want.Log || m.Detached != want.Detached {
			t.Errorf("%+v comes (%v), want %+v", m, err, want)
		}
	}
	near.send(fromChild{Log: "before"})
	near.hold(fromChild{Detached: true})
	near.send(fromChild{Log: "during"})
	expect(fromChild{Log: "before"})
	expect(fromChild{Detached: true})
	near.release()
	expect(fromChild{Log: "during"})

	near.hold(fromChild{Detached: true})
	near.send(fromChild{Log: "for the next"})
	expect(fromChild{Detached: true})
	go near.close()
	var last []fromChild
	if err := json.NewDecoder(far).Decode(&last); err != nil || len(last) != 1 || last[0].Log != "for the next" {
		t.Errorf("the next program gets %+v (%v)", last, err)
	}
}
