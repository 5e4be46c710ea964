package vip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Route is one route with everything that can be said of it. Its text is
// String; ParseRoute reads it back.
type Route struct {
	Dst    netip.Prefix // masked; its address decides the family
	From   netip.Prefix // IPv6: the source it holds for; zero for every source
	Type   uint8        // RTN_* of linux/rtnetlink.h
	TOS    uint8        // IPv4
	Table  uint32       // 0 if VRF is given, until its table is known
	VRF    string       // the VRF device whose table it is in
	Metric uint32       // 0 is the kernel's default: IPv4 0, IPv6 1024

	Scope        uint8 // RT_SCOPE_*; IPv4
	Protocol     uint8 // RTPROT_*
	Src          netip.Addr
	Realms       uint32 // source << 16 | destination; IPv4
	Expires      uint32 // seconds, 0 never; IPv6
	Pref         uint8  // RFC 4191 section 2.1 as ICMPV6_ROUTER_PREF_*: 0 medium, 1 high, 3 low; IPv6
	TTLPropagate uint8  // RTA_TTL_PROPAGATE + 1; 0 not given
	Metrics      Metrics
	Congestion   string // RTAX_CC_ALGO

	Placing    Placing
	NoTrack    bool   // its removal by others is left alone
	TrackGroup string // whose instances depend on its links
	Hops       []Nexthop
}

// Metrics are the numbers of RTA_METRICS by their RTAX_* of linux/rtnetlink.h,
// in the kernel's units; 0 is not set. RTAX_LOCK is the mask of the locked.
type Metrics [rtaxMax + 1]uint32

// Nexthop is one way a route goes: several share the traffic by their weight.
type Nexthop struct {
	Via    netip.Addr // the gateway, of any family; zero where the link is enough
	Link   string     // "" lets the kernel find it by the gateway
	Weight uint16     // 1..256
	Onlink bool       // RTNH_F_ONLINK
	Realms uint32     // as of Route, for one of several
	Encap  Encap
}

// Encap is how packets are wrapped on their way (linux/lwtunnel.h).
type Encap struct {
	Kind     EncapKind
	ID       uint64 // tunnel id; the locator of ILA
	Dst, Src netip.Addr
	TOS      uint8 // of IPv6: the traffic class
	TTL      uint8 // of IPv6: the hop limit
	Flags    uint16
	Labels   string // of MPLS: "100/200"
}

// EncapKind is LWTUNNEL_ENCAP_* of linux/lwtunnel.h.
type EncapKind uint16

// The kinds of Encap.
const (
	NoEncap   EncapKind = 0
	EncapMPLS EncapKind = 1
	EncapIP   EncapKind = 2
	EncapILA  EncapKind = 3
	EncapIP6  EncapKind = 4
)

// Placing is where a route stands among others of the same destination.
type Placing uint8

// The places of Placing, as of ip-route(8).
const (
	Prepend   Placing = iota // before them
	AddUnique                // nowhere if there is another
	Append                   // after them
)

// Numbers of linux/rtnetlink.h.
const (
	rtaxLock     = 1
	rtaxFeatures = 12
	rtaxRTOMin   = 13
	rtaxCongctl  = 16
	rtaxMax      = 17

	rtnUnicast   = 1
	rtnLocal     = 2
	rtnBroadcast = 3
	rtnNAT       = 10

	scopeUniverse = 0
	scopeLink     = 253
	scopeHost     = 254

	tableMain       = 254
	protoKeepalived = 18 // RTPROT_KEEPALIVED
	metricIPv6      = 1024
)

// RouteKey is what the kernel looks a route up by. Several routes of one key
// may stand at the same time.
type RouteKey struct {
	Dst, From netip.Prefix
	Table     uint32
	Metric    uint32
	TOS       uint8
}

// Key is the route's key.
func (r Route) Key() RouteKey {
	k := RouteKey{Dst: r.Dst, From: r.From, Table: r.Table, Metric: r.Metric, TOS: r.TOS}
	if k.Metric == 0 && r.Is6() {
		k.Metric = metricIPv6
	}
	return k
}

// Is6 says that the route is an IPv6 one.
func (r Route) Is6() bool { return r.Dst.Addr().Is6() }

// StandsAs says that a route the kernel reports is this one: what the kernel
// chose by itself (a link, a metric) may be anything, what was asked for may
// not. The kernel joins IPv6 routes of one key to one with several hops, so
// there it may have more.
func (r Route) StandsAs(k Route) bool {
	if r.Key() != k.Key() || r.Type != k.Type || r.Protocol != k.Protocol || r.Src != k.Src ||
		r.Metrics != k.Metrics || r.Congestion != k.Congestion || r.Realms != k.Realms {
		return false
	}
	if r.Is6() {
		return r.Pref == k.Pref && (r.Expires == 0) == (k.Expires == 0) && r.hopsIn(k)
	}
	return r.Scope == k.Scope && (len(r.Hops) == len(k.Hops) || len(r.Hops) == 0) && r.hopsIn(k)
}

// hopsIn says that each hop is among those the kernel reports.
func (r Route) hopsIn(k Route) bool {
	for _, h := range r.Hops {
		if !slices.ContainsFunc(k.Hops, func(o Nexthop) bool { return h.standsAs(o, len(r.Hops) == 1) }) {
			return false
		}
	}
	return true
}

func (h Nexthop) standsAs(o Nexthop, only bool) bool {
	if h.Link == "" {
		o.Link = ""
	}
	if only { // the kernel forgets the weight of a single hop
		o.Weight = h.Weight
	}
	return h == o
}

