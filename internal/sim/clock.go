package sim

import (
	"time"

	"keepgo/vrrp"
)

// clock is a machine's: monotonic, but not exactly as fast as the world's, and
// a wall clock beside it that somebody may set.
type clock struct {
	world, own vrrp.Time     // an instant in both times
	ppm        int64         // how much faster than the world's it goes, in millionths
	wall       time.Duration // how far the wall clock is ahead of the world's
}

// million is the unit of ppm.
const million = 1_000_000

// now is the clock's time at an instant of the world.
func (c *clock) now(world vrrp.Time) vrrp.Time {
	d := int64(max(0, world-c.world))
	return c.own + time.Duration(d+d*c.ppm/million)
}

// when is the first instant of the world at which the clock shows at least own.
func (c *clock) when(own vrrp.Time) vrrp.Time {
	if c.ppm == 0 || own <= c.own {
		return c.world + own - c.own
	}
	at := c.world + time.Duration(int64(own-c.own)*million/(million+c.ppm))
	for c.now(at) < own {
		at++
	}
	return at
}

// stop has the clock stand still for a while.
func (c *clock) stop(world vrrp.Time, d time.Duration) {
	c.world, c.own = world+d, c.now(world)
}

// Clock is the node's own time.
func (n *Node) Clock() vrrp.Time { return n.clock.now(n.world.now) }

// Wall is what its wall clock shows.
func (n *Node) Wall() time.Time { return time.Unix(0, int64(n.world.now+n.clock.wall)) }

// Drift has the node's clocks go faster than the world's, by millionths.
func (n *Node) Drift(ppm int64) {
	n.clock.stop(n.world.now, 0)
	n.clock.ppm = ppm
}

// StepClock sets the wall clock of the node, by d from what it shows.
func (n *Node) StepClock(d time.Duration) { n.clock.wall += d }
