package lb

import (
	"strings"
	"testing"

	"keepgo/confparse"
	"keepgo/ipvsctl"
)

// TestReloadCostsWhatChanged: of 200 services the kernel hears of those that
// changed alone, and of those what changed: edits, which keep connections.
func TestReloadCostsWhatChanged(t *testing.T) {
	load := func(change func(all []*confparse.VirtualServer)) *Plan {
		var all []*confparse.VirtualServer
		for i := range 200 {
			all = append(all, vs(i+1, rs(1, 1), rs(2, 1), rs(3, 1), rs(4, 1)))
		}
		change(all)
		return plan(t, all...)
	}
	n, _ := NewNode(load(func([]*confparse.VirtualServer) {}), nil)
	before := n.Table()
	acts := n.Step(Event{Kind: EventReload, Plan: load(func(all []*confparse.VirtualServer) {
		all[10].Scheduler = "wrr"
		all[20].Servers[1].Weight = 9
		all[30].Servers = all[30].Servers[:3]
		all[40].Servers[0].Upper = 100
		all[50].Servers[3].Forward = confparse.Direct
		all[60] = vs(250, rs(1, 1))
	})}, nil)

	set := 0
	for _, a := range acts {
		if a.Kind == ActSet || a.Kind == ActRemove {
			set++
		}
	}
	if set != 7 {
		t.Errorf("%d services are set or removed, want 7:\n%s", set, told(acts))
	}
	var ops []string
	for _, op := range ipvsctl.Diff(before, n.Table()) {
		ops = append(ops, op.String())
	}
	expect(t, "changes", strings.Join(ops, "\n"), lines(
		"edit service [10.1.0.11]:tcp:80",
		"edit server [10.0.0.2]:tcp:80 of [10.1.0.21]:tcp:80",
		"delete server [10.0.0.4]:tcp:80 of [10.1.0.31]:tcp:80",
		"edit server [10.0.0.1]:tcp:80 of [10.1.0.41]:tcp:80",
		"edit server [10.0.0.4]:tcp:80 of [10.1.0.51]:tcp:80",
		"add service [10.1.0.250]:tcp:80",
		"add server [10.0.0.1]:tcp:80 of [10.1.0.250]:tcp:80",
		"delete service [10.1.0.61]:tcp:80"))
}
