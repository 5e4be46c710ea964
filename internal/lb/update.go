package lb

import (
	"keepgo/checker"
	"keepgo/confparse"
	"keepgo/internal/sum"
)

// Update is a plan for somebody who has the one before: what crosses the process
// boundary at a reload. Virtual servers that did not change are counted instead of
// told, with their servers and checks.
type Update struct {
	// Plan is the new one; its Pools, Checks and Owners are those alone of virtual
	// servers that are new or differ. Owners count all pools.
	Plan *Plan
	// Stay is the index in the plan before of each pool that did not change, and
	// -1 where the next of Plan.Pools stands.
	Stay []int
	// Services are those of each pool, Pool.Services.
	Services [][]int
}

// Sums are fingerprints of the pools with their checks: what Since takes to know
// which of them stay.
func (p *Plan) Sums() []uint64 {
	sums, of := make([]uint64, len(p.Pools)), p.spans()
	for i := range p.Pools {
		sums[i] = p.Pools[i].sum(p.Checks[of[i]:of[i+1]], p.Owners[of[i]:of[i+1]])
	}
	return sums
}

// spans says where the checks of each pool begin; they end where the next's do.
func (p *Plan) spans() []int {
	of := make([]int, len(p.Pools)+1)
	for _, o := range p.Owners {
		of[o.Pool+1]++
	}
	for i := range p.Pools {
		of[i+1] += of[i]
	}
	return of
}

// Since tells a plan, which has the sums now, to somebody who has the one whose
// sums were before. What has a mark is always told: the one that goes on with it
// gives the mark.
func (p *Plan) Since(before, now []uint64) *Update {
	told := *p
	told.Pools, told.Checks, told.Owners = nil, nil, nil
	u := &Update{Plan: &told, Stay: sum.Stay(before, now), Services: make([][]int, len(p.Pools))}
	of := p.spans()
	for i := range p.Pools {
		u.Services[i] = p.Pools[i].Services
		if u.Stay[i] >= 0 && !p.gets(i, of) {
			continue
		}
		u.Stay[i] = -1
		told.Pools = append(told.Pools, p.Pools[i])
		told.Checks = append(told.Checks, p.Checks[of[i]:of[i+1]]...)
		told.Owners = append(told.Owners, p.Owners[of[i]:of[i+1]]...)
	}
	return u
}

// gets tells whether a pool or one of its checks is given a mark.
func (p *Plan) gets(pool int, of []int) bool {
	for _, c := range p.Checks[of[pool]:of[pool+1]] {
		if c.Probe.Via.IsValid() {
			return true
		}
	}
	return p.Pools[pool].Mark != 0
}

// Onto is the plan of an update for who has the plan before. It is nil where the
// two do not fit together.
func (u *Update) Onto(before *Plan) *Plan {
	p, fresh, of := *u.Plan, 0, before.spans()
	if len(u.Services) != len(u.Stay) || len(u.Plan.Checks) != len(u.Plan.Owners) {
		return nil
	}
	room := len(before.Checks) + len(u.Plan.Checks)
	p.Pools, p.Checks, p.Owners = make([]Pool, len(u.Stay)), make([]checker.Check, 0, room), make([]Owner, 0, room)
	checks, owners := u.Plan.Checks, u.Plan.Owners
	for i, k := range u.Stay {
		n := 0
		switch {
		case k >= 0 && k < len(before.Pools):
			p.Pools[i] = before.Pools[k]
			p.take(i, before.Checks[of[k]:of[k+1]], before.Owners[of[k]:of[k+1]])
		case k < 0 && fresh < len(u.Plan.Pools):
			p.Pools[i] = u.Plan.Pools[fresh]
			fresh++
			for n < len(owners) && owners[n].Pool == i {
				n++
			}
			p.take(i, checks[:n], owners[:n])
		default:
			return nil
		}
		checks, owners = checks[n:], owners[n:]
		p.Pools[i].Services = u.Services[i]
	}
	return &p
}

// take appends the checks of a pool.
func (p *Plan) take(pool int, checks []checker.Check, owners []Owner) {
	for i := range checks {
		c := checks[i]
		c.ID = checker.ID(len(p.Checks))
		p.Checks = append(p.Checks, c)
		p.Owners = append(p.Owners, Owner{Pool: pool, Server: owners[i].Server})
	}
}

// sum is a fingerprint of a pool and its checks, but for their places in the plan.
func (p *Pool) sum(checks []checker.Check, owners []Owner) uint64 {
	s := sum.New()
	sum.One(s, [...]string{p.Key, p.Name})
	sum.One(s, [...]int{int(p.Mark), int(p.Protocol), p.Config.Quorum, p.Config.Hysteresis})
	sum.One(s, [...]bool{p.Omega, p.SMTPAlert})
	sum.One(s, p.Suspend)
	sum.One(s, p.Config.Service)
	sum.All(s, p.Config.Servers)
	if p.Config.Sorry != nil {
		sum.One(s, *p.Config.Sorry)
	}
	sumCommands(s, p.QuorumUp, p.QuorumDown)
	sum.One(s, len(p.Servers))
	for i := range p.Servers {
		p.Servers[i].sum(s)
	}
	for i := range checks {
		sum.One(s, owners[i].Server)
		sumCheck(s, &checks[i])
	}
	return s.Of()
}

func (r *Server) sum(s *sum.Sum) {
	one := *r
	one.NotifyUp, one.NotifyDown = nil, nil
	sum.One(s, one)
	sumCommands(s, r.NotifyUp, r.NotifyDown)
}

func sumCheck(s *sum.Sum, c *checker.Check) {
	one, p := *c, &c.Probe
	one.ID, one.Probe.Web, one.Probe.Program, one.Probe.Question, one.Probe.Datagram = 0, nil, nil, nil, nil
	sum.One(s, one)
	if p.Web != nil || p.Program != nil || p.Question != nil || p.Datagram != nil {
		s.Deep([]any{p.Web, p.Program, p.Question, p.Datagram})
	}
}

func sumCommands(s *sum.Sum, commands ...*confparse.Command) {
	for _, c := range commands {
		sum.One(s, c != nil)
		if c != nil {
			sum.One(s, [...]string{c.Path, c.User, c.Group})
			sum.All(s, c.Args)
		}
	}
}
