package nft

import (
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// Direct routing is done where packets come in, before routing and connection
// tracking: a table of the netdev family rewrites the hardware addresses and sends
// the packet out again. Who serves a connection is remembered in a map, which
// every packet of the client refreshes; answers do not pass here.

// How long a connection without a packet is remembered, as IPVS does by default
// (tcp_timeouts of net/netfilter/ipvs/ip_vs_proto_tcp.c and its likes).
const (
	idleTCP   = 15 * time.Minute
	endingTCP = 2 * time.Minute // begun or ended a moment ago
	idleOther = 5 * time.Minute
	// maxConnections bounds the memory of a service, IPVS has no bound.
	maxConnections = 1 << 20
	// dynsetDelete is NFT_DYNSET_OP_DELETE of linux/netfilter/nf_tables.h.
	dynsetDelete = 2
	// mostGone bounds the servers that are remembered, for their connections,
	// after they have left their service.
	mostGone = 64
)

// standing is the chain of a server that packets may be sent to.
type standing struct {
	number uint32 // in the map of connections
	addr   netip.Addr
	hop    ipvsctl.Hop // as the chain has it
	wired  bool        // hop holds
}

// ingressPrefix begins the names of chains that are of an interface.
const ingressPrefix = "ingress_"

// entering sends packets for us to the chain of their service.
func (t *table) entering(c *nftables.Conn) {
	chain := c.AddChain(t.entrance())
	t.rule(c, chain, t.trioOf(t.destination(), destinationPort), []expr.Any{jump(t.services, r0)})
	t.rule(c, chain, []expr.Any{t.destination(), &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: r0 + t.words}, jump(t.anyPort, r0)})
}

func (t *table) entrance() *nftables.Chain { return &nftables.Chain{Table: t.Table, Name: "direct"} }

// enter has packets that come in through an interface looked at: plain ones (a
// VLAN's come in through its own interface) for its own hardware address.
func (t *table) enter(c *nftables.Conn, l ipvsctl.Link) {
	const packetHost = 0 // PACKET_HOST of linux/if_packet.h
	accept := nftables.ChainPolicyAccept
	chain := c.AddChain(&nftables.Chain{
		Name: ingressPrefix + l.Name, Table: t.Table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress,
		Priority: nftables.ChainPriorityFilter, Policy: &accept, Device: l.Name,
	})
	etherType := binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP)
	if t.family.six() {
		etherType = binary.BigEndian.AppendUint16(nil, unix.ETH_P_IPV6)
	}
	t.rule(c, chain, []expr.Any{
		&expr.Payload{DestRegister: r0, Base: expr.PayloadBaseLLHeader, Offset: 12, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: r0, Data: etherType},
		&expr.Meta{Key: expr.MetaKeyPKTTYPE, Register: r0},
		&expr.Cmp{Op: expr.CmpOpEq, Register: r0, Data: []byte{packetHost}},
		&expr.Verdict{Kind: expr.VerdictJump, Chain: t.entrance().Name},
	})
}

// leave is the opposite of enter. The kernel may have taken the chain out with
// the interface, so one is added first.
func (t *table) leave(c *nftables.Conn, l ipvsctl.Link) {
	chain := c.AddChain(&nftables.Chain{Name: ingressPrefix + l.Name, Table: t.Table})
	c.FlushChain(chain)
	c.DelChain(chain)
}

// turnDirect asks for what differs in the networks: interfaces, and the ways to
// servers.
func (t *table) turnDirect(c *nftables.Conn) error {
	if !slices.Equal(t.kept.links, t.ways.Links) {
		for _, l := range t.kept.links {
			if !slices.Contains(t.ways.Links, l) {
				t.leave(c, l)
			}
		}
		for _, l := range t.ways.Links {
			if !slices.Contains(t.kept.links, l) {
				t.enter(c, l)
			}
		}
		t.kept.links = t.ways.Links
	}
	if !t.kept.rewire {
		return nil
	}
	t.kept.rewire = false
	for service, list := range t.kept.standing {
		for name, s := range list {
			t.wire(c, service, name, s)
		}
	}
	return nil
}

