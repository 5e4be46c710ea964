package tool

import (
	"fmt"

	"keepgo/internal/ipvsadm"
	"keepgo/ipvsctl"
)

// guard refuses a change of what another program holds, unless it is forced.
func (t *Tool) guard(c ipvsadm.Command) error {
	t.changes = nil
	if t.Guard == nil || !c.Verb.Changes() {
		return nil
	}
	keys, err := t.touched(c)
	if err != nil {
		return nil // the change itself will say so
	}
	t.changes = keys
	if t.force {
		return nil
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

// tell lets the holder of services know that they were changed on purpose: those
// that guard saw, which may be gone.
func (t *Tool) tell() (code int) {
	if !t.force {
		return ipvsadm.ExitOK
	}
	for _, k := range t.changes {
		who := t.Guard.Holder(k)
		if who == "" {
			continue
		}
		if err := t.Guard.Tell(k); err != nil {
			fmt.Fprintf(t.Errs, "%s is changed, but %s does not know: %v\n", k, who, err)
			code = ipvsadm.ExitFailed
		}
	}
	return code
}
