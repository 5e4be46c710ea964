package main

import (
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"keepgo/internal/ha"
)

// drillVerbs are what keepgo drill does beside the drill itself, by the word
// behind it. An instance of such a name stands behind --.
var drillVerbs = map[string]func(args []string, out, errs io.Writer) int{"observe": runObserve, "traffic": runTraffic}

// runDrill is the verb drill: a failover drill on the running pair.
func runDrill(args []string, out, errs io.Writer) int {
	if len(args) > 0 && drillVerbs[args[0]] != nil {
		return drillVerbs[args[0]](args[1:], out, errs)
	}
	var o drillOptions
	return with("drill", drillFlags(&o), &o.steerOptions, "1", args, out, errs, func(s *session, args []string) error {
		st, err := s.Status(s.ctx)
		if err != nil {
			return err
		}
		h, err := ha.CanHandOver(st, args[0])
		if err != nil {
			return err
		}
		s.print(h, fmt.Sprintf("%v may be handed over, which takes %v at most\n", h.Instances, h.Patience))
		return nil
	})
}

// drillOptions are those of a drill.
type drillOptions struct {
	steerOptions
}

func drillFlags(o *drillOptions) *pflag.FlagSet {
	return controlFlags("drill", &o.steerOptions)
}

// allDrillFlags are those of the drill and of the words behind it, for shells.
func allDrillFlags() *pflag.FlagSet {
	f := drillFlags(&drillOptions{})
	f.AddFlagSet(observeFlags(&observeOptions{}))
	f.AddFlagSet(trafficFlags(&trafficOptions{}))
	return f
}
