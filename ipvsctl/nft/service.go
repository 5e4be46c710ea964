package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

const (
	// maxClients bounds the memory of persistence, for each server.
	maxClients = 1 << 20
	// hashSeed makes both directors of a pair choose the same server.
	hashSeed = 0x6b656570
)

// service is what one service consists of, beside its elements in the sets that
// all share: a chain that chooses the server, and a chain for each server.
type service struct {
	*table
	key   ipvsctl.ServiceKey
	entry ipvsctl.Entry
	name  string
	chain *nftables.Chain
}

func (t *table) service(k ipvsctl.ServiceKey, e ipvsctl.Entry) *service {
	s := &service{table: t, key: k, entry: e, name: nameOf(k)}
	s.chain = &nftables.Chain{Table: t.Table, Name: s.name}
	return s
}

// nameOf is a service's name, as nft(8) can read it: tcp-192.0.2.1-80.
func nameOf(k ipvsctl.ServiceKey) string {
	if k.FWMark != 0 {
		return fmt.Sprintf("mark-%d", k.FWMark)
	}
	return fmt.Sprintf("%s-%s-%d", ipvsctl.ProtocolName(k.Protocol), addrName(k.Addr), k.Port)
}

func addrName(a netip.Addr) string { return strings.ReplaceAll(a.WithZone("").String(), ":", ".") }

func (s *service) persistent() bool { return s.entry.Service.Timeout > 0 }

// layout is what decides the shape of a service: what differs in it is built
// anew.
func (s *service) layout() [3]any {
	svc := s.entry.Service
	return [3]any{svc.Timeout, svc.Netmask4, svc.PrefixLen}
}

// add asks for a service that does not stand.
func (s *service) add(c *nftables.Conn) error {
	c.AddChain(s.chain)
	if s.direct() {
		if err := c.AddSet(s.connectionsOf(s.name), nil); err != nil {
			return err
		}
	}
	return s.fill(c, nil)
}

// remove asks for the end of a service that stands.
func (s *service) remove(c *nftables.Conn) error {
	shared, key := s.place()
	if err := c.SetDeleteElements(shared, s.known(key)); err != nil {
		return err
	}
	if s.refuses() {
		if err := c.SetDeleteElements(s.empty, []nftables.SetElement{{Key: key}}); err != nil {
			return err
		}
	}
	s.empties(c)
	c.DelChain(s.chain)
	for dk, d := range s.entry.Destinations {
		if err := s.server(dk, d).remove(c); err != nil {
			return err
		}
	}
	if s.direct() {
		return s.dismissAll(c)
	}
	return nil
}

// change asks for what turns a service that stands, as old, into this one. What
// is equal is not touched; the memory of persistence and the counters stay.
func (s *service) change(c *nftables.Conn, old *service) error {
	if s.layout() != old.layout() {
		if err := old.remove(c); err != nil {
			return err
		}
		return s.add(c)
	}
	old.empties(c)
	for dk, d := range old.entry.Destinations {
		if _, stays := s.entry.Destinations[dk]; stays {
			continue
		}
		if err := old.server(dk, d).remove(c); err != nil {
			return err
		}
	}
	return s.fill(c, old)
}

// place is the shared set a service is found in, with its key.
func (s *service) place() (*nftables.Set, []byte) {
	switch {
	case s.key.FWMark != 0:
		return s.marks, markKey(s.key.FWMark)
	case s.key.Port == 0:
		return s.anyPort, pairKey(s.key.Addr, s.key.Protocol)
	}
	return s.services, trioKey(s.key.Addr, s.key.Protocol, s.key.Port)
}

// known is the service's element in that set.
func (s *service) known(key []byte) []nftables.SetElement {
	return []nftables.SetElement{{Key: key, VerdictData: to(expr.VerdictJump, s.chain), Comment: describe(s.entry.Service)}}
}

func to(kind expr.VerdictKind, chain *nftables.Chain) *expr.Verdict {
	return &expr.Verdict{Kind: kind, Chain: chain.Name}
}

// refuses reports whether new connections are answered with an error: there is
// no server for them. Clients that persistence knows may still have one.
func (s *service) refuses() bool {
	return !s.direct() && s.key.FWMark == 0 && s.key.Port != 0 && !s.persistent() && len(takers(s.entry)) == 0
}

// fill asks for everything that may change while a service stands: its elements,
// its servers, and the rules of its chain, which is empty.
func (s *service) fill(c *nftables.Conn, old *service) error {
	if err := s.announce(c, old); err != nil {
		return err
	}
	for dk, d := range s.entry.Destinations {
		was, stood := ipvsctl.Destination{}, false
		if old != nil {
			was, stood = old.entry.Destinations[dk]
		}
		if stood && was == d {
			continue
		}
		if err := s.server(dk, d).put(c, stood); err != nil {
			return err
		}
	}
	return s.rules(c)
}

