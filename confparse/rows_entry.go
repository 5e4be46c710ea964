package confparse

import (
	"net/netip"
	"strconv"
	"strings"

	"keepgo/confparse/syntax"
)

// groupEntry reads a line of virtual_server_group: ADDR[-END] [PORT],
// ADDR/LEN [PORT] or fwmark N [inet|inet6].
func groupEntry(s *stmt, g *ServerGroup) {
	w, _ := s.next()
	e := GroupEntry{Pos: w.Pos}
	ok := true
	if w.Text == "fwmark" {
		ok = s.mark(&e.FWMark)
		if f, given := s.next(); ok && given {
			e.IPv6 = f.Text == "inet6"
			if f.Text != "inet" && f.Text != "inet6" {
				s.fail(f, "inet or inet6", "unknown family '%s'", clip(f.Text))
			}
		}
	} else {
		ok = s.entryRange(&e, w)
		if p, given := s.next(); ok && given {
			e.Port, ok = s.port(p)
		}
	}
	s.leftover()
	if ok {
		g.Entries = append(g.Entries, e)
	}
}

// entryRange reads the addresses of an entry.
func (s *stmt) entryRange(e *GroupEntry, w syntax.Word) bool {
	first, end, isRange := strings.Cut(w.Text, "-")
	if _, bits, isPrefix := strings.Cut(w.Text, "/"); isPrefix && bits != "" {
		p, err := netip.ParsePrefix(w.Text)
		if err != nil || p.Masked() != p {
			s.fail(w, "", "'%s' is not a network (its host bits must be zero)", clip(w.Text))
			return false
		}
		e.First, e.Last = p.Addr(), lastOf(p)
		return true
	}
	fw := w
	fw.Text = first
	var ok bool
	if e.First, ok = s.addr(fw); !ok {
		return false
	}
	e.Last = e.First
	if !isRange {
		return true
	}
	if e.Last, ok = rangeEnd(e.First, end); !ok || e.Last.Less(e.First) {
		s.fail(w, "", "'%s' is not the end of a range that begins with %s", clip(end), e.First)
		return false
	}
	return true
}

// rangeEnd completes the end of a range: a full address, the last octet of
// IPv4, or the last 16 bits of IPv6 in hexadecimal.
func rangeEnd(first netip.Addr, end string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(end); err == nil {
		return a, a.Is4() == first.Is4()
	}
	if first.Is4() {
		n, err := strconv.ParseUint(end, 10, 8)
		b := first.As4()
		b[3] = byte(n)
		return netip.AddrFrom4(b), err == nil
	}
	n, err := strconv.ParseUint(end, 16, 16)
	b := first.As16()
	b[14], b[15] = byte(n>>8), byte(n)
	return netip.AddrFrom16(b), err == nil
}

// lastOf is the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
