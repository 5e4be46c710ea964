package nft

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/internal/netlab"
)

// serveUDP answers each datagram with the server's name.
func (w *world) serveUDP(h *netlab.Host, address string) {
	w.t.Helper()
	var c net.PacketConn
	w.must(h.Do(func() (err error) {
		c, err = net.ListenPacket("udp", address)
		return err
	}))
	w.t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 64)
		for {
			_, peer, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo([]byte(h.Name), peer)
		}
	}()
}

// A client that asks from one port for ever is answered by another server when
// its own has left.
func TestDatagramsLeaveWithTheServer(t *testing.T) {
	w := newWorld(t)
	for i, h := range w.server {
		w.serveUDP(h, fmt.Sprintf("10.1.0.1%d:80", i+1))
	}
	k := key(vip)
	k.Protocol = unix.IPPROTO_UDP
	conn, err := w.client.Dial(context.Background(), "udp", vip)
	w.must(err)
	defer conn.Close()
	ask := func(want string) {
		t.Helper()
		got := ""
		// The kernel may answer for a service that is not there yet.
		netlab.Until(patience, func() bool {
			buf := make([]byte, 64)
			_, _ = conn.Write([]byte("?"))
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			n, err := conn.Read(buf)
			got = string(buf[:n])
			return err == nil
		})
		if got != want {
			t.Errorf("the datagram was answered by %q, not %s", got, want)
		}
	}
	w.set(k, entry("rr", "10.1.0.11:80"))
	ask("rs1")
	w.set(k, entry("rr", "10.1.0.12:80"))
	ask("rs2")
	ask("rs2")
	w.set(k, entry("rr", "10.1.0.11:80", "10.1.0.12:80"))
	ask("rs2")
	w.direct()
	for _, h := range w.server {
		w.serveUDP(h, vip)
	}
	w.set(k, directly("rr", "192.0.2.11:80"))
	ask("rs1")
	w.set(k, directly("rr", "192.0.2.11:80", "192.0.2.12:80"))
	ask("rs1")
	w.set(k, directly("rr", "192.0.2.12:80"))
	ask("rs2")
	ask("rs2")
}
