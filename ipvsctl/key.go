package ipvsctl

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"
)

// Service flags, forwarding methods and tunnel types of linux/ip_vs.h.
const (
	FlagPersistent uint32 = 0x0001 // IP_VS_SVC_F_PERSISTENT
	FlagOnePacket  uint32 = 0x0004 // IP_VS_SVC_F_ONEPACKET

	ForwardNAT    uint8 = 0 // IP_VS_CONN_F_MASQ
	ForwardTunnel uint8 = 2 // IP_VS_CONN_F_TUNNEL
	ForwardDirect uint8 = 3 // IP_VS_CONN_F_DROUTE

	TunnelGUE uint8 = 1 // IP_VS_CONN_F_TUNNEL_TYPE_GUE, the only tunnel with a port

	// settable are the service flags a caller may ask for, IP_VS_SVC_F_SCHED1
	// to 3 among them; the kernel sets IP_VS_SVC_F_HASHED on its own.
	settable = FlagPersistent | FlagOnePacket | 0x0008 | 0x0010 | 0x0020
)

// ProtocolName is how keepalived names the transport of a service in logs, FIFO
// lines and mails: tcp, udp, sctp, or none for a firewall mark.
func ProtocolName(protocol uint8) string {
	switch protocol {
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 132:
		return "sctp"
	}
	return "none"
}

// String is keepalived's name of a virtual service: "[10.0.0.1]:tcp:80", or
// "FWM 8" for a firewall mark.
func (k ServiceKey) String() string {
	if k.FWMark != 0 {
		return fmt.Sprintf("FWM %d", k.FWMark)
	}
	return trio(k.Addr, k.Protocol, k.Port)
}

// Name is keepalived's name of a real server: "[10.0.0.2]:tcp:80", with the
// protocol of the service it stands in.
func (k DestKey) Name(protocol uint8) string { return trio(k.Addr, protocol, k.Port) }

// trio brackets IPv4 as well as IPv6, as keepalived does.
func trio(a netip.Addr, protocol uint8, port uint16) string {
	b := a.AppendTo(append(make([]byte, 0, 64), '['))
	b = append(append(b, "]:"...), ProtocolName(protocol)...)
	return string(strconv.AppendUint(append(b, ':'), uint64(port), 10))
}

// Canonical is the one key the kernel would answer for k: a mark has neither
// address nor protocol, and an address decides the family.
func (k ServiceKey) Canonical() ServiceKey {
	if k.FWMark != 0 {
		return ServiceKey{FWMark: k.FWMark, IPv6: k.IPv6}
	}
	k.Addr = k.Addr.Unmap()
	k.IPv6 = k.Addr.Is6()
	return k
}

// Compare orders services: marks first, then by address, port and protocol.
func (k ServiceKey) Compare(o ServiceKey) int {
	return cmp.Or(
		cmp.Compare(o.FWMark, k.FWMark),
		k.Addr.Compare(o.Addr),
		cmp.Compare(k.Port, o.Port),
		cmp.Compare(k.Protocol, o.Protocol),
		compareBool(k.IPv6, o.IPv6),
	)
}

// Compare orders destinations by address, then port.
func (k DestKey) Compare(o DestKey) int {
	return cmp.Or(k.Addr.Compare(o.Addr), cmp.Compare(k.Port, o.Port))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Canonical is the one way to write a service of the given family that means
// the same to the kernel: persistence is whole seconds and sets its flag, and a
// mask of every bit is the zero value.
func (s Service) Canonical(ipv6 bool) Service {
	s.Timeout = (s.Timeout + time.Second - 1).Truncate(time.Second)
	s.Flags &= settable &^ FlagPersistent
	if s.Timeout > 0 {
		s.Flags |= FlagPersistent
	}
	if ipv6 || s.Netmask4 == [4]byte{255, 255, 255, 255} {
		s.Netmask4 = [4]byte{}
	}
	if !ipv6 || s.PrefixLen == 128 {
		s.PrefixLen = 0
	}
	return s
}

// Canonical is the one way to write a destination that means the same to the
// kernel: the weight is within its range, and only tunnels have tunnel options.
func (d Destination) Canonical() Destination {
	d.Weight = min(d.Weight, math.MaxInt32)
	if d.Forward != ForwardTunnel {
		d.TunnelType, d.TunnelFlags = 0, 0
	}
	if d.Forward != ForwardTunnel || d.TunnelType != TunnelGUE {
		d.TunnelPort = 0
	}
	return d
}

// Canonical is a copy of e, standing under key k, with everything canonical.
func (e Entry) Canonical(k ServiceKey) Entry {
	c := Entry{Service: e.Service.Canonical(k.IPv6), Destinations: make(map[DestKey]Destination, len(e.Destinations))}
	for dk, d := range e.Destinations {
		dk.Addr = dk.Addr.Unmap()
		c.Destinations[dk] = d.Canonical()
	}
	return c
}
