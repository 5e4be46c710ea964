package ha

import (
	"fmt"
	"reflect"
	"strings"

	"keepgo/internal/status"
	"keepgo/vip"
	"keepgo/vrrp"
)

// Preview tells what a reload from this plan to the next would do to instances
// that are as seen. Nothing is stepped: it is the reload's own matching, and the
// door's own differences.
func (p *Plan) Preview(next *Plan, seen []status.Instance) []status.Change {
	now := map[string]*status.Instance{}
	for i := range seen {
		now[seen[i].Name] = &seen[i]
	}
	kept, old := New(p).match(next), map[*Instance]*Instance{}
	stays := map[*Instance]bool{}
	for in, m := range kept {
		old[in], stays[m.plan] = m.plan, true
	}
	var list []status.Change
	for _, in := range p.Instances {
		if !stays[in] {
			list = append(list, removal(in, now[in.Name]))
		}
	}
	for _, in := range next.Instances {
		was := old[in]
		if was == nil {
			list = append(list, arrival(in))
			continue
		}
		if c := difference(p, next, was, in, now[was.Name]); !c.Empty() {
			list = append(list, c)
		}
	}
	if ops := operations(p.Static, next.Static); len(ops) > 0 {
		list = append(list, status.Change{Name: "static addresses, routes and rules", What: "changed", Kernel: ops})
	}
	return list
}

func (p *Instance) want() vip.Want {
	return vip.Want{Addresses: p.Addresses, Routes: p.Routes, Rules: p.Rules}
}

func isMaster(in *status.Instance) bool { return in != nil && in.State == vrrp.Master.String() }

func removal(in *Instance, now *status.Instance) status.Change {
	c := status.Change{Name: in.Name, What: "removed"}
	if !isMaster(now) {
		c.Traffic = []string{"none: it is not MASTER"}
		return c
	}
	c.Kernel = operations(in.want(), vip.Want{})
	c.Traffic = []string{"it says priority 0 and its addresses go: they are gone for good unless another router has this virtual router"}
	return c
}

func arrival(in *Instance) status.Change {
	c := status.Change{Name: in.Name, What: "added", Traffic: []string{"none before it becomes MASTER; it begins as BACKUP"}}
	if in.Unusable != "" {
		c.Traffic = []string{"none: it cannot run, " + in.Unusable}
	}
	return c
}

// operations are what the address door would do, in its order.
func operations(have, want vip.Want) (ops []string) {
	goRules, newRules := vip.DiffRules(have.Rules, want.Rules)
	goRoutes, newRoutes := vip.DiffRoutes(have.Routes, want.Routes)
	for _, r := range goRules {
		ops = append(ops, "remove rule "+r.String())
	}
	for _, r := range goRoutes {
		ops = append(ops, "remove route "+r.String())
	}
	for _, op := range vip.Diff(have.Addresses, want.Addresses) {
		ops = append(ops, fmt.Sprintf("%s address %s dev %s", op.Kind, op.Address.Prefix, op.Address.Link))
	}
	for _, r := range newRoutes {
		ops = append(ops, "add route "+r.String())
	}
	for _, r := range newRules {
		ops = append(ops, "add rule "+r.String())
	}
	return ops
}

// difference is what becomes of an instance that stays.
func difference(p, next *Plan, was, is *Instance, now *status.Instance) status.Change {
	c := status.Change{Name: is.Name, What: "changed", Details: settings(p, next, was, is)}
	ops := operations(was.want(), is.want())
	if isMaster(now) {
		c.Kernel = ops
		c.Traffic = append(c.Traffic, breaks(was.Addresses, is.Addresses)...)
	} else if len(ops) > 0 {
		c.Details = append(c.Details, fmt.Sprintf("%d changes of addresses, routes and rules, made when it becomes MASTER", len(ops)))
	}
	c.Traffic = append(c.Traffic, contest(was, is, now)...)
	if !reflect.DeepEqual(was.Devices(), is.Devices()) {
		c.Kernel = append(c.Kernel, "make its VMACs or ipvlans anew")
		c.Traffic = append(c.Traffic, "the addresses are away while their interface is made anew")
	}
	if len(c.Traffic) == 0 && !c.Empty() {
		c.Traffic = []string{"none"}
	}
	return c
}

// breaks tells which addresses go, and which are away for a moment.
func breaks(have, want vip.Set) (traffic []string) {
	stays := map[string]bool{}
	for _, a := range want {
		stays[a.Prefix.Addr().String()] = true
	}
	for _, op := range vip.Diff(have, want) {
		addr := op.Address.Prefix.Addr().String()
		switch {
		case op.Kind != vip.Remove:
		case stays[addr]:
			traffic = append(traffic, addr+" is away for a moment: it is removed and added with its new attributes")
		default:
			traffic = append(traffic, "connections to "+addr+" end")
		}
	}
	return traffic
}

