package ha

import (
	"fmt"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/vip"
)

// Route plans what the names of the host decide: routes, rules and link groups.
// Lines that say nothing the kernel could do are left out and told.
func (p *Plan) Route(cfg *confparse.Config, names vip.Names) syntax.ErrorList {
	var found syntax.ErrorList
	p.Static.Routes = parse(cfg.StaticRoutes, names, vip.ParseRoute, "static_routes", &found)
	p.Static.Rules = parse(cfg.StaticRules, names, vip.ParseRule, "static_rules", &found)
	all := [][]vip.Rule{p.Static.Rules}
	for i, c := range cfg.Instances {
		in, path := p.Instances[i], "vrrp_instance "+c.Name
		in.Routes = parse(c.Routes, names, vip.ParseRoute, path+" > virtual_routes", &found)
		in.Rules = parse(c.Rules, names, vip.ParseRule, path+" > virtual_rules", &found)
		all = append(all, in.Rules)
		in.trackRoutes(c)
		if err := in.Device.join(linkGroup(c), names); err != nil {
			found = append(found, &syntax.Error{Pos: c.Pos, Path: path, Severity: syntax.Failure, Err: err, Hint: "the group of the interface below is used"})
		}
	}
	p.tieRoutes(cfg)
	vip.NumberRules(all...)
	return found
}

// parse reads the lines of a block, each with its place in what is found wrong.
func parse[T any](lines []confparse.Line, names vip.Names, read func([]string, vip.Names) (T, error), path string, found *syntax.ErrorList) []T {
	var out []T
	for _, l := range lines {
		v, err := read(l.Words, names)
		if err != nil {
			*found = append(*found, &syntax.Error{Pos: l.Pos, Path: path, Severity: syntax.Failure, Err: err, Hint: "the line is left out"})
			continue
		}
		out = append(out, v)
	}
	return out
}

// linkGroup is the link group that an instance's own interface is to be in.
func linkGroup(c *confparse.Instance) string {
	if c.IPVLAN != nil {
		return c.IPVLAN.Group
	}
	return c.VMAC.Group
}

// join puts the device into a link group of the host.
func (d *Device) join(group string, names vip.Names) error {
	if d == nil || group == "" {
		return nil
	}
	n, ok := names.Group(group)
	if !ok {
		return fmt.Errorf("'%s' is no link group: neither a name of this host nor a number", group)
	}
	d.Group, d.OwnGroup = n, true
	return nil
}

// trackRoutes makes the instance depend on the interfaces of its routes, as
// keepalived does unasked.
func (in *Instance) trackRoutes(c *confparse.Instance) {
	for _, r := range in.Routes {
		for _, h := range r.Hops {
			own := h.Link == c.Interface && c.DontTrackPrimary || in.Device.named(h.Link)
			if h.Link != "" && !r.NoTrack && !own {
				in.trackLink(Track{Link: h.Link})
			}
		}
	}
}

// named tells whether the device is to have a name.
func (d *Device) named(name string) bool {
	if d == nil || d.Name != "" {
		return d != nil && d.Name == name
	}
	prefix := d.Prefix
	if prefix == "" {
		prefix = "vrrp"
	}
	return name == fmt.Sprintf("%s.%d", prefix, d.VRID)
}

// tieAddresses makes the instances of track groups depend on the interfaces of
// static addresses, and tieRoutes on those of static routes and rules. What is
// not tracked ties nobody.
func (p *Plan) tieAddresses(cfg *confparse.Config) {
	tied := p.tied(cfg)
	for _, a := range cfg.StaticAddresses {
		if !a.NoTrack {
			p.tie(tied[a.TrackGroup], a.Interface)
		}
	}
}

func (p *Plan) tieRoutes(cfg *confparse.Config) {
	tied := p.tied(cfg)
	for _, r := range p.Static.Routes {
		for _, h := range r.Hops {
			if !r.NoTrack {
				p.tie(tied[r.TrackGroup], h.Link)
			}
		}
	}
	for _, r := range p.Static.Rules {
		if !r.NoTrack {
			p.tie(tied[r.TrackGroup], r.IIF)
		}
	}
}

// tied finds the instances of each track group.
func (p *Plan) tied(cfg *confparse.Config) map[string][]int {
	tied := map[string][]int{}
	if len(cfg.TrackGroups) == 0 {
		return tied
	}
	index := map[string]int{}
	for i := range p.Instances {
		index[p.Instances[i].Name] = i
	}
	for _, g := range cfg.TrackGroups {
		for _, name := range g.Members {
			if i, ok := index[name]; ok {
				tied[g.Name] = append(tied[g.Name], i)
			}
		}
	}
	return tied
}

func (p *Plan) tie(members []int, link string) {
	for _, i := range members {
		if link != "" {
			p.Instances[i].trackLink(Track{Link: link})
		}
	}
}
