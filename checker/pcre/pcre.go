// Package pcre searches with regular expressions as PCRE2 understands them, or
// says why it cannot: in linear time where the language of RE2 suffices.
package pcre

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

// Pattern is a regular expression as PCRE2 understands it (pcre2pattern(3)),
// and where in the body a match may begin.
type Pattern struct {
	Text string
	// Options are names of pcre2api(3) in small letters: "caseless", "dotall".
	Options []string
	Min     int // bytes before the earliest beginning of a match
	Max     int // bytes before which a match must begin; 0 means anywhere
}

// maxBacktrack bounds what a search by backtracking reads into memory: four
// bytes for each.
const maxBacktrack = 4 << 20

// Matcher is a Pattern ready to search with. Patterns within the language of RE2
// are searched in linear time while the body arrives; others by backtracking in
// the whole body, with a time limit.
type Matcher struct {
	pattern    Pattern
	linear     *regexp.Regexp
	backtrack  *regexp2.Regexp
	utf, first bool // options utf and firstline
}

// has says that an option is given.
func (p *Pattern) has(option string) bool { return slices.Contains(p.Options, option) }

// Compile makes the pattern ready; limit bounds one search. The error says what
// in the pattern cannot be done.
func (p Pattern) Compile(limit time.Duration) (*Matcher, error) {
	x := &Matcher{pattern: p, utf: p.has("utf"), first: p.has("firstline")}
	if p.Max > 0 && p.Min >= p.Max {
		return nil, fmt.Errorf("regex_min_offset %d leaves nothing below regex_max_offset %d", p.Min, p.Max)
	}
	if err := p.unsupported(); err != nil {
		return nil, err
	}
	text := p.Text
	if !x.utf {
		text = latin1(text)
	}
	if x.linear = p.compileLinear(text); x.linear != nil {
		return x, nil
	}
	text, err := translate(text, p.has("dollar_endonly"), p.has("multiline") || inlineMultiline(text))
	if err != nil {
		return nil, err
	}
	if x.backtrack, err = regexp2.Compile(text, p.flags()); err != nil {
		return nil, err
	}
	x.backtrack.MatchTimeout = limit
	return x, nil
}

