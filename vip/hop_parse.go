package vip

import (
	"net/netip"
	"strconv"
	"strings"
)

// maxLabels is how deep a stack of MPLS labels may be (as ip(8) takes it).
const maxLabels = 16

var hopWords = map[string]func(*line, *Nexthop) error{
	"via":    func(l *line, h *Nexthop) error { return l.address(&h.Via) },
	"dev":    func(l *line, h *Nexthop) error { return link(l, &h.Link) },
	"oif":    func(l *line, h *Nexthop) error { return link(l, &h.Link) },
	"weight": func(l *line, h *Nexthop) error { return h.readWeight(l) },
	"onlink": func(l *line, h *Nexthop) error { h.Onlink = true; return nil },
	"encap":  func(l *line, h *Nexthop) error { return h.Encap.read(l) },
	"realms": func(l *line, h *Nexthop) error { return l.realms(&h.Realms) },
	"as":     func(l *line, h *Nexthop) error { return l.fail("", "'as' is for MPLS routes, which this is not") },
}

func (h *Nexthop) readWeight(l *line) error {
	v, err := l.number(256)
	if err == nil && v == 0 {
		err = l.fail("1", "'weight 0': a number between 1 and 256 is wanted")
	}
	h.Weight = uint16(v)
	return err
}

// readNexthops reads the rest of the line: every leg begins with nexthop.
func (d *routeDraft) readNexthops(l *line) error {
	hop := Nexthop{Weight: 1}
	begins := l.at
	err := run(l, &hop, hopWords, func(l *line, h *Nexthop, w string) (bool, error) {
		if w != "nexthop" {
			return false, nil
		}
		err := d.addHop(l, *h, begins)
		*h, begins = Nexthop{Weight: 1}, l.at
		return true, err
	})
	if err != nil {
		return err
	}
	return d.addHop(l, hop, begins)
}

func (d *routeDraft) addHop(l *line, h Nexthop, begins int) error {
	if !h.Via.IsValid() && h.Link == "" {
		l.at = begins
		return l.fail("", "'nexthop' needs 'via ADDRESS' or 'dev INTERFACE'")
	}
	d.Hops = append(d.Hops, h)
	return nil
}

// readOr reads a second gateway, the old way to write nexthop.
func (d *routeDraft) readOr(l *line) error {
	h := Nexthop{Weight: 1}
	if err := l.address(&h.Via); err != nil {
		return err
	}
	d.Hops = append(d.Hops, h)
	return nil
}