// announce makes the service known in the sets that all share.
func (s *service) announce(c *nftables.Conn, old *service) error {
	shared, key := s.place()
	if old != nil && old.entry.Service != s.entry.Service {
		if err := c.SetDeleteElements(shared, old.known(key)); err != nil {
			return err
		}
	}
	if old == nil || old.entry.Service != s.entry.Service {
		s.addLater(shared, s.known(key)[0])
	}
	refused := old != nil && old.refuses()
	switch empty := []nftables.SetElement{{Key: key}}; {
	case s.refuses() && !refused:
		s.addLater(s.empty, empty[0])
	case refused && !s.refuses():
		return c.SetDeleteElements(s.empty, empty)
	}
	return nil
}

// rules asks for the rules of a service's chain: a connection or client that is
// remembered goes where it went, others to the next slot.
func (s *service) rules(c *nftables.Conn) error {
	if s.direct() {
		if err := s.remembered(c); err != nil {
			return err
		}
	}
	if s.persistent() {
		for _, dk := range sortedServers(s.entry) {
			if s.direct() && !s.ways.Hops[dk.Addr].Reaches() {
				continue
			}
			server := s.server(dk, ipvsctl.Destination{})
			s.rule(c, s.chain, s.client(), []expr.Any{among(server.clients, r0), to(expr.VerdictGoto, server.chain)})
		}
	}
	list := s.takers()
	if len(list) == 0 {
		s.rule(c, s.chain, s.rulesWithoutServer())
		return nil
	}
	slots := s.slots(list)
	m, err := s.addSlots(c, list, slots)
	if err != nil {
		return err
	}
	how := schedulers[s.entry.Service.Scheduler].choose
	s.rule(c, s.chain, s.number(how, uint32(len(slots))), []expr.Any{jump(m, r0)})
	return nil
}

// takers are the servers that new connections can go to.
func (s *service) takers() []server {
	if s.direct() {
		return s.reachable(takers(s.entry))
	}
	return takers(s.entry)
}

// client reads the client's address into r0, as far as persistence looks at it.
func (s *service) client() []expr.Any {
	read := []expr.Any{s.source()}
	if mask := s.mask(); mask != nil {
		read = append(read, &expr.Bitwise{SourceRegister: r0, DestRegister: r0, Len: uint32(len(mask)), Mask: mask, Xor: make([]byte, len(mask))})
	}
	return read
}

// mask is that of persistence; nil if every bit counts.
func (s *service) mask() []byte {
	svc := s.entry.Service
	switch {
	case !s.family.six() && svc.Netmask4 != [4]byte{}:
		return svc.Netmask4[:]
	case s.family.six() && svc.PrefixLen != 0:
		mask := make([]byte, 16)
		for i := range int(svc.PrefixLen) {
			mask[i/8] |= 0x80 >> (i % 8)
		}
		return mask
	}
	return nil
}

// slots are the servers' indexes in list by slot; none without a server.
func (s *service) slots(list []server) []int {
	if len(list) == 0 {
		return nil
	}
	return schedulers[s.entry.Service.Scheduler].spread(list)
}

// slotSet is the map of slots to the chains of servers. It has a name of its own:
// for an anonymous one the kernel goes through all there are.
func (s *service) slotSet() *nftables.Set { return s.verdicts("slots_"+s.name, nftables.TypeMark) }

func (s *service) addSlots(c *nftables.Conn, list []server, slots []int) (*nftables.Set, error) {
	set := s.slotSet()
	elements := make([]nftables.SetElement, len(slots))
	for slot, i := range slots {
		elements[slot] = nftables.SetElement{
			Key:         binary.NativeEndian.AppendUint32(nil, uint32(slot)),
			VerdictData: to(expr.VerdictGoto, s.server(list[i].key, ipvsctl.Destination{}).chain),
		}
	}
	s.kept.slotted[s.name] = true
	if err := c.AddSet(set, nil); err != nil {
		return nil, err
	}
	return set, inParts(elements, func(e []nftables.SetElement) error { return c.SetAddElements(set, e) })
}

// empties asks for the end of the chain's rules, and of the slots they use.
func (s *service) empties(c *nftables.Conn) {
	c.FlushChain(s.chain)
	if s.kept.slotted[s.name] {
		c.DelSet(s.slotSet())
		if s.direct() && s.key.Protocol == unix.IPPROTO_TCP {
			c.DelSet(s.takerSet())
		}
		delete(s.kept.slotted, s.name)
	}
}

// number puts the number of a slot into r0.
func (s *service) number(how method, slots uint32) []expr.Any {
	hash := &expr.Hash{SourceRegister: r8, DestRegister: r0, Length: s.words * 4, Modulus: slots, Seed: hashSeed, Type: expr.HashTypeJenkins}
	switch how {
	case byChance:
		return []expr.Any{&expr.Numgen{Register: r0, Modulus: slots, Type: unix.NFT_NG_RANDOM}}
	case byTarget:
		return []expr.Any{s.network(destination4, destination6, r8), hash}
	case bySource:
		read := []expr.Any{s.network(source4, source6, r8)}
		if s.entry.Service.Flags&flagHashPort != 0 {
			hash.Length += 4
			read = append(read, &expr.Payload{DestRegister: r8 + s.words, Base: expr.PayloadBaseTransportHeader, Offset: sourcePort, Len: 2})
		}
		return append(read, hash)
	}
	return []expr.Any{&expr.Numgen{Register: r0, Modulus: slots, Type: unix.NFT_NG_INCREMENTAL}}
}

