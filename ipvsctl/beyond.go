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
	ports := 0
	for dk, d := range e.Destinations {
		name := dk.Name(k.Protocol)
		if d.Forward != ForwardNAT {
			no("server %s: DR and TUN need the kernel's IPVS, use NAT or FULLNAT", name)
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
	if ports > 0 && ports < len(e.Destinations) {
		no("servers with a port and servers without one in the same service")
	}
}
