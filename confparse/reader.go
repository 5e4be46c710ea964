package confparse

import (
	"fmt"
	"io/fs"

	"keepgo/confparse/syntax"
)

// Load reads a configuration with everything it includes and applies every
// default and inheritance. It looks at nothing but the files: whether an
// interface or a script exists is CheckHost's question. The Config is as
// complete as the text allows, whatever is in the ErrorList; an instance that
// cannot run says so in Unusable.
func Load(fsys fs.FS, name string, env syntax.Env) (*Config, syntax.ErrorList) {
	env.Grammar = grammar{}
	var r *reader
	files, errs := syntax.Each(fsys, name, env, func() func(*syntax.Node) bool {
		r = newReader(name)
		return r.topStatement
	})
	r.fromSyntax, r.errs = len(errs), append(errs, r.errs...)
	r.complete()
	r.sanity(name)
	r.errs.Sort(files)
	r.tellDropped(name)
	return r.cfg, r.errs
}

// document is what the top level fills.
type document struct {
	globals *globals
	cfg     *Config
}

func newReader(name string) *reader {
	r := &reader{cfg: &Config{}, scopes: map[any]*scope{}, tracks: map[syntax.Pos]int32{}, explicit: map[any]bool{},
		sources: map[*Instance]sources{}, peers: map[*Instance][]peerPlace{}, groups: map[string]*ServerGroup{}, defined: map[string]map[string]int{}}
	r.globals = globals{Global: &r.cfg.Global}
	r.globals.reset()
	r.top = document{globals: &r.globals, cfg: r.cfg}
	r.topScope = scopeOf(r, &r.top, root(), &syntax.Node{Words: []syntax.Word{{Pos: syntax.Pos{File: name, Line: 1, Col: 1}}}})
	r.within = r.topScope
	return r
}

// topStatement reads a statement of the top level. It is true if the
// statement is still needed when everything was read.
func (r *reader) topStatement(n *syntax.Node) (keep bool) {
	r.text.add(n)
	r.done = false
	s := r.statement(n, root())
	root().statement(s, &r.top, r.topScope)
	return !r.done
}

// statement takes a stmt for a statement. One is enough for each depth: those
// of the blocks around it are waiting.
func (r *reader) statement(n *syntax.Node, within Block) *stmt {
	depth := len(r.open)
	for len(r.stmts) <= depth {
		r.stmts = append(r.stmts, &stmt{r: r})
	}
	s := r.stmts[depth]
	*s = stmt{r: r, n: n, within: within}
	return s
}

// define keeps a name and reports one that is defined already.
func (s *stmt) define(w syntax.Word) bool {
	names := s.r.defined[s.name()]
	if names == nil {
		names = map[string]int{}
		s.r.defined[s.name()] = names
	}
	if first, twice := names[w.Text]; twice {
		s.fail(w, "", "%s %s is already defined on line %d", s.name(), clip(w.Text), first)
		return false
	}
	names[w.Text] = w.Pos.Line
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
	fromSyntax int                     // how many of errs came with the tree
	unknown    int                     // unknown keywords so far
	count      [syntax.Failure + 1]int // findings by severity, told or not
	errs       syntax.ErrorList
	cfg        *Config
	globals    globals
	open       []*syntax.Node // blocks around the statement being read
	stmts      []*stmt        // by the number of open blocks
	within     *scope         // of the innermost open block
	named      struct {       // the path of the block that was asked for last
		node *syntax.Node
		at   syntax.Pos // the node may have been used again
		path string
	}
	done     bool // the statement of the top level is not needed any more
	text     shape
	top      document
	topScope *scope
	scopes   map[any]*scope // where the objects came from, unless they are scoped
	recent   struct {       // the one of them that was asked for last
		of    any
		scope *scope
	}
	spare struct { // what can be used again
		scopes   pool[scope]
		services pool[service]
		servers  pool[server]
		checks   pool[check]
	}
	refs     []reference
	tracks   map[syntax.Pos]int32 // of the lines of trackers: their refs
	members  []members
	sources  map[*Instance]sources
	peers    map[*Instance][]peerPlace
	groups   map[string]*ServerGroup
	pending  []*service                // whose group is not known before the end
	served   []served                  // all others
	watches  []watch                   // checks that take their weight from a track_file
	explicit map[any]bool              // services, servers and checkers that set what global_defs has a default for
	defined  map[string]map[string]int // keyword, name: the line
}

// scope is the text of one object: which keywords it has and where. An object
// that several blocks fill has a scope for each of them.
type scope struct {
	block  any
	node   *syntax.Node
	parent *scope   // of the block around it
	said   []saying // one of each keyword; few enough to be looked through
	sieve  uint64   // of the keywords that it has
	next   *scope
	room   [8]saying // for said: most objects have no more
}

// saying is a keyword and its newest statement.
type saying struct {
	keyword string
	node    *syntax.Node
}

// at is the statement of a keyword in an object's text, or nil.
func (sc *scope) at(name string) *syntax.Node {
	for bit := sieve(name); sc != nil; sc = sc.next {
		if sc.sieve&bit == 0 {
			continue
		}
		if i := sc.find(name); i >= 0 {
			return sc.said[i].node
		}
	}
	return nil
}

// sieves is what may be in the text of an object: of whatever has another sieve at
// is nil.
func (sc *scope) sieves() (all uint64) {
	for ; sc != nil; sc = sc.next {
		all |= sc.sieve
	}
	return all
}

