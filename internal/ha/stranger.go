package ha

import (
	"fmt"
	"time"

	"keepgo/vrrp"
)

// neighbour is a virtual router as the wire knows it.
type neighbour struct {
	link string
	ipv6 bool
	vrid uint8
}

// stranger is one that is heard and not configured.
type stranger struct {
	told  vrrp.Time
	count int // of its adverts since
}

const (
	// strangerPause is the least time between two lines about a stranger.
	strangerPause = time.Minute
	// maxStrangers bounds the memory that neighbours can take.
	maxStrangers = 1024
)

// estrange counts an advert of a virtual router that nobody here is, and tells
// of it now and then (log_unknown_vrids).
func (n *Node) estrange(now vrrp.Time, p *Packet, vrid uint8, acts []Action) []Action {
	r := neighbour{p.Wire.Link, p.Wire.IPv6, vrid}
	if !n.plan.LogStrangers || n.routers[r] {
		return acts
	}
	s, known := n.strangers[r]
	s.count++
	if !known || now-s.told >= strangerPause {
		acts = append(acts, Action{Kind: ActLog, Text: r.text(p, s.count)})
		s = stranger{told: now}
	}
	if known || len(n.strangers) < maxStrangers {
		n.strangers[r] = s
	}
	return acts
}

// text tells of a stranger's advert, and how many there were.
func (r neighbour) text(p *Packet, count int) string {
	s := fmt.Sprintf("Unknown VRID(%d) received on interface(%s) from %s, ignoring", r.vrid, anywhere(r.link), p.Src)
	if count > 1 {
		s += fmt.Sprintf("; %d adverts since it was told last", count)
	}
	return s
}
