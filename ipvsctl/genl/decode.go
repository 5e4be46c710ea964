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

// decode hands the attributes nested in attribute typ of an answer to f.
func decode(data []byte, typ uint16, f func(*netlink.AttributeDecoder) error) error {
	var g genetlink.Message
	if err := g.UnmarshalBinary(data); err != nil {
		return err
	}
	ad, err := netlink.NewAttributeDecoder(g.Data)
	if err != nil {
		return err
	}
	for ad.Next() {
		if ad.Type() == typ {
			ad.Nested(f)
		}
	}
	return ad.Err()
}

// sized is the value of an attribute that has at least n bytes.
func sized(ad *netlink.AttributeDecoder, what string, n int) ([]byte, error) {
	b := ad.Bytes()
	if len(b) < n {
		return nil, fmt.Errorf("%s of %d bytes", what, len(b))
	}
	return b, nil
}

// decodeService reads an answer to cmdGetService. Both results are canonical.
func decodeService(data []byte) (ipvsctl.ServiceKey, ipvsctl.Service, error) {
	r := reading{}
	err := decode(data, attrService, func(ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			if err := r.service(ad); err != nil {
				return err
			}
		}
		return ad.Err()
	})
	if err != nil {
		return ipvsctl.ServiceKey{}, ipvsctl.Service{}, err
	}
	return r.finish()
}

// reading is a service of which not all is known: what its address and its
// netmask mean depends on its family.
type reading struct {
	key           ipvsctl.ServiceKey
	s             ipvsctl.Service
	addr, netmask []byte
}

func (r *reading) service(ad *netlink.AttributeDecoder) (err error) {
	var b []byte
	switch ad.Type() {
	case svcFamily:
		r.key.IPv6 = ad.Uint16() == unix.AF_INET6
	case svcProtocol:
		r.key.Protocol = uint8(ad.Uint16())
	case svcAddr:
		r.addr, err = sized(ad, "address", 4)
	case svcPort:
		if b, err = sized(ad, "port", 2); err == nil {
			r.key.Port = binary.BigEndian.Uint16(b)
		}
	case svcFWMark:
		r.key.FWMark = ad.Uint32()
	case svcScheduler:
		r.s.Scheduler = ad.String()
	case svcEngine:
		r.s.Engine = ad.String()
	case svcTimeout:
		r.s.Timeout = time.Duration(ad.Uint32()) * time.Second
	case svcFlags:
		if b, err = sized(ad, "flags", 4); err == nil {
			r.s.Flags = binary.NativeEndian.Uint32(b)
		}
	case svcNetmask:
		r.netmask, err = sized(ad, "netmask", 4)
	}
	return err
}

func (r *reading) finish() (ipvsctl.ServiceKey, ipvsctl.Service, error) {
	if r.s.Flags&ipvsctl.FlagPersistent == 0 {
		r.s.Timeout = 0
	}
	switch {
	case r.netmask == nil:
	case r.key.IPv6:
		r.s.PrefixLen = uint8(min(binary.NativeEndian.Uint32(r.netmask), 128))
	default:
		r.s.Netmask4 = [4]byte(r.netmask)
	}
	if r.key.FWMark == 0 {
		addr, err := address(r.addr, r.key.IPv6)
		if err != nil {
			return r.key, r.s, err
		}
		r.key.Addr = addr
	}
	k := r.key.Canonical()
	return k, r.s.Canonical(k.IPv6), nil
}

// address reads an address, for which the kernel sends 16 bytes in either
// family.
func address(b []byte, ipv6 bool) (netip.Addr, error) {
	switch {
	case ipv6 && len(b) >= 16:
		return netip.AddrFrom16([16]byte(b)).Unmap(), nil
	case !ipv6 && len(b) >= 4:
		return netip.AddrFrom4([4]byte(b)), nil
	}
	return netip.Addr{}, fmt.Errorf("address of %d bytes", len(b))
}

// decodeDest reads one of the answers to cmdGetDest. Linux before 3.18 does not
// tell a server's family: it is the service's.
func decodeDest(data []byte, ipv6 bool) (ipvsctl.DestKey, ipvsctl.Destination, error) {
	var d ipvsctl.Destination
	var k ipvsctl.DestKey
	var addr []byte
	err := decode(data, attrDest, func(ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			var err error
			switch ad.Type() {
			case destFamily:
				ipv6 = ad.Uint16() == unix.AF_INET6
			case destAddr:
				addr, err = sized(ad, "address", 4)
			case destPort:
				var b []byte
				if b, err = sized(ad, "port", 2); err == nil {
					k.Port = binary.BigEndian.Uint16(b)
				}
			default:
				err = decodeServer(ad, &d)
			}
			if err != nil {
				return err
			}
		}
		return ad.Err()
	})
	if err == nil {
		k.Addr, err = address(addr, ipv6)
	}
	return k, d.Canonical(), err
}

func decodeServer(ad *netlink.AttributeDecoder, d *ipvsctl.Destination) error {
	switch ad.Type() {
	case destForward:
		d.Forward = uint8(ad.Uint32() & forwardMask)
	case destWeight:
		d.Weight = ad.Uint32()
	case destUpper:
		d.Upper = ad.Uint32()
	case destLower:
		d.Lower = ad.Uint32()
	case destTunnelType:
		d.TunnelType = ad.Uint8()
	case destTunnelPort:
		b, err := sized(ad, "port", 2)
		if err != nil {
			return err
		}
		d.TunnelPort = binary.BigEndian.Uint16(b)
	case destTunnelFlags:
		d.TunnelFlags = ad.Uint16()
	}
	return nil
}

// decodeDaemon reads one of the answers to cmdGetDaemon.
func decodeDaemon(data []byte) (ipvsctl.SyncRole, ipvsctl.Sync, error) {
	var role ipvsctl.SyncRole
	var s ipvsctl.Sync
	err := decode(data, attrDaemon, func(ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			var err error
			switch ad.Type() {
			case daemonRole:
				role = ipvsctl.SyncRole(ad.Uint32())
			case daemonLink:
				s.Link = ad.String()
			case daemonID:
				s.ID = uint8(ad.Uint32())
			case daemonMaxLen:
				s.MaxLen = ad.Uint16()
			case daemonGroup4:
				s.Group, err = address(ad.Bytes(), false)
			case daemonGroup6:
				s.Group, err = address(ad.Bytes(), true)
			case daemonPort:
				s.Port = ad.Uint16()
			case daemonTTL:
				s.TTL = ad.Uint8()
			}
			if err != nil {
				return err
			}
		}
		return ad.Err()
	})
	return role, s, err
}
