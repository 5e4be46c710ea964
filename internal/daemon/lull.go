package daemon

import (
	"time"

	"keepgo/vrrp"
)

// maxPause is how long adverts may wait for each other once they come faster
// than that. In it, the receive buffer of a socket takes some five hundred.
const maxPause = 5 * time.Millisecond

// crowd is how many packets in a lull are a flood: it is read as fast as it comes,
// or it would fill the receive buffer and leave no room for the master's adverts.
// After one there is no lull for wary.
const (
	crowd = 128
	wary  = time.Second
)

// lull lets the loop sleep while many adverts come, and hear them together: to
// wake for each takes several times what hearing it does. It lasts no longer than
// the node has patience, and what was heard counts from when the kernel got it: so
// nothing that an advert sets off at a backup is late for it.
type lull struct {
	until vrrp.Time // 0 while there is none
	last  vrrp.Time // when anything was heard before it
	heard int       // packets since the last look
	wary  vrrp.Time // until when there is none
}

// end is when the loop is to look at the latest.
func (u *lull) end() vrrp.Time {
	if u.until == 0 {
		return vrrp.Never
	}
	return u.until
}

// next decides after a turn whether there is a lull, and until when.
func (u *lull) next(l *vrrpLoop) {
	now, was := l.clock.now(), u.until
	if now < was && !l.graced {
		return
	}
	if u.heard > crowd {
		u.wary = now + wary
	}
	if u.until = 0; l.node != nil && !l.graced && now >= u.wary {
		pause := min(l.node.Patience(), maxPause)
		if was > 0 && u.heard > 1 || was == 0 && u.heard > 0 && now-u.last < pause {
			u.until = now + pause
		}
	}
	if u.heard > 0 {
		u.last, u.heard = now, 0
	}
	if (was > 0) != (u.until > 0) {
		if err := l.poll.hush(u.until > 0); err != nil {
			l.fail(err)
		}
	}
}

// waited is how long ago the kernel got a packet. It says so by the wall clock,
// which may have been set since: more than a lull it is never taken to be.
func waited(now, arrived time.Time) time.Duration {
	if arrived.IsZero() {
		return 0
	}
	return max(0, min(now.Sub(arrived), maxPause))
}
