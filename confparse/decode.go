package confparse

import (
	"fmt"
	"strings"

	"keepgo/confparse/syntax"
)

// stmt is a statement being read word by word.
type stmt struct {
	r      *reader
	n      *syntax.Node
	i      int // the next word
	key    *Keyword
	within Block // the block it stands in
}

func (s *stmt) name() string { return s.n.Words[0].Text }

// block is the block that the statement stands in.
func (s *stmt) block() *syntax.Node { return s.r.open[len(s.r.open)-1] }

// next takes the next word.
func (s *stmt) next() (syntax.Word, bool) {
	if s.i >= len(s.n.Words) {
		return syntax.Word{}, false
	}
	s.i++
	return s.n.Words[s.i-1], true
}

// rest takes all words that are left.
func (s *stmt) rest() []syntax.Word {
	w := s.n.Words[s.i:]
	s.i = len(s.n.Words)
	return w
}

// value takes the next word and reports if there is none.
func (s *stmt) value(what string) (syntax.Word, bool) {
	w, ok := s.next()
	if !ok {
		if what == "" {
			what = "a value"
		}
		s.fail(s.n.Words[0], "", "'%s' needs a value (%s)", s.name(), what)
		return w, false
	}
	if w.Text == "=" && !w.Quoted {
		hint := "delete it"
		if s.i < len(s.n.Words) {
			hint = fmt.Sprintf("write '%s %s'", s.name(), s.n.Words[s.i].Text)
			s.i++
		}
		s.fail(w, hint, "no '=' in keepalived.conf: write '%s VALUE'", s.name())
		return w, false
	}
	return w, true
}

func (s *stmt) fail(w syntax.Word, hint, format string, args ...any) {
	s.tell(syntax.Failure, w, hint, format, args...)
}

func (s *stmt) warn(w syntax.Word, hint, format string, args ...any) {
	s.tell(syntax.Warning, w, hint, format, args...)
}

func (s *stmt) note(w syntax.Word, hint, format string, args ...any) {
	s.tell(syntax.Note, w, hint, format, args...)
}

func (s *stmt) tell(sev syntax.Severity, w syntax.Word, hint, format string, args ...any) {
	if s.r.count[sev] >= maxFindings {
		s.r.count[sev]++
		return
	}
	n := len(w.Text)
	if w.Quoted {
		n += 2
	}
	s.r.found(sev, w.Pos, n, s.r.path(), hint, format, args...)
}

// decode reads the statements of a block into obj.
func (b *block[T]) decode(r *reader, obj *T, n *syntax.Node) {
	r.open = append(r.open, n)
	b.statements(r, obj, n)
	r.open = r.open[:len(r.open)-1]
}

func (b *block[T]) statements(r *reader, obj *T, n *syntax.Node) {
	var sc *scope
	if b.item == nil {
		sc = scopeOf(r, obj, b, n)
		defer func(outer *scope) { r.within = outer }(r.within)
		r.within = sc
	}
	for _, child := range n.Body {
		s := r.statement(child, b)
		if b.item != nil {
			b.line(s, obj)
			continue
		}
		b.statement(s, obj, sc)
	}
	if b.end != nil {
		b.end(r, obj, n)
	}
}

// line reads a line of a list.
func (b *block[T]) line(s *stmt, obj *T) {
	if s.n.Braces {
		s.fail(s.n.Words[0], "", "'%s' opens a block, which cannot stand in a list", clip(s.name()))
		return
	}
	if s.oddity() {
		return
	}
	b.item(s, obj)
}

// statement reads one statement by its row.
func (b *block[T]) statement(s *stmt, obj *T, sc *scope) {
	i, ok := b.index[s.name()]
	if !ok || s.n.Words[0].Quoted {
		s.unknown()
		return
	}
	rw := &b.rows[i]
	s.key = &rw.Keyword
	s.i = 1
	if !s.usable(rw.Block != nil) {
		return
	}
	if first := sc.saw(rw.Name, s.n); first != nil && !rw.repeats {
		s.again(first)
	}
	if rw.Alias != "" && b.Keyword(rw.Alias) != nil { // it counts under its preferred name too
		sc.saw(rw.Alias, s.n)
	}
	s.status()
	if rw.read == nil {
		return
	}
	rw.read(s, obj)
	s.leftover()
}

// usable reports a missing or a surplus brace.
func (s *stmt) usable(opens bool) bool {
	w := s.n.Words
	switch {
	case opens && !s.n.Braces:
		s.unopened()
		return false
	case !opens && s.n.Braces:
		if len(w) > 1 && s.oneLine() {
			return false
		}
		s.fail(w[0], "delete the braces", "'%s' opens no block", s.name())
		return false
	}
	return true
}

