package lb

import (
	"keepgo/internal/status"
	"keepgo/ipvsctl"
)

// Traffic adds what the kernel counted to the status of the plan's virtual
// servers, which a Node gave. Those of a group are the sum of its services.
func (p *Plan) Traffic(services []status.Service, usage map[ipvsctl.ServiceKey]ipvsctl.Usage) {
	for i := range services {
		for _, s := range p.Pools[i].Services {
			if u, stands := usage[p.Services[s].Key]; stands {
				p.Pools[i].traffic(&services[i], &p.Services[s], u)
			}
		}
	}
}

// traffic adds the counters of one service of the pool.
func (p *Pool) traffic(s *status.Service, in *Service, u ipvsctl.Usage) {
	count(&s.Traffic, ipvsctl.Load{Counters: u.Counters})
	for i := range p.Config.Servers {
		k := p.Config.Servers[i].Key
		k.Port = in.port(k, p.Config.Servers[i].Destination.Forward)
		if load, stands := u.Servers[k]; stands {
			count(&s.Servers[i].Traffic, load)
		}
	}
}

func count(t **status.Traffic, l ipvsctl.Load) {
	if *t == nil {
		*t = &status.Traffic{}
	}
	(*t).Connections += l.Connections
	(*t).PacketsIn += l.PacketsIn
	(*t).PacketsOut += l.PacketsOut
	(*t).BytesIn += l.BytesIn
	(*t).BytesOut += l.BytesOut
	(*t).Active += l.Active
	(*t).Inactive += l.Inactive
	(*t).Persistent += l.Persistent
	rates(*t, &l.Counters)
}

// rates adds the kernel's estimates, where there is anything to tell.
func rates(t *status.Traffic, c *ipvsctl.Counters) {
	if c.ConnectionRate|c.PacketRateIn|c.PacketRateOut|c.ByteRateIn|c.ByteRateOut == 0 {
		return
	}
	if t.Rates == nil {
		t.Rates = &status.Rates{}
	}
	t.Rates.Connections += c.ConnectionRate
	t.Rates.PacketsIn += c.PacketRateIn
	t.Rates.PacketsOut += c.PacketRateOut
	t.Rates.BytesIn += c.ByteRateIn
	t.Rates.BytesOut += c.ByteRateOut
}
