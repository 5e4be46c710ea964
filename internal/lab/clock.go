package lab

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// step is by how much the clock is set: more than any clock server does at once.
const step = time.Hour

// clockStep sets the clock forward, back beyond where it was, and right again.
// Namespaces share the machine's: time namespaces have monotonic clocks of their
// own, but no clock that tells the time (time_namespaces(7)).
func (p *play) clockStep() error {
	if !p.setClock {
		p.leave("the clock steps", "both directors share this machine's clock; on a machine that is there for tests: --set-clock")
		return nil
	}
	began, wall := time.Now(), time.Now().Round(0)
	set := func(d time.Duration) error { return setClock(wall.Add(time.Since(began) + d)) }
	if err := set(0); err != nil {
		p.leave("the clock steps", "%v", err)
		return nil
	}
	defer set(0)
	for _, s := range []struct {
		name string
		by   time.Duration
	}{
		{"the clock of both is set an hour ahead", step},
		{"the clock of both is set two hours back", -step},
		{"the clock of both is set right", 0},
	} {
		m, _ := p.current()
		err := p.act(deed{
			name: s.name, heir: true, least: p.takeover() + time.Second, limit: p.takeover() + slack,
			do:   func() error { return set(s.by) },
			done: func() bool { return p.master(0) == m && p.bothAnswer() }, want: p.stage.directors[m].Name + " stays master",
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func setClock(t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		return fmt.Errorf("the machine's clock cannot be set: %w", err)
	}
	return nil
}
