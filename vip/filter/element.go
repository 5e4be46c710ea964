package filter

import (
	"encoding/binary"
	"net/netip"
)

// family is one of the two tables.
type family uint8

const (
	four family = iota
	six
	families
)

// set is a set or map of the tables whose elements change.
type set uint8

const (
	vips4 set = iota
	vips6
	linkVIPs // link-local: address and interface
	reports4 // VMAC to the interface below
	reports6
	quiet4 // VMACs
	quiet6
	shared // link-local addresses with the VMAC that shall not answer for them
	sets
)

var familyOf = [sets]family{vips4: four, vips6: six, linkVIPs: six, reports4: four, reports6: six, quiet4: four, quiet6: six, shared: six}

// element is one entry of a set. It is a comparable value.
type element struct {
	set  set
	key  string // bytes as the kernel compares them
	data string // of a map
}

// nameLen is IFNAMSIZ of linux/if.h: names are compared with all their zeros.
const nameLen = 16

// ifKey is an interface as a key: its name, or its index. "" means that there
// is none yet.
func (o *Options) ifKey(name string, index int) string {
	switch {
	case o.ByIndex && index > 0:
		return indexKey(index)
	case o.ByIndex || name == "" || len(name) >= nameLen:
		return ""
	}
	key := make([]byte, nameLen)
	copy(key, name)
	return string(key)
}

func indexKey(index int) string {
	return string(binary.NativeEndian.AppendUint32(nil, uint32(index)))
}

func addrKey(a netip.Addr) string { return string(a.AsSlice()) }

// elements lists what a want puts into the sets.
func (o *Options) elements(w Want) (list []element) {
	for _, a := range w.Drop {
		list = o.drop(list, a)
	}
	for _, g := range w.Guards {
		list = o.guard(list, g)
	}
	return list
}

func (o *Options) drop(list []element, a Address) []element {
	addr := a.Addr.Unmap()
	switch {
	case addr.Is4():
		return append(list, element{set: vips4, key: addrKey(addr)})
	case !addr.Is6():
		return list
	case !addr.IsLinkLocalUnicast():
		return append(list, element{set: vips6, key: addrKey(addr)})
	}
	if link := o.ifKey(a.Link, a.Index); link != "" {
		list = append(list, element{set: linkVIPs, key: addrKey(addr.WithZone("")) + link})
	}
	return list
}

func (o *Options) guard(list []element, g Guard) []element {
	link := o.ifKey(g.Link, g.Index)
	if link == "" {
		return list
	}
	add := func(quiet, reports set) {
		list = append(list, element{set: quiet, key: link})
		if g.Base > 0 {
			list = append(list, element{set: reports, key: link, data: indexKey(g.Base)})
		}
	}
	if g.IPv4 {
		add(quiet4, reports4)
	}
	if g.IPv6 {
		add(quiet6, reports6)
	}
	if g.IPv6 && g.Shared.Is6() {
		list = append(list, element{set: shared, key: addrKey(g.Shared.WithZone("")) + link})
	}
	return list
}
