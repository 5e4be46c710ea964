package failover

import (
	"fmt"
	"net/netip"
	"time"

	"keepgo/internal/capture"
	"keepgo/internal/capture/tap"
	"keepgo/internal/status"
)

// moments are when a director first said something since the last mark; zero for
// not yet.
type moments struct{ advert, announced time.Time }

// wire is what the link of the first instance carries of it.
type wire struct {
	tap   *tap.Tap
	vrid  uint8
	vip   netip.Addr
	first [2]moments // by director
}

// hear begins to hear the link of an instance, for the address that is watched.
func (w *instruments) hear(in *status.Instance, vip netip.Addr) error {
	t, err := tap.Open(in.Interface)
	if err != nil {
		return fmt.Errorf("adverts are not seen: %w", err)
	}
	w.wire = &wire{tap: t, vrid: in.VRID, vip: vip}
	w.work.Go(func() {
		var f capture.Frame
		for {
			if err := t.Read(&f); err != nil {
				return // closed
			}
			if p, ok := capture.Decode(&f); ok {
				w.mu.Lock()
				w.wire.sort(&p)
				w.mu.Unlock()
			}
		}
	})
	return nil
}

// sort takes down a packet if it is the first of its kind.
func (x *wire) sort(p *capture.Packet) {
	m := &x.first[other]
	if p.Out {
		m = &x.first[this]
	}
	switch {
	case p.Kind == capture.Advert && p.VRRP.VRID == x.vrid && p.Src.Is4() == x.vip.Is4() && p.VRRP.Priority > 0 && m.advert.IsZero():
		m.advert = p.At
	case p.Kind == capture.Announcement && p.Addr == x.vip && m.announced.IsZero():
		m.announced = p.At
	}
}

// mark forgets what was said, and said is what was since.
func (w *instruments) mark() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wire != nil {
		w.wire.first = [2]moments{}
	}
}

func (w *instruments) said(by int) (m moments) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wire != nil {
		m = w.wire.first[by]
	}
	return m
}
