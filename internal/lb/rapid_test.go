package lb

import (
	"testing"

	"pgregory.net/rapid"

	"keepgo/checker"
	"keepgo/confparse"
	"keepgo/ipvsctl"
)

// drawConfig is a configuration of a few virtual servers over a few servers.
func drawConfig(t *rapid.T) *confparse.Config {
	cfg := &confparse.Config{}
	for i := range rapid.IntRange(1, 3).Draw(t, "virtual servers") {
		v := vs(rapid.IntRange(1, 4).Draw(t, "address")+4*i, drawServers(t)...)
		v.Quorum = rapid.IntRange(1, 6).Draw(t, "quorum")
		v.Hysteresis = rapid.IntRange(0, v.Quorum-1).Draw(t, "hysteresis")
		if rapid.Bool().Draw(t, "sorry") {
			sorry(v).SorryInhibit = rapid.Bool().Draw(t, "sorry inhibit")
		}
		cfg.VirtualServers = append(cfg.VirtualServers, v)
	}
	return cfg
}

func drawServers(t *rapid.T) (servers []*confparse.RealServer) {
	numbers := rapid.SliceOfNDistinct(rapid.IntRange(1, 6), 1, 4, rapid.ID[int]).Draw(t, "servers")
	for _, n := range numbers {
		s := rs(n, rapid.IntRange(0, 4).Draw(t, "weight"))
		s.Inhibit = rapid.Bool().Draw(t, "inhibit")
		for range rapid.IntRange(0, 2).Draw(t, "checks") {
			c := tcp()
			if rapid.Bool().Draw(t, "misc") {
				c = misc()
			}
			c.Alpha = rapid.Bool().Draw(t, "alpha")
			s.Checkers = append(s.Checkers, c)
		}
		servers = append(servers, s)
	}
	return servers
}

func drawResult(t *rapid.T, p *Plan) checker.Result {
	r := checker.Result{ID: checker.ID(rapid.IntRange(0, max(0, len(p.Checks)-1)).Draw(t, "check")), Up: rapid.Bool().Draw(t, "up")}
	if r.Up && len(p.Checks) > 0 && p.Checks[r.ID].Probe.Program != nil && rapid.Bool().Draw(t, "dynamic") {
		r.Dynamic, r.Weight = true, rapid.IntRange(0, 6).Draw(t, "wants")
	}
	return r
}

// model is the rules of quorum and table, worked out from scratch.
type model struct {
	plan     *Plan
	verdicts map[int]checker.Result // heard, by check
	up       []bool                 // by pool
}

// server is whether a server is alive and its effective weight.
func (m *model) server(pool, server int) (bool, int) {
	alive, configured := true, int(m.plan.Pools[pool].Config.Servers[server].Destination.Weight)
	weight := configured
	for i, o := range m.plan.Owners {
		if o != (Owner{pool, server}) {
			continue
		}
		r, heard := m.verdicts[i]
		alive = alive && (r.Up || !heard && !m.plan.Checks[i].Alpha)
		if r.Dynamic {
			weight += r.Weight - configured
		}
	}
	return alive, weight
}

// settle turns the quorum of every pool if it must turn.
func (m *model) settle() {
	for i := range m.up {
		live, c := 0, m.plan.Pools[i].Config
		for j := range c.Servers {
			if alive, w := m.server(i, j); alive {
				live += max(w, 0)
			}
		}
		switch {
		case live >= c.Quorum+c.Hysteresis:
			m.up[i] = true
		case live == 0 || live < c.Quorum-c.Hysteresis:
			m.up[i] = false
		}
	}
}

// dests is what should stand for a pool.
func (m *model) dests(pool int) map[ipvsctl.DestKey]ipvsctl.Destination {
	c := m.plan.Pools[pool].Config
	out := map[ipvsctl.DestKey]ipvsctl.Destination{}
	sorry := c.Sorry != nil && !m.up[pool]
	for j, s := range c.Servers {
		alive, w := m.server(pool, j)
		d := s.Destination
		switch d.Weight = uint32(max(w, 0)); {
		case alive && !sorry:
			out[s.Key] = d
		case s.Inhibit:
			d.Weight = 0
			out[s.Key] = d
		}
	}
	if c.Sorry != nil {
		d := c.Sorry.Destination
		if !sorry {
			d.Weight = 0
		}
		if sorry || c.Sorry.Inhibit {
			out[c.Sorry.Key] = d
		}
	}
	return out
}

