package failover

import (
	"context"
	"fmt"

	"keepgo/internal/lab/drill"
)

// Again takes in what observers saw of a drill that is over, of which the file
// has the JSON, judges it anew and writes it. It returns ErrFailed if the drill
// was not good enough.
func Again(ctx context.Context, o Options, file string) error {
	var r drill.Report
	if err := readJSON(ctx, file, o.In, &r); err != nil {
		return err
	}
	if !r.Live() || r.Began.IsZero() {
		return fmt.Errorf("%s is no report of a drill: keepgo drill --json --yes makes one", file)
	}
	var list []drill.Observation
	for _, where := range o.Observers {
		seen, err := ReadObservation(ctx, where)
		if err != nil {
			return fmt.Errorf("--observer: %w", err)
		}
		list = append(list, *seen)
	}
	r.Merge(list)
	if o.Limits == nil {
		o.Limits = Prudent()
	}
	failed := !r.OK
	JudgeAll(&r, o.Limits)
	r.OK = r.OK && !failed
	if err := Write(o, &r); err != nil {
		return err
	}
	if !r.OK {
		return ErrFailed
	}
	return nil
}
