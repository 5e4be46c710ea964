package genl

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// The generic netlink family of IPVS (linux/ip_vs.h).
const (
	familyName    = "IPVS" // IPVS_GENL_NAME
	familyVersion = 1      // IPVS_GENL_VERSION

	cmdNewService = 1  // IPVS_CMD_NEW_SERVICE
	cmdSetService = 2  // IPVS_CMD_SET_SERVICE
	cmdDelService = 3  // IPVS_CMD_DEL_SERVICE
	cmdGetService = 4  // IPVS_CMD_GET_SERVICE
	cmdNewDest    = 5  // IPVS_CMD_NEW_DEST
	cmdSetDest    = 6  // IPVS_CMD_SET_DEST
	cmdDelDest    = 7  // IPVS_CMD_DEL_DEST
	cmdGetDest    = 8  // IPVS_CMD_GET_DEST
	cmdNewDaemon  = 9  // IPVS_CMD_NEW_DAEMON
	cmdDelDaemon  = 10 // IPVS_CMD_DEL_DAEMON
	cmdGetDaemon  = 11 // IPVS_CMD_GET_DAEMON
	cmdZero       = 16 // IPVS_CMD_ZERO
	cmdFlush      = 17 // IPVS_CMD_FLUSH

	attrService = 1 // IPVS_CMD_ATTR_SERVICE
	attrDest    = 2 // IPVS_CMD_ATTR_DEST
	attrDaemon  = 3 // IPVS_CMD_ATTR_DAEMON

	svcFamily    = 1  // IPVS_SVC_ATTR_AF
	svcProtocol  = 2  // IPVS_SVC_ATTR_PROTOCOL
	svcAddr      = 3  // IPVS_SVC_ATTR_ADDR
	svcPort      = 4  // IPVS_SVC_ATTR_PORT, network order
	svcFWMark    = 5  // IPVS_SVC_ATTR_FWMARK
	svcScheduler = 6  // IPVS_SVC_ATTR_SCHED_NAME
	svcFlags     = 7  // IPVS_SVC_ATTR_FLAGS, struct ip_vs_flags: flags, mask
	svcTimeout   = 8  // IPVS_SVC_ATTR_TIMEOUT, seconds
	svcNetmask   = 9  // IPVS_SVC_ATTR_NETMASK, network order, or an IPv6 prefix length in host order
	svcEngine    = 11 // IPVS_SVC_ATTR_PE_NAME

	destAddr        = 1  // IPVS_DEST_ATTR_ADDR
	destPort        = 2  // IPVS_DEST_ATTR_PORT, network order
	destForward     = 3  // IPVS_DEST_ATTR_FWD_METHOD
	destWeight      = 4  // IPVS_DEST_ATTR_WEIGHT
	destUpper       = 5  // IPVS_DEST_ATTR_U_THRESH
	destLower       = 6  // IPVS_DEST_ATTR_L_THRESH
	destFamily      = 11 // IPVS_DEST_ATTR_ADDR_FAMILY
	destTunnelType  = 13 // IPVS_DEST_ATTR_TUN_TYPE
	destTunnelPort  = 14 // IPVS_DEST_ATTR_TUN_PORT, network order
	destTunnelFlags = 15 // IPVS_DEST_ATTR_TUN_FLAGS

	forwardMask = 0x7 // IP_VS_CONN_F_FWD_MASK

	daemonRole   = 1 // IPVS_DAEMON_ATTR_STATE
	daemonLink   = 2 // IPVS_DAEMON_ATTR_MCAST_IFN
	daemonID     = 3 // IPVS_DAEMON_ATTR_SYNC_ID
	daemonMaxLen = 4 // IPVS_DAEMON_ATTR_SYNC_MAXLEN
	daemonGroup4 = 5 // IPVS_DAEMON_ATTR_MCAST_GROUP
	daemonGroup6 = 6 // IPVS_DAEMON_ATTR_MCAST_GROUP6
	daemonPort   = 7 // IPVS_DAEMON_ATTR_MCAST_PORT, host order
	daemonTTL    = 8 // IPVS_DAEMON_ATTR_MCAST_TTL
)

var commands = [...]uint8{
	ipvsctl.AddService:  cmdNewService,
	ipvsctl.EditService: cmdSetService,
	ipvsctl.DelService:  cmdDelService,
	ipvsctl.AddDest:     cmdNewDest,
	ipvsctl.EditDest:    cmdSetDest,
	ipvsctl.DelDest:     cmdDelDest,
}

// encodeOp is the request for one change.
func encodeOp(family uint16, op ipvsctl.Op) (netlink.Message, error) {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(attrService, func(ae *netlink.AttributeEncoder) error {
		encodeKey(ae, op.Service)
		if op.Kind == ipvsctl.AddService || op.Kind == ipvsctl.EditService {
			encodeService(ae, op.Definition, op.Service.IPv6)
		}
		return nil
	})
	if op.Kind >= ipvsctl.AddDest {
		ae.Nested(attrDest, func(ae *netlink.AttributeEncoder) error {
			encodeDestKey(ae, op.Dest)
			if op.Kind != ipvsctl.DelDest {
				encodeDest(ae, op.Destination)
			}
			return nil
		})
	}
	return request(family, commands[op.Kind], 0, ae)
}

