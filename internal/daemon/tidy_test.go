package daemon

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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
		if got := growth(40, leastGarbage, live); got != want {
			t.Errorf("a heap of %d bytes may grow by %d %%, want %d", live, got, want)
		}
	}
	runtime.GC()
	if now := live(); now == 0 || now > 1<<40 {
		t.Errorf("the heap has %d bytes", now)
	}
}

// TestTidier keeps memory over reloads that come one after the other, and gives
// it back once none has come for a while.
func TestTidier(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	synctest.Test(t, func(t *testing.T) {
		work := tidier{rest: 40}
		for range 3 {
			work.busy(400, 32<<20)
			time.Sleep(keepFor - time.Second)
			synctest.Wait()
			if !work.warm.Load() || work.awaited.Load() {
				t.Fatal("memory is given back between reloads, or what they leave is not looked at")
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if percent := debug.SetGCPercent(100); work.warm.Load() || percent < 40 || percent > 300 {
			t.Errorf("memory is not given back: the heap may grow by %d %%", percent)
		}
	})
}

// TestTidierAtOnce gives memory back soon after work that is no reload.
func TestTidierAtOnce(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	synctest.Test(t, func(t *testing.T) {
		work := tidier{rest: 250}
		work.soon()
		time.Sleep(tidyAfter)
		synctest.Wait()
		if percent := debug.SetGCPercent(100); percent < 250 {
			t.Errorf("memory is not given back: the heap may grow by %d %%", percent)
		}
	})
}
