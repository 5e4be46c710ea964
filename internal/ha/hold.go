package ha

import (
	"fmt"
	"slices"
	"time"

	"keepgo/internal/status"
	"keepgo/vrrp"
)

// heldPriority is what an instance that holds back says: any other router is
// better, and with none it still keeps the addresses.
const heldPriority = 1

// priority is the effective priority of a member.
func (m *member) priority(sum int) uint8 {
	if m.held {
		return heldPriority
	}
	return vrrp.EffectivePriority(m.plan.Router.Priority, sum)
}

// hold makes the named instances hold back, and the others no longer: a master
// says its new priority at once and stays until it hears a better one, so that
// its addresses are never nowhere.
func (n *Node) hold(now vrrp.Time, names []string, acts []Action) []Action {
	n.plan.Held = names
	for _, m := range n.members {
		held := slices.Contains(names, m.plan.Name)
		if held == m.held {
			continue
		}
		m.held = held
		words := "holds back by order, with priority %d"
		if !held {
			words = "does not hold back any more: priority %d"
		}
		acts = m.log(acts, words, m.priority(n.judge(m).sum))
		acts = n.reconfigure(now, m, acts)
	}
	return acts
}

// yield makes the masters that hold back give their addresses up before anybody
// else has them: they say priority 0, and take them again after nearly an
// interval if nobody did.
func (n *Node) yield(now vrrp.Time, acts []Action) []Action {
	for _, m := range n.members {
		if m.held && m.router.State() == vrrp.Master {
			acts = n.step(now, m, vrrp.Event{Kind: vrrp.EventLost}, acts)
		}
	}
	return acts
}

// Handover is a switchover that may be tried.
type Handover struct {
	Instances []string // all of the sync group, where there is one
	// Patience is within what another router takes over, if it does at all.
	Patience time.Duration
}

// CanHandOver decides whether the instance or sync group of a name may be
// handed over as all is now. The error says why not.
func CanHandOver(s *status.Status, name string) (h Handover, err error) {
	group := name
	for i := range s.Instances {
		if in := &s.Instances[i]; in.Name == name && in.Group != "" {
			group = in.Group
		}
	}
	for i := range s.Instances {
		in := &s.Instances[i]
		if in.Name != name && in.Group != group {
			continue
		}
		if err := fit(in); err != nil {
			return h, err
		}
		h.Instances = append(h.Instances, in.Name)
		h.Patience = max(h.Patience, patience(in))
	}
	if len(h.Instances) == 0 {
		return h, fmt.Errorf("no vrrp_instance and no vrrp_sync_group is called %q", name)
	}
	return h, nil
}

// Masters is the handover of everything.
func Masters(s *status.Status) (h Handover) {
	for i := range s.Instances {
		if in := &s.Instances[i]; in.State == vrrp.Master.String() {
			h.Instances = append(h.Instances, in.Name)
			h.Patience = max(h.Patience, patience(in))
		}
	}
	return h
}

// fit says why an instance cannot be handed over, or nil.
func fit(in *status.Instance) error {
	switch {
	case in.State == vrrp.Backup.String() && in.Master != "":
		return fmt.Errorf("%s is BACKUP here already; %s is MASTER", in.Name, in.Master)
	case in.State != vrrp.Master.String():
		return fmt.Errorf("%s is %s: %s", in.Name, in.State, in.Reason)
	case in.Rival != "":
		return fmt.Errorf("%s has two masters: %s", in.Name, in.Rival)
	}
	for _, p := range in.Peers {
		if p.Fault != "" {
			return fmt.Errorf("%s: the last advert of %s was wrong (%s); make both configurations alike first", in.Name, p.Address, p.Fault)
		}
	}
	return nil
}

// HandedOver tells whether an instance is MASTER no longer and another router
// has spoken since, and which: a BACKUP that heard nobody takes its addresses
// back. One in FAULT has nobody to wait for.
func HandedOver(in *status.Instance, since time.Time) (to string, ok bool) {
	switch in.State {
	case vrrp.Master.String():
		return "", false
	case vrrp.Backup.String():
		for _, p := range in.Peers {
			if p.Address == in.Master && p.Heard != nil && p.Heard.After(since) && p.Priority > 0 {
				return p.Address, true
			}
		}
		return "", false
	}
	return "", true
}

// patience is the longest Master_Down_Interval another router of the same
// interval can have (RFC 9568 section 6.1), and one interval and a second for
// it to speak.
func patience(in *status.Instance) time.Duration {
	return time.Duration(in.Every*5*float64(time.Second)) + time.Second
}
