package nft

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"keepgo/internal/nfwire"
	"keepgo/ipvsctl"
)

// MarkOptions say how Marks work.
type MarkOptions struct {
	// Report hears events, one at a time, from a goroutine of their own.
	Report func(Event)
	Table  string // name of the tables
	// Early marks packets before the kernel chooses their destination instead of
	// when they have come in, as Door needs it and IPVS does not.
	Early bool
}

// MarkWant is the firewall marks that packets get: by address, protocol and
// port, or by address and protocol where the port is 0. A mark in the key has no
// meaning. Priority is that of the chain.
type MarkWant struct {
	Priority int32
	Marks    map[ipvsctl.ServiceKey]uint32
}

// harms reports whether another program's change is to a table of these.
func (o *MarkOptions) harms(c nfwire.Change) bool {
	inIt := c.Table == o.Table && (c.Family == unix.NFPROTO_IPV4 || c.Family == unix.NFPROTO_IPV6)
	return inIt && (c.Removes() || c.Kind == unix.NFT_MSG_NEWRULE)
}

// Marks marks packets by what they are sent to, in one table of each address
// family (nftables_ipvs). A table stands only while it has something to mark.
// The methods are safe for concurrent use.
type Marks struct {
	wire    *nfwire.Wire
	gone    chan struct{} // closed when the goroutine has ended
	opt     MarkOptions
	leave   atomic.Bool
	wake    chan struct{}
	closing chan struct{}
	closed  sync.Once

	mu   sync.Mutex
	want MarkWant
	raze bool // take everything away and end
	err  error

	failed   string // of the goroutine alone
	repaired time.Time
}

// OpenMarks enters the network namespace of the calling thread. The first Set
// replaces what stands in tables of the name. It needs CAP_NET_ADMIN.
func OpenMarks(opt MarkOptions) (*Marks, error) {
	m := &Marks{opt: opt, gone: make(chan struct{}), wake: make(chan struct{}, 1), closing: make(chan struct{})}
	var err error
	if m.wire, err = nfwire.Open(opt.harms, m.gone); err != nil {
		return nil, explain(err)
	}
	go m.wire.Listen()
	go m.run()
	return m, nil
}

// Set gives the newest want. It never blocks; trouble is reported. The caller
// does not change the map afterwards.
func (m *Marks) Set(want MarkWant) {
	m.mu.Lock()
	same := want.Priority == m.want.Priority && m.want.Marks != nil && maps.Equal(want.Marks, m.want.Marks)
	m.want = want
	m.mu.Unlock()
	if same {
		return
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Leave says that what others change stays as they changed it, or no longer.
func (m *Marks) Leave(it bool) { m.leave.Store(it) }

// Clear takes the tables away and closes.
func (m *Marks) Clear() error {
	m.mu.Lock()
	m.raze = true
	m.mu.Unlock()
	m.Close()
	return m.err
}

// Close ends the goroutine. What stands in the kernel stays there.
func (m *Marks) Close() {
	m.closed.Do(func() {
		close(m.closing)
		<-m.gone
		m.wire.Close()
	})
}

func (m *Marks) run() {
	defer close(m.gone)
	if err := m.wire.Enter(); err != nil {
		m.fail(fmt.Errorf("entering the network namespace: %w; it needs CAP_SYS_ADMIN", err))
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	damaged, by := false, ""
	for {
		select {
		case <-m.closing:
			m.end()
			return
		case who := <-m.wire.Damages:
			if !m.leave.Load() {
				damaged, by = true, who
				timer.Reset(time.Until(m.repaired.Add(pause)))
			}
			continue
		case <-m.wake:
		case <-timer.C:
		}
		next := time.Hour
		if m.repaired = time.Now(); !m.settle() {
			next = retry
		} else if damaged {
			damaged = false
			m.opt.Report(Event{Kind: Repaired, By: by})
		}
		timer.Reset(next)
	}
}

// end takes the tables away if that is wanted.
func (m *Marks) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.raze {
		m.err = m.build(MarkWant{})
	}
}

// settle builds the tables that are wanted, and tells how that went.
func (m *Marks) settle() bool {
	m.mu.Lock()
	want := m.want
	m.mu.Unlock()
	if want.Marks == nil {
		return true
	}
	err := m.build(want)
	if err != nil {
		m.fail(err)
		return false
	}
	if m.failed != "" {
		m.failed = ""
		m.opt.Report(Event{Kind: Recovered})
	}
	return true
}

func (m *Marks) fail(err error) {
	if m.failed != err.Error() {
		m.failed = err.Error()
		m.opt.Report(Event{Kind: Failed, Err: err})
	}
}

// build replaces both tables, each in one transaction: every packet is marked as
// before or as wanted.
func (m *Marks) build(want MarkWant) error {
	parts := map[family]map[ipvsctl.ServiceKey]uint32{four: {}, six: {}}
	for k, mark := range want.Marks {
		k = k.Canonical()
		parts[addressFamily(k)][k] = mark
	}
	for f, part := range parts {
		t := newMarkTable(m.opt.Table, f)
		t.remove(m.wire.Draft)
		if len(part) > 0 {
			if err := t.build(m.wire.Draft, part, &m.opt, want.Priority); err != nil {
				return errors.Join(explain(err), m.wire.Dial())
			}
		}
		err := m.wire.Flush()
		if len(part) == 0 && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT)) {
			continue // a family that the kernel lacks
		}
		if err != nil {
			return explain(err)
		}
	}
	return nil
}

