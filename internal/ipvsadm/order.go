package ipvsadm

import (
	"encoding/binary"
	"net/netip"

	"keepgo/ipvsctl"
)

// sorted is list in the order that ipvsadm's comparison makes of it. That
// subtracts numbers of 32 bits without a look at what overflows, so it is no
// order at all, and what comes of it depends on how is sorted: by merging
// halves from the top, as qsort(3) of the GNU C library.
func sorted[T any](list []T, compare func(a, b T) int32) []T {
	if len(list) < 2 {
		return list
	}
	half := len(list) / 2
	a, b := sorted(list[:half], compare), sorted(list[half:], compare)
	merged := make([]T, 0, len(list))
	for len(a) > 0 && len(b) > 0 {
		from := &a
		if compare(a[0], b[0]) > 0 {
			from = &b
		}
		merged = append(merged, (*from)[0])
		*from = (*from)[1:]
	}
	return append(append(merged, a...), b...)
}

func compareServices(a, b ipvsctl.ServiceListing) int32 {
	k, o := a.Key, b.Key
	return firstDifference(
		int32(k.FWMark)-int32(o.FWMark),
		family(k.IPv6)-family(o.IPv6),
		int32(k.Protocol)-int32(o.Protocol),
		compareAddresses(k.Addr, o.Addr),
		int32(k.Port)-int32(o.Port),
	)
}

func compareServers(a, b ipvsctl.ServerListing) int32 {
	return firstDifference(compareAddresses(a.Key.Addr, b.Key.Addr), int32(a.Key.Port)-int32(b.Key.Port))
}

func family(ipv6 bool) int32 {
	if ipv6 {
		return 1
	}
	return 0
}

func firstDifference(all ...int32) int32 {
	for _, d := range all {
		if d != 0 {
			return d
		}
	}
	return 0
}

// compareAddresses compares as many words as the first of the two has.
func compareAddresses(a, b netip.Addr) int32 {
	x, y := words(a), words(b)
	n := 4
	if !a.Is6() {
		n = 1
	}
	for i := range n {
		if d := int32(x[i] - y[i]); d != 0 {
			return d
		}
	}
	return 0
}

// words are the parts of an address of 32 bits; IPv4 has one.
func words(a netip.Addr) (all [4]uint32) {
	b := a.AsSlice()
	for i := range len(b) / 4 {
		all[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return all
}
