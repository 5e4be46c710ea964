package confparse

import (
	"fmt"
	"net/netip"

	"keepgo/confparse/syntax"
)

// checkRouters finds virtual routers that would answer for each other.
func (r *reader) checkRouters() {
	type key struct {
		vrid  uint8
		v6    bool
		link  string
		group netip.Addr
	}
	first := make(map[key]*Instance, len(r.cfg.Instances))
	for _, i := range r.cfg.Instances {
		if i.VRID == 0 || len(i.Peers) > 0 {
			continue
		}
		k := key{i.VRID, i.IPv6, i.Interface, i.Group}
		other := first[k]
		if other == nil {
			first[k] = i
			continue
		}
		r.fail(i, "virtual_router_id", "give it another number", "virtual_router_id %d on %s is already used by %s (line %d)",
			i.VRID, i.Interface, other.Name, r.line(other, "virtual_router_id"))
		i.Unusable = fmt.Sprintf("virtual_router_id %d on %s is used by %s", i.VRID, i.Interface, other.Name)
	}
}

// checkAddresses finds addresses that two instances or two lines have.
func (r *reader) checkAddresses() {
	type owner struct {
		instance *Instance
		line     int
	}
	type key struct {
		addr netip.Addr
		link string
	}
	n := 0
	for _, i := range r.cfg.Instances {
		n += len(i.Addresses) + len(i.Excluded)
	}
	seen := make(map[key]owner, n)
	for _, i := range r.cfg.Instances {
		for _, list := range []*[]Address{&i.Addresses, &i.Excluded} {
			kept := (*list)[:0]
			for _, a := range *list {
				k := key{a.Prefix.Addr(), a.Interface}
				o, twice := seen[k]
				switch {
				case !twice:
					seen[k] = owner{i, a.Pos.Line}
				case o.instance == i:
					r.found(syntax.Warning, a.Pos, len(a.Prefix.String()), "vrrp_instance "+clip(i.Name), "",
						"%s is already listed on line %d", k.addr, o.line)
					continue
				default:
					r.found(syntax.Warning, a.Pos, len(a.Prefix.String()), "vrrp_instance "+clip(i.Name), "",
						"%s is already a VIP of %s (line %d)", k.addr, o.instance.Name, o.line)
				}
				kept = append(kept, a)
			}
			*list = kept
		}
	}
}

// checkTracking finds trackers that cannot do what they are for.
func (r *reader) checkTracking() {
	told, scripts := map[string]bool{}, r.scripts()
	for _, i := range r.cfg.Instances {
		r.trackedTwice(i)
		for _, t := range i.TrackScripts {
			r.smallWeight(i, scripts[t.Name], t, told)
		}
		if n := r.scope(i).at("track_script"); n != nil && len(n.Body) == 0 {
			r.warn(i, "track_script", "", "empty track_script block%s", r.firstUnused(i))
		}
		r.ownersTrackers(i)
	}
}

// ownersTrackers drops the trackers with a weight of an address owner, whose
// priority never changes.
func (r *reader) ownersTrackers(i *Instance) {
	if i.Priority != ownerPriority {
		return
	}
	for _, l := range []struct {
		keyword string
		list    *[]Track
	}{{"track_script", &i.TrackScripts}, {"track_interface", &i.TrackInterfaces}, {"track_file", &i.TrackFiles},
		{"track_process", &i.TrackProcesses}, {"track_bfd", &i.TrackBFDs}} {
		kept := unweighted(*l.list)
		if len(kept) < len(*l.list) && r.has(i, l.keyword) {
			r.warn(i, "priority", "use priority 254 or less", "priority 255 means address owner; %s weights have no effect", l.keyword)
		}
		*l.list = kept
	}
}

func unweighted(list []Track) []Track {
	var kept []Track
	for _, t := range list {
		if t.Weight == 0 {
			kept = append(kept, t)
		}
	}
	return kept
}

// firstUnused names a script that an empty block may have been meant for.
func (r *reader) firstUnused(i *Instance) string {
	for _, o := range r.cfg.Scripts {
		return fmt.Sprintf("; vrrp_script %s (line %d) is not used", o.Name, o.Pos.Line)
	}
	return ""
}

// trackedTwice drops trackers that a block names again, and the instance's own
// interface.
func (r *reader) trackedTwice(i *Instance) {
	for _, list := range []*[]Track{&i.TrackInterfaces, &i.TrackScripts, &i.TrackFiles, &i.TrackProcesses, &i.TrackBFDs} {
		if len(*list) == 0 {
			continue
		}
		seen := map[string]bool{}
		kept := (*list)[:0]
		for _, t := range *list {
			if list == &i.TrackInterfaces && t.Name == i.Interface && t.Name != "" {
				r.found(syntax.Warning, t.Pos, len(t.Name), "vrrp_instance "+clip(i.Name), "delete the line",
					"%s is the instance's own interface, which is tracked anyway", clip(t.Name))
				continue
			}
			if seen[t.Name] {
				r.found(syntax.Failure, t.Pos, len(t.Name), "vrrp_instance "+clip(i.Name), "", "'%s' is tracked twice", clip(t.Name))
				continue
			}
			seen[t.Name] = true
			kept = append(kept, t)
		}
		*list = kept
	}
}

// enough is the gap between the priorities of two routers in most
// configurations; a smaller weight may never turn the roles.
const enough = 5

func (r *reader) smallWeight(i *Instance, o *Script, t Track, told map[string]bool) {
	if t.Weight == 0 || t.Weight > enough || t.Weight < -enough || told[t.Name] {
		return
	}
	told[t.Name] = true
	if o == nil || !r.has(o, "weight") {
		return
	}
	high := int(i.Priority) + max(t.Weight, 0)
	low := high - max(t.Weight, -t.Weight)
	r.note(o, "weight", "the weight must be larger than the difference of the two priorities",
		"on failure the priority falls from %d to %d; a peer at %d or lower never takes over", high, low, low)
}
