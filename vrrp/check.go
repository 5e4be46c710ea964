package vrrp

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"
)

// PacketError is what is wrong with a received packet. Each has the counter of
// Stats that keepalived gives it.
type PacketError uint8

// The faults of packets, in the order in which they are looked for.
const (
	ErrLength       PacketError = iota + 1 // packet_len_err
	ErrTTL                                 // ip_ttl_err
	ErrVersion                             // RFC 9568 section 7.1
	ErrAuthType                            // invalid_authtype: no such type
	ErrAuthMismatch                        // authtype_mismatch: not the configured type
	ErrAuthFailure                         // auth_failure: wrong password
	ErrInterval                            // advert_interval_err; in version 3 the advert is accepted
	ErrType                                // invalid_type_rcvd
	ErrChecksum                            // RFC 9568 section 7.1
	ErrCast                                // multicast where unicast is configured, or the reverse
	ErrSource                              // not one of the unicast peers
	ErrAddresses                           // addr_list_err; the advert is accepted
)

var packetErrorText = [...]string{
	ErrLength:       "packet length does not fit its contents",
	ErrTTL:          "TTL/hop limit not allowed",
	ErrVersion:      "VRRP version does not match",
	ErrAuthType:     "unknown authentication type",
	ErrAuthMismatch: "authentication type does not match",
	ErrAuthFailure:  "wrong password",
	ErrInterval:     "advertisement interval does not match",
	ErrType:         "not an advertisement",
	ErrChecksum:     "invalid checksum",
	ErrCast:         "multicast and unicast do not match",
	ErrSource:       "sender is not a configured unicast peer",
	ErrAddresses:    "virtual addresses differ from ours",
}

// Error is the fault in words; Expect.Explain has the numbers.
func (e PacketError) Error() string {
	if int(e) < len(packetErrorText) && e != 0 {
		return packetErrorText[e]
	}
	return "unknown packet fault"
}

// Peer is a unicast peer. A zero MinTTL or MaxTTL does not limit.
type Peer struct {
	Addr           netip.Addr
	MinTTL, MaxTTL uint8
}

// Expect is what a virtual router expects of the adverts it hears.
type Expect struct {
	Version   uint8
	Interval  time.Duration
	AuthType  uint8
	Auth      [8]byte // auth_pass, cut or padded with zeros
	Addresses []byte  // as in Packet; nil compares nothing (skip_check_adv_addr)

	Unicast     bool
	Peers       []Peer
	CheckSource bool // drop what does not come from Peers

	AnySum        bool // v3_checksum_as_v2: keepalived's own may be wrong from the second peer on
	NoOldChecksum bool // old_unicast_checksum never
}

// Accepted tells whether an advert with this fault, as Check found it, counts
// all the same: it is worth a message and a counter, not the mastership.
func (x *Expect) Accepted(err error) bool {
	return err == nil || err == ErrAddresses || err == ErrInterval && x.Version == 3
}

// Check looks p over that came from src to dst with ttl, in keepalived's order,
// and returns the first fault: a fatal one before one that Accepted forgives.
func (x *Expect) Check(p *Packet, src, dst netip.Addr, ttl uint8) error {
	if !x.Unicast && ttl != TTL {
		return ErrTTL
	}
	if p.Version != x.Version {
		return ErrVersion
	}
	if err := x.checkAuth(p); err != nil {
		return err
	}
	if p.Version == 2 && p.Interval != x.Interval {
		return ErrInterval
	}
	if p.Type != advertisement {
		return ErrType
	}
	if !x.sumAllowed(p) {
		return ErrChecksum
	}
	if x.Unicast == dst.IsMulticast() {
		return ErrCast
	}
	if err := x.checkPeer(src, ttl); err != nil {
		return err
	}
	return x.notices(p, src)
}

// checkAuth is RFC 2338 section 10.3; version 3 has no authentication.
func (x *Expect) checkAuth(p *Packet) error {
	switch {
	case p.Version != 2:
		return nil
	case p.AuthType > AuthAH:
		return ErrAuthType
	case p.AuthType != x.AuthType:
		return ErrAuthMismatch
	case p.AuthType == AuthPass && p.Auth != x.Auth:
		return ErrAuthFailure
	}
	return nil
}

func (x *Expect) sumAllowed(p *Packet) bool {
	switch p.Sum {
	case SumGood:
		return true
	case SumOldUnicast:
		return x.Unicast && !x.NoOldChecksum || x.AnySum
	}
	return x.AnySum && p.Version == 3
}

func (x *Expect) checkPeer(src netip.Addr, ttl uint8) error {
	if !x.Unicast {
		return nil
	}
	for i := range x.Peers {
		if peer := &x.Peers[i]; peer.Addr == src {
			if ttl < peer.MinTTL || peer.MaxTTL != 0 && ttl > peer.MaxTTL {
				return ErrTTL
			}
			return nil
		}
	}
	if x.CheckSource {
		return ErrSource
	}
	return nil
}

// notices finds what is worth saying of an advert that counts.
func (x *Expect) notices(p *Packet, src netip.Addr) error {
	switch {
	case x.Addresses != nil && !sameAddresses(p.Addresses, x.Addresses, addressLen(src)):
		return ErrAddresses
	case p.Version == 3 && p.Interval != x.Interval:
		return ErrInterval
	}
	return nil
}

// Explain is err, found by Check in p from src, with its numbers.
func (x *Expect) Explain(err error, p *Packet, src netip.Addr, ttl uint8) string {
	switch err {
	case ErrTTL:
		return fmt.Sprintf("advert from %s has TTL/hop limit %d: it was forwarded, or its sender does not set %d", src, ttl, TTL)
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
		return fmt.Sprintf("advert from %s carries other virtual addresses than ours: make `virtual_ipaddress` the same on all", src)
	}
	return fmt.Sprintf("packet from %s: %s", src, err)
}

// sameAddresses tells whether a and b hold the same addresses of size bytes,
// each as often, in any order.
func sameAddresses(a, b []byte, size int) bool {
	if len(a) != len(b) {
		return false
	}
	if bytes.Equal(a, b) {
		return true
	}
	for i := 0; i < len(a); i += size {
		if count(a, a[i:i+size]) != count(b, a[i:i+size]) {
			return false
		}
	}
	return true
}

func count(list, addr []byte) (n int) {
	for ; len(list) >= len(addr); list = list[len(addr):] {
		if bytes.Equal(list[:len(addr)], addr) {
			n++
		}
	}
	return n
}
