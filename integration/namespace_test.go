package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNamespaceAndInstance: -s runs all processes in a named network namespace,
// and with the instance names pid files, control socket and log.
func TestNamespaceAndInstance(t *testing.T) {
	w := newWorld(t, ours, ours)
	d := w.a
	d.configure("net_namespace other\ninstance one\nvrrp_instance VI_1 {\n interface inside0\n virtual_router_id 51\n virtual_ipaddress {\n 10.0.0.100\n }\n}\n")
	log, home := filepath.Join(w.lab.Dir, "k.log"), filepath.Join(w.lab.Dir, "home")
	// The names of namespaces are in a /run of the daemon's own.
	script := fmt.Sprintf("mount -t tmpfs none /run && mkdir /run/netns && ip netns add blue && "+
		"ip -n blue link add inside0 type veth peer name p0 && ip -n blue link set lo up && ip -n blue link set inside0 up && ip -n blue link set p0 up && "+
		"ip -n blue address add 10.0.0.1/24 dev inside0 && ip netns exec blue readlink /proc/self/ns/net > %s && "+
		"exec %s run -n -G -g%s -s blue -f %s", home, keepgo, log, d.conf)
	d.proc = must(d.Start("unshare", "-m", "sh", "-c", script))(t)
	run := fmt.Sprintf("/proc/%d/root/run/", d.proc.PID())
	pids := make([]int, 2)
	w.eventually("both processes have written their pid files", func() bool {
		for i, name := range []string{"keepalived/blue/keepalived_one.pid", "keepalived/blue/vrrp_one.pid"} {
			b, _ := os.ReadFile(run + name)
			_, _ = fmt.Sscan(string(b), &pids[i])
		}
		return pids[0] == d.proc.PID() && pids[1] != 0
	})
	for _, pid := range pids {
		ns := must(os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)))(t)
		if want := strings.TrimSpace(string(must(os.ReadFile(home))(t))); ns != want {
			t.Errorf("process %d is in %s, want %s", pid, ns, want)
		}
	}
	w.eventually("the instance is MASTER in the namespace", func() bool {
		b, _ := os.ReadFile(filepath.Join(w.lab.Dir, "k_vrrp_blue_one.log"))
		return strings.Contains(string(b), "(VI_1) Entering MASTER STATE")
	})
	if _, err := os.Stat(run + "keepgo/control_blue_one.sock"); err != nil {
		t.Error(err)
	}
	if text := string(must(os.ReadFile(filepath.Join(w.lab.Dir, "k_blue_one.log")))(t)); strings.Count(text, "Starting Keepalived") != 1 {
		t.Errorf("the log begins anew in the namespace:\n%s", text)
	}
	d.stop()
}

// TestProbeInNamespace: checks are made where the daemon makes them.
func TestProbeInNamespace(t *testing.T) {
	w := newWorld(t, ours, ours)
	const server = "virtual_server 10.0.0.100 80 {\n protocol TCP\n real_server 10.77.0.1 80 {\n PING_CHECK {\n connect_timeout 1\n }\n }\n}\n"
	const script = "mount -t tmpfs none /run && mkdir /run/netns && ip netns add blue && ip -n blue link set lo up && " +
		"ip -n blue address add 10.77.0.1/32 dev lo && exec %s probe -f %s"
	for global, want := range map[string]string{"": "FAILED", "net_namespace blue\n": "passed"} {
		w.a.configure(global + server)
		p := must(w.a.Start("unshare", "-m", "sh", "-c", fmt.Sprintf(script, keepgo, w.a.conf)))(t)
		if err := p.Err(); (err == nil) != (want == "passed") || !strings.Contains(p.Log(), "PING_CHECK "+want) {
			t.Errorf("with %q: %v\n%s", global, err, p.Log())
		}
	}
}

// TestNamespaceThatIsNotThere: the daemon says so and ends.
func TestNamespaceThatIsNotThere(t *testing.T) {
	w := newWorld(t, ours, ours)
	w.a.configure("vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n 10.0.0.100\n }\n}\n")
	w.a.start("-s", "keepgo-no-such-namespace")
	w.eventually("the daemon ends", func() bool { return isClosed(w.a.proc.Done()) })
	if tail := w.a.proc.LogTail(5); !strings.Contains(tail, "net_namespace keepgo-no-such-namespace") {
		t.Errorf("it says %s", tail)
	}
}
