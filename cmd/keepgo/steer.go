package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"keepgo/internal/control"
	"keepgo/internal/show"
	"keepgo/internal/status"
)

// orderOptions are those of the verbs that give orders.
type orderOptions struct {
	steerOptions
	during         time.Duration
	service        string
	back, breaking bool
}

func orderFlags(verb string, o *orderOptions) *pflag.FlagSet {
	f := controlFlags(verb, &o.steerOptions)
	f.DurationVar(&o.during, "for", 0, "end by itself after `time`, such as 90s, 10m or 2h")
	return f
}

func rsFlags(o *orderOptions) *pflag.FlagSet {
	f := orderFlags("rs", o)
	f.StringVar(&o.service, "service", "", "only in this virtual `server` (default: in all that have it)")
	return f
}

func switchoverFlags(o *orderOptions) *pflag.FlagSet {
	f := orderFlags("switchover", o)
	f.BoolVar(&o.back, "back", false, "take the order back: the priority decides again")
	f.BoolVar(&o.breaking, "break", false, "say priority 0 if nobody takes over otherwise")
	return f
}

// runRS is the verb rs: orders for real servers, or on one of them.
func runRS(args []string, out, errs io.Writer) int {
	if onNode(args) {
		return runNode(args, out, errs)
	}
	var o orderOptions
	return with("rs", rsFlags(&o), &o.steerOptions, "2-3", args, out, errs, func(s *session, args []string) error {
		order := control.ServerOrder{Verb: args[0], Server: args[1], Service: o.service, For: o.during}
		var err error
		switch {
		case !slices.Contains([]string{"drain", "down", "up", "weight", control.Auto}, order.Verb):
			return fmt.Errorf("there is no order %q: drain, down, up, weight or auto", order.Verb)
		case order.Verb != "weight" && len(args) > 2, order.Verb == "weight" && len(args) < 3:
			return errors.New("a number follows the server with weight, and only then")
		case order.Verb == "weight":
			if order.Weight, err = strconv.Atoi(args[2]); err != nil || order.Weight < 0 || order.Weight > 65535 {
				return fmt.Errorf("%q is no weight: 0-65535", args[2])
			}
		}
		var given []status.Order
		if err := s.Post(s.ctx, "/rs", order, &given); err != nil {
			return err
		}
		text := ""
		for i := range given {
			text += show.Order(&given[i]) + "\n"
		}
		s.print(given, text)
		return nil
	})
}

// runMaintenance is the verb maintenance.
func runMaintenance(args []string, out, errs io.Writer) int {
	var o orderOptions
	return with("maintenance", orderFlags("maintenance", &o), &o.steerOptions, "1", args, out, errs, func(s *session, args []string) error {
		if args[0] != "on" && args[0] != "off" {
			return errors.New("maintenance is on or off")
		}
		return s.hand("/maintenance", control.MaintenanceOrder{On: args[0] == "on", For: o.during})
	})
}

// runSwitchover is the verb switchover.
func runSwitchover(args []string, out, errs io.Writer) int {
	var o orderOptions
	return with("switchover", switchoverFlags(&o), &o.steerOptions, "1", args, out, errs, func(s *session, args []string) error {
		return s.hand("/switchover", control.SwitchoverOrder{Name: args[0], For: o.during, Break: o.breaking, Back: o.back})
	})
}

// hand gives an order that hands instances over, and prints what became of it.
func (s *session) hand(resource string, order any) error {
	var h control.Handed
	if err := s.Post(s.ctx, resource, order, &h); err != nil {
		return err
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h.To)) {
		how := "before it was let go here"
		if h.Broken {
			how = "after priority 0"
		}
		to := h.To[name]
		if to == "" {
			to = "another router"
		}
		fmt.Fprintf(&b, "%s: %s took over %s\n", name, to, how)
	}
	for _, name := range h.Kept {
		fmt.Fprintf(&b, "%s: nobody took over; it stays MASTER and lets anybody have it who comes\n", name)
	}
	s.print(&h, b.String())
	return nil
}
