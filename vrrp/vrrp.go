// Package vrrp is the protocol of RFC 9568 (VRRPv3) and RFC 3768 (VRRPv2) with
// keepalived's deviations, as values: a Router steps from event to event and
// says what must be done. It knows no clock, no socket and no interface.
package vrrp

import (
	"net/netip"
	"time"
)

// Time is a monotonic instant, counted from an origin of the caller's choice.
type Time = time.Duration

// State is the state of a router, with the numbers keepalived prints.
type State uint8

// The states of RFC 9568 section 6.4 and keepalived's FAULT.
const (
	Init   State = 0
	Backup State = 1
	Master State = 2
	Fault  State = 3
)

// String is the state's name in log lines and notifications.
func (s State) String() string {
	switch s {
	case Init:
		return "INIT"
	case Backup:
		return "BACKUP"
	case Master:
		return "MASTER"
	case Fault:
		return "FAULT"
	}
	return "UNKNOWN"
}

// Owner is the priority of the router that owns the addresses, RFC 9568
// section 5.2.4.
const Owner = 255

// Config is what a Router must know about its virtual router. It is a
// comparable value.
type Config struct {
	VRID        uint8
	Version     uint8 // 2 or 3
	Priority    uint8 // 1..255, configured
	DownAdverts uint8 // down_timer_adverts: missed adverts before taking over, default 3

	StartMaster           bool // state MASTER: wait one interval instead of Master_Down_Interval at start
	NoPreempt             bool
	LowerPriorityNoAdvert bool
	HigherPrioritySend    bool
	OwnerIgnoresAdverts   bool
	// LastWord makes a master send one more advert before it gives way to a
	// better one, where that had fallen silent before: perhaps it was a master
	// all the time and could not be heard, and it shall learn of the other.
	LastWord bool
	// ListenAfterPause makes a router that was not scheduled for longer than
	// its own Master_Down_Interval listen for one interval before it speaks.
	ListenAfterPause bool
	// Grouped routers ask before they become master (ActAsk), and wait for
	// EventGrant or EventHold.
	Grouped bool

	// Interval is Advertisement_Interval: whole seconds in version 2,
	// centiseconds in version 3.
	Interval time.Duration
	// Source is the primary address adverts are sent from; it breaks ties.
	Source       netip.Addr
	PreemptDelay time.Duration
	// BackupWhenLate (timer_expired_backup) makes a master whose timer is
	// noticed later than that BACKUP for a whole Master_Down_Interval: by then
	// another has taken over, see TakeOver. 0 does not.
	BackupWhenLate time.Duration

	// QuietUntil ends vrrp_startup_delay or vrrp_delay_after_boot. Until then
	// adverts are not heard and nobody becomes master; timers count from it.
	QuietUntil Time

	// FramesBy is until when a router that has not been master yet does not
	// become it before EventFrames: what it says might not arrive anywhere.
	FramesBy Time
}

// Heard is an advert that passed every check on reception.
type Heard struct {
	From     netip.Addr
	Priority uint8
	Interval time.Duration // Max_Advertise_Interval of version 3
}

// EventKind says what happened to a Router.
type EventKind uint8

// The events of a Router.
const (
	EventStart       EventKind = iota // leave Init
	EventStop                         // shut down: hand over and go to Init
	EventTick                         // Next has come
	EventAdvert                       // Event.Heard arrived
	EventPriority                     // the effective priority is now Event.Priority
	EventFault                        // the first cause of FAULT appeared
	EventRecover                      // the last cause of FAULT went away
	EventReconfigure                  // Event.Config replaces the configuration; Event.Priority is the effective priority, 0 for Config.Priority
	EventGrant                        // the sync group lets the router become master
	EventHold                         // the sync group does not: stay backup and wait again
	EventYield                        // the sync group goes to BACKUP
	EventLost                         // another hand took an address away: give up mastership, as keepalived does
	EventFrames                       // a frame of another station came in on the interface
)

// Event is one thing that happened; fields that its kind does not use are zero.
type Event struct {
	Kind     EventKind
	Heard    Heard
	Priority uint8
	Config   Config
	Phase    time.Duration // of a master's EventTick: where in its interval it speaks, counted from the origin of Time; 0: where it happened to begin
}

// ActionKind says what a Router wants done.
type ActionKind uint8

// The actions of a Router.
const (
	ActSend       ActionKind = iota // send an advert with Action.Priority
	ActBecome                       // the state is now Action.State
	ActReannounce                   // repeat gratuitous ARP: another router spoke as master
	ActLowerHeard                   // a lower-priority master was heard (notify_master_rx_lower_pri)
	ActAsk                          // a grouped router's timer ran out
	ActDefer                        // becoming master waits for EventFrames, until Config.FramesBy at most
	ActIgnore                       // nothing is done about the advert of Action.Peer; Action.Reason says why
)

// Action is one thing to do, with the reason in words an operator reads.
type Action struct {
	Kind     ActionKind
	Priority uint8 // ActSend: what the advert says; ActReannounce, ActLowerHeard: what was answered, 0 for nothing
	State    State // ActBecome
	Reason   Reason
	Peer     Heard         // the advert that caused it, if one did
	Late     time.Duration // ReasonPaused: how late the timer was noticed
}
