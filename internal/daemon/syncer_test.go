package daemon

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"keepgo/ipvsctl"
)

// TestSyncerWithoutIPVS: a kernel without IPVS is told once, however often the
// instance turns.
func TestSyncerWithoutIPVS(t *testing.T) {
	if _, err := os.Stat("/proc/net/ip_vs"); err == nil {
		t.Skip("this kernel has IPVS")
	}
	var mu sync.Mutex
	var lines []string
	s := &syncer{log: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprintf(format, args...))
	}}
	s.set(ipvsctl.SyncWant{}, true)
	if s.opened != nil {
		t.Error("opened though nothing is wanted")
	}
	for range 5 {
		s.set(ipvsctl.SyncWant{Roles: ipvsctl.SyncBackup}, true)
		s.set(ipvsctl.SyncWant{Roles: ipvsctl.SyncMaster}, true)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "lvs_sync_daemon: the kernel has no IPVS: ") ||
		!strings.HasSuffix(lines[0], "; no connections are synchronised until it is there") {
		t.Errorf("told %q", lines)
	}
}
