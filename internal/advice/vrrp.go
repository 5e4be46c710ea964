package advice

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// slowTakeover is the time of silence after which a takeover surprises.
const slowTakeover = 10 * time.Second

// instance advises about one virtual router.
func (a *adviser) instance(i *confparse.Instance) {
	r := newRouter(a.File, i)
	if i.Interface == "lo" {
		a.say(syntax.Warning, a.Places.find(i.Pos, "interface"), pathOf(i), "name the interface that the other director is on", "no advert leaves the loopback interface")
	}
	if down := r.masterDown(r.healthy(), i.AdvertInt); down > slowTakeover {
		a.say(syntax.Note, a.Places.find(i.Pos, "advert_int"), pathOf(i), "",
			"a silent master is replaced after %s: %d x advert_int %s and a skew of %s", seconds(down), r.adverts(), seconds(i.AdvertInt), seconds(down-time.Duration(r.adverts())*i.AdvertInt))
	}
	for _, t := range r.trackers {
		if t.weight == 0 || i.Priority == ownerPriority {
			continue
		}
		good, bad := r.healthy(), r.with(t.same).priority
		switch {
		case good == bad:
			a.say(syntax.Warning, t.at, pathOf(i), "lower the priority, or use a negative weight",
				"%s changes nothing: priority %d%s is cut to 1-254 and stays %d when it fails", t, i.Priority, r.sum(), good)
		case i.NoPreempt:
			a.say(syntax.Note, t.at, pathOf(i), "weight 0 (FAULT) hands the addresses over in any case",
				"%s fails: priority %d to %d; a peer with nopreempt does not take over from a living master", t, good, bad)
		}
	}
}

// sum shows the weights that count while all is well.
func (r *router) sum() string {
	s := ""
	for _, t := range r.trackers {
		if t.weight > 0 {
			s += fmt.Sprintf(" + %d", t.weight)
		}
	}
	return s
}

// group advises about instances that change state together.
func (a *adviser) group(g *confparse.SyncGroup) {
	block := "vrrp_sync_group " + g.Name
	members := a.members(g)
	for _, m := range members {
		a.lostWeights(g, m)
	}
	for _, m := range members[min(1, len(members)):] {
		first := members[0]
		switch {
		case m.AdvertInt != first.AdvertInt:
			a.say(syntax.Note, a.Places.find(m.Pos, "advert_int"), block, "the slowest member decides how long a takeover lasts",
				"advert_int %s of %s, %s of %s (line %d)", seconds(m.AdvertInt), m.Name, seconds(first.AdvertInt), first.Name, first.Pos.Line)
		case m.Priority != first.Priority:
			a.say(syntax.Note, a.Places.find(m.Pos, "priority"), block, "the group becomes master only where every member would",
				"priority %d of %s, %d of %s (line %d)", m.Priority, m.Name, first.Priority, first.Name, first.Pos.Line)
		default:
			continue
		}
		return
	}
}

func (a *adviser) members(g *confparse.SyncGroup) (list []*confparse.Instance) {
	for _, i := range a.Config.Instances {
		if slices.Contains(g.Members, i.Name) && i.Unusable == "" {
			list = append(list, i)
		}
	}
	return list
}

// lostWeights tells of weights that a sync group takes away.
func (a *adviser) lostWeights(g *confparse.SyncGroup, i *confparse.Instance) {
	if g.TrackWeights {
		return
	}
	const hint = "add sync_group_tracking_weight to the group, or use weight 0"
	for _, t := range slices.Concat(i.TrackScripts, g.TrackScripts) {
		if t.Weight != 0 {
			a.say(syntax.Warning, spot{t.Pos, len(t.Name)}, pathOf(i), hint,
				"track_script %s (weight %d) has no effect: %s is in vrrp_sync_group %s, which does not weigh", t.Name, t.Weight, i.Name, g.Name)
		}
	}
	for _, t := range slices.Concat(i.TrackInterfaces, g.TrackInterfaces) {
		if t.Weight != 0 {
			a.say(syntax.Warning, spot{t.Pos, len(t.Name)}, pathOf(i), hint,
				"track_interface %s: weight %d is not used; %s is in vrrp_sync_group %s, and goes to FAULT with the interface", t.Name, t.Weight, i.Name, g.Name)
		}
	}
}

// slowScript is the time within which a failure should be noticed.
const slowScript = time.Minute

// scripts advises about how soon a failure is noticed.
func (a *adviser) scripts() {
	for _, s := range a.Config.Scripts {
		block := "vrrp_script " + s.Name
		if d := noticed(s); d > slowScript {
			a.say(syntax.Note, a.Places.find(s.Pos, "interval"), block, "",
				"a failure is noticed after up to %s: fall %d x interval %s, and a timeout of %s", seconds(d), s.Fall, seconds(s.Interval), seconds(s.Timeout))
		}
	}
}

// noticed is the longest time from a failure to its effect.
func noticed(s *confparse.Script) time.Duration {
	return time.Duration(max(s.Fall, 1))*s.Interval + s.Timeout
}

// addresses finds virtual addresses that something else claims too.
func (a *adviser) addresses() {
	static := map[netip.Addr]confparse.Address{}
	for _, s := range a.Config.StaticAddresses {
		static[s.Prefix.Addr()] = s
	}
	type owner struct {
		*confparse.Instance
		link string
	}
	seen := map[netip.Addr]owner{}
	for _, i := range a.Config.Instances {
		for _, list := range [][]confparse.Address{i.Addresses, i.Excluded} {
			for _, v := range list {
				addr := v.Prefix.Addr()
				at := spot{v.Pos, len(addr.String())}
				if s, ok := static[addr]; ok {
					a.say(syntax.Warning, at, pathOf(i), "a virtual address stands on the master only; take it out of static_ipaddress",
						"%s is a static_ipaddress too (line %d): both directors would answer for it", addr, s.Pos.Line)
				}
				if o, ok := seen[addr]; ok && o.link != v.Interface {
					a.say(syntax.Warning, at, pathOf(i), "", "%s on %s is already a VIP of %s on %s (line %d)", addr, v.Interface, o.Name, o.link, o.Pos.Line)
				}
				seen[addr] = owner{i, v.Interface}
			}
		}
	}
}
