package lb

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/ipvsctl"
)

// builder collects a Plan and what was found on the way.
type builder struct {
	cfg    *confparse.Config
	groups map[string]*confparse.ServerGroup
	index  map[ipvsctl.ServiceKey]int // into plan.Services
	keys   map[string]int             // uses of a pool's key
	marks  map[uint32]bool            // in use
	paths  map[string]int             // into plan.Paths
	plan   *Plan
	found  syntax.ErrorList

	keysNow []ipvsctl.ServiceKey // of the virtual server that is planned
}

// Build plans the virtual servers of cfg. What cannot be done is left out and
// told in the list; the plan holds the rest.
func Build(cfg *confparse.Config) (*Plan, syntax.ErrorList) {
	b := &builder{
		cfg: cfg, plan: &Plan{MailChecks: !cfg.Global.NoCheckerEmails, Greet: cfg.Global.RSInitNotifies}, groups: map[string]*confparse.ServerGroup{},
	}
	for _, g := range cfg.ServerGroups {
		b.groups[g.Name] = g
	}
	b.kernel(&cfg.Global)
	b.marking()
	b.room()
	for _, vs := range cfg.VirtualServers {
		b.virtualServer(vs)
	}
	b.plan.keepMarks(nil)
	return b.plan, b.found
}

// room makes the plan's lists as long as they will become: of tens of thousands
// of servers, growing them costs as much as all the rest.
func (b *builder) room() {
	checks := 0
	for _, vs := range b.cfg.VirtualServers {
		for _, rs := range vs.Servers {
			checks += len(rs.Checkers)
		}
	}
	b.index, b.keys = make(map[ipvsctl.ServiceKey]int, len(b.cfg.VirtualServers)), make(map[string]int, len(b.cfg.VirtualServers))
	b.plan.Services = slices.Grow(b.plan.Services, len(b.cfg.VirtualServers))
	b.plan.Pools = slices.Grow(b.plan.Pools, len(b.cfg.VirtualServers))
	b.plan.Checks, b.plan.Owners = slices.Grow(b.plan.Checks, checks), slices.Grow(b.plan.Owners, checks)
}

// kernel plans what is not of any service. Without an instance to follow, a
// director both sends its connections and hears those of others.
func (b *builder) kernel(g *confparse.Global) {
	b.plan.DataPlane = g.DataPlane
	b.plan.Timeouts = ipvsctl.Timeouts(g.LVSTimeouts)
	b.plan.Repair = g.LVSRepair
	b.plan.Events, b.plan.Answers = buffer(g.LVSMonitorBuffer), buffer(g.LVSCommandBuffer)
	b.plan.Switches = g.LVSSwitches
	b.plan.FlushAtStop = g.LVSFlushOnStop && !g.LVSFlushVS
	if d := g.LVSSync; d != nil && d.Instance == "" {
		b.plan.Sync = ipvsctl.SyncWant{Roles: ipvsctl.SyncMaster | ipvsctl.SyncBackup, Sync: ipvsctl.Sync{
			Link: d.Interface, ID: uint8(max(d.ID, 0)), MaxLen: uint16(d.MaxLen), Group: d.Group, Port: d.Port, TTL: d.TTL,
		}}
	}
}

// spot is where in a configuration something is found: a virtual server, and one
// of its servers. It becomes words when there is something to say.
type spot struct{ service, server string }

func (p spot) String() string {
	if p.server == "" {
		return syntax.Path("virtual_server " + p.service)
	}
	return syntax.Path("virtual_server "+p.service, "real_server "+p.server)
}

// note adds a finding.
func (b *builder) note(pos syntax.Pos, at spot, s syntax.Severity, hint, format string, args ...any) {
	b.found = append(b.found, &syntax.Error{Pos: pos, Path: at.String(), Severity: s, Err: fmt.Errorf(format, args...), Hint: hint})
}

func (b *builder) virtualServer(vs *confparse.VirtualServer) {
	name, key := identity(vs)
	if b.keys[key]++; b.keys[key] > 1 {
		key = fmt.Sprintf("%s #%d", key, b.keys[key])
	}
	at := spot{service: name}
	if len(vs.Servers) == 0 {
		b.note(vs.Pos, at, syntax.Warning, "it is left out", "virtual server has no real_server")
		return
	}
	keys, err := b.services(vs, name)
	if err != nil {
		b.note(vs.Pos, at, syntax.Failure, "it is left out", "%w", err)
		return
	}
	b.keysNow = keys
	p := Pool{
		Key: key, Name: name, Protocol: uint8(vs.Protocol),
		Config:   ipvsctl.PoolConfig{Service: service(vs), Quorum: vs.Quorum, Hysteresis: vs.Hysteresis},
		QuorumUp: vs.QuorumUp, QuorumDown: vs.QuorumDown,
		Omega: vs.Omega, SMTPAlert: vs.SMTPAlert,
	}
	if vs.HASuspend && vs.Group == "" && vs.FWMark == 0 {
		p.Suspend = vs.Addr.Unmap()
	}
	for _, k := range b.marked(&p, keys, vs, at) {
		if i, joined := b.share(k, vs, at); joined {
			p.Services = append(p.Services, i)
		}
	}
	b.servers(&p, vs, at)
	b.beyond(&p, vs, at)
	b.plan.Pools = append(b.plan.Pools, p)
}

