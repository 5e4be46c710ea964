package daemon

import (
	"cmp"
	"os"
	"sync/atomic"
	"time"

	"keepgo/confparse"
	"keepgo/internal/agentx"
	"keepgo/internal/agentx/subagent"
	"keepgo/internal/ha"
	"keepgo/internal/lb"
	"keepgo/internal/notify"
	"keepgo/internal/snmp"
	"keepgo/internal/status"
)

// Bounds of the sub-agent of SNMP.
const (
	// viewAge is how old an answer may be, but for what takes long to find out:
	// that may not take more than a tenth of the time.
	viewAge = time.Second
	// snmpFarewell is how long the last notifications may take.
	snmpFarewell = 500 * time.Millisecond
)

// defaultAgentX is where net-snmp's master listens (NETSNMP_AGENTX_SOCKET).
const defaultAgentX = "unix:/var/agentx/master"

// snmpAgent answers an AgentX master, from a goroutine of its own: what it asks
// for comes from the parent's loop, as any status does.
type snmpAgent struct {
	p     *parent
	agent *subagent.Agent // nil before it is needed
	stale atomic.Bool     // a reload was put in force, or what a master set

	amended bool // a master set what the file says otherwise; of the parent's loop

	// Of the agent's goroutine.
	at   time.Time // when view was so
	cost time.Duration
	view *snmp.MIB
	plan struct {
		of *confparse.Config
		is *ha.Plan
	}
}

// set puts the configuration's words about SNMP in force.
func (a *snmpAgent) set(p *parent) {
	s := &p.cfg.Global.SNMP
	trees := snmp.Trees(s)
	if a.agent == nil {
		if trees == nil {
			return
		}
		a.p, a.view = p, new(snmp.MIB)
		a.agent = subagent.New(a.fresh, a.write, p.log.printf)
	}
	a.stale.Store(true)
	if trees == nil {
		a.agent.Set(nil)
		return
	}
	a.agent.Set(&subagent.Options{Socket: master(s), Name: "Keepalived", ID: snmp.Keepalived, Trees: trees})
}

// master is where the master agent listens.
func master(s *confparse.SNMP) string { return cmp.Or(s.Socket, defaultAgentX) }

// close ends the sub-agent with the daemon.
func (a *snmpAgent) close() {
	if a.agent != nil {
		a.agent.Close(snmpFarewell)
	}
}

// fresh is what may be told now.
func (a *snmpAgent) fresh() agentx.View {
	a.look(time.Now().Add(-max(viewAge, 10*a.cost)))
	return a.view
}

// look finds out what is, unless that was done since a time.
func (a *snmpAgent) look(since time.Time) {
	if !a.stale.Swap(false) && a.at.After(since) {
		return
	}
	began := time.Now()
	w := a.ask()
	if w.Status == nil {
		return
	}
	if a.plan.of == w.Config && partial(&w) {
		a.at, a.cost = began, time.Since(began)
		return
	}
	if a.plan.of != w.Config {
		a.plan.of = w.Config
		a.plan.is, _ = routed(w.Config)
	}
	w.Plan, w.Links = a.plan.is, links(virtual(w.Config))
	a.view = snmp.New(w)
	a.at, a.cost = began, time.Since(began)
}

// partial tells that a child did not say in time how it is: what it said before
// is better than nothing.
func partial(w *snmp.World) bool {
	return len(w.Config.Instances) > 0 && len(w.Status.Instances) == 0 || len(w.Config.VirtualServers) > 0 && len(w.Status.Services) == 0
}

// ask gets the status and its configuration from the parent's loop. There is none
// any more once that has ended.
func (a *snmpAgent) ask() (w snmp.World) {
	c := make(chan snmp.World, 1)
	ask := func() {
		cfg, namespace := a.p.cfg, a.p.scope.namespace
		a.p.collect(false, func(s *status.Status) { c <- snmp.World{Config: cfg, Status: s, Namespace: namespace} })
	}
	select {
	case a.p.events <- ask:
	case <-a.p.stopped:
	}
	select {
	case w = <-c:
		w.HostName, _ = os.Hostname()
	case <-a.p.stopped:
	}
	return w
}

// edge sends the notifications of a change of an instance or a group.
func (a *snmpAgent) edge(e notify.Edge, why string) {
	if a.agent == nil || !a.p.cfg.Global.SNMP.Traps || e.Again {
		return
	}
	s := &a.p.cfg.Global.SNMP
	if s.VRRP {
		t := snmp.Change(e, a.p.tellers[e.Kind+" "+e.Name].master, a.p.routerID())
		a.agent.Notify(func() (agentx.OID, []agentx.Bind) { return t.OID, t.Objects })
	}
	if e.Kind != "INSTANCE" || e.State != "MASTER" {
		return
	}
	if s.RFCv2 {
		a.later(func(m *snmp.MIB) snmp.Trap { return m.NewMaster2(e.Name) })
	}
	if s.RFCv3 {
		a.later(func(m *snmp.MIB) snmp.Trap { return m.NewMaster3(e.Name, why) })
	}
}

// server sends the notification of a change of a virtual or a real server.
func (a *snmpAgent) server(e lb.Edge) {
	if a.agent == nil {
		return
	}
	if s := &a.p.cfg.Global.SNMP; s.Traps && s.Checker && !e.OfCheck {
		a.later(func(m *snmp.MIB) snmp.Trap { return m.Server(e) })
	}
}

// fault sends the notifications of a wrong packet.
func (a *snmpAgent) fault(f snmp.Fault) {
	if a.agent == nil || !a.p.cfg.Global.SNMP.Traps {
		return
	}
	s := &a.p.cfg.Global.SNMP
	tell := func(on bool, of func(*snmp.MIB) snmp.Trap) {
		if on {
			a.agent.Notify(func() (agentx.OID, []agentx.Bind) {
				a.fresh() // who it is of hardly changes: nothing is found out for every packet
				t := of(a.view)
				return t.OID, t.Objects
			})
		}
	}
	tell(s.RFCv2, func(m *snmp.MIB) snmp.Trap { return m.AuthFailure(f) })
	tell(s.RFCv3, func(m *snmp.MIB) snmp.Trap { return m.ProtoError(f) })
}

// later sends a notification of what is asked for when it is sent.
func (a *snmpAgent) later(tell func(*snmp.MIB) snmp.Trap) {
	now := time.Now()
	a.agent.Notify(func() (agentx.OID, []agentx.Bind) {
		a.look(now)
		t := tell(a.view)
		return t.OID, t.Objects
	})
}

// routerID is router_id, else the name of the host.
func (p *parent) routerID() string {
	host, _ := os.Hostname()
	return cmp.Or(p.cfg.Global.RouterID, host)
}
