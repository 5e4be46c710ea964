package daemon

import (
	"sync"

	"keepgo/internal/ha"
	"keepgo/vip"
	"keepgo/vip/garp"
	"keepgo/vip/rtnl"
)

// herald starts announcing an instance's addresses the moment they stand: the
// address door calls it directly, without a turn through the loop.
type herald struct {
	arp   *garp.Pacer
	links *rtnl.Door

	mu        sync.Mutex
	schedules map[int]garp.Schedule // instances that are MASTER
}

func newHerald(arp *garp.Pacer) *herald {
	return &herald{arp: arp, schedules: map[int]garp.Schedule{}}
}

// announce says that an instance's addresses are to be announced by s whenever
// they stand.
func (h *herald) announce(id int, s garp.Schedule) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.schedules[id] = s
}

// silence stops announcing.
func (h *herald) silence(id int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.schedules, id)
	h.arp.Stop(id)
}

// stands begins a round of announcements of what stands now.
func (h *herald) stands(id int, set vip.Set) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.schedules[id]; ok {
		h.arp.Start(id, h.targets(set), s)
	}
}

// restored announces again after an address came back.
func (h *herald) restored(id int, _ vip.Address) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.schedules[id]; ok {
		h.arp.Burst(id, s.Repeat, 0)
	}
}

// targets are the announcements of a set's addresses.
func (h *herald) targets(set vip.Set) []garp.Target {
	targets := make([]garp.Target, 0, len(set))
	for _, a := range set {
		if k, ok := h.links.LinkByName(a.Link); ok && k.ARP {
			targets = append(targets, garp.Target{
				IfIndex: k.Index, HardwareAddr: k.HardwareAddr, Addr: a.Prefix.Addr(), Router: k.Forwarding,
			})
		}
	}
	return targets
}

// schedule is an instance's rhythm of announcements.
func schedule(in *ha.Instance) garp.Schedule {
	a := in.Announce
	return garp.Schedule{
		Repeat: a.Repeat, Delay: a.Delay, Refresh: a.Refresh, RefreshRepeat: a.RefreshRepeat,
		Interval: a.Interval, GNAInterval: a.GNAInterval,
	}
}
