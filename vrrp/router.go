package vrrp

import "time"

// Router is one virtual router of RFC 9568 section 6: a comparable value that
// Step moves from event to event. The zero Router is not ready; see New.
type Router struct {
	cfg      Config
	state    State
	want     State // what it would be without its sync group
	priority uint8 // effective
	answers  uint8 // sent to worse masters since the last beat
	// listening: it woke from a pause and has not spoken since.
	listening bool
	// handed: the last master said that it gives up; presumed: this router
	// took over from one that did not.
	handed, presumed bool
	// passes: the interface lets frames in; deferred: becoming master waits
	// for that.
	passes, deferred bool
	// interval is Master_Adver_Interval: the master's in version 3, else ours.
	interval time.Duration
	deadline Time
	// preemptAt ends the preempt delay; Never while it has not begun.
	preemptAt Time
	master    Heard // last advert accepted as the master's
	rival     rival
}

// New is a router in Init that waits for EventStart.
func New(cfg Config) Router {
	return Router{
		cfg: cfg, priority: cfg.Priority, interval: cfg.Interval,
		deadline: Never, preemptAt: Never,
	}
}

// Resume is a router that goes on from state after its process was replaced:
// a master speaks at once, a backup waits a full Master_Down_Interval.
func Resume(now Time, cfg Config, state State, priority uint8) Router {
	r := New(cfg)
	r.state, r.want, r.priority = state, state, priority
	r.passes = true
	switch state {
	case Master:
		r.deadline = now
	case Backup:
		r.deadline = r.wait(now, r.masterDown())
	}
	return r
}

// Config is the configuration the router runs with.
func (r Router) Config() Config { return r.cfg }

// State is the router's state.
func (r Router) State() State { return r.state }

// Want is the state the router would have without its sync group.
func (r Router) Want() State { return r.want }

// Priority is the effective priority, which adverts carry.
func (r Router) Priority() uint8 { return r.priority }

// Next is when EventTick is due; Never when no timer runs.
func (r Router) Next() Time { return r.deadline }

// LastMaster is the advert last accepted as the master's; zero before the first.
func (r Router) LastMaster() Heard { return r.master }

// MasterInterval is Master_Adver_Interval: what the master said in version 3,
// otherwise the router's own interval.
func (r Router) MasterInterval() time.Duration { return r.interval }

// MasterDown is Master_Down_Interval: how long a backup waits for an advert.
func (r Router) MasterDown() time.Duration { return r.masterDown() }

// Step is the router after ev at now; what must be done is appended to acts in
// the order it must be done. It does not allocate while acts has room.
func (r Router) Step(now Time, ev Event, acts []Action) (Router, []Action) {
	if ev.Kind == EventTick || ev.Kind == EventAdvert {
		acts = r.wake(now, acts)
	}
	switch ev.Kind {
	case EventStart:
		acts = r.start(now, acts)
	case EventStop:
		acts = r.leave(Init, ReasonShutdown, acts)
	case EventTick:
		acts = r.tick(now, ev.Phase, acts)
	case EventAdvert:
		acts = r.hear(now, ev.Heard, acts)
	case EventPriority:
		r.setPriority(ev.Priority)
	case EventFault:
		acts = r.leave(Fault, ReasonFault, acts)
	case EventRecover:
		acts = r.recover(now, acts)
	case EventReconfigure:
		acts = r.reconfigure(now, ev, acts)
	case EventGrant:
		acts = r.grant(now, acts)
	case EventHold:
		acts = r.hold(now, acts)
	case EventYield:
		acts = r.yield(now, acts)
	case EventLost:
		acts = r.lose(now, acts)
	case EventFrames:
		acts = r.frames(now, acts)
	}
	return r, acts
}

// start leaves Init. The owner takes its addresses at once; state MASTER waits
// one interval for a better master, state BACKUP the full time.
func (r *Router) start(now Time, acts []Action) []Action {
	switch {
	case r.state != Init:
		return acts
	case r.cfg.Priority == Owner && r.quiet(now):
		r.deadline = r.cfg.QuietUntil
		return acts
	case r.cfg.Priority == Owner:
		return r.claim(now, ReasonOwner, acts)
	case r.cfg.StartMaster:
		r.deadline = r.wait(now, r.interval+r.minSkew())
	default:
		r.deadline = r.wait(now, r.masterDown())
	}
	return r.become(Backup, Action{Reason: ReasonStartup}, acts)
}