// Name is keepalived's name of a virtual server, in logs, dumps and the status.
func Name(vs *confparse.VirtualServer) string {
	if vs.Group != "" {
		return "[" + vs.Group + "]:0"
	}
	return single(vs).String()
}

// ServerName is that of a real server of a virtual one, the sorry server too.
func ServerName(vs *confparse.VirtualServer, rs *confparse.RealServer) string {
	return ipvsctl.DestKey{Addr: rs.Addr, Port: rs.Port}.Name(uint8(vs.Protocol))
}

// identity is the name of a virtual server in logs and its key across reloads.
func identity(vs *confparse.VirtualServer) (name, key string) {
	name = Name(vs)
	if vs.Group != "" {
		return name, name + " " + ipvsctl.ProtocolName(uint8(vs.Protocol))
	}
	return name, name + " " + strconv.FormatBool(single(vs).IPv6)
}

// service is what the kernel is told of every service of vs.
func service(vs *confparse.VirtualServer) ipvsctl.Service {
	s := ipvsctl.Service{
		Scheduler: vs.Scheduler, Flags: vs.SchedFlags, Timeout: vs.Persistence,
		PrefixLen: vs.PrefixLen, Engine: vs.Engine,
	}
	if vs.OnePacket {
		s.Flags |= ipvsctl.FlagOnePacket
	}
	if vs.Netmask.Is4() {
		s.Netmask4 = vs.Netmask.As4()
	}
	if vs.FullNAT {
		s.Source = fullNATSource(vs.FullNATFrom)
	}
	return s
}

// fullNATSource is what servers of FULLNAT see instead of the client.
func fullNATSource(list []netip.Addr) string {
	if len(list) == 0 {
		return ipvsctl.AutoSource
	}
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
	}
	return strings.Join(words, " ")
}

// beyond says what nftables cannot do of a pool, where it is to balance.
func (b *builder) beyond(p *Pool, vs *confparse.VirtualServer, at spot) {
	if b.plan.DataPlane != confparse.PlaneNFTables {
		return
	}
	e := ipvsctl.Entry{Service: p.Config.Service, Destinations: map[ipvsctl.DestKey]ipvsctl.Destination{}}
	if vs.Unscheduled {
		e.Service.Scheduler = Rounds
	}
	for _, s := range p.Config.Servers {
		e.Destinations[s.Key] = s.Destination
	}
	if s := p.Config.Sorry; s != nil {
		e.Destinations[s.Key] = s.Destination
	}
	for _, i := range p.Services[:min(1, len(p.Services))] {
		if err := ipvsctl.BeyondNFTables(b.plan.Services[i].Key, e); err != nil {
			b.note(vs.Pos, at, syntax.Failure, "it is left out; with 'lvs_data_plane ipvs' the kernel's IPVS does it", "nftables cannot do it: %w", err)
		}
	}
}

// Rounds is the scheduler where none is asked for and the default needs IPVS.
const Rounds = "wrr"

// servers plans the real servers of vs, its sorry server and their checks.
func (b *builder) servers(p *Pool, vs *confparse.VirtualServer, at spot) {
	index := make(map[ipvsctl.DestKey]int, len(vs.Servers))
	p.Config.Servers, p.Servers = slices.Grow(p.Config.Servers, len(vs.Servers)), slices.Grow(p.Servers, len(vs.Servers))
	for _, rs := range vs.Servers {
		s := server(rs)
		name := s.Key.Name(p.Protocol)
		at.server = name
		if _, twice := index[s.Key]; twice {
			b.note(rs.Pos, at, syntax.Failure, "this one is left out", "real server stands twice in its virtual server")
			continue
		}
		index[s.Key] = len(p.Servers)
		b.checks(p, rs, at)
		p.Config.Servers = append(p.Config.Servers, s)
		p.Servers = append(p.Servers, Server{
			Name: name, SMTPAlert: rs.SMTPAlert,
			NotifyUp: rs.NotifyUp, NotifyDown: rs.NotifyDown,
			SlowStart: int(rs.SlowStart / time.Second),
		})
	}
	if vs.Sorry == nil {
		return
	}
	s := server(vs.Sorry)
	s.Destination.Weight = max(1, s.Destination.Weight)
	s.Inhibit = vs.SorryInhibit
	if i, real := index[s.Key]; real {
		s.Inhibit = p.Config.Servers[i].Inhibit
	}
	p.Config.Sorry = &s
}

