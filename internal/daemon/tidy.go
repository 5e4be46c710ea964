package daemon

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// tidyAfter is when a process gives back the memory that a plan or a takeover
// took on its way: the addresses stand by then, and are announced.
const tidyAfter = 2 * time.Second

// tidier lets go of what work has left behind, once it is over. A quiet process
// makes so little garbage that the collector would not come for hours.
type tidier struct {
	awaited atomic.Bool
	rest    int // how much the heap may grow between two collections when it is over, in percent, beyond leastGarbage; 0: as before
}

// busy lets the heap grow by percent until then: what the work leaves behind is
// collected once, at its end.
func (t *tidier) busy(percent int) {
	debug.SetGCPercent(percent)
	t.soon()
}

// soon has it done some time after a piece of work.
func (t *tidier) soon() {
	if t.awaited.Swap(true) {
		return
	}
	time.AfterFunc(tidyAfter, func() {
		t.awaited.Store(false)
		debug.FreeOSMemory()
		if t.rest > 0 {
			debug.SetGCPercent(growth(t.rest, live()))
		}
		forgetProgram()
	})
}

// leastGarbage is what may lie about until it is collected, however little there is
// beside it: a check over TLS leaves 45 KiB, and of a few hundred a second a
// heap of 3 MiB that may grow by 40 % is collected fifteen times a second.
const leastGarbage = 3 << 20

// growth is by how many percent a heap of so many bytes may grow: by least, and
// by leastGarbage.
func growth(least int, live uint64) int {
	return max(least, int(100*leastGarbage/max(live, 1<<20)))
}

// live is the size of the heap after the last collection.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	if metrics.Read(sample); sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// forgetProgram gives back the pages of the program itself, most of which only
// the start or the plan took: the kernel maps sixteen with each that is used. What
// is used again is mapped again, from the kernel's cache of files. Pages that
// no_swap locks stay.
func forgetProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var start, end uintptr
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &start, &end, &mode); err != nil {
			continue
		}
		if strings.HasSuffix(lines.Text(), program) && !strings.Contains(mode, "w") {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED) // it is worth a try
		}
	}
}
