package daemon

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"keepgo/checker/probe"
	"keepgo/confparse"
	"keepgo/internal/lb"
	"keepgo/internal/netlab"
	"keepgo/internal/netlab/testns"
)

// TestAgain: the kernel is asked at growing distances, and at once when the module
// appears, but not while it stays.
func TestAgain(t *testing.T) {
	var a again
	var asked []int
	for second := 1; second <= 240; second++ {
		if a.due(time.Second, second == 100 || second == 101) {
			asked = append(asked, second)
		}
	}
	if got := fmt.Sprint(asked); got != "[5 15 35 75 100 160 220]" {
		t.Errorf("asked at %s", got)
	}
}

// TestReopen: once the kernel can balance, what stood nowhere stands.
func TestReopen(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft")
	}
	lab := testns.Lab(t)
	h, err := lab.Host("late")
	if err != nil {
		t.Fatal(err)
	}
	plan, _ := lb.Build(&confparse.Config{
		Global: confparse.Global{DataPlane: confparse.PlaneNFTables},
		VirtualServers: []*confparse.VirtualServer{{Addr: netip.MustParseAddr("10.0.0.100"), Port: 80, Protocol: confparse.TCP, Scheduler: "rr", Quorum: 1,
			Servers: []*confparse.RealServer{{Addr: netip.MustParseAddr("10.0.0.21"), Port: 8080, Weight: 1}}}},
	})
	var lines []string
	l := &lvsLoop{log: func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) },
		probes: probe.NewRunner(probe.Options{}), plane: &plane{lack: "none yet"}}
	defer l.probes.Close()
	l.node, _ = lb.NewNode(plan, nil)
	if err := h.Do(func() error { l.reopen(); return nil }); err != nil {
		t.Fatal(err)
	}
	defer l.plane.close()
	if l.plane.lack != "" || len(lines) == 0 || !strings.HasPrefix(lines[0], "the kernel can balance connections now (nftables)") {
		t.Fatalf("lacks %q, told %q", l.plane.lack, lines)
	}
	stands := func() (is bool) {
		err := h.Do(func() error {
			out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
			is = strings.Contains(string(out), "10.0.0.21")
			return err
		})
		return is && err == nil
	}
	if !netlab.Until(30*time.Second, stands) {
		t.Error("the service does not stand")
	}
}
