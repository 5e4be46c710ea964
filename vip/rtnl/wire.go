package rtnl

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/vip"
)

// Numbers that golang.org/x/sys/unix lacks.
const (
	ifaProto          = 11     // IFA_PROTO of linux/if_addr.h, since Linux 5.18; older kernels pass over it
	attributeMask     = 0x3fff // NLA_TYPE_MASK of linux/netlink.h: without the nested and byte order bits
	netconfmsgLen     = 4      // struct netconfmsg of linux/netconf.h, padded
	netconfIfIndex    = 1      // NETCONFA_IFINDEX
	netconfForwarding = 2      // NETCONFA_FORWARDING
	protoKeepalived   = 18     // RTPROT_KEEPALIVED of linux/rtnetlink.h
)

const (
	headerLen  = unix.SizeofNlMsghdr
	addrmsgLen = unix.SizeofIfAddrmsg
	linkmsgLen = unix.SizeofIfInfomsg
)

// host is the byte order of netlink's own fields.
var host = binary.NativeEndian

// message is one netlink message: its header and what follows.
type message struct {
	kind, flags uint16
	seq, port   uint32
	body        []byte
}

// nextMessage splits the first message off b; ok is false at the end and at
// anything that is cut short.
func nextMessage(b []byte) (m message, rest []byte, ok bool) {
	if len(b) < headerLen {
		return m, nil, false
	}
	n := int(host.Uint32(b))
	if n < headerLen || n > len(b) {
		return m, nil, false
	}
	m = message{host.Uint16(b[4:]), host.Uint16(b[6:]), host.Uint32(b[8:]), host.Uint32(b[12:]), b[headerLen:n]}
	return m, b[min(align(n), len(b)):], true
}

// attribute is one type-length-value of linux/netlink.h.
type attribute struct {
	kind  uint16
	value []byte
}

// nextAttribute splits the first attribute off b, as nextMessage does.
func nextAttribute(b []byte) (a attribute, rest []byte, ok bool) {
	if len(b) < unix.SizeofNlAttr {
		return a, nil, false
	}
	n := int(host.Uint16(b))
	if n < unix.SizeofNlAttr || n > len(b) {
		return a, nil, false
	}
	a = attribute{host.Uint16(b[2:]) & attributeMask, b[unix.SizeofNlAttr:n]}
	return a, b[min(align(n), len(b)):], true
}

