package syntax

import (
	"errors"
	"sort"
	"strings"
)

// line is one logical line and where its bytes came from.
type line struct {
	text  string
	pos   Pos    // place of text[0] while marks is nil
	marks []mark // places of the pieces of an expanded line
}

// mark is the place of a piece of an expanded line that begins at off. The
// bytes of a fixed piece all stand for the one place of a reference.
type mark struct {
	off   int
	pos   Pos
	fixed bool
}

// at is the place of text[i].
func (l *line) at(i int) Pos {
	if l.marks == nil {
		pos := l.pos
		pos.Col += i
		return pos
	}
	k := sort.Search(len(l.marks), func(k int) bool { return l.marks[k].off > i })
	m := l.marks[max(k-1, 0)]
	if !m.fixed {
		m.pos.Col += i - m.off
	}
	return m.pos
}

// cut is text[a:b] with its places.
func (l *line) cut(a, b int) line {
	if l.marks == nil {
		pos := l.pos
		pos.Col += a
		return line{text: l.text[a:b], pos: pos}
	}
	out := line{text: l.text[a:b]}
	for i, m := range l.marks {
		next := len(l.text)
		if i+1 < len(l.marks) {
			next = l.marks[i+1].off
		}
		if next <= a || m.off >= b {
			continue
		}
		if m.off < a {
			m.pos, m.off = l.at(a), a
		}
		m.off -= a
		out.marks = append(out.marks, m)
	}
	if out.marks == nil {
		out.marks = []mark{{pos: l.at(a)}}
	}
	return out
}

// join puts lines together into one.
func join(parts ...line) line {
	var text strings.Builder
	var marks []mark
	for _, l := range parts {
		if l.text == "" {
			continue
		}
		if l.marks == nil {
			marks = append(marks, mark{off: text.Len(), pos: l.pos})
		}
		for _, m := range l.marks {
			m.off += text.Len()
			marks = append(marks, m)
		}
		text.WriteString(l.text)
	}
	return line{text: text.String(), marks: marks}
}

func blank(c byte) bool {
	return c == ' ' || c >= '\t' && c <= '\r'
}

// trim takes blanks off both ends.
func (l *line) trim() line {
	a, b := 0, len(l.text)
	for a < b && blank(l.text[a]) {
		a++
	}
	for b > a && blank(l.text[b-1]) {
		b--
	}
	return l.cut(a, b)
}

// decomment cuts a line at its comment: the first # or ! that is neither in
// double quotes nor behind a backslash.
func decomment(text string) string {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '#', '!':
			if !quoted {
				return text[:i]
			}
		}
	}
	return text
}

// special marks the bytes that end an ordinary word or need a closer look.
var special = func() (t [256]bool) {
	for _, c := range []byte(" \t\n\v\f\r{}\"#!\\$") {
		t[c] = true
	}
	for c := 0x80; c < 0x100; c++ {
		t[c] = true
	}
	return t
}()

