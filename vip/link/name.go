package link

import "strconv"

// DefaultPrefix begins the names the door makes (vmac_prefix).
const DefaultPrefix = "vrrp"

// maxName is the length of an interface name: IFNAMSIZ of linux/if.h without
// the zero byte.
const maxName = 15

// maxNumber bounds the search for a free name.
const maxNumber = 10000

// RouterMAC is the virtual router's MAC address, RFC 9568 section 7.3.
func RouterMAC(vrid uint8, ipv6 bool) [6]byte {
	family := byte(1)
	if ipv6 {
		family = 2
	}
	return [6]byte{0, 0, 0x5e, 0, family, vrid}
}

// mac is the address the interface shall have.
func (l Link) mac() [6]byte {
	if l.MAC == ([6]byte{}) {
		return RouterMAC(l.VRID, l.IPv6)
	}
	return l.MAC
}

// freeName is the first of the names made of prefix and VRID that is not taken:
// vrrp.51, vrrp1.51, vrrp2.51. For IPv6 vrrp6.51 is the second choice. "" means
// that all are.
func (l Link) freeName(taken func(string) bool) string {
	for n := range maxNumber {
		if name := l.numbered(n); !taken(name) {
			return name
		}
	}
	return ""
}

// mayBeCalled reports whether a name is the configured one, or one that freeName
// may choose.
func (l Link) mayBeCalled(name string) bool {
	if l.Name != "" {
		return name == l.Name
	}
	for n := range 10 { // there are hardly ever more of one VRID
		if name == l.numbered(n) {
			return true
		}
	}
	return false
}

// numbered is the n-th choice of a name. The prefix gives way where the name
// would be too long.
func (l Link) numbered(n int) string {
	prefix, tail := l.Prefix, "."+strconv.Itoa(int(l.VRID))
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if n > 0 {
		tail = strconv.Itoa(l.number(n)) + tail
	}
	return prefix[:min(len(prefix), maxName-len(tail))] + tail
}

// number is what the n-th choice counts: for IPv6 6, 1, 2, 3, 4, 5, 7.
func (l Link) number(n int) int {
	switch {
	case !l.IPv6 || n > 6:
		return n
	case n == 1:
		return 6
	}
	return n - 1
}
