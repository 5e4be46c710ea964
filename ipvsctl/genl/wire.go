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
	cmdFlush      = 17 // IPVS_CMD_FLUSH

	attrService = 1 // IPVS_CMD_ATTR_SERVICE
	attrDest    = 2 // IPVS_CMD_ATTR_DEST

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
	return request(family, commands[op.Kind], netlink.Acknowledge, ae)
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

// decodeService reads the answer to cmdGetService. The service's key is the
// one that was asked for.
func decodeService(data []byte, k ipvsctl.ServiceKey) (ipvsctl.Service, error) {
	var s ipvsctl.Service
	var g genetlink.Message
	if err := g.UnmarshalBinary(data); err != nil {
		return s, err
	}
	ad, err := netlink.NewAttributeDecoder(g.Data)
	if err != nil {
		return s, err
	}
	for ad.Next() {
		if ad.Type() == attrService {
			ad.Nested(func(ad *netlink.AttributeDecoder) error { return decodeAttrs(ad, &s, k.IPv6) })
		}
	}
	return s.Canonical(k.IPv6), ad.Err()
}

func decodeAttrs(ad *netlink.AttributeDecoder, s *ipvsctl.Service, ipv6 bool) error {
	for ad.Next() {
		switch b := ad.Bytes(); ad.Type() {
		case svcScheduler:
			s.Scheduler = ad.String()
		case svcEngine:
			s.Engine = ad.String()
		case svcTimeout:
			s.Timeout = time.Duration(ad.Uint32()) * time.Second
		case svcFlags:
			if len(b) < 4 {
				return fmt.Errorf("flags of %d bytes", len(b))
			}
			s.Flags = binary.NativeEndian.Uint32(b)
		case svcNetmask:
			if len(b) != 4 {
				return fmt.Errorf("netmask of %d bytes", len(b))
			}
			decodeNetmask(s, b, ipv6)
		}
	}
	if s.Flags&ipvsctl.FlagPersistent == 0 {
		s.Timeout = 0
	}
	return nil
}

func decodeNetmask(s *ipvsctl.Service, b []byte, ipv6 bool) {
	if ipv6 {
		s.PrefixLen = uint8(min(binary.NativeEndian.Uint32(b), 128))
		return
	}
	s.Netmask4 = [4]byte(b)
}

// validAddr keeps an address of the wrong kind from reaching the kernel as an
// empty attribute.
func validAddr(a netip.Addr) bool { return a.Is4() || a.Is6() }
