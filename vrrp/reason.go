package vrrp

import "fmt"

// Reason says why a Router acts, in words an operator reads.
type Reason uint8

// The reasons of a Router.
const (
	ReasonNone           Reason = iota
	ReasonStartup               // EventStart
	ReasonShutdown              // EventStop
	ReasonTimeout               // Master_Down_Timer fired: nobody spoke as master
	ReasonInterval              // Adver_Timer fired: the rhythm of a master
	ReasonHigherPriority        // a higher priority was heard
	ReasonHigherAddress         // the same priority from a higher address was heard
	ReasonLowerPriority         // a lower priority, or the same from a lower address, was heard
	ReasonSameAddress           // our own priority from our own address was heard
	ReasonPriorityZero          // another master gave up
	ReasonOwner                 // the owner of the addresses takes them
	ReasonFault                 // a cause of FAULT appeared
	ReasonRecovered             // the last cause of FAULT went away
	ReasonGroup                 // the sync group says so
	ReasonReconfigured          // the configuration changed
	ReasonPaused                // the process or the machine was not scheduled
	ReasonTwoOwners             // another router has priority 255 too, and the lower address
	ReasonLost                  // another hand took an address, a route or a rule away
	ReasonOwnerLowered          // it goes on, so this one goes down to 254
)

var reasonText = [...]string{
	ReasonNone:           "no reason given",
	ReasonStartup:        "startup",
	ReasonShutdown:       "shutdown",
	ReasonTimeout:        "Receive advertisement timeout",
	ReasonInterval:       "advertisement interval",
	ReasonHigherPriority: "received advert with higher priority",
	ReasonHigherAddress:  "received advert with same priority but higher IP address",
	ReasonLowerPriority:  "received advert with lower priority",
	ReasonSameAddress:    "received advert with our own priority and address",
	ReasonPriorityZero:   "received advert with priority 0: its sender gave up",
	ReasonOwner:          "owner of the addresses",
	ReasonFault:          "fault",
	ReasonRecovered:      "recovered from fault",
	ReasonGroup:          "sync group",
	ReasonReconfigured:   "configuration changed",
	ReasonPaused:         "was not scheduled",
	ReasonTwoOwners:      "another router is configured as address owner too",
	ReasonLost:           "an address, route or rule was removed by another hand",
	ReasonOwnerLowered:   "the other address owner does not give way",
}

// String is the reason without the numbers of the case; Action.Text has them.
func (r Reason) String() string {
	if int(r) < len(reasonText) {
		return reasonText[r]
	}
	return reasonText[ReasonNone]
}

// Text is the reason of a with its numbers, in keepalived's words where it has
// any; ours is the effective priority of the router that acts.
func (a Action) Text(ours uint8) string {
	from, p := a.Peer.From, a.Peer.Priority
	switch a.Reason {
	case ReasonHigherPriority:
		return fmt.Sprintf("Master received advert from %s with higher priority %d, ours %d", from, p, ours)
	case ReasonHigherAddress:
		return fmt.Sprintf("Master received advert from %s with same priority %d but higher IP address than ours", from, p)
	case ReasonLowerPriority:
		return lowerText(a, ours)
	case ReasonSameAddress:
		return fmt.Sprintf("received advert with our own priority %d and address %s: another router uses the same source address", p, from)
	case ReasonPriorityZero:
		return fmt.Sprintf("%s sent priority 0: it gave up", from)
	case ReasonPaused:
		return fmt.Sprintf("was not scheduled for %s", a.Late)
	case ReasonTwoOwners:
		return fmt.Sprintf("CONFIGURATION ERROR: %s has priority 255 (address owner) as we have: give one of them a lower `priority`", from)
	case ReasonOwnerLowered:
		return fmt.Sprintf("CONFIGURATION ERROR: %s goes on as address owner: lowering our priority to 254 until it stops", from)
	}
	return a.Reason.String()
}

// lowerText tells three endings of a lower advert apart: not listened to,
// answered, and let be.
func lowerText(a Action, ours uint8) string {
	from, p := a.Peer.From, a.Peer.Priority
	if a.Kind == ActIgnore {
		return fmt.Sprintf("received lower priority (%d) advert from %s - discarding", p, from)
	}
	text := fmt.Sprintf("Received advert from %s with lower priority %d, ours %d", from, p, ours)
	if a.Priority != 0 {
		text += ", forcing new election"
	}
	return text
}
