package filter

import (
	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// ICMPv6 types, as IANA's registry has them.
const (
	mldReport1     = 131 // RFC 2710 section 3
	mldDone        = 132 // RFC 2710 section 3
	routerSolicit  = 133 // RFC 4861 section 4.1
	neighbourAsk   = 135 // RFC 4861 section 4.3
	neighbourReply = 136 // RFC 4861 section 4.4
	mldReport2     = 143 // RFC 3810 section 5.2
)

// Where header fields lie, in bytes.
const (
	protocol4    = 9 // RFC 791 section 3.1
	source4      = 12
	destination4 = 16
	source6      = 8 // RFC 8200 section 3
	destination6 = 24
	ndTarget     = 8 // in the ICMPv6 message, RFC 4861 sections 4.3 and 4.4
)

// Registers of linux/netfilter/nf_tables.h, 16 bytes each: a concatenation of an
// IPv6 address and an interface lies in two that follow each other.
const (
	reg1 = unix.NFT_REG_1
	reg2 = unix.NFT_REG_2
	reg3 = unix.NFT_REG_3
)

// table is one family's table with its sets, as the kernel is asked for it. The
// names are those keepalived's users know.
type table struct {
	*nftables.Table
	options *Options
	sets    [sets]*nftables.Set
	mld, nd *nftables.Set // of constants
	noDup   bool
}

func newTable(o *Options, f family, noDup bool) *table {
	t := &table{Table: &nftables.Table{Name: o.Table, Family: nftables.TableFamilyIPv4}, options: o, noDup: noDup || o.DropReports}
	if f == four {
		t.sets[vips4] = t.set("vips", nftables.TypeIPAddr)
		t.sets[quiet4] = t.set("vmac_set", t.iface())
		t.sets[reports4] = t.reports()
		return t
	}
	t.Family = nftables.TableFamilyIPv6
	t.sets[vips6] = t.set("vips", nftables.TypeIP6Addr)
	t.sets[quiet6] = t.set("vmac_set", t.iface())
	t.sets[reports6] = t.reports()
	name := "vips_link_local_name"
	if o.ByIndex {
		name = "vips_link_local"
	}
	t.sets[linkVIPs] = t.pair(name)
	t.sets[shared] = t.pair("parent_link_local")
	t.mld = t.constants("mld-report")
	t.nd = t.constants("neighbor-discovery")
	return t
}

// iface is the type of an interface as a key.
func (t *table) iface() nftables.SetDatatype {
	if t.options.ByIndex {
		return nftables.TypeIFIndex
	}
	return nftables.TypeIFName
}

func (t *table) set(name string, key nftables.SetDatatype) *nftables.Set {
	s := &nftables.Set{Table: t.Table, Name: name, KeyType: key}
	if key == nftables.TypeIFIndex || key == nftables.TypeIFName {
		s.KeyByteOrder = binaryutil.NativeEndian
	}
	return s
}

// reports is the map of VMACs to the interfaces below. nft(8) lists their
// indexes with the bytes turned round: the library cannot note their order.
func (t *table) reports() *nftables.Set {
	s := t.set("vmac_map", t.iface())
	s.IsMap, s.DataType = true, nftables.TypeIFIndex
	return s
}

// pair is a set of an address and an interface each.
func (t *table) pair(name string) *nftables.Set {
	key, err := nftables.ConcatSetType(nftables.TypeIP6Addr, t.iface())
	if err != nil {
		panic(err) // two types always fit
	}
	s := t.set(name, key)
	s.Concatenation = true
	return s
}

func (t *table) constants(name string) *nftables.Set {
	s := t.set(name, nftables.TypeICMP6Type)
	s.Constant = true
	return s
}

// build asks for the whole table, in the place of one that may be there: the
// first message makes sure that there is one to delete.
func (t *table) build(c *nftables.Conn) error {
	t.remove(c)
	c.AddTable(t.Table)
	for _, s := range t.sets {
		if s != nil {
			if err := c.AddSet(s, nil); err != nil {
				return err
			}
		}
	}
	if t.Family == nftables.TableFamilyIPv4 {
		t.build4(c)
		return nil
	}
	if err := c.AddSet(t.mld, types(mldReport1, mldDone, mldReport2)); err != nil {
		return err
	}
	if err := c.AddSet(t.nd, types(neighbourAsk, neighbourReply)); err != nil {
		return err
	}
	t.build6(c)
	return nil
}

// remove asks for the table's deletion, whether it is there or not.
func (t *table) remove(c *nftables.Conn) {
	c.AddTable(t.Table)
	c.DelTable(t.Table)
}

func types(list ...byte) (out []nftables.SetElement) {
	for _, v := range list {
		out = append(out, nftables.SetElement{Key: []byte{v}})
	}
	return out
}

func (t *table) build4(c *nftables.Conn) {
	out, in := t.base(c, "out", nftables.ChainHookOutput), t.base(c, "in", nftables.ChainHookInput)
	igmp := []expr.Any{network(protocol4, 1, reg1), equal(unix.IPPROTO_IGMP)}
	t.rule(c, out, igmp, t.redirect(network(destination4, 4, reg1), reports4, quiet4), drop())
	t.rule(c, out, []expr.Any{network(source4, 4, reg1)}, t.in(vips4), drop())
	t.rule(c, in, []expr.Any{network(destination4, 4, reg1)}, t.in(vips4), drop())
}

func (t *table) build6(c *nftables.Conn) {
	outLink, inLink := t.chain(c, "out_link_local"), t.chain(c, "in_link_local")
	out, in := t.base(c, "out", nftables.ChainHookOutput), t.base(c, "in", nftables.ChainHookInput)

	report := append(icmp(), t.among(t.mld))
	t.rule(c, out, report, t.redirect(network(destination6, 16, reg1), reports6, quiet6), drop())
	t.rule(c, out, append(icmp(), equal(routerSolicit)), t.onlyFrom(quiet6), drop())
	t.rule(c, out, append(icmp(), equal(neighbourReply)), target(), t.with(t.outgoing(), shared), drop())
	t.rule(c, in, append(icmp(), equal(neighbourAsk)), target(), t.with(t.incoming(), shared), drop())

	t.rule(c, out, append(icmp(), t.among(t.nd)), verdict(expr.VerdictAccept, ""))
	t.rule(c, in, append(icmp(), t.among(t.nd)), verdict(expr.VerdictAccept, ""))
	t.rule(c, out, linkLocal(source6), verdict(expr.VerdictGoto, outLink.Name))
	t.rule(c, in, linkLocal(destination6), verdict(expr.VerdictGoto, inLink.Name))
	t.rule(c, out, []expr.Any{network(source6, 16, reg1)}, t.in(vips6), drop())
	t.rule(c, in, []expr.Any{network(destination6, 16, reg1)}, t.in(vips6), drop())

	t.rule(c, outLink, []expr.Any{network(source6, 16, reg1)}, t.with(t.outgoing(), linkVIPs), drop())
	t.rule(c, inLink, []expr.Any{network(destination6, 16, reg1)}, t.with(t.incoming(), linkVIPs), drop())
}

// base is a chain that packets enter by themselves, accepting what no rule drops.
func (t *table) base(c *nftables.Conn, name string, hook *nftables.ChainHook) *nftables.Chain {
	accept := nftables.ChainPolicyAccept
	return c.AddChain(&nftables.Chain{
		Name: name, Table: t.Table, Hooknum: hook, Type: nftables.ChainTypeFilter,
		Priority: nftables.ChainPriorityRef(nftables.ChainPriority(t.options.Priority)), Policy: &accept,
	})
}

func (t *table) chain(c *nftables.Conn, name string) *nftables.Chain {
	return c.AddChain(&nftables.Chain{Name: name, Table: t.Table})
}

// rule adds a rule: conditions, and what follows from them, counted before the
// verdict that stands last.
func (t *table) rule(c *nftables.Conn, chain *nftables.Chain, parts ...[]expr.Any) {
	var all []expr.Any
	for i, part := range parts {
		if i == len(parts)-1 && t.options.Counters {
			all = append(all, &expr.Counter{})
		}
		all = append(all, part...)
	}
	c.AddRule(&nftables.Rule{Table: t.Table, Chain: chain, Exprs: all})
}

func drop() []expr.Any { return verdict(expr.VerdictDrop, "") }

func verdict(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}

func network(offset, length, reg uint32) expr.Any {
	return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}
}

