package rtnl

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
)

// linkTable is what is known of links and of addresses that nobody wants. The
// door's goroutine writes it, everyone reads.
type linkTable struct {
	mu      sync.RWMutex
	byIndex map[int]*linkEntry
	byName  map[string]*linkEntry
	counter uint64
}

type linkEntry struct {
	Link
	own map[netip.Prefix]uint64 // addresses, with the order they appeared in
}

func (t *linkTable) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byIndex, t.byName = make(map[int]*linkEntry), make(map[string]*linkEntry)
}

// put stores a link and returns the one its index had before.
func (t *linkTable) put(l Link) (old Link, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byIndex[l.Index]
	if e == nil {
		e = &linkEntry{own: make(map[netip.Prefix]uint64)}
		t.byIndex[l.Index] = e
	} else {
		old, known = e.Link, true
		t.dropName(e)
	}
	e.Link = l
	t.byName[l.Name] = e
	return old, known
}

// dropName forgets a name, unless another link bears it by now.
func (t *linkTable) dropName(e *linkEntry) {
	if t.byName[e.Name] == e {
		delete(t.byName, e.Name)
	}
}

func (t *linkTable) remove(index int) (old Link, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byIndex[index]
	if e == nil {
		return old, false
	}
	t.dropName(e)
	delete(t.byIndex, index)
	return e.Link, true
}

func (t *linkTable) named(name string) (Link, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.byName[name]; e != nil {
		return e.Link, true
	}
	return Link{}, false
}

func (t *linkTable) indexed(index int) (Link, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.byIndex[index]; e != nil {
		return e.Link, true
	}
	return Link{}, false
}

// index is the index of a link; 0 if there is none of that name.
func (t *linkTable) index(name string) int {
	l, _ := t.named(name)
	return l.Index
}

// name is the name of a link; "" if there is none of that index.
func (t *linkTable) name(index int) string {
	l, _ := t.indexed(index)
	return l.Name
}

func (t *linkTable) all() []Link {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]Link, 0, len(t.byIndex))
	for _, e := range t.byIndex {
		out = append(out, e.Link)
	}
	return out
}

// addAddress notes a link's own address and reports whether it is news.
func (t *linkTable) addAddress(index int, p netip.Prefix) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byIndex[index]
	if e == nil {
		return false
	}
	if _, known := e.own[p]; known {
		return false
	}
	t.counter++
	e.own[p] = t.counter
	return true
}

// removeAddress forgets one and reports whether it was known.
func (t *linkTable) removeAddress(index int, p netip.Prefix) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byIndex[index]
	if e == nil {
		return false
	}
	_, known := e.own[p]
	delete(e.own, p)
	return known
}

func (t *linkTable) addresses(name string) []netip.Prefix {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.byName[name]
	if e == nil {
		return nil
	}
	out := make([]netip.Prefix, 0, len(e.own))
	for p := range e.own {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int { return cmp.Compare(e.own[a], e.own[b]) })
	return out
}
