package daemon

import (
	"errors"
	"fmt"

	"keepgo/internal/ha"
)

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

// stop hands over and empties the interfaces, unless they are to be kept.
func (l *vrrpLoop) stop(keep bool) error {
	if l.node != nil && !keep {
		l.step(ha.Event{Kind: ha.EventStop})
	}
	silent := make(chan error, 2) // the kernel takes its time to close packet sockets: meanwhile all else is done
	go func() { silent <- l.arp.Close() }()
	go func() { silent <- l.herald.witness.Close() }()
	l.devices.quietIGMP(false)
	err := errors.Join(l.links.Close(), l.filter.close(keep), l.devices.close(), l.syncer.close())
	for _, w := range l.wires {
		w.conn.Close()
	}
	if err = errors.Join(err, <-silent, <-silent); err != nil {
		return fmt.Errorf("closing netlink: %w", err)
	}
	return nil
}
