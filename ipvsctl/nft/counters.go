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

// tally counts how many services share a thing, and notes what was touched since
// it was last asked.
type tally[K comparable] struct {
	uses   map[K]int
	before map[K]int
}

func newTally[K comparable]() tally[K] { return tally[K]{map[K]int{}, map[K]int{}} }

// add adds n uses of k.
func (t *tally[K]) add(k K, n int) {
	if _, touched := t.before[k]; !touched {
		t.before[k] = t.uses[k]
	}
	if t.uses[k] += n; t.uses[k] == 0 {
		delete(t.uses, k)
	}
}

// turned are the things that came into use since it was last called, and those
// that nobody uses any more.
func (t *tally[K]) turned() (came, went []K) {
	for k, before := range t.before {
		switch now := t.uses[k]; {
		case before == 0 && now > 0:
			came = append(came, k)
		case before > 0 && now == 0:
			went = append(went, k)
		}
	}
	clear(t.before)
	return came, went
}

// count adds n uses of the counters of a service's servers.
func (t *table) count(k ipvsctl.ServiceKey, e ipvsctl.Entry, n int) {
	for dk := range e.Destinations {
		if k.FWMark == 0 && dk.Port != 0 {
			t.kept.counted.add(counted{dk.Addr, k.Protocol, dk.Port}, n)
		}
	}
}

// turnCounters asks for counters of servers that came, and the end of those of
// servers that no service has any more.
func (t *table) turnCounters(c *nftables.Conn) error {
	came, went := t.kept.counted.turned()
	if err := t.counters(went, c.SetDeleteElements); err != nil {
		return err
	}
	return t.counters(came, c.SetAddElements)
}

// counters has servers put into, or taken out of, both sets that count them.
func (t *table) counters(list []counted, do func(*nftables.Set, []nftables.SetElement) error) error {
	elements := make([]nftables.SetElement, len(list))
	for i, s := range list {
		elements[i].Key = trioKey(s.addr, s.protocol, s.port)
	}
	for _, set := range []*nftables.Set{t.in, t.out} {
		if err := inParts(elements, func(e []nftables.SetElement) error { return do(set, e) }); err != nil {
			return err
		}
	}
	return nil
}
