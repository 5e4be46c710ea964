package ha

import (
	"net/netip"

	"keepgo/vrrp"
)

// rarities are what a member remembers of what hardly ever happens.
type rarities struct {
	pace  pace       // of announcing again
	below netip.Addr // whose advert was ignored last: it is the master we shall replace
	slept sleep
	calm  vrrp.Time // no wrong packet is told of before, but in the log
	drift string    // how the master's addresses differ from ours, "" while they do not
}

// sleep is how long an instance was not scheduled, and when that was found; zero
// if it was always.
type sleep struct{ late, woke vrrp.Time }

// rarities is room to remember in.
func (m *member) rarities() *rarities {
	if m.rare == nil {
		m.rare = &rarities{}
	}
	return m.rare
}

// known is what is remembered.
func (r *rarities) known() rarities {
	if r == nil {
		return rarities{}
	}
	return *r
}

// drift is how the master's addresses differ from ours, "" while they do not.
func (m *member) drift() string {
	if m.rare == nil {
		return ""
	}
	return m.rare.drift
}

// agrees notes that they do not.
func (m *member) agrees() {
	if m.rare != nil {
		m.rare.drift = ""
	}
}

// unrivalled forgets a rival.
func (m *member) unrivalled() {
	m.rival = nil
	if m.rare != nil {
		m.rare.pace = pace{}
	}
}
