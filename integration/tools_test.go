package integration

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keepgo/internal/guest"
	"keepgo/internal/netlab"
)

// TestToolsGuest boots a kernel with IPVS and tunnels for the verbs that work on
// them.
func TestToolsGuest(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	guest.Tests(t, "^TestTools[A-F]")
}

// sysctl is a setting of a host.
func (w *world) sysctl(h *netlab.Host, key string) string {
	w.t.Helper()
	var b []byte
	w.do(h.Do(func() (err error) {
		b, err = os.ReadFile(filepath.Join("/proc/sys", key))
		return err
	}))
	return strings.TrimSpace(string(b))
}

// holdsAlone tells whether an address stands alone on an interface of a host.
func holdsAlone(h *netlab.Host, link, addr string) bool {
	list, _ := h.Addrs(link)
	return slices.Contains(list, netip.MustParsePrefix(addr+"/32"))
}

// TestToolsBuildTunnels: keepgo rs makes machines real servers by tunl0 and takes
// that back; an address that goes leaves the settings of another.
func TestToolsBuildTunnels(t *testing.T) {
	needsIPVS(t)
	f := newFarm(t, methods[2])
	state := func(h *netlab.Host) string { return filepath.Join(f.lab.Dir, h.Name+"-rs.json") }
	rs := func(h *netlab.Host, args ...string) {
		t.Helper()
		say(t, h, append([]string{keepgo, "rs"}, append(args, "--state", state(h), "--dev", lanLink)...)...)
	}
	for _, s := range f.servers { // as nobody had touched them
		f.do(s.host.DelAddr("lo", netip.PrefixFrom(vip4, 32)))
		f.do(s.host.Sysctl("net/ipv4/conf/all/arp_ignore", "0"))
		f.do(s.host.Sysctl("net/ipv4/conf/all/arp_announce", "0"))
		f.do(s.host.SetLink("tunl0", false))
		rs(s.host, "up", "--tunnel", "--vip", "10.0.0.100,10.0.0.101")
		rs(s.host, "verify", "--tunnel", "--vip", "10.0.0.100,10.0.0.101")
	}
	f.configureBoth("")
	f.a.start()
	f.eventually("a is master", func() bool { return f.a.state() == "MASTER" })
	f.b.start()
	f.a.healthy()
	f.eventually("a client is served through the tunnel", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn, err := f.client.Dial(ctx, "tcp", "10.0.0.100:80")
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})

	one := f.servers[1].host
	rs(one, "down", "--vip", "10.0.0.101")
	if holdsAlone(one, "tunl0", "10.0.0.101") || !holdsAlone(one, "tunl0", "10.0.0.100") {
		t.Error("of two addresses the wrong one stands")
	}
	for key, want := range map[string]string{"all/arp_ignore": "1", "eth0/arp_announce": "2", "tunl0/rp_filter": "2"} {
		if got := f.sysctl(one, "net/ipv4/conf/"+key); got != want {
			t.Errorf("with one address left %s is %s, want %s", key, got, want)
		}
	}
	f.a.healthy()
	set := func(up bool) func() { return func() { f.do(one.SetLink("tunl0", up)) } }
	const broken = "servers: 10.0.0.21 of [10.0.0.100]:tcp:80 does not take what comes for 10.0.0.100 by the tunnel"
	f.found([]plant{{"the tunnel is down", f.a, set(false), set(true), broken, 2}})

	rs(one, "down")
	if holdsAlone(one, "tunl0", "10.0.0.100") || f.sysctl(one, "net/ipv4/conf/all/arp_ignore") != "0" {
		t.Error("the last address left something behind")
	}
	if _, err := os.Stat(state(one)); err == nil {
		t.Error("the state is left")
	}
	f.found([]plant{{"no tunnel", f.a, func() {}, nil, broken, 2}})
}

// TestToolsChangeByForce: what is changed by force stays until a reload, and what
// is changed behind the daemon's back does not.
func TestToolsChangeByForce(t *testing.T) {
	needsIPVS(t)
	f := newCourse(t, "ipvs", forwardings[0])
	f.configure()
	f.do(os.MkdirAll("/run/keepgo", 0o755))
	f.a.socket = "/run/keepgo/control.sock" // where keepgo ipvs asks
	f.a.start()
	f.eventually("a is master", func() bool { return f.a.state() == "MASTER" })
	f.eventually("the table stands", func() bool { return f.weight(f.a, 1) == 1 })
	ipvs := func(args ...string) (text string, code int) {
		f.do(f.a.Do(func() error {
			cmd := exec.Command(keepgo, append([]string{"ipvs"}, args...)...)
			out, _ := cmd.CombinedOutput()
			text, code = string(out), cmd.ProcessState.ExitCode()
			return nil
		}))
		return text, code
	}
	edit := strings.Fields("-e -t 10.0.0.100:80 -r 10.0.0.21:80 -g -w 5")
	if text, code := ipvs(edit...); code != 2 || !strings.Contains(text, "belongs to the running keepgo") {
		t.Errorf("without force: %d %s", code, text)
	}
	say(t, f.a.Host, append([]string{"ipvsadm"}, edit...)...)
	f.eventually("the daemon puts its own back", func() bool { return f.weight(f.a, 1) == 1 })

	if text, code := ipvs(append(edit, "--force")...); code != 0 {
		t.Fatalf("by force: %d %s", code, text)
	}
	f.stays("weight 5", func() bool { return f.weight(f.a, 1) == 5 })
	f.found([]plant{{"weight by force", f.a, func() {}, nil, "table: [10.0.0.21]:tcp:80 has weight 5, wanted 1", 2}})

	if text, code := ipvs("-C", "--force"); code != 0 {
		t.Fatalf("clear by force: %d %s", code, text)
	}
	f.stays("an empty table", func() bool { return !strings.Contains(f.table(f.a.Host), "10.0.0.100") })
	f.reconfigureOne(f.a, 1, 4)
	f.a.healthy()
}

// threeLooks is longer than three looks of the daemon at its table.
const threeLooks = 4 * time.Second

// stays fails if something is no longer so while the daemon looks.
func (f *course) stays(what string, so func() bool) {
	f.t.Helper()
	for end := time.Now().Add(threeLooks); time.Now().Before(end); {
		if !so() {
			f.t.Errorf("%s does not stay:\n%s", what, f.table(f.a.Host))
			return
		}
		<-time.After(200 * time.Millisecond)
	}
}

// reconfigureOne gives a server another weight on one director, and waits until
// that stands.
func (f *course) reconfigureOne(d *director, n, weight int) {
	f.t.Helper()
	f.weights[n] = weight
	f.configure()
	d.reload()
	f.eventually(fmt.Sprintf("%s has weight %d of server %d", d.Name, weight, n), func() bool { return f.weight(d, n) == weight })
}
