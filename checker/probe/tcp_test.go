package probe

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/checker"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func tcpCheck(target string) *checker.Check {
	return &checker.Check{Name: "[10.0.0.1]:tcp:80", Timeout: 5 * time.Second, Interval: time.Minute,
		Probe: checker.Probe{Target: netip.MustParseAddrPort(target)}}
}

func TestTCP(t *testing.T) {
	l := listen(t)
	closed := listen(t)
	closed.Close()
	bound := tcpCheck(l.Addr().String())
	bound.Probe.Bind = netip.MustParseAddrPort("127.0.0.2:0")
	foreign := tcpCheck(l.Addr().String())
	foreign.Probe.Bind = netip.MustParseAddrPort("192.0.2.1:0")
	link := tcpCheck(l.Addr().String())
	link.Probe.BindLink = "no-such-link"
	tests := []struct {
		name   string
		check  *checker.Check
		answer checker.Answer
		why    string
	}{
		{"connects", tcpCheck(l.Addr().String()), checker.Passed, "connected"},
		{"refused", tcpCheck(closed.Addr().String()), checker.Failed, "connection refused"},
		{"from an address", bound, checker.Passed, "connected"},
		{"from no address of ours", foreign, checker.Local, "bind: cannot assign requested address"},
		{"from no link of ours", link, checker.Local, "binding to interface no-such-link: no such device"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.check == link && os.Geteuid() != 0 {
				t.Skip("needs root: SO_BINDTODEVICE")
			}
			o := Once(t.Context(), tt.check, 0)
			if o.Answer != tt.answer || o.Why != tt.why {
				t.Errorf("answer %d: %s\nwant %d: %s", o.Answer, o.Why, tt.answer, tt.why)
			}
		})
	}
}

func TestTCPBindsAsAsked(t *testing.T) {
	l := listen(t)
	c := tcpCheck(l.Addr().String())
	c.Probe.Bind = netip.MustParseAddrPort("127.0.0.9:0")
	Once(t.Context(), c, 0)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if from := conn.RemoteAddr().String(); !strings.HasPrefix(from, "127.0.0.9:") {
		t.Errorf("came from %s", from)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("was not closed at once: %d bytes, %v", n, err)
	}
}

func TestMark(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: SO_MARK")
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := mark(fd, &checker.Probe{Mark: 77, BindLink: "lo"}); err != nil {
		t.Fatal(err)
	}
	if got, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_MARK); got != 77 || err != nil {
		t.Errorf("mark is %d, %v", got, err)
	}
}

// fullListener is a check of a listener whose queue is full, so that nobody
// completes the handshake before one is accepted.
func fullListener(t *testing.T) (c *checker.Check, listener int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	syscall.Listen(fd, 0)
	name, _ := syscall.Getsockname(fd)
	c = tcpCheck(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port)).String())
	c.Timeout = 300 * time.Millisecond
	failed := 0
	for range 8 { // the kernel takes backlog + 1 and never more; one may fail because the machine is busy
		if o := Once(t.Context(), c, 0); o.Answer == checker.Failed {
			failed++
		}
		if failed == 2 {
			break
		}
	}
	return c, fd
}

func TestTCPTimeout(t *testing.T) {
	c, _ := fullListener(t)
	o := Once(t.Context(), c, 0)
	if o.Why != "no answer within 300ms" || o.Phrase != "TCP connection to [10.0.0.1]:tcp:80 timeout." {
		t.Errorf("%+v", o)
	}
}

func TestUnknownKind(t *testing.T) {
	c := tcpCheck("127.0.0.1:1")
	c.Probe.Kind = 99
	if o := Once(t.Context(), c, 0); o.Answer != checker.Local || o.Why != "probe kind 99 is not known" {
		t.Errorf("%+v", o)
	}
}
