package lab

import (
	"sync"
	"time"

	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
)

// witness notes when virtual addresses came to directors and went from them.
type witness struct {
	mu    sync.Mutex
	began time.Time
	holds []drill.Hold
}

// watch has the witness look at both directors until the lab is closed.
func (s *stage) watch() (*witness, error) {
	w := &witness{began: time.Now()}
	for i, d := range s.directors {
		events, err := d.AddrEvents()
		if err != nil {
			return nil, err
		}
		go func() {
			for e := range events {
				w.note(i, s.net.vips, e)
			}
		}()
	}
	return w, nil
}

func (w *witness) note(director int, vips []vip, e netlab.AddrEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for v := range vips {
		if vips[v].addr == e.Addr {
			w.holds = append(w.holds, drill.Hold{At: e.At.Sub(w.began), Director: director, Address: v, Has: e.Added})
		}
	}
}

// since is an instant in the witness's time.
func (w *witness) since(t time.Time) time.Duration { return t.Sub(w.began) }

// reigns tells of each address how it was held between two instants.
func (w *witness) reigns(vips int, from, to time.Time) []drill.Reign {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]drill.Reign, vips)
	for v := range list {
		list[v] = drill.Reigns(w.holds, v, w.since(from), w.since(to))
	}
	return list
}

// has says whether a director has an address, as far as was heard.
func (w *witness) has(director, address int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.holds) - 1; i >= 0; i-- {
		if h := w.holds[i]; h.Director == director && h.Address == address {
			return h.Has
		}
	}
	return false
}

// witnessed says whether the witness has heard of all that was seen: what it
// hears later than the next deed would be taken for its consequence.
func (p *play) witnessed() bool {
	for d := range p.holds {
		for v, has := range p.holds[d] {
			if p.stage.witness.has(d, v) != has {
				return false
			}
		}
	}
	return true
}

// gained is the first gain of an address after an instant.
func (w *witness) gained(address int, after time.Time) (h drill.Hold, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.holds {
		if h.Address == address && h.Has && h.At >= w.since(after) {
			return h, true
		}
	}
	return h, false
}
