package sim

import (
	"net/netip"
	"slices"
	"strings"

	"keepgo/vip"
)

// kernel is the addresses that stand on a node's interfaces, whatever became
// of the process that asked for them.
type kernel struct {
	stands vip.Set
	claims map[int]vip.Set // what the running process wants, by owner
	left   vip.Set         // what an earlier process left
}

// claim replaces what an owner wants; what it takes over is no leftover any
// more.
func (n *Node) claim(owner int, set vip.Set) {
	n.kernel.claims[owner] = set
	n.forget(set)
	n.settle()
}

// orphan makes everything that stands a leftover: its process is gone.
func (n *Node) orphan() {
	n.kernel.left = slices.Clone(n.kernel.stands)
	n.kernel.claims = map[int]vip.Set{}
}

// clean removes leftovers.
func (n *Node) clean(set vip.Set) {
	n.forget(set)
	n.settle()
}

func (n *Node) forget(set vip.Set) {
	n.kernel.left = slices.DeleteFunc(n.kernel.left, func(a vip.Address) bool {
		return slices.ContainsFunc(set, func(b vip.Address) bool { return a.Key() == b.Key() })
	})
}

// settle makes what stands agree with claims and leftovers, on the interfaces
// there are.
func (n *Node) settle() {
	var want vip.Set
	add := func(set vip.Set) {
		for _, a := range set {
			known := slices.ContainsFunc(want, func(b vip.Address) bool { return a.Key() == b.Key() })
			if !known && n.links[a.Link].Exists {
				want = append(want, a)
			}
		}
	}
	add(n.kernel.left)
	for _, owner := range sortedKeys(n.kernel.claims) {
		add(n.kernel.claims[owner])
	}
	have := n.kernel.stands
	n.kernel.stands = want
	for _, op := range vip.Diff(have, want) {
		n.changed(op)
	}
}

func (n *Node) changed(op vip.Op) {
	kind := Gone
	if op.Kind == vip.Add {
		kind = Stands
	}
	n.tell(Event{Kind: kind, Address: op.Address.Prefix, Link: op.Address.Link})
	elsewhere := slices.ContainsFunc(n.kernel.stands, func(a vip.Address) bool {
		return a.Prefix.Addr() == op.Address.Prefix.Addr() && a.Link != op.Address.Link
	})
	n.world.hosts.changed(n, op.Address.Prefix, kind == Stands || elsewhere)
}

// Standing are the addresses on the node's interfaces, its own aside.
func (n *Node) Standing() vip.Set { return n.kernel.stands }

// neighbours is what the network sees of the addresses: on which nodes they
// stand, and who announced them last.
type neighbours struct {
	holders map[netip.Addr][]string
	last    map[netip.Addr]string
}

func newNeighbours() neighbours {
	return neighbours{holders: map[netip.Addr][]string{}, last: map[netip.Addr]string{}}
}

// changed notes that an address came or went, and tells of a second holder.
func (h *neighbours) changed(n *Node, p netip.Prefix, stands bool) {
	was := h.holders[p.Addr()]
	is := slices.DeleteFunc(slices.Clone(was), func(name string) bool { return name == n.name })
	if stands {
		is = append(is, n.name)
	}
	h.holders[p.Addr()] = is
	ev := Event{Address: p, Text: strings.Join(is, " and ")}
	switch {
	case len(is) > 1 && len(is) > len(was):
		ev.Kind = Shared
		n.tell(ev)
	case len(was) > 1 && len(is) == 1:
		ev.Kind = Alone
		n.tell(ev)
	}
}

// Holders are the nodes on which an address stands.
func (w *World) Holders(a netip.Addr) []string { return w.hosts.holders[a] }

// LastAnnounced is the node that announced an address last: where hosts and
// switches send what is for it. "" while nobody has.
func (w *World) LastAnnounced(a netip.Addr) string { return w.hosts.last[a] }

// announced notes that a node announced addresses that stand on it.
func (h *neighbours) announced(n *Node, set vip.Set) {
	for _, a := range set {
		if slices.Contains(h.holders[a.Prefix.Addr()], n.name) && n.links[a.Link].Up {
			h.last[a.Prefix.Addr()] = n.name
		}
	}
}
