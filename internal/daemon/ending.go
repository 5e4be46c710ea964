package daemon

// stop ends the children, and with them the parent. Told twice, it ends them at
// once.
func (p *parent) stop() {
	if p.stopping {
		p.log.printf("Told to stop twice: ending at once; addresses may be left standing")
		for _, c := range []*child{p.vrrp, p.lvs, p.bfd} {
			c.swept = true
			c.kill()
		}
		return
	}
	if p.places() {
		p.former = append(p.former, p.cfg)
	}
	p.stopping = true
	p.log.printf("Stopping")
	p.noteDaemon("STOP", "told to stop")
	p.manager.tell("STOPPING=1")
	p.tracked.set(nil)
	p.scripts.Hurry()
	p.outlet.Terminate() // keepalived's readers get SIGTERM before the last lines
	children := []*child{p.bfd, p.lvs, p.vrrp}
	for _, c := range children {
		c.stop(p.keeps(c))
	}
	for _, c := range children {
		p.sweep(c)
	}
	p.ended()
}

// keeps tells whether what a child placed is to stand beyond the end.
func (p *parent) keeps(c *child) bool {
	return c == p.vrrp && p.opts.KeepVIPs || c == p.lvs && p.opts.KeepIPVS
}

// sweep starts a process that has nothing to do but to take away what one that
// died left. It is done once, and may take as long as a child may take to stop.
func (p *parent) sweep(c *child) {
	if c.swept || p.keeps(c) || !p.remains(c) {
		return
	}
	c.swept, c.needed = true, true
	c.start(false)
	if !c.running() { // the end does not wait for better times
		c.stop(false)
		return
	}
	c.limit()
}

// ended ends the parent once no child is left.
func (p *parent) ended() {
	switch {
	case p.leaves && p.vrrp.detached && !p.lvs.running() && !p.bfd.running():
		p.become()
	case p.vrrp.running() || p.lvs.running() || p.bfd.running():
	case p.stopping:
		close(p.stopped)
	case p.leaves:
		p.become()
	}
}
