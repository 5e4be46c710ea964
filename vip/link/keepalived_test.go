package link

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rtnetlink "github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const theirs = `
vrrp_instance A {
	interface v0
	virtual_router_id 51
	priority 100
	version 3
	use_vmac
	virtual_ipaddress {
		10.1.0.9/24
	}
}
vrrp_instance B {
	interface v0
	virtual_router_id 52
	priority 100
	version 3
	use_vmac
	virtual_ipaddress {
		fe80::99
	}
}
`

// TestLikeKeepalived holds the VMACs, their link-local source and every sysctl
// against those of Debian's keepalived.
func TestLikeKeepalived(t *testing.T) {
	w := newWorld(t)
	w.sysctl(allReversePath, "1")
	w.sysctl("net/ipv6/conf/v0/accept_dad", "0")
	w.until("a link-local address", func() bool { return len(w.sources("v0")) == 1 })
	own, _ := rtnetlink.ParseAddr("10.1.0.1/24")
	w.must(w.hand.AddrAdd(w.link("v0"), own)) // its adverts need a source
	defaults := w.sysctls()
	w.keepalived(func() bool { return w.exists("vrrp.52") && len(w.sources("vrrp.52")) == 1 })
	links, settings := w.described("vrrp.51")+w.described("vrrp.52"), w.sysctls()
	w.stopKeepalived()
	for path, value := range defaults { // 2.2.7 leaves some behind
		w.sysctl(path, value)
	}

	d := w.open()
	d.Set(1, want(four(51)))
	d.Set(2, want(Link{Parent: "v0", VRID: 52, IPv6: true, LinkLocal: true}))
	w.expect("the second", func(e Event) bool { return e.Kind == Made && e.Name == "vrrp.52" })
	if diff := cmp.Diff(links, w.described("vrrp.51")+w.described("vrrp.52")); diff != "" {
		t.Errorf("links (- keepalived):\n%s", diff)
	}
	ours := w.sysctls()
	if settings["net/ipv4/conf/vrrp.52/arp_ignore"] != "0" {
		t.Error("2.2.7 sets arp_ignore for IPv6 by now")
	}
	// arp_ignore for IPv6 came later; where 2.2.7 does not know an interface, it
	// leaves it without the filter it had through "all".
	for _, path := range []string{"vrrp.52/arp_ignore", "lo/rp_filter", "v1/rp_filter", "w0/rp_filter", "w1/rp_filter"} {
		delete(settings, "net/ipv4/conf/"+path)
		delete(ours, "net/ipv4/conf/"+path)
	}
	if diff := cmp.Diff(settings, ours); diff != "" {
		t.Errorf("sysctls (- keepalived):\n%s", diff)
	}
}

// described is what ip(8) says of a link, without what numbers it.
func (w *world) described(link string) string {
	w.t.Helper()
	out, err := exec.Command("ip", "-d", "link", "show", link).CombinedOutput()
	if err != nil {
		w.t.Skipf("needs ip(8): %v: %s", err, out)
	}
	addr, err := exec.Command("ip", "-6", "-o", "addr", "show", "dev", link).CombinedOutput()
	w.must(err)
	return regexp.MustCompile(`(?m)^\d+: |state \w+`).ReplaceAllString(string(out)+string(addr), "")
}

var daemon *exec.Cmd

// keepalived runs the other implementation in the thread's namespace until
// ready.
func (w *world) keepalived(ready func() bool) {
	w.t.Helper()
	path, err := exec.LookPath("keepalived")
	if err != nil {
		w.t.Skip("needs keepalived: Debian package keepalived")
	}
	dir := w.t.TempDir()
	conf := filepath.Join(dir, "conf")
	w.must(os.WriteFile(conf, []byte(theirs), 0o600))
	daemon = exec.Command(path, "-n", "-l", "-P", "-f", conf, "-p", filepath.Join(dir, "p"), "-r", filepath.Join(dir, "r"))
	log := new(strings.Builder)
	daemon.Stdout, daemon.Stderr = log, log
	w.must(daemon.Start())
	w.t.Cleanup(w.stopKeepalived)
	w.until("keepalived's interface", ready)
	w.until("its settings", func() bool { return w.sysctls()[allReversePath] == "0" })
}

func (w *world) stopKeepalived() {
	if daemon == nil {
		return
	}
	w.must(daemon.Process.Signal(unix.SIGTERM))
	_ = daemon.Wait() // its status is no matter here
	daemon = nil
}
