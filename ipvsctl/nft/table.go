package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// family is one of the four tables.
type family uint8

const (
	four family = iota
	six
	directFour // services of direct routing
	directSix
	families
)

func (f family) six() bool { return f == six || f == directSix }

func (f family) direct() bool { return f == directFour || f == directSix }

// home is the table that a service stands in.
func home(k ipvsctl.ServiceKey, e ipvsctl.Entry) family {
	f := four
	if k.IPv6 {
		f = six
	}
	if e.Direct() {
		f += directFour
	}
	return f
}

// Registers of linux/netfilter/nf_tables.h, four bytes each: a concatenation
// lies in those that follow each other.
const (
	r0 = unix.NFT_REG32_00
	r4 = unix.NFT_REG32_04
	r8 = unix.NFT_REG32_08
)

// Where addresses lie in the network header, in bytes.
const (
	source4      = 12 // RFC 791 section 3.1
	destination4 = 16
	source6      = 8 // RFC 8200 section 3
	destination6 = 24
)

// table is one family's table with the sets that all services share.
type table struct {
	*nftables.Table
	family   family
	sources  bool                 // only the sources of FULLNAT are chosen
	addr     nftables.SetDatatype // of an address
	words    uint32               // registers an address takes
	services *nftables.Set        // address, protocol and port to chain
	anyPort  *nftables.Set        // address and protocol to chain
	marks    *nftables.Set        // firewall mark to chain
	empty    *nftables.Set        // address, protocol and port of services without a server
	fullNAT  *nftables.Set        // server's address, protocol and port, and the port asked for, to the chain that chooses a source
	fullAny  *nftables.Set        // server's address and protocol to the same
	in, out  *nftables.Set        // server's address, protocol and port, with counters
	servers  *nftables.Set        // service's address, protocol and port, server's address and port, to its chain, with its weight as a comment: for reading back
	marked   *nftables.Set        // firewall mark, server's address and port, to the same
	numbers  *nftables.Set        // of direct routing: a server's number to its chain
	late     []late               // elements to add when everything they lead to stands
	kept     *kept
	ways     *ipvsctl.Ways // of direct routing
}

// kept is what is known about a table between changes.
type kept struct {
	counted tally[counted]
	sources tally[string]
	leads   map[translated]map[string]int // sources that are asked for, with the number of services
	led     map[translated]string         // the one it has
	touched map[translated]struct{}
	slotted map[string]bool // services that have slots

	// Of direct routing.
	standing map[string]map[string]*standing // by service and chain
	next     uint32                          // the last number given
	recalled uint32                          // those up to here are of an earlier life
	links    []ipvsctl.Link                  // that have a chain
	rewire   bool                            // ways may have changed
}

func newKept() *kept {
	return &kept{
		counted: newTally[counted](), sources: newTally[string](), leads: map[translated]map[string]int{},
		slotted: map[string]bool{}, led: map[translated]string{}, touched: map[translated]struct{}{}, standing: map[string]map[string]*standing{},
	}
}

// settled says that what is in use stands already.
func (k *kept) settled() {
	k.counted.turned()
	k.sources.turned()
	for conn := range k.touched {
		k.led[conn] = last(k.leads[conn])
	}
	clear(k.touched)
}

type late struct {
	set     *nftables.Set
	element nftables.SetElement
}

// table is one of the door's tables, with what is known about it.
func (d *Door) table(f family) *table {
	t := &table{
		Table:  &nftables.Table{Name: TableName, Family: nftables.TableFamilyIPv4},
		family: f, addr: nftables.TypeIPAddr, words: 1, sources: d.opt.SourcesOnly,
		kept: d.kept[f], ways: &d.ways,
	}
	if f.six() {
		t.Family, t.addr, t.words = nftables.TableFamilyIPv6, nftables.TypeIP6Addr, 4
	}
	if f.direct() {
		t.Name, t.Family = directNames[f-directFour], nftables.TableFamilyNetdev
	}
	trio := concat(t.addr, nftables.TypeInetProto, nftables.TypeInetService)
	t.services = t.verdicts("services", trio)
	t.anyPort = t.verdicts("services_any_port", concat(t.addr, nftables.TypeInetProto))
	t.marks = t.verdicts("services_mark", nftables.TypeMark)
	t.empty = t.set("without_server", trio)
	t.fullNAT = t.verdicts("full_nat", concat(t.addr, nftables.TypeInetProto, nftables.TypeInetService, nftables.TypeInetService))
	t.fullAny = t.verdicts("full_nat_any_port", concat(t.addr, nftables.TypeInetProto))
	t.in, t.out = t.set("to_server", trio), t.set("from_server", trio)
	t.in.Counter, t.out.Counter = true, true
	t.servers = t.verdicts("servers", concat(t.addr, nftables.TypeInetProto, nftables.TypeInetService, t.addr, nftables.TypeInetService))
	t.marked = t.verdicts("servers_mark", concat(nftables.TypeMark, t.addr, nftables.TypeInetService))
	t.numbers = t.verdicts("server_numbers", nftables.TypeMark)
	return t
}

