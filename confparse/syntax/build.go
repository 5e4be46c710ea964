package syntax

import "fmt"

// builder makes the tree of statements from words and braces.
type builder struct {
	root   Node
	stack  []frame
	last   *Node // the newest statement here; a '{' opens its body
	nodes  []Node
	kept   int // nodes of the slab that must stay
	report func(*Error)
	enough func() bool // a finding would be one too many
	stop   func()      // no more is to be read

	extra   int  // closing braces too many, found by a first pass
	missing int  // closing braces too few
	begun   bool // something stood before this place
	stray   Pos  // the last '{' reported

	// A second pass over text whose braces do not match asks the grammar
	// where they should stand.
	grammar Grammar
	close1  int // closing braces still to be taken for surplus
	open1   int // blocks still to be closed for the writer
	path    []string
}

// frame is an open block. A stray '{' has none of its own: its statements
// belong to the block around it.
type frame struct {
	node  *Node
	stray bool
}

// repair prepares the pass that looks for the places of the wrong braces.
func (b *builder) repair(extra, missing int, g Grammar) {
	b.grammar, b.close1, b.open1 = g, extra, missing
}

func (b *builder) fail(at Pos, n int, hint, format string, args ...any) {
	if b.enough() {
		return
	}
	b.report(&Error{Pos: at, Len: n, Path: b.where(), Severity: Failure, Err: fmt.Errorf(format, args...), Hint: hint})
}

// top is the block that statements are added to now.
func (b *builder) top() *Node {
	if n := len(b.stack); n > 0 {
		return b.stack[n-1].node
	}
	return &b.root
}

// where names the open blocks.
func (b *builder) where() string {
	var names []string
	for _, f := range b.stack[:min(len(b.stack), maxDepth)] {
		if !f.stray {
			names = append(names, header(f.node))
		}
	}
	return Path(names...)
}

// header is the beginning of a block as a message names it.
func header(n *Node) string {
	s := clip(n.Words[0].Text)
	for _, w := range n.Words[1:min(len(n.Words), 3)] {
		s += " " + clip(w.Text)
	}
	return s
}

// clip shortens a word for a message.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

// node takes a Node from a slab.
func (b *builder) node() *Node {
	if len(b.nodes) == cap(b.nodes) {
		b.nodes, b.kept = make([]Node, 0, 512), 0
	}
	b.nodes = b.nodes[:len(b.nodes)+1]
	n := &b.nodes[len(b.nodes)-1]
	*n = Node{Body: n.Body[:0]}
	return n
}

// between says that the statements of the top level read so far are complete
// once another one begins. Where a brace is wrong nothing is sure before the
// end.
func (b *builder) between() bool {
	return len(b.stack) == 0 && len(b.root.Body) > 0 && b.grammar == nil
}

func (b *builder) statement(words []Word, raw string) {
	if b.grammar != nil {
		b.check(words)
	}
	n := b.node()
	n.Words, n.Raw = words, raw
	t := b.top()
	t.Body = append(t.Body, n)
	b.last, b.begun = n, true
}

func (b *builder) open(at Pos) {
	if b.last != nil && !b.last.Braces {
		b.last.Braces = true
		b.push(frame{node: b.last})
		return
	}
	if at.File != b.stray.File || at.Line != b.stray.Line {
		b.strayOpen(at)
		b.stray = at
	}
	b.push(frame{node: b.top(), stray: true})
	b.begun = true
}

// maxOpen is how many blocks may be open inside one another.
const maxOpen = 1000

func (b *builder) push(f frame) {
	if len(b.stack) == maxOpen {
		b.tooDeep(f)
	}
	b.stack = append(b.stack, f)
	b.last = nil
}

func (b *builder) tooDeep(f frame) {
	at := f.node.Words
	if len(at) > 0 {
		b.fail(at[0].Pos, len(at[0].Text), "the rest is not read", "more than %d blocks are open inside one another", maxOpen)
	}
	b.stop()
}

func (b *builder) strayOpen(at Pos) {
	t := b.top()
	switch {
	case !b.begun:
		b.fail(at, 1, "", "'{' without a keyword before it (JSON?)")
	case t != &b.root && len(t.Body) == 0:
		b.fail(at, 1, "delete it", "unexpected '{' after '%s {'", header(t))
	default:
		b.fail(at, 1, "delete it, or put a keyword before it", "unexpected '{'")
	}
}

func (b *builder) close(at Pos) {
	b.begun = true
	if len(b.stack) == 0 {
		b.extra++
		b.fail(at, 1, "delete it", "'}' without a matching '{'")
		b.last = nil
		return
	}
	b.pop(at)
}

func (b *builder) pop(at Pos) {
	f := b.stack[len(b.stack)-1]
	b.stack = b.stack[:len(b.stack)-1]
	b.last = nil
	if !f.stray {
		f.node.End = at
		b.last = f.node // a '{' right behind is stray, for it has Braces
	}
}

// finish ends the text: blocks still open are reported where they begin.
func (b *builder) finish() {
	b.missing = len(b.stack)
	for i := len(b.stack) - 1; i >= 0; i-- {
		f := b.stack[i]
		b.stack = b.stack[:i]
		if f.stray {
			continue
		}
		w := f.node.Words[0]
		b.fail(w.Pos, len(w.Text), "add '}'; the end of the file was reached",
			"block '%s {' is never closed", header(f.node))
	}
}
