package integration

import (
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
)

// promoting is a master whose address is the first of its network.
const promoting = "vrrp_instance VI_1 {\n interface eth0\n version 3\n priority 255\n virtual_router_id 51\n promote_secondaries\n" +
	" virtual_ipaddress {\n 10.7.0.1/24 dev eth0\n }\n}\n"

// promotes tells whether the other addresses stay when the first one goes.
func (d *director) promotes() (on bool) {
	d.w.t.Helper()
	d.w.do(d.Do(func() error {
		b, err := os.ReadFile("/proc/sys/net/ipv4/conf/eth0/promote_secondaries")
		on = strings.TrimSpace(string(b)) == "1"
		return err
	}))
	return on
}

// TestPromoteSecondaries: the others of a network stay when ours goes, and the
// setting goes back to what it was, whoever of us died meanwhile.
func TestPromoteSecondaries(t *testing.T) {
	t.Parallel()
	onlyOurs(t, "keepalived forgets what was set before it was killed")
	w := newWorld(t, ours, ours)
	w.do(w.a.Sysctl("net/ipv4/conf/eth0/promote_secondaries", "0"))
	ours, others := netip.MustParseAddr("10.7.0.1"), netip.MustParsePrefix("10.7.0.9/24")
	begin := func() {
		t.Helper()
		w.a.configure(promoting)
		w.a.start()
		w.eventually("the address stands, and the setting", func() bool { return w.a.Holds(ours) && w.a.promotes() })
		w.do(w.a.AddAddr(lanLink, others))
	}
	begin()
	old := w.a.pidOf(1)
	w.a.killFrom(w.a.pidFiles()[1])
	w.eventually("the process is replaced", func() bool { return w.a.pidOf(1) != old && w.a.state() == "MASTER" })
	w.a.stop()
	if w.a.Holds(ours) || !w.a.Holds(others.Addr()) || w.a.promotes() {
		t.Errorf("after the stop: ours %v, the other %v, the setting %v", w.a.Holds(ours), w.a.Holds(others.Addr()), w.a.promotes())
	}
	w.do(w.a.DelAddr(lanLink, others))

	begin()
	w.do(w.a.proc.Signal(syscall.SIGKILL))
	w.do(w.a.KillAll())
	w.eventually("all are dead", func() bool { return len(w.a.PIDs()) == 0 })
	w.a.configure(strings.Replace(promoting, " promote_secondaries\n", "", 1))
	w.a.start()
	w.eventually("what a dead daemon set is put back", func() bool { return !w.a.promotes() && w.a.Holds(ours) })
	w.a.configure(promoting)
	w.a.reload()
	w.eventually("a reload sets it", w.a.promotes)
	w.a.configure(strings.Replace(promoting, " promote_secondaries\n", "", 1))
	w.a.reload()
	w.eventually("a reload puts it back", func() bool { return !w.a.promotes() })
	w.a.stop()
}