// member is what one server of a service consists of.
type member struct {
	*service
	at      ipvsctl.DestKey
	weight  uint32
	chain   *nftables.Chain
	counter *nftables.NamedObj // of connections
	clients *nftables.Set      // that persistence knows
}

func (s *service) server(at ipvsctl.DestKey, d ipvsctl.Destination) *member {
	name := s.name + "_" + addrName(at.Addr)
	if at.Port != 0 {
		name = fmt.Sprintf("%s-%d", name, at.Port)
	}
	m := &member{
		service: s, at: at, weight: d.Weight, chain: &nftables.Chain{Table: s.Table, Name: name},
		counter: s.counter(name),
		clients: s.set("clients_"+name, s.addr),
	}
	m.clients.Dynamic, m.clients.HasTimeout, m.clients.Size = true, true, maxClients
	return m
}

// put asks for a server, or for another weight of one that stands.
func (m *member) put(c *nftables.Conn, stands bool) error {
	set, e := m.listed()
	if stands {
		if err := c.SetDeleteElements(set, e); err != nil {
			return err
		}
		m.addLater(set, e[0])
		return nil
	}
	c.AddObj(m.counter)
	c.AddChain(m.chain)
	if m.direct() {
		m.putDirect(c)
	}
	if m.persistent() {
		if err := c.AddSet(m.clients, nil); err != nil {
			return err
		}
		m.rule(c, m.chain, m.client(), []expr.Any{&expr.Dynset{
			SrcRegKey: r0, SetName: m.clients.Name, SetID: m.clients.ID,
			Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: m.entry.Service.Timeout,
		}})
	}
	if m.direct() {
		m.forget(c)
	}
	m.rule(c, m.chain, objref(m.counter), m.translate())
	m.addLater(set, e[0])
	return nil
}

func (m *member) remove(c *nftables.Conn) error {
	if err := c.SetDeleteElements(m.listed()); err != nil {
		return err
	}
	c.FlushChain(m.chain)
	c.DelChain(m.chain)
	if m.persistent() {
		c.DelSet(m.clients)
	}
	c.DeleteObject(m.counter)
	if m.direct() {
		return m.removeDirect(c)
	}
	return nil
}

// listed is the server's element in the set it is read back from.
func (m *member) listed() (*nftables.Set, []nftables.SetElement) {
	set, key := m.servers, []byte(nil)
	if m.key.FWMark != 0 {
		set, key = m.marked, markKey(m.key.FWMark)
	} else {
		key = trioKey(m.key.Addr, m.key.Protocol, m.key.Port)
	}
	key = append(append(key, m.at.Addr.AsSlice()...), portKey(m.at.Port)...)
	return set, []nftables.SetElement{{Key: key, VerdictData: to(expr.VerdictGoto, m.chain), Comment: fmt.Sprintf("weight %d", m.weight)}}
}

// translate gives the connection its new destination; with direct routing, each
// packet.
func (m *member) translate() []expr.Any {
	if m.direct() {
		return []expr.Any{to(expr.VerdictGoto, m.packetsChain())}
	}
	nat := &expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(m.Family), RegAddrMin: r0}
	rule := []expr.Any{&expr.Immediate{Register: r0, Data: m.at.Addr.AsSlice()}}
	if m.at.Port != 0 {
		nat.RegProtoMin = r4
		rule = append(rule, &expr.Immediate{Register: r4, Data: binary.BigEndian.AppendUint16(nil, m.at.Port)})
	}
	return append(rule, nat)
}

// describe writes down what of a service cannot be read from its rules.
func describe(s ipvsctl.Service) string {
	return fmt.Sprintf("%s flags %d timeout %d mask %s prefix %d %s", s.Scheduler, s.Flags, s.Timeout/time.Second,
		netip.AddrFrom4(s.Netmask4), s.PrefixLen, sourceName(s.Source))
}

// described is the opposite of describe; source is the name of the source.
func described(text string) (s ipvsctl.Service, source string, err error) {
	var seconds int64
	var mask string
	_, err = fmt.Sscanf(text, "%s flags %d timeout %d mask %s prefix %d %s", &s.Scheduler, &s.Flags, &seconds, &mask, &s.PrefixLen, &source)
	a, bad := netip.ParseAddr(mask)
	if err != nil || bad != nil || !a.Is4() {
		return s, "", fmt.Errorf("a comment that is not ours: %q", text)
	}
	s.Timeout, s.Netmask4 = time.Duration(seconds)*time.Second, a.As4()
	return s, source, nil
}