// tick does what the running timer is for.
func (r *Router) tick(now Time, phase time.Duration, acts []Action) []Action {
	switch {
	case now < r.deadline:
		return acts
	case r.state == Master:
		return r.beat(now, phase, acts)
	case r.state == Init:
		return r.claim(now, ReasonOwner, acts)
	}
	return r.claim(now, ReasonTimeout, acts)
}

// beat is Adver_Timer of a master. The rhythm does not drift with late ticks; to
// come into its phase it has one interval that is shorter.
func (r *Router) beat(now Time, phase time.Duration, acts []Action) []Action {
	if r.overslept(now) {
		acts = append(acts, Action{Kind: ActReannounce, Reason: ReasonPaused, Late: now - r.deadline})
	}
	next := r.deadline + r.cfg.Interval
	if next <= now {
		next = now + r.cfg.Interval
	}
	if in := next - (next-phase)%r.cfg.Interval; phase > 0 && in > now {
		next = in
	}
	acts = r.send(now, Action{Reason: ReasonInterval}, acts)
	r.deadline, r.answers = next, 0
	return acts
}

// send says that this router is master, and begins the next interval; a
// carries the reason and what belongs to it.
func (r *Router) send(now Time, a Action, acts []Action) []Action {
	r.deadline = now + r.cfg.Interval
	r.rival.spoken(now)
	a.Kind, a.Priority = ActSend, r.priority
	return append(acts, a)
}

// claim goes for mastership: at once, or by asking the sync group. The timer
// runs meanwhile, so an unanswered question is asked again.
func (r *Router) claim(now Time, why Reason, acts []Action) []Action {
	if r.blind(now) {
		r.deferred, r.deadline = true, r.cfg.FramesBy
		return append(acts, Action{Kind: ActDefer, Reason: why})
	}
	r.want = Master
	if !r.cfg.Grouped {
		return r.lead(now, why, acts)
	}
	r.deadline = r.wait(now, r.masterDown())
	return append(acts, Action{Kind: ActAsk, Reason: why})
}

// lead becomes master: the advert goes first, addresses and ARP follow it.
func (r *Router) lead(now Time, why Reason, acts []Action) []Action {
	r.interval = r.cfg.Interval
	r.listening = false
	r.passes, r.deferred = true, false
	r.presumed = r.master.From.IsValid() && !r.handed
	r.restore()
	r.answers = 0
	acts = r.send(now, Action{Reason: why}, acts)
	return r.become(Master, Action{Reason: why}, acts)
}

// leave goes to a state in which nothing is heard and no timer runs. A master
// hands over with priority 0, RFC 9568 section 6.4.3.
func (r *Router) leave(to State, why Reason, acts []Action) []Action {
	if r.state == to {
		r.deadline = Never
		return acts
	}
	if r.state == Master {
		acts = append(acts, Action{Kind: ActSend, Priority: 0, Reason: why})
	}
	r.deadline, r.preemptAt, r.deferred = Never, Never, false
	return r.become(to, Action{Reason: why}, acts)
}

// recover leaves FAULT for BACKUP; only an owner hurries.
func (r *Router) recover(now Time, acts []Action) []Action {
	if r.state != Fault {
		return acts
	}
	r.interval = r.cfg.Interval
	r.deadline = r.wait(now, r.masterDown())
	if r.cfg.Priority == Owner {
		r.deadline = r.wait(now, r.interval+r.skew())
	}
	return r.become(Backup, Action{Reason: ReasonRecovered}, acts)
}

// setPriority changes the effective priority. The running timer of a backup
// moves by the difference of the skews, so the better candidate stays first.
func (r *Router) setPriority(p uint8) {
	if r.rival.lowered {
		return // the owner's does not move, and 254 is not the operator's
	}
	before := r.skew()
	r.priority = p
	if r.state == Backup && !r.deferred {
		r.deadline += r.skew() - before
	}
}