// unsupported names an option of p that neither engine has, where it would
// change what the pattern matches.
func (p *Pattern) unsupported() error {
	matters := map[string]string{"allow_empty_class": `[]`, "alt_bsux": `\u`, "alt_verbnames": `(*`, "match_unset_backref": `\`,
		"ucp": `\`, "never_backslash_c": `\C`}
	for _, o := range p.Options {
		if part := matters[o]; part != "" && strings.Contains(p.Text, part) {
			return fmt.Errorf("option %s is not supported in a pattern with %s", o, part)
		}
	}
	if p.has("ungreedy") && (strings.Contains(p.Text, "(?>") || possessive.MatchString(p.Text)) {
		return errors.New("option ungreedy is not supported with atomic groups and possessive quantifiers")
	}
	return nil
}

var possessive = regexp.MustCompile(`[*+?}]\+`)

// compileLinear is the pattern for RE2, or nil where RE2 would match something
// else than PCRE2 or does not know the syntax.
func (p *Pattern) compileLinear(text string) *regexp.Regexp {
	if p.Min > 0 || p.has("extended") || strings.Contains(text, `\v`) {
		return nil
	}
	flags, inline := syntax.Perl, ""
	for _, o := range linearOptions {
		if p.has(o.name) {
			flags, inline = flags&^o.without|o.with, inline+o.letter
		}
	}
	tree, err := syntax.Parse(text, flags)
	if err != nil {
		return nil
	}
	if n := dollars(tree); n > 0 && !p.has("dollar_endonly") {
		// PCRE2's $ also matches before a newline that ends the text.
		if n > 1 || !strings.HasSuffix(text, "$") {
			return nil
		}
		text = strings.TrimSuffix(text, "$") + `(?:\n?\z)`
	}
	if inline != "" {
		text = "(?" + inline + ")" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil
	}
	return re
}

// linearOptions are the options that RE2 has, and its letters for them.
var linearOptions = []struct {
	name, letter  string
	with, without syntax.Flags
}{
	{"caseless", "i", syntax.FoldCase, 0},
	{"dotall", "s", syntax.DotNL, 0},
	{"multiline", "m", 0, syntax.OneLine},
}

// dollars counts the $ of a pattern that mean the end of the text.
func dollars(t *syntax.Regexp) int {
	n := 0
	if t.Op == syntax.OpEndText && t.Flags&syntax.WasDollar != 0 {
		n = 1
	}
	for _, sub := range t.Sub {
		n += dollars(sub)
	}
	return n
}

// flags are the options for the backtracking engine.
func (p *Pattern) flags() regexp2.RegexOptions {
	f := regexp2.RE2 // classes of ASCII, as PCRE2 has without ucp
	for option, flag := range map[string]regexp2.RegexOptions{"caseless": regexp2.IgnoreCase, "dotall": regexp2.Singleline,
		"multiline": regexp2.Multiline, "extended": regexp2.IgnorePatternWhitespace, "no_auto_capture": regexp2.ExplicitCapture} {
		if p.has(option) {
			f |= flag
		}
	}
	return f
}

// Match searches the body, which it need not read to its end.
func (x *Matcher) Match(body io.Reader) (bool, error) {
	if x.linear != nil {
		return x.matchLinear(body)
	}
	b, err := io.ReadAll(io.LimitReader(body, maxBacktrack+1))
	if err != nil || len(b) > maxBacktrack {
		if err == nil {
			err = fmt.Errorf("body is longer than %d MiB, more than is searched with this pattern", maxBacktrack>>20)
		}
		return false, err
	}
	text, at := x.runes(b)
	if at > len(text) {
		return false, nil
	}
	m, err := x.backtrack.FindRunesMatchStartingAt(text, at)
	if err != nil {
		return false, fmt.Errorf("search given up: %w", plainMatch(err))
	}
	return m != nil && x.allowed(bytesBefore(text[:m.RuneIndex], x.utf), strings.IndexByte(string(b), '\n')), nil
}

// plainMatch is an error of the engine without the text that was searched.
func plainMatch(err error) error {
	if errors.Is(err, regexp2.ErrBacktrackingStackLimit) {
		return errors.New("the pattern needs too much memory on this body")
	}
	return errors.New("the pattern needs too much time on this body")
}

// matchLinear searches while it reads.
func (x *Matcher) matchLinear(body io.Reader) (bool, error) {
	r := &runeReader{r: body, utf: x.utf, newline: -1}
	if x.pattern.Max == 0 && !x.first {
		return x.linear.MatchReader(r), nil
	}
	at := x.linear.FindReaderIndex(r)
	return at != nil && x.allowed(at[0], r.newline), nil
}

// allowed says that a match may begin behind so many bytes; newline is where
// the first line ends, -1 where it does not.
func (x *Matcher) allowed(start, newline int) bool {
	return (x.pattern.Max == 0 || start < x.pattern.Max) && (!x.first || newline < 0 || start <= newline)
}

// runes is a body as the engine takes it, and the rune behind Min bytes.
func (x *Matcher) runes(b []byte) (text []rune, at int) {
	if x.utf {
		text = []rune(string(b))
		if x.pattern.Min > len(b) {
			return text, len(text) + 1
		}
		return text, utf8.RuneCount(b[:x.pattern.Min])
	}
	return []rune(latin1(string(b))), x.pattern.Min
}

func bytesBefore(text []rune, utf bool) int {
	if utf {
		return len(string(text))
	}
	return len(text)
}

// latin1 is a text whose characters are the bytes of s: without utf, PCRE2
// takes pattern and subject byte by byte.
func latin1(s string) string {
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

// runeReader gives a stream to the regexp package: bytes, or with utf
// characters, where what is no UTF-8 comes as U+FFFD.
type runeReader struct {
	r          io.Reader
	utf        bool
	buf        [4096]byte
	start, end int
	passed     int // bytes given out
	newline    int // where the first newline was, -1 none so far
	err        error
}

// ReadRune implements io.RuneReader. Sizes are in bytes of the stream, so that
// positions of matches are.
func (r *runeReader) ReadRune() (rune, int, error) {
	for r.err == nil && (r.start == r.end || r.utf && !utf8.FullRune(r.buf[r.start:r.end])) {
		r.end = copy(r.buf[:], r.buf[r.start:r.end])
		r.start = 0
		var n int
		n, r.err = r.r.Read(r.buf[r.end:])
		r.end += n
	}
	if r.start == r.end {
		return 0, 0, r.err
	}
	c, size := rune(r.buf[r.start]), 1
	if r.utf {
		c, size = utf8.DecodeRune(r.buf[r.start:r.end])
	}
	if c == '\n' && r.newline < 0 {
		r.newline = r.passed
	}
	r.start += size
	r.passed += size
	return c, size, nil
}
