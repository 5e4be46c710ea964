package ipvsctl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// IP protocol numbers that have ports.
const (
	protocolTCP  = 6
	protocolUDP  = 17
	protocolSCTP = 132
)

// withoutCounts are the schedulers that need not know how many connections are
// open; random is not one of IPVS.
var withoutCounts = []string{"rr", "wrr", "random", "fo", "sh", "mh", "dh"}

// BeyondNFTables says what of a service nftables cannot do, and what to use
// instead; nil if everything is possible.
func BeyondNFTables(k ServiceKey, e Entry) error {
	var all []string
	no := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if k.FWMark == 0 && k.Protocol != protocolTCP && k.Protocol != protocolUDP && k.Protocol != protocolSCTP {
		no("IP protocol %d: only TCP, UDP and SCTP", k.Protocol)
	}
	beyondService(k, e.Service, no)
	beyondServers(k, e, no)
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all, "; "))
}

func beyondService(k ServiceKey, s Service, no func(string, ...any)) {
	if !slices.Contains(withoutCounts, s.Scheduler) {
		no("scheduler %s needs the numbers of open connections, which nftables does not have: use wrr, rr, random, sh, mh, dh or fo", s.Scheduler)
	}
	if s.Flags&FlagOnePacket != 0 {
		no("ops: nftables decides once for a connection, leave it out")
	}
	if s.Engine != "" {
		no("persistence_engine %s: only the client's address counts", s.Engine)
	}
	if s.Source != "" && k.FWMark != 0 {
		no("FULLNAT of a firewall mark: name the service by address and port")
	}
}

func beyondServers(k ServiceKey, e Entry, no func(string, ...any)) {
	ports, direct := 0, 0
	for dk, d := range e.Destinations {
		name := dk.Name(k.Protocol)
		switch d.Forward {
		case ForwardNAT:
		case ForwardDirect:
			direct++
		default:
			no("server %s: TUN needs the kernel's IPVS, use DR, NAT or FULLNAT", name)
		}
		if dk.Addr.Is6() != k.IPv6 {
			no("server %s has another address family than its service", name)
		}
		if d.Upper != 0 || d.Lower != 0 {
			no("server %s: uthreshold and lthreshold need the number of open connections, which nftables does not have", name)
		}
		if dk.Port != 0 {
			ports++
		}
	}
	if direct > 0 {
		beyondDirect(k, e, direct, no)
		return
	}
	if ports > 0 && ports < len(e.Destinations) {
		no("servers with a port and servers without one in the same service")
	}
}

// beyondDirect says what is not possible with direct routing: it is decided where
// packets come in, before anything else sees them.
func beyondDirect(k ServiceKey, e Entry, direct int, no func(string, ...any)) {
	if k.FWMark != 0 {
		no("DR of a firewall mark: the mark is not set yet where packets come in, name the service by address and port")
	}
	if direct < len(e.Destinations) {
		no("servers with DR and servers without it in the same service (the sorry server counts): use one lvs_method for all")
	}
}

// Direct reports whether packets are handed to the servers of e as they are, by
// DR. A service without servers has no method.
func (e Entry) Direct() bool {
	for _, d := range e.Destinations {
		return d.Forward == ForwardDirect
	}
	return false
}

// WithoutCounts is the scheduler that comes nearest to one that needs the
// numbers of open connections; s itself if it needs none, or is not known.
func WithoutCounts(s string) string {
	switch s {
	case "wlc", "sed", "nq":
		return "wrr"
	case "lc":
		return "rr"
	case "lblc", "lblcr":
		return "dh"
	}
	return s
}
