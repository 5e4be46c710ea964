package syntax

import "strconv"

// Text whose braces do not match is read a second time. Where a keyword
// stands in a block that does not know it, and a block around it or just
// before it does, a brace is wrong between the two.

// maxDepth is how deep blocks are asked about; no grammar nests so deep.
const maxDepth = 32

// check looks at a statement about to be added.
func (b *builder) check(words []Word) {
	if len(b.stack) > maxDepth {
		return
	}
	b.unopened(words[0].Text)
	kw := words[0].Text
	if b.allows(len(b.stack), kw) {
		return
	}
	if b.open1 > 0 && b.closeFor(words[0]) {
		return
	}
	if b.close1 > 0 {
		b.reopenFor(words[0])
	}
}

// blocks are the keywords of the outermost n open blocks.
func (b *builder) blocks(n int) []string {
	b.path = b.path[:0]
	for _, f := range b.stack[:n] {
		if !f.stray {
			b.path = append(b.path, f.node.Words[0].Text)
		}
	}
	return b.path
}

func (b *builder) allows(n int, keyword string) bool {
	return b.grammar.Allows(b.blocks(n), keyword)
}

// closeFor closes the blocks between a keyword and the block that knows it.
func (b *builder) closeFor(w Word) bool {
	depth := len(b.stack)
	for k := 1; k <= min(b.open1, depth); k++ {
		if !b.allows(depth-k, w.Text) {
			continue
		}
		for ; k > 0; k-- {
			b.open1--
			b.closeBefore(w)
		}
		return true
	}
	return false
}

func (b *builder) closeBefore(w Word) {
	f := b.stack[len(b.stack)-1]
	if f.stray {
		b.pop(w.Pos)
	} else {
		last := lastLine(f.node)
		b.pop(w.Pos)
		head := f.node.Words[0]
		b.fail(head.Pos, len(head.Text), "add '}' after line "+strconv.Itoa(last),
			"'%s {' is not closed before '%s' (line %d)", header(f.node), clip(w.Text), w.Pos.Line)
	}
}

// lastLine is the last line of a block read so far.
func lastLine(n *Node) int {
	for {
		if n.End.Line > 0 {
			return n.End.Line
		}
		if len(n.Body) == 0 {
			return n.Words[0].Pos.Line
		}
		n = n.Body[len(n.Body)-1]
	}
}

// reopenFor takes back the '}' before a keyword that only the block just
// closed knows.
func (b *builder) reopenFor(w Word) {
	t := b.top()
	if len(t.Body) == 0 {
		return
	}
	prev := t.Body[len(t.Body)-1]
	if !prev.Braces || !b.grammar.Allows(append(b.blocks(len(b.stack)), prev.Words[0].Text), w.Text) {
		return
	}
	kw := prev.Words[0].Text
	b.fail(prev.End, 1, "there is one '}' too many",
		"'}' closes %s early; '%s' on line %d is then outside any %s", clip(kw), clip(w.Text), w.Pos.Line, clip(kw))
	b.close1--
	b.push(frame{node: prev})
}

// unopened reports a block keyword that no '{' follows. If braces are in
// surplus and the next statement belongs into the block, the block is opened.
func (b *builder) unopened(next string) {
	n := b.last
	if n == nil || n.Braces || b.close1 == 0 ||
		!b.grammar.Opens(b.blocks(len(b.stack)), n.Words[0].Text) {
		return
	}
	if !b.grammar.Allows(append(b.blocks(len(b.stack)), n.Words[0].Text), next) {
		return
	}
	w := n.Words[0]
	b.fail(w.Pos, len(n.Raw), "", "expected '{' after '%s'", header(n))
	b.close1--
	n.Braces = true
	b.push(frame{node: n})
}
