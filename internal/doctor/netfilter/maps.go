package netfilter

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// mapElements reads the elements of a map; of verdicts, which package nftables
// would leave out, too.
func mapElements(s *nftables.Set) ([]nftables.SetElement, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ae := netlink.NewAttributeEncoder()
	ae.String(unix.NFTA_SET_ELEM_LIST_TABLE, s.Table.Name)
	ae.String(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
	attributes, err := ae.Encode()
	if err != nil {
		return nil, err
	}
	answers, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETSETELEM, Flags: netlink.Request | netlink.Dump},
		Data:   append([]byte{byte(s.Table.Family), unix.NFNETLINK_V0, 0, 0}, attributes...),
	})
	if err != nil {
		return nil, fmt.Errorf("nftables: reading map %s: %w", s.Name, err)
	}
	var list []nftables.SetElement
	for _, m := range answers {
		if len(m.Data) < 4 {
			continue
		}
		err := nested(m.Data[4:], func(ad *netlink.AttributeDecoder) {
			if ad.Type() == unix.NFTA_SET_ELEM_LIST_ELEMENTS {
				ad.Nested(func(ad *netlink.AttributeDecoder) error {
					for ad.Next() {
						var e nftables.SetElement
						ad.Nested(element(&e))
						list = append(list, e)
					}
					return nil
				})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func nested(b []byte, each func(*netlink.AttributeDecoder)) error {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return err
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		each(ad)
	}
	return ad.Err()
}

// keyEnd is NFTA_SET_ELEM_KEY_END of linux/netfilter/nf_tables.h.
const keyEnd = 10

// element decodes an element.
func element(e *nftables.SetElement) func(*netlink.AttributeDecoder) error {
	return func(ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			switch ad.Type() {
			case unix.NFTA_SET_ELEM_KEY:
				e.Key = dataValue(ad.Bytes())
			case keyEnd:
				e.KeyEnd = dataValue(ad.Bytes())
			case unix.NFTA_SET_ELEM_FLAGS:
				e.IntervalEnd = ad.Uint32()&unix.NFT_SET_ELEM_INTERVAL_END != 0
			case unix.NFTA_SET_ELEM_DATA:
				e.Val, e.VerdictData = dataValue(ad.Bytes()), verdictOf(ad.Bytes())
			}
		}
		return nil
	}
}

func dataValue(b []byte) (value []byte) {
	_ = nested(b, func(ad *netlink.AttributeDecoder) {
		if ad.Type() == unix.NFTA_DATA_VALUE {
			value = ad.Bytes()
		}
	})
	return value
}

func verdictOf(b []byte) (v *expr.Verdict) {
	_ = nested(b, func(ad *netlink.AttributeDecoder) {
		if ad.Type() != unix.NFTA_DATA_VERDICT {
			return
		}
		v = &expr.Verdict{}
		_ = nested(ad.Bytes(), func(ad *netlink.AttributeDecoder) {
			switch ad.Type() {
			case unix.NFTA_VERDICT_CODE:
				v.Kind = expr.VerdictKind(int32(ad.Uint32()))
			case unix.NFTA_VERDICT_CHAIN:
				v.Chain = ad.String()
			}
		})
	})
	return v
}
