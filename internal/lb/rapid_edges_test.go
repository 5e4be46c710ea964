package lb

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keepgo/ipvsctl"
)

// hearer believes what it is told: which servers are up ("server service"), and
// which quorums.
type hearer map[string]bool

func newHearer(n *Node) hearer {
	h := hearer{}
	h.learn(n, func(string) bool { return false })
	return h
}

// learn takes the state of what is new, which nobody is told of, from the node.
func (h hearer) learn(n *Node, known func(key string) bool) {
	for i := range n.pools {
		p := &n.pools[i]
		if known(p.plan.Name) {
			continue
		}
		h[p.plan.Name] = p.Up()
		for j, s := range p.plan.Servers {
			state, _ := p.Server(p.plan.Config.Servers[j].Key)
			h[s.Name+" "+p.plan.Name] = state.Up
		}
	}
}

func (e Edge) key() string {
	if e.Server == "" {
		return e.Service
	}
	return e.Server + " " + e.Service
}

// hear notes what actions tell; news that are none are a fault.
func (h hearer) hear(t *rapid.T, acts []Action) {
	for _, a := range acts {
		if a.Kind != ActNotify || a.Edge.OfCheck {
			continue
		}
		if was, known := h[a.Edge.key()]; known && was == a.Edge.Up {
			t.Fatalf("told again: %s", a.Edge.Line())
		}
		h[a.Edge.key()] = a.Edge.Up
	}
}

// agrees fails where the node's state is not what was told, or its table holds
// servers that are told to be down.
func (h hearer) agrees(t *rapid.T, n *Node) {
	for i := range n.pools {
		p := &n.pools[i]
		if h[p.plan.Name] != p.Up() {
			t.Fatalf("%s: told %v, is %v", p.plan.Name, h[p.plan.Name], p.Up())
		}
		dests := p.Destinations()
		for j, s := range p.plan.Servers {
			key := p.plan.Config.Servers[j].Key
			state, _ := p.Server(key)
			told := h[s.Name+" "+p.plan.Name]
			if told != state.Up {
				t.Fatalf("%s of %s: told %v, is %v", s.Name, p.plan.Name, told, state.Up)
			}
			d, stands := dests[key]
			if full := max(state.Weight, 0); int(d.Weight) > full || stands && told && !p.SorryActive() && full > 0 && d.Weight == 0 {
				t.Fatalf("%s of %s has weight %d of %d", s.Name, p.plan.Name, d.Weight, full)
			}
			switch {
			case !p.SorryActive() && told && !stands:
				t.Fatalf("%s of %s is told to be up and not in the table", s.Name, p.plan.Name)
			case !told && stands && d.Weight > 0:
				t.Fatalf("%s of %s is told to be down and in the table", s.Name, p.plan.Name)
			}
		}
	}
}

// drawPlan is a plan whose servers may start slowly and follow tracked files.
func drawPlan(t *rapid.T) *Plan {
	plan, _ := Build(drawConfig(t))
	for i := range plan.Pools {
		for j := range plan.Pools[i].Servers {
			plan.Pools[i].Servers[j].SlowStart = max(0, rapid.IntRange(-3, 3).Draw(t, "slow start"))
			if rapid.IntRange(0, 3).Draw(t, "follows") == 0 {
				plan.Follows = append(plan.Follows, Follow{Owner: Owner{i, j}, File: "f", Weight: rapid.IntRange(-1, 2).Draw(t, "times")})
			}
		}
	}
	return plan
}

// TestEdgesTellTheState: whoever believes what is told knows the state of every
// server and quorum, over results, files and reloads, and is told nothing twice.
func TestEdgesTellTheState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, _ := NewNode(drawPlan(t), nil)
		h := newHearer(n)
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			switch rapid.IntRange(0, 8).Draw(t, "event") {
			case 0:
				h.reload(t, n, drawPlan(t))
			case 1:
				h.hear(t, n.Step(Event{Kind: EventFile, Name: "f", Number: rapid.IntRange(-3, 3).Draw(t, "number")}, nil))
			case 2:
				h.hear(t, n.Step(Event{Kind: EventSecond}, nil))
			default:
				h.hear(t, n.Step(Event{Result: drawResult(t, n.plan)}, nil))
			}
			h.agrees(t, n)
		}
	})
}

// reload forgets what leaves, and checks that servers whose checks stay keep
// their state in silence.
func (h hearer) reload(t *rapid.T, n *Node, plan *Plan) {
	before, stay := *n, map[string]bool{}
	for _, p := range before.pools {
		stay[p.plan.Name] = true
	}
	acts := n.Step(Event{Kind: EventReload, Plan: plan}, nil)
	for i := range n.pools {
		if p := &n.pools[i]; stay[p.plan.Name] {
			for j, s := range p.plan.Servers {
				h.unflapped(t, &before, n, i, j, s.Name+" "+p.plan.Name, acts)
			}
		}
	}
	h.hear(t, acts)
	for i := range before.pools {
		if name := before.pools[i].plan.Name; !slices.ContainsFunc(n.pools, func(p pool) bool { return p.plan.Name == name }) {
			maps.DeleteFunc(h, func(key string, _ bool) bool { return key == name || strings.HasSuffix(key, " "+name) })
		}
	}
	h.learn(n, func(name string) bool { return stay[name] })
}

// unflapped fails when a server whose checks and files stay is told of.
func (h hearer) unflapped(t *rapid.T, old, now *Node, pool, server int, name string, acts []Action) {
	p := &now.pools[pool]
	was := old.find(p.plan.Name, p.plan.Config.Servers[server].Key)
	if was == (Owner{-1, -1}) || !slices.Equal(old.asked(was), now.asked(Owner{pool, server})) {
		return
	}
	for _, a := range acts {
		if a.Kind == ActNotify && a.Edge.key() == name {
			t.Fatalf("%s has the checks it had, and flaps: %s", name, a.Edge.Line())
		}
	}
}

// find is where a server is in the plan; -1 for nowhere.
func (n *Node) find(service string, key ipvsctl.DestKey) Owner {
	for i := range n.pools {
		if j, ok := n.pools[i].Place(key); ok && n.pools[i].plan.Name == service {
			return Owner{i, j}
		}
	}
	return Owner{-1, -1}
}

// asked are the identities of a server's checks, and what its files do.
func (n *Node) asked(o Owner) (all []string) {
	for i, owner := range n.plan.Owners {
		if owner == o {
			all = append(all, n.ids[i])
		}
	}
	for i, f := range n.plan.Follows {
		if f.Owner == o && n.influences[i].down {
			all = append(all, "down by file")
		}
	}
	return all
}
