// Package vip is the set of addresses, routes and rules that should stand, and
// the difference of two such sets. It reads routes and rules from their lines.
// Why anything is wanted is not known here.
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
	// TemporaryFrom lets the kernel make temporary addresses (RFC 8981) of an
	// IPv6 /64: IFA_F_MANAGETEMPADDR.
	TemporaryFrom bool
	NoPrefixRoute bool // the kernel adds no route for the prefix: IFA_F_NOPREFIXROUTE
	NoTrack       bool // its removal by others is left alone; no part of the address
	AutoJoin      bool // joins the group that a multicast address is: IFA_F_MCAUTOJOIN
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

// same tells whether nothing about the address itself has to change.
func (a Address) same(b Address) bool {
	a.NoTrack = b.NoTrack
	return a == b
}

// Set is a list of addresses in configuration order without two of one Key.
type Set []Address

// Want is all that should stand for one owner.
type Want struct {
	Addresses Set
	Routes    []Route
	Rules     []Rule
	// Own counts the addresses among their links' own, as if another hand had
	// set them: static ones may be what a host speaks from.
	Own bool
}

// Empty says that nothing is wanted.
func (w Want) Empty() bool {
	return len(w.Addresses)+len(w.Routes)+len(w.Rules) == 0
}

// Add adds the places of another want.
func (w *Want) Add(other Want) {
	w.Addresses = append(w.Addresses, other.Addresses...)
	w.Routes = append(w.Routes, other.Routes...)
	w.Rules = append(w.Rules, other.Rules...)
}
