package rtnl

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// Attributes of linux/lwtunnel.h: LWTUNNEL_IP_* and, of the same numbers,
// LWTUNNEL_IP6_* where TOS is the traffic class and TTL the hop limit.
const (
	tunnelID = iota + 1
	tunnelDst
	tunnelSrc
	tunnel4TTL
	tunnel4TOS
	tunnelFlags
	tunnel6HopLimit = tunnel4TTL
	tunnel6TC       = tunnel4TOS

	ilaLocator   = 1      // ILA_ATTR_LOCATOR of linux/ila.h
	tunnelKey    = 0x0004 // TUNNEL_KEY of linux/if_tunnel.h: set by the kernel itself
	rtaxLock     = 1      // RTAX_LOCK of linux/rtnetlink.h
	rtaxCongctl  = 16     // RTAX_CC_ALGO
	userHZ       = 100    // ticks a second of what the kernel tells
	rtmsgLen     = unix.SizeofRtMsg
	rejectsFirst = unix.RTN_BLACKHOLE
	rejectsLast  = unix.RTN_THROW
)

// routeFlags are the flags of RTM_NEWROUTE for each place.
var routeFlags = [...]uint16{
	vip.Prepend:   unix.NLM_F_CREATE,
	vip.AddUnique: unix.NLM_F_CREATE | unix.NLM_F_EXCL,
	vip.Append:    unix.NLM_F_CREATE | unix.NLM_F_APPEND,
}

// nested encloses what fill appends in one attribute.
func nested(b []byte, kind uint16, fill func([]byte) []byte) []byte {
	start := len(b)
	b = fill(appendAttribute(b, kind, nil))
	host.PutUint16(b[start:], uint16(len(b)-start))
	return b
}

func appendByteAttribute(b []byte, kind uint16, v byte) []byte {
	return appendAttribute(b, kind, []byte{v})
}

func appendBig64Attribute(b []byte, kind uint16, v uint64) []byte {
	return appendAttribute(b, kind, binary.BigEndian.AppendUint64(nil, v))
}

