package daemon

import (
	"testing"
	"time"

	"keepgo/internal/status"
)

// TestDrilling: a drill is under way while its order is in force, or may come.
func TestDrilling(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	began := func(ago time.Duration) []status.Drill {
		return []status.Drill{{Name: "VI_1", Began: now.Add(-ago), Until: now.Add(time.Hour)}}
	}
	order := []status.Order{{Verb: status.Switchover, Name: "VI_1"}}
	for name, c := range map[string]struct {
		drills []status.Drill
		orders []status.Order
		want   bool
	}{
		"none":                 {nil, order, false},
		"just begun":           {began(time.Second), nil, true},
		"its order holds":      {began(time.Minute), order, true},
		"its order has ended":  {began(time.Minute), nil, false},
		"an order of another":  {began(time.Minute), []status.Order{{Verb: status.Switchover, Name: "VI_2"}}, false},
		"it told how it ended": {[]status.Drill{{Name: "VI_1", Began: now, Until: now.Add(time.Hour), Ended: &now}}, order, false},
	} {
		p := &parent{drills: drills{list: c.drills}, orders: orders{list: c.orders}}
		if got := p.drilling(now) != nil; got != c.want {
			t.Errorf("%s: under way is %v", name, got)
		}
	}
}