// lex splits a line into words and braces and hands them to the builder.
func (p *parser) lex(l line) {
	if p.template(&l) {
		return
	}
	text := l.text
	start, end := -1, 0 // text of the statement so far
	for i := 0; i < len(text) && !p.full; {
		c := text[i]
		if blank(c) {
			i++
			continue
		}
		switch c {
		case '#', '!':
			i = len(text)
			continue
		case '{', '}':
			p.flush(text, start, end)
			start = -1
			p.brace(c, l.at(i))
			i++
			continue
		}
		if start < 0 {
			start = i
		}
		if c == '"' {
			i = p.quoted(&l, i)
		} else if i = p.word(&l, i); i < 0 {
			p.words = p.words[:p.first]
			p.lex(p.plain(l.cut(start, len(text))))
			return
		}
		end = i
	}
	if start >= 0 && strings.HasSuffix(text[start:end], `\`) && p.continued(&l, start, end) {
		return
	}
	p.flush(text, start, end)
}

var errBackslash = errors.New("a backslash does not continue a line here")

// continued reports a line that ends in a backslash. The statement goes on on
// the next line, as its writer meant, so that one fault is one report.
func (p *parser) continued(l *line, start, end int) bool {
	words := p.words[p.first:]
	if len(words) == 0 || words[len(words)-1].Quoted {
		return false
	}
	last := &words[len(words)-1]
	p.split = &Error{Pos: l.at(end - 1), Len: 1, Severity: Failure, Err: errBackslash}
	p.report(p.split)
	if last.Text = strings.TrimSuffix(last.Text, `\`); last.Text == "" {
		p.words = p.words[:len(p.words)-1]
	}
	p.raw += strings.TrimRight(l.text[start:end-1], " \t") + " "
	return true
}

// template reports a line of an unrendered template.
func (p *parser) template(l *line) bool {
	i := strings.IndexByte(l.text, '{')
	if i < 0 || i+1 == len(l.text) || l.text[i+1] != '{' && l.text[i+1] != '%' {
		return false
	}
	text := decomment(l.text)
	if i >= len(text) {
		return false
	}
	for _, pair := range [][2]string{{"{{", "}}"}, {"{%", "%}"}} {
		a := strings.Index(text, pair[0])
		if a < 0 {
			continue
		}
		if b := strings.Index(text[a:], pair[1]); b > 2 {
			what := text[a : a+b+2]
			p.fail(l.at(a), len(what), "render the template before use", "'%s' looks like an unrendered template", what)
			return true
		}
	}
	return false
}

// quoted takes a word in double quotes that begins at i and returns the index
// behind it.
func (p *parser) quoted(l *line, i int) int {
	text := l.text
	for j := i + 1; j < len(text); j++ {
		switch text[j] {
		case '\\':
			j++
		case '"':
			p.add(Word{Text: text[i+1 : j], Pos: l.at(i), Quoted: true})
			return j + 1
		}
	}
	p.fail(l.at(i), len(text)-i, `put a " at the end of the string`, "quote is not closed on this line")
	p.add(Word{Text: text[i+1:], Pos: l.at(i), Quoted: true})
	return len(text)
}

// word takes an ordinary word that begins at i and returns the index behind
// it, or -1 if the line has look-alike letters to be replaced first.
func (p *parser) word(l *line, i int) int {
	text, j, escaped := l.text, i, false
	for ; j < len(text); j++ {
		c := text[j]
		if !special[c] {
			continue
		}
		if c == '\\' {
			if j+1 < len(text) && (text[j+1] == '#' || text[j+1] == '!') {
				escaped = true
			}
			if j+1 < len(text) && !blank(text[j+1]) {
				j++
			}
			continue
		}
		if c == '$' && j+1 < len(text) && text[j+1] == '{' {
			if k := strings.IndexByte(text[j:], '}'); k >= 0 {
				j += k
			}
			continue
		}
		if c >= 0x80 {
			if lookalike(text[j:]) {
				return -1
			}
			continue
		}
		if c != '$' {
			break
		}
	}
	w := text[i:j]
	if escaped {
		w = strings.NewReplacer(`\#`, "#", `\!`, "!").Replace(w)
	}
	cut := byte(0)
	if j < len(text) && (text[j] == '#' || text[j] == '!') {
		cut = text[j]
	}
	p.add(Word{Text: w, Pos: l.at(i), Cut: cut})
	return j
}

func lookalike(text string) bool {
	for _, k := range lookalikes {
		if strings.HasPrefix(text, string(k.r)) {
			return true
		}
	}
	return false
}

// add appends a word to the statement being read. Words are cut from large
// slabs: a statement costs no allocation of its own.
func (p *parser) add(w Word) {
	if len(p.words) == cap(p.words) {
		slab := make([]Word, 0, max(1024, 2*(len(p.words)-p.first)))
		p.words = append(slab, p.words[p.first:]...)
		p.first, p.kept = 0, 0
	}
	p.words = append(p.words, w)
}

// flush ends the statement whose text is text[start:end].
func (p *parser) flush(text string, start, end int) {
	raw := p.raw
	if start >= 0 && raw == "" {
		raw = text[start:end]
	} else if start >= 0 {
		raw += text[start:end]
	}
	p.raw = ""
	if p.split != nil {
		p.split.Hint, p.split = "put '"+clip(raw)+"' on one line", nil
	}
	if len(p.words) > p.first {
		if p.build.between() {
			p.deliver()
		}
		n := len(p.words)
		p.build.statement(p.words[p.first:n:n], raw)
		p.first = n
	}
}

// endStatement ends a statement that was left open by a backslash.
func (p *parser) endStatement() { p.flush("", -1, 0) }

func (p *parser) brace(c byte, at Pos) {
	if c == '{' {
		p.build.open(at)
	} else {
		p.build.close(at)
	}
}
