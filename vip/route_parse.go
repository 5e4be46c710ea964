package vip

import (
	"net/netip"
	"strconv"
	"strings"
)

// routeTypes are the words for RTN_* of linux/rtnetlink.h.
var routeTypes = map[string]uint32{
	"unicast": rtnUnicast, "local": rtnLocal, "broadcast": rtnBroadcast, "anycast": 4, "multicast": 5,
	"blackhole": 6, "unreachable": 7, "prohibit": 8, "throw": 9, "nat": rtnNAT,
}

// routerPrefs are the words for ICMPV6_ROUTER_PREF_* of linux/icmpv6.h.
var routerPrefs = map[string]uint32{"medium": 0, "high": 1, "low": 3}

// onOff are the words of ttl-propagate, one more than the kernel's.
var onOff = map[string]uint32{"disabled": 1, "enabled": 2}

// metricWords are the metrics that are a number. A time is kept in 1/scale
// milliseconds, and a bare number is already in that unit.
var metricWords = []struct {
	name  string
	index uint8  // RTAX_*
	scale uint64 // 0: no time
	most  uint64
}{
	{"mtu", 2, 0, 1<<32 - 1}, {"window", 3, 0, 1<<32 - 1}, {"rtt", 4, 8, 1<<32 - 1}, {"rttvar", 5, 4, 1<<32 - 1},
	{"ssthresh", 6, 0, 1<<32 - 1}, {"cwnd", 7, 0, 1<<32 - 1}, {"advmss", 8, 0, 1<<32 - 1}, {"reordering", 9, 0, 1<<32 - 1},
	{"hoplimit", 10, 0, 255}, {"initcwnd", 11, 0, 1<<32 - 1}, {"features", rtaxFeatures, 0, 1}, {"rto_min", rtaxRTOMin, 1, 1<<32 - 1},
	{"initrwnd", 14, 0, 1<<32 - 1}, {"quickack", 15, 0, 1}, {"fastopen_no_cookie", 17, 0, 1},
}

// routeDraft is a route while its line is read.
type routeDraft struct {
	Route
	dst    string
	dstAt  int
	family int // 4, 6, or 0
	scoped bool
	hop    Nexthop // what stands outside of nexthop
}

var routeWords = map[string]func(*line, *routeDraft) error{
	"to":       func(l *line, d *routeDraft) error { return d.readTo(l) },
	"inet":     func(l *line, d *routeDraft) error { d.family = 4; return nil },
	"inet6":    func(l *line, d *routeDraft) error { d.family = 6; return nil },
	"default6": func(l *line, d *routeDraft) error { d.family = 6; return d.destination(l, "default") },
	"src":      func(l *line, d *routeDraft) error { return l.address(&d.Src) },
	"from":     func(l *line, d *routeDraft) error { return d.readFrom(l) },
	"tos":      func(l *line, d *routeDraft) error { return name(l, &d.TOS, "dsfield", l.names.DSFields) },
	"table":    func(l *line, d *routeDraft) error { return name(l, &d.Table, "routing table", l.names.Tables) },
	"vrf":      func(l *line, d *routeDraft) error { return text(l, &d.VRF) },
	"protocol": func(l *line, d *routeDraft) error {
		return name(l, &d.Protocol, "routing protocol", l.names.Protocols)
	},
	"scope": func(l *line, d *routeDraft) error {
		d.scoped = true
		return name(l, &d.Scope, "scope", l.names.Scopes)
	},
	"metric":        func(l *line, d *routeDraft) error { return count(l, &d.Metric, 1<<32-1) },
	"realms":        func(l *line, d *routeDraft) error { return l.realms(&d.Realms) },
	"expires":       func(l *line, d *routeDraft) error { return count(l, &d.Expires, 1<<31/100) },
	"pref":          func(l *line, d *routeDraft) error { return name(l, &d.Pref, "router preference", routerPrefs) },
	"ttl-propagate": func(l *line, d *routeDraft) error { return d.readTTLPropagate(l) },
	"congctl":       func(l *line, d *routeDraft) error { return d.readCongctl(l) },
	"add":           func(l *line, d *routeDraft) error { d.Placing = AddUnique; return nil },
	"prepend":       func(l *line, d *routeDraft) error { d.Placing = Prepend; return nil },
	"append":        func(l *line, d *routeDraft) error { d.Placing = Append; return nil },
	"no_track":      func(l *line, d *routeDraft) error { d.NoTrack = true; return nil },
	"track_group":   func(l *line, d *routeDraft) error { return text(l, &d.TrackGroup) },
	"via":           func(l *line, d *routeDraft) error { return l.address(&d.hop.Via) },
	"dev":           func(l *line, d *routeDraft) error { return link(l, &d.hop.Link) },
	"onlink":        func(l *line, d *routeDraft) error { d.hop.Onlink = true; return nil },
	"encap":         func(l *line, d *routeDraft) error { return d.hop.Encap.read(l) },
	"nexthop":       func(l *line, d *routeDraft) error { return d.readNexthops(l) },
	"or":            func(l *line, d *routeDraft) error { return d.readOr(l) },
	"as":            func(l *line, d *routeDraft) error { return l.fail("", "'as' is for MPLS routes, which this is not") },
}