func server(rs *confparse.RealServer) ipvsctl.Server {
	return ipvsctl.Server{
		Key:     ipvsctl.DestKey{Addr: rs.Addr.Unmap(), Port: rs.Port},
		Inhibit: rs.Inhibit,
		Destination: ipvsctl.Destination{
			Weight:  uint32(min(max(rs.Weight, 0), math.MaxInt32)),
			Forward: uint8(rs.Forward), Upper: rs.Upper, Lower: rs.Lower,
			TunnelType: rs.Tunnel.Type, TunnelPort: rs.Tunnel.Port, TunnelFlags: rs.Tunnel.Flags,
		},
	}
}

// maxEntries bounds the services one virtual server expands to: as many as an
// IPv6 range of a virtual_server_group can name.
const maxEntries = 1 << 16

var errTooMany = errors.New("group names more than 65536 services")

// services are the keys of vs: one, or what its group expands to.
func (b *builder) services(vs *confparse.VirtualServer, name string) ([]ipvsctl.ServiceKey, error) {
	keys := []ipvsctl.ServiceKey{single(vs)}
	if vs.Group != "" {
		g := b.groups[vs.Group]
		if g == nil {
			return nil, fmt.Errorf("virtual_server_group %s does not exist", vs.Group)
		}
		var err error
		if keys, err = members(g, vs); err != nil {
			return nil, err
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("its group is empty")
	}
	return keys, nil
}

// share is the index of the service k, which vs joins as the next pool unless
// it has it already. Two virtual servers may want the same one; keepalived puts
// the servers of both into it without a word.
func (b *builder) share(k ipvsctl.ServiceKey, vs *confparse.VirtualServer, at spot) (index int, joined bool) {
	pool := len(b.plan.Pools)
	i, stands := b.index[k]
	if !stands {
		b.index[k] = len(b.plan.Services)
		b.plan.Services = append(b.plan.Services, Service{Key: k, Pools: []int{pool}, Place: vs.Pos.String(), Unscheduled: vs.Unscheduled})
		return b.index[k], true
	}
	s := &b.plan.Services[i]
	if s.Pools[len(s.Pools)-1] == pool {
		return i, false
	}
	b.note(vs.Pos, at, syntax.Warning, "its servers are added there, and the first scheduler counts",
		"%s belongs to virtual server %s already", k, b.plan.Pools[s.Pools[0]].Name)
	s.Pools = append(s.Pools, pool)
	return i, true
}

func single(vs *confparse.VirtualServer) ipvsctl.ServiceKey {
	return ipvsctl.ServiceKey{
		Protocol: uint8(vs.Protocol), Addr: vs.Addr, Port: vs.Port, FWMark: vs.FWMark, IPv6: vs.IPv6,
	}.Canonical()
}

// members expands the entries of a group, ranges and all.
func members(g *confparse.ServerGroup, vs *confparse.VirtualServer) ([]ipvsctl.ServiceKey, error) {
	var keys []ipvsctl.ServiceKey
	for _, e := range g.Entries {
		k := ipvsctl.ServiceKey{Protocol: uint8(vs.Protocol), Addr: e.First, Port: e.Port, FWMark: e.FWMark, IPv6: e.IPv6 || vs.IPv6}
		if e.FWMark != 0 {
			keys = append(keys, k.Canonical())
			continue
		}
		if e.First.BitLen() != e.Last.BitLen() || e.Last.Less(e.First) {
			return nil, fmt.Errorf("%s: range %s-%s of group %s runs backwards", e.Pos, e.First, e.Last, g.Name)
		}
		for ; k.Addr.IsValid() && !e.Last.Less(k.Addr); k.Addr = k.Addr.Next() {
			if len(keys) >= maxEntries {
				return nil, errTooMany
			}
			keys = append(keys, k.Canonical())
		}
	}
	return keys, nil
}

// buffer is what a file says of a receive buffer, if it says anything.
func buffer(b confparse.NetlinkBuffer) confparse.NetlinkBuffer {
	if b.Default() {
		return confparse.NetlinkBuffer{}
	}
	return b
}
