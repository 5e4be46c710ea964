package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"keepgo/checker"
)

// TestThrough: a probe by way of a server says so where it fails, and leaves
// nothing to wait for where it passes.
func TestThrough(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.5:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	end := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = c.Read(make([]byte, 1))
		}
		end <- err
	}()
	c := &checker.Check{Name: "x", Timeout: 5 * time.Second, Probe: checker.Probe{Kind: checker.TCP,
		Target: netip.MustParseAddrPort(l.Addr().String()), Via: netip.MustParseAddr("127.0.0.1")}}
	if o := Once(context.Background(), c, 0); o.Answer != checker.Passed {
		t.Fatalf("%+v", o)
	}
	if err := <-end; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ends with %v, not with a reset", err)
	}
	l.Close()
	self := *c
	self.Probe.Target = netip.AddrPortFrom(self.Probe.Via, 80)
	if o := Once(context.Background(), &self, 0); o.Answer != checker.Local || !strings.Contains(o.Why, "name one with bindto") {
		t.Errorf("asked from the virtual address itself: %+v", o)
	}
	o := Once(context.Background(), c, 0)
	want := ", asked as " + c.Probe.Target.String() + " through 127.0.0.1: has the server lost 127.0.0.5 on lo?"
	if o.Answer != checker.Failed || !strings.HasSuffix(o.Why, want) {
		t.Errorf("%+v", o)
	}
	for kind, name := range map[checker.Kind]string{checker.TCP: "TCP", checker.SMTP: "SMTP", checker.DNS: "DNS"} {
		c.Probe.Kind = kind
		if line := downLine(c, &o); strings.Count(line, want) != 1 {
			t.Errorf("%s: %s", name, line)
		}
	}
}