func equal(v byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: []byte{v}} }

// icmp goes on with ICMPv6, behind whatever extension headers, and reads its type.
func icmp() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg1},
		equal(unix.IPPROTO_ICMPV6),
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Len: 1},
	}
}

// target reads the address that neighbour discovery is about.
func target() []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: ndTarget, Len: 16}}
}

// linkLocal goes on where an address is of fe80::/10, RFC 4291 section 2.5.6.
func linkLocal(offset uint32) []expr.Any {
	mask := make([]byte, 16)
	mask[0], mask[1] = 0xff, 0xc0
	prefix := make([]byte, 16)
	prefix[0], prefix[1] = 0xfe, 0x80
	return []expr.Any{
		network(offset, 16, reg1),
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 16, Mask: mask, Xor: make([]byte, 16)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg1, Data: prefix},
	}
}

// among goes on where what was read is in a set.
func (t *table) among(s *nftables.Set) expr.Any {
	return &expr.Lookup{SourceRegister: reg1, SetName: s.Name, SetID: s.ID}
}

func (t *table) in(s set) []expr.Any { return []expr.Any{t.among(t.sets[s])} }

// with goes on where what was read, together with an interface, is in a set.
func (t *table) with(key expr.MetaKey, s set) []expr.Any {
	return append([]expr.Any{&expr.Meta{Key: key, Register: reg2}}, t.in(s)...)
}

func (t *table) outgoing() expr.MetaKey {
	if t.options.ByIndex {
		return expr.MetaKeyOIF
	}
	return expr.MetaKeyOIFNAME
}

func (t *table) incoming() expr.MetaKey {
	if t.options.ByIndex {
		return expr.MetaKeyIIF
	}
	return expr.MetaKeyIIFNAME
}

// onlyFrom goes on with packets that leave through an interface of a set.
func (t *table) onlyFrom(s set) []expr.Any {
	return []expr.Any{&expr.Meta{Key: t.outgoing(), Register: reg1}, t.among(t.sets[s])}
}

// redirect sends a copy of a VMAC's packet out of the interface below, to the
// same destination; the packet itself is dropped by what follows.
func (t *table) redirect(destination expr.Any, to, from set) []expr.Any {
	if t.noDup {
		return t.onlyFrom(from)
	}
	return []expr.Any{
		destination,
		&expr.Meta{Key: t.outgoing(), Register: reg2},
		&expr.Lookup{SourceRegister: reg2, DestRegister: reg3, IsDestRegSet: true, SetName: t.sets[to].Name, SetID: t.sets[to].ID},
		&expr.Dup{RegAddr: reg1, RegDev: reg3, IsRegDevSet: true},
	}
}
