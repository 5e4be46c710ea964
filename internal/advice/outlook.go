package advice

import (
	"fmt"
	"slices"
	"strings"

	"keepgo/confparse"
)

// Outlook is what an instance will do when something fails, as far as one
// director's configuration tells.
type Outlook struct {
	Name string // of the instance
	Text string // one line
	// Surprise: not what its weights seem to be there for.
	Surprise bool
}

// Foresee tells the outlook of every instance that can run.
func Foresee(f *File) (list []Outlook) {
	for _, i := range f.Config.Instances {
		if i.Unusable == "" {
			list = append(list, foresee(newRouter(f, i)))
		}
	}
	return list
}

func foresee(r *router) Outlook {
	o := Outlook{Name: r.Name}
	parts := []string{fmt.Sprintf("priority %d%s: %s", r.healthy(), r.grouped(), r.takesOver())}
	if faults := r.faults(); len(faults) > 0 {
		parts = append(parts, "FAULT, and the address goes, while "+strings.Join(faults, " or "))
	}
	for _, t := range r.trackers {
		if t.weight != 0 {
			text, surprise := r.outlook(t)
			parts, o.Surprise = append(parts, text), o.Surprise || surprise
		}
	}
	for _, t := range r.numbers() {
		parts = append(parts, fmt.Sprintf("track_file %s moves the priority by its number x %d", t.Name, t.Weight))
	}
	for _, name := range r.lost() {
		parts, o.Surprise = append(parts, name+" has no weight in vrrp_sync_group "+r.group.Name+" without sync_group_tracking_weight"), true
	}
	o.Text = strings.Join(parts, "; ")
	return o
}

// grouped says on whom else the instance depends.
func (r *router) grouped() string {
	if r.group == nil {
		return ""
	}
	return ", with all of vrrp_sync_group " + r.group.Name
}

// takesOver says from whom it takes the address, and when.
func (r *router) takesOver() string {
	if r.Priority == ownerPriority {
		return "owner of the address, which it takes from anyone as soon as it can"
	}
	text := fmt.Sprintf("takes over from a silent master after %s, ", seconds(r.masterDown(r.healthy(), r.AdvertInt)))
	switch {
	case r.NoPreempt:
		text += "and never from a living one (nopreempt): the address stays where it went"
	case r.PreemptDelay > 0:
		text += fmt.Sprintf("from one of lower priority %s later (preempt_delay)", seconds(r.PreemptDelay))
	default:
		text += "and from one of lower priority just so"
	}
	if r.Master && r.group == nil {
		text += fmt.Sprintf(", at its start after %s already (state MASTER)", seconds(r.starting()))
	}
	return text
}

// faults are the things of weight 0, with the word for their failure.
func (r *router) faults() (list []string) {
	for _, t := range r.trackers {
		switch {
		case t.weight != 0:
		case t.kind == trackScript:
			list = append(list, "track_script "+t.name+" fails")
		default:
			list = append(list, "link "+t.name+" is down")
		}
	}
	for _, t := range r.processes() {
		if t.Weight == 0 {
			list = append(list, "process "+t.Name+" is not as it should be")
		}
	}
	for _, t := range r.files() {
		if t.Weight == 0 {
			list = append(list, "track_file "+t.Name+" is not 0")
		}
	}
	return list
}

// outlook is what the failure of a weighted tracker leads to.
func (r *router) outlook(t tracker) (text string, surprise bool) {
	good, bad := r.healthy(), r.with(t.same).priority
	text = fmt.Sprintf("%s fails: priority %d to %d, ", t, good, bad)
	switch {
	case r.Priority == ownerPriority:
		return t.String() + " changes nothing: an owner keeps its priority", true
	case good == bad:
		return t.String() + " changes nothing: the priority is cut to 1-254", true
	case r.NoPreempt:
		return text + fmt.Sprintf("and a peer of %d or more takes over only if it, unlike this, has no nopreempt", bad+1), true
	}
	return text + fmt.Sprintf("a peer of %d or more takes over, unless it has nopreempt", bad+1), false
}

// files are the tracked files that still count: in a group that does not weigh
// a weight of 1, their default, faults, and others are dropped.
func (r *router) files() (list []confparse.Track) {
	for _, t := range r.of(r.TrackFiles, func(g *confparse.SyncGroup) []confparse.Track { return g.TrackFiles }) {
		if r.group != nil && !r.group.TrackWeights {
			if t.Weight != 0 && t.Weight != 1 {
				continue
			}
			t.Weight = 0
		}
		list = append(list, t)
	}
	return list
}

// numbers are the files whose number counts.
func (r *router) numbers() []confparse.Track {
	return slices.DeleteFunc(r.files(), func(t confparse.Track) bool { return t.Weight == 0 })
}

func (r *router) processes() []confparse.Track {
	return r.of(r.TrackProcesses, func(g *confparse.SyncGroup) []confparse.Track { return g.TrackProcesses })
}

// of are the tracked things of the instance and of its group, each once.
func (r *router) of(own []confparse.Track, shared func(*confparse.SyncGroup) []confparse.Track) []confparse.Track {
	list := slices.Clone(own)
	if r.group == nil {
		return list
	}
	for _, t := range shared(r.group) {
		if !slices.ContainsFunc(list, func(o confparse.Track) bool { return o.Name == t.Name }) {
			list = append(list, t)
		}
	}
	return list
}

// lost are the weighted trackers that the sync group takes the weight from.
func (r *router) lost() (names []string) {
	if r.group == nil || r.group.TrackWeights {
		return nil
	}
	scripts := r.of(r.TrackScripts, func(g *confparse.SyncGroup) []confparse.Track { return g.TrackScripts })
	links := r.of(r.TrackInterfaces, func(g *confparse.SyncGroup) []confparse.Track { return g.TrackInterfaces })
	for _, t := range scripts {
		if t.Weight != 0 {
			names = append(names, "track_script "+t.Name)
		}
	}
	for _, t := range links {
		if t.Weight != 0 {
			names = append(names, "track_interface "+t.Name)
		}
	}
	return names
}
