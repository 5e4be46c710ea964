package genl

import (
	"errors"
	"fmt"
	"slices"

	"keepgo/ipvsctl"
)

// shownErrors bounds how many refusals of one service an event spells out.
const shownErrors = 5

// Kind is what an Event tells.
type Kind uint8

// The events of a Door.
const (
	Failed    Kind = iota // Err; it is tried again with the next Set, and every ten seconds
	Recovered             // it stands as it should after a failure
	Repaired              // another hand had changed something, which is put back
)

// Part is what of IPVS an Event is about.
type Part uint8

// The parts of IPVS that a Door holds.
const (
	PartServices Part = iota
	PartTimeouts
	PartSync
)

// subject is what fails and recovers as one: a service, the whole table (no
// key), the timeouts, or the sync daemons.
type subject struct {
	part    Part
	service ipvsctl.ServiceKey
}

func (s subject) String() string {
	switch {
	case s.part == PartTimeouts:
		return "timeouts"
	case s.part == PartSync:
		return "sync daemon"
	case s.service == ipvsctl.ServiceKey{}:
		return "table"
	}
	return "service " + s.service.String()
}

// Event is news from a Door.
type Event struct {
	Kind    Kind
	Part    Part
	Service ipvsctl.ServiceKey // of PartServices; the zero value for the whole table
	Err     error              // of Failed
	Ops     []ipvsctl.Op       // of Repaired services: what put them back
	Was     string             // of Repaired timeouts and sync daemons: what was found instead
	// Times counts repairs that follow each other within a minute. Of many only
	// the 1st, 2nd, 4th and so on are told.
	Times int
}

// String is the event in one line.
func (e Event) String() string {
	s := subject{e.Part, e.Service}
	switch {
	case e.Kind == Failed:
		return e.Err.Error()
	case e.Kind == Recovered:
		return fmt.Sprintf("IPVS %s: as it should be again", s)
	}
	what, again := ipvsctl.Summary(e.Ops), ""
	if e.Part != PartServices {
		what = fmt.Sprintf("%s, found %s", s, e.Was)
	}
	if e.Times > 1 {
		again = fmt.Sprintf(" (time %d in a row: another program keeps at it)", e.Times)
	}
	return fmt.Sprintf("IPVS was changed by another hand and is put back%s: %s", again, what)
}

// tell reports the outcome for a subject: a failure that is news, or the end of
// one.
func (d *Door) tell(s subject, err error) {
	was, failing := d.failed[s]
	switch {
	case err == nil && failing:
		delete(d.failed, s)
		d.opt.Report(Event{Kind: Recovered, Part: s.part, Service: s.service})
	case err != nil && err.Error() != was:
		d.failed[s] = err.Error()
		d.opt.Report(Event{Kind: Failed, Part: s.part, Service: s.service, Err: err})
	}
}

// joined is up to shownErrors of errs as one error; nil for none.
func joined(errs []error) error {
	if more := len(errs) - shownErrors; more > 0 {
		errs = append(slices.Clone(errs[:shownErrors]), fmt.Errorf("and %d more like these", more))
	}
	return errors.Join(errs...)
}
