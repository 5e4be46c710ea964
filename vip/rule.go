package vip

import (
	"fmt"
	"net/netip"
	"strings"
)

// Rule is one policy rule. It is a comparable value; the kernel knows a rule
// by all of it but how it is looked after, see Key.
type Rule struct {
	IPv6       bool
	Not        bool
	Preference int64        // 0..2^32-1; -1 until NumberRules
	From, To   netip.Prefix // zero for all; not masked
	TOS        uint8
	Mark, Mask uint32 // a zero Mask is no selector
	IIF, OIF   string
	TunnelID   uint64 // 0 is no selector
	UIDs       Range
	IPProto    uint8 // 0 is no selector
	SourcePort Range
	DestPort   Range

	Action         uint8  // FR_ACT_* of linux/fib_rules.h
	Table          uint32 // of FR_ACT_TO_TBL, unless L3MDev
	L3MDev         bool
	Goto           uint32 // of FR_ACT_GOTO
	Realms         uint32 // as of Route; IPv4
	SuppressLength int32  // -1 is none
	SuppressGroup  int32  // -1 is none

	Protocol   uint8  // RTPROT_*: who made it
	NoTrack    bool   // its removal by others is left alone
	TrackGroup string // whose instances depend on IIF
}

// Range is both ends of a range, if there is one.
type Range struct {
	First, Last uint32
	Valid       bool
}

// Numbers of linux/fib_rules.h.
const (
	actTable = 1 // FR_ACT_TO_TBL
	actGoto  = 2 // FR_ACT_GOTO
	actNop   = 3 // FR_ACT_NOP
)

// firstPreference is what the first rule without a preference gets; each
// further one gets one less, as keepalived numbers them.
const firstPreference = 16384

// Key is the rule without what the kernel does not tell rules apart by.
func (r Rule) Key() Rule {
	r.Protocol, r.NoTrack, r.TrackGroup = 0, false, ""
	return r
}

// NumberRules gives the rules that have no preference theirs: per family,
// downwards from 16384 in the order of the lists, leaving out what is taken.
// The outcome depends on nothing else, so every run numbers alike.
func NumberRules(lists ...[]Rule) {
	type place struct {
		ipv6       bool
		preference int64
	}
	taken := make(map[place]bool)
	for _, list := range lists {
		for _, r := range list {
			taken[place{r.IPv6, r.Preference}] = true
		}
	}
	next := map[bool]int64{false: firstPreference, true: firstPreference}
	for _, list := range lists {
		for i := range list {
			r := &list[i]
			if r.Preference >= 0 {
				continue
			}
			for taken[place{r.IPv6, next[r.IPv6]}] && next[r.IPv6] > 1 {
				next[r.IPv6]--
			}
			r.Preference = next[r.IPv6]
			next[r.IPv6] = max(next[r.IPv6]-1, 1)
		}
	}
}

// String is the rule as a line of virtual_rules.
func (r Rule) String() string {
	var words []string
	add := func(show bool, format string, args ...any) {
		if show {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(r.IPv6, "inet6")
	add(r.Not, "not")
	add(r.From.IsValid(), "from %s", r.From)
	add(!r.From.IsValid(), "from all")
	add(r.To.IsValid(), "to %s", r.To)
	add(r.TOS != 0, "tos 0x%02x", r.TOS)
	add(r.Mask != 0, "fwmark 0x%x%s", r.Mark, maskText(r.Mask))
	add(r.IIF != "", "iif %s", r.IIF)
	add(r.OIF != "", "oif %s", r.OIF)
	add(r.TunnelID != 0, "tunnel-id %d", r.TunnelID)
	add(r.UIDs.Valid, "uidrange %d-%d", r.UIDs.First, r.UIDs.Last)
	add(r.IPProto != 0, "ipproto %d", r.IPProto)
	add(r.SourcePort.Valid, "sport %d-%d", r.SourcePort.First, r.SourcePort.Last)
	add(r.DestPort.Valid, "dport %d-%d", r.DestPort.First, r.DestPort.Last)
	add(r.Preference >= 0, "preference %d", r.Preference)
	add(r.Protocol != protoKeepalived, "protocol %d", r.Protocol)
	add(true, "%s", r.action())
	add(r.Realms != 0, "realms %s", realmsText(r.Realms))
	add(r.SuppressLength >= 0, "suppress_prefixlength %d", r.SuppressLength)
	add(r.SuppressGroup >= 0, "suppress_ifgroup %d", r.SuppressGroup)
	add(r.NoTrack, "no_track")
	add(r.TrackGroup != "", "track_group %s", r.TrackGroup)
	return strings.Join(words, " ")
}

func (r Rule) action() string {
	switch {
	case r.L3MDev:
		return "l3mdev"
	case r.Action == actTable:
		return fmt.Sprint("table ", r.Table)
	case r.Action == actGoto:
		return fmt.Sprint("goto ", r.Goto)
	}
	return nameOf(ruleActions, uint32(r.Action))
}

func maskText(mask uint32) string {
	if mask == 1<<32-1 {
		return ""
	}
	return fmt.Sprintf("/0x%x", mask)
}
