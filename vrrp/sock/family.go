package sock

import (
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// setup4 sets the options of an IPv4 socket: adverts leave with TTL 255 as
// network control traffic, may be fragmented, and do not come back.
func (c *Conn) setup4() error {
	p := ipv4.NewPacketConn(c.conn)
	if err := p.SetTTL(c.cfg.ttl()); err != nil {
		return option("IP_TTL", err)
	}
	if err := p.SetTOS(control); err != nil {
		return option("IP_TOS", err)
	}
	if err := p.SetControlMessage(ipv4.FlagInterface, true); err != nil {
		return option("IP_PKTINFO", err)
	}
	for _, set := range []func(int) error{clearDF, anySource} {
		if err := onFD(c.raw, set); err != nil {
			return err
		}
	}
	if c.cfg.AH {
		if err := onFD(c.raw, wholePackets); err != nil {
			return err
		}
	}
	if c.cfg.Unicast {
		return nil
	}
	return c.join4(p)
}

// clearDF sends with a zero fragment field, as keepalived does.
func clearDF(fd int) error {
	return option("IP_MTU_DISCOVER", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT))
}

// anySource lets packets leave from an address that is not on the machine:
// mcast_src_ip may be any, and who lost its last address hands over from it.
// IPv6 needs no more than IPV6_FREEBIND for that.
func anySource(fd int) error {
	return option("IP_TRANSPARENT", unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1))
}

// wholePackets sends packets that begin with their own IP header. The kernel
// writes its checksum, and sends the rest as it is.
func wholePackets(fd int) error {
	return option("IP_HDRINCL", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_HDRINCL, 1))
}

func (c *Conn) join4(p *ipv4.PacketConn) error {
	if err := p.SetMulticastTTL(maxTTL); err != nil {
		return option("IP_MULTICAST_TTL", err)
	}
	if err := p.SetMulticastLoopback(false); err != nil {
		return option("IP_MULTICAST_LOOP", err)
	}
	link := net.Interface{Index: c.cfg.IfIndex, Name: c.cfg.Link}
	return option("joining "+c.cfg.Group.String(), p.JoinGroup(&link, &net.IPAddr{IP: c.cfg.Group.AsSlice()}))
}

// setup6 does the same for IPv6. The checksum is the sender's: the kernel could
// make it (RFC 3542 section 3.1), but would count what stands behind VRRP.
func (c *Conn) setup6() error {
	p := ipv6.NewPacketConn(c.conn)
	if err := p.SetHopLimit(c.cfg.ttl()); err != nil {
		return option("IPV6_UNICAST_HOPS", err)
	}
	if err := p.SetTrafficClass(control); err != nil {
		return option("IPV6_TCLASS", err)
	}
	if err := p.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst|ipv6.FlagHopLimit, true); err != nil {
		return option("IPV6_PKTINFO", err)
	}
	if c.cfg.Unicast {
		return nil
	}
	return c.join6(p)
}

func (c *Conn) join6(p *ipv6.PacketConn) error {
	if err := p.SetMulticastHopLimit(maxTTL); err != nil {
		return option("IPV6_MULTICAST_HOPS", err)
	}
	if err := p.SetMulticastLoopback(false); err != nil {
		return option("IPV6_MULTICAST_LOOP", err)
	}
	link := net.Interface{Index: c.cfg.IfIndex, Name: c.cfg.Link}
	return option("joining "+c.cfg.Group.String(), p.JoinGroup(&link, &net.IPAddr{IP: c.cfg.Group.AsSlice()}))
}
