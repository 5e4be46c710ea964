package manual

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"keepgo/confparse"
)

// Columns of the text for terminals.
const (
	width  = 100
	column = 36 // where sentences begin in a list of keywords
)

// Overview lists the blocks of the table with their sentences.
func Overview() string {
	var b strings.Builder
	b.WriteString("keepgo manual NAME tells all about a block or a keyword.\n")
	section(&b, "Blocks of the top level:")
	for _, k := range confparse.Top().Keywords() {
		if k.Block != nil && !k.Old {
			row(&b, 2, head(k), k.Doc)
			inner(&b, 4, k)
		}
	}
	section(&b, "Keywords of the top level:")
	for _, k := range confparse.Top().Keywords() {
		if k.Block == nil {
			row(&b, 2, head(k), k.Doc)
		}
	}
	section(&b, "Anywhere in the text:")
	for _, k := range confparse.TextBlock().Keywords() {
		row(&b, 2, head(k), k.Doc)
	}
	return b.String()
}

// inner lists the blocks inside a block.
func inner(b *strings.Builder, indent int, of *confparse.Keyword) {
	if of.Block.Lines() {
		return
	}
	for _, k := range of.Block.Keywords() {
		if k.Block != nil && k.Status != confparse.Removed {
			row(b, indent, k.Name, k.Doc)
			inner(b, indent+2, k)
		}
	}
}

func section(b *strings.Builder, title string) { b.WriteString("\n" + title + "\n") }

// Lookup tells all about a keyword, in every place where it stands. It is
// false for a word that is none.
func Lookup(name string) (string, bool) {
	var found []entry // one of each signature
	places := map[string][]string{}
	each(func(e entry) {
		if e.role == item || e.Name != name {
			return
		}
		sig := signature(e.Keyword)
		if places[sig] == nil {
			found = append(found, e)
		}
		places[sig] = append(places[sig], e.where())
	})
	slices.SortStableFunc(found, func(a, b entry) int { return cmp.Compare(a.role, b.role) })
	var b strings.Builder
	for i, e := range found {
		if i > 0 {
			b.WriteByte('\n')
		}
		tell(&b, e.Keyword, places[signature(e.Keyword)])
	}
	return b.String(), len(found) > 0
}

// tell writes what is known of a keyword.
func tell(b *strings.Builder, k *confparse.Keyword, places []string) {
	hang(b, head(k), 0, 4)
	hang(b, k.Doc, 4, 4)
	for i, p := range places {
		label := ""
		if i == 0 {
			label = "in"
		}
		hang(b, fmt.Sprintf("%-9s%s", label, p), 4, 13)
	}
	for _, f := range facts(k) {
		hang(b, fmt.Sprintf("%-9s%s", f.name, f.text), 4, 13)
	}
	if k.Options != nil {
		section(b, "    Behind it:")
		list(b, k.Item, k.Options)
	}
	if k.Block == nil {
		return
	}
	if k.Block.Lines() {
		section(b, "    Each of its lines:")
	} else {
		section(b, "    Its keywords:")
	}
	list(b, k.Item, k.Block)
}

// list writes the rows of a block.
func list(b *strings.Builder, first *confparse.Keyword, of confparse.Block) {
	if first != nil {
		row(b, 6, head(first), first.Doc)
	}
	for _, k := range of.Keywords() {
		doc := k.Doc
		switch {
		case k.Status == confparse.NoEffect:
			doc += " (without effect)"
		case k.Old:
			doc += " (old: write '" + k.Alias + "')"
		case k.Alias != "":
			doc += " (as " + k.Alias + ")"
		}
		row(b, 6, head(k), doc)
	}
}

// row writes two columns; a head that is too long has a line to itself.
func row(b *strings.Builder, indent int, head, doc string) {
	left := strings.Repeat(" ", indent) + head
	if len(left) > column-2 {
		hang(b, head, indent, indent+4)
		hang(b, doc, column, column)
		return
	}
	hang(b, fmt.Sprintf("%-*s", column-indent, head)+doc, indent, column)
}

// hang writes text wrapped to the width: the first line behind indent blanks,
// the others behind rest.
func hang(b *strings.Builder, text string, indent, rest int) {
	for line := strings.Repeat(" ", indent) + text; ; {
		if len(line) <= width {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			return
		}
		cut := strings.LastIndexAny(line[:width+1], " |")
		switch {
		case cut <= rest:
			cut = width
		case line[cut] == '|':
			cut = min(cut+1, width)
		}
		b.WriteString(strings.TrimRight(line[:cut], " ") + "\n")
		line = strings.Repeat(" ", rest) + strings.TrimLeft(line[cut:], " ")
	}
}
