package main

import (
	"errors"
	"io"
	"path/filepath"

	"keepgo/internal/control"
	"keepgo/internal/show"
	"keepgo/internal/status"
)

// runPlan is the verb plan: what a reload of a file would change.
func runPlan(args []string, out, errs io.Writer) int {
	var o steerOptions
	return with("plan", controlFlags("plan", &o), &o, "1", args, out, errs, func(s *session, args []string) error {
		path, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		var p status.Preview
		if err := s.Post(s.ctx, "/plan", control.File{Path: path}, &p); err != nil {
			return err
		}
		s.print(&p, show.Preview(&p))
		if p.Refused != "" {
			return errors.New("a reload would be refused: " + p.Refused)
		}
		return nil
	})
}
