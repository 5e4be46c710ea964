package tool

import (
	"fmt"

	"keepgo/internal/ipvsadm"
	"keepgo/ipvsctl"
)

// guard refuses a change of what another program holds, unless it is forced.
func (t *Tool) guard(c ipvsadm.Command) error {
	if t.Guard == nil || t.force || !c.Verb.Changes() {
		return nil
	}
	keys, err := t.touched(c)
	if err != nil {
		return nil // the change itself will say so
	}
	for _, k := range keys {
		if who := t.Guard.Holder(k); who != "" {
			return &ipvsadm.Fault{Code: ipvsadm.ExitFault, Text: fmt.Sprintf(
				"%s belongs to %s: change its configuration and reload it, or say %s\n", k, who, forced)}
		}
	}
	return nil
}

// touched are the services that a command changes.
func (t *Tool) touched(c ipvsadm.Command) (keys []ipvsctl.ServiceKey, err error) {
	if c.Verb != ipvsadm.Clear {
		return []ipvsctl.ServiceKey{c.Key.Canonical()}, nil
	}
	all, err := t.kernel.Services()
	for _, s := range all {
		keys = append(keys, s.Key)
	}
	return keys, err
}

// tell lets the holder of a service know that it was changed on purpose.
func (t *Tool) tell(c ipvsadm.Command) int {
	if t.Guard == nil || !t.force || !c.Verb.Changes() || c.Verb == ipvsadm.Clear {
		return ipvsadm.ExitOK
	}
	k := c.Key.Canonical()
	who := t.Guard.Holder(k)
	if who == "" {
		return ipvsadm.ExitOK
	}
	if err := t.Guard.Tell(k); err != nil {
		fmt.Fprintf(t.Errs, "%s is changed, but %s does not know: %v\n", k, who, err)
		return ipvsadm.ExitFailed
	}
	return ipvsadm.ExitOK
}
