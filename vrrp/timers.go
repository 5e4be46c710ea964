package vrrp

import (
	"math"
	"time"
)

// Never is the deadline of a router that waits for no timer.
const Never Time = math.MaxInt64

// defaultDownAdverts is the 3 of Master_Down_Interval, RFC 9568 section 6.1.
const defaultDownAdverts = 3

// EffectivePriority is base moved by the sum of the weights of what is tracked,
// kept within 1..254. The owner's priority does not move: it states a fact.
func EffectivePriority(base uint8, sum int) uint8 {
	if base == Owner {
		return Owner
	}
	return uint8(min(max(int(base)+sum, 1), Owner-1))
}

// skew is Skew_Time of a router with the given priority. Version 2 divides one
// second (RFC 3768 section 6.1), version 3 the master's interval counted in
// centiseconds (RFC 9568 section 6.1); both in whole microseconds, as
// keepalived computes them.
func skew(version, priority uint8, interval time.Duration) time.Duration {
	steps := 256 - time.Duration(priority)
	if version == 2 {
		return steps * 1_000_000 / 256 * time.Microsecond
	}
	centiseconds := interval / (10 * time.Millisecond)
	return steps * centiseconds * 625 / 16 * time.Microsecond
}

// Skew is Skew_Time of a router that is as it was configured.
func (c *Config) Skew() time.Duration { return skew(c.Version, c.Priority, c.Interval) }

// skew is the router's Skew_Time now. A configured owner keeps the owner's.
func (r *Router) skew() time.Duration {
	p := r.priority
	if r.cfg.Priority == Owner {
		p = Owner
	}
	return skew(r.cfg.Version, p, r.interval)
}

// minSkew is the skew of the highest priority, one step of 256.
func (r *Router) minSkew() time.Duration {
	return skew(r.cfg.Version, Owner, r.interval)
}

// TakeOver is how late a master of the given version and interval may be before
// another router with priority highest takes over: it has been heard one
// interval before its timer was due. timer_expired_backup asks for the smallest
// of all instances.
func TakeOver(version, highest uint8, interval time.Duration) time.Duration {
	return 2*interval + skew(version, highest, interval)
}

// wait is when a timer of d that begins now ends: not before QuietUntil it
// begins.
func (r *Router) wait(now Time, d time.Duration) Time {
	return max(now, r.cfg.QuietUntil) + d
}

// quiet tells that the start-up delay runs.
func (r *Router) quiet(now Time) bool { return now < r.cfg.QuietUntil && r.state != Master }

// masterDown is Master_Down_Interval, RFC 9568 section 6.1.
func (r *Router) masterDown() time.Duration {
	n := int(r.cfg.DownAdverts)
	if n == 0 {
		n = defaultDownAdverts
	}
	return time.Duration(n)*r.interval + r.skew()
}
