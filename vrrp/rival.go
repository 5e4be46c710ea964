package vrrp

import (
	"net/netip"
	"time"
)

// rival is what a master knows of another router that is configured as owner of
// the same addresses. That is a mistake, and keepalived's way out of it: of two
// owners the one with the lower address gives way, as for any equal priority.
// Where it does not, as a router that ignores adverts, the other gives it the
// time to, and then lowers itself to 254.
type rival struct {
	from     netip.Addr
	interval time.Duration // the larger of both
	until    Time          // end of the time to give way
	adverts  uint8         // own ones still to send before the time begins
	lowered  bool
}

const (
	rivalAdverts = 2 // keepalived waits for two adverts, then for 1.2 intervals
	rivalTenths  = 12
)

// same tells whether h is an owner's advert of the rival.
func (v *rival) same(h Heard) bool { return h.Priority == Owner && h.From == v.from }

// spoken counts an own advert.
func (v *rival) spoken(now Time) {
	if v.adverts == 0 {
		return
	}
	if v.adverts--; v.adverts == 0 {
		v.until = now + v.interval*rivalTenths/10
	}
}

// gone tells that the rival was not heard when it should have been: it gave way
// some time ago, and a new dispute begins.
func (v *rival) gone(now Time) bool {
	return v.adverts == 0 && now > v.until+defaultDownAdverts*v.interval
}

// dispute weighs the advert of another owner, as a master that is one too.
func (r *Router) dispute(now Time, h Heard, acts []Action) []Action {
	if r.priority != Owner || h.Priority != Owner || r.compare(h) != ReasonLowerPriority {
		return acts
	}
	v := &r.rival
	switch {
	case v.from != h.From || v.gone(now):
		*v = rival{from: h.From, adverts: rivalAdverts, interval: max(r.cfg.Interval, h.Interval)}
		return append(acts, Action{Kind: ActIgnore, Reason: ReasonTwoOwners, Peer: h})
	case v.adverts > 0 || now < v.until:
		return acts
	}
	*v = rival{from: h.From, lowered: true}
	r.priority = Owner - 1
	return append(acts, Action{Kind: ActIgnore, Reason: ReasonOwnerLowered, Peer: h})
}

// restore gives a lowered owner its priority back: it becomes master again, or
// the rival is no owner any more.
func (r *Router) restore() {
	if r.rival.lowered {
		r.priority = Owner
		r.rival = rival{}
	}
}
