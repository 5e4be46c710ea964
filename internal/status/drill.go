package status

import "time"

// Drill is a failover drill on the running pair.
type Drill struct {
	Name  string     `json:"name"` // of the instance or group
	Began time.Time  `json:"began"`
	Until time.Time  `json:"until"`           // it is over by then, whatever became of it
	Ended *time.Time `json:"ended,omitempty"` // nil while it goes on, or if it never said how it ended
	// Passed says that it went as it should and within its limits; Why, what was
	// wrong otherwise.
	Passed bool   `json:"passed"`
	Why    string `json:"why,omitempty"`
}

// UnderWay tells whether a drill goes on at an instant.
func (d *Drill) UnderWay(now time.Time) bool { return d.Ended == nil && now.Before(d.Until) }

// Outcome is what became of a drill, in words.
func (d *Drill) Outcome() string {
	switch {
	case d.Ended == nil:
		return "did not tell how it ended"
	case d.Passed:
		return "passed"
	}
	return "failed: " + d.Why
}
