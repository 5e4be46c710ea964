package rtnl

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// rulemsgLen is the length of struct fib_rule_hdr of linux/fib_rules.h.
const rulemsgLen = 12

// appendRule encodes a rule as RTM_NEWRULE or RTM_DELRULE. Without NLM_F_EXCL
// the kernel would take the same rule any number of times.
func appendRule(b []byte, kind vip.OpKind, r *vip.Rule, flags uint16, seq uint32) []byte {
	start := len(b)
	if kind == vip.Add {
		b = appendHeader(b, unix.RTM_NEWRULE, flags|unix.NLM_F_CREATE|unix.NLM_F_EXCL, seq)
	} else {
		b = appendHeader(b, unix.RTM_DELRULE, flags, seq)
	}
	var invert uint32
	if r.Not {
		invert = unix.FIB_RULE_INVERT
	}
	b = append(b, familyOf(r.IPv6), byte(max(r.To.Bits(), 0)), byte(max(r.From.Bits(), 0)), r.TOS,
		shortTable(r.Table), 0, 0, r.Action)
	b = host.AppendUint32(b, invert)
	b = appendUint32Attribute(b, unix.FRA_PRIORITY, uint32(r.Preference))
	b = appendSelectors(b, r)
	b = appendAction(b, r)
	return finish(appendByteAttribute(b, unix.FRA_PROTOCOL, r.Protocol), start)
}

func appendSelectors(b []byte, r *vip.Rule) []byte {
	if r.From.IsValid() {
		b = appendAddrAttribute(b, unix.FRA_SRC, r.From.Addr())
	}
	if r.To.IsValid() {
		b = appendAddrAttribute(b, unix.FRA_DST, r.To.Addr())
	}
	if r.Mask != 0 {
		b = appendUint32Attribute(b, unix.FRA_FWMARK, r.Mark)
		b = appendUint32Attribute(b, unix.FRA_FWMASK, r.Mask)
	}
	if r.IIF != "" {
		b = appendAttribute(b, unix.FRA_IIFNAME, append([]byte(r.IIF), 0))
	}
	if r.OIF != "" {
		b = appendAttribute(b, unix.FRA_OIFNAME, append([]byte(r.OIF), 0))
	}
	if r.TunnelID != 0 {
		b = appendBig64Attribute(b, unix.FRA_TUN_ID, r.TunnelID)
	}
	if r.UIDs.Valid {
		b = appendAttribute(b, unix.FRA_UID_RANGE, host.AppendUint32(host.AppendUint32(nil, r.UIDs.First), r.UIDs.Last))
	}
	if r.IPProto != 0 {
		b = appendByteAttribute(b, unix.FRA_IP_PROTO, r.IPProto)
	}
	return appendPorts(appendPorts(b, unix.FRA_SPORT_RANGE, r.SourcePort), unix.FRA_DPORT_RANGE, r.DestPort)
}

func appendPorts(b []byte, kind uint16, p vip.Range) []byte {
	if !p.Valid {
		return b
	}
	return appendAttribute(b, kind, host.AppendUint16(host.AppendUint16(nil, uint16(p.First)), uint16(p.Last)))
}

func appendAction(b []byte, r *vip.Rule) []byte {
	switch {
	case r.L3MDev:
		b = appendByteAttribute(b, unix.FRA_L3MDEV, 1)
	case r.Action == unix.FR_ACT_TO_TBL:
		b = appendUint32Attribute(b, unix.FRA_TABLE, r.Table)
	case r.Goto != 0:
		b = appendUint32Attribute(b, unix.FRA_GOTO, r.Goto)
	}
	if r.Realms != 0 {
		b = appendUint32Attribute(b, unix.FRA_FLOW, r.Realms)
	}
	if r.SuppressLength >= 0 {
		b = appendUint32Attribute(b, unix.FRA_SUPPRESS_PREFIXLEN, uint32(r.SuppressLength))
	}
	if r.SuppressGroup >= 0 {
		b = appendUint32Attribute(b, unix.FRA_SUPPRESS_IFGROUP, uint32(r.SuppressGroup))
	}
	return b
}

// decodeRule reads the body of RTM_NEWRULE and RTM_DELRULE.
func decodeRule(body []byte) (r vip.Rule, ok bool) {
	if len(body) < rulemsgLen || body[0] != unix.AF_INET && body[0] != unix.AF_INET6 {
		return r, false
	}
	r = vip.Rule{
		IPv6: body[0] == unix.AF_INET6, TOS: body[3], Action: body[7], SuppressLength: -1, SuppressGroup: -1,
		Not: host.Uint32(body[8:])&unix.FIB_RULE_INVERT != 0,
	}
	if r.Action == unix.FR_ACT_TO_TBL {
		r.Table = uint32(body[4])
	}
	for a, rest, more := nextAttribute(body[rulemsgLen:]); more; a, rest, more = nextAttribute(rest) {
		switch a.kind {
		case unix.FRA_SRC:
			r.From = prefixOf(a.value, int(body[2]))
		case unix.FRA_DST:
			r.To = prefixOf(a.value, int(body[1]))
		default:
			decodeRuleAttribute(a, &r)
		}
	}
	if r.L3MDev {
		r.Table = 0
	}
	return r, true
}

func prefixOf(b []byte, bits int) netip.Prefix {
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, bits)
}

func decodeRuleAttribute(a attribute, r *vip.Rule) {
	switch a.kind {
	case unix.FRA_PRIORITY:
		r.Preference = int64(number32(a.value))
	case unix.FRA_FWMARK:
		r.Mark = number32(a.value)
	case unix.FRA_FWMASK:
		r.Mask = number32(a.value)
	case unix.FRA_IIFNAME:
		r.IIF = cString(a.value)
	case unix.FRA_OIFNAME:
		r.OIF = cString(a.value)
	case unix.FRA_TUN_ID:
		if len(a.value) == 8 {
			r.TunnelID = binary.BigEndian.Uint64(a.value)
		}
	case unix.FRA_UID_RANGE:
		if len(a.value) == 8 {
			r.UIDs = vip.Range{First: host.Uint32(a.value), Last: host.Uint32(a.value[4:]), Valid: true}
		}
	case unix.FRA_SPORT_RANGE:
		r.SourcePort = portsOf(a.value)
	case unix.FRA_DPORT_RANGE:
		r.DestPort = portsOf(a.value)
	case unix.FRA_TABLE:
		if r.Action == unix.FR_ACT_TO_TBL {
			r.Table = number32(a.value)
		}
	case unix.FRA_GOTO:
		r.Goto = number32(a.value)
	case unix.FRA_FLOW:
		r.Realms = number32(a.value)
	case unix.FRA_SUPPRESS_PREFIXLEN:
		r.SuppressLength = int32(number32(a.value))
	case unix.FRA_SUPPRESS_IFGROUP:
		r.SuppressGroup = int32(number32(a.value))
	default:
		decodeRuleByte(a, r)
	}
}

func decodeRuleByte(a attribute, r *vip.Rule) {
	if len(a.value) != 1 {
		return
	}
	switch v := a.value[0]; a.kind {
	case unix.FRA_IP_PROTO:
		r.IPProto = v
	case unix.FRA_L3MDEV:
		r.L3MDev = v != 0
	case unix.FRA_PROTOCOL:
		r.Protocol = v
	}
}

func portsOf(b []byte) vip.Range {
	if len(b) != 4 {
		return vip.Range{}
	}
	return vip.Range{First: uint32(host.Uint16(b)), Last: uint32(host.Uint16(b[2:])), Valid: true}
}
