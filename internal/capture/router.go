package capture

import (
	"bytes"
	"net/netip"
	"time"

	"keepgo/vrrp"
)

// downAdverts is how many adverts a master may miss, RFC 9568 section 6.1.
const downAdverts = 3

// alive tells whether a speaker is still believed at that time: it has neither
// said goodbye nor been silent for too long.
func (s *speaker) alive(at time.Time) bool {
	interval := s.last.Interval
	if interval == 0 {
		interval = time.Second
	}
	return s.last.Priority != 0 && at.Sub(s.at) <= downAdverts*interval
}

// outranks tells whether s is a better master than an advert from src: RFC 9568
// section 6.4.3.
func (s *speaker) outranks(v *vrrp.Packet, src netip.Addr) bool {
	if s.last.Priority != v.Priority {
		return s.last.Priority > v.Priority
	}
	return src.Less(s.src)
}

// best is the master whom all others follow, nil for none.
func (r *router) best(at time.Time) (best *speaker) {
	for i := range r.speakers {
		s := &r.speakers[i]
		if s.alive(at) && (best == nil || s.outranks(&best.last, best.src)) {
			best = s
		}
	}
	return best
}

// speaks is the living master with that MAC, the best of several; nil for none.
func (r *router) speaks(mac MAC, at time.Time) (found *speaker) {
	for i := range r.speakers {
		s := &r.speakers[i]
		if s.mac == mac && s.alive(at) && (found == nil || s.outranks(&found.last, found.src)) {
			found = s
		}
	}
	return found
}

// hear holds an advert against what the masters of its router said before, and
// remembers it. Without a configuration their settings are compared as well.
func (r *router) hear(p *Packet, compare bool) {
	self, better, other := -1, -1, -1
	for i := range r.speakers {
		s := &r.speakers[i]
		switch {
		case s.src == p.Src:
			self = i
			continue
		case s.alive(p.At) && s.outranks(&p.VRRP, p.Src) && p.VRRP.Priority != 0:
			better = i
		}
		if other < 0 || s.at.After(r.speakers[other].at) {
			other = i
		}
	}
	if self < 0 {
		self = r.room(p)
	}
	s := &r.speakers[self]
	s.late(p)
	s.rival(p, better, r.speakers)
	if compare && other >= 0 && other != self {
		r.speakers[other].differ(p)
	}
	addresses := append(s.last.Addresses[:0], p.VRRP.Addresses...)
	s.at, s.mac, s.last = p.At, p.MAC, p.VRRP
	s.last.Addresses = addresses
	s.adverts++
}

// room is where a new speaker is noted: in the place of the one that was heard
// longest ago if there are too many.
func (r *router) room(p *Packet) int {
	at := len(r.speakers)
	if at < maxSpeakers {
		r.speakers = append(r.speakers, speaker{})
	} else {
		at = 0
		for i := range r.speakers {
			if r.speakers[i].at.Before(r.speakers[at].at) {
				at = i
			}
		}
	}
	r.speakers[at] = speaker{src: p.Src}
	return at
}

// late finds a gap that others have nearly taken for the master's death.
func (s *speaker) late(p *Packet) {
	gap := p.At.Sub(s.at)
	if s.adverts > 0 && s.last.Interval > 0 && s.alive(p.At) && gap >= 2*s.last.Interval {
		p.fault("late: %s after the one before, and its interval is %s", rounded(gap), s.last.Interval)
	}
}

func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// rival finds a second master: one that speaks again in the face of a better
// one. One advert is the way of the protocol: it was under way, or is the
// answer of one that does not know the other yet.
func (s *speaker) rival(p *Packet, better int, all []speaker) {
	if better < 0 {
		s.outranked = 0
		return
	}
	s.outranked++
	if s.outranked < 2 {
		return
	}
	b := &all[better]
	more := "they do not hear each other"
	if !bytes.Equal(b.last.Addresses, p.VRRP.Addresses) {
		more = "their virtual addresses differ: do two clusters share the VRID?"
	}
	p.fault("two masters: %s (priority %d) speaks too, and is the better one; %s", b.src, b.last.Priority, more)
}

// differ finds where an advert differs from what another master said.
func (s *speaker) differ(p *Packet) {
	was, is := &s.last, &p.VRRP
	switch {
	case was.Version != is.Version:
		p.fault("VRRP version %d, and %s speaks %d", is.Version, s.src, was.Version)
		return
	case was.Interval != is.Interval:
		p.fault("interval %s, and %s has %s", is.Interval, s.src, was.Interval)
	case is.Version == 2 && was.AuthType != is.AuthType:
		p.fault("authentication %s, and %s has %s", authName(is.AuthType), s.src, authName(was.AuthType))
	case is.Version == 2 && is.AuthType == vrrp.AuthPass && was.Auth != is.Auth:
		p.fault("another password than %s", s.src)
	}
	if !sameSet(was.Addresses, is.Addresses) {
		p.fault("other virtual addresses than %s", s.src)
	}
}

func authName(kind uint8) string {
	switch kind {
	case vrrp.AuthNone:
		return "none"
	case vrrp.AuthPass:
		return "PASS"
	case vrrp.AuthAH:
		return "AH"
	}
	return itoa(int(kind))
}

// sameSet tells whether two lists have the same addresses: in most cases they
// stand in the same order. The addresses of an advert are few.
func sameSet(a, b []byte) bool {
	if len(a) != len(b) || bytes.Equal(a, b) {
		return len(a) == len(b)
	}
	seen := map[string]int{}
	for i := 0; i+4 <= len(a); i += 4 { // both families are multiples of 4: enough for a message
		seen[string(a[i:i+4])]++
		seen[string(b[i:i+4])]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return true
}
