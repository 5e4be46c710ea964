package daemon

// stop ends the children, and with them the parent. Told twice, it ends them at
// once.
func (p *parent) stop() {
	if p.stopping {
		p.log.printf("Told to stop twice: ending at once; addresses may be left standing")
		p.vrrp.kill()
		p.lvs.kill()
		p.bfd.kill()
		return
	}
	p.stopping = true
	p.log.printf("Stopping")
	p.noteDaemon("STOP", "told to stop")
	p.manager.tell("STOPPING=1")
	p.tracked.set(nil)
	p.scripts.Hurry()
	p.outlet.Terminate() // keepalived's readers get SIGTERM before the last lines
	p.bfd.stop(false)
	p.lvs.stop(p.opts.KeepIPVS)
	p.vrrp.stop(p.opts.KeepVIPs)
	p.ended()
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
