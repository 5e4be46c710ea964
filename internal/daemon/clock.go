package daemon

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/vrrp"
)

// clock is the one clock of a loop: monotonic now, and one wake-up.
// The Go runtime's timers sleep in whole milliseconds; a timerfd does not.
type clock struct {
	origin time.Time
	base   time.Duration // CLOCK_MONOTONIC at origin
	fd     int           // readable once the armed instant has come, until it is armed anew
	armed  vrrp.Time     // woken after it has come
	// promise is where who watches over this process sees the armed instant.
	promise *atomic.Int64
}

// woken stands for no instant: the clock is to be armed, whatever for.
const woken vrrp.Time = -1

// newClock opens a timerfd on CLOCK_MONOTONIC (timerfd_create(2)).
func newClock() (*clock, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	c := &clock{fd: fd, armed: vrrp.Never, promise: new(atomic.Int64)}
	if err := c.align(); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("clock_gettime: %w", err)
	}
	return c, nil
}

// align finds out what CLOCK_MONOTONIC is beside the runtime's clock: never
// less, so that an instant has come when its timer wakes, and as little more as
// one of a few tries finds.
func (c *clock) align() error {
	least := time.Hour
	for range 5 {
		var ts unix.Timespec
		before := time.Now()
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			return err
		}
		if took := time.Since(before); took < least {
			least, c.origin, c.base = took, before, time.Duration(ts.Nano())
		}
	}
	return nil
}

// now is the monotonic time since the machine booted.
func (c *clock) now() vrrp.Time { return c.at(time.Now()) }

// at is an instant of the runtime's clock.
func (c *clock) at(t time.Time) vrrp.Time { return c.base + t.Sub(c.origin) }

// come tells, once, that the armed instant has come, and which it was.
func (c *clock) come() (at vrrp.Time, ok bool) {
	if c.armed == woken || c.now() < c.armed {
		return 0, false
	}
	at, c.armed = c.armed, woken
	return at, true
}

// arm has the clock wake no later than an instant; vrrp.Never needs no wake-up.
// One that was armed before and comes earlier stays: each advert that a backup
// hears moves a deadline away, and to wake once in vain costs less than to set
// the timer each time. An instant that has passed wakes at once.
func (c *clock) arm(at vrrp.Time) error {
	if at >= c.armed && c.armed != woken {
		return nil
	}
	c.armed = at
	c.promise.Store(int64(at))
	var spec unix.ItimerSpec
	if at != vrrp.Never {
		spec.Value = unix.NsecToTimespec(max(int64(at), 1))
	}
	return unix.TimerfdSettime(c.fd, unix.TFD_TIMER_ABSTIME, &spec, nil)
}

func (c *clock) close() { unix.Close(c.fd) }
