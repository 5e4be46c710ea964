package ha

import (
	"time"

	"keepgo/internal/status"
	"keepgo/vrrp"
)

// Status tells every instance's state. wall is the time of day at now.
func (n *Node) Status(now vrrp.Time, wall time.Time) []status.Instance {
	out := make([]status.Instance, len(n.members))
	for i, m := range n.members {
		out[i] = m.status(now, wall)
		out[i].Parts = n.parts(m)
	}
	return out
}

// Report tells the state of every instance, group and script.
func (n *Node) Report(now vrrp.Time, wall time.Time) *status.Status {
	s := &status.Status{Instances: n.Status(now, wall)}
	for _, g := range n.groups {
		sg := status.Group{Name: g.name, State: g.told.String()}
		for _, m := range g.members {
			if m.cause != "" {
				sg.Faults++
			}
		}
		s.Groups = append(s.Groups, sg)
	}
	for _, sc := range n.scripts {
		s.Scripts = append(s.Scripts, status.Script{Name: sc.plan.Name, Known: sc.known, Good: sc.count >= sc.plan.Rise, Result: sc.count})
	}
	return s
}

// Named is the id of the instance of a name, 0 for none.
func (n *Node) Named(name string) int {
	for _, m := range n.members {
		if m.plan.Name == name {
			return m.id
		}
	}
	return 0
}

// ClearCounters sets the counters of every instance to zero.
func (n *Node) ClearCounters() {
	for _, m := range n.members {
		m.stats = vrrp.Tally{}
	}
}

func (m *member) status(now vrrp.Time, wall time.Time) status.Instance {
	r := &m.router
	s := status.Instance{
		Name:      m.plan.Name,
		Interface: m.plan.Key.Link,
		VRID:      m.plan.Key.VRID,
		State:     r.State().String(),
		Want:      r.Want().String(),
		Priority:  r.Priority(),
		Reason:    m.reason,
		Since:     wall.Add(m.since - now),
		Drift:     m.drift(),
		Standing:  r.State() == vrrp.Master,
		Heard:     status.Heard{Priority: r.LastMaster().Priority, Interval: r.MasterInterval().Seconds()},
		Down:      r.MasterDown().Seconds(),
		Pending:   !m.started,
		Counters:  m.stats.Stats(),
		Every:     m.plan.Router.Interval.Seconds(),
		Peers:     m.tellPeers(now, wall),
		ARPDelay:  m.plan.Announce.Delay.Seconds(),
		NoPreempt: m.plan.Router.NoPreempt, PreemptDelay: m.plan.Router.PreemptDelay.Seconds(),
	}
	s.Splits = s.Counters.SplitBrain
	if m.rival != nil {
		s.Rival = m.rival.told
	}
	if m.group != nil {
		s.Group = m.group.name
	}
	if next := r.Next(); next != vrrp.Never {
		at := wall.Add(next - now)
		s.Deadline = &at
	}
	if running(r.State()) {
		at := wall.Add(m.up - now)
		s.Up = &at
	}
	if m.source.IsValid() {
		s.Source = m.source.String()
	}
	if m.master.IsValid() {
		s.Master = m.master.String()
	}
	m.places(&s)
	return s
}

// places tells what stands while the instance is MASTER.
func (m *member) places(s *status.Instance) {
	for _, a := range m.placed().Addresses {
		s.Places = append(s.Places, status.Place{Address: a.Prefix.String(), Link: a.Link})
	}
	for _, a := range m.plan.Addresses {
		s.Addresses = append(s.Addresses, a.Prefix.String()+" dev "+a.Link)
	}
	for k, d := range m.plan.Devices() {
		s.Devices = append(s.Devices, status.Device{Name: m.deviceName(k), Parent: d.Parent})
	}
	for _, r := range m.plan.Routes {
		s.Routes = append(s.Routes, r.String())
	}
	for _, r := range m.plan.Rules {
		s.Rules = append(s.Rules, r.String())
	}
}
