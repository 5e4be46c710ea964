package ha

import (
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"keepgo/confparse"
	"keepgo/vip"
	"keepgo/vrrp"
)

// maxVIPs is how many addresses an advert can count, RFC 9568 section 5.2.5.
// keepalived moves the rest to the excluded ones: they stand, unannounced.
const maxVIPs = 255

// buffer is a receive buffer as it is configured. keepalived's default is left to
// the door: it holds the news of a few hundred addresses, and what is lost of a
// takeover of more takes everything to be read anew.
func buffer(b confparse.NetlinkBuffer) Buffer {
	if b.Default() {
		return Buffer{}
	}
	return Buffer(b)
}

// Build plans the VRRP half of a configuration.
func Build(cfg *confparse.Config) *Plan {
	p := &Plan{
		Static: vip.Want{Addresses: addresses(cfg.StaticAddresses), Own: true},
		Firewall: Firewall{
			Table:    cfg.Global.NFTables.Table,
			Priority: int32(cfg.Global.NFTables.Priority),
			ByIndex:  cfg.Global.NFTables.IfIndex,
			Counters: cfg.Global.NFTables.Counters,
		},
		Dynamic: cfg.Global.DynamicInterfaces, AllowIfChanges: cfg.Global.AllowIfChanges,
		QuietIGMP:    cfg.Global.DisableLocalIGMP,
		Orders:       buffer(cfg.Global.VRRPCommandBuffer),
		News:         buffer(cfg.Global.VRRPMonitorBuffer),
		LogStrangers: cfg.Global.LogUnknownVRIDs,
		Repeat:       cfg.Global.FIFOOnReload,
		Faults:       cfg.Global.SNMP.Traps && (cfg.Global.SNMP.RFCv2 || cfg.Global.SNMP.RFCv3),
		StartupDelay: cfg.Global.StartupDelay,
		Instances:    make([]*Instance, 0, len(cfg.Instances)),
		AfterBoot:    cfg.Global.DelayAfterBoot,
		FramesFirst:  cfg.Global.FramesFirst,
	}
	for _, d := range cfg.InterfaceDelays {
		if p.Delays == nil {
			p.Delays = map[string]Delay{}
		}
		p.Delays[d.Interface] = Delay{Down: d.Down, Up: d.Up}
	}
	for _, g := range cfg.GARPGroups {
		p.Spacings = append(p.Spacings, Spacing{g.Interfaces, g.Interval, g.GNAInterval})
	}
	scripts := map[string]int{}
	for i, s := range cfg.Scripts {
		scripts[s.Name] = i
		p.Scripts = append(p.Scripts, Script{Name: s.Name, Rise: max(s.Rise, 1), Fall: max(s.Fall, 1), Same: identity(s.Command)})
	}
	files, processes := map[string]int{}, map[string]int{}
	for i, f := range cfg.TrackFiles {
		files[f.Name] = i
		p.Files = append(p.Files, f.Name)
	}
	for i, t := range cfg.TrackProcesses {
		processes[t.Name] = i
		p.Processes = append(p.Processes, t.Name)
	}
	bfds := map[string]int{}
	for i, b := range cfg.BFDs {
		if b.VRRP {
			bfds[b.Name] = i
		}
		p.BFDs = append(p.BFDs, b.Name)
	}
	known := trackers{scripts, files, processes, bfds}
	index := map[string]int{}
	for i, c := range cfg.Instances {
		index[c.Name] = i
		p.Instances = append(p.Instances, build(c, &cfg.Global, known))
	}
	for _, g := range cfg.SyncGroups {
		p.group(g, index, known)
	}
	p.poll(cfg)
	p.lateness()
	p.tieAddresses(cfg)
	p.sync(cfg, index)
	return p
}

// trackers finds tracked things by name.
type trackers struct{ scripts, files, processes, bfds map[string]int }

