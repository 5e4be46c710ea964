package vip

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
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
	b := make([]byte, 0, 64)
	if r.Type != rtnUnicast {
		b = append(b, nameOf(routeTypes, uint32(r.Type))+" "...)
	}
	b = appendPrefix(b, r.Dst)
	if r.From.IsValid() {
		b = appendPrefix(append(b, " from "...), r.From)
	}
	b = appendNumber(b, " tos ", uint32(r.TOS), 0)
	if r.VRF == "" {
		b = appendNumber(b, " table ", r.Table, tableMain)
	}
	b = appendText(b, " vrf ", r.VRF)
	b = appendNumber(b, " metric ", r.Metric, 0)
	b = appendNumber(b, " scope ", uint32(r.Scope), uint32(defaultScope(r.Type)))
	b = appendNumber(b, " protocol ", uint32(r.Protocol), protoKeepalived)
	b = appendAddr(b, " src ", r.Src)
	b = appendRealms(b, r.Realms)
	b = appendNumber(b, " expires ", r.Expires, 0)
	if r.Pref != 0 {
		b = appendText(b, " pref ", nameOf(routerPrefs, uint32(r.Pref)))
	}
	if r.TTLPropagate != 0 {
		b = appendText(b, " ttl-propagate ", nameOf(onOff, uint32(r.TTLPropagate)))
	}
	if r.Metrics != (Metrics{}) || r.Congestion != "" {
		b = r.appendMetrics(b)
	}
	return string(r.appendRest(b))
}

// appendNumber appends word and v unless v is its default; appendText,
// appendAddr and appendRealms leave out what is not there.
func appendNumber(b []byte, word string, v, preset uint32) []byte {
	if v == preset {
		return b
	}
	return strconv.AppendUint(append(b, word...), uint64(v), 10)
}

func appendText(b []byte, word, text string) []byte {
	if text == "" {
		return b
	}
	return append(append(b, word...), text...)
}

func appendAddr(b []byte, word string, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	return a.AppendTo(append(b, word...))
}

func appendRealms(b []byte, realms uint32) []byte {
	if realms == 0 {
		return b
	}
	return append(append(b, " realms "...), realmsText(realms)...)
}

// appendPrefix writes the whole of a family as default, as routes are written.
func appendPrefix(b []byte, p netip.Prefix) []byte {
	switch {
	case p.Bits() != 0 || !p.Addr().IsUnspecified():
		return p.AppendTo(b)
	case p.Addr().Is6():
		b = append(b, "inet6 "...)
	}
	return append(b, "default"...)
}

func (r Route) appendMetrics(b []byte) []byte {
	lock := func(index uint8) string {
		if r.Metrics[rtaxLock]&(1<<index) != 0 {
			return " lock "
		}
		return " "
	}
	for _, m := range metricWords {
		v := r.Metrics[m.index]
		switch {
		case v == 0 && lock(m.index) == " ":
		case m.index == rtaxFeatures:
			b = append(b, " features"+lock(m.index)+"ecn"...)
		default:
			b = strconv.AppendUint(append(b, " "+m.name+lock(m.index)...), uint64(v), 10)
		}
	}
	return appendText(b, " congctl"+lock(rtaxCongctl), r.Congestion)
}

func (r Route) appendRest(b []byte) []byte {
	b = append(b, [...]string{Prepend: "", AddUnique: " add", Append: " append"}[r.Placing]...)
	if r.NoTrack {
		b = append(b, " no_track"...)
	}
	b = appendText(b, " track_group ", r.TrackGroup)
	for i := range r.Hops {
		if len(r.Hops) > 1 {
			b = append(b, " nexthop"...)
		}
		b = r.Hops[i].append(b, len(r.Hops) > 1)
	}
	return b
}

func (h *Nexthop) append(b []byte, weight bool) []byte {
	b = h.Encap.append(b)
	b = appendAddr(b, " via ", h.Via)
	b = appendText(b, " dev ", h.Link)
	if weight {
		b = strconv.AppendUint(append(b, " weight "...), uint64(h.Weight), 10)
	}
	if h.Onlink {
		b = append(b, " onlink"...)
	}
	return appendRealms(b, h.Realms)
}

func (e *Encap) append(b []byte) []byte {
	words := [...]string{" encap ip id ", " tos ", " ttl "}
	switch e.Kind {
	case NoEncap:
		return b
	case EncapMPLS:
		return appendText(b, " encap mpls ", e.Labels)
	case EncapILA:
		return appendText(b, " encap ila ", locatorText(e.ID))
	case EncapIP6:
		words = [...]string{" encap ip6 id ", " tc ", " hoplimit "}
	}
	b = strconv.AppendUint(append(b, words[0]...), e.ID, 10)
	b = appendAddr(b, " dst ", e.Dst)
	b = appendAddr(b, " src ", e.Src)
	b = appendNumber(b, words[1], uint32(e.TOS), 0)
	b = appendNumber(b, words[2], uint32(e.TTL), 0)
	return appendNumber(b, " flags ", uint32(e.Flags), 0)
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
