package daemon

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"keepgo/confparse"
	"keepgo/internal/bus"
	"keepgo/internal/notify"
	"keepgo/internal/status"
)

// hearer is a door that hears what is to be told.
type hearer struct{ heard []string }

func (h *hearer) Set(p *bus.Presence, reloaded bool) {
	if p == nil {
		h.heard = append(h.heard, "leave")
		return
	}
	h.heard = append(h.heard, fmt.Sprint(p.Service, p.Scope, p.NoInterface, p.Instances, reloaded))
}

func (h *hearer) Tell(instance string, s bus.State, gone bool) {
	h.heard = append(h.heard, fmt.Sprint(instance, " ", s, " ", gone))
}

func (h *hearer) Close(context.Context) {}

// has compares what was heard since it was asked last.
func (h *hearer) has(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(h.heard, want) {
		t.Errorf("heard %q, not %q", h.heard, want)
	}
	h.heard = nil
}

// TestBusDuringAReload: while a plan is on its way names may mean other
// instances, and only what is gone is told; how all are comes with the plan.
func TestBusDuringAReload(t *testing.T) {
	h := &hearer{}
	p := &parent{scope: scope{namespace: "ns"}, vrrp: &child{needed: true}, cfg: &confparse.Config{
		Instances: []*confparse.Instance{{Name: "A", Interface: "eth0", VRID: 7}, {Name: "B", VRID: 8, IPv6: true}},
	}}
	p.cfg.Global.DBus = confparse.DBus{Enabled: true, Service: "org.example", NoInterface: "any"}
	b := &p.onBus
	b.door = h
	edge := func(name, state string, gone bool) notify.Edge {
		return notify.Edge{Kind: "INSTANCE", Name: name, State: state, Gone: gone}
	}
	report := &status.Status{Instances: []status.Instance{{Name: "A", State: "MASTER"}, {Name: "B", State: "INIT"}}}

	p.showInstances()
	b.tell(edge("A", "BACKUP", false))
	b.tell(edge("C", "FAULT", true))
	p.show(report) // of the plan before
	h.has(t, "C Fault true")
	b.planned(p.vrrp, true)
	p.show(report)
	p.show(report) // somebody else asked
	h.has(t, "org.example[ns]any[{A eth0 7 false Master} {B  8 true Init}] true")

	b.tell(edge("A", "BACKUP", false))
	b.tell(edge("A", "BACKUP_PRIORITY", false))
	b.tell(notify.Edge{Kind: "GROUP", Name: "A", State: "MASTER"})
	b.tell(notify.Edge{Kind: "INSTANCE", Name: "A", State: "MASTER", Again: true})
	h.has(t, "A Backup false")

	b.planned(p.vrrp, false) // a process took the place of another
	p.show(report)
	h.has(t, "org.example[ns]any[{A eth0 7 false Master} {B  8 true Init}] false")
	p.cfg.Global.DBus.Enabled = false
	p.showInstances()
	b.tell(edge("A", "STOP", false))
	h.has(t, "leave", "A Stop false") // which its door does not show any more
}