// wire writes the chain of a server for the way to it, unless it is written so.
// A way that nobody follows any more stays as it was.
func (t *table) wire(c *nftables.Conn, service, name string, s *standing) {
	hop, followed := t.ways.Hops[s.addr]
	if s.wired && (hop == s.hop || !followed) {
		return
	}
	chain := &nftables.Chain{Table: t.Table, Name: name}
	if s.wired || s.number <= t.kept.recalled {
		c.FlushChain(chain)
	}
	s.hop, s.wired = hop, true
	t.rule(c, chain, objref(t.counter(name)), unmark())
	t.remember(c, chain, service, s.number)
	t.rule(c, chain, send(hop))
}

func (t *table) counter(name string) *nftables.NamedObj {
	return &nftables.NamedObj{Table: t.Table, Name: name, Type: nftables.ObjTypeCounter, Obj: &expr.Counter{}}
}

func objref(o *nftables.NamedObj) []expr.Any {
	return []expr.Any{&expr.Objref{Type: int(o.Type), Name: o.Name}}
}

// unmark takes the mark off that led here.
func unmark() []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: r0, Data: markKey(0)},
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: r0},
	}
}

// send sends a packet on; it is lost where there is no way.
func send(h ipvsctl.Hop) []expr.Any {
	switch {
	case h.Local:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	case !h.Reaches():
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	}
	ether := func(offset uint32, a [6]byte) []expr.Any {
		return []expr.Any{
			&expr.Immediate{Register: r0, Data: a[:]},
			&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: r0, Base: expr.PayloadBaseLLHeader, Offset: offset, Len: 6},
		}
	}
	return slices.Concat(ether(0, h.To), ether(6, h.From), []expr.Any{
		&expr.Immediate{Register: r0, Data: binary.NativeEndian.AppendUint32(nil, uint32(h.Link))},
		&expr.Dup{RegDev: r0, IsRegDevSet: true},
		&expr.Verdict{Kind: expr.VerdictDrop}, // the copy is on its way
	})
}

// connections has who serves the connections of a service, by the client's
// address and port and the port it asks.
func (t *table) connectionsOf(service string) *nftables.Set {
	s := t.set("connections_"+service, concat(t.addr, nftables.TypeInetService, nftables.TypeInetService))
	s.IsMap, s.DataType = true, nftables.TypeMark
	s.Dynamic, s.HasTimeout, s.Timeout, s.Size = true, true, idleTCP, maxConnections
	return s
}

// connection reads the key of that map into r0.
func (t *table) connection() []expr.Any {
	return []expr.Any{
		t.source(),
		&expr.Payload{DestRegister: r0 + t.words, Base: expr.PayloadBaseTransportHeader, Offset: sourcePort, Len: 2},
		&expr.Payload{DestRegister: r0 + t.words + 1, Base: expr.PayloadBaseTransportHeader, Offset: destinationPort, Len: 2},
	}
}

// remember has a chain remember the connection as one of a server.
func (t *table) remember(c *nftables.Conn, chain *nftables.Chain, service string, number uint32) {
	note := func(d time.Duration) []expr.Any {
		return append(t.connection(),
			&expr.Immediate{Register: r8, Data: markKey(number)},
			&expr.Dynset{SrcRegKey: r0, SrcRegData: r8, SetName: t.connectionsOf(service).Name, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: d})
	}
	if !strings.HasPrefix(service, "tcp") {
		t.rule(c, chain, note(idleOther))
		return
	}
	t.rule(c, chain, flagged(flagFIN|flagSYN|flagRST, expr.CmpOpEq), note(idleTCP))
	t.rule(c, chain, flagged(flagFIN|flagSYN|flagRST, expr.CmpOpNeq), note(endingTCP))
}

// Flags of RFC 9293 section 3.1.
const flagFIN, flagSYN, flagRST = 0x01, 0x02, 0x04

