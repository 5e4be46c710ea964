package lb

import (
	"keepgo/confparse"
	"keepgo/ipvsctl"
)

// Marking is how the addresses of groups become one service by firewall mark
// (nftables_ipvs). Table is "" for not at all.
type Marking struct {
	Table    string
	Priority int32
	First    uint32 // the first mark that is given
}

// Marked is what a virtual_server_group names by address, and the service by
// mark that serves it.
type Marked struct {
	Key     ipvsctl.ServiceKey
	Service int // index into Plan.Services
}

// marking plans whether groups are marked, and notes the marks that the
// configuration itself uses.
func (b *builder) marking() {
	g := &b.cfg.Global.NFTIPVS
	b.marks = map[uint32]bool{0: true}
	if g.Table == "" || b.plan.DataPlane == confparse.PlaneNFTables {
		return
	}
	b.plan.Marking = Marking{Table: g.Table, Priority: int32(g.Priority), First: g.FirstMark}
	for _, vs := range b.cfg.VirtualServers {
		b.marks[vs.FWMark] = true
	}
	for _, g := range b.cfg.ServerGroups {
		for _, e := range g.Entries {
			b.marks[e.FWMark] = true
		}
	}
}

// free is the first mark that nothing has yet, of which there are more than
// virtual servers.
func (p *Plan) free(taken map[uint32]bool) uint32 {
	mark := p.Marking.First
	for taken[mark] {
		mark++
	}
	taken[mark] = true
	return mark
}

// marked makes the keys that stand for addresses of a group one service by mark
// of each family, and returns the keys that are left. An address that belongs to
// another virtual server already stays there.
func (b *builder) marked(p *Pool, keys []ipvsctl.ServiceKey, vs *confparse.VirtualServer, at spot) (left []ipvsctl.ServiceKey) {
	if b.plan.Marking.Table == "" || vs.Group == "" || vs.FullNAT {
		return keys
	}
	services := map[bool]int{} // by family
	for _, k := range keys {
		if _, stands := b.index[k]; stands || k.FWMark != 0 {
			left = append(left, k)
			continue
		}
		i, stands := services[k.IPv6]
		if !stands {
			if p.Mark == 0 {
				p.Mark = b.plan.free(b.marks)
			}
			i, _ = b.share(ipvsctl.ServiceKey{FWMark: p.Mark, IPv6: k.IPv6}, vs, at)
			services[k.IPv6] = i
			p.Services = append(p.Services, i)
		}
		b.index[k] = i
		b.plan.Marked = append(b.plan.Marked, Marked{Key: k, Service: i})
	}
	return left
}

// Marks is which mark packets get by what they are sent to.
func (p *Plan) Marks() map[ipvsctl.ServiceKey]uint32 {
	all := make(map[ipvsctl.ServiceKey]uint32, len(p.Marked))
	for _, m := range p.Marked {
		all[m.Key] = p.Services[m.Service].Key.FWMark
	}
	return all
}

// keepMarks lets virtual servers have the marks that they had, by Pool.Key, so
// that their connections stay when others come or go.
func (p *Plan) keepMarks(had map[string]uint32) {
	taken := map[uint32]bool{0: true}
	for i := range p.Services {
		if s := &p.Services[i]; p.Pools[s.Pools[0]].Mark != s.Key.FWMark {
			taken[s.Key.FWMark] = true // by the configuration
		}
	}
	var others []int
	for i := range p.Pools {
		pool := &p.Pools[i]
		if pool.Mark == 0 {
			continue
		}
		if mark := had[pool.Key]; mark != 0 && !taken[mark] {
			p.remark(i, mark)
			taken[mark] = true
			continue
		}
		others = append(others, i)
	}
	for _, i := range others {
		mark := p.Pools[i].Mark
		if taken[mark] {
			mark = p.free(taken)
		}
		p.remark(i, mark)
		taken[mark] = true
	}
	p.markPaths(had, taken)
}

// remark gives a pool's services another mark.
func (p *Plan) remark(pool int, mark uint32) {
	own := &p.Pools[pool]
	for _, i := range own.Services {
		if s := &p.Services[i]; s.Pools[0] == pool && s.Key.FWMark == own.Mark {
			s.Key.FWMark = mark
		}
	}
	own.Mark = mark
}
