package vip

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// LineError is what is wrong with a line of words.
type LineError struct {
	At   int    // index of the word; the number of words where one is missing
	Word string // "" where one is missing
	Why  string
	Near string // what was most likely meant, if anything
}

// Error is the sentence for the operator.
func (e *LineError) Error() string {
	if e.Near != "" {
		return e.Why + " (did you mean '" + e.Near + "'?)"
	}
	return e.Why
}

// line is a cursor over the words of one line.
type line struct {
	words []string
	at    int
	names Names
}

// fail is an error about the word read last.
func (l *line) fail(near, format string, args ...any) error {
	e := &LineError{At: max(l.at-1, 0), Near: near, Why: fmt.Sprintf(format, args...)}
	if e.At < len(l.words) {
		e.Word = l.words[e.At]
	}
	return e
}

// missing is an error about the end of the line.
func (l *line) missing(format string, args ...any) error {
	return &LineError{At: len(l.words), Why: fmt.Sprintf(format, args...)}
}

func (l *line) more() bool { return l.at < len(l.words) }

// take reads the next word if it is one of those.
func (l *line) take(words ...string) bool {
	if l.more() && slices.Contains(words, l.words[l.at]) {
		l.at++
		return true
	}
	return false
}

// next reads the word that the last one needs behind it.
func (l *line) next() (string, error) {
	if !l.more() {
		return "", l.missing("'%s' needs something behind it", l.words[l.at-1])
	}
	l.at++
	return l.words[l.at-1], nil
}

// number reads a number of C notation between 0 and most.
func (l *line) number(most uint64) (uint64, error) {
	name := l.words[l.at-1]
	w, err := l.next()
	if err != nil {
		return 0, err
	}
	v, ok := parseNumber(w)
	if !ok || v > most {
		return 0, l.fail("", "'%s %s': a number between 0 and %d is wanted", name, w, most)
	}
	return v, nil
}

// parseNumber reads C notation: decimal, 0x hexadecimal, 0 octal.
func parseNumber(w string) (uint64, bool) {
	if strings.Contains(w, "_") || len(w) > 1 && strings.ContainsAny(w[:2], "bBoO") { // of Go alone
		return 0, false
	}
	v, err := strconv.ParseUint(w, 0, 64)
	return v, err == nil
}

// count reads a number into to.
func count[T uint8 | uint16 | uint32 | uint64](l *line, to *T, most uint64) error {
	v, err := l.number(min(most, uint64(^T(0))))
	*to = T(v)
	return err
}

// name reads a name of the host's table, or its number.
func name[T uint8 | uint32](l *line, to *T, what string, table map[string]uint32) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	v, err := l.lookUp(w, what, table, uint64(^T(0)))
	*to = T(v)
	return err
}

func (l *line) lookUp(w, what string, table map[string]uint32, most uint64) (uint32, error) {
	if v, ok := table[w]; ok && uint64(v) <= most {
		return v, nil
	}
	if v, ok := parseNumber(w); ok && v <= most {
		return uint32(v), nil
	}
	return 0, l.fail(nearest(w, table), "'%s' is no %s: neither a name of this host nor a number up to %d", w, what, most)
}

// address reads an address, and the word inet or inet6 before it.
func (l *line) address(to *netip.Addr) error {
	name := l.words[l.at-1]
	family := l.family()
	w, err := l.next()
	if err != nil {
		return err
	}
	a, err := netip.ParseAddr(w)
	if err != nil || a.Zone() != "" || family != 0 && a.Is6() != (family == 6) {
		return l.fail("", "'%s %s': an IPv%s address is wanted", name, w, [...]string{0: "4 or IPv6", 4: "4", 6: "6"}[family])
	}
	*to = a.Unmap()
	return nil
}

// family reads inet or inet6: 4 or 6, or 0 for neither.
func (l *line) family() int {
	switch {
	case l.take("inet"):
		return 4
	case l.take("inet6"):
		return 6
	}
	return 0
}

// realms reads [SOURCE/]DESTINATION.
func (l *line) realms(to *uint32) error {
	w, err := l.next()
	if err != nil {
		return err
	}
	src, dst, both := strings.Cut(w, "/")
	if !both {
		src, dst = "0", w
	}
	s, err := l.lookUp(src, "realm", l.names.Realms, 0xffff)
	if err != nil {
		return err
	}
	d, err := l.lookUp(dst, "realm", l.names.Realms, 0xffff)
	*to = s<<16 | d
	return err
}

// prefixOf reads a prefix as ip(8) does: the length may be left out or be a
// mask, and IPv4 parts at the end may be missing. default, any and all are
// the zero Prefix.
func (l *line) prefixOf(w string) (netip.Prefix, error) {
	if isAll(w) {
		return netip.Prefix{}, nil
	}
	text, length, has := strings.Cut(w, "/")
	a, err := netip.ParseAddr(text)
	if err != nil && has && strings.Trim(text, "0123456789.") == "" {
		a, err = netip.ParseAddr(text + strings.Repeat(".0", max(3-strings.Count(text, "."), 0)))
	}
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, l.fail("", "'%s' is no prefix like 192.0.2.0/24 or 2001:db8::/32", w)
	}
	bits := a.BitLen()
	if has {
		if bits = prefixLength(length, a); bits < 0 {
			return netip.Prefix{}, l.fail("", "'%s': a prefix length between 0 and %d is wanted", w, a.BitLen())
		}
	}
	return netip.PrefixFrom(a, bits), nil
}

func isAll(w string) bool { return w == "default" || w == "any" || w == "all" }

// prefixLength reads a length or an IPv4 mask; -1 is neither.
func prefixLength(w string, a netip.Addr) int {
	if n, err := strconv.Atoi(w); err == nil && n >= 0 && n <= a.BitLen() {
		return n
	}
	mask, err := netip.ParseAddr(w)
	if err != nil || !mask.Is4() || !a.Is4() {
		return -1
	}
	for n := range 33 {
		if netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), n).Masked().Addr() == mask {
			return n
		}
	}
	return -1
}

// run reads the line by a table of words; other is asked about the rest.
func run[T any](l *line, to *T, words map[string]func(*line, *T) error, other func(*line, *T, string) (bool, error)) error {
	for l.more() {
		w := l.words[l.at]
		l.at++
		if read, ok := words[w]; ok {
			if err := read(l, to); err != nil {
				return err
			}
			continue
		}
		if known, err := other(l, to, w); err != nil || !known {
			return cmp.Or(err, l.fail(nearest(w, words), "unknown word '%s'", w))
		}
	}
	return nil
}

// nearest is the name most like w, if one is alike.
func nearest[V any](w string, table map[string]V) string {
	best, least := "", max(len(w)/3, 1)+1
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if d := distance(w, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of letters to change, add, drop or swap with the next
// one to turn a into b. Long words are like nothing.
func distance(a, b string) int {
	if max(len(a), len(b)) > 32 {
		return 64
	}
	var before, above, row [33]int
	for j := range len(b) + 1 {
		above[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := above[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}

// nameOf is the first name of a number in a table.
func nameOf(table map[string]uint32, v uint32) string {
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if table[name] == v {
			return name
		}
	}
	return strconv.FormatUint(uint64(v), 10)
}
