package syntax

import (
	"fmt"
	"io/fs"
	"sort"
)

// Env is what a configuration can see of its surroundings.
type Env struct {
	// ConfigID decides @id conditions and is ${_INSTANCE}: option -i, else
	// the host's name up to its first dot.
	ConfigID string
	// Getenv serves ${_ENV NAME}; nil finds nothing.
	Getenv func(string) string
	// Random serves ${_RANDOM}: a number in [0, n). nil always gives 0.
	Random func(n int) int
	// Grammar tells where keywords belong. It is asked only about text whose
	// braces do not match, to say where one is missing. It may be nil.
	Grammar Grammar
	// MaxExpansion bounds the logical lines that definitions and loops may
	// produce; 0 means 2,000,000.
	MaxExpansion int
}

// Grammar is what the builder of the tree asks about keywords.
type Grammar interface {
	// Allows says that keyword may begin a statement in the block that path
	// leads to, outermost block keyword first.
	Allows(path []string, keyword string) bool
	// Opens says that keyword begins a block there.
	Opens(path []string, keyword string) bool
}

// Tree is a parsed configuration.
type Tree struct {
	Nodes []*Node
	Files []string // every file read, in the order of first reading
}

// Bounds on what one configuration may cost.
const (
	maxFile      = 64 << 20 // bytes of one file, and of all files together
	maxExpanded  = 64 << 20 // bytes that definitions and loops may produce
	maxLines     = 2_000_000
	maxNesting   = 100 // loops and definitions inside one another
	maxIncludes  = 32  // include files inside one another
	maxFileCount = 10_000
	maxErrors    = 1000
)

// Parse reads the file name from fsys, with everything it includes, and
// returns its statements with definitions, loops and conditions applied. The
// tree is as complete as the text allows, whatever is in the ErrorList. A
// name may be absolute: its leading slash is taken off for fsys, so pass the
// root directory then.
func Parse(fsys fs.FS, name string, env Env) (*Tree, ErrorList) {
	t := &Tree{}
	var errs ErrorList
	t.Files, errs = Each(fsys, name, env, func() func(*Node) bool {
		t.Nodes = nil
		return func(n *Node) bool {
			t.Nodes = append(t.Nodes, n)
			return true
		}
	})
	return t, errs
}

// Each reads like Parse and hands over each statement of the top level as soon
// as it is complete, so that the text never stands in memory as a whole. The
// function that begin returns says whether it keeps the statement; if not, the
// memory is used again. Text whose braces do not match is read twice; begin is
// called once more then, and what was made of the first reading is to be
// forgotten. The files are those of Tree.Files.
func Each(fsys fs.FS, name string, env Env, begin func() func(*Node) (keep bool)) (files []string, errs ErrorList) {
	p := newParser(fsys, env, begin())
	p.main(name)
	if b := &p.build; env.Grammar != nil && (b.extra > 0 || b.missing > 0) {
		again := newParser(fsys, env, begin())
		again.build.repair(b.extra, b.missing, env.Grammar)
		again.main(name)
		p = again
	}
	return p.names, p.errors()
}

// parser is the state of one pass over the text.
type parser struct {
	fsys  fs.FS
	env   Env
	build builder

	open    []*source // include stack, the innermost last
	names   []string
	rank    map[string]int // order of the files, for sorting what was found
	errs    ErrorList
	dropped int // findings beyond maxErrors

	defs       map[string]*definition
	pending    *definition // a multi-line definition being read
	unresolved []reference
	told       map[Pos]bool // references already reported
	read       int          // bytes read
	lines      int          // logical lines expanded
	bytes      int          // bytes expanded
	full       bool         // a bound was passed: stop

	each  func(*Node) bool
	words []Word // slab the words of statements are cut from
	first int    // index in words where the statement being read begins
	kept  int    // words that must stay
	raw   string // text of its earlier physical lines
	split *Error // the finding about a backslash in it
}

func newParser(fsys fs.FS, env Env, each func(*Node) bool) *parser {
	if env.MaxExpansion == 0 {
		env.MaxExpansion = maxLines
	}
	p := &parser{fsys: fsys, env: env, each: each, rank: map[string]int{}, told: map[Pos]bool{},
		defs: map[string]*definition{}}
	p.build.report, p.build.enough, p.build.stop = p.report, p.enough, func() { p.full = true }
	return p
}

func (p *parser) main(name string) {
	src, err := p.load(name)
	if err != nil {
		p.fail(Pos{File: name}, 0, err.hint, "%v", err.cause)
		return
	}
	p.file(src)
	p.build.finish()
	p.deliver()
	p.reportUnresolved()
}

// deliver hands over what is complete. What is not kept makes room for the
// next statement, the words of which may have been read already.
func (p *parser) deliver() {
	keep := false
	for _, n := range p.build.root.Body {
		keep = p.each(n) || keep
	}
	p.build.root.Body = p.build.root.Body[:0]
	if keep {
		p.kept, p.build.kept = p.first, len(p.build.nodes)
		return
	}
	p.build.nodes = p.build.nodes[:p.build.kept]
	p.words = append(p.words[:p.kept], p.words[p.first:]...)
	p.first = p.kept
}

// enough counts a finding that is one too many to keep.
func (p *parser) enough() bool {
	if len(p.errs) < maxErrors {
		return false
	}
	p.dropped++
	return true
}

// report keeps a finding, up to a bound.
func (p *parser) report(e *Error) {
	if !p.enough() {
		p.errs = append(p.errs, e)
	}
}

func (p *parser) fail(at Pos, n int, hint, format string, args ...any) {
	if p.enough() {
		return
	}
	p.report(&Error{Pos: at, Len: n, Severity: Failure, Err: fmt.Errorf(format, args...), Hint: hint})
}

func (p *parser) warn(at Pos, n int, s Severity, hint, format string, args ...any) {
	if p.enough() {
		return
	}
	p.report(&Error{Pos: at, Len: n, Severity: s, Err: fmt.Errorf(format, args...), Hint: hint})
}

// errors are the findings in the order of the text.
func (p *parser) errors() ErrorList {
	p.errs.Sort(p.names)
	if p.dropped > 0 {
		p.errs = append(p.errs, &Error{Pos: p.errs[len(p.errs)-1].Pos, Severity: Failure,
			Err: fmt.Errorf("%d more faults are not shown", p.dropped)})
	}
	return p.errs
}

// Sort puts the findings in the order of the text; files gives the order of
// the files.
func (l ErrorList) Sort(files []string) {
	rank := make(map[string]int, len(files))
	for i, f := range files {
		rank[f] = i
	}
	sort.SliceStable(l, func(i, j int) bool {
		a, b := l[i].Pos, l[j].Pos
		if a.File != b.File {
			return rank[a.File] < rank[b.File]
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Col < b.Col
	})
}
