package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"keepgo/internal/control"
	"keepgo/internal/status"
)

// upgradeLimit is how long the new program may take to answer.
// The daemon itself waits half as long for its processes to be at work.
const upgradeLimit = time.Minute

// runUpgrade is the verb upgrade: the running daemon becomes the program that is
// installed in its place.
func runUpgrade(args []string, out, errs io.Writer) int {
	var o steerOptions
	return with("upgrade", controlFlags("upgrade", &o), &o, "0", args, out, errs, func(s *session, _ []string) error {
		before, err := s.Status(s.ctx)
		if err != nil {
			return err
		}
		var u control.Upgraded
		if err := s.Post(s.ctx, "/upgrade", struct{}{}, &u); err != nil {
			return err
		}
		if err := s.renewed(before); err != nil {
			return err
		}
		s.print(&u, fmt.Sprintf("%s is now %s, keepgo %s\n", u.From, u.Program, u.To))
		return nil
	})
}

// renewed waits until a daemon answers that began later and whose processes are
// at work, or the old one tells that it goes on.
func (s *session) renewed(before *status.Status) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(upgradeLimit)
	for {
		now, unheard := s.Status(s.ctx)
		if err := s.failed(before.Asked); err != nil { // which what it says of itself is older than
			return err
		}
		if unheard == nil && now.Began.After(before.Began) && !now.Probation {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("the new program is not at work yet; see the log")
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}

// failed is what the daemon says of an upgrade that failed since.
func (s *session) failed(since time.Time) error {
	var events []status.Event
	if s.Get(s.ctx, "/events", &events) != nil {
		return nil
	}
	for _, e := range events {
		if e.State == "UPGRADE_FAILED" && e.At.After(since) {
			return fmt.Errorf("%s; the old program goes on", e.Why)
		}
	}
	return nil
}
