package lsp

import (
	"strings"

	"keepgo/confparse"
	"keepgo/confparse/format"
)

// newOutline reads a document. If braces are missing, it is read again, and
// blocks end before a keyword that only a block around them knows.
func newOutline(t *text, context *confparse.Keyword) *outline {
	s := scanOutline(t, context, 0)
	if s.missing > 0 {
		s = scanOutline(t, context, s.missing)
	}
	return s.out
}

func scanOutline(t *text, context *confparse.Keyword, budget int) *scanner {
	root := &statement{braces: true, close: len(t.s)}
	s := &scanner{out: &outline{text: t, root: root, context: context}, src: t.s, top: root, budget: budget}
	for i, start := range t.rows {
		end := len(t.s)
		if i+1 < len(t.rows) {
			end = t.rows[i+1] - 1
		}
		if i == 0 && strings.HasPrefix(t.s, byteOrderMark) {
			start += len(byteOrderMark)
		}
		s.line(start, start+len(strings.TrimRight(t.s[start:end], "\r")))
	}
	s.endDefinition()
	for ; s.top != root; s.top = s.top.parent {
		s.top.close = len(t.s)
		s.missing++
	}
	return s
}

// scanner is the state of one reading.
type scanner struct {
	out     *outline
	src     string
	top     *statement // the innermost open block
	last    *statement // the statement that a brace would belong to
	words   []word     // of the statement being read
	deep    int        // open blocks beyond maxDepth
	missing int
	budget  int // blocks that may be closed early
	// outside and held are top and last as they were before the definition
	// being read; nil if none is.
	outside, held *statement
}

func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isName(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// nameEnd is the index behind the name that begins at i.
func nameEnd(s string, i int) int {
	if i < len(s) && s[i] >= '0' && s[i] <= '9' {
		return i
	}
	for i < len(s) && isName(s[i]) {
		i++
	}
	return i
}

func skipBlanks(s string, i int) int {
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	return i
}

// line reads src[i:end].
func (s *scanner) line(i, end int) {
	i += skipBlanks(s.src[i:end], 0)
	full := end
	end = i + format.Comment(s.src[i:end])
	if s.outside != nil {
		if i < end || i == full { // a line that is all comment is left out
			s.extend(i, end)
		}
		return
	}
	if i < end && s.src[i] == '@' {
		i = s.condition(i, end)
	}
	if i = s.loop(i, end); i == end || s.define(i, end) || s.include(i, end) {
		return
	}
	s.statements(i, end)
}

// condition passes over "@id".
func (s *scanner) condition(i, end int) int {
	for i < end && !isBlank(s.src[i]) {
		i++
	}
	return i + skipBlanks(s.src[i:end], 0)
}

// loop passes over "~SEQ(...)" and keeps the names it defines.
func (s *scanner) loop(i, end int) int {
	if i == end || s.src[i] != '~' {
		return i
	}
	open := strings.IndexByte(s.src[i:end], '(')
	shut := strings.IndexByte(s.src[i:end], ')')
	if open < 0 || shut < open {
		return end
	}
	open, shut = i+open+1, i+shut
	names := open + strings.IndexAny(s.src[open:shut]+",", ",}")
	if s.src[open:shut] != "" && s.src[open] == '{' {
		names = open + strings.IndexAny(s.src[open:shut]+"}", "}")
	}
	for k := open; k < names; {
		n := nameEnd(s.src[:names], k)
		if n > k {
			s.out.vars = append(s.out.vars, variable{name: s.src[k:n], start: k, end: n, raw: s.src[i : shut+1], loop: true})
		}
		k = max(n, k+1)
	}
	i = shut + 1
	return i + skipBlanks(s.src[i:end], 0)
}

// define takes "$NAME=value"; a backslash at the end goes on with the next
// line.
func (s *scanner) define(i, end int) bool {
	if s.src[i] != '$' {
		return false
	}
	n := nameEnd(s.src[:end], i+1)
	if n == i+1 || n == end || s.src[n] != '=' {
		return false
	}
	s.out.vars = append(s.out.vars, variable{name: s.src[i+1 : n], start: i, end: n})
	s.outside, s.held, s.last = s.top, s.last, nil
	s.top = &statement{braces: true, definition: true, parent: s.top, depth: s.top.depth}
	s.extend(n+1, end)
	return true
}

// include takes an include line: what stands behind the keyword is one word,
// braces and all.
func (s *scanner) include(i, end int) bool {
	n := i
	for n < end && !isBlank(s.src[n]) {
		n++
	}
	if !isInclude(s.src[i:n]) {
		return false
	}
	s.words = append(s.words, word{s.src[i:n], i, n})
	if pattern := strings.TrimSpace(s.src[n:end]); pattern != "" {
		n += skipBlanks(s.src[n:end], 0)
		s.words = append(s.words, word{pattern, n, n + len(pattern)})
	}
	s.flush()
	s.last = nil
	return true
}

// extend reads a line of a definition.
func (s *scanner) extend(i, end int) {
	raw := strings.TrimSpace(s.src[i:end])
	line, more := strings.CutSuffix(raw, `\`)
	d := &s.out.vars[len(s.out.vars)-1]
	d.raw = s.src[d.end+1 : end]
	if i = i + skipBlanks(s.src[i:end], 0); more {
		s.statements(i, i+len(line))
		return
	}
	s.statements(i, end)
	s.endDefinition()
}

func (s *scanner) endDefinition() {
	if s.outside == nil {
		return
	}
	s.top, s.last, s.outside, s.held = s.outside, s.held, nil, nil
}

// statements reads words and braces of src[i:end].
func (s *scanner) statements(i, end int) {
	shut := i + strings.LastIndexByte(s.src[i:end], '}')
	for i < end {
		c := s.src[i]
		switch {
		case isBlank(c):
			i++
		case c == '{':
			s.flush()
			i++
			s.push(i)
		case c == '}':
			s.flush()
			s.pop(i)
			i++
		case c == '#' || c == '!':
			i = end
		default:
			n := wordEnd(s.src[:end], i, shut)
			s.words = append(s.words, word{text: strings.Trim(s.src[i:n], `"`), start: i, end: n})
			i = n
		}
	}
	s.flush()
}

