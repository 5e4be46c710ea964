// Package bus shows the instances of a director on D-Bus, as keepalived does:
// a name on the system bus (org.keepalived.Vrrp1), an object for the whole and
// one for each instance. It owns the connection. What is told to it never waits
// for the bus: one that is absent, slow or gone costs nobody anything, and is
// tried again at growing distances.
//
// The names, paths and signatures are those of keepalived 2.2.7, as it shows
// them to org.freedesktop.DBus.Introspectable; the bus itself is described by
// the D-Bus Specification (https://dbus.freedesktop.org/doc/dbus-specification.html).
package bus

import "context"

// State is the state of an instance as a number: that of the argument of
// VrrpStatusChange and of the property State (keepalived's VRRP_STATE_*).
type State uint32

// The states of keepalived.
const (
	Init    State = 0
	Backup  State = 1
	Master  State = 2
	Fault   State = 3
	Deleted State = 97
	Stop    State = 98
)

// StateOf is the state of a word that notification scripts get, or of INIT. It
// tells whether there is one: other words tell of events.
func StateOf(word string) (State, bool) {
	s, ok := map[string]State{"INIT": Init, "BACKUP": Backup, "MASTER": Master, "FAULT": Fault, "DELETED": Deleted, "STOP": Stop}[word]
	return s, ok
}

// String is the word of the property State.
func (s State) String() string {
	switch s {
	case Init:
		return "Init"
	case Backup:
		return "Backup"
	case Master:
		return "Master"
	case Fault:
		return "Fault"
	case Deleted:
		return "Deleted"
	case Stop:
		return "Stop"
	}
	return "Unknown"
}

// Presence is what is to be seen on the bus.
type Presence struct {
	Service     string   // the name to take
	Scope       []string // parts of every path before the objects: the network namespace and the name of the daemon, where it has them
	NoInterface string   // stands in paths for the interface of an instance without one; "" means none
	Instances   []Instance
}

// Instance is one object.
type Instance struct {
	Name      string
	Interface string
	VRID      uint8
	IPv6      bool
	State     State
}

// Order is what a caller wants the daemon to do.
type Order string

// The orders, by the names of their methods.
const (
	PrintData       Order = "PrintData"
	PrintStats      Order = "PrintStats"
	PrintStatsClear Order = "PrintStatsClear"
	ReloadConfig    Order = "ReloadConfig"
	SendGarp        Order = "SendGarp"
)

// Options say where the bus is and who obeys.
type Options struct {
	// Address is that of the bus as DBUS_SYSTEM_BUS_ADDRESS has it; "" means the
	// socket of the system bus.
	Address string
	// Obey carries out an order, of SendGarp for the instance of a name. It is
	// called on a goroutine of its own, and returns when the order is carried out,
	// or with an error for the caller, at the latest when ctx ends.
	Obey func(ctx context.Context, o Order, instance string) error
	// Log tells the operator.
	Log func(format string, args ...any)
}
