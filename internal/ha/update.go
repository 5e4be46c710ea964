package ha

import (
	"keepgo/internal/sum"
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

// Sums are fingerprints of the instances: what Since takes to know which of them
// stay.
func (p *Plan) Sums() []uint64 {
	sums := make([]uint64, len(p.Instances))
	for i, in := range p.Instances {
		sums[i] = in.sum()
	}
	return sums
}

// Since tells a plan, which has the sums now, to somebody who has the one whose
// sums were before.
func (p *Plan) Since(before, now []uint64) *Update {
	told := *p
	told.Instances = nil
	u := &Update{Plan: &told, Stay: sum.Stay(before, now)}
	for i, in := range p.Instances {
		if u.Stay[i] < 0 {
			told.Instances = append(told.Instances, in)
		}
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

// Share lets the instances of a plan have in common what is the same of them.
// One that crossed a process boundary has it once for each.
func (p *Plan) Share() {
	announces, tracks, names := map[Announce]*Announce{}, map[Track]*Tracks{}, map[string]string{}
	for _, in := range p.Instances {
		in.Announce = common(announces, *in.Announce, in.Announce)
		in.Key.Link = common(names, in.Key.Link, in.Key.Link)
		for i := range in.Addresses {
			a := &in.Addresses[i]
			a.Link = common(names, a.Link, a.Link)
		}
		if t := in.Tracks; len(t.Links) == 1 && len(t.Scripts)+len(t.Files)+len(t.Processes)+len(t.BFDs) == 0 {
			in.Tracks = common(tracks, t.Links[0], t)
		}
	}
}

// common is the first value that was asked for with a key.
func common[K comparable, V any](known map[K]V, key K, v V) V {
	if first, ok := known[key]; ok {
		return first
	}
	known[key] = v
	return v
}

// sum is a fingerprint of all that is told of an instance.
func (in *Instance) sum() uint64 {
	s := sum.New()
	sum.One(s, in.Key)
	sum.One(s, in.Router)
	sum.One(s, *in.Announce)
	sum.One(s, [...]string{in.Name, in.Unusable})
	sum.One(s, [...]int32{int32(in.TTL), in.Buffer, in.BufferMTUs})
	sum.One(s, in.Group)
	sum.One(s, [...]bool{in.TrackSource, in.Promote, in.Drop, in.Reannounce, in.ReleaseLost, in.Deleted, in.Priorities, in.Device != nil})
	sum.All(s, in.Devices())
	sum.All(s, in.Addresses)
	sum.All(s, in.Carriers)
	for _, tracks := range [...][]Track{in.Links, in.Scripts, in.Files, in.Processes, in.BFDs} {
		sum.All(s, tracks)
	}
	sumExpect(s, &in.Expect)
	sumAdvert(s, &in.Advert)
	if len(in.Routes)+len(in.Rules) > 0 {
		s.Deep([]any{in.Routes, in.Rules})
	}
	return s.Of()
}

func sumExpect(s *sum.Sum, x *vrrp.Expect) {
	sum.One(s, [...]uint8{x.Version, x.AuthType})
	sum.One(s, x.Interval)
	sum.One(s, x.Auth)
	sum.One(s, [...]bool{x.DropOther, x.FirstOnly, x.Unicast, x.CheckSource, x.AnySum, x.NoOldChecksum})
	s.Bytes(x.Addresses)
	sum.All(s, x.Peers)
	if x.HMAC != nil {
		s.Deep(x.HMAC)
	}
}

func sumAdvert(s *sum.Sum, p *vrrp.Packet) {
	sum.One(s, [...]uint8{p.Version, p.Type, p.VRID, p.Priority, p.AuthType, p.TTL, uint8(p.Sum)})
	sum.One(s, p.Interval)
	sum.One(s, p.Auth)
	sum.One(s, [...]bool{p.PlainSum, p.OldSum})
	s.Bytes(p.Addresses)
}
