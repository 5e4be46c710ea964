// Package status is what a running keepgo tells about itself over its control
// socket, as values that JSON carries.
package status

import (
	"time"

	"keepgo/vrrp"
)

// Status is the state of a whole daemon.
type Status struct {
	PID       int        `json:"pid"`
	Version   string     `json:"version,omitempty"`
	Asked     time.Time  `json:"asked"` // when this was so
	Began     time.Time  `json:"began"`
	Probation bool       `json:"probation,omitempty"`  // an upgrade is not over: the last program may take its place again
	Reloaded  *time.Time `json:"reloaded,omitempty"`   // the last reload that was put in force
	Config    string     `json:"config"`               // configuration file
	IPVS      string     `json:"ipvs,omitempty"`       // why IPVS is not programmed; "" where it is, or is not needed
	DataPlane string     `json:"data_plane,omitempty"` // what balances connections: ipvs or nftables
	Orders    []Order    `json:"orders,omitempty"`
	Instances []Instance `json:"instances"`
	Groups    []Group    `json:"groups,omitempty"`
	Scripts   []Script   `json:"scripts,omitempty"`
	// Processes are the tracked processes: whether each is as it should be.
	Processes map[string]bool `json:"processes,omitempty"`
	Files     map[string]int  `json:"files,omitempty"`    // numbers in the tracked files
	Sessions  map[string]bool `json:"sessions,omitempty"` // BFD sessions: whether each is up
	Services  []Service       `json:"services"`
	Probes    *Probes         `json:"probes,omitempty"` // of all health checks; nil without any
	Sync      *Sync           `json:"sync,omitempty"`   // of connections; nil where the configuration asks for none
	Drills    []Drill         `json:"drills,omitempty"` // the last, the oldest first
	// Agreement is what both directors of a pair must have alike, by its name;
	// Digest is one text for all of it.
	Agreement map[string]string `json:"agreement,omitempty"`
	Digest    string            `json:"digest,omitempty"`
}

// Sync is how IPVS shares connections with the other director.
type Sync struct {
	Sends bool `json:"sends"` // a sync daemon tells the other director of connections
	Takes bool `json:"takes"` // one takes in what the other tells
}

// Probes counts what the health checks do, and did since their process began.
type Probes struct {
	Checks int    `json:"checks"` // in the configuration
	Tasks  int    `json:"tasks"`  // probes that answer for them all: equal checks share one
	Busy   int    `json:"busy"`   // of them, those under way
	Probes uint64 `json:"probes"` // that began
	Late   uint64 `json:"late"`   // of them, those that began more than 100 ms after their time
}

// Instance is one vrrp_instance.
type Instance struct {
	Name      string    `json:"name"`
	Interface string    `json:"interface"`
	VRID      uint8     `json:"vrid"`
	State     string    `json:"state"`    // INIT, BACKUP, MASTER, FAULT
	Priority  uint8     `json:"priority"` // effective
	Reason    string    `json:"reason"`   // why it is in this state
	Since     time.Time `json:"since"`
	// Up is since when it has been BACKUP or MASTER; nil while it is neither.
	Up        *time.Time `json:"up,omitempty"`
	Master    string     `json:"master,omitempty"` // address of the master last heard
	Addresses []string   `json:"addresses"`
	Devices   []Device   `json:"devices,omitempty"`
	// Drift is how the addresses of the master differ from ours, both lists.
	Drift string `json:"drift,omitempty"`
	// Rival is who is MASTER too and the likely cause, while that is so; Splits
	// counts how often it was.
	Rival  string `json:"rival,omitempty"`
	Splits uint64 `json:"split_brain"`

	// Parts are what the effective priority is made of, the configured one first.
	Parts []Part `json:"parts,omitempty"`
	// Peers are the routers that were heard as masters, with those of unicast
	// that never were.
	Peers []Peer  `json:"peers,omitempty"`
	Group string  `json:"group,omitempty"` // its sync group
	Every float64 `json:"advert_interval"` // between its own adverts, in seconds
	// ARPDelay is garp_master_delay, in seconds.
	ARPDelay float64 `json:"garp_delay"`
	// Places are its addresses as the kernel has them.
	Places []Place `json:"places,omitempty"`

	Want         string  `json:"want"`                    // state without its sync group
	NoPreempt    bool    `json:"nopreempt,omitempty"`     // it takes nothing from a running master
	PreemptDelay float64 `json:"preempt_delay,omitempty"` // in seconds

	Source   string     `json:"source,omitempty"`   // what adverts are sent from
	Standing bool       `json:"standing"`           // its addresses are meant to stand
	Heard    Heard      `json:"heard"`              // of the master last heard
	Down     float64    `json:"down_timer"`         // Master_Down_Interval in seconds
	Deadline *time.Time `json:"deadline,omitempty"` // its next timer
	Pending  bool       `json:"pending"`            // it waits for the first result of a script
	Counters vrrp.Stats `json:"counters"`
	Routes   []string   `json:"routes,omitempty"`
	Rules    []string   `json:"rules,omitempty"`
}

