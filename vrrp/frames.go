package vrrp

// After a boot, a switch may keep a port from passing frames for a while
// although the link is up. Who speaks into that hears nobody, and nobody hears
// it: both routers of a pair would be master. So the first mastership waits for
// the first frame, if that does not take too long (Config.FramesBy).

// blind tells that becoming master has to wait for a frame.
func (r *Router) blind(now Time) bool { return !r.passes && now < r.cfg.FramesBy }

// frames hears that the interface lets frames in. A router whose time had come
// before listens once more, for the time a master needs to be heard in; the
// owner has nobody to listen to.
func (r *Router) frames(now Time, acts []Action) []Action {
	r.passes = true
	if !r.deferred {
		return acts
	}
	r.deferred = false
	if r.cfg.Priority == Owner {
		return r.claim(now, ReasonOwner, acts)
	}
	r.deadline = min(r.deadline, r.wait(now, r.masterDown()))
	return acts
}
