package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"keepgo/internal/netlab"
)

// TestNotAcceptedForAnInstant: who does not accept what is sent to its virtual
// address answers at no instant between its election and its end.
func TestNotAcceptedForAnInstant(t *testing.T) {
	t.Parallel()
	for _, ipv6 := range []bool{false, true} {
		c := confA(wire{version: 3, ipv6: ipv6})
		t.Run(c.wire.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, ours, ours)
			w.knows(w.client, c.router, w.a)
			c.global, c.state = "vrrp_strict", "BACKUP"
			if ipv6 {
				c.global, c.instance = "", "no_accept"
			}
			w.a.configure(c.String())
			w.burdens(w.a)
			p := must(w.client.Ping(c.router.vip, time.Millisecond))(t)
			for range 3 {
				w.a.start()
				w.eventually("the address stands", func() bool { return w.a.Holds(c.router.vip) })
				w.moreAdverts(w.a, 1)
				w.do(w.a.proc.Signal(syscall.SIGTERM))
				w.eventually("it ends", func() bool { return isClosed(w.a.proc.Done()) })
			}
			if p.AnsweredSince(time.Time{}) {
				t.Errorf("the address answered %v ago", time.Since(p.Last()))
			}
			c.global, c.instance = "", ""
			w.a.configure(c.String())
			w.a.start()
			w.eventually("who accepts is heard", func() bool { return p.AnsweredSince(time.Time{}) })
		})
	}
}

// burdens has another program change much in a director's nftables all the time:
// whoever else changes something waits for it.
func (w *world) burdens(d *director) {
	w.t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		w.t.Skip("needs nft: apt-get install nftables")
	}
	var b strings.Builder
	b.WriteString("table ip burden\ndelete table ip burden\ntable ip burden {\nset s {\ntype ipv4_addr\nelements = {")
	for i := range 20_000 {
		fmt.Fprintf(&b, "10.77.%d.%d, ", i>>8, i&255)
	}
	b.WriteString("}\n}\n}\n")
	file := w.file("burden.nft")
	w.do(os.WriteFile(file, []byte(b.String()), 0o644))
	p := must(d.Start("sh", "-c", "while nft -f "+file+"; do :; done"))(w.t)
	w.t.Cleanup(func() { _ = p.Signal(syscall.SIGKILL) })
}

// knows lets a host know for good who has a router's virtual address.
func (w *world) knows(h *netlab.Host, r router, d *director) {
	w.t.Helper()
	l := must(h.Netlink().LinkByName(r.link))(w.t)
	w.do(h.Netlink().NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT,
		IP: r.vip.AsSlice(), HardwareAddr: d.MAC(r.link)}))
}