// Part is what one thing contributes to the effective priority of an instance.
type Part struct {
	What  string `json:"what"`
	Value int    `json:"value"`
	Fault string `json:"fault,omitempty"` // it keeps the instance in FAULT, and why
}

// Peer is another router of the same virtual router.
type Peer struct {
	Address  string     `json:"address"`
	Priority uint8      `json:"priority,omitempty"` // of its last advert
	Heard    *time.Time `json:"heard,omitempty"`    // when; nil for never
	Fault    string     `json:"fault,omitempty"`    // what was wrong with its last advert
}

// Place is a virtual address and where it belongs.
type Place struct {
	Address string `json:"address"` // with the length of its prefix
	Link    string `json:"link"`    // "" while its interface is not there
	Stands  bool   `json:"stands"`
}

// Device is an interface made for an instance: a VMAC or an ipvlan.
type Device struct {
	Name   string `json:"name"` // "" while it does not stand
	Parent string `json:"parent"`
	// Test is what became of a frame sent through it when it was made: "" while
	// that is not known, "heard" if it left through the parent, else what is wrong.
	Test string `json:"test,omitempty"`
}

// Heard is what the last master said.
type Heard struct {
	Priority uint8   `json:"priority"` // 0 for none
	Interval float64 `json:"interval"` // between its adverts, in seconds
}

// Group is one vrrp_sync_group.
type Group struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Faults int    `json:"faults"` // members that have a cause to be in FAULT
}

// Script is one vrrp_script, as VRRP sees its results.
type Script struct {
	Name   string `json:"name"`
	Known  bool   `json:"known"`  // it has ended once
	Good   bool   `json:"good"`   // after rise and fall
	Result int    `json:"result"` // 0 to rise-1 bad, rise to rise+fall-1 good
}

// Service is one virtual_server.
type Service struct {
	Name      string   `json:"name"`                // [10.0.0.100]:tcp:80
	Up        bool     `json:"up"`                  // quorum is met
	Sorry     bool     `json:"sorry"`               // the sorry server answers
	Suspended bool     `json:"suspended,omitempty"` // ha_suspend: nobody checks while the address is elsewhere
	Servers   []Server `json:"servers"`
	Traffic   *Traffic `json:"traffic,omitempty"` // nil where IPVS tells nothing
}

// Traffic is what went through a service or to a server since it stands, or its
// counters were zeroed.
type Traffic struct {
	Connections uint64 `json:"connections"`
	PacketsIn   uint64 `json:"packets_in"`
	PacketsOut  uint64 `json:"packets_out"`
	BytesIn     uint64 `json:"bytes_in"`
	BytesOut    uint64 `json:"bytes_out"`
	Active      uint32 `json:"active"`               // established connections now, of a server
	Inactive    uint32 `json:"inactive"`             // connections in other states
	Persistent  uint32 `json:"persistent,omitempty"` // clients that a server is kept for
	Rates       *Rates `json:"rates,omitempty"`      // nil where all are 0
}

// Rates are the kernel's estimates of the last seconds, per second.
type Rates struct {
	Connections uint64 `json:"connections"`
	PacketsIn   uint64 `json:"packets_in"`
	PacketsOut  uint64 `json:"packets_out"`
	BytesIn     uint64 `json:"bytes_in"`
	BytesOut    uint64 `json:"bytes_out"`
}

// Server is one real_server of a service.
type Server struct {
	Name   string `json:"name"`
	Up     bool   `json:"up"`
	Weight int    `json:"weight"`        // effective
	Why    string `json:"why,omitempty"` // last verdict of its checks

	Order  string  `json:"order,omitempty"` // what the operator says of it; "" for nothing
	Checks []Check `json:"checks,omitempty"`

	Traffic *Traffic `json:"traffic,omitempty"` // nil while it does not stand in IPVS
}

// Check is one health check of a server.
type Check struct {
	Kind string `json:"kind"` // as the configuration names it
	Up   bool   `json:"up"`
	Why  string `json:"why,omitempty"` // its last answer; "" while there is none
}
