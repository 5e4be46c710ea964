package status

import "time"

// The verbs of orders that are not of servers.
const (
	Switchover  = "switchover"
	Maintenance = "maintenance"
)

// Order is something that an operator has a daemon do until its end, or until it
// is taken back.
type Order struct {
	Verb      string     `json:"verb"`                // switchover, maintenance, drain, down, up or weight
	Name      string     `json:"name,omitempty"`      // of a switchover: the instance or group
	Instances []string   `json:"instances,omitempty"` // of a switchover: those that hold back
	Service   string     `json:"service,omitempty"`   // of an order for a server
	Server    string     `json:"server,omitempty"`
	Weight    int        `json:"weight,omitempty"`
	By        string     `json:"by,omitempty"` // BySNMP, or "" for the control socket
	Since     time.Time  `json:"since"`
	Until     *time.Time `json:"until,omitempty"` // nil for no end
}

// BySNMP is Order.By of what a master agent set. As with keepalived that holds
// until the configuration is read anew.
const BySNMP = "SNMP"

// Over tells whether an order has ended.
func (o *Order) Over(now time.Time) bool { return o.Until != nil && !now.Before(*o.Until) }

// Same tells whether an order replaces another.
func (o *Order) Same(other *Order) bool {
	if o.Server != "" || other.Server != "" {
		return o.Service == other.Service && o.Server == other.Server
	}
	return o.Verb == other.Verb && o.Name == other.Name
}