// directNames are the tables of direct routing: a netdev table has no address
// family.
var directNames = [2]string{TableName + "_direct4", TableName + "_direct6"}

func (t *table) direct() bool { return t.family.direct() }

// stands reports whether the table is there.
func (t *table) stands(c *nftables.Conn) (bool, error) {
	switch _, err := c.ListTableOfFamily(t.Name, t.Family); {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading nftables: %w", err)
	}
	return true, nil
}

func concat(types ...nftables.SetDatatype) nftables.SetDatatype {
	t, err := nftables.ConcatSetType(types...)
	if err != nil {
		panic(err) // three types always fit
	}
	return t
}

func (t *table) set(name string, key nftables.SetDatatype) *nftables.Set {
	return &nftables.Set{Table: t.Table, Name: name, KeyType: key, Concatenation: len(nftables.ConcatSetTypeElements(key)) > 1}
}

// verdicts is a map to chains.
func (t *table) verdicts(name string, key nftables.SetDatatype) *nftables.Set {
	s := t.set(name, key)
	s.IsMap, s.DataType = true, nftables.TypeVerdict
	return s
}

// build asks for a new table without services, in the place of one that may be
// there.
func (t *table) build(c *nftables.Conn) error {
	t.remove(c)
	c.AddTable(t.Table)
	sets := []*nftables.Set{t.services, t.anyPort, t.servers, t.marks, t.marked, t.empty, t.fullNAT, t.fullAny, t.in, t.out}
	if t.direct() {
		sets = []*nftables.Set{t.services, t.anyPort, t.servers, t.numbers}
	}
	for _, s := range sets {
		if err := c.AddSet(s, nil); err != nil {
			return err
		}
	}
	if t.direct() {
		t.entering(c)
		return nil
	}
	t.leaving(c)
	if t.sources {
		return nil
	}
	t.refusing(c)
	t.choosing(c, "prerouting", nftables.ChainHookPrerouting)
	t.choosing(c, "output", nftables.ChainHookOutput)
	t.counting(c)
	return nil
}

// remove asks for the table's deletion, whether it is there or not.
func (t *table) remove(c *nftables.Conn) {
	c.AddTable(t.Table)
	c.DelTable(t.Table)
}

// addLater notes an element of a shared set: thousands go in few messages.
func (t *table) addLater(set *nftables.Set, e nftables.SetElement) {
	t.late = append(t.late, late{set, e})
}

// addLate asks for what addLater noted.
func (t *table) addLate(c *nftables.Conn) error {
	parts := map[*nftables.Set][]nftables.SetElement{}
	for _, l := range t.late {
		parts[l.set] = append(parts[l.set], l.element)
	}
	t.late = nil
	for set, part := range parts {
		if err := inParts(part, func(e []nftables.SetElement) error { return c.SetAddElements(set, e) }); err != nil {
			return err
		}
	}
	return nil
}

