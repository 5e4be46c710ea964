package confparse

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"keepgo/confparse/syntax"
)

// addressOption is one option behind an address.
type addressOption struct {
	Dev   string `parser:"  'dev' @Word"`
	Scope string `parser:"| 'scope' @Word"`
	Brd   string `parser:"| ('brd' | 'broadcast') @Word"`
	Label string `parser:"| 'label' @Word"`
	Peer  string `parser:"| 'peer' @Word"`
	Life  string `parser:"| 'preferred_lft' @Word"`
	Group string `parser:"| 'track_group' @Word"`
	Flag  string `parser:"| @('home' | '-nodad' | 'mngtmpaddr' | 'noprefixroute' | 'autojoin' | 'no_track' | 'use_vmac')"`
}

var addressParser = grammarOf[addressOption]()

var addressWords = []string{"dev", "scope", "brd", "broadcast", "label", "peer", "preferred_lft",
	"track_group", "home", "-nodad", "mngtmpaddr", "noprefixroute", "autojoin", "no_track", "use_vmac"}

// scopes are the names of address scopes in linux/rtnetlink.h.
var addressScopes = map[string]uint8{"global": 0, "universe": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}

// addressLine reads a line of an address block; ok is false if the address is
// not usable.
func addressLine(s *stmt) (a Address, ok bool) {
	first, _ := s.next()
	a = Address{Pos: first.Pos, PreferredLifetime: -1}
	if a.Prefix, ok = s.prefix(first); !ok {
		s.rest()
		return a, false
	}
	if s.i < len(s.n.Words) && !s.separators(first) {
		return a, true
	}
	ok = true
	if s.i < len(s.n.Words) {
		options(s, addressParser, "after an address", addressWords, func(o *addressOption, w syntax.Word) {
			ok = s.addressOption(&a, o, w) && ok
		})
	}
	s.fitFlags(&a, first)
	if a.Prefix.Addr().Is6() && a.Prefix.Bits() == 128 && !strings.Contains(s.n.Raw, "preferred_lft") {
		a.PreferredLifetime = 0
	}
	return a, ok
}

// fitFlags drops flags with which the kernel would refuse the address: it joins
// groups only, and makes temporary addresses of a /64 only (RFC 8981 section 3).
func (s *stmt) fitFlags(a *Address, first syntax.Word) {
	addr := a.Prefix.Addr()
	if a.AutoJoin && !addr.IsMulticast() {
		s.fail(first, "it is ignored", "autojoin is for multicast addresses, %s is none", addr)
		a.AutoJoin = false
	}
	if a.ManageTempAddr && (addr.Is4() || a.Prefix.Bits() != 64) {
		s.fail(first, "it is ignored", "mngtmpaddr is for IPv6 addresses with a prefix of 64, not for %s", a.Prefix)
		a.ManageTempAddr = false
	}
}

// wordAfter is the index of the word behind w.
func (s *stmt) wordAfter(w syntax.Word) int {
	for k := range s.n.Words[:len(s.n.Words)-1] {
		if s.n.Words[k].Pos == w.Pos && s.n.Words[k].Text == w.Text {
			return k + 1
		}
	}
	return len(s.n.Words) - 1
}

// separators reports what people put between addresses; false ends the line.
func (s *stmt) separators(first syntax.Word) bool {
	w := s.n.Words[s.i]
	switch {
	case strings.HasPrefix(w.Text, "/") && len(w.Text) > 1 && w.Text[1] >= '0' && w.Text[1] <= '9':
		s.fail(w, "write '"+first.Text+w.Text+"' without a blank", "unexpected '%s' after an address", w.Text)
	case isAddress(w.Text):
		s.fail(w, "one address per line", "unexpected '%s' after an address", w.Text)
	default:
		return true
	}
	s.rest()
	return false
}

func isAddress(text string) bool {
	host, _, _ := strings.Cut(text, "/")
	_, err := netip.ParseAddr(host)
	return err == nil
}

// addressOption applies one option; false drops the address.
func (s *stmt) addressOption(a *Address, o *addressOption, w syntax.Word) bool {
	v4 := a.Prefix.Addr().Is4()
	switch {
	case o.Dev != "":
		a.Interface = o.Dev
		w = s.n.Words[s.wordAfter(w)]
		return s.link(w)
	case o.Scope != "":
		return s.scope(a, o.Scope, w)
	case o.Brd != "":
		return s.broadcast(a, o.Brd, w)
	case o.Label != "":
		if len(o.Label) > 15 {
			s.fail(w, "", "label '%s' is longer than 15 characters", o.Label)
			return false
		}
		if !v4 {
			s.warn(w, "", "an IPv6 address has no label; '%s' is ignored", o.Label)
			return true
		}
		a.Label = o.Label
	case o.Peer != "":
		w.Text = o.Peer
		var ok bool
		a.Peer, ok = s.prefix(w)
		if ok && a.Peer.Addr().Is4() != v4 {
			s.fail(w, "", "peer %s is not of the family of the address", o.Peer)
			return false
		}
		return ok
	case o.Life != "":
		return s.lifetime(a, o.Life, w)
	case o.Flag != "":
		a.flag(o.Flag)
	case o.Group != "":
		a.TrackGroup, w.Text = o.Group, o.Group
		s.refers("track_group", w)
	}
	return true
}

func (s *stmt) scope(a *Address, name string, w syntax.Word) bool {
	n, known := addressScopes[name]
	if v, err := strconv.ParseUint(name, 10, 8); err == nil {
		n, known = uint8(v), true
	}
	if !known {
		s.fail(w, "global, site, link, host or a number of 0-255", "unknown scope '%s'", name)
		return true
	}
	if a.Prefix.Addr().Is6() {
		s.warn(w, "", "the kernel decides the scope of IPv6 addresses; 'scope %s' is ignored", name)
		return true
	}
	a.Scope = n
	return true
}