// find is where a keyword is among those said, or -1.
func (sc *scope) find(name string) int {
	for i := range sc.said {
		if sc.said[i].keyword == name {
			return i
		}
	}
	return -1
}

// saw notes the statement of a keyword, and tells the one before, if any.
func (sc *scope) saw(name string, n *syntax.Node) (before *syntax.Node) {
	bit := sieve(name)
	if sc.sieve&bit != 0 {
		if i := sc.find(name); i >= 0 {
			before, sc.said[i].node = sc.said[i].node, n
			return before
		}
	}
	sc.said = append(sc.said, saying{name, n})
	sc.sieve |= bit
	return nil
}

// sieve is one of 64 bits for a keyword. What most objects are asked for they do
// not have, and most of that falls through the sieve.
func sieve(name string) uint64 {
	if name == "" {
		return 0
	}
	return 1 << ((5*len(name) + 3*int(name[0]) + int(name[len(name)-1])) % 64)
}

// path names the blocks that the object stands in, with its own.
func (sc *scope) path() string {
	if sc == nil || sc.parent == nil {
		return ""
	}
	if outer := sc.parent.path(); outer != "" {
		return syntax.Path(outer, header(sc.node))
	}
	return header(sc.node)
}

// scopeOf finds or makes the scope of an object in a block.
func scopeOf[T any](r *reader, obj *T, b *block[T], n *syntax.Node) *scope {
	own, is := any(obj).(scoped)
	first := r.scope(obj)
	for sc := first; sc != nil; sc = sc.next {
		if sc.block == any(b) {
			return sc
		}
	}
	sc := r.newScope()
	sc.block, sc.node, sc.parent = b, n, r.within
	switch {
	case first != nil:
		for first.next != nil {
			first = first.next
		}
		first.next = sc
	case is:
		*own.scopeAt() = sc
	default:
		r.scopes[obj] = sc
		r.recent.of, r.recent.scope = obj, sc
	}
	return sc
}

// scoped are objects that hold their scope themselves.
type scoped interface{ scopeAt() **scope }

// scope is the scope of an object, or nil. Most questions about an object come
// in a row.
func (r *reader) scope(obj any) *scope {
	if obj == r.recent.of {
		return r.recent.scope
	}
	if o, is := obj.(scoped); is {
		return *o.scopeAt()
	}
	r.recent.of, r.recent.scope = obj, r.scopes[obj]
	return r.recent.scope
}

// newScope takes a scope that is not in use any more, or makes one.
func (r *reader) newScope() *scope {
	sc := r.spare.scopes.take()
	*sc = scope{}
	sc.said = sc.room[:0]
	return sc
}

// pool is what is not in use any more. Of thousands of alike things each would be
// garbage soon.
type pool[T any] []*T

// take takes one as it was left, or makes one.
func (p *pool[T]) take() *T {
	n := len(*p)
	if n == 0 {
		return new(T)
	}
	x := (*p)[n-1]
	*p = (*p)[:n-1]
	return x
}

// give gives one back.
func (p *pool[T]) give(x *T) { *p = append(*p, x) }

// where is the statement of a keyword in an object's text, or the head of the
// object's block.
func (r *reader) where(obj any, name string) *syntax.Node {
	sc := r.scope(obj)
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
	sc := r.scope(obj)
	for _, name := range names {
		if sc.at(name) != nil {
			return true
		}
	}
	return false
}

// found adds a finding.
func (r *reader) found(sev syntax.Severity, at syntax.Pos, n int, path, hint, format string, args ...any) {
	if r.count[sev]++; r.count[sev] > maxFindings {
		return
	}
	r.errs = append(r.errs, &syntax.Error{Pos: at, Len: n, Path: path, Severity: sev,
		Err: fmt.Errorf(format, args...), Hint: hint})
}

// maxFindings bounds what a hostile file can make us remember of each severity.
const maxFindings = 1000

// tellDropped says how many findings were too many to keep.
func (r *reader) tellDropped(name string) {
	for sev, n := range r.count {
		if more := n - maxFindings; more > 0 {
			r.errs = append(r.errs, &syntax.Error{Pos: syntax.Pos{File: name}, Severity: syntax.Severity(sev),
				Err: fmt.Errorf("%d more findings of this kind are not shown", more)})
		}
	}
}

// about adds a finding about a statement of an object.
func (r *reader) about(sev syntax.Severity, obj any, keyword, hint, format string, args ...any) {
	n := r.where(obj, keyword)
	if n == nil {
		r.found(sev, syntax.Pos{}, 0, "", hint, format, args...)
		return
	}
	path := ""
	if sc := r.scope(obj); sc != nil {
		path = sc.path()
	}
	r.found(sev, n.Words[0].Pos, headLen(n), path, hint, format, args...)
}

// headLen is the length of a statement's text, as far as it is one piece.
func headLen(n *syntax.Node) int {
	return max(len(n.Raw), len(n.Words[0].Text))
}

// path names the open blocks.
func (r *reader) path() string {
	if len(r.open) == 0 {
		return ""
	}
	if inner := r.open[len(r.open)-1]; r.named.node != inner || r.named.at != inner.Words[0].Pos {
		names := make([]string, 0, len(r.open))
		for _, n := range r.open {
			names = append(names, header(n))
		}
		r.named.node, r.named.at, r.named.path = inner, inner.Words[0].Pos, syntax.Path(names...)
	}
	return r.named.path
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
