package pcre

import (
	"fmt"
	"strings"
)

// sameEscapes mean the same in PCRE2 and in the backtracking engine.
const sameEscapes = "aefnrtcxdDwWsSbBAzpPkQE0123456789"

// otherEscapes are written in another way there, outside of classes.
var otherEscapes = map[byte]string{
	'h': `[ \t\xa0]`, 'H': `[^ \t\xa0]`, 'v': `[\n-\r\x85]`, 'V': `[^\n-\r\x85]`,
	'N': `[^\n]`, 'Z': `(?=\n?\z)`, 'R': `(?>\r\n|[\n-\r\x85])`, 'C': `(?s:.)`,
}

// inClass are those that a class of characters may hold.
var inClass = map[byte]string{'h': ` \t\xa0`, 'v': `\n-\r\x85`}

// refusedGroups begin what the engine does not have, or has another meaning
// for.
var refusedGroups = []struct{ begin, what string }{
	{"(?|", "branch reset groups"}, {"(?R", "recursion"}, {"(?0", "recursion"}, {"(?1", "recursion"}, {"(?2", "recursion"}, {"(?&", "recursion"},
	{"(?P>", "recursion"}, {"(?+", "recursion"}, {"(?C", "callouts"}, {"(*", "verbs"}, {"(?(DEFINE", "definitions"},
}

// translation is a pattern of PCRE2 on its way to the backtracking engine.
type translation struct {
	in     string
	out    strings.Builder
	class  bool   // within [...]
	quoted bool   // within \Q...\E
	dollar string // what a $ becomes
}

// translate writes a pattern of PCRE2 for the backtracking engine. What it
// cannot say is an error.
func translate(text string, endOnly, multiline bool) (string, error) {
	t := &translation{in: text, dollar: `(?=\n?\z)`}
	if endOnly {
		t.dollar = `\z`
	}
	if multiline {
		t.dollar = "$"
	}
	for t.in != "" {
		n, err := t.next()
		if err != nil {
			return "", err
		}
		t.in = t.in[n:]
	}
	return t.out.String(), nil
}

// next writes what the rest begins with, and returns its length.
func (t *translation) next() (int, error) {
	c := t.in[0]
	switch {
	case t.quoted:
		if strings.HasPrefix(t.in, `\E`) {
			t.quoted = false
			return t.keep(2)
		}
	case c == '\\' && len(t.in) > 1:
		return t.escape(t.in[1])
	case t.class:
		return t.member(c)
	case c == '[':
		t.class = true
		return t.keep(opening(t.in))
	case c == '$':
		t.out.WriteString(t.dollar)
		return 1, nil
	case c == '(':
		for _, g := range refusedGroups {
			if strings.HasPrefix(t.in, g.begin) {
				return 0, fmt.Errorf("%s (%s...) not supported", g.what, g.begin)
			}
		}
	}
	return t.keep(1)
}

// keep writes n bytes as they are.
func (t *translation) keep(n int) (int, error) {
	t.out.WriteString(t.in[:n])
	return n, nil
}

// opening is the length of what begins a class: a ] there does not end it.
func opening(s string) int {
	n := 1
	if strings.HasPrefix(s[n:], "^") {
		n++
	}
	if strings.HasPrefix(s[n:], "]") {
		n++
	}
	return n
}

// member writes one member of a class, or its end.
func (t *translation) member(c byte) (int, error) {
	if strings.HasPrefix(t.in, "[:") {
		if n := strings.Index(t.in, ":]"); n > 0 {
			return t.keep(n + 2)
		}
	}
	t.class = c != ']'
	return t.keep(1)
}

// escape writes a backslash and what it makes of c.
func (t *translation) escape(c byte) (int, error) {
	named := otherEscapes
	if t.class {
		named = inClass
	}
	switch {
	case c == 'Q':
		t.quoted = true
	case c == 'k' && strings.HasPrefix(t.in, `\k{`):
		name, rest, closed := strings.Cut(t.in[3:], "}")
		if closed {
			t.out.WriteString(`\k<` + name + `>`)
			return len(t.in) - len(rest), nil
		}
	case named[c] != "":
		t.out.WriteString(named[c])
		return 2, nil
	case strings.IndexByte(sameEscapes, c) < 0 && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'):
		return 0, fmt.Errorf(`escape \%c is not supported`, c)
	}
	return t.keep(2)
}

// inlineMultiline says that a pattern itself switches to multiline.
func inlineMultiline(text string) bool {
	for _, part := range strings.Split(text, "(?")[1:] {
		flags := strings.TrimLeft(part, "imsxnU")
		if on := part[:len(part)-len(flags)]; strings.Contains(on, "m") && flags != "" && strings.IndexByte("-:)", flags[0]) >= 0 {
			return true
		}
	}
	return false
}
