package nft

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// translated is a connection of a FULLNAT service as it can be told when its
// source is chosen: by the server it goes to, and the port it was begun to. (It
// would be more exact by the address it was begun to, but the rule could not be
// listed by nft(8).) Services on the same port of different addresses that share
// a server share its source. Ports are 0 for services on any port.
type translated struct {
	server      netip.Addr
	protocol    uint8
	port, asked uint16
}

// translations are the connections of a service that get another source.
func translations(k ipvsctl.ServiceKey, e ipvsctl.Entry) (list []translated) {
	for dk := range e.Destinations {
		c := translated{dk.Addr, k.Protocol, dk.Port, k.Port}
		if c.asked != 0 && c.port == 0 {
			c.port = c.asked
		}
		list = append(list, c)
	}
	return list
}

// lead adds n uses of the source of a service, and of each way to it.
func (t *table) lead(k ipvsctl.ServiceKey, e ipvsctl.Entry, n int) {
	source := e.Service.Source
	if source == "" {
		return
	}
	t.kept.sources.add(source, n)
	for _, conn := range translations(k, e) {
		list := t.kept.leads[conn]
		if list == nil {
			list = map[string]int{}
			t.kept.leads[conn] = list
		}
		if list[source] += n; list[source] == 0 {
			delete(list, source)
		}
		t.kept.touched[conn] = struct{}{}
	}
}

// turnSources asks for what turns the choice of sources from what it is to what
// it shall be.
func (t *table) turnSources(c *nftables.Conn) error {
	came, went := t.kept.sources.turned()
	for _, source := range came {
		if err := t.addSource(c, source); err != nil {
			return err
		}
	}
	for conn := range t.kept.touched {
		if err := t.turnLead(c, conn); err != nil {
			return err
		}
	}
	clear(t.kept.touched)
	for _, source := range went {
		t.removeSource(c, source)
	}
	return nil
}

// last is the last of names, "" if there is none.
func last(names map[string]int) (name string) {
	for s := range names {
		name = max(name, s)
	}
	return name
}

// turnLead has a connection led to the last of the sources that are asked for,
// by name.
func (t *table) turnLead(c *nftables.Conn, conn translated) error {
	old, source := t.kept.led[conn], last(t.kept.leads[conn])
	if source == old {
		return nil
	}
	if old != "" {
		if err := c.SetDeleteElements(t.leads(conn, old)); err != nil {
			return err
		}
	}
	if source == "" {
		delete(t.kept.led, conn)
		delete(t.kept.leads, conn)
		return nil
	}
	t.kept.led[conn] = source
	set, e := t.leads(conn, source)
	t.addLater(set, e[0])
	return nil
}

// leads is the element that leads a connection to its source.
func (t *table) leads(conn translated, source string) (*nftables.Set, []nftables.SetElement) {
	e := nftables.SetElement{VerdictData: to(expr.VerdictJump, t.sourceChain(source))}
	if conn.asked == 0 {
		e.Key = pairKey(conn.server, conn.protocol)
		return t.fullAny, []nftables.SetElement{e}
	}
	e.Key = append(trioKey(conn.server, conn.protocol, conn.port), portKey(conn.asked)...)
	return t.fullNAT, []nftables.SetElement{e}
}

// sourceName names a source, for nft(8) to read: source_10.1.0.7.
func sourceName(source string) string {
	const readable = 60
	switch {
	case source == "":
		return "source"
	case len(source) <= readable:
		return "source_" + strings.NewReplacer(" ", "_", ":", ".").Replace(source)
	}
	h := fnv.New64a()
	h.Write([]byte(source))
	return fmt.Sprintf("source_%x", h.Sum64())
}

func (t *table) sourceChain(source string) *nftables.Chain {
	return &nftables.Chain{Table: t.Table, Name: sourceName(source)}
}

// sourceSet has the addresses of a source, by slot.
func (t *table) sourceSet(name string) *nftables.Set {
	s := t.set(name+"_list", nftables.TypeMark)
	s.IsMap, s.DataType = true, t.addr
	return s
}

func (t *table) addSource(c *nftables.Conn, source string) error {
	chain := c.AddChain(t.sourceChain(source))
	locals := ipvsctl.Sources(source)
	if len(locals) == 0 {
		t.rule(c, chain, []expr.Any{&expr.Masq{}})
		return nil
	}
	set, elements := t.sourceSet(chain.Name), []nftables.SetElement(nil)
	for i, a := range locals {
		elements = append(elements, nftables.SetElement{Key: binary.NativeEndian.AppendUint32(nil, uint32(i)), Val: a.AsSlice()})
	}
	if err := c.AddSet(set, elements); err != nil {
		return err
	}
	t.rule(c, chain, []expr.Any{
		&expr.Numgen{Register: r0, Modulus: uint32(len(locals)), Type: unix.NFT_NG_INCREMENTAL},
		found(set, r0, r4),
		&expr.NAT{Type: expr.NATTypeSourceNAT, Family: uint32(t.Family), RegAddrMin: r4},
	})
	return nil
}

func (t *table) removeSource(c *nftables.Conn, source string) {
	chain := t.sourceChain(source)
	c.FlushChain(chain)
	c.DelChain(chain)
	if len(ipvsctl.Sources(source)) > 0 {
		c.DelSet(t.sourceSet(chain.Name))
	}
}

// readSource is the source of a name: its addresses in order.
func (t *table) readSource(c *nftables.Conn, name string) (string, error) {
	switch name {
	case sourceName(""):
		return "", nil
	case sourceName(ipvsctl.AutoSource):
		return ipvsctl.AutoSource, nil
	}
	elements, err := c.GetSetElements(t.sourceSet(name))
	slices.SortFunc(elements, func(a, b nftables.SetElement) int {
		return int(binary.NativeEndian.Uint32(a.Key)) - int(binary.NativeEndian.Uint32(b.Key))
	})
	var words []string
	for _, e := range elements {
		if a, ok := netip.AddrFromSlice(e.Val); ok {
			words = append(words, a.String())
		}
	}
	return strings.Join(words, " "), err
}
