// Package testns gives a test network namespaces of its own.
package testns

import (
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netns"

	"keepgo/internal/netlab"
)

func needsRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
}

// Lab is an empty lab until the test ends. Without root the test is skipped.
func Lab(t testing.TB) *netlab.Lab {
	t.Helper()
	needsRoot(t)
	lab, err := netlab.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}

// Enter takes the test's goroutine, on a thread of its own, into a new network
// namespace until the test ends. Without root the test is skipped.
func Enter(t testing.TB) {
	t.Helper()
	needsRoot(t)
	runtime.LockOSThread()
	old, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netns.Set(old); err != nil {
			t.Error(err)
			return // the thread stays locked and ends with the test
		}
		ns.Close()
		old.Close()
		runtime.UnlockOSThread()
	})
}
