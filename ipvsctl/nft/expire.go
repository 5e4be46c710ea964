package nft

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// Datagrams make no connection that could end: what the kernel tracks of them
// stands as long as a client asks from the same port, and leads to the server it
// began with. So it is deleted when that server leaves its service.

// flow is what the kernel tracks of datagrams: what a client asks, and the server
// that answers. Ports of 0 stand for all, a zero service for one of a mark.
type flow struct{ service, server netip.AddrPort }

// flows have what is to be deleted. They are a netlink.CustomConntrackFilter.
type flows map[flow]struct{}

// leave notes the servers that a service of datagrams had and has no more.
func (f flows) leave(k ipvsctl.ServiceKey, old, now ipvsctl.Entry) {
	if k.FWMark == 0 && k.Protocol != unix.IPPROTO_UDP || old.Direct() {
		return
	}
	at := flow{}
	if k.FWMark == 0 {
		at.service = netip.AddrPortFrom(k.Addr, k.Port)
	}
	for dk := range old.Destinations {
		if _, stays := now.Destinations[dk]; !stays {
			at.server = netip.AddrPortFrom(dk.Addr, dk.Port)
			f[at] = struct{}{}
		}
	}
}

// MatchConntrackFlow reports whether the kernel shall forget a flow.
func (f flows) MatchConntrackFlow(c *netlink.ConntrackFlow) bool {
	asked, known := netip.AddrFromSlice(c.Forward.DstIP)
	server, answers := netip.AddrFromSlice(c.Reverse.SrcIP)
	if asked, server = asked.Unmap(), server.Unmap(); !known || !answers || asked == server || c.Forward.Protocol != unix.IPPROTO_UDP {
		return false
	}
	for _, service := range []netip.AddrPort{netip.AddrPortFrom(asked, c.Forward.DstPort), netip.AddrPortFrom(asked, 0), {}} {
		for _, port := range []uint16{c.Reverse.SrcPort, 0} {
			if _, left := f[flow{service, netip.AddrPortFrom(server, port)}]; left {
				return true
			}
		}
	}
	return false
}

// expire deletes them.
func (f flows) expire() error {
	if len(f) == 0 {
		return nil
	}
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		if _, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, f); err != nil {
			return fmt.Errorf("nftables: clients whose datagrams went to a server that has left may stay with it while they ask on, because tracked connections cannot be deleted: %w", err)
		}
	}
	clear(f)
	return nil
}
