package daemon

import (
	"errors"
	"fmt"
	"slices"

	"keepgo/confparse"
	"keepgo/internal/agentx"
	"keepgo/internal/lb"
	"keepgo/internal/snmp"
	"keepgo/internal/status"
)

// What a master agent sets holds until the configuration is read anew, as with
// keepalived. A weight is an order, as one on the control socket is. What an
// instance is changed by goes the way of a reload that changes it alone, so that
// everything that tells of the configuration in force tells of it.

// write puts what a master sets in force, all of it or nothing, see
// agentx.Responder.
func (a *snmpAgent) write(binds []agentx.Bind) (undo func(), err error) {
	sets := make([]snmp.Set, len(binds))
	for i, b := range binds {
		var fault uint16
		if sets[i], fault = a.view.Set(b); fault != 0 {
			return nil, fmt.Errorf("%v is not there any more", b.Name)
		}
	}
	var back func()
	if !a.onLoop(func() { back, err = a.p.assign(sets) }) {
		return nil, errors.New("the daemon ends")
	}
	return func() { a.onLoop(back) }, err
}

// onLoop does something on the parent's loop, unless that has ended. What was
// found out before is old then.
func (a *snmpAgent) onLoop(do func()) bool {
	defer a.stale.Store(true)
	return a.p.onLoopUnless(a.p.stopped, do)
}

// assign puts values in force. back puts back what was before.
func (p *parent) assign(sets []snmp.Set) (back func(), err error) {
	if p.stopping || p.leaves {
		return nil, errors.New("the daemon ends")
	}
	var weights []status.Order
	for _, s := range sets {
		if s.Object == snmp.Weight {
			weights = append(weights, status.Order{Verb: lb.Weight, Service: s.Service, Server: s.Server, Weight: s.Number, By: status.BySNMP})
		} else if p.named(s.Instance) < 0 {
			return nil, fmt.Errorf("no vrrp_instance is called %q", s.Instance)
		}
	}
	unweigh, restore := p.weigh(weights), p.amend(sets)
	return func() { unweigh(); restore() }, nil
}

// weigh orders weights. What it returns takes them back, and gives the orders
// that they replaced anew.
func (p *parent) weigh(news []status.Order) (back func()) {
	if len(news) == 0 {
		return func() {}
	}
	replaced := func(o *status.Order) bool {
		return slices.ContainsFunc(news, func(n status.Order) bool { return n.Same(o) })
	}
	old := slices.DeleteFunc(slices.Clone(p.orders.list), func(o status.Order) bool { return !replaced(&o) })
	p.order(news...)
	return func() {
		p.takeBack(func(o *status.Order) bool { return bySNMP(o) && replaced(o) })
		p.order(old...)
	}
}

// named is the index of an instance; -1 for none.
func (p *parent) named(name string) int {
	return slices.IndexFunc(p.cfg.Instances, func(in *confparse.Instance) bool { return in.Name == name })
}

// amend changes instances of the configuration in force. What it returns puts
// the one before in force again, unless there is another meanwhile.
func (p *parent) amend(sets []snmp.Set) (back func()) {
	before, cfg := p.cfg, *p.cfg
	cfg.Instances = slices.Clone(cfg.Instances)
	changed := false
	for _, s := range sets {
		if s.Object == snmp.Weight {
			continue
		}
		i := p.named(s.Instance)
		in := *cfg.Instances[i]
		words := change(&in, s)
		p.log.printf("%s", words)
		p.noteDaemon("SET", "%s, from %s", words, master(&cfg.Global.SNMP))
		cfg.Instances[i], changed = &in, true
	}
	if !changed {
		return func() {}
	}
	p.snmp.amended = true
	p.force(&cfg)
	return func() {
		if p.cfg == &cfg {
			p.log.printf("Another sub-agent of the master could not do its part: what SNMP set is taken back")
			p.force(before)
		}
	}
}

// change does to an instance what a master sets, and returns how keepalived
// words it.
func change(in *confparse.Instance, s snmp.Set) string {
	if s.Object == snmp.Priority {
		was := in.Priority
		in.Priority = uint8(s.Number)
		return fmt.Sprintf("(%s) base priority changed from %d to %d via SNMP.", in.Name, was, s.Number)
	}
	in.NoPreempt = s.Number != 1
	return fmt.Sprintf("(%s) preemption %s with SNMP", in.Name, map[bool]string{true: "disabled", false: "enabled"}[in.NoPreempt])
}

// force gives the VRRP process a configuration that differs from the one it has
// in instances alone.
func (p *parent) force(cfg *confparse.Config) {
	p.cfg = cfg
	if p.vrrp.needed {
		p.vrrp.need(true)
	}
}

// undone ends what masters set: the configuration was read anew.
func (a *snmpAgent) undone(p *parent) {
	if a.amended {
		p.log.printf("What SNMP set ends: the file counts")
	}
	a.amended = false
	if p.endOrders(bySNMP) {
		p.ordered()
	}
}
