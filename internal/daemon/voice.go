package daemon

import (
	"time"

	"keepgo/internal/ha"
	"keepgo/vip"
	"keepgo/vip/garp"
	"keepgo/vip/rtnl"
)

// due is what is to be said when addresses are told to stand.
type due uint8

const (
	nothing due = iota
	refresh     // a burst, if bursts are repeated at all: after a reload that added nothing
	round       // the whole round of a new master
)

// voice is how an instance announces its addresses.
type voice struct {
	*ha.Announce     // the plan's
	link         int // the index of the interface that its adverts leave through
}

// speaker is an instance that announces its addresses.
type speaker struct {
	voice
	due     due
	set     vip.Set
	targets []garp.Target // as last handed to the pacer
}

// links are the interfaces on which its addresses stand; some may come twice.
func (s *speaker) links(yield func(string) bool) {
	last := ""
	for i := range s.set {
		if name := s.set[i].Link; name != last {
			if !yield(name) {
				return
			}
			last = name
		}
	}
}

// schedule is the voice's rhythm.
func (v *voice) schedule() garp.Schedule {
	return garp.Schedule{
		Repeat: v.Repeat, Delay: v.Delay, Refresh: v.Refresh, RefreshRepeat: v.RefreshRepeat, Extra: v.Extra,
	}
}

// extra tells whether a link is one that garp_extra_if is for: no advert keeps
// the switches' memory of it fresh.
func (v *voice) extra(k *rtnl.Link) bool {
	return v.Extra > 0 && k.Index != v.link && (v.ExtraAll || k.Below != 0)
}

// news tells whether an address is among the targets that was not announced
// before, or not from that station.
func (s *speaker) news(targets []garp.Target) bool {
	known := make(map[garp.Target]bool, len(s.targets))
	station := func(t garp.Target) garp.Target {
		return garp.Target{IfIndex: t.IfIndex, HardwareAddr: t.HardwareAddr, IPoIB: t.IPoIB, Addr: t.Addr}
	}
	for _, t := range s.targets {
		known[station(t)] = true
	}
	for _, t := range targets {
		if !known[station(t)] {
			return true
		}
	}
	return false
}

// spacing is a lane that interfaces share, with the least time between two
// announcements there.
type spacing struct {
	lane    int
	arp, na time.Duration
}

// spacings finds the lane of each interface of a garp_group; those of groups
// lie below zero, where no interface's index is. The first group counts.
func spacings(groups []ha.Spacing) map[string]spacing {
	all := map[string]spacing{}
	for i, g := range groups {
		for _, link := range g.Links {
			if _, taken := all[link]; !taken {
				all[link] = spacing{-1 - i, g.Interval, g.GNAInterval}
			}
		}
	}
	return all
}
