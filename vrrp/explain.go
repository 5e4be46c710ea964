package vrrp

import (
	"fmt"
	"net/netip"
	"strings"
)

// Explain is err, found by Check in p from src, with its numbers.
func (x *Expect) Explain(err error, p *Packet, src netip.Addr, ttl uint8) string {
	switch err {
	case ErrTTL:
		return x.explainTTL(src, ttl)
	case ErrVersion:
		return fmt.Sprintf("advert from %s has VRRP version %d, ours is %d: set the same `version` (or vrrp_version) on all", src, p.Version, x.Version)
	case ErrAuthMismatch:
		return fmt.Sprintf("advert from %s has authentication type %d, ours is %d: set the same `auth_type` on all", src, p.AuthType, x.AuthType)
	case ErrAuthFailure:
		return fmt.Sprintf("advert from %s has another password: set the same `auth_pass` on all (the first 8 characters count)", src)
	case ErrInterval:
		return fmt.Sprintf("advert from %s has interval %s, ours is %s: set the same `advert_int` on all", src, p.Interval, x.Interval)
	case ErrType:
		return fmt.Sprintf("packet from %s has VRRP type %d: only advertisements (%d) exist", src, p.Type, advertisement)
	case ErrAddresses:
		return explainAddresses(p.Addresses, x.Addresses, src)
	case ErrSource:
		return fmt.Sprintf("advert from %s, which is not one of our `unicast_peer` addresses", src)
	case ErrCast:
		return x.explainCast(src)
	}
	return fmt.Sprintf("packet from %s: %s", src, err)
}

func (x *Expect) explainTTL(src netip.Addr, ttl uint8) string {
	if peer := x.peer(src); x.Unicast && peer != nil {
		return fmt.Sprintf("advert from %s has TTL/hop limit %d: its `unicast_peer` line allows %d to %d", src, ttl, peer.MinTTL, maxTTL(peer))
	}
	return fmt.Sprintf("advert from %s has TTL/hop limit %d: it was forwarded, or its sender does not set %d", src, ttl, TTL)
}

func maxTTL(p *Peer) uint8 {
	if p.MaxTTL == 0 {
		return TTL
	}
	return p.MaxTTL
}

func (x *Expect) explainCast(src netip.Addr) string {
	if x.Unicast {
		return fmt.Sprintf("multicast advert from %s, and we have `unicast_peer`: configure both routers alike", src)
	}
	return fmt.Sprintf("unicast advert from %s, and we have no `unicast_peer`: configure both routers alike", src)
}

// explainAddresses tells the two lists and how they relate.
func explainAddresses(theirs, ours []byte, src netip.Addr) string {
	size := addressLen(src)
	return fmt.Sprintf("advert from %s carries other virtual addresses than ours (%s): theirs %s, ours %s: make `virtual_ipaddress` the same on all",
		src, relate(theirs, ours, size), listAddresses(theirs, size), listAddresses(ours, size))
}

// relate is how the list theirs relates to ours.
func relate(theirs, ours []byte, size int) string {
	missing, extra := lacking(theirs, ours, size), lacking(ours, theirs, size)
	switch {
	case missing > 0 && extra > 0:
		return fmt.Sprintf("different: it lacks %d of ours and has %d more", missing, extra)
	case missing > 0:
		return fmt.Sprintf("ours is a superset: it lacks %d", missing)
	case extra > 0:
		return fmt.Sprintf("ours is a subset: it has %d more", extra)
	}
	return "the same, but not each as often"
}

// lacking counts the addresses of want that list has not.
func lacking(list, want []byte, size int) (n int) {
	for ; len(want) >= size; want = want[size:] {
		if count(list, want[:size]) == 0 {
			n++
		}
	}
	return n
}

// maxListed bounds the addresses in a message.
const maxListed = 16

func listAddresses(list []byte, size int) string {
	var words []string
	for n := 0; len(list) >= size; list, n = list[size:], n+1 {
		if n == maxListed {
			words = append(words, fmt.Sprintf("and %d more", len(list)/size))
			break
		}
		a, _ := netip.AddrFromSlice(list[:size])
		words = append(words, a.String())
	}
	if words == nil {
		return "none"
	}
	return strings.Join(words, " ")
}