// finishHops joins what stands outside of nexthop with the legs.
func (d *routeDraft) finishHops(l *line) error {
	l.at = d.dstAt
	plain := d.hop != Nexthop{}
	switch {
	case plain && len(d.Hops) == 0:
		d.hop.Weight = 1
		d.Hops = []Nexthop{d.hop}
	case plain && d.hop.Via.IsValid(): // via A or B
		for i := range d.Hops {
			d.Hops[i].Link = or(d.Hops[i].Link, d.hop.Link)
		}
		d.hop.Weight = 1
		d.Hops = append([]Nexthop{d.hop}, d.Hops...)
	case plain:
		return l.fail("", "%s: with 'nexthop', 'dev', 'onlink' and 'encap' belong behind each of them", d.dst)
	}
	for _, h := range d.Hops {
		if d.Is6() && (h.Via.Is4() || h.Realms != 0) {
			return l.fail("", "%s: an IPv6 route has neither an IPv4 gateway nor realms", d.dst)
		}
	}
	if d.TrackGroup != "" && (len(d.Hops) == 0 || d.Hops[0].Link == "") {
		return l.fail("", "%s: 'track_group' needs 'dev'", d.dst)
	}
	if len(d.Hops) == 1 { // alone it takes all, and its realms are the route's
		h := &d.Hops[0]
		d.Realms, h.Realms, h.Weight = max(d.Realms, h.Realms), 0, 1
	}
	return d.finishType(l)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// finishType checks that what is thrown away goes nowhere, and the rest does.
func (d *routeDraft) finishType(l *line) error {
	rejects := d.Type >= routeTypesReject && d.Type < rtnNAT
	switch {
	case rejects && len(d.Hops) > 0:
		return l.fail("", "a %s route goes nowhere: leave out 'via', 'dev' and 'nexthop'", nameOf(routeTypes, uint32(d.Type)))
	case !rejects && len(d.Hops) == 0:
		return l.missing("the route to %s needs 'via ADDRESS' or 'dev INTERFACE'", d.dst)
	}
	return nil
}

// routeTypesReject is the first of blackhole, unreachable, prohibit and throw.
const routeTypesReject = 6

var encapWords = map[string]func(*line, *Encap) error{
	"ip":   func(l *line, e *Encap) error { return e.readTunnel(l, EncapIP, ipWords) },
	"ip6":  func(l *line, e *Encap) error { return e.readTunnel(l, EncapIP6, ip6Words) },
	"mpls": func(l *line, e *Encap) error { return e.readLabels(l) },
	"ila":  func(l *line, e *Encap) error { return e.readLocator(l) },
}

var ipWords = map[string]func(*line, *Encap) error{
	"id":    func(l *line, e *Encap) error { return count(l, &e.ID, 1<<64-1) },
	"dst":   func(l *line, e *Encap) error { return l.address(&e.Dst) },
	"src":   func(l *line, e *Encap) error { return l.address(&e.Src) },
	"tos":   func(l *line, e *Encap) error { return name(l, &e.TOS, "dsfield", l.names.DSFields) },
	"ttl":   func(l *line, e *Encap) error { return count(l, &e.TTL, 255) },
	"flags": func(l *line, e *Encap) error { return count(l, &e.Flags, 1<<16-1) },
}

var ip6Words = map[string]func(*line, *Encap) error{
	"id":       ipWords["id"],
	"dst":      ipWords["dst"],
	"src":      ipWords["src"],
	"tc":       ipWords["tos"],
	"hoplimit": ipWords["ttl"],
	"flags":    ipWords["flags"],
}

func (e *Encap) read(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	read, ok := encapWords[w]
	if !ok {
		return l.fail(nearest(w, encapWords), "unknown encapsulation '%s'; there are ip, ip6, mpls and ila", w)
	}
	return read(l, e)
}

// readTunnel reads options as long as there are any: what follows belongs to
// the route again.
func (e *Encap) readTunnel(l *line, kind EncapKind, words map[string]func(*line, *Encap) error) error {
	e.Kind = kind
	kindAt := l.at
	for l.more() {
		read, ok := words[l.words[l.at]]
		if !ok {
			break
		}
		l.at++
		if err := read(l, e); err != nil {
			return err
		}
	}
	six := kind == EncapIP6
	switch l.at, kindAt = kindAt, l.at; {
	case !e.Dst.IsValid() && e.ID == 0:
		return l.fail("", "'encap %s' needs 'dst ADDRESS' or 'id NUMBER'", l.words[l.at-1])
	case wrongFamily(e.Dst, six) || wrongFamily(e.Src, six):
		return l.fail("", "'encap %s' between addresses of another family", l.words[l.at-1])
	}
	l.at = kindAt
	return nil
}

func wrongFamily(a netip.Addr, six bool) bool { return a.IsValid() && a.Is6() != six }

// readLabels reads LABEL/LABEL: 20 bits each (RFC 3032 section 2.1).
func (e *Encap) readLabels(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	labels := strings.Split(w, "/")
	for i, label := range labels {
		v, ok := parseNumber(label)
		if !ok || v >= 1<<20 || i >= maxLabels {
			return l.fail("", "'encap mpls %s': up to %d labels below 1048576 are wanted, like 100/200", w, maxLabels)
		}
		labels[i] = strconv.FormatUint(v, 10)
	}
	e.Kind, e.Labels = EncapMPLS, strings.Join(labels, "/")
	return nil
}

// readLocator reads the upper half of an IPv6 address, like 2001:db8:0:1.
func (e *Encap) readLocator(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	parts := strings.Split(w, ":")
	var v uint64
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 16, 16)
		if err != nil || len(parts) != 4 {
			return l.fail("", "'encap ila %s': a locator is four groups, like 2001:db8:0:1", w)
		}
		v = v<<16 | n
	}
	e.Kind, e.ID = EncapILA, v
	return nil
}