// shared is what a service holds: the servers of all its pools, those of the
// first where two have the same.
func (m *model) shared(s Service) map[ipvsctl.DestKey]ipvsctl.Destination {
	all := map[ipvsctl.DestKey]ipvsctl.Destination{}
	for i := len(s.Pools) - 1; i >= 0; i-- {
		for k, d := range m.dests(s.Pools[i]) {
			if k.Port == 0 {
				k.Port = s.Key.Port
			}
			all[k] = d
		}
	}
	return all
}

// follow applies what actions say of the table to shadow, as a door does.
func follow(n *Node, shadow ipvsctl.Table, acts []Action) {
	for _, a := range acts {
		switch a.Kind {
		case ActSet:
			shadow[n.plan.Services[a.Service].Key] = n.Want(a.Service)
		case ActRemove:
			delete(shadow, a.Key)
		}
	}
}

// same fails where the node's table and what the actions made of it differ.
func same(t *rapid.T, n *Node, shadow ipvsctl.Table) {
	t.Helper()
	if ops := ipvsctl.Diff(shadow, n.Table()); len(ops) > 0 {
		t.Fatalf("actions do not tell of %v", ops)
	}
}

// TestNodeKeepsTheRules: after any results the table is what the rules make of
// the newest result of each check, and the actions tell of every change.
func TestNodeKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan, _ := Build(drawConfig(t))
		n, acts := NewNode(plan, nil)
		m := &model{plan: plan, verdicts: map[int]checker.Result{}, up: make([]bool, len(plan.Pools))}
		shadow := ipvsctl.Table{}
		for range rapid.IntRange(0, 40).Draw(t, "results") {
			follow(n, shadow, acts)
			same(t, n, shadow)
			m.settle()
			for i, s := range plan.Services {
				if want := m.shared(s); !equal(n.Want(i), ipvsctl.Entry{Service: plan.Pools[s.Pools[0]].Config.Service, Destinations: want}) {
					t.Fatalf("service %d: %v, want %v", i, n.Want(i).Destinations, want)
				}
			}
			r := drawResult(t, plan)
			if int(r.ID) < len(plan.Checks) {
				m.verdicts[int(r.ID)] = r
			}
			acts = n.Step(Event{Result: r}, nil)
		}
	})
}

// TestReloadWithTheSamePlanChangesNothing, nor does a new process that resumes.
func TestReloadWithTheSamePlanChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan, _ := Build(drawConfig(t))
		n, _ := NewNode(plan, nil)
		for range rapid.IntRange(0, 20).Draw(t, "results") {
			n.Step(Event{Result: drawResult(t, plan)}, nil)
		}
		before, state := n.Table(), n.State()
		if acts := n.Step(Event{Kind: EventReload, Plan: plan}, nil); len(acts) > 0 {
			t.Fatalf("reload:\n%s", told(acts))
		}
		if ops := ipvsctl.Diff(before, n.Table()); len(ops) > 0 {
			t.Fatalf("reload made %v", ops)
		}
		again, acts := NewNode(plan, &state)
		if len(acts) != len(plan.Services) {
			t.Fatalf("resuming:\n%s", told(acts))
		}
		if ops := ipvsctl.Diff(before, again.Table()); len(ops) > 0 {
			t.Fatalf("resuming made %v", ops)
		}
	})
}

// TestReloadTellsEveryChange: whatever the old and new plans, the actions turn
// the old table into the new one, and results go on to hit the right servers.
func TestReloadTellsEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, acts := NewNode(drawPlan(t), nil)
		shadow := ipvsctl.Table{}
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			follow(n, shadow, acts)
			same(t, n, shadow)
			switch rapid.IntRange(0, 6).Draw(t, "event") {
			case 0:
				acts = n.Step(Event{Kind: EventReload, Plan: drawPlan(t)}, nil)
			case 1:
				acts = n.Step(Event{Kind: EventSecond}, nil)
			default:
				acts = n.Step(Event{Result: drawResult(t, n.plan)}, nil)
			}
			for i, tally := range n.pools {
				for j, s := range tally.servers {
					state, _ := tally.Server(n.plan.Pools[i].Config.Servers[j].Key)
					if state.Up != (s.failed == 0) || s.failed < 0 {
						t.Fatalf("server %d of %d: %+v with %d failed checks", j, i, state, s.failed)
					}
				}
			}
		}
	})
}