// flagged goes on with packets of TCP that have none of some flags, or any.
func flagged(flags byte, op expr.CmpOp) []expr.Any {
	const offset = 13 // of the flags in the header, in bytes
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: r0},
		&expr.Cmp{Op: expr.CmpOpEq, Register: r0, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: r0, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 1},
		&expr.Bitwise{SourceRegister: r0, DestRegister: r0, Len: 1, Mask: []byte{flags}, Xor: []byte{0}},
		&expr.Cmp{Op: op, Register: r0, Data: []byte{0}},
	}
}

// remembered sends packets of connections that are known to their server. One
// that begins may come from a port that the client has used before: it stays
// with the server of then only if that takes connections still.
func (s *service) remembered(c *nftables.Conn) error {
	if s.key.Protocol != unix.IPPROTO_TCP {
		s.rule(c, s.chain, s.lookUp(s.numbers))
		return nil
	}
	if list := s.takers(); len(list) > 0 {
		if err := s.addTakers(c, list); err != nil {
			return err
		}
		s.rule(c, s.chain, flagged(flagSYN, expr.CmpOpNeq), s.lookUp(s.takerSet()))
	}
	s.rule(c, s.chain, flagged(flagSYN, expr.CmpOpEq), s.lookUp(s.numbers))
	return nil
}

// takerSet is the map of numbers of servers that take new connections to their
// chains. It comes and goes with the slots.
func (s *service) takerSet() *nftables.Set {
	return s.verdicts("takers_"+s.name, nftables.TypeMark)
}

func (s *service) addTakers(c *nftables.Conn, list []server) error {
	elements := make([]nftables.SetElement, len(list))
	for i, r := range list {
		packets := s.server(r.key, ipvsctl.Destination{}).packetsChain()
		number := s.kept.standing[s.name][packets.Name].number
		elements[i] = nftables.SetElement{Key: markKey(number), VerdictData: to(expr.VerdictGoto, packets)}
	}
	set := s.takerSet()
	if err := c.AddSet(set, nil); err != nil {
		return err
	}
	return inParts(elements, func(e []nftables.SetElement) error { return c.SetAddElements(set, e) })
}

// lookUp goes to the chain that a map has for the server of a connection. The
// number passes through the packet's mark, because nft(8) cannot show one look
// into a map after another.
func (s *service) lookUp(chains *nftables.Set) []expr.Any {
	return append(s.connection(),
		found(s.connectionsOf(s.name), r0, r0),
		&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: r0},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: r0},
		jump(chains, r0))
}

// forget has a chain forget whom a connection was with that begins anew: what is
// remembered is never written over.
func (m *member) forget(c *nftables.Conn) {
	m.rule(c, m.chain, m.connection(), []expr.Any{
		&expr.Immediate{Register: r8, Data: markKey(0)},
		&expr.Dynset{SrcRegKey: r0, SrcRegData: r8, SetName: m.connectionsOf(m.name).Name, Operation: dynsetDelete},
	})
}

// reject answers as IPVS does where there is no server.
func (t *table) reject() *expr.Reject {
	if t.family.six() {
		return &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 4} // port unreachable, RFC 4443 section 3.1
	}
	return &expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: 3} // RFC 792
}

// rulesWithoutServer are for new connections while nobody can take them: if none
// shall, the client is told, else it may ask again in a moment.
func (s *service) rulesWithoutServer() []expr.Any {
	if s.direct() && len(takers(s.entry)) == 0 {
		return []expr.Any{s.reject()}
	}
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
}

// reachable are the servers of list that there is a way to.
func (s *service) reachable(list []server) []server {
	return slices.DeleteFunc(list, func(r server) bool { return !s.ways.Hops[r.key.Addr].Reaches() })
}

// putDirect asks for what a server of direct routing has beside others: a chain
// for every packet, and a number. One that left a moment ago has them still.
func (m *member) putDirect(c *nftables.Conn) {
	list := m.kept.standing[m.name]
	if list == nil {
		list = map[string]*standing{}
		m.kept.standing[m.name] = list
	}
	packets := m.packetsChain()
	s, stands := list[packets.Name]
	if !stands {
		m.kept.next++
		s = &standing{number: m.kept.next, addr: m.at.Addr}
		list[packets.Name] = s
		c.AddObj(m.table.counter(packets.Name))
		c.AddChain(packets)
		m.addLater(m.numbers, nftables.SetElement{Key: markKey(s.number), VerdictData: to(expr.VerdictGoto, packets)})
	}
	m.wire(c, m.name, packets.Name, s)
}