// inParts hands on elements in messages of bounded size.
func inParts(list []nftables.SetElement, do func([]nftables.SetElement) error) error {
	const most = 300 // a message's attributes hold 64 KiB, and comments are long
	for len(list) > 0 {
		n := min(len(list), most)
		if err := do(list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// refusing answers connections to services that have no server, as IPVS does.
func (t *table) refusing(c *nftables.Conn) {
	const before = -101 // just before the destination is chosen, NF_IP_PRI_NAT_DST - 1
	chain := t.base(c, "refuse", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, before)
	t.rule(c, chain, t.trioOf(t.destination(), destinationPort), []expr.Any{among(t.empty, r0), t.reject()})
}

// choosing sends the first packet of a connection to the chain of its service.
func (t *table) choosing(c *nftables.Conn, name string, hook *nftables.ChainHook) {
	const destinationNAT = -100 // NF_IP_PRI_NAT_DST of linux/netfilter_ipv4.h
	chain := t.base(c, name, nftables.ChainTypeNAT, hook, destinationNAT)
	t.rule(c, chain, []expr.Any{&expr.Meta{Key: expr.MetaKeyMARK, Register: r0}, jump(t.marks, r0)})
	t.rule(c, chain, t.trioOf(t.destination(), destinationPort), []expr.Any{jump(t.services, r0)})
	t.rule(c, chain, []expr.Any{t.destination(), &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: r0 + t.words}, jump(t.anyPort, r0)})
}

// leaving gives connections of FULLNAT services another source address.
func (t *table) leaving(c *nftables.Conn) {
	const sourceNAT = 100 // NF_IP_PRI_NAT_SRC
	chain := t.base(c, "postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, sourceNAT)
	asked := &expr.Ct{Key: expr.CtKeyPROTODST, Register: r0 + t.words + 2}
	only := translatedOnes()
	if t.sources {
		only = nil // IPVS does not mark them
	}
	t.rule(c, chain, only, t.trioOf(t.destination(), destinationPort), []expr.Any{asked, jump(t.fullNAT, r0)})
	t.rule(c, chain, only, []expr.Any{t.destination(), &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: r0 + t.words}, jump(t.fullAny, r0)})
}

// counting counts what servers get and send.
func (t *table) counting(c *nftables.Conn) {
	const filter = 0 // NF_IP_PRI_FILTER
	chain := t.base(c, "count", nftables.ChainTypeFilter, nftables.ChainHookForward, filter)
	t.rule(c, chain, translatedOnes(), t.trioOf(t.destination(), destinationPort), []expr.Any{among(t.in, r0)})
	t.rule(c, chain, translatedOnes(), t.trioOf(t.source(), sourcePort), []expr.Any{among(t.out, r0)})
}

// translatedOnes goes on with connections that have another destination than
// they were begun to.
func translatedOnes() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: r0},
		&expr.Bitwise{SourceRegister: r0, DestRegister: r0, Len: 4, Mask: markKey(statusDNAT), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: r0, Data: make([]byte, 4)},
	}
}

const (
	// statusDNAT is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h.
	statusDNAT = 1 << 5
	// Where ports lie in TCP, UDP and SCTP headers, in bytes.
	sourcePort, destinationPort = 0, 2
)

func (t *table) base(c *nftables.Conn, name string, kind nftables.ChainType, hook *nftables.ChainHook, priority nftables.ChainPriority) *nftables.Chain {
	accept := nftables.ChainPolicyAccept
	return c.AddChain(&nftables.Chain{
		Name: name, Table: t.Table, Type: kind, Hooknum: hook,
		Priority: nftables.ChainPriorityRef(priority), Policy: &accept,
	})
}

func (t *table) rule(c *nftables.Conn, chain *nftables.Chain, parts ...[]expr.Any) {
	var all []expr.Any
	for _, part := range parts {
		all = append(all, part...)
	}
	c.AddRule(&nftables.Rule{Table: t.Table, Chain: chain, Exprs: all})
}

func (t *table) destination() expr.Any { return t.network(destination4, destination6, r0) }

func (t *table) source() expr.Any { return t.network(source4, source6, r0) }

func (t *table) network(offset4, offset6, reg uint32) expr.Any {
	p := &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset4, Len: 4}
	if t.family.six() {
		p.Offset, p.Len = offset6, 16
	}
	return p
}

// trioOf is an address read into r0, with the protocol and a port behind it.
func (t *table) trioOf(address expr.Any, port uint32) []expr.Any {
	return []expr.Any{
		address,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: r0 + t.words},
		&expr.Payload{DestRegister: r0 + t.words + 1, Base: expr.PayloadBaseTransportHeader, Offset: port, Len: 2},
	}
}

// among goes on where what was read is in a set.
func among(s *nftables.Set, reg uint32) expr.Any {
	return &expr.Lookup{SourceRegister: reg, SetName: s.Name, SetID: s.ID}
}

// found reads what a map has for a key.
func found(s *nftables.Set, key, value uint32) expr.Any {
	return &expr.Lookup{SourceRegister: key, DestRegister: value, IsDestRegSet: true, SetName: s.Name, SetID: s.ID}
}

// jump goes to the chain that a map has for a key.
func jump(s *nftables.Set, key uint32) expr.Any { return found(s, key, unix.NFT_REG_VERDICT) }

// Keys of sets: each part fills whole registers.

func trioKey(a netip.Addr, protocol uint8, port uint16) []byte {
	return append(pairKey(a, protocol), portKey(port)...)
}

func pairKey(a netip.Addr, protocol uint8) []byte { return append(a.AsSlice(), protocol, 0, 0, 0) }

func portKey(port uint16) []byte { return append(binary.BigEndian.AppendUint16(nil, port), 0, 0) }

func markKey(mark uint32) []byte { return binary.NativeEndian.AppendUint32(nil, mark) }
