package lsp

import (
	"sort"
	"strings"
	"sync"

	"keepgo/confparse"
	"keepgo/confparse/format"
)

// The tree of confparse/syntax is what a configuration means: expanded, and
// without what a condition leaves out. An editor asks about what is written,
// of a text that is seldom whole. So a document has an outline as well: its
// statements with the bytes they stand at.

// word is text[start:end] of a document; quotes are within.
type word struct {
	text       string
	start, end int
}

// statement is a line of words, or a block.
type statement struct {
	words  []word
	parent *statement
	depth  int
	body   []*statement
	braces bool
	open   int // behind the opening brace
	close  int // the closing brace, or where the block must have ended
	closed bool
	// definition says that the body is the value of a $NAME: where it will
	// stand is not known here.
	definition bool
}

// variable is a definition of a $NAME.
type variable struct {
	name       string
	start, end int    // of $NAME
	raw        string // what is behind the =, or the head of the loop
	loop       bool   // ~SEQ or ~LST gives the values
}

// value is what the name stands for, line by line.
func (v variable) value() string {
	var lines []string
	for line := range strings.SplitSeq(v.raw, "\n") {
		line = strings.TrimSpace(line[:format.Comment(line)])
		if line = strings.TrimSpace(strings.TrimSuffix(line, `\`)); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// outline is a document with its statements.
type outline struct {
	*text
	root *statement
	vars []variable
	// context is the keyword of the block that includes the file; nil is the
	// top level.
	context *confparse.Keyword
}

// maxDepth is how deep blocks of an outline are kept apart. The deepest of
// keepalived's is the sixth.
const maxDepth = 50

// opener is the keyword whose block a statement is; nil for the top level and
// for what is not known.
func (o *outline) opener(n *statement) *confparse.Keyword {
	if n.parent == nil {
		return o.context
	}
	return o.keyword(n)
}

// block is the table of a block's inside; nil if it is not known.
func (o *outline) block(n *statement) confparse.Block {
	if n.definition {
		return nil
	}
	if k := o.opener(n); k != nil {
		return k.Block
	}
	if n.parent == nil {
		return confparse.Top()
	}
	return nil
}

// keyword is the row of a statement's first word; nil for a line of a list and
// for what is not known. In a definition it is found by its name alone.
func (o *outline) keyword(n *statement) *confparse.Keyword {
	if n.parent == nil || len(n.words) == 0 {
		return nil
	}
	name := n.words[0].text
	if n.parent.definition {
		return everywhere()[name]
	}
	if b := o.block(n.parent); b != nil && !b.Lines() {
		return b.Keyword(name)
	}
	return nil
}

// everywhere is the first row of each name, the outer blocks before the inner.
var everywhere = sync.OnceValue(func() map[string]*confparse.Keyword {
	all := map[string]*confparse.Keyword{}
	for blocks := []confparse.Block{confparse.Top()}; len(blocks) > 0; blocks = blocks[1:] {
		for _, k := range blocks[0].Keywords() {
			if all[k.Name] == nil {
				all[k.Name] = k
			}
			if k.Block != nil && !k.Block.Lines() {
				blocks = append(blocks, k.Block)
			}
		}
	}
	return all
})

// inside is the innermost block that a byte stands in.
func (o *outline) inside(offset int) *statement {
	b := o.root
	for {
		n := before(b.body, offset)
		if n == nil || !n.braces || offset < n.open || offset > n.close || offset == n.close && !n.closed && offset < len(o.s) {
			return b
		}
		b = n
	}
}

// before is the last statement of a body that begins at a byte or before it.
func before(body []*statement, offset int) *statement {
	k := sort.Search(len(body), func(k int) bool { return body[k].words[0].start > offset })
	if k == 0 {
		return nil
	}
	return body[k-1]
}

// cursor is what stands at a byte: the block, the statement on this line, and
// the word the byte touches. Between words and behind them, index is that of
// the word that would begin there, and word is empty.
type cursor struct {
	block     *statement
	statement *statement
	index     int
	word      word
	comment   bool
}

func (o *outline) at(offset int) cursor {
	c := cursor{block: o.inside(offset), word: word{start: offset, end: offset}}
	start := o.rows[sort.SearchInts(o.rows, offset+1)-1]
	if start+format.Comment(o.s[start:offset]) < offset {
		c.comment = true
		return c
	}
	n := before(c.block.body, offset)
	if n == nil || strings.Contains(o.s[n.words[0].start:offset], "\n") || n.braces && offset >= n.open {
		return c
	}
	c.statement = n
	for i, w := range n.words {
		if offset <= w.end {
			if c.index = i; offset >= w.start {
				c.word = w
			}
			return c
		}
	}
	c.index = len(n.words)
	return c
}

// reference is a $NAME or ${NAME ...} of a text.
type reference struct {
	name       string
	start, end int // with its sign and braces
}

// references lists those of s[i:end].
func references(s string, i, end int) (refs []reference) {
	for ; i < end; i++ {
		if s[i] != '$' {
			continue
		}
		start := i + 1
		braces := start < end && s[start] == '{'
		if braces {
			start++
		}
		n := nameEnd(s[:end], start)
		if n == start {
			continue
		}
		r := reference{name: s[start:n], start: i, end: n}
		if k := strings.IndexByte(s[n:end], '}'); braces && k >= 0 {
			r.end = n + k + 1
		}
		refs = append(refs, r)
		i = r.end - 1
	}
	return refs
}

// reference is the $NAME that a byte touches.
func (o *outline) reference(offset int) (reference, bool) {
	start := o.rows[sort.SearchInts(o.rows, offset+1)-1]
	end := len(o.s)
	if k := strings.IndexByte(o.s[start:], '\n'); k >= 0 {
		end = start + k
	}
	for _, r := range references(o.s, start, end) {
		if offset >= r.start && offset <= r.end {
			return r, true
		}
	}
	return reference{}, false
}