func familyOf(six bool) byte {
	if six {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// appendRoute encodes a route as RTM_NEWROUTE or RTM_DELROUTE (rtnetlink(7));
// index says which link bears a name.
func appendRoute(b []byte, kind vip.OpKind, r *vip.Route, index func(string) int, flags uint16, seq uint32) []byte {
	start := len(b)
	if kind == vip.Add {
		b = appendHeader(b, unix.RTM_NEWROUTE, flags|routeFlags[r.Placing], seq)
	} else {
		b = appendHeader(b, unix.RTM_DELROUTE, flags, seq)
	}
	var hopFlags uint32
	if len(r.Hops) == 1 && r.Hops[0].Onlink {
		hopFlags = unix.RTNH_F_ONLINK
	}
	b = append(b, familyOf(r.Is6()), byte(r.Dst.Bits()), byte(max(r.From.Bits(), 0)), r.TOS,
		shortTable(r.Table), r.Protocol, r.Scope, r.Type)
	b = host.AppendUint32(b, hopFlags)
	b = appendAddrAttribute(b, unix.RTA_DST, r.Dst.Addr())
	if r.From.IsValid() {
		b = appendAddrAttribute(b, unix.RTA_SRC, r.From.Addr())
	}
	b = appendUint32Attribute(b, unix.RTA_TABLE, r.Table)
	if r.Metric != 0 {
		b = appendUint32Attribute(b, unix.RTA_PRIORITY, r.Metric)
	}
	if r.Src.IsValid() {
		b = appendAddrAttribute(b, unix.RTA_PREFSRC, r.Src)
	}
	b = appendRouteProperties(b, r)
	return finish(appendHops(b, r, index), start)
}

// shortTable is rtm_table: larger numbers stand in RTA_TABLE alone.
func shortTable(table uint32) byte {
	if table > 255 {
		return unix.RT_TABLE_COMPAT
	}
	return byte(table)
}

func appendRouteProperties(b []byte, r *vip.Route) []byte {
	if r.Realms != 0 {
		b = appendUint32Attribute(b, unix.RTA_FLOW, r.Realms)
	}
	if r.Metrics != (vip.Metrics{}) || r.Congestion != "" {
		b = nested(b, unix.RTA_METRICS, func(b []byte) []byte { return appendMetrics(b, r) })
	}
	if r.Expires != 0 {
		b = appendUint32Attribute(b, unix.RTA_EXPIRES, r.Expires)
	}
	if r.Pref != 0 {
		b = appendByteAttribute(b, unix.RTA_PREF, r.Pref)
	}
	if r.TTLPropagate != 0 {
		b = appendByteAttribute(b, unix.RTA_TTL_PROPAGATE, r.TTLPropagate-1)
	}
	return b
}

func appendMetrics(b []byte, r *vip.Route) []byte {
	for i, v := range r.Metrics {
		if v != 0 {
			b = appendUint32Attribute(b, uint16(i), v)
		}
	}
	if r.Congestion != "" {
		b = appendAttribute(b, rtaxCongctl, append([]byte(r.Congestion), 0))
	}
	return b
}

func appendHops(b []byte, r *vip.Route, index func(string) int) []byte {
	if len(r.Hops) == 0 {
		return b
	}
	if len(r.Hops) == 1 {
		if h := &r.Hops[0]; h.Link != "" {
			b = appendUint32Attribute(b, unix.RTA_OIF, uint32(index(h.Link)))
		}
		return appendHop(b, &r.Hops[0], r.Is6())
	}
	return nested(b, unix.RTA_MULTIPATH, func(b []byte) []byte {
		for i := range r.Hops {
			b = appendLeg(b, &r.Hops[i], r.Is6(), index)
		}
		return b
	})
}

// appendLeg encodes struct rtnexthop of linux/rtnetlink.h and what follows it.
func appendLeg(b []byte, h *vip.Nexthop, six bool, index func(string) int) []byte {
	start := len(b)
	var flags byte
	if h.Onlink {
		flags = unix.RTNH_F_ONLINK
	}
	b = append(b, 0, 0, flags, byte(max(h.Weight, 1)-1))
	if h.Link != "" {
		b = host.AppendUint32(b, uint32(index(h.Link)))
	} else {
		b = host.AppendUint32(b, 0)
	}
	b = appendHop(b, h, six)
	if h.Realms != 0 {
		b = appendUint32Attribute(b, unix.RTA_FLOW, h.Realms)
	}
	host.PutUint16(b[start:], uint16(len(b)-start))
	return b
}

func appendHop(b []byte, h *vip.Nexthop, six bool) []byte {
	switch {
	case !h.Via.IsValid():
	case h.Via.Is6() == six:
		b = appendAddrAttribute(b, unix.RTA_GATEWAY, h.Via)
	default: // struct rtvia of linux/rtnetlink.h
		via := host.AppendUint16(nil, uint16(familyOf(h.Via.Is6())))
		b = appendAttribute(b, unix.RTA_VIA, append(via, h.Via.AsSlice()...))
	}
	if h.Encap.Kind == vip.NoEncap {
		return b
	}
	b = nested(b, unix.RTA_ENCAP|unix.NLA_F_NESTED, func(b []byte) []byte { return appendEncap(b, &h.Encap) })
	return appendAttribute(b, unix.RTA_ENCAP_TYPE, host.AppendUint16(nil, uint16(h.Encap.Kind)))
}

func appendEncap(b []byte, e *vip.Encap) []byte {
	switch e.Kind {
	case vip.EncapMPLS:
		return appendAttribute(b, unix.MPLS_IPTUNNEL_DST, labelStack(e.Labels))
	case vip.EncapILA:
		return appendBig64Attribute(b, ilaLocator, e.ID)
	}
	if e.ID != 0 {
		b = appendBig64Attribute(b, tunnelID, e.ID)
	}
	if e.Dst.IsValid() {
		b = appendAddrAttribute(b, tunnelDst, e.Dst)
	}
	if e.Src.IsValid() {
		b = appendAddrAttribute(b, tunnelSrc, e.Src)
	}
	if e.TTL != 0 {
		b = appendByteAttribute(b, tunnel4TTL, e.TTL)
	}
	if e.TOS != 0 {
		b = appendByteAttribute(b, tunnel4TOS, e.TOS)
	}
	if e.Flags != 0 {
		b = appendAttribute(b, tunnelFlags, binary.BigEndian.AppendUint16(nil, e.Flags))
	}
	return b
}

// labelStack encodes labels as of RFC 3032 section 2.1; the last is marked.
func labelStack(labels string) []byte {
	var out []byte
	for label := range strings.SplitSeq(labels, "/") {
		v, err := strconv.ParseUint(label, 10, 20)
		if err != nil {
			return nil // the kernel refuses an empty stack
		}
		out = binary.BigEndian.AppendUint32(out, uint32(v)<<12)
	}
	out[len(out)-2] |= 1
	return out
}

// decodeRoute reads the body of RTM_NEWROUTE and RTM_DELROUTE; name says what
// a link is called. ok is false for what is no entry of a table.
func decodeRoute(body []byte, name func(int) string) (r vip.Route, ok bool) {
	if len(body) < rtmsgLen || body[0] != unix.AF_INET && body[0] != unix.AF_INET6 || host.Uint32(body[8:])&unix.RTM_F_CLONED != 0 {
		return r, false
	}
	d := routeReader{six: body[0] == unix.AF_INET6, name: name}
	unspecified := netip.IPv4Unspecified()
	if d.six {
		unspecified = netip.IPv6Unspecified()
	}
	d.dst, d.src = unspecified, unspecified
	d.route = vip.Route{TOS: body[3], Table: uint32(body[4]), Protocol: body[5], Scope: body[6], Type: body[7]}
	d.hop = vip.Nexthop{Weight: 1, Onlink: host.Uint32(body[8:])&unix.RTNH_F_ONLINK != 0}
	for a, rest, ok := nextAttribute(body[rtmsgLen:]); ok; a, rest, ok = nextAttribute(rest) {
		d.read(a)
	}
	return d.finish(int(body[1]), int(body[2]))
}

// routeReader collects the attributes of a route.
type routeReader struct {
	six      bool
	name     func(int) string
	route    vip.Route
	dst, src netip.Addr
	hop      vip.Nexthop // of a route with only one
}

func (d *routeReader) read(a attribute) {
	r := &d.route
	switch a.kind {
	case unix.RTA_DST:
		d.dst, _ = netip.AddrFromSlice(a.value)
	case unix.RTA_SRC:
		d.src, _ = netip.AddrFromSlice(a.value)
	case unix.RTA_PREFSRC:
		r.Src, _ = netip.AddrFromSlice(a.value)
	case unix.RTA_TABLE:
		r.Table = number32(a.value)
	case unix.RTA_PRIORITY:
		r.Metric = number32(a.value)
	case unix.RTA_FLOW:
		r.Realms = number32(a.value)
	case unix.RTA_METRICS:
		decodeMetrics(a.value, r)
	case unix.RTA_CACHEINFO: // struct rta_cacheinfo: the third number is when it expires
		if len(a.value) >= 12 {
			r.Expires = uint32((max(int32(host.Uint32(a.value[8:])), 0) + userHZ - 1) / userHZ)
		}
	case unix.RTA_PREF:
		if len(a.value) > 0 {
			r.Pref = a.value[0]
		}
	case unix.RTA_MULTIPATH:
		d.legs(a.value)
	default:
		decodeHop(a, &d.hop, d.name)
	}
}

// legs reads the list of struct rtnexthop in RTA_MULTIPATH.
func (d *routeReader) legs(b []byte) {
	for len(b) >= unix.SizeofRtNexthop {
		n := int(host.Uint16(b))
		if n < unix.SizeofRtNexthop || n > len(b) {
			return
		}
		h := vip.Nexthop{Onlink: b[2]&unix.RTNH_F_ONLINK != 0, Weight: uint16(b[3]) + 1, Link: d.name(int(host.Uint32(b[4:])))}
		for a, rest, ok := nextAttribute(b[unix.SizeofRtNexthop:n]); ok; a, rest, ok = nextAttribute(rest) {
			if a.kind == unix.RTA_FLOW {
				h.Realms = number32(a.value)
				continue
			}
			decodeHop(a, &h, d.name)
		}
		d.route.Hops = append(d.route.Hops, h)
		b = b[min(align(n), len(b)):]
	}
}

// finish puts the route together.
func (d *routeReader) finish(dstBits, srcBits int) (vip.Route, bool) {
	r := d.route
	r.Dst = netip.PrefixFrom(d.dst, dstBits)
	if srcBits > 0 {
		r.From = netip.PrefixFrom(d.src, srcBits)
	}
	rejects := r.Type >= rejectsFirst && r.Type <= rejectsLast // IPv6 sends them through lo
	if !rejects && len(r.Hops) == 0 && (d.hop.Link != "" || d.hop.Via.IsValid()) {
		r.Hops = []vip.Nexthop{d.hop}
	}
	return r, r.Dst.IsValid() && d.dst.Is6() == d.six && (srcBits == 0 || r.From.IsValid())
}

func number32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return host.Uint32(b)
}

func decodeMetrics(b []byte, r *vip.Route) {
	for a, rest, ok := nextAttribute(b); ok; a, rest, ok = nextAttribute(rest) {
		switch {
		case a.kind == rtaxCongctl:
			r.Congestion = cString(a.value)
		case int(a.kind) < len(r.Metrics):
			r.Metrics[a.kind] = number32(a.value)
		}
	}
}

// decodeHop reads one attribute of a hop; RTA_ENCAP_TYPE may come after
// RTA_ENCAP, whose numbers mean the same for both kinds of tunnel.
func decodeHop(a attribute, h *vip.Nexthop, name func(int) string) {
	switch a.kind {
	case unix.RTA_OIF:
		h.Link = name(int(number32(a.value)))
	case unix.RTA_GATEWAY:
		h.Via, _ = netip.AddrFromSlice(a.value)
	case unix.RTA_VIA:
		if len(a.value) > 2 {
			h.Via, _ = netip.AddrFromSlice(a.value[2:])
		}
	case unix.RTA_ENCAP_TYPE:
		if len(a.value) >= 2 {
			h.Encap.Kind = vip.EncapKind(host.Uint16(a.value))
			settleEncap(&h.Encap)
		}
	case unix.RTA_ENCAP:
		decodeEncap(a.value, &h.Encap)
		settleEncap(&h.Encap)
	}
}

// decodeEncap reads the attributes of whatever kind: each knows the shape of
// its own.
func decodeEncap(b []byte, e *vip.Encap) {
	for a, rest, ok := nextAttribute(b); ok; a, rest, ok = nextAttribute(rest) {
		switch {
		case a.kind == tunnelID: // which is ilaLocator and MPLS_IPTUNNEL_DST too
			e.Labels = labelText(a.value)
			if len(a.value) == 8 {
				e.ID = binary.BigEndian.Uint64(a.value)
			}
		case a.kind == tunnelDst:
			e.Dst = addressOf(a.value)
		case a.kind == tunnelSrc:
			e.Src = addressOf(a.value)
		case a.kind == tunnel4TTL && len(a.value) == 1:
			e.TTL = a.value[0]
		case a.kind == tunnel4TOS && len(a.value) == 1:
			e.TOS = a.value[0]
		case a.kind == tunnelFlags && len(a.value) == 2:
			e.Flags = binary.BigEndian.Uint16(a.value) &^ tunnelKey
		}
	}
}

// settleEncap drops what the kind does not have.
func settleEncap(e *vip.Encap) {
	switch e.Kind {
	case vip.EncapMPLS:
		*e = vip.Encap{Kind: e.Kind, Labels: e.Labels}
	case vip.EncapIP, vip.EncapIP6:
		e.Labels = ""
	case vip.EncapILA:
		*e = vip.Encap{Kind: e.Kind, ID: e.ID}
	}
}

// addressOf is an address, or none if it is unspecified.
func addressOf(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

func labelText(b []byte) string {
	var labels []string
	for ; len(b) >= 4; b = b[4:] {
		labels = append(labels, strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)>>12), 10))
	}
	return strings.Join(labels, "/")
}