func addressFamily(k ipvsctl.ServiceKey) family {
	if k.IPv6 {
		return six
	}
	return four
}

// markTable is one family's table of marks: maps from what a packet is sent to,
// named as users of keepalived know them, to a chain for each mark. (A map to
// the marks themselves would be listed by nft(8) with their bytes turned round:
// the library cannot note their order.)
type markTable struct {
	*table
	maps  map[mapKey]*nftables.Set
	marks map[uint32]*nftables.Chain
}

// mapKey is what the entries of a map have in common.
type mapKey struct {
	protocol uint8
	anyPort  bool
}

func newMarkTable(name string, f family) *markTable {
	t := &table{Table: &nftables.Table{Name: name, Family: nftables.TableFamilyIPv4}, family: f, addr: nftables.TypeIPAddr, words: 1}
	if f.six() {
		t.Family, t.addr, t.words = nftables.TableFamilyIPv6, nftables.TypeIP6Addr, 4
	}
	return &markTable{table: t, maps: map[mapKey]*nftables.Set{}, marks: map[uint32]*nftables.Chain{}}
}

func (t *markTable) build(c *nftables.Conn, marks map[ipvsctl.ServiceKey]uint32, opt *MarkOptions, priority int32) error {
	c.AddTable(t.Table)
	for k, mark := range marks {
		set, err := t.of(c, k)
		if err != nil {
			return err
		}
		key := k.Addr.AsSlice()
		if k.Port != 0 {
			key = append(key, portKey(k.Port)...)
		}
		to := &expr.Verdict{Kind: expr.VerdictGoto, Chain: t.marking(c, mark).Name}
		t.addLater(set, nftables.SetElement{Key: key, VerdictData: to})
	}
	t.chains(c, opt, priority)
	return t.addLate(c)
}

// of is the map that a key belongs to, which is asked for the first time.
func (t *markTable) of(c *nftables.Conn, k ipvsctl.ServiceKey) (*nftables.Set, error) {
	mk := mapKey{protocol: k.Protocol, anyPort: k.Port == 0}
	if s := t.maps[mk]; s != nil {
		return s, nil
	}
	name := ipvsctl.ProtocolName(k.Protocol)
	s := t.verdicts(name+"_map", concat(t.addr, nftables.TypeInetService))
	if mk.anyPort {
		s = t.verdicts(name+"_any_port_map", t.addr)
	}
	t.maps[mk] = s
	return s, c.AddSet(s, nil)
}

// marking is the chain that gives a packet a mark, which is asked for the first
// time.
func (t *markTable) marking(c *nftables.Conn, mark uint32) *nftables.Chain {
	if chain := t.marks[mark]; chain != nil {
		return chain
	}
	chain := c.AddChain(&nftables.Chain{Name: fmt.Sprintf("mark-%d", mark), Table: t.Table})
	t.marks[mark] = chain
	t.rule(c, chain, []expr.Any{&expr.Immediate{Register: r0, Data: markKey(mark)}, &expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: r0}})
	return chain
}

// chains asks for the chains where packets are looked up: those of one port
// first.
func (t *markTable) chains(c *nftables.Conn, opt *MarkOptions, priority int32) {
	hooks := map[string]*nftables.ChainHook{"in": nftables.ChainHookInput}
	if opt.Early {
		const mangle = -150 // NF_IP_PRI_MANGLE, before the destination is chosen
		hooks = map[string]*nftables.ChainHook{"in": nftables.ChainHookPrerouting, "out": nftables.ChainHookOutput}
		priority = mangle
	}
	for name, hook := range hooks {
		chain := t.base(c, name, nftables.ChainTypeFilter, hook, nftables.ChainPriority(priority))
		for _, anyPort := range []bool{false, true} {
			for mk, set := range t.maps {
				if mk.anyPort == anyPort {
					t.rule(c, chain, t.looking(mk, set))
				}
			}
		}
	}
}

// looking goes to the chain that a map has for a packet.
func (t *markTable) looking(mk mapKey, set *nftables.Set) []expr.Any {
	exprs := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: r0},
		&expr.Cmp{Op: expr.CmpOpEq, Register: r0, Data: []byte{mk.protocol}},
		t.destination(),
	}
	if !mk.anyPort {
		exprs = append(exprs, &expr.Payload{DestRegister: r0 + t.words, Base: expr.PayloadBaseTransportHeader, Offset: destinationPort, Len: 2})
	}
	return append(exprs, jump(set, r0))
}
