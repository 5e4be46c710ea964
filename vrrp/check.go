package vrrp

import (
	"bytes"
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

	ErrAH       // auth_failure: no authentication header of ours, RFC 4302 section 2
	ErrAHDigest // auth_failure: its integrity check value is wrong
	ErrAHReplay // auth_failure: its sequence number was seen

	ErrExtMissing   // auth_ext_missing: an advert without auth_hmac trailer
	ErrExtMalformed // auth_ext_malformed: a trailer of another kind
	ErrExtStale     // auth_ext_stale: signed longer ago, or later, than time_window
	ErrExtKey       // auth_ext_unknown_key
	ErrExtDigest    // auth_ext_invalid_hmac
	ErrExtReplay    // auth_ext_replay
	ErrExtClock     // the clocks differ by half of time_window; the advert is accepted
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
	ErrAH:           "not our authentication header",
	ErrAHDigest:     "wrong integrity check value",
	ErrAHReplay:     "sequence number already seen",
	ErrExtMissing:   "not signed",
	ErrExtMalformed: "malformed signature",
	ErrExtStale:     "signed outside the time window",
	ErrExtKey:       "signed with an unknown key",
	ErrExtDigest:    "wrong signature",
	ErrExtReplay:    "signed advert already seen",
	ErrExtClock:     "clocks drift apart",
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
	Version  uint8
	AuthType uint8
	Auth     [8]byte // auth_pass, cut or padded with zeros
	// DropOther drops adverts with other addresses, as keepalived before 2.3.3
	// did: a pair that does not agree about them then has two masters.
	DropOther bool
	// FirstOnly compares the addresses of the first advert of a new master
	// alone (skip_check_adv_addr); Codec.Read does, Check compares always.
	FirstOnly bool

	Unicast       bool
	CheckSource   bool // drop what does not come from Peers
	AnySum        bool // v3_checksum_as_v2: keepalived's own may be wrong from the second peer on
	NoOldChecksum bool // old_unicast_checksum never

	Interval  time.Duration
	Addresses []byte // as in Packet; nil compares nothing
	Peers     []Peer
	HMAC      *HMAC // auth_hmac; nil for none
}

// Accepted tells whether an advert with this fault, as Check found it, counts
// all the same: it is worth a message and a counter, not the mastership.
func (x *Expect) Accepted(err error) bool {
	return err == nil || err == ErrAddresses && !x.DropOther || err == ErrExtClock || err == ErrInterval && x.Version == 3
}

// Check looks p over that came from src to dst with ttl, in keepalived's order,
// and returns the first fault: a fatal one before one that Accepted forgives.
func (x *Expect) Check(p *Packet, src, dst netip.Addr, ttl uint8) error {
	if err := x.checkForm(p, ttl); err != nil {
		return err
	}
	if err := x.checkAuth(p, src); err != nil {
		return err
	}
	if err := x.checkBody(p, src, dst, ttl); err != nil {
		return err
	}
	return x.notices(p, src)
}

// checkForm is what is asked before a packet's authentication.
func (x *Expect) checkForm(p *Packet, ttl uint8) error {
	switch {
	case !x.Unicast && ttl != TTL:
		return ErrTTL
	case p.Version != x.Version:
		return ErrVersion
	}
	return nil
}

// checkBody is what is asked after it.
func (x *Expect) checkBody(p *Packet, src, dst netip.Addr, ttl uint8) error {
	if p.Version == 2 && p.Interval != x.Interval {
		return ErrInterval
	}
	if p.Type != advertisement {
		return ErrType
	}
	if !x.sumAllowed(p, dst) {
		return ErrChecksum
	}
	if x.Unicast == dst.IsMulticast() {
		return ErrCast
	}
	return x.checkPeer(src, ttl)
}

// checkAuth is RFC 2338 section 10.3; version 3 has no authentication, and
// over IPv6 only its type is sent.
func (x *Expect) checkAuth(p *Packet, src netip.Addr) error {
	switch {
	case p.Version != 2:
		return nil
	case p.AuthType > AuthAH:
		return ErrAuthType
	case p.AuthType != x.AuthType:
		return ErrAuthMismatch
	case p.AuthType == AuthPass && p.Auth != x.Auth && src.Is4():
		return ErrAuthFailure
	}
	return nil
}

func (x *Expect) sumAllowed(p *Packet, dst netip.Addr) bool {
	switch p.Sum {
	case SumGood:
		return true
	case SumOldUnicast:
		return x.Unicast && !x.NoOldChecksum || x.AnySum
	}
	return x.AnySum && p.Version == 3 && dst.Is4()
}

func (x *Expect) checkPeer(src netip.Addr, ttl uint8) error {
	if !x.Unicast {
		return nil
	}
	peer := x.peer(src)
	switch {
	case peer == nil && x.CheckSource:
		return ErrSource
	case peer != nil && (ttl < peer.MinTTL || peer.MaxTTL != 0 && ttl > peer.MaxTTL):
		return ErrTTL
	}
	return nil
}

// peer is the configured peer with the address src, nil for a stranger.
func (x *Expect) peer(src netip.Addr) *Peer {
	for i := range x.Peers {
		if x.Peers[i].Addr == src {
			return &x.Peers[i]
		}
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
