package sock

import "golang.org/x/sys/unix"

// setting is an option whose value is a number.
type setting struct {
	name       string
	level, opt int
	value      int
}

// set sets options, up to the first that the kernel refuses.
func set(fd int, settings []setting) error {
	for _, s := range settings {
		if err := unix.SetsockoptInt(fd, s.level, s.opt, s.value); err != nil {
			return option(s.name, err)
		}
	}
	return nil
}

// setup4 sets the options of an IPv4 socket: adverts leave with TTL 255 as
// network control traffic, may be fragmented, and do not come back.
//
// The fragment field is zero, as in keepalived. With IP_TRANSPARENT packets may
// leave from an address that is not on the machine: mcast_src_ip may be any, and
// who lost its last address hands over from it. IPv6 needs no more than
// IPV6_FREEBIND for that.
func (cfg *Config) setup4(fd int) error {
	err := set(fd, []setting{
		{"IP_TTL", unix.IPPROTO_IP, unix.IP_TTL, cfg.ttl()},
		{"IP_TOS", unix.IPPROTO_IP, unix.IP_TOS, control},
		{"IP_PKTINFO", unix.IPPROTO_IP, unix.IP_PKTINFO, 1},
		{"IP_MTU_DISCOVER", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT},
		{"IP_TRANSPARENT", unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1},
	})
	if err == nil && cfg.AH {
		// Packets begin with their own IP header. The kernel writes its checksum,
		// and sends the rest as it is.
		err = set(fd, []setting{{"IP_HDRINCL", unix.IPPROTO_IP, unix.IP_HDRINCL, 1}})
	}
	if err != nil || cfg.Unicast {
		return err
	}
	err = set(fd, []setting{
		{"IP_MULTICAST_TTL", unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, maxTTL},
		{"IP_MULTICAST_LOOP", unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0},
	})
	if err != nil {
		return err
	}
	join := unix.IPMreqn{Multiaddr: cfg.Group.As4(), Ifindex: int32(cfg.IfIndex)}
	return option("joining "+cfg.Group.String(), unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &join))
}

// setup6 does the same for IPv6. The checksum is the sender's: the kernel could
// make it (RFC 3542 section 3.1), but would count what stands behind VRRP.
func (cfg *Config) setup6(fd int) error {
	err := set(fd, []setting{
		{"IPV6_UNICAST_HOPS", unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, cfg.ttl()},
		{"IPV6_TCLASS", unix.IPPROTO_IPV6, unix.IPV6_TCLASS, control},
		{"IPV6_RECVPKTINFO", unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1},
		{"IPV6_RECVHOPLIMIT", unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
	})
	if err != nil || cfg.Unicast {
		return err
	}
	err = set(fd, []setting{
		{"IPV6_MULTICAST_HOPS", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, maxTTL},
		{"IPV6_MULTICAST_LOOP", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0},
	})
	if err != nil {
		return err
	}
	join := unix.IPv6Mreq{Multiaddr: cfg.Group.As16(), Interface: uint32(cfg.IfIndex)}
	return option("joining "+cfg.Group.String(), unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &join))
}
