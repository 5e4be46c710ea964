package ha

import (
	"net/netip"
	"time"

	"keepgo/internal/status"
	"keepgo/vrrp"
)

// maxPeers is how many other routers an instance remembers: more of one virtual
// router are a mistake or a flood.
const maxPeers = 4

// peer is another router that spoke.
type peer struct {
	addr     netip.Addr
	at       vrrp.Time
	priority uint8
	fault    vrrp.PacketError // of its last advert; 0 for none
}

// peers are those heard, in no order. It is written with every advert, and grows
// with the first of another router alone.
type peers []peer

// meet notes an advert, in place of the one whose sender was heard longest ago
// if there is no room.
func (p *peers) meet(now vrrp.Time, from netip.Addr, priority uint8, err error) {
	fault, _ := err.(vrrp.PacketError)
	it, oldest := peer{from, now, priority, fault}, 0
	for i, o := range *p {
		if o.addr == from {
			(*p)[i] = it
			return
		}
		if o.at < (*p)[oldest].at {
			oldest = i
		}
	}
	if len(*p) < maxPeers {
		*p = append(*p, it)
		return
	}
	(*p)[oldest] = it
}

// tellPeers tells who was heard, then the unicast peers that never were. wall is the
// time of day at now.
func (m *member) tellPeers(now vrrp.Time, wall time.Time) (list []status.Peer) {
	met := map[netip.Addr]bool{}
	for _, p := range m.peers {
		at := wall.Add(p.at - now)
		s := status.Peer{Address: p.addr.String(), Priority: p.priority, Heard: &at}
		if p.fault != 0 {
			s.Fault = p.fault.Error()
		}
		met[p.addr], list = true, append(list, s)
	}
	for i := range m.plan.Expect.Peers {
		if addr := m.plan.Expect.Peers[i].Addr; !met[addr] {
			list = append(list, status.Peer{Address: addr.String()})
		}
	}
	return list
}

// parts are what the effective priority of a member is made of, and what keeps
// it in FAULT.
func (n *Node) parts(m *member) []status.Part {
	parts := []status.Part{{What: "priority", Value: int(m.plan.Router.Priority)}}
	part := func(what string, weigh func(*verdict)) {
		var v verdict
		if weigh(&v); v.sum != 0 || v.cause != "" {
			parts = append(parts, status.Part{What: what, Value: v.sum, Fault: v.cause})
		}
	}
	if m.held {
		part("holds back by order", func(v *verdict) {
			v.sum = heldPriority - int(vrrp.EffectivePriority(m.plan.Router.Priority, n.judge(m).sum))
		})
	}
	for _, t := range m.plan.Links {
		part("track_interface "+t.Link, func(v *verdict) { n.judgeLink(t, v) })
	}
	for _, t := range m.plan.Scripts {
		part("track_script "+n.plan.Scripts[t.Index].Name, func(v *verdict) { n.judgeScript(t, v) })
	}
	for _, t := range m.plan.Files {
		part("track_file "+n.plan.Files[t.Index], func(v *verdict) { n.judgeFile(t, v) })
	}
	for _, t := range m.plan.Processes {
		part("track_process "+n.plan.Processes[t.Index], func(v *verdict) { n.judgeProcess(t, v) })
	}
	for _, t := range m.plan.BFDs {
		part("track_bfd "+n.plan.BFDs[t.Index], func(v *verdict) { n.judgeBFD(t, v) })
	}
	return parts
}