// unopened reports a block keyword without its brace.
func (s *stmt) unopened() {
	w := s.n.Words
	last := w[len(w)-1].Text
	switch {
	case len(w) > 1 && strings.HasPrefix(last, "("):
		s.fail(w[0], "write '"+s.name()+" {' and close it with '}'", "expected '{' after '%s', found '('", s.name())
	case s.key.Block.Lines() && len(w) > 1:
		s.fail(w[1], "", "write '%s { %s }'", s.name(), clip(s.n.Words[1].Text))
	default:
		s.r.found(syntax.Failure, w[0].Pos, headLen(s.n), s.r.path(), "", "expected '{' after '%s'", header(s.n))
	}
}

// oneLine reports several keywords on one line.
func (s *stmt) oneLine() bool {
	var others []string
	for _, w := range s.n.Words[2:] {
		if s.within.Keyword(w.Text) != nil {
			others = append(others, "'"+w.Text+"'")
		}
	}
	if len(others) == 0 {
		return false
	}
	if len(others) > 3 {
		others = append(others[:3], "...")
	}
	s.fail(s.n.Words[0], "", "one keyword per line: put %s on their own lines", strings.Join(others, ", "))
	return true
}

// again reports a scalar that is set a second time.
func (s *stmt) again(first *syntax.Node) {
	if first.Raw == s.n.Raw {
		return
	}
	now, before := wordAt(s.n, 1), wordAt(first, 1)
	if len(s.r.open) > 0 && s.r.open[0].Words[0].Text == "global_defs" {
		s.note(s.n.Words[0], "", "%s %s replaces '%s' of line %d", s.name(), now, before, first.Words[0].Pos.Line)
		return
	}
	s.warn(s.n.Words[0], now+" is used", "'%s' is set again (%s on line %d)", s.name(), before, first.Words[0].Pos.Line)
}

func wordAt(n *syntax.Node, i int) string {
	if i < len(n.Words) {
		return clip(n.Words[i].Text)
	}
	return ""
}

// status tells of keywords without effect.
func (s *stmt) status() {
	k, w := s.key, s.n.Words[0]
	switch {
	case k.Status == Removed:
		s.warn(w, "delete the line", "'%s' %s", s.name(), s.filled(k.Why))
	case k.Status == NoEffect:
		s.note(w, "", "'%s' has no effect: %s", s.name(), k.Why)
	case k.Old:
		s.note(w, "", "'%s' is deprecated; use '%s'", s.name(), k.Alias)
	}
}

// leftover reports words behind the last that has a meaning.
func (s *stmt) leftover() {
	if s.i >= len(s.n.Words) || s.i == 0 {
		return
	}
	w := s.n.Words[s.i]
	text := strings.TrimSuffix(w.Text, ";")
	head := rawHead(s.n, s.i)
	switch {
	case strings.HasPrefix(w.Text, "//"), strings.HasPrefix(w.Text, "/*"):
		s.fail(w, "", "comments start with '#' or '!', not '%s'", w.Text[:2])
	case strings.HasPrefix(w.Text, ";"):
		s.fail(w, "", "comments start with '#' or '!', not ';'")
	case s.within != nil && s.within.Keyword(text) != nil && s.i > 1 && !s.n.Braces && s.i+1 < len(s.n.Words):
		s.fail(s.n.Words[0], "", "'%s' takes one value; put '%s' on its own line", s.name(), rawTail(s.n, s.i))
	default:
		s.warn(w, "", "extra word '%s' after '%s' is ignored", clip(w.Text), head)
	}
}

// filled puts the words of a statement into an advice.
func (s *stmt) filled(why string) string {
	name := "VI_1"
	if n := len(s.r.open); n > 0 && len(s.r.open[n-1].Words) > 1 {
		name = clip(s.r.open[n-1].Words[1].Text)
	}
	return strings.NewReplacer("<IF>", or(wordAt(s.n, 1), "<IF>"), "<INSTANCE>", name).Replace(why)
}

func rawHead(n *syntax.Node, end int) string {
	var words []string
	for _, w := range n.Words[:end] {
		words = append(words, clip(w.Text))
	}
	return strings.Join(words, " ")
}

func rawTail(n *syntax.Node, from int) string {
	var words []string
	for _, w := range n.Words[from:min(len(n.Words), from+2)] {
		words = append(words, clip(w.Text))
	}
	return strings.Join(words, " ")
}
