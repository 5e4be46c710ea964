package daemon

import (
	"maps"
	"os"
	"slices"
	"time"

	"keepgo/confparse"
	"keepgo/internal/advice"
	"keepgo/internal/status"
)

// reportLimit is how long a child may take to tell its state.
const reportLimit = time.Second

// request is somebody who waits for the status.
type request struct {
	done    func(*status.Status)
	status  status.Status
	waiting []*child
	timer   *time.Timer
}

// collect asks the children for the status, and hands it over when it is
// complete, or when a child has taken too long. With clear the counters are set
// to zero behind it.
func (p *parent) collect(clear bool, done func(*status.Status)) {
	r := &request{done: done, status: status.Status{
		PID: os.Getpid(), Version: p.opts.Version, Asked: time.Now(), Began: p.began, Probation: p.back != nil, Reloaded: p.reloaded, Config: p.opts.File,
		Orders: slices.Clone(p.orders.list), Instances: []status.Instance{}, Services: []status.Service{},
		Files: maps.Clone(p.numbers), Processes: maps.Clone(p.running), Sessions: maps.Clone(p.sessions), Drills: slices.Clone(p.drills.list), Sync: p.wantsSync(),
	}}
	r.status.Agreement, r.status.Digest = p.agreed.of(p.cfg)
	for _, c := range []*child{p.vrrp, p.lvs} {
		if c.running() {
			r.waiting = append(r.waiting, c)
			c.tell(toChild{Report: true, Clear: clear})
		}
	}
	p.requests = append(p.requests, r)
	r.timer = time.AfterFunc(reportLimit, func() {
		p.events <- func() { p.answer(r) }
	})
	p.settle()
}

// reported takes a child's part of the status.
func (p *parent) reported(c *child, s *status.Status) {
	if c == p.vrrp {
		p.show(s)
	}
	for _, r := range p.requests {
		i := slices.Index(r.waiting, c)
		if i < 0 {
			continue
		}
		r.waiting = slices.Delete(r.waiting, i, i+1)
		if c == p.vrrp {
			r.status.Instances = append(r.status.Instances, s.Instances...)
			r.status.Groups, r.status.Scripts = s.Groups, s.Scripts
		} else {
			r.status.Services = append(r.status.Services, s.Services...)
			r.status.IPVS, r.status.DataPlane, r.status.Probes = s.IPVS, s.DataPlane, s.Probes
			if r.status.Sync != nil && s.Sync != nil {
				r.status.Sync = s.Sync
			}
		}
	}
	p.settle()
}

// forget stops waiting for a child that died.
func (p *parent) forget(c *child) {
	for _, r := range p.requests {
		r.waiting = slices.DeleteFunc(r.waiting, func(w *child) bool { return w == c })
	}
	p.settle()
}

// settle answers every request that is complete.
func (p *parent) settle() {
	for _, r := range slices.Clone(p.requests) {
		if len(r.waiting) == 0 {
			p.answer(r)
		}
	}
}

// answer hands over what is known, once.
func (p *parent) answer(r *request) {
	i := slices.Index(p.requests, r)
	if i < 0 {
		return
	}
	p.requests = slices.Delete(p.requests, i, i+1)
	r.timer.Stop()
	if err := stand(r.status.Instances); err != nil {
		p.log.printf("status: %v", err)
	}
	r.done(&r.status)
}

// agreed is the agreement of a configuration: it is asked for again and again,
// and the same until a reload.
type agreed struct {
	cfg    *confparse.Config
	terms  map[string]string
	digest string
}

func (a *agreed) of(cfg *confparse.Config) (terms map[string]string, digest string) {
	if a.cfg != cfg {
		terms = advice.Agreement(cfg)
		*a = agreed{cfg, terms, advice.Digest(terms)}
	}
	return a.terms, a.digest
}

// wantsSync is not nil if connections are to be synchronised.
func (p *parent) wantsSync() *status.Sync {
	follows := slices.ContainsFunc(p.cfg.Instances, func(in *confparse.Instance) bool { return in.LVSSyncInterface != "" })
	if p.cfg.Global.LVSSync == nil && !follows {
		return nil
	}
	return new(status.Sync)
}
