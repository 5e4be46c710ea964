package ha

import (
	"net/netip"
	"slices"
	"strings"

	"keepgo/confparse"
	"keepgo/vip"
	"keepgo/vrrp"
)

// maxVIPs is how many addresses an advert can count, RFC 9568 section 5.2.5.
// keepalived moves the rest to the excluded ones: they stand, unannounced.
const maxVIPs = 255

// Build plans the VRRP half of a configuration.
func Build(cfg *confparse.Config) *Plan {
	p := &Plan{Static: addresses(cfg.StaticAddresses)}
	scripts := map[string]int{}
	for i, s := range cfg.Scripts {
		scripts[s.Name] = i
		p.Scripts = append(p.Scripts, Script{Name: s.Name, Rise: max(s.Rise, 1), Fall: max(s.Fall, 1), Same: identity(s.Command)})
	}
	index := map[string]int{}
	for i, c := range cfg.Instances {
		index[c.Name] = i
		p.Instances = append(p.Instances, build(c, scripts))
	}
	for _, g := range cfg.SyncGroups {
		p.group(g, index, scripts)
	}
	return p
}

func identity(c confparse.Command) string {
	return strings.Join(append(slices.Clone(c.Args), c.User, c.Group), "\x00")
}

// build plans one instance.
func build(c *confparse.Instance, scripts map[string]int) Instance {
	unicast := len(c.Peers) > 0
	in := Instance{
		Key:        Key{Link: c.Interface, VRID: c.VRID, IPv6: c.IPv6, Unicast: unicast},
		Name:       c.Name,
		Unusable:   c.Unusable,
		Router:     router(c),
		TTL:        vrrp.TTL,
		Group:      c.Group,
		Addresses:  append(addresses(c.Addresses), addresses(c.Excluded)...),
		Announce:   announce(c.GARP),
		Deleted:    c.NotifyDeleted,
		Priorities: c.NotifyPriorityChanges,
	}
	if unicast {
		in.Key.Source = c.Source
		in.TTL = c.UnicastTTL
		in.Group = netip.Addr{}
	}
	in.Advert = advert(c)
	in.Expect = expect(c, in.Advert.Addresses)
	in.track(c, scripts)
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
		DownAdverts:           c.DownTimerAdverts,
		LowerPriorityNoAdvert: c.LowerPriorityNoAdvert,
		HigherPrioritySend:    c.HigherPrioritySend,
		OwnerIgnoresAdverts:   c.OwnerIgnoresAdverts,
		ListenAfterPause:      true,
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
		AnySum:      c.V3ChecksumAsV2,
	}
	copy(x.Auth[:], c.AuthPass)
	if !c.SkipAddressCheck {
		x.Addresses = vips
	}
	for _, p := range c.Peers {
		x.Peers = append(x.Peers, vrrp.Peer{Addr: p.Addr, MinTTL: p.MinTTL, MaxTTL: p.MaxTTL})
	}
	return x
}

func announce(g confparse.GARP) Announce {
	return Announce{
		Repeat:        g.Repeat,
		Delay:         g.Delay,
		Refresh:       g.Refresh,
		RefreshRepeat: g.RefreshRepeat,
		Interval:      g.Interval,
		GNAInterval:   g.GNAInterval,
		LowerRepeat:   g.LowerRepeat,
		LowerDelay:    g.LowerDelay,
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
		})
	}
	return set
}

// track lists what the instance depends on: its own interface and those of its
// addresses (keepalived tracks them unasked), then what is configured.
func (in *Instance) track(c *confparse.Instance, scripts map[string]int) {
	if c.Interface != "" && !c.DontTrackPrimary {
		in.trackLink(Track{Link: c.Interface})
	}
	for _, a := range append(slices.Clone(c.Addresses), c.Excluded...) {
		if !a.NoTrack && a.Interface != c.Interface {
			in.trackLink(Track{Link: a.Interface})
		}
	}
	for _, t := range c.TrackInterfaces {
		in.trackLink(Track{Link: t.Name, Weight: t.Weight, Reverse: t.Reverse})
	}
	for _, t := range c.TrackScripts {
		in.trackScript(t, scripts)
	}
}

// trackLink adds an interface unless it is tracked already.
func (in *Instance) trackLink(t Track) {
	if !slices.ContainsFunc(in.Links, func(o Track) bool { return o.Link == t.Link }) {
		in.Links = append(in.Links, t)
	}
}

// trackScript adds a script unless it is tracked already or does not exist,
// which the configuration's own check has reported.
func (in *Instance) trackScript(t confparse.Track, scripts map[string]int) {
	i, ok := scripts[t.Name]
	if ok && !slices.ContainsFunc(in.Scripts, func(o Track) bool { return o.Index == i }) {
		in.Scripts = append(in.Scripts, Track{Index: i, Weight: t.Weight, Reverse: t.Reverse})
	}
}

// group plans a sync group and what it brings to its members: they ask before
// they become master, none of them hurries at start, and the group's trackers
// are theirs.
func (p *Plan) group(g *confparse.SyncGroup, index, scripts map[string]int) {
	out := Group{Name: g.Name}
	for _, name := range g.Members {
		i, ok := index[name]
		if !ok || p.Instances[i].Router.Grouped {
			continue
		}
		in := &p.Instances[i]
		in.Router.Grouped = true
		in.Router.StartMaster = false
		in.join(g, scripts)
		out.Members = append(out.Members, i)
	}
	if len(out.Members) > 0 {
		p.Groups = append(p.Groups, out)
	}
}

// join gives a member its group's trackers. Without
// sync_group_tracking_weight a weight would pull the members apart: weighted
// interfaces fault instead, and weighted scripts do not count.
func (in *Instance) join(g *confparse.SyncGroup, scripts map[string]int) {
	for _, t := range g.TrackInterfaces {
		in.trackLink(Track{Link: t.Name, Weight: t.Weight, Reverse: t.Reverse})
	}
	for _, t := range g.TrackScripts {
		in.trackScript(t, scripts)
	}
	if g.TrackWeights {
		return
	}
	for i := range in.Links {
		in.Links[i].Weight = 0
	}
	in.Scripts = slices.DeleteFunc(in.Scripts, func(t Track) bool { return t.Weight != 0 })
}