func align(n int) int { return (n + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }

// appendHeader begins a message whose length finish fills in.
func appendHeader(b []byte, kind, flags uint16, seq uint32) []byte {
	b = host.AppendUint32(b, 0)
	b = host.AppendUint16(b, kind)
	b = host.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = host.AppendUint32(b, seq)
	return host.AppendUint32(b, 0)
}

// finish writes the length of the message that starts at start.
func finish(b []byte, start int) []byte {
	host.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = host.AppendUint16(b, uint16(unix.SizeofNlAttr+len(value)))
	b = host.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.NLMSG_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}

func appendUint32Attribute(b []byte, kind uint16, v uint32) []byte {
	var value [4]byte
	host.PutUint32(value[:], v)
	return appendAttribute(b, kind, value[:])
}

func appendAddrAttribute(b []byte, kind uint16, a netip.Addr) []byte {
	if a.Is4() {
		value := a.As4()
		return appendAttribute(b, kind, value[:])
	}
	value := a.As16()
	return appendAttribute(b, kind, value[:])
}

// appendOp encodes op as RTM_NEWADDR or RTM_DELADDR for the link of the given
// index, see rtnetlink(7). NLM_F_EXCL makes the kernel tell a new address from
// one that stood already.
func appendOp(b []byte, op vip.Op, index int, flags uint16, seq uint32) []byte {
	start := len(b)
	a := op.Address
	if op.Kind == vip.Add {
		b = appendHeader(b, unix.RTM_NEWADDR, flags|unix.NLM_F_CREATE|unix.NLM_F_EXCL, seq)
	} else {
		b = appendHeader(b, unix.RTM_DELADDR, flags, seq)
	}
	local, far := a.Prefix.Addr(), a.Prefix
	if a.Peer.IsValid() {
		far = a.Peer
	}
	family := byte(unix.AF_INET)
	if local.Is6() {
		family = unix.AF_INET6
	}
	b = append(b, family, byte(far.Bits()), 0, a.Scope)
	b = host.AppendUint32(b, uint32(index))
	b = appendAddrAttribute(b, unix.IFA_LOCAL, local)
	b = appendAddrAttribute(b, unix.IFA_ADDRESS, far.Addr())
	if op.Kind == vip.Add {
		b = appendProperties(b, a)
	}
	return finish(b, start)
}

// appendProperties encodes what an address is beside its identity. The
// broadcast address is sent only when it is configured.
func appendProperties(b []byte, a vip.Address) []byte {
	if a.Broadcast.IsValid() && a.Broadcast.Is4() {
		b = appendAddrAttribute(b, unix.IFA_BROADCAST, a.Broadcast)
	}
	if a.Label != "" {
		b = appendAttribute(b, unix.IFA_LABEL, append([]byte(a.Label), 0))
	}
	if flags := addrFlags(a); flags != 0 {
		b = appendUint32Attribute(b, unix.IFA_FLAGS, flags)
	}
	if a.Preferred >= 0 {
		b = appendAttribute(b, unix.IFA_CACHEINFO, cacheInfo(a.Preferred))
	}
	return appendAttribute(b, ifaProto, []byte{protoKeepalived})
}

// addrFlags is IFA_F_* of linux/if_addr.h. Detection of duplicates is off
// unless asked for: it would keep a taken-over address unusable for a second.
func addrFlags(a vip.Address) uint32 {
	var flags uint32
	if a.Prefix.Addr().Is6() {
		if !a.DAD {
			flags |= unix.IFA_F_NODAD
		}
		if a.HomeAddress {
			flags |= unix.IFA_F_HOMEADDRESS
		}
		if a.TemporaryFrom {
			flags |= unix.IFA_F_MANAGETEMPADDR
		}
	}
	if a.NoPrefixRoute {
		flags |= unix.IFA_F_NOPREFIXROUTE
	}
	if a.AutoJoin {
		flags |= unix.IFA_F_MCAUTOJOIN
	}
	return flags
}

// cacheInfo is struct ifa_cacheinfo of linux/if_addr.h: preferred and valid
// lifetime in seconds, valid for ever.
func cacheInfo(preferred time.Duration) []byte {
	b := make([]byte, 0, unix.SizeofIfaCacheinfo)
	seconds := min(int64(preferred/time.Second), 1<<32-2)
	b = host.AppendUint32(b, uint32(seconds))
	b = host.AppendUint32(b, ^uint32(0)) // INFINITY_LIFE_TIME
	return append(b, make([]byte, 8)...)
}

// standing is an address as the kernel reports it.
type standing struct {
	index  int
	prefix netip.Prefix
	peer   netip.Prefix // the zero Prefix where there is none
	flags  uint32       // IFA_F_*
}

// decodeAddr reads the body of RTM_NEWADDR and RTM_DELADDR.
func decodeAddr(body []byte) (s standing, ok bool) {
	if len(body) < addrmsgLen || (body[0] != unix.AF_INET && body[0] != unix.AF_INET6) {
		return s, false
	}
	s.index, s.flags = int(host.Uint32(body[4:])), uint32(body[2])
	var local, far netip.Addr
	for a, rest, ok := nextAttribute(body[addrmsgLen:]); ok; a, rest, ok = nextAttribute(rest) {
		switch a.kind {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(a.value)
		case unix.IFA_ADDRESS:
			far, _ = netip.AddrFromSlice(a.value)
		case unix.IFA_FLAGS:
			if len(a.value) == 4 {
				s.flags = host.Uint32(a.value)
			}
		}
	}
	if !local.IsValid() { // IPv6 sends IFA_LOCAL only when there is a peer
		local = far
	}
	s.prefix = netip.PrefixFrom(local, int(body[1]))
	if far.IsValid() && far != local {
		s.prefix, s.peer = netip.PrefixFrom(local, local.BitLen()), netip.PrefixFrom(far, int(body[1]))
	}
	return s, s.prefix.IsValid() && s.prefix.Addr().Is4() == (body[0] == unix.AF_INET)
}

// decodeLink reads the body of RTM_NEWLINK and RTM_DELLINK. Bridge ports send
// messages of their own under AF_BRIDGE: those say nothing about the link.
func decodeLink(body []byte) (l Link, ok bool) {
	if len(body) < linkmsgLen || body[0] != unix.AF_UNSPEC {
		return l, false
	}
	flags := host.Uint32(body[8:])
	kind := host.Uint16(body[2:])
	l.Index = int(int32(host.Uint32(body[4:])))
	l.Admin = flags&unix.IFF_UP != 0
	l.Up = l.Admin && flags&unix.IFF_RUNNING != 0
	l.ARP = (kind == unix.ARPHRD_ETHER || kind == unix.ARPHRD_INFINIBAND) && flags&unix.IFF_NOARP == 0
	l.Multicast = flags&unix.IFF_MULTICAST != 0
	var below int
	var stacked, elsewhere bool
	for a, rest, ok := nextAttribute(body[linkmsgLen:]); ok; a, rest, ok = nextAttribute(rest) {
		switch {
		case a.kind == unix.IFLA_IFNAME:
			l.Name = cString(a.value)
		case a.kind == unix.IFLA_MTU && len(a.value) == 4:
			l.MTU = int(host.Uint32(a.value))
		case a.kind == unix.IFLA_ADDRESS || a.kind == unix.IFLA_BROADCAST:
			l.hardware(kind, a)
		case a.kind == unix.IFLA_AF_SPEC:
			l.Forwarding = linkConf(a.value, unix.AF_INET6, unix.IFLA_INET6_CONF, confForwarding) != 0
		case a.kind == unix.IFLA_LINKINFO:
			l.Table = decodeVRF(a.value)
			stacked = sharesWire(a.value)
		case a.kind == unix.IFLA_LINK && len(a.value) == 4:
			below = int(int32(host.Uint32(a.value)))
		case a.kind == unix.IFLA_LINK_NETNSID:
			elsewhere = true
		}
	}
	if stacked && !elsewhere {
		l.Below = below
	}
	return l, l.Name != "" && l.Index > 0
}

// hardware notes an address of the link.
func (l *Link) hardware(kind uint16, a attribute) {
	switch {
	case kind == unix.ARPHRD_ETHER && a.kind == unix.IFLA_ADDRESS && len(a.value) == len(l.HardwareAddr):
		l.HardwareAddr = [6]byte(a.value)
	case kind != unix.ARPHRD_INFINIBAND || len(a.value) != len(l.InfiniBand):
	case a.kind == unix.IFLA_ADDRESS:
		l.InfiniBand = [20]byte(a.value)
	default:
		l.InfiniBandAll = [20]byte(a.value)
	}
}

// confForwarding is the place of net.ipv6.conf.LINK.forwarding, counted from
// one (DEVCONF_FORWARDING of linux/ipv6.h).
const confForwarding = 1

// linkConf finds one of the numbers that a family keeps for each link in
// IFLA_AF_SPEC.
func linkConf(b []byte, family, list uint16, place int) uint32 {
	for a, rest, ok := nextAttribute(b); ok; a, rest, ok = nextAttribute(rest) {
		if a.kind != family {
			continue
		}
		for c, rest, ok := nextAttribute(a.value); ok; c, rest, ok = nextAttribute(rest) {
			if c.kind == list && len(c.value) >= 4*place {
				return host.Uint32(c.value[4*(place-1):])
			}
		}
	}
	return 0
}

// sharesWire reports whether IFLA_LINKINFO tells of a link that sends and
// receives on the very wire of the one below it. A VLAN has its own.
func sharesWire(b []byte) bool {
	for a, rest, ok := nextAttribute(b); ok; a, rest, ok = nextAttribute(rest) {
		if a.kind == unix.IFLA_INFO_KIND {
			return slices.Contains([]string{"macvlan", "macvtap", "ipvlan", "ipvtap"}, cString(a.value))
		}
	}
	return false
}

// decodeVRF finds the table of a VRF in IFLA_LINKINFO.
func decodeVRF(b []byte) (table uint32) {
	vrf := false
	for a, rest, ok := nextAttribute(b); ok; a, rest, ok = nextAttribute(rest) {
		switch a.kind {
		case unix.IFLA_INFO_KIND:
			vrf = cString(a.value) == "vrf"
		case unix.IFLA_INFO_DATA:
			for c, rest, ok := nextAttribute(a.value); vrf && ok; c, rest, ok = nextAttribute(rest) {
				if c.kind == unix.IFLA_VRF_TABLE {
					table = number32(c.value)
				}
			}
		}
	}
	return table
}

// linkConfig is a change of net.ipv6.conf.LINK.forwarding.
type linkConfig struct {
	index      int
	forwarding bool
}

// decodeConfig reads the body of RTM_NEWNETCONF (linux/netconf.h) where it
// tells of forwarding on one link; ok is false for anything else.
func decodeConfig(body []byte) (c linkConfig, ok bool) {
	if len(body) < netconfmsgLen || body[0] != unix.AF_INET6 {
		return c, false
	}
	for a, rest, more := nextAttribute(body[netconfmsgLen:]); more; a, rest, more = nextAttribute(rest) {
		if len(a.value) != 4 {
			continue
		}
		switch value := int32(host.Uint32(a.value)); a.kind {
		case netconfIfIndex:
			c.index = int(value)
		case netconfForwarding:
			c.forwarding, ok = value != 0, true
		}
	}
	return c, ok && c.index > 0 // -1 and -2 are "all" and "default"
}

// cString is b up to its first zero byte.
func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