// packetsChain is the chain for every packet to the server.
func (m *member) packetsChain() *nftables.Chain {
	return &nftables.Chain{Table: m.Table, Name: m.chain.Name + "_packets"}
}

// removeDirect lets a server that leaves its service keep its connections, unless
// there are many like it. Datagrams are sent to another.
func (m *member) removeDirect(c *nftables.Conn) error {
	name := m.packetsChain().Name
	if m.key.Protocol != unix.IPPROTO_UDP && len(m.kept.standing[m.name])-len(m.entry.Destinations) < mostGone {
		return nil
	}
	return m.dismiss(c, name)
}

// dismiss takes a server's chain for packets out, with its number.
func (s *service) dismiss(c *nftables.Conn, name string) error {
	list := s.kept.standing[s.name]
	at := list[name]
	if at == nil {
		return nil
	}
	delete(list, name)
	chain := &nftables.Chain{Table: s.Table, Name: name}
	number := nftables.SetElement{Key: markKey(at.number), VerdictData: to(expr.VerdictGoto, chain)}
	if err := c.SetDeleteElements(s.numbers, []nftables.SetElement{number}); err != nil {
		return err
	}
	c.FlushChain(chain)
	c.DelChain(chain)
	c.DeleteObject(s.table.counter(name))
	return nil
}

// dismissAll takes out what a service of direct routing has beside others.
func (s *service) dismissAll(c *nftables.Conn) error {
	for _, name := range slices.Collect(maps.Keys(s.kept.standing[s.name])) {
		if err := s.dismiss(c, name); err != nil {
			return err
		}
	}
	delete(s.kept.standing, s.name)
	c.DelSet(s.connectionsOf(s.name))
	return nil
}

// recall finds out what an earlier life left that cannot be told from the services:
// their slots, and what direct routing has.
func (t *table) recall(c *nftables.Conn) error {
	if there, err := t.stands(c); err != nil || !there {
		return err
	}
	sets, err := c.GetSets(t.Table)
	if err != nil {
		return err
	}
	for _, s := range sets {
		if service, is := strings.CutPrefix(s.Name, "slots_"); is {
			t.kept.slotted[service] = true
		}
	}
	if !t.direct() {
		return nil
	}
	return t.recallDirect(c)
}

func (t *table) recallDirect(c *nftables.Conn) error {
	chains, err := c.ListChainsOfTableFamily(t.Family)
	if err != nil {
		return err
	}
	for _, chain := range chains {
		if name, is := strings.CutPrefix(chain.Name, ingressPrefix); is && chain.Table.Name == t.Name {
			t.kept.links = append(t.kept.links, ipvsctl.Link{Name: name}) // its rule is written anew
		}
	}
	elements, err := c.GetSetElements(t.numbers)
	for _, e := range elements {
		if err := t.recallServer(e); err != nil {
			return err
		}
	}
	t.kept.recalled = t.kept.next
	return err
}

func (t *table) recallServer(e nftables.SetElement) error {
	if e.VerdictData == nil || len(e.Key) != 4 {
		return fmt.Errorf("set %s has an element that is not ours", t.numbers.Name)
	}
	name := e.VerdictData.Chain
	service, rest, _ := strings.Cut(name, "_")
	text, _, _ := strings.Cut(strings.TrimSuffix(rest, "_packets"), "-")
	if t.family.six() {
		text = strings.ReplaceAll(text, ".", ":")
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return fmt.Errorf("chain %s is not ours: %w", name, err)
	}
	if t.kept.standing[service] == nil {
		t.kept.standing[service] = map[string]*standing{}
	}
	n := binary.NativeEndian.Uint32(e.Key)
	t.kept.standing[service][name] = &standing{number: n, addr: addr}
	t.kept.next = max(t.kept.next, n)
	t.kept.rewire = true
	return nil
}
