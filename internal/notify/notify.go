// Package notify tells people and programs about edges: a router, a group or a
// server changed its state.
package notify

import (
	"slices"
	"strconv"

	"keepgo/confparse"
)

// Edge is one change of state of an instance or a group.
type Edge struct {
	Kind     string // INSTANCE or GROUP
	Name     string
	State    string // MASTER, BACKUP, FAULT, STOP, DELETED or MASTER_RX_LOWER_PRI
	Priority int    // effective; 0 for a group
}

// Scripts are the commands an edge calls for, in keepalived's order: the one
// for the state with its own arguments, then notify with kind, name, state and
// priority appended (keepalived.conf(5), notify scripts).
func Scripts(n confparse.Notify, e Edge) []confparse.Command {
	var cmds []confparse.Command
	if c := forState(n, e.State); c != nil {
		cmds = append(cmds, *c)
	}
	if n.Any != nil && e.State != "MASTER_RX_LOWER_PRI" {
		c := *n.Any
		c.Args = append(slices.Clone(c.Args), e.Kind, e.Name, e.State, strconv.Itoa(e.Priority))
		cmds = append(cmds, c)
	}
	return cmds
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