// broadcast takes brd ADDR, brd + (all ones) and brd - (all zeros).
func (s *stmt) broadcast(a *Address, text string, w syntax.Word) bool {
	if a.Prefix.Addr().Is6() {
		s.fail(w, "delete 'brd'", "an IPv6 address has no broadcast address")
		return false
	}
	if text != "+" && text != "-" {
		w.Text = text
		var ok bool
		a.Broadcast, ok = s.addr(w)
		return ok
	}
	if a.Prefix.Bits() > 30 {
		s.fail(w, "", "'brd %s' needs a prefix of at most 30 bits", text)
		return true
	}
	b := a.Prefix.Masked().Addr().As4()
	if text == "+" {
		for i := a.Prefix.Bits(); i < 32; i++ {
			b[i/8] |= 0x80 >> (i % 8)
		}
	}
	a.Broadcast = netip.AddrFrom4(b)
	return true
}

func (s *stmt) lifetime(a *Address, text string, w syntax.Word) bool {
	if text == "forever" {
		return true
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		s.fail(w, "a number of seconds, or forever", "preferred_lft: '%s' is not a number", text)
		return true
	}
	a.PreferredLifetime = time.Duration(n) * time.Second
	return true
}

func (a *Address) flag(flag string) {
	switch flag {
	case "no_track":
		a.NoTrack = true
	case "home":
		a.HomeAddress = true
	case "-nodad":
		a.DAD = true
	case "mngtmpaddr":
		a.ManageTempAddr = true
	case "noprefixroute":
		a.NoPrefixRoute = true
	case "autojoin":
		a.AutoJoin = true
	case "use_vmac":
		a.UseVMAC = true
	}
}

// prefix reads an address with or without the length of its prefix.
func (s *stmt) prefix(w syntax.Word) (netip.Prefix, bool) {
	if i := strings.IndexByte(w.Text, ','); i >= 0 {
		s.fail(w, "", "one address per line; ',' is not a separator")
		w.Text = w.Text[:i]
		if !isAddress(w.Text) {
			return netip.Prefix{}, false
		}
	}
	host, bits, given := strings.Cut(strings.TrimSuffix(w.Text, ";"), "/")
	if strings.HasSuffix(w.Text, ";") {
		s.fail(w, "", "';' is not part of the syntax: '%s'", w.Text[:len(w.Text)-1])
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		why, hint := notAddr(host)
		s.fail(w, hint, "%s", why)
		return netip.Prefix{}, false
	}
	a = a.Unmap()
	if !given {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	return s.bits(w, a, bits)
}

// bits reads the length of a prefix. keepalived uses the full length in the
// place of a wrong one.
func (s *stmt) bits(w syntax.Word, a netip.Addr, text string) (netip.Prefix, bool) {
	n, err := strconv.Atoi(text)
	if err == nil && n >= 0 && n <= a.BitLen() {
		return netip.PrefixFrom(a, n), true
	}
	if mask, e := netip.ParseAddr(text); e == nil && mask.Is4() {
		hint := ""
		if ones := maskBits(mask); ones >= 0 {
			hint = "write '" + a.String() + "/" + strconv.Itoa(ones) + "'"
			n = ones
		}
		s.fail(w, hint, "'/%s': give a prefix length", text)
		return netip.PrefixFrom(a, min(max(n, 1), a.BitLen())), true
	}
	if err != nil {
		s.fail(w, "", "prefix length '%s' is not a number", clip(text))
	} else {
		s.fail(w, "/"+strconv.Itoa(a.BitLen())+" is used", "prefix length %s is out of range 0-%d for %s", text, a.BitLen(), family(a.Is6()))
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// maskBits is the prefix length of a netmask, or -1.
func maskBits(mask netip.Addr) int {
	b := mask.As4()
	n := 0
	for n < 32 && b[n/8]&(0x80>>(n%8)) != 0 {
		n++
	}
	for i := n; i < 32; i++ {
		if b[i/8]&(0x80>>(i%8)) != 0 {
			return -1
		}
	}
	return n
}

// virtual reads a line of virtual_ipaddress with the checks for one.
func virtual(s *stmt, obj *Instance, into *[]Address) {
	a, ok := addressLine(s)
	if !ok {
		return
	}
	w := s.n.Words[0]
	addr, p := a.Prefix.Addr(), a.Prefix
	switch {
	case addr.IsUnspecified():
		s.fail(w, "", "%s is no host address", addr)
		return
	case addr.IsLoopback():
		s.warn(w, "", "%s is a loopback address", addr)
	case addr.IsMulticast() && !a.AutoJoin:
		s.fail(w, "", "%s is a multicast address", addr)
		return
	case addr.Is4() && p.Bits() < 31 && p.Masked().Addr() == addr:
		s.warn(w, "", "%s is the network address of /%d", addr, p.Bits())
	case !strings.Contains(w.Text, "/") && !a.Peer.IsValid():
		s.note(w, "write the prefix of the network", "no prefix length, %s is used", p)
	}
	for _, list := range [][]Address{obj.Addresses, obj.Excluded} {
		if len(list) > maxDuplicateSearch {
			break
		}
		for i := range list {
			if list[i].Prefix == p && list[i].Interface == a.Interface {
				s.warn(w, "", "%s is already listed on line %d", addr, list[i].Pos.Line)
				return
			}
		}
	}
	if *into == nil {
		*into = make([]Address, 0, len(s.block().Body))
	}
	*into = append(*into, a)
}

// maxDuplicateSearch keeps the search for duplicates cheap while reading; the
// checks at the end find those of longer lists.
const maxDuplicateSearch = 64
