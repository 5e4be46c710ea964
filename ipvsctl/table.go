// Package ipvsctl is the IPVS table as a value: services, their destinations,
// the difference of two tables, and the pool of real servers behind a service
// (quorum, sorry server). It knows no kernel and no check.
package ipvsctl

import (
	"net/netip"
	"strings"
	"time"
)

// ServiceKey identifies a virtual service to the kernel: protocol, address and
// port, or a firewall mark with its family.
type ServiceKey struct {
	Protocol uint8 // IP protocol number; 0 with FWMark
	Addr     netip.Addr
	Port     uint16
	FWMark   uint32
	IPv6     bool // family of a firewall mark; follows Addr otherwise
}

// Service is everything about a virtual service except its destinations. It is
// a comparable value.
type Service struct {
	Scheduler string
	// Flags are IP_VS_SVC_F_* of linux/ip_vs.h: 1 persistent, 4 one packet,
	// 8, 16 and 32 scheduler flags.
	Flags uint32
	// Timeout is the persistence timeout; 0 means not persistent.
	Timeout time.Duration
	// Netmask is the persistence granularity of IPv4 in network order as four
	// bytes, or the prefix length of IPv6; the zero value means every bit.
	Netmask4  [4]byte
	PrefixLen uint8
	Engine    string // persistence engine, "" or "sip"
	// Source makes the service one of FULLNAT: destinations see another source
	// than the client. It is AutoSource, or addresses parted by blanks (see
	// Sources); "" keeps the client's. IPVS knows nothing of it.
	Source string
}

// AutoSource is the address of the interface that packets to the destination
// leave through.
const AutoSource = "auto"

// Sources are the addresses of a Service's Source; none for AutoSource and "".
func Sources(source string) (list []netip.Addr) {
	if source == AutoSource {
		return nil
	}
	for _, word := range strings.Fields(source) {
		if a, err := netip.ParseAddr(word); err == nil {
			list = append(list, a)
		}
	}
	return list
}

// DestKey identifies a destination within a service.
type DestKey struct {
	Addr netip.Addr
	Port uint16
}

// Destination is everything about a destination except its key. It is a
// comparable value.
type Destination struct {
	Weight      uint32 // 0..2147483647
	Forward     uint8  // IP_VS_CONN_F_* of linux/ip_vs.h: 0 masquerade, 2 tunnel, 3 direct route
	Upper       uint32
	Lower       uint32
	TunnelType  uint8 // 0 ipip, 1 gue, 2 gre
	TunnelPort  uint16
	TunnelFlags uint16
}

// Entry is a service with its destinations.
type Entry struct {
	Service      Service
	Destinations map[DestKey]Destination
}

// Table is an IPVS table, or the part of one that is ours.
type Table map[ServiceKey]Entry
