package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"keepgo/internal/control"
	"keepgo/internal/status"
)

// drillsKept is how many drills are remembered, and longestDrill how long one
// may say that it takes.
const (
	drillsKept   = 20
	longestDrill = 24 * time.Hour
)

// drills are the last drills on this pair, the oldest first. By their file they
// outlive the daemon.
type drills struct {
	list []status.Drill
	file string
}

// recallDrills reads the drills that an earlier daemon knew.
func (p *parent) recallDrills() {
	p.drills.file = besidePIDFile(p.opts, "drills")
	text, err := os.ReadFile(p.drills.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = json.Unmarshal(text, &p.drills.list)
	}
	if err != nil {
		p.log.printf("drills of an earlier life: %v; they are forgotten", err)
		p.drills.list = nil
	}
}

// steerDrill begins a drill. One goes on at a time.
func (p *parent) steerDrill(o control.DrillOrder) (answer any, err error) {
	if o.Name == "" || o.For <= 0 || o.For > longestDrill {
		return nil, fmt.Errorf("a drill has a name, and takes %v at most", longestDrill)
	}
	p.onLoop(func() {
		now := time.Now()
		if last := p.drilling(now); last != nil {
			err = fmt.Errorf("a drill of %s has been under way since %s; it is over at %s at the latest", last.Name, last.Began.Format(time.TimeOnly), last.Until.Format(time.TimeOnly))
			return
		}
		d := status.Drill{Name: o.Name, Began: now, Until: now.Add(o.For)}
		p.drills.list = append(p.drills.list, d)
		p.drills.list = p.drills.list[max(0, len(p.drills.list)-drillsKept):]
		p.drilled("DRILL", fmt.Sprintf("of %s begins", o.Name))
		answer = d
	})
	return answer, err
}

// drillGrace is how long a drill may take to give its order.
const drillGrace = 15 * time.Second

// drilling is the drill that is under way, nil for none. One whose order is not
// in force any more is dead.
func (p *parent) drilling(now time.Time) *status.Drill {
	n := len(p.drills.list)
	if n == 0 || !p.drills.list[n-1].UnderWay(now) {
		return nil
	}
	last := &p.drills.list[n-1]
	holds := slices.ContainsFunc(p.orders.list, func(o status.Order) bool { return o.Verb == status.Switchover && o.Name == last.Name })
	if !holds && now.Sub(last.Began) > drillGrace {
		return nil
	}
	return last
}

// steerDrillEnd takes down how the drill went that is under way.
func (p *parent) steerDrillEnd(e control.DrillEnd) (answer any, err error) {
	p.onLoop(func() {
		n := len(p.drills.list)
		if n == 0 || p.drills.list[n-1].Ended != nil {
			err = errors.New("no drill is under way")
			return
		}
		now, d := time.Now(), &p.drills.list[n-1]
		d.Ended, d.Passed, d.Why = &now, e.Passed, e.Why
		p.drilled("DRILL_ENDED", fmt.Sprintf("of %s %s", d.Name, d.Outcome()))
		answer = *d
	})
	return answer, err
}

// drilled logs and keeps what became of a drill.
func (p *parent) drilled(state, words string) {
	p.log.printf("Drill %s", words)
	p.noteDaemon(state, "%s", words)
	text, err := json.Marshal(p.drills.list)
	if err == nil {
		err = writeSafe(p.drills.file, text, 0o600)
	}
	if err != nil {
		p.log.printf("drills: %v; they are forgotten when this daemon ends", err)
	}
}
