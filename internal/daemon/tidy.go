package daemon

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// tidyAfter is when a process collects what a plan or a takeover took on its way:
// the addresses stand by then, and are announced.
const tidyAfter = 2 * time.Second

// forgetAfter is how long after that the pages of the program go. The collector
// makes stacks smaller, and those of who is at work grow again at once: to move one
// the runtime reads its tables of the program, a megabyte and more.
const forgetAfter = time.Second

// keepFor is how long the memory that a reload took is kept for the next one, which
// seldom comes alone. To get it again page by page is a fifth of a reload's work.
const keepFor = time.Minute

// tidier lets go of what work has left behind, once it is over. A quiet process
// makes so little garbage that the collector would not come for hours.
type tidier struct {
	awaited atomic.Bool
	warm    atomic.Bool   // what a reload took is kept
	late    *time.Timer   // gives it back; nil before the first reload
	room    atomic.Uint64 // what may lie about meanwhile, in bytes
	rest    int           // how much the heap may grow between two collections when it is over, in percent, beyond leastGarbage; 0: as before
}

// busy lets the heap grow over a reload, by so many percent, and up to twice as many
// where that makes no more than so many bytes: what the work leaves behind is
// collected once, at its end.
func (t *tidier) busy(percent int, garbage uint64) {
	now := max(live(), 1<<20)
	percent = min(2*percent, growth(percent, garbage, now))
	t.room.Store(now * uint64(percent) / 100)
	debug.SetGCPercent(percent)
	t.warm.Store(true)
	if t.late == nil {
		t.late = time.AfterFunc(keepFor, t.release)
	}
	t.late.Reset(keepFor)
	t.soon()
}

// soon has it done some time after a piece of work.
func (t *tidier) soon() {
	if !t.awaited.Swap(true) {
		time.AfterFunc(tidyAfter, t.over)
	}
}

// over gives back the memory that work has left behind. Where it is kept the
// garbage is collected if another reload like the last would have to, on its way.
func (t *tidier) over() {
	t.awaited.Store(false)
	switch {
	case !t.warm.Load():
		t.release()
	case size("/memory/classes/heap/objects:bytes") > live()+t.room.Load()/2:
		runtime.GC()
	}
}

// release gives memory back.
func (t *tidier) release() {
	t.warm.Store(false)
	debug.FreeOSMemory()
	if t.rest > 0 {
		debug.SetGCPercent(growth(t.rest, leastGarbage, live()))
	}
	time.AfterFunc(forgetAfter, forgetProgram)
}

// leastGarbage is what may lie about until it is collected, however little there is
// beside it: a check over TLS leaves 45 KiB, and of a few hundred a second a
// heap of 3 MiB that may grow by 40 % is collected fifteen times a second.
const leastGarbage = 3 << 20

// growth is by how many percent a heap of so many bytes may grow: by least, and
// by so many bytes of garbage.
func growth(least int, garbage, live uint64) int {
	return max(least, int(100*garbage/max(live, 1<<20)))
}

// live is the size of the heap after the last collection.
func live() uint64 { return size("/gc/heap/live:bytes") }

// size is a metric of the runtime in bytes, 0 for one it does not know.
func size(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
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
	for _, part := range unwritten() { // together, and last: to find them takes the program too
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, part[0], part[1], unix.MADV_DONTNEED) // it is worth a try
	}
}

// unwritten are the parts of the program that it does not write: where each begins
// in memory, and how long it is.
func unwritten() (parts [][2]uintptr) {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var start, end uintptr
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &start, &end, &mode); err != nil {
			continue
		}
		if strings.HasSuffix(lines.Text(), program) && !strings.Contains(mode, "w") {
			parts = append(parts, [2]uintptr{start, end - start})
		}
	}
	return parts
}
