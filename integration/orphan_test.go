package integration

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// refused is a service whose server is down.
const refused = "virtual_server 10.0.0.100 80 {\n protocol TCP\n lvs_sched wrr\n lvs_method NAT\n real_server 10.0.0.9 80 {\n TCP_CHECK {\n }\n }\n}\n"

// TestKilledParentIsReplaced kills the parent alone and starts another, as a
// service manager does: the partner hears every advert, and no address goes for
// a moment.
func TestKilledParentIsReplaced(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived's children hand over at once")
	for _, k := range []wire{{version: 2}, {version: 2, auth: "AH"}, {version: 2, vmac: true}} {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			a := confA(k)
			a.after = refused
			w := newWorld(t, *subject, *subject)
			w.a.configure(a.String())
			w.b.configure(confB(k).String())
			begin := time.Now()
			w.a.start()
			w.b.start()
			w.asked(k.router())
			w.takesOver(w.a, k.router(), begin)
			d := w.a
			events := must(d.AddrEvents())(t)
			before, old := time.Now(), d.pidOf(1)
			w.do(d.proc.Signal(syscall.SIGKILL))
			<-d.proc.Done()
			d.start()
			d.logs("Taking over from VRRP child process")
			d.logs("Taking over from Healthcheck child process")
			w.moreAdverts(d, 5)
			w.unshaken(d, k.interval(), before)
			if d.pidOf(1) == old {
				t.Error("the VRRP process is still that of the dead parent")
			}
			for len(events) > 0 {
				if e := <-events; !e.Added && e.Addr == k.vip() {
					t.Error("the address went")
				}
			}
			if !d.Holds(k.vip()) {
				t.Error("the address does not stand")
			}
			d.stop()
		})
	}
}

// TestHeirWithAnotherFile: the parent dies, and the next reads a file that places
// something else. What stood goes, from the interface and from nftables.
func TestHeirWithAnotherFile(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived's children hand over at once")
	k, other := wire{version: 3}, netip.MustParseAddr("10.0.0.101")
	w := newWorld(t, ours, ours)
	d, a := w.a, confA(k)
	a.instance = "no_accept"
	text := a.String()
	d.configure(text)
	d.start()
	keepsAway := func() bool { return strings.Contains(say(t, d.Host, "nft", "list", "tables"), "keepalived") }
	w.eventually("it is MASTER and keeps packets away", func() bool { return d.Holds(k.vip()) && keepsAway() })
	d.replaces(strings.ReplaceAll(strings.Replace(text, "no_accept", "", 1), k.vip().String(), other.String()))
	w.do(d.proc.Signal(syscall.SIGKILL))
	<-d.proc.Done()
	d.start()
	d.logs("Taking over from VRRP child process")
	w.eventually("only the new address stands", func() bool { return d.Holds(other) && !d.Holds(k.vip()) && !keepsAway() })
	d.stop()
}

// TestKilledParentIsNotReplaced: its children hand over and end, and leave
// nothing behind.
func TestKilledParentIsNotReplaced(t *testing.T) {
	k := wire{version: 3}
	a := confA(k)
	a.after = refused
	w := newPair(t, k, a, confB(k))
	before := time.Now()
	w.do(w.a.proc.Signal(syscall.SIGKILL))
	w.t.Cleanup(func() {
		for _, pid := range w.a.PIDs() { // whoever did not end says where it is
			if t.Failed() {
				name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				where, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid))
				t.Logf("process %d, %q, waits in %s", pid, name, where)
			}
		}
	})
	w.eventually("the children end", func() bool { return len(w.a.PIDs()) == 0 })
	w.becomesMaster(w.b, k.vip(), before)
	if addrs := must(w.a.Addrs(lanLink))(t); len(addrs) != 2+countLinkLocal(addrs) {
		t.Errorf("left standing: %v", addrs)
	}
	if *subject == ours && exists(w.lab.Dir+"/keepgo_lb1_vrrp_will") {
		t.Error("a will is left that is of no use")
	}
}

func countLinkLocal(addrs []netip.Prefix) (n int) {
	for _, a := range addrs {
		if a.Addr().IsLinkLocalUnicast() {
			n++
		}
	}
	return n
}
