// Package notify tells people and programs about edges: a router, a group or a
// server changed its state.
package notify

import (
	"slices"
	"strconv"
	"strings"

	"keepgo/confparse"
)

// Edge is one change of state of an instance or a group.
type Edge struct {
	Kind     string // INSTANCE or GROUP
	Name     string
	State    string // MASTER, BACKUP, FAULT, STOP, DELETED, MASTER_RX_LOWER_PRI, SPLIT_BRAIN, MASTER_PRIORITY or BACKUP_PRIORITY
	Priority int    // effective; 0 for a group
	Again    bool   // the state is what it was: only the FIFOs are told
	Gone     bool   // the configuration does not have it any more
}

// Scripts are the commands an edge calls for, in keepalived's order: the one
// for the state with its own arguments, then notify with kind, name, state and
// priority appended (keepalived.conf(5), notify scripts).
func Scripts(n confparse.Notify, e Edge) []confparse.Command {
	if e.Again {
		return nil
	}
	var cmds []confparse.Command
	if c := forState(n, e.State); c != nil {
		cmds = append(cmds, *c)
	}
	if n.Any != nil && turns(e.State) {
		c := *n.Any
		c.Args = append(slices.Clone(c.Args), e.Kind, e.Name, e.State, strconv.Itoa(e.Priority))
		cmds = append(cmds, c)
	}
	return cmds
}

// turns says whether a state is one to be in; the others are news of the FIFOs
// that scripts for every state do not hear of.
func turns(state string) bool {
	return state != "MASTER_RX_LOWER_PRI" && state != "SPLIT_BRAIN" && !strings.HasSuffix(state, "_PRIORITY")
}

func forState(n confparse.Notify, state string) *confparse.Command {
	switch state {
	case "MASTER":
		return n.Master
	case "BACKUP":
		return n.Backup
	case "FAULT":
		return n.Fault
	case "STOP":
		return n.Stop
	case "DELETED":
		return n.Deleted
	case "MASTER_RX_LOWER_PRI":
		return n.LowerPriority
	}
	return nil
}
