package confparse

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"keepgo/confparse/syntax"
)

// kind is a type of value: how it is read and how the manual speaks of it.
type kind[V any] struct {
	args, rng, def string
	read           func(s *stmt) (V, bool)
}

// or gives the default as the manual prints it.
func (k kind[V]) or(def any) kind[V] {
	k.def = fmt.Sprint(def)
	return k
}

type integer interface {
	~int | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// number is a whole decimal number of the inclusive range.
func number[V integer](lo, hi int64) kind[V] {
	rng := fmt.Sprintf("%d-%d", lo, hi)
	if lo < 0 {
		rng = fmt.Sprintf("%d to %d", lo, hi)
	}
	return kind[V]{args: "<N>", rng: rng, read: func(s *stmt) (V, bool) {
		w, ok := s.value(rng)
		if !ok {
			return 0, false
		}
		n, ok := s.whole(w, lo, hi, rng)
		return V(n), ok
	}}
}

// whole reads a word as a whole number of a range.
func (s *stmt) whole(w syntax.Word, lo, hi int64, rng string) (int64, bool) {
	text := s.unpunctuated(w)
	n, err := strconv.ParseInt(text, 10, 64)
	tooBig := errors.Is(err, strconv.ErrRange)
	switch {
	case err != nil && !tooBig:
		s.fail(w, notNumberHint(text), "%s: '%s' is not a %s", s.name(), w.Text, numberKind(text))
		return 0, false
	case n == 0 && lo == 1 && s.name() == "priority":
		s.fail(w, "use "+rng, "%s 0 is reserved", s.name())
		return 0, false
	case tooBig || n < lo || n > hi:
		s.fail(w, s.fallback(), "%s %s is out of range %s", s.name(), w.Text, rng)
		return 0, false
	}
	if len(text) > 1 && text[0] == '0' {
		s.note(w, "", "leading zero in '%s'; %d is meant?", w.Text, n)
	}
	return n, true
}

// unpunctuated takes off what other languages put behind a value.
func (s *stmt) unpunctuated(w syntax.Word) string {
	text := strings.TrimSuffix(w.Text, ";")
	if text != w.Text && text != "" {
		s.fail(w, "write '"+s.name()+" "+text+"'", "';' is not part of the syntax: '%s %s'", s.name(), text)
		return text
	}
	return w.Text
}

// numberKind is what a word should have been.
func numberKind(text string) string {
	if len(text) > 2 && (text[:2] == "0x" || text[:2] == "0X") {
		return "decimal number"
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil && strings.Contains(text, ".") {
		return "whole number"
	}
	return "number"
}

func notNumberHint(text string) string {
	if n := len(strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")); n > 0 && n < len(text) {
		if _, err := strconv.ParseFloat(text[:n], 64); err == nil {
			return "leave the unit away"
		}
	}
	return ""
}

// fallback tells what is used in the place of a wrong value.
func (s *stmt) fallback() string {
	if s.key == nil || s.key.Default == "" {
		return ""
	}
	return s.key.Default + " is used"
}

// seconds is a time in decimal seconds, kept in whole microseconds.
func seconds(lo, hi float64) kind[time.Duration] {
	rng := trimFloat(lo) + "-" + trimFloat(hi) + " s"
	if hi >= math.MaxUint32 {
		rng = "at least " + trimFloat(lo) + " s"
	}
	return kind[time.Duration]{args: "<SECS>", rng: rng, read: func(s *stmt) (time.Duration, bool) {
		w, ok := s.value(rng)
		if !ok {
			return 0, false
		}
		return s.seconds(w, lo, hi, rng)
	}}
}

func trimFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// seconds reads a word as decimal seconds of a range.
func (s *stmt) seconds(w syntax.Word, lo, hi float64, rng string) (time.Duration, bool) {
	text := s.unpunctuated(w)
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsFunc(text, notDecimal) {
		s.fail(w, notNumberHint(text), "%s: '%s' is not a number of seconds", s.name(), w.Text)
		return 0, false
	}
	if f < lo || f > hi {
		s.fail(w, s.fallback(), "%s %s is out of range: %s", s.name(), w.Text, rng)
		return 0, false
	}
	return time.Duration(math.Round(f*1e6)) * time.Microsecond, true
}

// notDecimal finds what strconv takes for a part of a number and keepalived does not.
func notDecimal(c rune) bool { return (c < '0' || c > '9') && c != '.' && c != '-' }

// forever is the longest time a keyword takes: what fits into 63 bits of
// nanoseconds.
const forever = float64(math.MaxInt64/int64(time.Second)) - 1

// boolean is on, true, yes or off, false, no; without a value it is on.
func boolean() kind[bool] {
	return kind[bool]{args: "[<BOOL>]", rng: "true on yes, false off no", def: "off", read: func(s *stmt) (bool, bool) {
		w, ok := s.next()
		if !ok {
			return true, true
		}
		switch w.Text {
		case "true", "on", "yes":
			return true, true
		case "false", "off", "no":
			return false, true
		}
		hint := "true, on, yes, false, off or no"
		if near := nearest(strings.ToLower(w.Text), []string{"true", "on", "yes", "false", "off", "no"}); near != "" {
			hint = "did you mean '" + near + "'?"
		}
		s.fail(w, hint, "%s: '%s' is neither on nor off", s.name(), w.Text)
		return false, false
	}}
}

// flag is on when its keyword stands there.
func flag() kind[bool] {
	return kind[bool]{def: "off", read: func(*stmt) (bool, bool) { return true, true }}
}

// unset is the flag that takes another back.
func unset() kind[bool] {
	return kind[bool]{read: func(*stmt) (bool, bool) { return false, true }}
}

// text is one word.
func text(what string) kind[string] {
	return kind[string]{args: "<" + strings.ToUpper(what) + ">", read: func(s *stmt) (string, bool) {
		w, ok := s.value("a " + what)
		return w.Text, ok
	}}
}

// path is a file name.
func filePath() kind[string] { return text("path") }

// link is the name of a network interface; IFNAMSIZ in linux/if.h leaves 15
// letters.
func link() kind[string] {
	return kind[string]{args: "<IF>", rng: "up to 15 characters", read: func(s *stmt) (string, bool) {
		w, ok := s.value("an interface name")
		if !ok {
			return "", false
		}
		return w.Text, s.link(w)
	}}
}

// link checks the name of an interface.
func (s *stmt) link(w syntax.Word) bool {
	if len(w.Text) > 15 {
		s.fail(w, "", "interface name '%s' is longer than 15 characters", w.Text)
		return false
	}
	if i := strings.IndexByte(w.Text, ':'); i > 0 {
		s.fail(w, "use '"+w.Text[:i]+"'", "'%s' is an address label, not an interface", w.Text)
		return false
	}
	if w.Text == "" || strings.ContainsAny(w.Text, "/ ") {
		s.fail(w, "", "'%s' is not the name of an interface", w.Text)
		return false
	}
	s.mention(MentionLink, w.Text, w.Pos)
	return true
}

// choice is one of a few words.
func choice[V any](what string, words []string, values []V) kind[V] {
	rng := strings.Join(words, " ")
	return kind[V]{args: strings.Join(words, "|"), rng: rng, read: func(s *stmt) (v V, ok bool) {
		w, ok := s.value(rng)
		if !ok {
			return v, false
		}
		for i := range words {
			if words[i] == w.Text {
				return values[i], true
			}
		}
		hint := "one of " + rng
		if near := nearestCase(w.Text, words); near != "" {
			hint = "did you mean " + near + "? (" + rng + ")"
		}
		s.fail(w, hint, "unknown %s '%s'", what, w.Text)
		return v, false
	}}
}

// word list choices whose value is the word itself.
func oneOf(what string, words ...string) kind[string] { return choice(what, words, words) }

// ip is an address; family 4 or 6 restricts it, 0 takes both.
func ip(family int) kind[netip.Addr] {
	args := "<IP>"
	if family != 0 {
		args = fmt.Sprintf("<IPv%d>", family)
	}
	return kind[netip.Addr]{args: args, read: func(s *stmt) (netip.Addr, bool) {
		w, ok := s.value("an IP address")
		if !ok {
			return netip.Addr{}, false
		}
		a, ok := s.addr(w)
		if ok && family != 0 && a.Is4() != (family == 4) {
			s.fail(w, "", "%s: '%s' is no IPv%d address", s.name(), w.Text, family)
			return a, false
		}
		return a, ok
	}}
}

// addr reads an IP address without a prefix.
func (s *stmt) addr(w syntax.Word) (netip.Addr, bool) {
	text := w.Text
	if host, bits, given := strings.Cut(text, "/"); given && isAddress(text) {
		s.warn(w, "write '"+host+"'", "'/%s' is ignored: one address is meant here", clip(bits))
		text = host
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		why, hint := notAddr(w.Text)
		s.fail(w, hint, "%s", why)
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// multicast is a group address of a family.
func multicast(family int) kind[netip.Addr] {
	k := ip(family)
	read := k.read
	k.rng = "a multicast address"
	k.read = func(s *stmt) (netip.Addr, bool) {
		a, ok := read(s)
		if ok && !a.IsMulticast() {
			s.fail(s.n.Words[s.i-1], "", "%s is no multicast address (%s)", a,
				map[bool]string{true: "224.0.0.0/4", false: "ff00::/8"}[a.Is4()])
			return a, false
		}
		return a, ok
	}
	return k
}

// port is a TCP or UDP port.
func port() kind[uint16] {
	return kind[uint16]{args: "<PORT>", rng: "1-65535", read: func(s *stmt) (uint16, bool) {
		w, ok := s.value("a port, 1-65535")
		if !ok {
			return 0, false
		}
		return s.port(w)
	}}
}

// Ports that configurations give by name; they must be numbers.
var servicePorts = map[string]string{"http": "80", "https": "443", "smtp": "25", "dns": "53",
	"domain": "53", "ssh": "22", "ftp": "21", "mysql": "3306", "ldap": "389", "imap": "143"}

func (s *stmt) port(w syntax.Word) (uint16, bool) {
	n, err := strconv.ParseUint(w.Text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		hint := ""
		if known := servicePorts[w.Text]; known != "" {
			hint = "write " + known
		}
		s.fail(w, hint, "port '%s' must be a number", w.Text)
		return 0, false
	}
	if err != nil || n < 1 || n > 65535 {
		s.fail(w, "", "port %s is out of range 1-65535", w.Text)
		return 0, false
	}
	return uint16(n), true
}