// lateness tells the instances with timer_expired_backup how late is too late:
// before anyone could have taken over, the quickest of all instances counting.
func (p *Plan) lateness() {
	quickest := time.Duration(0)
	for _, in := range p.Instances {
		if late := in.Router.BackupWhenLate; late > 0 && (quickest == 0 || late < quickest) {
			quickest = late
		}
	}
	for _, in := range p.Instances {
		if in.Router.BackupWhenLate > 0 {
			in.Router.BackupWhenLate = quickest
		}
	}
}

func identity(c confparse.Command) string {
	return strings.Join(append(slices.Clone(c.Args), c.User, c.Group), "\x00")
}

// build plans one instance.
func build(c *confparse.Instance, g *confparse.Global, known trackers) *Instance {
	unicast := len(c.Peers) > 0
	in := &Instance{
		Key:         Key{Link: c.Interface, VRID: c.VRID, IPv6: c.IPv6, Unicast: unicast},
		Name:        c.Name,
		Unusable:    c.Unusable,
		Router:      router(c),
		TTL:         vrrp.TTL,
		Group:       c.Group,
		Addresses:   append(addresses(c.Addresses), addresses(c.Excluded)...),
		Device:      device(c, g),
		Promote:     c.PromoteSecondaries,
		TrackSource: c.TrackSource && c.Source.IsValid(),
		Drop:        !c.Accept && c.Priority != vrrp.Owner,
		Announce:    announce(c.GARP),
		Reannounce:  c.Reannounce,
		ReleaseLost: c.ReleaseLost,
		Deleted:     c.NotifyDeleted,
		Priorities:  c.NotifyPriorityChanges,
		Tracks:      &Tracks{},
	}
	if unicast {
		in.Key.Source, in.Key.VRF = c.Source, c.VRF
		in.TTL = c.UnicastTTL
		in.Group = netip.Addr{}
	}
	in.carry(c, g)
	in.Advert = advert(c)
	in.Expect = expect(c, in.Advert.Addresses)
	in.size(c, &g.ReceiveBuffer)
	in.sign(c.HMAC)
	if c.TimerExpiredBackup {
		in.Router.BackupWhenLate = vrrp.TakeOver(c.Version, c.HighestOther, c.AdvertInt)
	}
	in.track(c, known)
	return in
}

func router(c *confparse.Instance) vrrp.Config {
	return vrrp.Config{
		VRID:                  c.VRID,
		Version:               c.Version,
		Priority:              c.Priority,
		Interval:              c.AdvertInt,
		Source:                c.Source,
		StartMaster:           c.Master,
		NoPreempt:             c.NoPreempt,
		PreemptDelay:          c.PreemptDelay,
		DownAdverts:           uint8(c.DownTimerAdverts), // 1..100
		LowerPriorityNoAdvert: c.LowerPriorityNoAdvert,
		HigherPrioritySend:    c.HigherPrioritySend,
		OwnerIgnoresAdverts:   c.OwnerIgnoresAdverts,
		ListenAfterPause:      c.ListenAfterPause,
		LastWord:              c.Reannounce && !c.Strict,
	}
}

// advert is the instance's own packet, but for the priority.
func advert(c *confparse.Instance) vrrp.Packet {
	p := vrrp.Packet{
		Version:  c.Version,
		VRID:     c.VRID,
		Interval: c.AdvertInt,
		AuthType: uint8(c.AuthType),
		PlainSum: c.V3ChecksumAsV2,
		OldSum:   c.OldUnicastChecksum == confparse.AlwaysOldChecksum,
	}
	copy(p.Auth[:], c.AuthPass)
	for _, a := range c.Addresses[:min(len(c.Addresses), maxVIPs)] {
		p.Addresses = vrrp.AppendAddress(p.Addresses, a.Prefix.Addr())
	}
	return p
}

