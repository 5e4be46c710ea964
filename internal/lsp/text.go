package lsp

import (
	"sort"
	"strings"
	"unicode/utf8"

	"keepgo/confparse/syntax"
)

// encoding is the unit in which a client counts the columns of a line.
type encoding string

// LSP 3.17 "PositionEncodingKind". UTF-16 is what every client has.
const (
	utf8Encoding  encoding = "utf-8"
	utf16Encoding encoding = "utf-16"
)

// text is a document with the beginnings of its lines.
type text struct {
	s string
	// lines are the beginnings of the lines as the protocol ends them: at
	// \n, \r\n or \r. rows are those of a configuration, which ends them at
	// \n alone.
	lines, rows []int
}

func newText(s string) *text {
	t := &text{s: s, lines: []int{0}, rows: []int{0}}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\n':
			t.rows = append(t.rows, i+1)
			t.lines = append(t.lines, i+1)
		case s[i] == '\r' && !strings.HasPrefix(s[i+1:], "\n"):
			t.lines = append(t.lines, i+1)
		}
	}
	return t
}

// line is the index of the line that holds a byte.
func (t *text) line(offset int) int {
	return sort.SearchInts(t.lines, offset+1) - 1
}

// end is where the letters of a line end.
func (t *text) end(line int) int {
	if line+1 < len(t.lines) {
		return t.lines[line] + len(strings.TrimRight(t.s[t.lines[line]:t.lines[line+1]], "\r\n"))
	}
	return len(t.s)
}

// units is how many columns a letter takes.
func (e encoding) units(r rune, size int) int {
	switch {
	case e == utf8Encoding:
		return size
	case r > 0xffff:
		return 2
	}
	return 1
}

// offset is the byte a position stands at. What lies outside of the text
// becomes the nearest place in it.
func (t *text) offset(p position, e encoding) int {
	if p.Line < 0 {
		return 0
	}
	if p.Line >= len(t.lines) {
		return len(t.s)
	}
	i, end := t.lines[p.Line], t.end(p.Line)
	for col := 0; i < end; {
		r, size := utf8.DecodeRuneInString(t.s[i:end])
		col += e.units(r, size)
		if col > p.Character {
			break
		}
		i += size
	}
	return i
}

// position is where a byte stands. A byte within a letter counts as the
// letter's first.
func (t *text) position(offset int, e encoding) position {
	offset = max(0, min(offset, len(t.s)))
	p := position{Line: t.line(offset)}
	for i := t.lines[p.Line]; i < offset; {
		r, size := utf8.DecodeRuneInString(t.s[i:])
		if i+size > offset {
			break
		}
		p.Character += e.units(r, size)
		i += size
	}
	return p
}

func (t *text) span(start, end int, e encoding) span {
	return span{t.position(start, e), t.position(end, e)}
}

const byteOrderMark = "\xef\xbb\xbf"

// place is the byte that a finding's position means.
func (t *text) place(at syntax.Pos) int {
	if at.Line < 1 {
		return 0
	}
	if at.Line > len(t.rows) {
		return len(t.s)
	}
	i := t.rows[at.Line-1] + max(at.Col-1, 0)
	if at.Line == 1 && strings.HasPrefix(t.s, byteOrderMark) {
		i += len(byteOrderMark)
	}
	return min(i, len(t.s))
}

// underline is the range of a finding: at least one letter, and never beyond
// its line.
func (t *text) underline(at syntax.Pos, length int) (start, end int) {
	start = t.place(at)
	end = t.end(t.line(start))
	if length > 0 {
		end = min(end, start+length)
	} else if _, size := utf8.DecodeRuneInString(t.s[start:]); size > 0 {
		end = min(end, start+size)
	}
	for end < len(t.s) && !utf8.RuneStart(t.s[end]) {
		end++
	}
	return start, max(start, end)
}

// change replaces a range of the text.
func (t *text) change(start, end int, with string) *text {
	if end < start {
		start, end = end, start
	}
	return newText(t.s[:start] + with + t.s[end:])
}
