package daemon

import (
	"cmp"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/confparse"
)

// manner is how a process is to run.
type manner struct {
	confparse.Process
	MaxAuto   int           // real-time priority that lateness may raise it to; 0 and less: none
	LateAfter time.Duration // how late it must be for that
}

// mannerOf is how the configuration wants a child to run.
func mannerOf(g *confparse.Global, name string) manner {
	m := manner{Process: g.VRRP, MaxAuto: g.MaxAutoPriority, LateAfter: g.MinAutoPriorityDelay}
	switch name {
	case LVSProcess:
		m.Process = g.Checker
	case BFDProcess:
		m.Process = g.BFD
	}
	m.Name = cmp.Or(m.Name, name)
	return m
}

// rank is where this process stands in the kernel's eyes, and where it stood
// when it started.
type rank struct {
	log    func(format string, args ...any)
	manner manner
	nice   int
	cpus   unix.CPUSet
	limit  unix.Rlimit // RLIMIT_RTTIME
	locked bool
	auto   int // real-time priority it was raised to because it was late
}

func newRank(log func(format string, args ...any)) *rank {
	r := &rank{log: log}
	if attr, err := unix.SchedGetAttr(0, 0); err == nil {
		r.nice = int(attr.Nice)
	}
	_ = unix.SchedGetaffinity(0, &r.cpus)
	_ = unix.Getrlimit(unix.RLIMIT_RTTIME, &r.limit)
	return r
}

// set puts the process where it is to be. What the kernel refuses is told; the
// process goes on without it. What nothing is or was said of stays as it is: to
// look for all threads takes time that a start has not.
func (r *rank) set(m manner) {
	was := r.manner
	r.manner = m
	setName(m.Name)
	if len(m.CPUs)+len(was.CPUs) > 0 {
		r.try("cpu_affinity", r.settle())
	}
	r.try("rlimit_rttime", r.bound())
	if r.priority() > 0 || was.RTPriority > 0 || m.Nice != nil || was.Nice != nil {
		r.try("priority", r.schedule())
	}
	r.try("no_swap", r.lock())
}

// settle gives every thread the processors to run on.
func (r *rank) settle() error {
	set := r.cpus
	if len(r.manner.CPUs) > 0 {
		set.Zero()
		for _, cpu := range r.manner.CPUs {
			set.Set(cpu)
		}
	}
	return eachThread(func(tid int) error { return unix.SchedSetaffinity(tid, &set) })
}

func (r *rank) try(what string, err error) {
	if err != nil {
		r.log("%s: %v", what, err)
	}
}

// priority is the real-time priority to run at; 0 means the ordinary class.
func (r *rank) priority() int { return max(r.manner.RTPriority, r.auto) }

// schedule sets class, priority and nice value of every thread. A new thread
// has those of the one that made it.
func (r *rank) schedule() error {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: int32(r.nice)}
	if r.manner.Nice != nil {
		attr.Nice = int32(*r.manner.Nice)
	}
	if p := r.priority(); p > 0 {
		attr.Policy, attr.Priority = unix.SCHED_RR, uint32(p)
	}
	return eachThread(func(tid int) error { return unix.SchedSetAttr(tid, &attr, 0) })
}

// bound limits how long a thread may compute in the real-time class without a
// pause: at half of it the kernel warns, at all of it the process is killed
// (getrlimit(2), RLIMIT_RTTIME).
func (r *rank) bound() error {
	limit := r.limit
	if d := uint64(r.manner.RTTime.Microseconds()); d > 0 && r.priority() > 0 {
		limit = unix.Rlimit{Cur: d / 2, Max: d}
	}
	return unix.Setrlimit(unix.RLIMIT_RTTIME, &limit)
}

// lock keeps what the process touches in memory.
func (r *rank) lock() error {
	if r.manner.NoSwap == r.locked {
		return nil
	}
	r.locked = r.manner.NoSwap
	if !r.locked {
		return unix.Munlockall()
	}
	// Not MCL_CURRENT without MCL_ONFAULT: the Go heap reserves far more than it uses.
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}

// late raises the process by one real-time priority when it woke up too late.
func (r *rank) late(by time.Duration) {
	if r.manner.MaxAuto <= 0 || by <= r.manner.LateAfter || r.priority() >= r.manner.MaxAuto {
		return
	}
	r.auto = r.priority() + 1
	r.log("woke up %v late; raising the real-time priority to %d", by.Round(time.Millisecond), r.auto)
	r.try("max_auto_priority", r.schedule())
}

// eachThread does something to every thread of this process, until no new one
// is found.
func eachThread(do func(tid int) error) error {
	var done []int
	for range 10 {
		entries, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		news := false
		for _, e := range entries {
			tid, err := strconv.Atoi(e.Name())
			if err != nil || slices.Contains(done, tid) {
				continue
			}
			if err := do(tid); err != nil && err != unix.ESRCH {
				return fmt.Errorf("thread %d: %w", tid, err)
			}
			done, news = append(done, tid), true
		}
		if !news {
			return nil
		}
	}
	return nil
}

// corePattern is where the kernel keeps the names of cores (core(5)).
const corePattern = "/proc/sys/kernel/core_pattern"

// unlimitedCore lets this process and its children leave cores. The Go runtime
// does so where GOTRACEBACK says crash.
func unlimitedCore() error {
	debug.SetTraceback("crash")
	os.Setenv("GOTRACEBACK", "crash")
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
}
