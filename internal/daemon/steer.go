package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"keepgo/internal/control"
	"keepgo/internal/ha"
	"keepgo/internal/lb"
	"keepgo/internal/status"
)

// lookEvery is how often a switchover is looked after, and breakGrace what
// routers may add to the interval that a handover by priority 0 takes.
const (
	lookEvery  = 50 * time.Millisecond
	breakGrace = time.Second
)

// steer answers a request that hands over a value: f returns what to answer.
func steer[In any](f func(In) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, requestBody)).Decode(&in); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		answer, err := f(in)
		if err != nil {
			refuse(w, http.StatusConflict, err)
			return
		}
		reply(w, answer)
	}
}

// until is when an order ends that is given for a time; 0 is no end.
func until(d time.Duration) *time.Time {
	if d <= 0 {
		return nil
	}
	t := time.Now().Add(d)
	return &t
}

// steerServer gives an order for servers, or takes those there are back.
func (p *parent) steerServer(o control.ServerOrder) (answer any, err error) {
	p.onLoop(func() {
		plan, _ := lb.Build(p.cfg)
		var found []lb.Target
		if found, err = plan.Find(o.Server, o.Service); err != nil {
			return
		}
		given := []status.Order{}
		for _, t := range found {
			given = append(given, status.Order{Verb: o.Verb, Service: t.Service, Server: t.Server, Weight: o.Weight, Until: until(o.For)})
		}
		switch {
		case o.Verb != control.Auto:
			p.order(given...)
		case p.takeBack(func(old *status.Order) bool {
			return slices.ContainsFunc(given, func(g status.Order) bool { return old.Same(&g) })
		}) == 0:
			err = fmt.Errorf("there is no order for %s", o.Server)
		}
		answer = given
	})
	return answer, err
}

// steerLeave lets a virtual server stand in IPVS as somebody made it.
func (p *parent) steerLeave(o control.LeaveOrder) (answer any, err error) {
	p.onLoop(func() {
		plan, _ := lb.Build(p.cfg)
		i := slices.IndexFunc(plan.Services, func(s lb.Service) bool { return s.Key.String() == o.Service })
		if i < 0 || !p.lvs.running() {
			err = fmt.Errorf("there is no virtual server %s", o.Service)
			return
		}
		p.lvs.tell(toChild{Yield: &plan.Services[i].Key})
	})
	return o, err
}

// steerMaintenance lets another director have everything, as long as there is
// one that takes it.
func (p *parent) steerMaintenance(m control.MaintenanceOrder) (any, error) {
	if !m.On {
		n := 0
		p.onLoop(func() { n = p.takeBack(func(o *status.Order) bool { return o.Verb == status.Maintenance }) })
		if n == 0 {
			return nil, fmt.Errorf("maintenance is not on")
		}
		return control.Handed{}, nil
	}
	s := p.ask()
	h := ha.Masters(s)
	p.onLoop(func() { p.order(status.Order{Verb: status.Maintenance, Until: until(m.For)}) })
	return p.await(h), nil
}

// steerSwitchover hands an instance, or a group, over: it holds back, and is
// MASTER until it hears another. If nobody takes over all is as before.
func (p *parent) steerSwitchover(o control.SwitchoverOrder) (any, error) {
	same := func(old *status.Order) bool { return old.Verb == status.Switchover && old.Name == o.Name }
	if o.Back {
		n := 0
		if p.onLoop(func() { n = p.takeBack(same) }); n == 0 {
			return nil, fmt.Errorf("%s was not switched over", o.Name)
		}
		return control.Handed{}, nil
	}
	if o.Keep {
		return p.prolong(same, until(o.For))
	}
	h, err := ha.CanHandOver(p.ask(), o.Name)
	if err != nil {
		return nil, err
	}
	p.onLoop(func() {
		p.order(status.Order{Verb: status.Switchover, Name: o.Name, Instances: h.Instances, Until: until(o.For)})
	})
	done := p.await(h)
	if len(done.Kept) > 0 && o.Break {
		p.onLoop(func() { p.vrrp.tell(toChild{Orders: &childOrders{Held: p.held(), Yield: true}}) })
		done = p.await(ha.Handover{Instances: h.Instances, Patience: h.Patience/4 + breakGrace})
		done.Broken = true
	}
	if len(done.Kept) == 0 {
		return done, nil
	}
	p.onLoop(func() { p.takeBack(same) })
	kept := strings.Join(done.Kept, ", ")
	if o.Break {
		return nil, fmt.Errorf("nobody took %s over, not even after priority 0: no other router hears it; it is MASTER as before", kept)
	}
	return nil, fmt.Errorf("nobody took %s over within %s, and it is MASTER as before: no other router hears it, or all have nopreempt or a longer preempt_delay; "+
		"with --break it says priority 0, which those obey, and the address is nowhere for a moment", kept, h.Patience)
}

// prolong gives an order that is in force another end, without a word: a drill
// does so every few seconds.
func (p *parent) prolong(meant func(*status.Order) bool, end *time.Time) (any, error) {
	err := errors.New("there is no such order any more")
	p.onLoop(func() {
		if i := slices.IndexFunc(p.orders.list, func(o status.Order) bool { return meant(&o) }); i >= 0 {
			p.orders.list[i].Until, err = end, nil
			p.keepOrders()
			p.wind()
		}
	})
	return control.Handed{}, err
}

// await looks until all of a handover are MASTER no longer, or its patience ends.
func (p *parent) await(h ha.Handover) control.Handed {
	began := time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		done := control.Handed{To: map[string]string{}, Took: time.Since(began)}
		for _, in := range p.ask().Instances {
			if !slices.Contains(h.Instances, in.Name) {
				continue
			}
			if to, ok := ha.HandedOver(&in, began); ok {
				done.To[in.Name] = to
			} else {
				done.Kept = append(done.Kept, in.Name)
			}
		}
		if len(done.Kept) == 0 || done.Took > h.Patience {
			return done
		}
		<-tick.C
	}
}