func init() {
	for alias, word := range map[string]string{"dsfield": "tos", "gw": "via", "oif": "dev", "priority": "metric", "preference": "metric"} {
		routeWords[alias] = routeWords[word]
	}
	for _, m := range metricWords {
		routeWords[m.name] = func(l *line, d *routeDraft) error { return d.readMetric(l, m.index, m.scale, m.most) }
	}
}

// ParseRoute reads the words of a line of virtual_routes or static_routes. The
// syntax is keepalived's with what ip-route(8) means by it: inet and inet6 say
// the family and nothing more, a type may stand behind to, a gateway may be of
// the other family. Its errors are *LineError.
func ParseRoute(words []string, names Names) (Route, error) {
	l := &line{words: words, names: names}
	d := &routeDraft{Route: Route{Type: rtnUnicast, Table: tableMain, Protocol: protoKeepalived}}
	if err := run(l, d, routeWords, readDestination); err != nil {
		return Route{}, err
	}
	if err := d.finish(l); err != nil {
		return Route{}, err
	}
	return d.Route, nil
}

func text(l *line, to *string) (err error) {
	*to, err = l.next()
	return err
}

// link reads the name of an interface: at most 15 bytes (IFNAMSIZ of linux/if.h).
func link(l *line, to *string) error {
	if err := text(l, to); err != nil {
		return err
	}
	if len(*to) > 15 || strings.Contains(*to, "/") {
		return l.fail("", "'%s' cannot be the name of an interface", *to)
	}
	return nil
}

// readDestination takes a type, or the destination.
func readDestination(l *line, d *routeDraft, w string) (bool, error) {
	if t, ok := routeTypes[w]; ok {
		d.Type = uint8(t)
		return true, nil
	}
	if d.dst == "" && (isAll(w) || strings.ContainsAny(w, ".:/")) {
		return true, d.destination(l, w)
	}
	return false, nil
}

func (d *routeDraft) destination(l *line, w string) error {
	if d.dst != "" {
		return l.fail("", "'%s': the destination is %s already", w, d.dst)
	}
	d.dst, d.dstAt = w, l.at
	return nil
}

// readTo reads [TYPE] PREFIX behind to.
func (d *routeDraft) readTo(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	if t, ok := routeTypes[w]; ok {
		d.Type = uint8(t)
		if w, err = l.next(); err != nil {
			return err
		}
	}
	if w == "inet" || w == "inet6" {
		l.at--
		d.family = l.family()
		if w, err = l.next(); err != nil {
			return err
		}
	}
	return d.destination(l, w)
}

func (d *routeDraft) readFrom(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	p, err := l.prefixOf(w)
	if err == nil && p.IsValid() && !p.Addr().Is6() {
		return l.fail("", "'from %s': only IPv6 routes have a source; use a rule", w)
	}
	d.From = p.Masked()
	return err
}

func (d *routeDraft) readTTLPropagate(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	v, ok := onOff[w]
	if !ok {
		return l.fail(nearest(w, onOff), "'ttl-propagate %s': enabled or disabled is wanted", w)
	}
	d.TTLPropagate = uint8(v)
	return nil
}

func (d *routeDraft) lock(l *line, index uint8) {
	if l.take("lock") {
		d.Metrics[rtaxLock] |= 1 << index
	}
}

