package format

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"keepgo/confparse/syntax"
)

// Source puts the text of one file in order: indentation, one blank between
// words, braces behind the keyword and alone at the end, at most one empty
// line, no blanks at line ends, LF. Comments, definitions, conditions, loops
// and includes stay as their writer made them, and so does every line in which
// blanks may mean something. Its errors are *syntax.Error and leave no text:
// text that is none, and braces that do not match.
func Source(name string, text []byte) ([]byte, error) {
	if bytes.IndexByte(text, 0) >= 0 || bytes.IndexByte(text, '\n') < 0 && bytes.Count(text, []byte("\r")) > 1 {
		return nil, &syntax.Error{Pos: syntax.Pos{File: name}, Severity: syntax.Failure,
			Err: fmt.Errorf("this is no text of lines"), Hint: "save it as UTF-8 with LF at the end of each line"}
	}
	rest, mark := bytes.CutPrefix(text, []byte("\xef\xbb\xbf"))
	s := source{name: name, nets: map[string]int{}}
	for _, l := range strings.Split(string(rest), "\n") {
		s.number++
		if s.line(strings.TrimRight(l, "\r")); s.err != nil {
			return nil, s.err
		}
	}
	s.settle()
	if s.open != nil {
		return nil, s.fault(*s.open, "this '{' is never closed", "add '}'")
	}
	return s.text(mark), nil
}

// source is a file being put in order.
type source struct {
	name   string
	number int // of the line being read
	out    []outLine
	err    error

	open  *place // the innermost brace not closed yet
	alts  alternatives
	nets  map[string]int // braces that definitions leave open
	multi string         // the definition of several lines being read
}

// place is where a brace stands, and the one around it.
type place struct {
	line, col int
	outer     *place
	level     int
}

// depth is how many braces are open.
func (p *place) depth() int {
	if p == nil {
		return 0
	}
	return p.level
}

// outLine is a line of the outcome.
type outLine struct {
	depth   int
	code    string
	comment string // with the blanks before it
	kind    kind
}

// kind is what may happen to a line after it was written.
type kind uint8

const (
	fixed  kind = iota
	empty       // nothing on it
	remark      // a comment alone
	header      // a statement that a '{' on the next line may join
)

func (s *source) fault(at place, why, hint string) error {
	return &syntax.Error{Pos: syntax.Pos{File: s.name, Line: at.line, Col: at.col}, Len: 1,
		Severity: syntax.Failure, Err: fmt.Errorf("%s", why), Hint: hint}
}

// maxIndent is how deep lines are indented; no block nests so deep.
const maxIndent = 32

// text is the outcome.
func (s *source) text(mark bool) []byte {
	for len(s.out) > 0 && s.out[len(s.out)-1].kind == empty {
		s.out = s.out[:len(s.out)-1]
	}
	var b bytes.Buffer
	if mark {
		b.WriteString("\xef\xbb\xbf")
	}
	for _, l := range s.out {
		if l.kind != empty {
			b.WriteString(strings.Repeat(indent, min(l.depth, maxIndent)))
		}
		b.WriteString(l.code + l.comment + "\n")
	}
	return b.Bytes()
}

// add appends a line; of empty ones the first alone, and none at the beginning.
func (s *source) add(l outLine) {
	if n := len(s.out); l.kind == empty && (n == 0 || s.out[n-1].kind == empty) {
		return
	}
	s.out = append(s.out, l)
}

// line takes one line of the text.
func (s *source) line(text string) {
	if s.multi != "" && s.continued(text) {
		return
	}
	t := strings.TrimLeft(text, " \t")
	switch {
	case t == "":
		s.add(outLine{kind: empty})
		return
	case t[0] == '#' || t[0] == '!':
		s.add(outLine{depth: s.open.depth(), code: trimRight(t), kind: remark})
		return
	}
	code := t[:Comment(t)]
	if name, ok := begun(code); ok {
		s.multi = name
		s.nets[name] = s.net(trimRight(code[strings.IndexByte(code, '=')+1:]))
		s.add(outLine{code: text})
		return
	}
	if strings.ContainsAny(text, "\v\f\r") { // not blanks everywhere
		s.settle()
		s.keep(text, code, "", 1)
		s.out[len(s.out)-1].depth = 0
		return
	}
	if t[0] == '@' {
		s.conditional(t)
		return
	}
	s.settle()
	s.plain(t, len(text)-len(t)+1)
}

