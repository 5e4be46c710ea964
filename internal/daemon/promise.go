package daemon

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"keepgo/vrrp"
)

// promiseFD is where a process that is watched over finds the memory of its promise.
const promiseFD = childFD + 1

// promiseVar, in the environment, says that there is such memory.
const promiseVar = "KEEPGO_PROMISE"

// promise is the instant at which a process is to wake, in memory that it shares
// with its parent (memfd_create(2)). A process that does not keep it hangs. To make
// one costs a store, and to see it kept costs the process nothing.
type promise struct {
	word *atomic.Int64
	file *os.File // what the process maps
}

// newPromise is the parent's end.
func newPromise() (*promise, error) {
	fd, err := unix.MemfdCreate("keepgo-promise", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	p := &promise{file: os.NewFile(uintptr(fd), "promise")}
	if err = unix.Ftruncate(fd, int64(os.Getpagesize())); err == nil {
		p.word, err = mapWord(fd)
	}
	if err != nil {
		p.file.Close()
		return nil, fmt.Errorf("promise: %w", err)
	}
	return p, nil
}

// mapWord maps the first word of a file for as long as this process lives.
func mapWord(fd int) (*atomic.Int64, error) {
	mem, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	return (*atomic.Int64)(unsafe.Pointer(unsafe.SliceData(mem))), nil
}

// inheritPromise is the process's end: where it writes. Where there is no memory to
// share nobody reads that.
func inheritPromise() (*atomic.Int64, error) {
	if os.Getenv(promiseVar) == "" {
		return new(atomic.Int64), nil
	}
	defer unix.Close(promiseFD)
	return mapWord(promiseFD)
}

// due is the instant, 0 while none is promised.
func (p *promise) due() vrrp.Time { return vrrp.Time(p.word.Load()) }

// forget prepares for the next process.
func (p *promise) forget() { p.word.Store(0) }

// sinceBoot is CLOCK_MONOTONIC, which all processes share; 0 if it cannot be read.
func sinceBoot() vrrp.Time {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return vrrp.Time(ts.Nano())
}

// share makes the memory of the children's promises. Without it nobody sees one
// hang, and all else goes on.
func (p *parent) share() {
	for _, c := range []*child{p.vrrp, p.lvs, p.bfd} {
		var err error
		if c.promise, err = newPromise(); err != nil {
			p.log.printf("nobody looks whether processes hang: %v", err)
			return
		}
	}
}
