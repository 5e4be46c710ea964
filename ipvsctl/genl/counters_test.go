package genl

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/cloudflare/ipvs"

	"keepgo/ipvsctl"
)

// TestIPVSCountersAreKept carries a connection through every change that must
// not break it: a new weight, a new scheduler, another door that adopts.
func TestIPVSCountersAreKept(t *testing.T) {
	b := newBench(t, -1)
	b.run("ip", "addr", "add", "10.0.0.1/32", "dev", "lo")
	b.run("ip", "addr", "add", "10.0.1.1/32", "dev", "lo")
	k := tcp("10.0.0.1:80")
	b.set(ipvsctl.Table{k: entry("rr", 1, "10.0.1.1:8080")})
	say := b.echo("10.0.1.1:8080", "10.0.0.1:80")
	say()
	before := b.stats(k)
	if before.ActiveConnections != 1 {
		t.Fatalf("before: %+v", before)
	}
	check := func(what string) {
		t.Helper()
		say()
		if got := b.stats(k); got.ActiveConnections != 1 || got.Stats64.Connections < before.Stats64.Connections {
			t.Errorf("after %s: %+v, before %+v", what, got, before)
		}
	}
	b.eventually("the kernel counts the connection", func() bool {
		before = b.stats(k)
		return before.Stats64.Connections == 1
	})
	b.set(ipvsctl.Table{k: entry("rr", 5, "10.0.1.1:8080", "10.0.1.2:8080")})
	check("a new weight and a new server")
	b.set(ipvsctl.Table{k: entry("wlc", 5, "10.0.1.1:8080")})
	check("a new scheduler")
	second := b.open(-1)
	second.Set(ipvsctl.Table{k: entry("wlc", 6, "10.0.1.1:8080")}, nil)
	if err := second.Sync(); err != nil {
		t.Fatal(err)
	}
	check("adoption")
	b.same(b.kernel(), ipvsctl.Table{k: entry("wlc", 6, "10.0.1.1:8080")})
}

// stats is the first server of a service.
func (b *bench) stats(k ipvsctl.ServiceKey) ipvs.DestinationExtended {
	b.Helper()
	c := b.reader()
	defer c.Close()
	list, err := c.Destinations(ipvs.Service{Address: k.Addr, Port: k.Port, Family: ipvs.INET, Protocol: ipvs.TCP})
	if err != nil {
		b.Fatal(err)
	}
	for _, d := range list {
		if d.Address.String() == "10.0.1.1" {
			return d
		}
	}
	b.Fatal("the server is not there")
	return ipvs.DestinationExtended{}
}

// echo connects to a server through a service and returns what sends a byte
// there and back.
func (b *bench) echo(server, service string) func() {
	b.Helper()
	l, err := net.Listen("tcp", server)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		if c, err := l.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := net.DialTimeout("tcp", service, 10*time.Second)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return func() {
		b.Helper()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write([]byte("x")); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
	}
}