func expect(c *confparse.Instance, vips []byte) vrrp.Expect {
	x := vrrp.Expect{
		Version:     c.Version,
		Interval:    c.AdvertInt,
		AuthType:    uint8(c.AuthType),
		Unicast:     len(c.Peers) > 0,
		CheckSource: c.CheckPeer,
		Addresses:   vips,
		FirstOnly:   c.SkipAddressCheck,
		DropOther:   c.DropMismatch,
		AnySum:      c.V3ChecksumAsV2,

		NoOldChecksum: c.OldUnicastChecksum == confparse.NeverOldChecksum,
	}
	copy(x.Auth[:], c.AuthPass)
	for _, p := range c.Peers {
		x.Peers = append(x.Peers, vrrp.Peer{Addr: p.Addr, MinTTL: p.MinTTL, MaxTTL: p.MaxTTL})
	}
	return x
}

// headers is what stands before the addresses of an advert and behind them: the
// IPv4 header, that of VRRP and the password of version 2.
const headers = 20 + 8 + 8

// size plans the instance's part of the receive buffer: what is said of it alone
// goes before all, bytes before MTU, and MTU before ADVERT.
func (in *Instance) size(c *confparse.Instance, p *confparse.ReceiveBuffer) {
	switch {
	case c.ReceiveBuffer > 0:
		in.Buffer = capped(c.ReceiveBuffer)
	case p.Bytes > 0:
		in.Buffer = capped(p.Bytes)
	case p.MTU:
		in.BufferMTUs = capped(p.Multiplier)
	case p.Advert:
		in.Buffer = capped(p.Multiplier * (headers + len(in.Advert.Addresses)))
	}
}

// capped is a number of bytes or packets as far as a socket option goes.
func capped(n int) int32 { return int32(min(n, math.MaxInt32)) }

func announce(g confparse.GARP) *Announce {
	return &Announce{
		Repeat:        g.Repeat,
		Delay:         g.Delay,
		Refresh:       g.Refresh,
		RefreshRepeat: g.RefreshRepeat,
		Interval:      g.Interval,
		GNAInterval:   g.GNAInterval,
		LowerRepeat:   g.LowerRepeat,
		LowerDelay:    g.LowerDelay,
		Extra:         g.Extra,
		ExtraAll:      g.ExtraAll,
	}
}

func addresses(list []confparse.Address) vip.Set {
	var set vip.Set
	for _, a := range list {
		set = append(set, vip.Address{
			Link:        a.Interface,
			Prefix:      a.Prefix,
			Peer:        a.Peer,
			Label:       a.Label,
			Scope:       a.Scope,
			Broadcast:   a.Broadcast,
			Preferred:   a.PreferredLifetime,
			HomeAddress: a.HomeAddress,
			DAD:         a.DAD,

			TemporaryFrom: a.ManageTempAddr,
			NoPrefixRoute: a.NoPrefixRoute,
			AutoJoin:      a.AutoJoin,
			NoTrack:       a.NoTrack,
		})
	}
	return set
}

// track lists what the instance depends on: its own interface and those of its
// addresses (keepalived tracks them unasked), then what is configured.
func (in *Instance) track(c *confparse.Instance, known trackers) {
	if c.Interface != "" && !c.DontTrackPrimary {
		in.trackLink(Track{Link: c.Interface})
	}
	if in.Key.VRF != "" {
		in.trackLink(Track{Link: in.Key.VRF})
	}
	for _, a := range append(slices.Clone(c.Addresses), c.Excluded...) {
		if !a.NoTrack && a.Interface != c.Interface {
			in.trackLink(Track{Link: a.Interface})
		}
	}
	for _, t := range c.TrackInterfaces {
		in.trackLink(Track{Link: t.Name, Weight: t.Weight, Reverse: t.Reverse})
	}
	add(&in.Scripts, c.TrackScripts, known.scripts)
	add(&in.Files, c.TrackFiles, known.files)
	add(&in.Processes, c.TrackProcesses, known.processes)
	add(&in.BFDs, c.TrackBFDs, known.bfds)
}

