package ha

import (
	"bytes"
	"reflect"
	"slices"

	"keepgo/vrrp"
)

// Update is a plan for somebody who has the one before: what crosses the process
// boundary at a reload. Most of it is in what did not change, which is counted
// instead of told.
type Update struct {
	// Plan is the new one; its Instances are those alone that are new or differ.
	Plan *Plan
	// Stay is the index in the plan before of each instance that did not change,
	// and -1 where the next of Plan.Instances stands.
	Stay []int
}

// Since tells a plan to somebody who has the plan before.
func (p *Plan) Since(before *Plan) *Update {
	told := *p
	told.Instances = nil
	u := &Update{Plan: &told, Stay: make([]int, len(p.Instances))}
	left := make(map[string]int, len(before.Instances))
	for i, was := range before.Instances {
		left[was.Name] = i
	}
	for i, in := range p.Instances {
		u.Stay[i] = -1
		if k, ok := left[in.Name]; ok && in.same(before.Instances[k]) {
			u.Stay[i] = k
			delete(left, in.Name) // each goes on as one
			continue
		}
		told.Instances = append(told.Instances, in)
	}
	return u
}

// Onto is the plan of an update for who has the plan before: what stayed is the
// very same Instance. It is nil where the two do not fit together.
func (u *Update) Onto(before *Plan) *Plan {
	p, fresh := *u.Plan, u.Plan.Instances
	p.Instances = make([]*Instance, len(u.Stay))
	for i, k := range u.Stay {
		switch {
		case k >= 0 && k < len(before.Instances):
			p.Instances[i] = before.Instances[k]
		case k < 0 && len(fresh) > 0:
			p.Instances[i], fresh = fresh[0], fresh[1:]
		default:
			return nil
		}
	}
	return &p
}

// same tells whether two plans of an instance are equal in all that is told.
func (in *Instance) same(o *Instance) bool {
	return in.Key == o.Key && in.Name == o.Name && in.Router == o.Router && in.Unusable == o.Unusable &&
		sameExpect(&in.Expect, &o.Expect) && sameAdvert(&in.Advert, &o.Advert) &&
		in.TTL == o.TTL && in.Group == o.Group && in.TrackSource == o.TrackSource &&
		in.Buffer == o.Buffer && in.BufferMTUs == o.BufferMTUs &&
		slices.Equal(in.Devices(), o.Devices()) && (in.Device == nil) == (o.Device == nil) &&
		slices.Equal(in.Addresses, o.Addresses) && slices.Equal(in.Carriers, o.Carriers) && in.sameLines(o) &&
		in.Promote == o.Promote && in.Drop == o.Drop && in.Announce == o.Announce && in.Reannounce == o.Reannounce &&
		in.ReleaseLost == o.ReleaseLost && slices.Equal(in.Untracked, o.Untracked) &&
		in.Deleted == o.Deleted && in.Priorities == o.Priorities && in.sameTracks(o)
}

// sameLines compares what few instances have, and what has many parts.
func (in *Instance) sameLines(o *Instance) bool {
	return len(in.Routes)+len(in.Rules)+len(o.Routes)+len(o.Rules) == 0 ||
		reflect.DeepEqual(in.Routes, o.Routes) && reflect.DeepEqual(in.Rules, o.Rules)
}

func (in *Instance) sameTracks(o *Instance) bool {
	return slices.Equal(in.Links, o.Links) && slices.Equal(in.Scripts, o.Scripts) && slices.Equal(in.Files, o.Files) &&
		slices.Equal(in.Processes, o.Processes) && slices.Equal(in.BFDs, o.BFDs)
}

func sameExpect(a, b *vrrp.Expect) bool {
	return a.Version == b.Version && a.Interval == b.Interval && a.AuthType == b.AuthType && a.Auth == b.Auth &&
		bytes.Equal(a.Addresses, b.Addresses) && a.DropOther == b.DropOther && a.FirstOnly == b.FirstOnly &&
		a.Unicast == b.Unicast && slices.Equal(a.Peers, b.Peers) && a.CheckSource == b.CheckSource &&
		a.AnySum == b.AnySum && a.NoOldChecksum == b.NoOldChecksum &&
		(a.HMAC == b.HMAC || reflect.DeepEqual(a.HMAC, b.HMAC))
}

func sameAdvert(a, b *vrrp.Packet) bool {
	return a.Version == b.Version && a.Type == b.Type && a.VRID == b.VRID && a.Priority == b.Priority &&
		a.Interval == b.Interval && a.AuthType == b.AuthType && a.Auth == b.Auth && bytes.Equal(a.Addresses, b.Addresses) &&
		a.Sum == b.Sum && a.PlainSum == b.PlainSum && a.OldSum == b.OldSum && a.TTL == b.TTL
}
