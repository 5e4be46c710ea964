package watch

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSetBuffer changes the buffer of the connector's socket, and leaves alone
// what is none.
func TestSetBuffer(t *testing.T) {
	p, err := NewProcesses(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	size := func() (n int) {
		if err := p.raw.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) }); err != nil {
			t.Fatal(err)
		}
		return n / 2 // socket(7): the kernel doubles it
	}
	connected := size() > 0
	for _, want := range []int{50_000, 60_000} {
		if err := p.SetBuffer(want, false); err != nil {
			t.Fatal(err)
		}
		if got := size(); connected && got != want {
			t.Errorf("%d bytes after %d were asked for", got, want)
		}
	}
	if os.Getuid() != 0 {
		return
	}
	if err := p.SetBuffer(0, false); err != nil || connected && size() != receiveBuffer {
		t.Errorf("the default is %d bytes, %v", size(), err)
	}
}
