package daemon

import (
	"os"
	"time"

	"keepgo/internal/lb"
)

// A kernel that cannot balance may learn to: its module is installed or loaded
// later than the daemon starts. It is asked again at growing distances.
const (
	firstAgain = 5 * time.Second
	lastAgain  = time.Minute
)

// again is when to ask the kernel once more for what it could not do.
type again struct {
	left, pause time.Duration
	module      bool // IPVS was there when last looked
}

// due counts the time since it was last called. A module that appears is a reason
// to ask at once.
func (a *again) due(passed time.Duration, module bool) bool {
	appeared := module && !a.module
	a.module = module
	if a.pause == 0 {
		a.left, a.pause = firstAgain, firstAgain
	}
	if a.left -= passed; a.left > 0 && !appeared {
		return false
	}
	a.pause = min(2*a.pause, lastAgain)
	a.left = a.pause
	return true
}

// moduleThere says whether the kernel has IPVS loaded, or built in.
func moduleThere() bool {
	_, err := os.Stat("/proc/sys/net/ipv4/vs")
	return err == nil
}

// reopen asks the kernel once more to balance, and has everything stand if it can.
func (l *lvsLoop) reopen() {
	p, err := newPlane(l.node.Plan().DataPlane, l.log, true)
	if err != nil || p.lack != "" {
		return
	}
	l.log("the kernel can balance connections now (%s): all services are set up", p.name())
	p.begin(l.begun, false)
	acts := l.node.Forget(l.begun)
	l.plane, l.begun = p, nil
	for i := range l.node.Plan().Services {
		acts = append(acts, lb.Action{Kind: lb.ActSet, Service: i})
	}
	l.perform(acts)
	l.plane.configure(l.node.Plan())
	l.check()
}
