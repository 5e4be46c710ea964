package sim

import (
	"fmt"
	"net/netip"

	"keepgo/internal/ha"
	"keepgo/vip"
)

// Claim lets another station say that it has an address which stands here.
func (n *Node) Claim(a netip.Addr, station string) error {
	id, found := n.owner(a)
	if id == 0 {
		return fmt.Errorf("%s does not stand on %s", a, n.name)
	}
	n.react(func() {
		n.step(ha.Event{Kind: ha.EventClaim, ID: id, Lost: found.Prefix, Name: station})
	})
	return nil
}

// Remove lets another hand take an address away, which the process sees and
// puts back.
func (n *Node) Remove(a netip.Addr) error {
	id, found := n.owner(a)
	if id == 0 {
		return fmt.Errorf("%s does not stand on %s", a, n.name)
	}
	n.changed(vip.Op{Kind: vip.Remove, Address: found})
	n.changed(vip.Op{Kind: vip.Add, Address: found})
	n.react(func() { n.step(ha.Event{Kind: ha.EventLost, ID: id, Lost: found.Prefix}) })
	return nil
}

// owner is the instance that an address stands for, 0 for none.
func (n *Node) owner(a netip.Addr) (id int, found vip.Address) {
	for _, owner := range sortedKeys(n.kernel.claims) {
		for _, have := range n.kernel.claims[owner] {
			if have.Prefix.Addr() == a {
				return owner, have
			}
		}
	}
	return 0, vip.Address{}
}

// SetSilent decides whether others talk on a wire, beside the adverts.
func (w *World) SetSilent(link string, silent bool) {
	w.Wire(link).Silent = silent
	for _, n := range w.nodes {
		n.react(n.hearFrames)
	}
}
