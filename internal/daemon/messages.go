package daemon

import (
	"golang.org/x/sys/unix"

	"keepgo/internal/ha"
	"keepgo/internal/lb"
	"keepgo/internal/notify"
	"keepgo/internal/snmp"
	"keepgo/internal/status"
	"keepgo/ipvsctl"
)

// toChild is what the parent tells a child: exactly one field is set, but for
// those that come with another.
type toChild struct {
	Manner *manner // run like this
	// Instances are the first ones of the plan that HA or HAUpdate tells soon.
	Instances []*ha.Instance
	HA        *ha.Plan   // start or go on with this plan
	HAUpdate  *ha.Update // in place of HA: go on with another plan, told by what changed of the one before
	Resume    []string   // with HA: instances that were MASTER when the last process died
	Replaces  bool       // with HA: another process stood there before
	// Sequences, with HA: where the last process may have stopped to count, by instance
	Sequences map[string]uint32
	LB        *lb.Plan        // the same for the LVS process
	LBUpdate  *lb.Update      // in place of LB
	State     *lb.Packed      // with LB: what the last process knew
	Flush     bool            // with LB: empty the IPVS table first (lvs_flush)
	States    string          // with HA: where to keep what must be put back after a crash
	Script    *scriptResult   // a tracked script ended
	Files     map[string]int  // with HA, with LB or alone: numbers in tracked files, by name
	Processes map[string]bool // with HA or alone: tracked processes that are as they should be, by name
	BFD       *[]bfdPlan      // sessions of the BFD process
	Sessions  map[string]bool // with HA or alone: BFD sessions that are up, by name
	Monitor   bool            // with HA: log every address that comes and goes (-a)
	Announce  string          // the instance of this name announces its addresses once more
	Orders    *childOrders    // what operators say now
	Report    bool            // send a Report
	Clear     bool            // with Report: set the counters to zero then
	Orphan    bool            // the parent has died: leave a will
	Stop      bool            // hand over, clean up and end
	Detach    bool            // keep what is to be said, answer so, and go on; the end of the link means Leave then
	Attach    bool            // take Detach back
	Leave     bool            // end at once, and leave all that stands to the next process
	Keep      bool            // with Stop: leave what stands (-V, -I)

	// Yield is a service of IPVS to leave as somebody made it.
	Yield *ipvsctl.ServiceKey
}

// piece is how many instances one message tells. A plan of thousands in a single
// one would take a buffer of its size at both ends for as long as the link lives.
const piece = 64

// pieces are the messages that tell m.
func (m toChild) pieces() (list []toChild) {
	var told *ha.Plan
	switch {
	case m.HA != nil:
		told = new(*m.HA)
		m.HA = told
	case m.HAUpdate != nil:
		told = new(*m.HAUpdate.Plan)
		m.HAUpdate = &ha.Update{Plan: told, Stay: m.HAUpdate.Stay}
	default:
		return []toChild{m}
	}
	for ; len(told.Instances) > piece; told.Instances = told.Instances[piece:] {
		list = append(list, toChild{Instances: told.Instances[:piece]})
	}
	return append(list, m)
}

// childOrders are the orders that a child obeys.
type childOrders struct {
	Held    []string   // instances that hold back
	Yield   bool       // they give mastership up at once
	Servers []lb.Order // of the LVS process
}

// sequence is a sequence number of auth_type AH.
type sequence struct {
	Instance string
	Number   uint32
}

// scriptResult is how a run of the plan's tracked script ended.
type scriptResult struct {
	Script int
	OK     bool
	Words  string // for the log, "" for none
}

// fromChild is what a child tells its parent: exactly one field is set.
type fromChild struct {
	Waiting  bool // it is up, and waits for a plan
	Ready    bool // a plan is in force; each is answered so
	Settled  int  // so many plans were told, and all of the last one stands: what only those before have placed is gone
	Detached bool // by Detach: nothing follows
	// Masters, with Ready: the instances that are MASTER, by the names of the plan
	Masters []string
	// Sequence is what its Instance may count up to before it tells again.
	Sequence *sequence
	BFD      *bfdNews
	Log      string
	Detail   bool         // with Log: for -D alone
	Signal   unix.Signal  // the process got it, but the parent is who can obey
	Edge     *notify.Edge // a state changed: run its scripts
	Server   *lb.Edge     // a virtual or real server changed
	Fault    *snmp.Fault  // a packet was wrong
	Why      string       // with Edge or Server
	Report   *status.Status
	State    *lb.Packed // what a new LVS process would go on from
}
