package integration

import (
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"keepgo/internal/netlab"
)

// verify runs keepgo rs verify on a host.
func (w *world) verify(h *netlab.Host, args ...string) (text string, code int) {
	w.t.Helper()
	w.do(h.Do(func() error {
		cmd := exec.Command(keepgo, append([]string{"rs", "verify"}, args...)...)
		out, err := cmd.CombinedOutput()
		text, code = string(out), cmd.ProcessState.ExitCode()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			err = nil
		}
		return err
	}))
	return text, code
}

// verified waits until keepgo rs verify says a text and ends with a status.
func (w *world) verified(h *netlab.Host, code int, want string, args ...string) {
	w.t.Helper()
	text, last := "", 0
	w.eventually(h.Name+" is told "+want, func() bool {
		text, last = w.verify(h, args...)
		return last == code && strings.Contains(text, want)
	})
	if w.t.Failed() {
		w.t.Logf("status %d:\n%s", last, text)
	}
}

// TestVerifyOnTheWire: whoever answers for the address is named, from any
// machine.
func TestVerifyOnTheWire(t *testing.T) {
	t.Parallel()
	f := newCourse(t, "nftables", forwardings[0])
	f.configure()
	f.a.start()
	f.eventually("a is master", func() bool { return f.a.state() == "MASTER" })
	vip, one := []string{"--wire", vip4.String(), "-f", f.a.conf}, f.servers[1].host
	for _, h := range []*netlab.Host{f.client, one, f.b.Host} {
		f.verified(h, 0, "all is as it should be", vip...)
	}
	f.verified(f.client, 0, f.a.MAC(lanLink).String()+" (master 10.0.0.1)", vip...)
	f.verified(f.a.Host, 0, "all is as it should be", vip...) // that has it

	f.do(one.Sysctl("net/ipv4/conf/all/arp_ignore", "0"))
	also := "and also by " + one.MAC(lanLink).String() + " (real server 10.0.0.21)"
	f.verified(f.client, 1, also, vip...)
	f.verified(one, 1, "this machine answers for 10.0.0.100 too", vip...)
	f.verified(f.a.Host, 1, "stands here, and others answer for it too", vip...)

	f.a.stop()
	f.verified(f.client, 1, "10.0.0.100 is answered for by "+one.MAC(lanLink).String()+" (real server 10.0.0.21)", vip...)
	f.do(one.Sysctl("net/ipv4/conf/all/arp_ignore", "1"))
	f.verified(f.client, 1, "nobody answers for 10.0.0.100", vip...)
}

// TestVerifyIPv6OnTheWire asks by neighbour solicitation.
func TestVerifyIPv6OnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ours, ours)
	vip := netip.MustParsePrefix("fd00::100/128")
	w.do(w.a.AddAddr(lanLink, vip))
	args := []string{"--wire", "fd00::100"}
	w.verified(w.client, 0, "fd00::100 on eth0: "+w.a.MAC(lanLink).String(), args...)
	w.do(w.b.AddAddr(lanLink, vip))
	w.verified(w.client, 1, "2 stations answer for fd00::100", args...)
	for d, c := range map[*director]conf{w.a: confA(wire{version: 3, ipv6: true})} {
		d.configure(c.String())
		d.start()
	}
	since := time.Now()
	w.do(w.b.DelAddr(lanLink, vip))
	w.becomesMaster(w.a, vip.Addr(), since)
	w.verified(w.client, 0, "(master fe80::", args...)
}
