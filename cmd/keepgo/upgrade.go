package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"keepgo/internal/control"
)

// upgradeLimit is how long the new program may take to answer.
const upgradeLimit = 30 * time.Second

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
		if err := s.renewed(before.Began); err != nil {
			return err
		}
		s.print(&u, fmt.Sprintf("%s is now %s, keepgo %s\n", u.From, u.Program, u.To))
		return nil
	})
}

// renewed waits until a daemon answers that began later.
func (s *session) renewed(began time.Time) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(upgradeLimit)
	for {
		if now, err := s.Status(s.ctx); err == nil && now.Began.After(began) {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("the new program does not answer; see the log")
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}
