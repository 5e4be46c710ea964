package status

import (
	"strings"
	"time"
)

// historySize is how many events are kept: some days of a quiet director, and
// all of a bad night.
const historySize = 2000

// Event is something that happened to a daemon.
type Event struct {
	Number   uint64    `json:"number"` // counts from 1 over the life of the daemon
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"`               // INSTANCE, GROUP, VS, RS or DAEMON
	Name     string    `json:"name"`               // of the instance, group, service, or server and service
	State    string    `json:"state"`              // as notifications name it
	Priority int       `json:"priority,omitempty"` // of an instance
	Why      string    `json:"why,omitempty"`
}

// History holds the last events. The zero value is ready.
type History struct {
	ring []Event // the event of a number stands at number % historySize
	last uint64
}

// Add notes an event, gives it its number, and forgets the oldest.
func (h *History) Add(e Event) {
	if h.ring == nil {
		h.ring = make([]Event, historySize)
	}
	h.last++
	e.Number = h.last
	h.ring[h.last%historySize] = e
}

// After are the events that are kept of those behind a number, the oldest first.
func (h *History) After(number uint64) []Event {
	first := number + 1
	if h.last >= historySize {
		first = max(first, h.last-historySize+1)
	}
	list := []Event{}
	for n := first; n <= h.last; n++ {
		list = append(list, h.ring[n%historySize])
	}
	return list
}

// Adopt puts events in front of those that follow, with the numbers they have:
// those of After(0) of the daemon that was there before.
func (h *History) Adopt(list []Event) {
	for _, e := range list {
		h.last = e.Number - 1
		h.Add(e)
	}
}

// About tells whether an event belongs to an instance or to a service; either
// may be nil.
func (e *Event) About(in *Instance, s *Service) bool {
	switch e.Kind {
	case "INSTANCE":
		return in != nil && e.Name == in.Name
	case "GROUP":
		return in != nil && e.Name == in.Group
	case "DAEMON":
		return true
	case "VS":
		return s != nil && e.Name == s.Name
	}
	return s != nil && strings.HasSuffix(e.Name, " "+s.Name)
}

// Explanation is all that is known of one instance or service, and how it came
// to be as it is.
type Explanation struct {
	Name     string    `json:"name"`
	At       time.Time `json:"at"`
	Instance *Instance `json:"instance,omitempty"`
	Service  *Service  `json:"service,omitempty"`
	Events   []Event   `json:"events"`
	Outlook  string    `json:"outlook,omitempty"` // what it does when something fails
}
