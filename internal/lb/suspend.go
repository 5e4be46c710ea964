package lb

import (
	"fmt"
	"net/netip"

	"keepgo/checker"
)

// Watched are the addresses that decide about the checks of services with
// ha_suspend.
func (p *Plan) Watched() []netip.Addr {
	var all []netip.Addr
	seen := map[netip.Addr]bool{}
	for i := range p.Pools {
		if a := p.Pools[i].Suspend; a.IsValid() && !seen[a] {
			seen[a] = true
			all = append(all, a)
		}
	}
	return all
}

// asleep says that the checks of a pool rest: its address is on another
// director.
func (p *Pool) asleep(here map[netip.Addr]bool) bool { return p.Suspend.IsValid() && !here[p.Suspend] }

// Checks are those of the plan that are to be made now, as they last stood; read
// only. Those that rest keep their verdicts.
func (n *Node) Checks() []checker.Check {
	rest := 0
	for i := range n.plan.Checks {
		c, v := &n.plan.Checks[i], &n.verdicts[i]
		c.Known, c.Rising = v.Why != "", v.Rising
		c.Down = c.Known && !v.Up
		if n.rests(i) {
			rest++
		}
	}
	if rest == 0 { // tens of thousands are not held twice
		return n.plan.Checks
	}
	awake := make([]checker.Check, 0, len(n.plan.Checks)-rest)
	for i := range n.plan.Checks {
		if !n.rests(i) {
			awake = append(awake, n.plan.Checks[i])
		}
	}
	return awake
}

func (n *Node) rests(check int) bool {
	return n.plan.Pools[n.plan.Owners[check].Pool].asleep(n.here)
}

// hearHere takes in which of the watched addresses are on this machine.
func (n *Node) hearHere(here map[netip.Addr]bool, acts []Action) []Action {
	was := n.here
	n.here = here
	for i := range n.plan.Checks {
		p := &n.plan.Pools[n.plan.Owners[i].Pool]
		rests := p.asleep(here)
		if rests == p.asleep(was) {
			continue
		}
		verb := "Activating"
		if rests {
			verb = "Suspending"
		}
		acts = append(acts, Action{Kind: ActLog, Text: fmt.Sprintf("%s healthchecker for service %s for VS %s", verb, n.plan.Checks[i].Name, p.Name)})
	}
	return acts
}
