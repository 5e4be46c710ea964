package daemon

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/vrrp"
)

// clock is the one clock of a loop: monotonic now, and one wake-up.
// The Go runtime's timers sleep in whole milliseconds; a timerfd does not.
type clock struct {
	origin time.Time
	base   time.Duration // CLOCK_MONOTONIC at origin
	file   *os.File
	armed  vrrp.Time
	C      chan struct{} // one value each time the armed instant has come
}

// newClock opens a timerfd on CLOCK_MONOTONIC (timerfd_create(2)).
func newClock() (*clock, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("clock_gettime: %w", err)
	}
	c := &clock{
		origin: time.Now(),
		base:   time.Duration(ts.Nano()),
		file:   os.NewFile(uintptr(fd), "timerfd"),
		armed:  vrrp.Never,
		C:      make(chan struct{}, 1),
	}
	go c.wait()
	return c, nil
}

// wait turns expirations into values on C until the clock is closed.
func (c *clock) wait() {
	var count [8]byte
	for {
		if _, err := c.file.Read(count[:]); err != nil {
			return
		}
		select {
		case c.C <- struct{}{}:
		default: // the loop has not taken the last one yet
		}
	}
}

// now is the monotonic time since the machine booted.
func (c *clock) now() vrrp.Time { return c.base + time.Since(c.origin) }

// arm sets the next wake-up; vrrp.Never sets none. An instant that has passed
// wakes at once.
func (c *clock) arm(at vrrp.Time) error {
	if at == c.armed {
		return nil
	}
	c.armed = at
	var spec unix.ItimerSpec
	if at != vrrp.Never {
		spec.Value = unix.NsecToTimespec(max(int64(at), 1))
	}
	return c.control(func(fd int) error {
		return unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME, &spec, nil)
	})
}

// fired forgets the armed instant, so that the same one can be armed again.
func (c *clock) fired() { c.armed = vrrp.Never }

// control runs f on the descriptor while it cannot be closed under it.
func (c *clock) control(f func(fd int) error) error {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// close ends the clock's goroutine.
func (c *clock) close() { c.file.Close() }