// reconfigure keeps state: a master speaks at once with the new numbers, a
// backup waits its full time again.
func (r *Router) reconfigure(now Time, ev Event, acts []Action) []Action {
	learned := r.cfg.Version == 3 && ev.Config.Version == 3 && r.state == Backup
	r.cfg, r.priority = ev.Config, ev.Priority
	if r.priority == 0 {
		r.priority = r.cfg.Priority
	}
	if !learned {
		r.interval = r.cfg.Interval
	}
	r.preemptAt, r.deferred = Never, false
	r.rival = rival{}
	switch r.state {
	case Master:
		acts = r.send(now, Action{Reason: ReasonReconfigured}, acts)
	case Backup:
		r.deadline = r.wait(now, r.masterDown())
	case Init:
		if r.deadline != Never { // an owner in its start-up delay
			acts = r.start(now, acts)
		}
	}
	return acts
}

// grant is the sync group's yes.
func (r *Router) grant(now Time, acts []Action) []Action {
	if r.quiet(now) {
		return acts
	}
	if r.state == Backup || r.state == Init && r.want == Master {
		r.want = Master
		return r.lead(now, ReasonGroup, acts)
	}
	return acts
}

// hold is the sync group's not yet: the question comes again after the full time.
func (r *Router) hold(now Time, acts []Action) []Action {
	if r.state == Master || r.state == Fault {
		return acts
	}
	r.deferred = false
	r.deadline = r.wait(now, r.masterDown())
	if r.state == Init {
		acts = r.become(Backup, Action{Reason: ReasonGroup}, acts)
		r.want = Master
	}
	return acts
}

// yield follows the sync group to BACKUP, without the priority 0 that would
// invite others: the member that lost has been heard already.
func (r *Router) yield(now Time, acts []Action) []Action {
	if r.state == Backup {
		r.want = Backup
	}
	if r.state != Master {
		return acts
	}
	r.deadline = r.wait(now, r.masterDown())
	return r.become(Backup, Action{Reason: ReasonGroup}, acts)
}

// lose gives mastership up as keepalived does when an address of it was taken
// away: it comes back after the skew, unless another is quicker.
func (r *Router) lose(now Time, acts []Action) []Action {
	if r.state != Master {
		return acts
	}
	acts = append(acts, Action{Kind: ActSend, Priority: 0, Reason: ReasonLost})
	r.deadline = r.wait(now, r.skew())
	acts = r.become(Backup, Action{Reason: ReasonLost}, acts)
	r.want, r.handed = Master, true // the members of a group go back together
	return acts
}

// overslept tells that the running timer is noticed so late that another router
// may have become master meanwhile.
func (r *Router) overslept(now Time) bool {
	return r.deadline != Never && now-r.deadline > r.masterDown()
}

// wake makes a router that overslept listen for one interval, in which any
// master is heard, before it speaks. It does so once, not again and again on a
// machine that is always late; the owner has nobody to listen to.
func (r *Router) wake(now Time, acts []Action) []Action {
	if r.expired(now) {
		return r.expire(now, acts)
	}
	if !r.cfg.ListenAfterPause || r.listening || r.cfg.Priority == Owner || !r.overslept(now) {
		return acts
	}
	late := now - r.deadline
	r.listening = true
	r.deadline = r.wait(now, r.interval+r.skew())
	if r.state != Master {
		return acts
	}
	// Whoever asked meanwhile may have been told that the address is here: the
	// goodbye has the master there is announce it again (RFC 9568 section 6.4.3).
	acts = append(acts, Action{Kind: ActSend, Priority: 0, Reason: ReasonPaused, Late: late})
	return r.become(Backup, Action{Reason: ReasonPaused, Late: late}, acts)
}

// expired tells that a master's timer is noticed too late for keepalived's
// timer_expired_backup. No other rule of a pause is asked then.
func (r *Router) expired(now Time) bool {
	late := r.cfg.BackupWhenLate
	return late > 0 && r.state == Master && now-r.deadline > late
}

// expire goes to BACKUP before anything is said.
func (r *Router) expire(now Time, acts []Action) []Action {
	late := now - r.deadline
	r.deadline = r.wait(now, r.masterDown())
	return r.become(Backup, Action{Reason: ReasonPaused, Late: late}, acts)
}

// become sets state and tells it; a carries the reason and what belongs to it.
func (r *Router) become(s State, a Action, acts []Action) []Action {
	r.state = s
	r.want = s
	if s == Backup {
		r.preemptAt = Never
	}
	if s != Master && !r.rival.lowered {
		r.rival = rival{}
	}
	a.Kind, a.State = ActBecome, s
	return append(acts, a)
}
