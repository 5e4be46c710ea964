// Package vip is the set of addresses that should stand on interfaces, and the
// difference of two sets. Why an address is wanted is not known here.
package vip

import (
	"net/netip"
	"time"
)

// Address is one address on one interface. It is a comparable value.
type Address struct {
	Link      string       // interface name
	Prefix    netip.Prefix // the address and its length; not masked
	Peer      netip.Prefix
	Label     string
	Scope     uint8 // RT_SCOPE_* of linux/rtnetlink.h
	Broadcast netip.Addr
	// Preferred is the preferred lifetime: negative for ever, 0 deprecated.
	Preferred   time.Duration
	HomeAddress bool // IFA_F_HOMEADDRESS of linux/if_addr.h
	DAD         bool // perform IPv6 duplicate address detection (off: IFA_F_NODAD)
}

// Key identifies an address to the kernel: the same address with other
// attributes is the same entry.
type Key struct {
	Link   string
	Prefix netip.Prefix
	Peer   netip.Prefix
}

// Key is the address's identity.
func (a Address) Key() Key { return Key{a.Link, a.Prefix, a.Peer} }

// Set is a list of addresses in configuration order without two of one Key.
type Set []Address
