package daemon

import "keepgo/internal/ha"

// obey puts what operators say in force.
func (l *vrrpLoop) obey(o *childOrders) {
	l.step(ha.Event{Kind: ha.EventHold, Names: o.Held})
	if o.Yield {
		l.step(ha.Event{Kind: ha.EventYield})
	}
}
