package confparse

import (
	"cmp"
	"net/netip"

	"keepgo/confparse/syntax"
)

// completeTrackers applies the defaults of what decides about instances.
func (r *reader) completeTrackers() {
	r.completeFiles()
	r.completeProcesses()
	r.completeBFDs()
	member := map[string]string{}
	for _, g := range r.cfg.GARPGroups {
		for _, link := range g.Interfaces {
			if other, taken := member[link]; taken && other != g.Name {
				r.about(syntax.Failure, g, "", "it counts there", "garp_group %s: interface %s is in garp_group %s already", clip(g.Name), link, clip(other))
				continue
			}
			member[link] = g.Name
		}
		def(r, g, "garp_interval", &g.Interval, r.globals.garp.Interval)
		def(r, g, "gna_interval", &g.GNAInterval, r.globals.garp.GNAInterval)
	}
}

func (r *reader) completeFiles() {
	kept := r.cfg.TrackFiles[:0]
	for _, f := range r.cfg.TrackFiles {
		if f.Path == "" {
			if !r.has(f, "file") {
				r.fail(f, "", "add 'file /PATH'", "track_file %s has no file", clip(f.Name))
			}
			continue
		}
		kept = append(kept, f)
	}
	r.cfg.TrackFiles = kept
}

func (r *reader) completeProcesses() {
	kept := r.cfg.TrackProcesses[:0]
	for _, p := range r.cfg.TrackProcesses {
		switch {
		case p.Process == "":
			if !r.has(p, "process") {
				r.fail(p, "", "add 'process NAME'", "vrrp_track_process %s has no process", clip(p.Name))
			}
			continue
		case p.QuorumMax == 0:
			p.Quorum = 0
		case p.QuorumMax > 0 && p.QuorumMax < p.Quorum:
			r.fail(p, "quorum_max", "it is ignored", "quorum_max %d is below the quorum %d", p.QuorumMax, p.Quorum)
			p.QuorumMax = -1
		}
		if !p.FullCommand && len(p.Process) > 15 {
			p.Process = p.Process[:15] // TASK_COMM_LEN of linux/sched.h
		}
		kept = append(kept, p)
	}
	r.cfg.TrackProcesses = kept
}

func (r *reader) completeBFDs() {
	kept := r.cfg.BFDs[:0]
	peers := map[netip.Addr]*BFD{}
	for _, b := range r.cfg.BFDs {
		if r.completeBFD(b, peers) {
			peers[b.Neighbor] = b
			kept = append(kept, b)
		}
	}
	r.cfg.BFDs = kept
}

// completeBFD is false for a session that cannot be.
func (r *reader) completeBFD(b *BFD, peers map[netip.Addr]*BFD) bool {
	switch other := peers[b.Neighbor]; {
	case !b.Neighbor.IsValid():
		if !r.has(b, "neighbor_ip", "neighbour_ip") {
			r.about(syntax.Failure, b, "", "", "bfd_instance %s has no neighbor_ip", clip(b.Name))
		}
		return false
	case other != nil:
		r.fail(b, "neighbor_ip", "it is ignored", "neighbor %s already has bfd_instance %s (line %d)", b.Neighbor, clip(other.Name), other.Pos.Line)
		return false
	case b.Source.IsValid() && b.Source.Is4() != b.Neighbor.Is4():
		r.fail(b, "source_ip", "it is ignored", "source_ip is %s, neighbor_ip is %s", family(b.Source.Is6()), family(b.Neighbor.Is6()))
		return false
	}
	if b.MinRx > longInterval || b.MinTx > longInterval || b.IdleTx > longInterval {
		r.warn(b, "", "", "bfd_instance %s has an interval of more than 10 s", clip(b.Name))
	}
	if b.Multiplier > manyMissed {
		r.warn(b, "multiplier", "", "a multiplier of more than %d makes the detection slow", manyMissed)
	}
	ttl := uint8(255)
	if b.Neighbor.Is6() {
		ttl = 64
	}
	b.TTL = cmp.Or(b.TTL, ttl)
	if !b.VRRP && !b.Checker {
		b.VRRP, b.Checker = true, true
	}
	return true
}

// tracker is what the definition of something tracked says.
type tracker struct {
	weight  int
	reverse bool
}

// trackers are the definitions of one kind by their names.
func trackers[T any](list []*T, of func(*T) (string, tracker)) map[string]tracker {
	all := make(map[string]tracker, len(list))
	for _, o := range list {
		name, t := of(o)
		all[name] = t
	}
	return all
}

// inheritTracks completes every track_* line from its definition.
func (r *reader) inheritTracks() {
	scripts := trackers(r.cfg.Scripts, func(o *Script) (string, tracker) { return o.Name, tracker{o.Weight, o.Reverse} })
	files := trackers(r.cfg.TrackFiles, func(o *TrackFile) (string, tracker) { return o.Name, tracker{o.Weight, o.Reverse} })
	processes := trackers(r.cfg.TrackProcesses, func(o *TrackProcess) (string, tracker) { return o.Name, tracker{o.Weight, o.Reverse} })
	bfds := trackers(r.cfg.BFDs, func(o *BFD) (string, tracker) { return o.Name, tracker{o.Weight, o.Reverse} })
	for _, i := range r.cfg.Instances {
		i.TrackScripts, i.TrackFiles = r.inherit(i.TrackScripts, scripts), r.inherit(i.TrackFiles, files)
		i.TrackProcesses, i.TrackBFDs = r.inherit(i.TrackProcesses, processes), r.inherit(i.TrackBFDs, bfds)
	}
	for _, g := range r.cfg.SyncGroups {
		g.TrackScripts, g.TrackFiles = r.inherit(g.TrackScripts, scripts), r.inherit(g.TrackFiles, files)
		g.TrackProcesses, g.TrackBFDs = r.inherit(g.TrackProcesses, processes), r.inherit(g.TrackBFDs, bfds)
	}
	for _, w := range r.watches {
		if f, known := files[w.Name]; known {
			w.Weight, w.Reverse = f.weight, f.reverse
		}
	}
}

// inherit completes track_* lines and drops those without a definition.
func (r *reader) inherit(list []Track, defined map[string]tracker) []Track {
	kept := list[:0]
	for _, t := range list {
		o, known := defined[t.Name]
		if !known {
			continue
		}
		ref := r.refs[r.tracks[t.Pos]]
		if !ref.weight {
			t.Weight = o.weight
		}
		if ref.flag == "" {
			t.Reverse = o.reverse
		}
		kept = append(kept, t)
	}
	return kept
}
