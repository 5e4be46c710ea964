package daemon

import "keepgo/confparse"

// aim is the configuration that is to be in force: one of nothing at the end.
func (p *parent) aim() *confparse.Config {
	if p.stopping {
		return &confparse.Config{Global: p.cfg.Global}
	}
	return p.cfg
}

// balances tells whether the LVS process is to run.
func (p *parent) balances() bool {
	return !p.stopping && !p.opts.NoLVS && (p.opts.All || needsLVS(p.cfg))
}

// places tells whether the VRRP process is to run.
func (p *parent) places() bool {
	return !p.stopping && !p.opts.NoVRRP && (p.opts.All || len(p.cfg.Instances)+len(p.cfg.StaticAddresses)+len(p.cfg.StaticRoutes)+len(p.cfg.StaticRules) > 0)
}

// strays tells whether a VRRP process that died left what the configuration does
// not have any more, and another one has to take away.
func (p *parent) strays() bool {
	return !p.opts.NoVRRP && !p.vrrp.running() && p.vrrp.died && len(p.former) > 0
}

// leftovers tells whether an LVS process that died left services in the kernel,
// which another one has to take out even if there are to be none any more.
func (p *parent) leftovers() bool {
	told := p.servers != nil && len(p.servers.Stood) > 0
	return !p.opts.NoLVS && !p.lvs.running() && (told || p.lvs.died && len(p.stood) > 0)
}

// remains tells whether a child that is not needed any more died before it had taken
// away all that it was to.
func (p *parent) remains(c *child) bool {
	return !p.opts.NoRespawn && (c == p.vrrp && p.strays() || c == p.lvs && c.died && p.leftovers())
}

// needsLVS tells whether there is anything for the LVS process.
func needsLVS(cfg *confparse.Config) bool {
	g := &cfg.Global
	return len(cfg.VirtualServers) > 0 || g.LVSSync != nil && g.LVSSync.Instance == ""
}
