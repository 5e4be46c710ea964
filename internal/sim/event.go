package sim

import (
	"fmt"
	"net/netip"

	"keepgo/internal/ha"
	"keepgo/vrrp"
)

// EventKind says what happened in a World.
type EventKind uint8

// What a World tells.
const (
	Sent      EventKind = iota // Name sent an advert of Priority
	Stands                     // Address is on Link now
	Gone                       // Address is not on Link any more
	Announces                  // Name began to announce its addresses
	Repeats                    // Name announced its addresses again
	Silent                     // Name stopped announcing
	Notifies                   // scripts were told Edge
	Logs                       // Text was logged
	Shared                     // Address stands on a second node
	Alone                      // Address does not stand on a second node any more
	Dies                       // the process crashes in the middle of its work
)

// Event is one thing that happened on a node; fields its kind does not use are
// zero.
type Event struct {
	Kind     EventKind
	At       vrrp.Time
	Node     string
	Name     string // of an instance
	Priority uint8
	Address  netip.Prefix
	Link     string
	Edge     ha.Edge
	Text     string
}

// String is the event as the transcripts show it.
func (e Event) String() string {
	return fmt.Sprintf("%.3fs %s %s", e.At.Seconds(), e.Node, e.words())
}

func (e Event) words() string {
	switch e.Kind {
	case Sent:
		return fmt.Sprintf("sends %s %d", e.Name, e.Priority)
	case Stands:
		return fmt.Sprintf("+ %s %s", e.Address, e.Link)
	case Gone:
		return fmt.Sprintf("- %s %s", e.Address, e.Link)
	case Announces:
		return "announces " + e.Name
	case Repeats:
		return "announces " + e.Name + " again"
	case Silent:
		return "stops announcing " + e.Name
	case Notifies:
		return fmt.Sprintf("notify %s %s %s %d", edgeKind(e.Edge), e.Edge.Name, e.Edge.State, e.Edge.Priority)
	case Shared:
		return fmt.Sprintf("! %s stands twice: on %s", e.Address.Addr(), e.Text)
	case Dies:
		return "dies"
	case Alone:
		return fmt.Sprintf("! %s stands once: on %s", e.Address.Addr(), e.Text)
	}
	return e.Text
}

func edgeKind(e ha.Edge) string {
	if e.Group {
		return "GROUP"
	}
	return "INSTANCE"
}
