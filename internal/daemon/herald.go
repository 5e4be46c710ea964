package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"sync"

	"keepgo/internal/ha"
	"keepgo/vip"
	"keepgo/vip/garp"
	"keepgo/vip/rtnl"
	"keepgo/vip/witness"
)

// herald starts announcing an instance's addresses the moment they stand: the
// address door calls it directly, without a turn through the loop.
type herald struct {
	arp   *garp.Pacer
	links *rtnl.Door

	witness *witness.Door
	claims  chan claim  // what other stations claim
	frames  chan string // links on which the first frame came in
	log     func(format string, args ...any)

	mu        sync.Mutex
	schedules map[int]garp.Schedule // instances that are MASTER
	held      map[netip.Addr]int    // whose addresses stand
	mine      map[int][]netip.Addr  // the same by instance
}

// claim is that another station says it has an address of an instance.
type claim struct {
	id      int
	addr    netip.Addr
	station string
}

// newHerald makes a herald that also listens whether somebody else claims what
// it announces.
func newHerald(arp *garp.Pacer, log func(format string, args ...any)) (*herald, error) {
	h := &herald{
		arp: arp, log: log, schedules: map[int]garp.Schedule{}, held: map[netip.Addr]int{}, mine: map[int][]netip.Addr{},
		claims: make(chan claim, 64), frames: make(chan string, 64),
	}
	var err error
	h.witness, err = witness.Open(func(ev witness.Event) {
		switch ev := ev.(type) {
		case witness.Conflict:
			go h.conflict(ev) // the door's lock is not ours to wait under
		case witness.Alive:
			h.alive(ev.Name)
		}
	})
	return h, err
}

// conflict passes the claim of another station on. The witness tells of one
// every ten seconds at most; what the loop has no room for comes again.
func (h *herald) conflict(c witness.Conflict) {
	h.mu.Lock()
	id, ok := h.held[c.Addr]
	h.mu.Unlock()
	if !ok {
		return
	}
	select {
	case h.claims <- claim{id, c.Addr, fmt.Sprintf("%s on %s", net.HardwareAddr(c.MAC[:]), c.Name)}:
	default:
	}
}

// alive passes on that a link lets frames in. Where the loop has no room it is
// late, not wrong: who waits for it waits for a time only.
func (h *herald) alive(link string) {
	select {
	case h.frames <- link:
	default:
	}
}

// await listens for the first frame on links; one that came in before is told
// of at once.
func (h *herald) await(names []string) {
	for _, name := range names {
		k, ok := h.links.LinkByName(name)
		if !ok {
			continue
		}
		if err := h.witness.Watch(k.Index, k.Name, k.HardwareAddr); err != nil {
			h.log("%v", err)
		}
		if h.witness.Alive(k.Index) {
			h.alive(name)
		}
	}
}

// watch listens on links for claims of what stands there; nothing ends that.
func (h *herald) watch(id int, targets []garp.Target, links map[int]rtnl.Link) {
	for _, a := range h.mine[id] {
		delete(h.held, a)
	}
	delete(h.mine, id)
	held := make([]witness.Target, 0, len(targets))
	for _, t := range targets {
		h.held[t.Addr] = id
		h.mine[id] = append(h.mine[id], t.Addr)
		held = append(held, witness.Target{Link: t.IfIndex, Addr: t.Addr})
	}
	for index, k := range links {
		if err := h.witness.Watch(index, k.Name, k.HardwareAddr); err != nil {
			h.log("%v", err)
		}
	}
	if err := h.witness.Set(id, held); err != nil {
		h.log("%v", err)
	}
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
	h.watch(id, nil, nil)
}

// stands begins a round of announcements of what stands now.
func (h *herald) stands(id int, set vip.Set) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.schedules[id]; ok {
		targets, links := h.targets(set)
		h.arp.Start(id, targets, s)
		h.watch(id, targets, links)
	}
}

// restored announces again after an address came back.
func (h *herald) restored(id int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.schedules[id]; ok {
		h.arp.Burst(id, s.Repeat, 0)
	}
}

// targets are the announcements of a set's addresses, and the links they are
// for.
func (h *herald) targets(set vip.Set) ([]garp.Target, map[int]rtnl.Link) {
	targets, links := make([]garp.Target, 0, len(set)), map[int]rtnl.Link{}
	for _, a := range set {
		if k, ok := h.links.LinkByName(a.Link); ok && k.ARP {
			links[k.Index] = k
			targets = append(targets, garp.Target{
				IfIndex: k.Index, HardwareAddr: k.HardwareAddr, Addr: a.Prefix.Addr(), Router: k.Forwarding,
			})
		}
	}
	return targets, links
}

// schedule is an instance's rhythm of announcements.
func schedule(in *ha.Instance) garp.Schedule {
	a := in.Announce
	return garp.Schedule{
		Repeat: a.Repeat, Delay: a.Delay, Refresh: a.Refresh, RefreshRepeat: a.RefreshRepeat,
		Interval: a.Interval, GNAInterval: a.GNAInterval,
	}
}