// request is one message to the IPVS family; ae may be nil.
func request(family uint16, cmd uint8, flags netlink.HeaderFlags, ae *netlink.AttributeEncoder) (netlink.Message, error) {
	m := genetlink.Message{Header: genetlink.Header{Command: cmd, Version: familyVersion}}
	if ae != nil {
		b, err := ae.Encode()
		if err != nil {
			return netlink.Message{}, fmt.Errorf("IPVS: encode request: %w", err)
		}
		m.Data = b
	}
	b, err := m.MarshalBinary()
	if err != nil {
		return netlink.Message{}, fmt.Errorf("IPVS: encode request: %w", err)
	}
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(family), Flags: netlink.Request | flags},
		Data:   b,
	}, nil
}

func encodeKey(ae *netlink.AttributeEncoder, k ipvsctl.ServiceKey) {
	ae.Uint16(svcFamily, addressFamily(k.IPv6))
	if k.FWMark != 0 {
		ae.Uint32(svcFWMark, k.FWMark)
		return
	}
	ae.Uint16(svcProtocol, uint16(k.Protocol))
	ae.Bytes(svcAddr, k.Addr.AsSlice())
	ae.Bytes(svcPort, port(k.Port))
}

func encodeService(ae *netlink.AttributeEncoder, s ipvsctl.Service, ipv6 bool) {
	ae.String(svcScheduler, s.Scheduler)
	ae.Bytes(svcFlags, binary.NativeEndian.AppendUint32(
		binary.NativeEndian.AppendUint32(nil, s.Flags), ^uint32(0)))
	ae.Uint32(svcTimeout, uint32(s.Timeout/time.Second))
	ae.Bytes(svcNetmask, netmask(s, ipv6))
	if s.Engine != "" {
		ae.String(svcEngine, s.Engine)
	}
}

// netmask spells the granularity of persistence; the kernel refuses zero.
func netmask(s ipvsctl.Service, ipv6 bool) []byte {
	switch {
	case ipv6 && s.PrefixLen == 0:
		return binary.NativeEndian.AppendUint32(nil, 128)
	case ipv6:
		return binary.NativeEndian.AppendUint32(nil, uint32(s.PrefixLen))
	case s.Netmask4 == [4]byte{}:
		return []byte{255, 255, 255, 255}
	}
	return s.Netmask4[:]
}

func encodeDestKey(ae *netlink.AttributeEncoder, k ipvsctl.DestKey) {
	ae.Uint16(destFamily, addressFamily(k.Addr.Is6()))
	ae.Bytes(destAddr, k.Addr.AsSlice())
	ae.Bytes(destPort, port(k.Port))
}

func encodeDest(ae *netlink.AttributeEncoder, d ipvsctl.Destination) {
	ae.Uint32(destForward, uint32(d.Forward))
	ae.Uint32(destWeight, d.Weight)
	ae.Uint32(destUpper, d.Upper)
	ae.Uint32(destLower, d.Lower)
	if d.Forward == ipvsctl.ForwardTunnel {
		ae.Uint8(destTunnelType, d.TunnelType)
		ae.Bytes(destTunnelPort, port(d.TunnelPort))
		ae.Uint16(destTunnelFlags, d.TunnelFlags)
	}
}

func addressFamily(ipv6 bool) uint16 {
	if ipv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

func port(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }

// validAddr keeps an address of the wrong kind from reaching the kernel as an
// empty attribute.
func validAddr(a netip.Addr) bool { return a.Is4() || a.Is6() }

// serviceOnly is the attributes of a request about the service k.
func serviceOnly(k ipvsctl.ServiceKey) *netlink.AttributeEncoder {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(attrService, func(ae *netlink.AttributeEncoder) error {
		encodeKey(ae, k)
		return nil
	})
	return ae
}

// daemonRequest is the attributes that start a sync daemon in a role, or stop
// it: to stop it its role is enough.
func daemonRequest(role ipvsctl.SyncRole, s *ipvsctl.Sync) *netlink.AttributeEncoder {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(attrDaemon, func(ae *netlink.AttributeEncoder) error {
		ae.Uint32(daemonRole, uint32(role))
		if s != nil {
			encodeDaemon(ae, *s)
		}
		return nil
	})
	return ae
}

// encodeDaemon leaves out what is 0, so that the kernel takes its default.
func encodeDaemon(ae *netlink.AttributeEncoder, s ipvsctl.Sync) {
	ae.String(daemonLink, s.Link)
	ae.Uint32(daemonID, uint32(s.ID))
	if s.MaxLen != 0 {
		ae.Uint16(daemonMaxLen, s.MaxLen)
	}
	switch group := s.Group.Unmap(); {
	case group.Is4():
		ae.Bytes(daemonGroup4, group.AsSlice())
	case group.Is6():
		ae.Bytes(daemonGroup6, group.AsSlice())
	}
	if s.Port != 0 {
		ae.Uint16(daemonPort, s.Port)
	}
	if s.TTL != 0 {
		ae.Uint8(daemonTTL, s.TTL)
	}
}
