package snmp

import (
	"strings"

	"keepgo/confparse"
	"keepgo/internal/agentx"
	"keepgo/internal/status"
)

type track = cell[confparse.Track]

func scriptsOf(i *instance) []confparse.Track   { return i.c.TrackScripts }
func filesOf(i *instance) []confparse.Track     { return i.c.TrackFiles }
func bfdsOf(i *instance) []confparse.Track      { return i.c.TrackBFDs }
func processesOf(i *instance) []confparse.Track { return i.c.TrackProcesses }

// tracked is a table of what somebody tracks; first is its column of names.
func tracked(id uint32, rows []track, first uint32) table {
	return newTable(vrrp.Add(id, 1), rows, byCell, []column[track]{
		{first, func(t *track) agentx.Value { return agentx.Text(t.of.Name) }},
		{first + 1, func(t *track) agentx.Value { return agentx.Int(int32(t.of.Weight)) }},
		{first + 2, func(t *track) agentx.Value { return truth(t.of.Reverse) }},
	})
}

func (s *snapshot) trackedBy(id uint32, list []instance, of func(*instance) []confparse.Track) table {
	return tracked(id, cells(list, of), 2)
}

func (s *snapshot) groupBy(id uint32, of func(*confparse.SyncGroup) []confparse.Track) table {
	return tracked(id, cells(s.Config.SyncGroups, func(g **confparse.SyncGroup) []confparse.Track { return of(*g) }), 2)
}

// trackedLinks are tracked interfaces. Their MIB counts them by the index of the
// interface, and keepalived from 1.
func (s *snapshot) trackedLinks(list []instance) table {
	return tracked(4, cells(list, func(i *instance) []confparse.Track { return i.c.TrackInterfaces }), 1)
}

func (s *snapshot) groupLinks(groups []*confparse.SyncGroup) table {
	return tracked(14, cells(groups, func(g **confparse.SyncGroup) []confparse.Track { return (*g).TrackInterfaces }), 1)
}

// script is a vrrp_script that somebody tracks, and its last result.
type script struct {
	*confparse.Script
	now status.Script
}

func (s *snapshot) scripts() table {
	used := map[string]bool{}
	for _, c := range s.Config.Instances {
		note(used, c.TrackScripts)
	}
	for _, g := range s.Config.SyncGroups {
		note(used, g.TrackScripts)
	}
	now := map[string]status.Script{}
	for _, sc := range s.Status.Scripts {
		now[sc.Name] = sc
	}
	var rows []script
	for _, c := range s.Config.Scripts {
		if used[c.Name] {
			rows = append(rows, script{c, now[c.Name]})
		}
	}
	type S = script
	return newTable(vrrp.Add(9, 1), rows, byNumber, []column[S]{
		{2, func(c *S) agentx.Value { return agentx.Text(c.Name) }},
		{3, func(c *S) agentx.Value { return command(&c.Command) }},
		{4, func(c *S) agentx.Value { return agentx.Int(int32(c.Interval.Seconds())) }},
		{5, func(c *S) agentx.Value { return agentx.Int(int32(c.Weight)) }},
		{6, func(c *S) agentx.Value { return c.result() }},
		{7, func(c *S) agentx.Value { return agentx.Gauge(uint64(max(c.Rise, 1))) }},
		{8, func(c *S) agentx.Value { return agentx.Gauge(uint64(max(c.Fall, 1))) }},
		{9, func(c *S) agentx.Value { return truth(c.Reverse) }},
	})
}

func note(used map[string]bool, tracks []confparse.Track) {
	for _, t := range tracks {
		used[t.Name] = true
	}
}

// result is init(1), bad(2) or good(3).
func (c *script) result() agentx.Value {
	if !c.now.Known {
		return agentx.Int(1)
	}
	return choose(c.now.Good, 3, 2)
}

func (s *snapshot) files() table {
	type F = *confparse.TrackFile
	return newTable(vrrp.Add(13, 1), s.Config.TrackFiles, byNumber, []column[F]{
		{2, func(f *F) agentx.Value { return agentx.Text((*f).Name) }},
		{3, func(f *F) agentx.Value { return agentx.Text((*f).Path) }},
		{4, func(f *F) agentx.Value { return agentx.Int(int32(s.Status.Files[(*f).Name])) }},
		{5, func(f *F) agentx.Value { return agentx.Int(int32((*f).Weight)) }},
		{6, func(f *F) agentx.Value { return truth((*f).Reverse) }},
	})
}

func (s *snapshot) bfds() table {
	var rows []*confparse.BFD
	for _, b := range s.Config.BFDs {
		if b.VRRP {
			rows = append(rows, b)
		}
	}
	type B = *confparse.BFD
	return newTable(vrrp.Add(18, 1), rows, byNumber, []column[B]{
		{2, func(b *B) agentx.Value { return agentx.Text((*b).Name) }},
		{3, func(b *B) agentx.Value { return choose(s.Status.Sessions[(*b).Name], 1, 0) }},
		{4, func(b *B) agentx.Value { return agentx.Int(int32((*b).Weight)) }},
		{5, func(b *B) agentx.Value { return truth((*b).Reverse) }},
	})
}

// matches are vrrpProcessParamMatch as keepalived answers it.
var matches = map[confparse.ParamMatch]int32{confparse.ParamsIgnored: 0, confparse.ParamsExact: 1, confparse.ParamsInitial: 2, confparse.ParamsPartial: 3}

// processes are the tracked processes. How many run is told as the fewest, or
// none: nobody counts them for more.
func (s *snapshot) processes() table {
	type P = *confparse.TrackProcess
	good := func(p *P) bool { return s.Status.Processes[(*p).Name] }
	return newTable(vrrp.Add(21, 1), s.Config.TrackProcesses, byNumber, []column[P]{
		{2, func(p *P) agentx.Value { return agentx.Text((*p).Name) }},
		{3, func(p *P) agentx.Value { return agentx.Text((*p).Process) }},
		{4, func(p *P) agentx.Value { return text(strings.Join((*p).Params, " ")) }},
		{5, func(p *P) agentx.Value { return agentx.Int(matches[(*p).Match]) }},
		{6, func(p *P) agentx.Value { return agentx.Int(int32((*p).Weight)) }},
		{7, func(p *P) agentx.Value { return truth((*p).Reverse) }},
		{8, func(p *P) agentx.Value { return agentx.Gauge(uint64((*p).Quorum)) }},
		{9, func(p *P) agentx.Value { return agentx.Int(int32((*p).QuorumMax)) }},
		{10, func(p *P) agentx.Value { return micros((*p).ForkDelay) }},
		{11, func(p *P) agentx.Value { return micros((*p).TerminateDelay) }},
		{12, func(p *P) agentx.Value { return truth((*p).FullCommand) }},
		{13, func(p *P) agentx.Value {
			if good(p) {
				return agentx.Int(int32((*p).Quorum))
			}
			return agentx.Int(0)
		}},
		{14, func(p *P) agentx.Value { return truth(good(p)) }},
	})
}
