package genl

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"

	"keepgo/ipvsctl"
)

// Attributes of counters and connections (linux/ip_vs.h).
const (
	svcStats   = 10 // IPVS_SVC_ATTR_STATS
	svcStats64 = 12 // IPVS_SVC_ATTR_STATS64, Linux 4.1

	destActive     = 7  // IPVS_DEST_ATTR_ACTIVE_CONNS
	destInactive   = 8  // IPVS_DEST_ATTR_INACT_CONNS
	destPersistent = 9  // IPVS_DEST_ATTR_PERSIST_CONNS
	destStats      = 10 // IPVS_DEST_ATTR_STATS
	destStats64    = 12 // IPVS_DEST_ATTR_STATS64, Linux 4.1
)

// decodeCounters reads the counters inside the attribute outer: the wide ones,
// or the narrow ones of an old kernel.
func decodeCounters(data []byte, outer, narrow, wide uint16) (c ipvsctl.Counters, err error) {
	found := false
	err = decode(data, outer, func(ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			if t := ad.Type(); t == wide || t == narrow && !found {
				found = t == wide
				ad.Nested(func(ad *netlink.AttributeDecoder) error { return readCounters(ad, &c) })
			}
		}
		return ad.Err()
	})
	return c, err
}

// readCounters reads IPVS_STATS_ATTR_*: numbers of 32 or 64 bits.
func readCounters(ad *netlink.AttributeDecoder, c *ipvsctl.Counters) error {
	fields := [...]*uint64{ // from 1, IPVS_STATS_ATTR_CONNS
		1: &c.Connections, &c.PacketsIn, &c.PacketsOut, &c.BytesIn, &c.BytesOut,
		&c.ConnectionRate, &c.PacketRateIn, &c.PacketRateOut, &c.ByteRateIn, &c.ByteRateOut,
	}
	for ad.Next() {
		t, b := int(ad.Type()), ad.Bytes()
		switch {
		case t == 0 || t >= len(fields):
		case len(b) == 8:
			*fields[t] = binary.NativeEndian.Uint64(b)
		case len(b) == 4:
			*fields[t] = uint64(binary.NativeEndian.Uint32(b))
		}
	}
	return ad.Err()
}

// decodeLoad reads the connections and counters of one of the answers to
// cmdGetDest.
func decodeLoad(data []byte) (l ipvsctl.Load, err error) {
	if l.Counters, err = decodeCounters(data, attrDest, destStats, destStats64); err != nil {
		return l, err
	}
	err = decode(data, attrDest, func(ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			switch ad.Type() {
			case destActive:
				l.Active = ad.Uint32()
			case destInactive:
				l.Inactive = ad.Uint32()
			case destPersistent:
				l.Persistent = ad.Uint32()
			}
		}
		return ad.Err()
	})
	return l, err
}
