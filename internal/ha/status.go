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
		s := status.Instance{
			Name:      m.plan.Name,
			Interface: m.plan.Key.Link,
			VRID:      m.plan.Key.VRID,
			State:     m.router.State().String(),
			Priority:  m.router.Priority(),
			Reason:    m.reason,
			Since:     wall.Add(m.since - now),
			Drift:     m.drift,
			Rival:     m.rival.told,
			Splits:    m.stats.SplitBrain,
		}
		if m.master.IsValid() {
			s.Master = m.master.String()
		}
		for _, a := range m.plan.Addresses {
			s.Addresses = append(s.Addresses, a.Prefix.String()+" dev "+a.Link)
		}
		for k, d := range m.plan.Devices() {
			s.Devices = append(s.Devices, status.Device{Name: m.deviceName(k), Parent: d.Parent})
		}
		out[i] = s
	}
	return out
}
