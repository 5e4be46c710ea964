package advice

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"keepgo/confparse"
)

const (
	ownerPriority = 255 // RFC 9568 section 5.2.4
	maxPriority   = 254
	dead          = 0 // stands for the priority of a router that takes no part
)

// trackKind is what a tracker looks at.
type trackKind uint8

const (
	trackLink trackKind = iota
	trackScript
)

// tracker is one thing a virtual router depends on.
type tracker struct {
	kind    trackKind
	name    string
	weight  int // 0: FAULT
	at      spot
	noticed time.Duration // at most, from the failure to its effect
}

// String names the tracker as a message does.
func (t tracker) String() string {
	if t.kind == trackScript {
		return fmt.Sprintf("track_script %s (weight %d)", t.name, t.weight)
	}
	return fmt.Sprintf("track_interface %s (weight %d)", t.name, t.weight)
}

// same says that two trackers look at the same thing.
func (t tracker) same(o tracker) bool { return t.kind == o.kind && t.name == o.name }

// router is one director's half of a virtual router.
type router struct {
	*confparse.Instance
	file     *File
	group    *confparse.SyncGroup
	trackers []tracker
}

// newRouter collects what an instance depends on: its own interface and those
// of its addresses, what it tracks, and what its sync group does.
func newRouter(f *File, i *confparse.Instance) *router {
	f.index()
	r := &router{Instance: i, file: f, group: f.groups[i.Name]}
	if i.Interface != "" && !i.DontTrackPrimary {
		r.track(tracker{kind: trackLink, name: i.Interface})
	}
	for _, list := range [][]confparse.Address{i.Addresses, i.Excluded} {
		for _, a := range list {
			if !a.NoTrack && a.Interface != i.Interface {
				r.track(tracker{kind: trackLink, name: a.Interface})
			}
		}
	}
	r.trackAll(i.TrackInterfaces, i.TrackScripts)
	if r.group != nil {
		r.trackAll(r.group.TrackInterfaces, r.group.TrackScripts)
		r.weighAsGroup()
	}
	return r
}

func (r *router) trackAll(links, scripts []confparse.Track) {
	for _, t := range links {
		r.track(tracker{kind: trackLink, name: t.Name, weight: t.Weight, at: spot{t.Pos, len(t.Name)}})
	}
	for _, t := range scripts {
		if s := r.file.scripts[t.Name]; s != nil {
			r.track(tracker{kind: trackScript, name: t.Name, weight: t.Weight, at: spot{t.Pos, len(t.Name)}, noticed: noticed(s)})
		}
	}
}

func (r *router) track(t tracker) {
	if !slices.ContainsFunc(r.trackers, t.same) {
		r.trackers = append(r.trackers, t)
	}
}

// weighAsGroup drops the weights of a group that does not weigh
// (keepalived.conf(5), sync_group_tracking_weight).
func (r *router) weighAsGroup() {
	if r.group.TrackWeights {
		return
	}
	r.trackers = slices.DeleteFunc(r.trackers, func(t tracker) bool { return t.kind == trackScript && t.weight != 0 })
	for i := range r.trackers {
		r.trackers[i].weight = 0
	}
}

// standing is what a router is worth in an election.
type standing struct {
	fault    bool
	priority int // effective
}

// with is the standing while the trackers that bad picks have failed: the sum
// of the positive weights of the good and the negative ones of the bad, within
// 1..254, moves every priority but the owner's.
func (r *router) with(bad func(tracker) bool) standing {
	sum, fault := 0, false
	for _, t := range r.trackers {
		failed := bad(t)
		switch {
		case t.weight == 0:
			fault = fault || failed
		case t.weight > 0 && !failed, t.weight < 0 && failed:
			sum += t.weight
		}
	}
	if r.Priority == ownerPriority {
		return standing{fault, ownerPriority}
	}
	return standing{fault, min(max(int(r.Priority)+sum, 1), maxPriority)}
}

func nothing(tracker) bool { return false }

// healthy is the effective priority while all is well.
func (r *router) healthy() int { return r.with(nothing).priority }

// depends says that the router tracks what t looks at.
func (r *router) depends(t tracker) bool { return slices.ContainsFunc(r.trackers, t.same) }

func (r *router) adverts() int {
	if r.DownTimerAdverts == 0 {
		return 3 // RFC 9568 section 6.1
	}
	return r.DownTimerAdverts
}

// skew is Skew_Time: of one second in version 2 (RFC 3768 section 6.1), of the
// master's interval in version 3 (RFC 9568 section 6.1).
func (r *router) skew(priority int, interval time.Duration) time.Duration {
	if r.Version == 2 {
		interval = time.Second
	}
	return time.Duration(256-priority) * interval / 256
}

// masterDown is Master_Down_Interval, RFC 9568 section 6.1, for adverts that
// come every interval.
func (r *router) masterDown(priority int, interval time.Duration) time.Duration {
	return time.Duration(r.adverts())*interval + r.skew(priority, interval)
}

// starting is how long a router that has just started waits for a master: the
// owner not at all, state MASTER one interval (unless its sync group must
// agree), state BACKUP the whole Master_Down_Interval.
func (r *router) starting() time.Duration {
	switch {
	case r.Priority == ownerPriority:
		return 0
	case r.Master && r.group == nil:
		return r.AdvertInt + r.skew(ownerPriority, r.AdvertInt)
	}
	return r.masterDown(r.healthy(), r.AdvertInt)
}

// preempts says that r takes over from a living master of the given priority.
func (r *router) preempts(own, master int) bool { return own > master && !r.NoPreempt }

// at is the spot of a keyword of the instance.
func (r *router) at(keywords ...string) spot { return r.file.Places.find(r.Pos, keywords...) }

// place is the spot of a keyword in words.
func (r *router) place(keywords ...string) string { return r.file.place(r.at(keywords...)) }

// vips are the announced addresses, in order.
func (r *router) vips() []string {
	var list []string
	for _, a := range r.Addresses {
		list = append(list, a.Prefix.Addr().String())
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func some(list []string) string {
	if len(list) > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:4], ", "), len(list)-4)
	}
	return strings.Join(list, ", ")
}