// contest tells what the change means for who is MASTER, as far as this router
// knows of others.
func contest(was, is *Instance, now *status.Instance) (traffic []string) {
	if was.Router.Version != is.Router.Version || was.Router.Version == 2 && was.Router.Interval != is.Router.Interval ||
		was.Expect.AuthType != is.Expect.AuthType || was.Expect.Auth != is.Expect.Auth || !reflect.DeepEqual(was.Expect.HMAC, is.Expect.HMAC) {
		traffic = append(traffic, "the other routers drop its adverts until they are changed as well: both are MASTER meanwhile")
	}
	if now == nil || was.Router.Priority == is.Router.Priority {
		return traffic
	}
	then := int(now.Priority) + int(is.Router.Priority) - int(was.Router.Priority)
	if isMaster(now) && then < int(now.Priority) && len(now.Peers) == 0 {
		return append(traffic, fmt.Sprintf("a router of priority %d or more takes over, unless it has nopreempt; none was heard yet", then+1))
	}
	for _, peer := range now.Peers {
		switch {
		case peer.Heard == nil:
		case isMaster(now) && int(peer.Priority) > then && peer.Priority > 0:
			traffic = append(traffic, fmt.Sprintf("%s had priority %d when it was heard: it takes over, unless it has nopreempt", peer.Address, peer.Priority))
		case !isMaster(now) && peer.Address == now.Master && int(now.Heard.Priority) < then && !is.Router.NoPreempt:
			traffic = append(traffic, fmt.Sprintf("it takes over from %s, of priority %d", peer.Address, now.Heard.Priority))
		}
	}
	return traffic
}

// settings are the keywords that differ, and one line for all the others.
func settings(p, next *Plan, was, is *Instance) (list []string) {
	tell := func(keyword string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			list = append(list, fmt.Sprintf("%s %v -> %v", keyword, a, b))
		}
	}
	a, b := *was, *is
	tell("name", a.Name, b.Name)
	tell("priority", a.Router.Priority, b.Router.Priority)
	tell("version", a.Router.Version, b.Router.Version)
	tell("advert_int", a.Router.Interval, b.Router.Interval)
	tell("nopreempt", a.Router.NoPreempt, b.Router.NoPreempt)
	tell("preempt_delay", a.Router.PreemptDelay, b.Router.PreemptDelay)
	tell("tracks", p.tracks(was), next.tracks(is))
	tell("sync group", p.groupOf(was), next.groupOf(is))
	for _, in := range []*Instance{&a, &b} {
		in.Name, in.Addresses, in.Routes, in.Rules, in.Carriers = "", nil, nil, nil, nil
		in.Advert.Addresses, in.Expect.Addresses = nil, nil
		in.Tracks = nil
		in.Advert.Version, in.Expect.Version, in.Advert.Interval, in.Expect.Interval = 0, 0, 0, 0
		in.Router = vrrp.Config{}
	}
	ra, rb := was.Router, is.Router
	for _, r := range []*vrrp.Config{&ra, &rb} {
		r.Priority, r.Version, r.Interval, r.NoPreempt, r.PreemptDelay, r.Grouped = 0, 0, 0, false, 0, false
	}
	if ra != rb || !reflect.DeepEqual(a, b) {
		list = append(list, "other settings")
	}
	return list
}

// tracks are what an instance tracks, in words.
func (p *Plan) tracks(in *Instance) string {
	var words []string
	for _, t := range in.Links {
		words = append(words, fmt.Sprintf("%s:%d", t.Link, t.Weight))
	}
	for _, t := range in.Scripts {
		words = append(words, fmt.Sprintf("%s:%d", p.Scripts[t.Index].Name, t.Weight))
	}
	for _, t := range in.Files {
		words = append(words, fmt.Sprintf("%s:%d", p.Files[t.Index], t.Weight))
	}
	for _, t := range in.Processes {
		words = append(words, fmt.Sprintf("%s:%d", p.Processes[t.Index], t.Weight))
	}
	for _, t := range in.BFDs {
		words = append(words, fmt.Sprintf("%s:%d", p.BFDs[t.Index], t.Weight))
	}
	return "[" + strings.Join(words, " ") + "]"
}

// groupOf is the sync group of an instance, or "none".
func (p *Plan) groupOf(in *Instance) string {
	for _, g := range p.Groups {
		for _, i := range g.Members {
			if p.Instances[i] == in {
				return g.Name
			}
		}
	}
	return "none"
}
