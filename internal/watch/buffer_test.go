package watch

import (
	"os"
	"testing"

	"github.com/mdlayher/netlink"
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

// TestAddressBuffers changes both buffers of watched addresses.
func TestAddressBuffers(t *testing.T) {
	a, err := NewAddresses(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	size := func(c *netlink.Conn) (n int) {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) }); err != nil {
			t.Fatal(err)
		}
		return n / 2 // socket(7): the kernel doubles it
	}
	if err := a.SetBuffers(Buffer{Bytes: 50_000}, Buffer{Bytes: 60_000}); err != nil {
		t.Fatal(err)
	}
	if events, answers := size(a.events), size(a.dumps); events != 50_000 || answers != 60_000 {
		t.Errorf("%d and %d bytes after 50000 and 60000 were asked for", events, answers)
	}
	if os.Getuid() != 0 {
		t.Skip("needs root: a buffer beyond the limit of the system")
	}
	if err := a.SetBuffers(Buffer{Bytes: 50_000_000, Force: true}, Buffer{}); err != nil {
		t.Fatal(err)
	}
	if events, answers := size(a.events), size(a.dumps); events != 50_000_000 || answers != receiveBuffer {
		t.Errorf("%d and %d bytes, not the forced 50000000 and the default", events, answers)
	}
}