// String is the route as a line of virtual_routes with every part that differs
// from its default.
func (r Route) String() string {
	var b strings.Builder
	if t := nameOf(routeTypes, uint32(r.Type)); r.Type != rtnUnicast {
		b.WriteString(t + " ")
	}
	b.WriteString(prefixText(r.Dst))
	for _, p := range []struct {
		show bool
		text string
	}{
		{r.From.IsValid(), " from " + prefixText(r.From)},
		{r.TOS != 0, fmt.Sprintf(" tos 0x%02x", r.TOS)},
		{r.Table != tableMain && r.VRF == "", fmt.Sprint(" table ", r.Table)},
		{r.VRF != "", " vrf " + r.VRF},
		{r.Metric != 0, fmt.Sprint(" metric ", r.Metric)},
		{r.Scope != defaultScope(r.Type), fmt.Sprint(" scope ", r.Scope)},
		{r.Protocol != protoKeepalived, fmt.Sprint(" protocol ", r.Protocol)},
		{r.Src.IsValid(), " src " + r.Src.String()},
		{r.Realms != 0, " realms " + realmsText(r.Realms)},
		{r.Expires != 0, fmt.Sprint(" expires ", r.Expires)},
		{r.Pref != 0, " pref " + nameOf(routerPrefs, uint32(r.Pref))},
		{r.TTLPropagate != 0, " ttl-propagate " + nameOf(onOff, uint32(r.TTLPropagate))},
	} {
		if p.show {
			b.WriteString(p.text)
		}
	}
	r.writeMetrics(&b)
	r.writeRest(&b)
	return b.String()
}

func (r Route) writeMetrics(b *strings.Builder) {
	for _, m := range metricWords {
		v, lock := r.Metrics[m.index], ""
		if r.Metrics[rtaxLock]&(1<<m.index) != 0 {
			lock = "lock "
		}
		switch {
		case v == 0 && lock == "":
		case m.index == rtaxFeatures:
			b.WriteString(" features ecn")
		default:
			fmt.Fprintf(b, " %s %s%d", m.name, lock, v)
		}
	}
	if r.Congestion != "" {
		b.WriteString(" congctl ")
		if r.Metrics[rtaxLock]&(1<<rtaxCongctl) != 0 {
			b.WriteString("lock ")
		}
		b.WriteString(r.Congestion)
	}
}

func (r Route) writeRest(b *strings.Builder) {
	b.WriteString([...]string{Prepend: "", AddUnique: " add", Append: " append"}[r.Placing])
	if r.NoTrack {
		b.WriteString(" no_track")
	}
	if r.TrackGroup != "" {
		b.WriteString(" track_group " + r.TrackGroup)
	}
	for _, h := range r.Hops {
		if len(r.Hops) > 1 {
			b.WriteString(" nexthop")
		}
		h.write(b, len(r.Hops) > 1)
	}
}

func (h Nexthop) write(b *strings.Builder, weight bool) {
	h.Encap.write(b)
	if h.Via.IsValid() {
		b.WriteString(" via " + h.Via.String())
	}
	if h.Link != "" {
		b.WriteString(" dev " + h.Link)
	}
	if weight {
		fmt.Fprintf(b, " weight %d", h.Weight)
	}
	if h.Onlink {
		b.WriteString(" onlink")
	}
	if h.Realms != 0 {
		b.WriteString(" realms " + realmsText(h.Realms))
	}
}

func (e Encap) write(b *strings.Builder) {
	switch e.Kind {
	case EncapMPLS:
		b.WriteString(" encap mpls " + e.Labels)
	case EncapILA:
		b.WriteString(" encap ila " + locatorText(e.ID))
	case EncapIP, EncapIP6:
		words := [...]string{"ip", "tos", "ttl"}
		if e.Kind == EncapIP6 {
			words = [...]string{"ip6", "tc", "hoplimit"}
		}
		fmt.Fprintf(b, " encap %s id %d", words[0], e.ID)
		if e.Dst.IsValid() {
			b.WriteString(" dst " + e.Dst.String())
		}
		if e.Src.IsValid() {
			b.WriteString(" src " + e.Src.String())
		}
		if e.TOS != 0 {
			fmt.Fprintf(b, " %s %d", words[1], e.TOS)
		}
		if e.TTL != 0 {
			fmt.Fprintf(b, " %s %d", words[2], e.TTL)
		}
		if e.Flags != 0 {
			fmt.Fprintf(b, " flags %d", e.Flags)
		}
	}
}

// defaultScope is what a route that names none gets: keepalived's universe,
// except where the kernel takes only a narrower one.
func defaultScope(routeType uint8) uint8 {
	switch routeType {
	case rtnLocal, rtnNAT:
		return scopeHost
	case rtnBroadcast:
		return scopeLink
	}
	return scopeUniverse
}

// prefixText writes the whole of a family as default, as routes are written.
func prefixText(p netip.Prefix) string {
	if p.Bits() == 0 && p.Addr().IsUnspecified() {
		if p.Addr().Is6() {
			return "inet6 default"
		}
		return "default"
	}
	return p.String()
}

func realmsText(r uint32) string {
	if r>>16 == 0 {
		return fmt.Sprint(r)
	}
	return fmt.Sprintf("%d/%d", r>>16, r&0xffff)
}

// locatorText writes an ILA locator as four groups of 16 bits.
func locatorText(v uint64) string {
	return fmt.Sprintf("%x:%x:%x:%x", v>>48, v>>32&0xffff, v>>16&0xffff, v&0xffff)
}
