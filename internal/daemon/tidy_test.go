package daemon

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// programPages is how much of the program's own text and constants this process
// has in memory, in KiB: proc_pid_smaps(5).
func programPages(t *testing.T) (kib int) {
	t.Helper()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head, ours := regexp.MustCompile(`^[0-9a-f]+-[0-9a-f]+ (\S+) `), false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if m := head.FindStringSubmatch(line); m != nil {
			ours = strings.HasSuffix(line, program) && !strings.Contains(m[1], "w")
		}
		var n int
		if _, err := fmt.Sscanf(line, "Rss: %d kB", &n); ours && err == nil {
			kib += n
		}
	}
	return kib
}

// TestForgetProgram gives pages of the program back, and goes on.
func TestForgetProgram(t *testing.T) {
	before := programPages(t)
	forgetProgram()
	if after := programPages(t); after >= before {
		t.Errorf("%d KiB of the program are in memory, and were %d", after, before)
	}
}

func TestGrowth(t *testing.T) {
	for live, want := range map[uint64]int{0: 300, 1 << 20: 300, 3 << 20: 100, 6 << 20: 50, 100 << 20: 40} {
		if got := growth(40, live); got != want {
			t.Errorf("a heap of %d bytes may grow by %d %%, want %d", live, got, want)
		}
	}
	runtime.GC()
	if now := live(); now == 0 || now > 1<<40 {
		t.Errorf("the heap has %d bytes", now)
	}
}
