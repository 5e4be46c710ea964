package confparse

import (
	"fmt"
	"io/fs"
	"strings"

	"keepgo/confparse/syntax"
)

// Load reads a configuration with everything it includes and applies every
// default and inheritance. It looks at nothing but the files: whether an
// interface or a script exists is CheckHost's question. The Config is as
// complete as the text allows, whatever is in the ErrorList; an instance that
// cannot run says so in Unusable.
func Load(fsys fs.FS, name string, env syntax.Env) (*Config, syntax.ErrorList) {
	env.Grammar = grammar{}
	tree, errs := syntax.Parse(fsys, name, env)
	r := newReader(errs)
	d := &document{globals: &r.globals, cfg: r.cfg}
	root.statements(r, d, &syntax.Node{Body: tree.Nodes, Words: []syntax.Word{{Pos: syntax.Pos{File: name, Line: 1, Col: 1}}}})
	r.complete()
	r.sanity(tree, name)
	r.errs.Sort(tree.Files)
	return r.cfg, r.errs
}

// document is what the top level fills.
type document struct {
	globals *globals
	cfg     *Config
}

func newReader(errs syntax.ErrorList) *reader {
	r := &reader{errs: errs, cfg: &Config{}, scopes: map[any]*scope{}, refs: map[syntax.Pos]reference{},
		sources: map[*Instance]sources{}, defined: map[string]map[string]syntax.Pos{}}
	r.globals = globals{Global: &r.cfg.Global}
	r.globals.reset()
	return r
}

// define keeps a name and reports one that is defined already.
func (s *stmt) define(w syntax.Word) bool {
	names := s.r.defined[s.name()]
	if names == nil {
		names = map[string]syntax.Pos{}
		s.r.defined[s.name()] = names
	}
	if first, twice := names[w.Text]; twice {
		s.fail(w, "", "%s %s is already defined on line %d", s.name(), clip(w.Text), first.Line)
		return false
	}
	names[w.Text] = w.Pos
	return true
}

// named takes the name of a block.
func (s *stmt) named() (string, bool) {
	w, ok := s.next()
	if !ok {
		s.fail(s.n.Words[0], "", "%s needs a name", s.name())
		return "", false
	}
	if len(w.Text) > 64 {
		s.warn(w, "", "instance name has %d characters", len(w.Text))
	}
	if extra := s.i < len(s.n.Words); extra {
		s.warn(s.n.Words[s.i], "names have no blanks", "extra word '%s' after '%s %s'", clip(s.n.Words[s.i].Text), s.name(), clip(w.Text))
		s.rest()
	}
	return w.Text, s.define(w)
}

// reader decodes a tree into a Config.
type reader struct {
	errs     syntax.ErrorList
	cfg      *Config
	globals  globals
	open     []*syntax.Node // blocks around the statement being read
	scopes   map[any]*scope // where the objects came from
	refs     map[syntax.Pos]reference
	order    []syntax.Pos // of refs
	members  []member
	sources  map[*Instance]sources
	peers    []peerPlace
	services []*service
	defined  map[string]map[string]syntax.Pos // keyword, name: where
}

// scope is the text of one object: which keywords it has and where. An object
// that several blocks fill has a scope for each of them.
type scope struct {
	block any
	node  *syntax.Node
	path  string
	seen  []*syntax.Node // by the index of the row
	index map[string]int
	next  *scope
}

// at is the statement of a keyword in an object's text, or nil.
func (sc *scope) at(name string) *syntax.Node {
	for ; sc != nil; sc = sc.next {
		if i, ok := sc.index[name]; ok && sc.seen[i] != nil {
			return sc.seen[i]
		}
	}
	return nil
}

// scopeOf finds or makes the scope of an object in a block.
func scopeOf[T any](r *reader, obj *T, b *block[T], n *syntax.Node) *scope {
	last := &scope{next: r.scopes[obj]}
	for sc := last.next; sc != nil; last, sc = sc, sc.next {
		if sc.block == any(b) {
			return sc
		}
	}
	sc := &scope{block: b, node: n, path: r.path(), seen: make([]*syntax.Node, len(b.rows)), index: b.index}
	if r.scopes[obj] == nil {
		r.scopes[obj] = sc
	} else {
		last.next = sc
	}
	return sc
}

// where is the statement of a keyword in an object's text, or the head of the
// object's block.
func (r *reader) where(obj any, name string) *syntax.Node {
	sc := r.scopes[obj]
	if n := sc.at(name); n != nil {
		return n
	}
	if sc == nil {
		return nil
	}
	return sc.node
}

// has says that an object's text has one of the keywords.
func (r *reader) has(obj any, names ...string) bool {
	sc := r.scopes[obj]
	for _, name := range names {
		if sc.at(name) != nil {
			return true
		}
	}
	return false
}

// found adds a finding.
func (r *reader) found(sev syntax.Severity, at syntax.Pos, n int, path, hint, format string, args ...any) {
	if len(r.errs) > maxFindings {
		return
	}
	r.errs = append(r.errs, &syntax.Error{Pos: at, Len: n, Path: path, Severity: sev,
		Err: fmt.Errorf(format, args...), Hint: hint})
}

// maxFindings bounds what a hostile file can make us remember.
const maxFindings = 10_000

// about adds a finding about a statement of an object.
func (r *reader) about(sev syntax.Severity, obj any, keyword, hint, format string, args ...any) {
	n := r.where(obj, keyword)
	if n == nil {
		r.found(sev, syntax.Pos{}, 0, "", hint, format, args...)
		return
	}
	path := ""
	if sc := r.scopes[obj]; sc != nil {
		path = sc.path
	}
	r.found(sev, n.Words[0].Pos, headLen(n), path, hint, format, args...)
}

// headLen is the length of a statement's text, as far as it is one piece.
func headLen(n *syntax.Node) int {
	return max(len(n.Raw), len(n.Words[0].Text))
}

// path names the open blocks.
func (r *reader) path() string {
	names := make([]string, 0, len(r.open))
	for _, n := range r.open {
		names = append(names, header(n))
	}
	return syntax.Path(names...)
}

// header is the beginning of a block as a message names it.
func header(n *syntax.Node) string {
	s := clip(n.Words[0].Text)
	for _, w := range n.Words[1:min(len(n.Words), 3)] {
		s += " " + clip(w.Text)
	}
	return s
}

// clip shortens a word for a message.
func clip(s string) string {
	if len(s) > 60 {
		return s[:8] + "..."
	}
	return s
}

// stmt is a statement being read word by word.
type stmt struct {
	r      *reader
	n      *syntax.Node
	i      int // the next word
	key    *Keyword
	within Block // the block it stands in
}

func (s *stmt) name() string { return s.n.Words[0].Text }

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
	}
	for _, child := range n.Body {
		s := &stmt{r: r, n: child, within: b}
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
	if first := sc.seen[i]; first != nil && !rw.repeats {
		s.again(first)
	}
	sc.seen[i] = s.n
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
		s.warn(w, "delete the line", "'%s' %s", s.name(), k.Why)
	case k.Status == NoEffect:
		s.note(w, "", "'%s' has no effect: %s", s.name(), k.Why)
	case k.Status == NotYet:
		s.note(w, "", "'%s' is known and has no effect yet", s.name())
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
