package daemon

import (
	"sync/atomic"

	"keepgo/vip/rtnl"
)

// monitor logs every address that comes to an interface or goes, whosever it
// is, once it is on (-a).
type monitor struct {
	on  atomic.Bool
	log func(format string, args ...any)
}

// hear takes the event of an address.
func (m *monitor) hear(ev rtnl.Event) {
	if !m.on.Load() {
		return
	}
	what := "added to"
	if ev.Gone {
		what = "removed from"
	}
	m.log("Netlink reflector reports IP %s %s %s", ev.Address.Prefix.Addr(), what, ev.Address.Link)
}