// wordEnd is the index behind the word that begins at i; shut is that of the
// last closing brace.
func wordEnd(s string, i, shut int) int {
	if s[i] == '"' {
		for i++; i < len(s); i++ {
			if s[i] == '\\' {
				i++
			} else if s[i] == '"' {
				return i + 1
			}
		}
		return len(s)
	}
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '$' && strings.HasPrefix(s[i+1:], "{"):
			if i < shut {
				i += strings.IndexByte(s[i:], '}')
			}
		case isBlank(c) || strings.IndexByte(`{}"#!`, c) >= 0:
			return i
		}
	}
	return len(s)
}

// flush ends the statement being read.
func (s *scanner) flush() {
	if len(s.words) == 0 {
		return
	}
	n := &statement{words: s.words}
	s.words = nil
	s.closeFor(n)
	n.parent = s.top
	s.top.body = append(s.top.body, n)
	s.last = n
}

// closeFor closes the blocks between a statement and the one that knows it.
func (s *scanner) closeFor(n *statement) {
	if s.budget == 0 || s.knows(s.top, n) {
		return
	}
	closing := 1
	for b := s.top; b.parent != nil && !b.definition && closing <= s.budget; b = b.parent {
		if s.knownIn(b.parent, n) {
			s.budget -= closing
			for ; closing > 0; closing-- {
				s.top.close = n.words[0].start
				s.top = s.top.parent
			}
			return
		}
		closing++
	}
}

// knows says that a statement may stand in a block, as far as that is known.
func (s *scanner) knows(b, n *statement) bool {
	inner := s.out.block(b)
	if inner == nil {
		return true
	}
	if !inner.Lines() {
		return inner.Keyword(n.words[0].text) != nil
	}
	for p := b.parent; p != nil; p = p.parent {
		if s.knownIn(p, n) {
			return false
		}
	}
	return true
}

func (s *scanner) knownIn(b, n *statement) bool {
	inner := s.out.block(b)
	return inner != nil && !inner.Lines() && inner.Keyword(n.words[0].text) != nil
}

func (s *scanner) push(open int) {
	if s.top.depth >= maxDepth {
		s.deep++
		return
	}
	n := s.last
	if n == nil || n.braces { // a brace without a keyword
		n = &statement{parent: s.top}
		s.top.body = append(s.top.body, n)
		n.words = []word{{start: open - 1, end: open}}
	}
	n.braces, n.open, n.close, n.depth = true, open, len(s.src), s.top.depth+1
	s.top, s.last = n, nil
}

func (s *scanner) pop(at int) {
	s.last = nil
	if s.deep > 0 {
		s.deep--
		return
	}
	if s.top.parent == nil || s.top.definition {
		return
	}
	s.top.close, s.top.closed = at, true
	s.top = s.top.parent
}
