package lb

import "keepgo/ipvsctl"

// Surprises says where values of net.ipv4.vs.* make IPVS do with the plan's
// services what hardly anybody expects. A value is "" where the kernel has none.
func (p *Plan) Surprises(value func(name string) string) (all []string) {
	inhibit, leave, persistent := p.manners()
	if leave && value("expire_nodest_conn") == "0" {
		all = append(all, "connections to a server that fails hang until their clients give up ('lvs_expire_nodest_conn on' ends them)")
	}
	if inhibit && persistent && value("expire_quiescent_template") == "0" {
		all = append(all, "clients with persistence stay with a server that failed and has weight 0 ('lvs_expire_quiescent_template on' moves them)")
	}
	if value("conn_reuse_mode") == "0" {
		all = append(all, "a client that uses a port again goes to the server it had, even one with weight 0 ('lvs_conn_reuse_mode 1' chooses anew)")
	}
	return all
}

// manners tells whether servers that fail keep a place with weight 0, or leave,
// and whether a service of the former kind is persistent.
func (p *Plan) manners() (inhibit, leave, persistent bool) {
	checked := make(map[Owner]bool, len(p.Owners))
	for _, o := range p.Owners {
		checked[o] = true
	}
	for i := range p.Pools {
		c := &p.Pools[i].Config
		for j, s := range c.Servers {
			if !checked[Owner{i, j}] || c.Service.Flags&ipvsctl.FlagOnePacket != 0 {
				continue
			}
			inhibit, leave = inhibit || s.Inhibit, leave || !s.Inhibit
			persistent = persistent || s.Inhibit && c.Service.Timeout > 0
		}
	}
	return inhibit, leave, persistent
}