// continued takes a line of a definition of several lines, as it is. It is
// false for the empty line behind one.
func (s *source) continued(text string) bool {
	if trimLeft(text) == "" {
		s.multi = ""
		return false
	}
	s.add(outLine{code: text})
	code := trimRight(text[:Comment(text)])
	if trimLeft(code) == "" {
		return true
	}
	s.nets[s.multi] += s.net(code)
	if !strings.HasSuffix(code, `\`) {
		s.multi = ""
	}
	return true
}

// net is how many braces a piece of text leaves open, with what it refers to.
func (s *source) net(code string) (n int) {
	for _, t := range braces(code) {
		if t == '{' {
			n++
		} else {
			n--
		}
	}
	for _, m := range reference.FindAllStringSubmatch(code, -1) {
		n += s.nets[m[1]+m[2]]
	}
	return n
}

// braces are those of a line that the lexer sees.
func braces(code string) (found []byte) {
	if template(code) {
		return nil
	}
	if plain := lookalikes.Replace(code); plain != code {
		code = plain[:Comment(plain)]
	}
	tokens, _ := scan(code)
	for _, t := range tokens {
		if t.brace != 0 {
			found = append(found, t.brace)
		}
	}
	return found
}

// plain takes a line without condition; col is the place of its first letter.
func (s *source) plain(t string, col int) {
	end := Comment(t)
	code := trimRight(t[:end])
	if m := definition.FindStringSubmatch(code); m != nil {
		s.nets[m[1]] = s.net(code[len(m[0]):])
		s.add(outLine{depth: s.open.depth(), code: trimRight(t)})
		return
	}
	if includes.MatchString(code) {
		s.add(outLine{depth: s.open.depth(), code: trimRight(t)})
		return
	}
	tokens, closed := scan(t[:end])
	note := trimRight(t[len(code):])
	switch {
	case !closed || exact(code):
		if closed && lookalikes.Replace(code) == code {
			t = trimRight(t) // blanks at the end are not in a string
		}
		s.keep(t, code, "", col)
	case special(code) || !splits(tokens):
		s.keep(joined(tokens), code, note, col)
	default:
		s.pieces(tokens, note, col)
	}
}

// exact says that blanks in a line may mean something, or that it is not read
// as it stands.
func exact(code string) bool {
	return strings.ContainsAny(code, `\'`) || strings.HasPrefix(code, "~") || template(code) || lookalikes.Replace(code) != code
}

// keep writes a line whole, and counts its braces.
func (s *source) keep(text, code, note string, col int) {
	depth := s.open.depth()
	all := braces(code)
	for _, b := range all {
		if b != '}' {
			break
		}
		depth--
	}
	n := s.net(code)
	if len(all) == 0 {
		depth += min(n, 0)
	}
	s.move(n, place{line: s.number, col: col})
	s.add(outLine{depth: max(depth, 0), code: text, comment: note})
}

// move opens or closes n braces.
func (s *source) move(n int, at place) {
	for ; n > 0; n-- {
		s.open = &place{at.line, at.col, s.open, s.open.depth() + 1}
	}
	for ; n < 0; n++ {
		if s.open == nil {
			s.err = s.fault(at, "'}' without a matching '{'", "delete it")
			return
		}
		s.open = s.open.outer
	}
}

// joined is a line with one blank where there were several.
func joined(tokens []token) string {
	var b strings.Builder
	for i, t := range tokens {
		if t.gap && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// splits says that a line may be cut at its braces without a change of its
// meaning: no part of it becomes a line for the preprocessor, and no '{'
// stands alone in it.
func splits(tokens []token) bool {
	for i, t := range tokens {
		switch {
		case t.brace == 0 && strings.Contains(t.text, "$") && !opensLast(tokens, i):
			return false
		case i == 0:
		case t.brace == '{' && isBrace(tokens[i-1]), isBrace(tokens[i-1]) && special(t.text):
			return false
		}
	}
	return true
}

// opensLast says that a line has no brace, or one '{' at its end that does not
// touch word i.
func opensLast(tokens []token, i int) bool {
	first := slices.IndexFunc(tokens, isBrace)
	return first < 0 || first == len(tokens)-1 && tokens[first].brace == '{' && (first > i+1 || tokens[first].gap)
}

func isBrace(t token) bool { return t.brace != 0 }

// pieces writes a line, cut at its braces.
func (s *source) pieces(tokens []token, note string, col int) {
	for i := 0; i < len(tokens) && s.err == nil; {
		n := slices.IndexFunc(tokens[i:], isBrace)
		end := len(tokens)
		if n >= 0 {
			end = i + n
		}
		mine := ""
		if end >= len(tokens)-1 && !(n > 0 && tokens[end].brace == '}') {
			mine = note
		}
		words := joined(tokens[i:end])
		switch {
		case n < 0:
			l := outLine{depth: s.open.depth(), code: words, comment: mine, kind: header}
			if strings.Contains(tokens[len(tokens)-1].text, "$") {
				l.kind = fixed // several lines may come of it, at the end of a line alone
			}
			s.add(l)
			return
		case tokens[end].brace == '{':
			s.opening(words, mine)
			s.move(1, place{line: s.number, col: col})
			end++
		case n > 0:
			s.add(outLine{depth: s.open.depth(), code: words})
		default:
			if s.move(-1, place{line: s.number, col: col}); s.err == nil {
				s.add(outLine{depth: s.open.depth(), code: "}", comment: mine})
			}
			end++
		}
		i = end
	}
}

// opening writes the head of a block. A '{' without words joins the statement
// before it.
func (s *source) opening(words, note string) {
	l := outLine{depth: s.open.depth(), code: "{", comment: note}
	if words != "" {
		l.code = words + " {"
		s.add(l)
		return
	}
	i := len(s.out) - 1
	for i >= 0 && (s.out[i].kind == empty || s.out[i].kind == remark) {
		i--
	}
	if i < 0 || s.out[i].kind != header {
		s.add(l)
		return
	}
	s.join(i, note)
}

// join puts a '{' behind the statement of line i. What stands between them is
// inside the block then.
func (s *source) join(i int, note string) {
	h := &s.out[i]
	h.code, h.kind = h.code+" {", fixed
	var between []outLine
	if h.comment == "" {
		h.comment = note
	} else if note != "" {
		between = append(between, outLine{depth: h.depth + 1, code: trimLeft(note), kind: remark})
	}
	for _, l := range s.out[i+1:] {
		if l.kind == remark {
			l.depth = h.depth + 1
			between = append(between, l)
		}
	}
	s.out = append(s.out[:i+1], between...)
}