// readCongctl reads the name of an algorithm: at most 15 bytes
// (TCP_CA_NAME_MAX of net/tcp.h).
func (d *routeDraft) readCongctl(l *line) error {
	d.lock(l, rtaxCongctl)
	if err := text(l, &d.Congestion); err != nil {
		return err
	}
	if len(d.Congestion) > 15 {
		return l.fail("", "'%s' is too long for a congestion control algorithm", d.Congestion)
	}
	return nil
}

func (d *routeDraft) readMetric(l *line, index uint8, scale, most uint64) (err error) {
	d.lock(l, index)
	if index == rtaxFeatures {
		return d.readFeatures(l)
	}
	if scale == 0 {
		return count(l, &d.Metrics[index], most)
	}
	if index == rtaxRTOMin { // which the kernel heeds only if it is locked
		d.Metrics[rtaxLock] |= 1 << index
	}
	return l.time(&d.Metrics[index], scale)
}

func (d *routeDraft) readFeatures(l *line) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	if w != "ecn" {
		return l.fail("ecn", "unknown feature '%s'", w)
	}
	d.Metrics[rtaxFeatures] = 1 // RTAX_FEATURE_ECN
	return nil
}

// time reads milliseconds or seconds into 1/scale milliseconds; a bare number
// is in that unit already, as of ip-route(8).
func (l *line) time(to *uint32, scale uint64) error {
	name := l.words[l.at-1]
	w, err := l.next()
	if err != nil {
		return err
	}
	digits := strings.TrimRight(w, "acdefghijklmnopqrstuvwxyz")
	unit, known := map[string]float64{"": 1, "s": 1000 * float64(scale), "sec": 1000 * float64(scale), "secs": 1000 * float64(scale),
		"ms": float64(scale), "msec": float64(scale), "msecs": float64(scale)}[w[len(digits):]]
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !known || !(v >= 0 && v*unit <= 1<<32-1) || strings.ContainsAny(digits, "xXpP_") {
		return l.fail("", "'%s %s': a time like 300ms or 1.5s is wanted", name, w)
	}
	*to = uint32(v * unit)
	return nil
}

// finish puts together what may stand in any order.
func (d *routeDraft) finish(l *line) error {
	if d.dst == "" {
		return l.missing("the route has no destination")
	}
	if err := d.finishDestination(l); err != nil {
		return err
	}
	if !d.scoped {
		d.Scope = defaultScope(d.Type)
	}
	if d.Is6() {
		d.Scope = scopeUniverse // the kernel knows no other
	}
	if d.VRF != "" {
		d.Table = 0
	}
	return d.finishHops(l)
}

func (d *routeDraft) finishDestination(l *line) error {
	l.at = d.dstAt
	p, err := l.prefixOf(d.dst)
	if err != nil {
		return err
	}
	if !p.IsValid() {
		p = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if d.isIPv6() {
			p = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	switch six := p.Addr().Is6(); {
	case d.family != 0 && six != (d.family == 6):
		return l.fail("", "%s is not of the family that inet or inet6 says", d.dst)
	case !six && p != p.Masked():
		return l.fail(p.Masked().String(), "'%s' has bits set beyond its length, which the kernel refuses", d.dst)
	case d.Src.IsValid() && d.Src.Is6() != six:
		return l.fail("", "the source %s and the destination %s are of different families", d.Src, d.dst)
	case d.From.IsValid() && !six:
		return l.fail("", "%s: only IPv6 routes have 'from'", d.dst)
	}
	d.Dst = p.Masked()
	return d.finishFamily(l)
}

// finishFamily checks what one family alone knows.
func (d *routeDraft) finishFamily(l *line) error {
	l.at = d.dstAt
	switch six := d.Is6(); {
	case six && d.Realms != 0:
		return l.fail("", "%s: only IPv4 routes have realms", d.dst)
	case !six && d.Expires != 0:
		return l.fail("", "%s: only IPv6 routes expire", d.dst)
	case !six && d.Pref != 0:
		return l.fail("", "%s: only IPv6 routes have a router preference", d.dst)
	}
	return nil
}

// isIPv6 is the family of a destination that does not show it.
func (d *routeDraft) isIPv6() bool {
	if d.family != 0 {
		return d.family == 6
	}
	for _, h := range append([]Nexthop{d.hop}, d.Hops...) {
		if h.Via.Is6() {
			return true
		}
	}
	return d.Src.Is6() || d.From.IsValid()
}