// add adds tracked things unless they are tracked already, or do not exist,
// which the configuration's own check has reported.
func add(to *[]Track, from []confparse.Track, known map[string]int) {
	for _, t := range from {
		if i, ok := known[t.Name]; ok && !uses(*to, i) {
			*to = append(*to, Track{Index: i, Weight: t.Weight, Reverse: t.Reverse})
		}
	}
}

// trackLink adds an interface unless it is tracked already.
func (in *Instance) trackLink(t Track) {
	if !slices.ContainsFunc(in.Links, func(o Track) bool { return o.Link == t.Link }) {
		in.Links = append(in.Links, t)
	}
}

// group plans a sync group and what it brings to its members: they ask before
// they become master, none of them hurries at start, and the group's trackers
// are theirs.
func (p *Plan) group(g *confparse.SyncGroup, index map[string]int, known trackers) {
	out := Group{Name: g.Name}
	for _, name := range g.Members {
		i, ok := index[name]
		if !ok || p.Instances[i].Router.Grouped {
			continue
		}
		in := p.Instances[i]
		in.Router.Grouped = true
		in.Router.StartMaster = false
		in.join(g, known)
		out.Members = append(out.Members, i)
	}
	if len(out.Members) > 0 {
		p.Groups = append(p.Groups, out)
	}
}

// join gives a member its group's trackers. Without
// sync_group_tracking_weight a weight would pull the members apart: weighted
// interfaces fault instead, and weighted scripts and BFD sessions do not count.
func (in *Instance) join(g *confparse.SyncGroup, known trackers) {
	for _, t := range g.TrackInterfaces {
		in.trackLink(Track{Link: t.Name, Weight: t.Weight, Reverse: t.Reverse})
	}
	add(&in.Scripts, g.TrackScripts, known.scripts)
	add(&in.Files, g.TrackFiles, known.files)
	add(&in.Processes, g.TrackProcesses, known.processes)
	add(&in.BFDs, g.TrackBFDs, known.bfds)
	if g.TrackWeights {
		return
	}
	for i := range in.Links {
		in.Links[i].Weight = 0
	}
	weighted := func(t Track) bool { return t.Weight != 0 }
	in.Scripts = slices.DeleteFunc(in.Scripts, weighted)
	in.BFDs = slices.DeleteFunc(in.BFDs, weighted)
	for i := range in.Files {
		if in.Files[i].Weight == 1 { // the default of a file: it faults instead
			in.Files[i].Weight = 0
		}
	}
	in.Files = slices.DeleteFunc(in.Files, weighted)
}

// sign plans auth_hmac. An instance whose keys are not fit must not run
// unauthenticated instead, as keepalived's would.
func (in *Instance) sign(c *confparse.HMAC) {
	if c == nil {
		return
	}
	h := &vrrp.HMAC{Active: c.Active, Window: c.Window, Monotonic: c.Monotonic, Mode: modes[c.Mode]}
	for _, k := range c.Keys {
		secret, err := secret(k.Value)
		if err != nil && in.Unusable == "" {
			in.Unusable = fmt.Sprintf("key %d of auth_hmac: %v", k.ID, err)
		}
		h.Keys = append(h.Keys, vrrp.Key{ID: k.ID, Secret: secret})
	}
	in.Expect.HMAC = h
}

var modes = map[string]vrrp.HMACMode{
	"permissive":   vrrp.HMACPermissive,
	"receive-only": vrrp.HMACReceiveOnly,
}

// secret is the key that a value stands for. A file has been read by whoever
// loaded the configuration.
func secret(value string) ([]byte, error) {
	b := []byte(value)
	if digits, ok := strings.CutPrefix(value, "hex:"); ok {
		var err error
		if b, err = hex.DecodeString(digits); err != nil {
			return nil, fmt.Errorf("not hexadecimal: %w", err)
		}
	}
	if len(b) < 32 || len(b) > 64 {
		return nil, fmt.Errorf("%d bytes long, 32 to 64 are needed", len(b))
	}
	return b, nil
}
