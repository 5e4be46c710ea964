// Package format writes configurations: the normal form of what was read
// (Dump), and the text of a file in order (Source).
package format

import (
	"bytes"
	"slices"
	"strings"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// indent is one level of blocks.
const indent = "    "

// Dump is the normal form of a tree: one statement a line, in the order of the
// text, under the preferred names, with quotes where they are needed.
// Statements that nothing comes of stand as comments that say why. Loading the
// outcome with secrets gives the Config that the tree gives. Without secrets,
// passwords are masked.
func Dump(tree *syntax.Tree, secrets bool) []byte {
	d := dumper{secrets: secrets}
	for i, n := range tree.Nodes {
		if i > 0 && (n.Braces || tree.Nodes[i-1].Braces) {
			d.out.WriteByte('\n')
		}
		d.statement(confparse.Top(), "", n)
	}
	if d.masked {
		return append([]byte("# passwords are masked\n\n"), d.out.Bytes()...)
	}
	return d.out.Bytes()
}

type dumper struct {
	out     bytes.Buffer
	depth   int
	secrets bool
	masked  bool
}

// statement writes a statement of the block b that the keyword in opened.
func (d *dumper) statement(b confparse.Block, in string, n *syntax.Node) {
	if b.Lines() {
		d.line(in, n)
		return
	}
	k := b.Keyword(n.Words[0].Text)
	if why := unread(k, n); why != "" {
		d.comment(in, n, why)
		return
	}
	if !n.Braces {
		d.simple(b, in, n)
		return
	}
	name := preferred(b, k)
	d.write(text(name, d.words(in, n)) + " {")
	d.depth++
	for _, child := range n.Body {
		d.statement(k.Block, name, child)
	}
	d.depth--
	d.write("}")
}

// preferred is the name that a keyword should be written with.
func preferred(b confparse.Block, k *confparse.Keyword) string {
	if k.Alias != "" && b.Keyword(k.Alias) != nil {
		return k.Alias
	}
	return k.Name
}

// unread says why nothing comes of a statement, or "".
func unread(k *confparse.Keyword, n *syntax.Node) string {
	switch {
	case k == nil || n.Words[0].Quoted:
		return "not known here"
	case k.Status == confparse.Removed:
		return k.Why
	case k.Block != nil && !n.Braces:
		return "'{' is missing"
	case k.Block == nil && n.Braces:
		return "it opens no block"
	}
	return ""
}

// simple writes a statement without a block.
func (d *dumper) simple(b confparse.Block, in string, n *syntax.Node) {
	name := preferred(b, b.Keyword(n.Words[0].Text))
	line := text(name, d.words(in, n))
	if raw := name + strings.TrimPrefix(n.Raw, n.Words[0].Text); !d.hides(in, n) && !sameFields(line, raw) {
		line = strings.TrimRight(raw, " \t") // a command or a pattern, which is split in another way
	}
	d.safely(in, n, line)
}

// line writes a line of a list.
func (d *dumper) line(in string, n *syntax.Node) {
	if n.Braces {
		d.comment(in, n, "a list holds no blocks")
		return
	}
	d.safely(in, n, text(first(n.Words[0]), n.Words))
}

// safely writes a line, unless it would be continued by the next.
func (d *dumper) safely(in string, n *syntax.Node, text string) {
	if strings.HasSuffix(text, `\`) {
		d.comment(in, n, "a backslash cannot end a line")
		return
	}
	d.write(text)
}

// sameFields says that the keywords that read the raw text of a statement
// find the same words in both.
func sameFields(a, b string) bool { return slices.Equal(syntax.Fields(a), syntax.Fields(b)) }

// comment keeps a statement out of the way, with all it has.
func (d *dumper) comment(in string, n *syntax.Node, why string) {
	d.write("# " + plain(why) + ":")
	d.commented(in, n, 0)
}

// maxShown is how deep a block without meaning is shown.
const maxShown = 32

func (d *dumper) commented(in string, n *syntax.Node, depth int) {
	at := "# " + strings.Repeat(indent, depth)
	words := d.words(in, n)
	line := plain(text(quoted(words[0]), words))
	switch {
	case !n.Braces:
		d.write(at + line)
		return
	case depth == maxShown:
		d.write(at + line + " { ... }")
		return
	}
	d.write(at + line + " {")
	for _, child := range n.Body {
		d.commented(n.Words[0].Text, child, depth+1)
	}
	d.write(at + "}")
}

// text is a statement whose first word is written as head.
func text(head string, words []syntax.Word) string {
	var b strings.Builder
	b.WriteString(head)
	for _, w := range words[1:] {
		b.WriteByte(' ')
		b.WriteString(quoted(w))
	}
	return b.String()
}

// words are those of a statement as they may be shown.
func (d *dumper) words(in string, n *syntax.Node) []syntax.Word {
	if !d.hides(in, n) {
		return n.Words
	}
	d.masked = true
	return mask(in, n.Words)
}

func (d *dumper) hides(in string, n *syntax.Node) bool {
	return !d.secrets && secretAt(in, n.Words) >= 0
}

func (d *dumper) write(line string) {
	d.out.WriteString(strings.Repeat(indent, d.depth))
	d.out.WriteString(line)
	d.out.WriteByte('\n')
}
