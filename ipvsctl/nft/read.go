package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"keepgo/ipvsctl"
)

// read is what stands in the kernel. Chains and anonymous maps follow from it,
// so they are not looked at.
func (d *Door) read() (ipvsctl.Table, error) {
	all := ipvsctl.Table{}
	for f := range families {
		t := d.table(f)
		if there, err := t.stands(d.wire.Read); err != nil {
			return nil, err
		} else if !there {
			continue
		}
		if err := t.read(d.wire.Read, all); err != nil {
			return nil, fmt.Errorf("reading nftables: %w", err)
		}
	}
	return all, nil
}

func (t *table) read(c *nftables.Conn, all ipvsctl.Table) error {
	sets, servers := []*nftables.Set{t.services, t.anyPort, t.marks}, []*nftables.Set{t.servers, t.marked}
	if t.direct() {
		sets, servers = sets[:2], servers[:1]
	}
	for _, set := range sets {
		elements, err := c.GetSetElements(set)
		if err != nil {
			return err
		}
		for _, e := range elements {
			if err := t.readService(c, set, e, all); err != nil {
				return err
			}
		}
	}
	for _, set := range servers {
		elements, err := c.GetSetElements(set)
		if err != nil {
			return err
		}
		for _, e := range elements {
			if err := t.readServer(set, e, all); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *table) readService(c *nftables.Conn, set *nftables.Set, el nftables.SetElement, all ipvsctl.Table) error {
	k, rest, err := t.serviceKey(set, el.Key)
	if err != nil || len(rest) > 0 {
		return errors.Join(err, foreign(set))
	}
	service, source, err := described(el.Comment)
	if err == nil {
		service.Source, err = t.readSource(c, source)
	}
	all[k] = ipvsctl.Entry{Service: service, Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
	return err
}

// foreign says that a set has something else in it than what we put there.
func foreign(set *nftables.Set) error {
	return fmt.Errorf("set %s has an element that is not ours", set.Name)
}

// serviceKey is the service that a key begins with, and the rest of the key.
func (t *table) serviceKey(set *nftables.Set, key []byte) (k ipvsctl.ServiceKey, rest []byte, err error) {
	k.IPv6 = t.family.six()
	n := int(t.words) * 4
	switch {
	case (set == t.marks || set == t.marked) && len(key) >= 4:
		k.FWMark = binary.NativeEndian.Uint32(key)
		return k, key[4:], nil
	case set == t.anyPort && len(key) == n+4:
	case (set == t.services || set == t.servers) && len(key) >= n+8:
		k.Port = binary.BigEndian.Uint16(key[n+4:])
		rest = key[n+8:]
	default:
		return k, nil, foreign(set)
	}
	k.Addr, _ = netip.AddrFromSlice(key[:n])
	k.Protocol = key[n]
	return k, rest, nil
}

func (t *table) readServer(set *nftables.Set, el nftables.SetElement, all ipvsctl.Table) error {
	k, rest, err := t.serviceKey(set, el.Key)
	n := int(t.words) * 4
	if err != nil || len(rest) != n+4 {
		return errors.Join(err, foreign(set))
	}
	e, stands := all[k]
	if !stands {
		return nil // another hand took the service out
	}
	d := ipvsctl.Destination{Forward: ipvsctl.ForwardNAT}
	if t.direct() {
		d.Forward = ipvsctl.ForwardDirect
	}
	if _, err := fmt.Sscanf(el.Comment, "weight %d", &d.Weight); err != nil {
		return foreign(set)
	}
	a, _ := netip.AddrFromSlice(rest[:n])
	e.Destinations[ipvsctl.DestKey{Addr: a, Port: binary.BigEndian.Uint16(rest[n:])}] = d
	return nil
}

// usage reads all counters.
func (d *Door) usage() (map[ipvsctl.ServiceKey]ipvsctl.Usage, error) {
	all := map[ipvsctl.ServiceKey]ipvsctl.Usage{}
	for f := range families {
		if !d.built[f] {
			continue
		}
		if err := d.familyUsage(d.table(f), all); err != nil {
			return nil, fmt.Errorf("reading the counters of nftables: %w", err)
		}
	}
	return all, nil
}

func (d *Door) familyUsage(t *table, all map[ipvsctl.ServiceKey]ipvsctl.Usage) error {
	counters, err := t.named(d.wire.Read)
	if err != nil {
		return err
	}
	traffic := map[string]ipvsctl.Counters{}
	if !t.direct() {
		if traffic, err = t.traffic(d.wire.Read); err != nil {
			return err
		}
	}
	for k, e := range d.have {
		if home(k, e) != t.family {
			continue
		}
		s, sum := t.service(k, e), ipvsctl.Usage{Servers: map[ipvsctl.DestKey]ipvsctl.Load{}}
		for dk, dest := range e.Destinations {
			n, m := traffic[string(trioKey(dk.Addr, k.Protocol, dk.Port))], s.server(dk, dest)
			if t.direct() {
				to := counters[m.packetsChain().Name]
				n = ipvsctl.Counters{PacketsIn: to.Packets, BytesIn: to.Bytes}
			}
			n.Connections = counters[m.counter.Name].Packets
			sum.Servers[dk] = ipvsctl.Load{Counters: n}
			sum.Connections += n.Connections
			sum.PacketsIn, sum.BytesIn = sum.PacketsIn+n.PacketsIn, sum.BytesIn+n.BytesIn
			sum.PacketsOut, sum.BytesOut = sum.PacketsOut+n.PacketsOut, sum.BytesOut+n.BytesOut
		}
		all[k] = sum
	}
	return nil
}

// named are the named counters, which count connections, and with direct routing
// packets too.
func (t *table) named(c *nftables.Conn) (map[string]expr.Counter, error) {
	objects, err := c.GetNamedObjects(t.Table)
	list := map[string]expr.Counter{}
	for _, o := range objects {
		if o, ok := o.(*nftables.NamedObj); ok && o.Type == nftables.ObjTypeCounter {
			list[o.Name] = *o.Obj.(*expr.Counter)
		}
	}
	return list, err
}

// traffic is what went to and from servers, by the key of their elements.
func (t *table) traffic(c *nftables.Conn) (map[string]ipvsctl.Counters, error) {
	list := map[string]ipvsctl.Counters{}
	in, err := c.GetSetElements(t.in)
	if err != nil {
		return nil, err
	}
	for _, e := range in {
		if e.Counter != nil {
			list[string(e.Key)] = ipvsctl.Counters{PacketsIn: e.Counter.Packets, BytesIn: e.Counter.Bytes}
		}
	}
	out, err := c.GetSetElements(t.out)
	for _, e := range out {
		if e.Counter != nil {
			n := list[string(e.Key)]
			n.PacketsOut, n.BytesOut = e.Counter.Packets, e.Counter.Bytes
			list[string(e.Key)] = n
		}
	}
	return list, err
}
