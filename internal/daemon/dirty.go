package daemon

import "sync"

// dirtySet collects names until they are taken.
type dirtySet struct {
	mu    sync.Mutex
	names map[string]bool
	C     chan struct{}
}

func newDirtySet() *dirtySet {
	return &dirtySet{names: map[string]bool{}, C: make(chan struct{}, 1)}
}

func (d *dirtySet) add(name string) {
	d.mu.Lock()
	d.names[name] = true
	d.mu.Unlock()
	select {
	case d.C <- struct{}{}:
	default:
	}
}

func (d *dirtySet) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.names {
		names = append(names, name)
	}
	clear(d.names)
	return names
}
