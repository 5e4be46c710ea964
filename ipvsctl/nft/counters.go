package nft

import (
	"net/netip"

	"github.com/google/nftables"

	"keepgo/ipvsctl"
)

// counted is a server whose packets are counted, whatever service they are of.
type counted struct {
	addr     netip.Addr
	protocol uint8
	port     uint16
}

// countServers counts the services of a family that have a server, for each.
func (t *table) countServers(services ipvsctl.Table) map[counted]int {
	list := map[counted]int{}
	for k, e := range services {
		for dk := range e.Destinations {
			if familyOf(k) == t.family && k.FWMark == 0 && dk.Port != 0 {
				list[counted{dk.Addr, k.Protocol, dk.Port}]++
			}
		}
	}
	return list
}

// turnCounters asks for counters of servers that came, and the end of those of
// servers that no service has any more.
func (t *table) turnCounters(c *nftables.Conn, have, want ipvsctl.Table) error {
	had, has := t.countServers(have), t.countServers(want)
	if err := t.counters(had, has, c.SetDeleteElements); err != nil {
		return err
	}
	return t.counters(has, had, c.SetAddElements)
}

// counters has servers of list that are not in other put into, or taken out of,
// both sets that count them, in messages of bounded size.
func (t *table) counters(list, other map[counted]int, do func(*nftables.Set, []nftables.SetElement) error) error {
	var elements []nftables.SetElement
	for s := range list {
		if other[s] == 0 {
			elements = append(elements, nftables.SetElement{Key: trioKey(s.addr, s.protocol, s.port)})
		}
	}
	for _, set := range []*nftables.Set{t.in, t.out} {
		if err := inParts(elements, func(e []nftables.SetElement) error { return do(set, e) }); err != nil {
			return err
		}
	}
	return nil
}
