package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

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

	mu       sync.Mutex
	spacings map[string]spacing      // by interface
	speakers map[int]*speaker        // instances that are MASTER
	onLink   map[string]map[int]bool // whose addresses stand on an interface
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
		arp: arp, log: log, speakers: map[int]*speaker{}, onLink: map[string]map[int]bool{},
		claims: make(chan claim, 64), frames: make(chan string, 64),
	}
	var err error
	h.witness, err = witness.Open(func(ev witness.Event) {
		switch ev := ev.(type) {
		case witness.Conflict:
			h.conflict(ev)
		case witness.Alive:
			h.alive(ev.Name)
		}
	})
	return h, err
}

// conflict passes the claim of another station on. The witness tells of one
// again after a second, and then every ten at most; what the loop has no room
// for comes again.
func (h *herald) conflict(c witness.Conflict) {
	select {
	case h.claims <- claim{c.Owner, c.Addr, fmt.Sprintf("%s on %s", net.HardwareAddr(c.MAC[:]), c.Name)}:
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
		if err := errors.Join(h.witness.Watch(k.Index, k.Name, k.HardwareAddr), h.witness.Await(k.Index)); err != nil {
			h.log("%v", err)
		}
		if h.witness.Alive(k.Index) {
			h.alive(name)
		}
	}
}

// watch listens on links for claims of what stands there; nothing ends that. The
// witness reads Ethernet.
func (h *herald) watch(id int, was, targets []garp.Target, links map[int]*rtnl.Link) {
	for index, k := range links {
		if k.HardwareAddr == [6]byte{} {
			continue
		}
		if err := h.witness.Watch(index, k.Name, k.HardwareAddr); err != nil {
			h.log("%v", err)
		}
	}
	if err := h.witness.Set(id, held(was), held(targets)); err != nil {
		h.log("%v", err)
	}
}

// held is what of targets the witness can hear claims of.
func held(targets []garp.Target) []witness.Target {
	list := make([]witness.Target, 0, len(targets))
	for i := range targets {
		if t := &targets[i]; t.HardwareAddr != [6]byte{} {
			list = append(list, witness.Target{Link: t.IfIndex, Addr: t.Addr})
		}
	}
	return list
}

// learn notes which interfaces share a spacing. It comes before what follows
// from the plan.
func (h *herald) learn(plan *ha.Plan) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spacings = spacings(plan.Spacings)
}

// announce says how an instance's addresses are to be announced whenever they
// stand, and what is due when that is told next.
func (h *herald) announce(id int, v voice, d due) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.speakers[id]
	if s == nil {
		s = &speaker{}
		h.speakers[id] = s
	}
	s.voice, s.due = v, max(s.due, d)
}

// silence stops announcing.
func (h *herald) silence(id int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.arp.Stop(id)
	if s := h.speakers[id]; s != nil {
		h.leave(id, s)
		delete(h.speakers, id)
		h.watch(id, s.targets, nil, nil)
	}
}

// stands hears what of an instance's addresses stands now.
func (h *herald) stands(id int, set vip.Set) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.speakers[id]; s != nil {
		h.leave(id, s)
		s.set = set
		h.enter(id, s)
		h.speak(id, s)
	}
}

// stand hears that some of an instance's addresses stand while others are still
// on their way: a new master announces them meanwhile.
func (h *herald) stand(id int, set vip.Set) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.speakers[id]; s != nil && s.due == round && s.Repeat > 0 {
		targets, _ := h.targets(s, set)
		h.arp.Ahead(id, targets)
	}
}

// linkChanged hears that an interface is not as it was: neighbours must learn a
// new MAC address at once, and whether the host is a router with the next round.
func (h *herald) linkChanged(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(h.onLink[name])) {
		h.speak(id, h.speakers[id])
	}
}

// speak begins a round where one is due, or where something new stands, and
// brings the announcements that go on in line elsewhere.
func (h *herald) speak(id int, s *speaker) {
	targets, links := h.targets(s, s.set)
	switch {
	case s.due == round || s.news(targets):
		h.arp.Start(id, targets, s.schedule())
	case s.due == nothing && slices.Equal(s.targets, targets):
		return
	default:
		h.arp.Replace(id, targets, s.schedule())
		if s.due == refresh && s.Refresh > 0 {
			h.arp.Burst(id, s.Repeat, 0)
		}
	}
	h.watch(id, s.targets, targets, links)
	s.due, s.targets = nothing, targets
}

// enter notes which interfaces an instance's addresses stand on.
func (h *herald) enter(id int, s *speaker) {
	for name := range s.links {
		if h.onLink[name] == nil {
			h.onLink[name] = map[int]bool{}
		}
		h.onLink[name][id] = true
	}
}

// leave forgets that.
func (h *herald) leave(id int, s *speaker) {
	for name := range s.links {
		delete(h.onLink[name], id)
		if len(h.onLink[name]) == 0 {
			delete(h.onLink, name)
		}
	}
}

// restored announces again after an address came back.
func (h *herald) restored(id int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.speakers[id]; s != nil {
		h.arp.Burst(id, s.Repeat, 0)
	}
}

// targets are the announcements of addresses of an instance, and the links they
// are for. A group has no station to announce.
func (h *herald) targets(s *speaker, set vip.Set) ([]garp.Target, map[int]*rtnl.Link) {
	targets, links := make([]garp.Target, 0, len(set)), map[int]*rtnl.Link{}
	for _, a := range set {
		k, ok := h.links.LinkByName(a.Link)
		if !ok || !k.ARP || a.Prefix.Addr().IsMulticast() {
			continue
		}
		seen := links[k.Index] != nil
		if !seen {
			links[k.Index] = new(k)
		}
		t := garp.Target{IfIndex: k.Index, HardwareAddr: k.HardwareAddr, Addr: a.Prefix.Addr(), Router: k.Forwarding}
		t.IPoIB = garp.IPoIB{Addr: k.InfiniBand, Broadcast: k.InfiniBandAll}
		t.Extra = !seen && s.extra(&k)
		t.Lane, t.Spacing = h.lane(s, &k, t.Addr.Is6())
		targets = append(targets, t)
	}
	return targets, links
}

// lane is where the announcements on a link queue, and their distance: with
// those of its garp_group, or with all that leave through the same wire.
func (h *herald) lane(s *speaker, k *rtnl.Link, ipv6 bool) (int, time.Duration) {
	base := cmp.Or(k.Below, k.Index)
	shared, ok := h.spacings[k.Name]
	if !ok && k.Below != 0 {
		shared, ok = h.spacings[h.links.Name(k.Below)]
	}
	if !ok {
		shared = spacing{lane: base, arp: s.Interval, na: s.GNAInterval}
	}
	if ipv6 {
		return shared.lane, shared.na
	}
	return shared.lane, shared.arp
}

// greet announces the address that an instance speaks from, once, to peers that
// may remember another station for it.
func (h *herald) greet(id int, link string, source netip.Addr) {
	k, ok := h.links.LinkByName(link)
	if !ok || !k.ARP {
		return
	}
	t := garp.Target{IfIndex: k.Index, HardwareAddr: k.HardwareAddr, Addr: source, Router: k.Forwarding, Lane: k.Index}
	h.arp.Start(-id, []garp.Target{t}, garp.Schedule{Repeat: 1}) // no instance has that number
}
