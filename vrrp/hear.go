package vrrp

import "time"

// hear takes an advert that passed every check on reception.
func (r *Router) hear(now Time, h Heard, acts []Action) []Action {
	if r.quiet(now) || r.cfg.OwnerIgnoresAdverts && r.cfg.Priority == Owner {
		return acts
	}
	if !r.passes {
		acts = r.frames(now, acts)
	}
	switch r.state {
	case Backup:
		return r.hearAsBackup(now, h, acts)
	case Master:
		return r.hearAsMaster(now, h, acts)
	}
	return acts
}

// hearAsBackup is RFC 9568 section 6.4.2 with keepalived's preempt_delay.
func (r *Router) hearAsBackup(now Time, h Heard, acts []Action) []Action {
	if !r.rival.same(h) {
		r.restore()
	}
	switch {
	case h.Priority == 0:
		r.deadline, r.handed = now+r.skew(), true
	case r.accepts(now, h):
		r.follow(now, h)
	default:
		acts = append(acts, Action{Kind: ActIgnore, Reason: ReasonLowerPriority, Peer: h})
	}
	return acts
}

// accepts tells whether a backup takes h as its master's. The preempt delay
// begins with the first advert of lower priority; until it ends those are
// accepted, and one of ours or higher clears it.
func (r *Router) accepts(now Time, h Heard) bool {
	switch {
	case h.Priority >= r.priority:
		r.preemptAt = Never
		return true
	case r.cfg.NoPreempt:
		return true
	case r.cfg.PreemptDelay == 0:
		return false
	case r.preemptAt == Never:
		r.preemptAt = now + r.cfg.PreemptDelay
	}
	return now < r.preemptAt
}

// follow takes h as the master's advert: version 3 learns the interval, and
// the full Master_Down_Interval begins.
func (r *Router) follow(now Time, h Heard) {
	if r.cfg.Version == 3 && h.Interval > 0 {
		r.interval = h.Interval
	}
	r.master = h
	r.want = Backup
	r.listening, r.handed = false, false
	r.deadline = r.wait(now, r.masterDown())
}

// hearAsMaster is RFC 9568 section 6.4.3.
func (r *Router) hearAsMaster(now Time, h Heard, acts []Action) []Action {
	if h.Priority == 0 {
		a := Action{Kind: ActReannounce, Reason: ReasonPriorityZero, Peer: h}
		return append(r.send(now, a, acts), a)
	}
	acts = r.dispute(now, h, acts)
	switch why := r.compare(h); why {
	case ReasonHigherPriority, ReasonHigherAddress:
		return r.concede(now, h, why, acts)
	case ReasonSameAddress:
		return append(acts, Action{Kind: ActIgnore, Reason: why, Peer: h})
	}
	return r.insist(now, h, acts)
}

// compare weighs h against this router: priority first, then the primary
// address as an unsigned number (RFC 9568 section 6.4.3).
func (r *Router) compare(h Heard) Reason {
	switch {
	case h.Priority > r.priority:
		return ReasonHigherPriority
	case h.Priority < r.priority:
		return ReasonLowerPriority
	}
	switch c := h.From.Compare(r.cfg.Source); {
	case c > 0:
		return ReasonHigherAddress
	case c < 0:
		return ReasonLowerPriority
	}
	return ReasonSameAddress
}

// concede gives mastership to the sender of h.
func (r *Router) concede(now Time, h Heard, why Reason, acts []Action) []Action {
	a := Action{Reason: why, Peer: h}
	if r.cfg.HigherPrioritySend || r.unheard(now) {
		acts = r.send(now, a, acts)
	}
	r.follow(now, h)
	return r.become(Backup, a, acts)
}

// answerTime is within what an answer to an advert comes.
const answerTime = 20 * time.Millisecond

// unheard tells that the better master may not know of this one: it had been
// silent, and what it says now answers nothing.
func (r *Router) unheard(now Time) bool {
	spoke := r.deadline - r.cfg.Interval
	return r.cfg.LastWord && r.presumed && now-spoke > answerTime
}

// maxAnswers is how many worse masters are answered in an interval. Every
// answer reaches all of them; a flood must not be sent back to the wire, nor on
// to scripts.
const maxAnswers = 8

// insist answers a worse master. Hosts and switches may have believed it, so
// the addresses are announced again.
func (r *Router) insist(now Time, h Heard, acts []Action) []Action {
	if r.answers == maxAnswers {
		return acts
	}
	r.answers++
	a := Action{Kind: ActReannounce, Reason: ReasonLowerPriority, Peer: h}
	lower := a
	lower.Kind = ActLowerHeard
	if !r.cfg.LowerPriorityNoAdvert {
		acts = r.send(now, a, acts)
		a.Priority, lower.Priority = r.priority, r.priority
	}
	return append(acts, a, lower)
}
