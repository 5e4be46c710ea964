package daemon

import "keepgo/internal/ha"

// obey puts what operators say in force.
func (l *vrrpLoop) obey(o *childOrders) {
	if l.node == nil {
		return
	}
	l.step(ha.Event{Kind: ha.EventHold, Names: o.Held})
	if o.Yield {
		l.step(ha.Event{Kind: ha.EventYield})
	}
}

// end ends the process: as it is told, or as the parent's own end tells it.
func (l *vrrpLoop) end(m toChild, open bool) error {
	if m.Leave || !open && l.up.holds() {
		return nil
	}
	return l.stop(open && m.Keep)
}
