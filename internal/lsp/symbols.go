package lsp

import "strings"

// symbols are the blocks of a document, and its definitions.
func (o *outline) symbols(e encoding) []documentSymbol {
	list := o.blocks(o.root, e)
	for _, v := range o.vars {
		if !v.loop {
			at := o.span(v.start, v.end, e)
			list = append(list, documentSymbol{Name: "$" + v.name, Kind: symbolVariable, Range: at, SelectionRange: at})
		}
	}
	return list
}

func (o *outline) blocks(n *statement, e encoding) []documentSymbol {
	list := []documentSymbol{}
	for _, child := range n.body {
		if !child.braces {
			continue
		}
		first, last := child.words[0], child.words[len(child.words)-1]
		end := child.close
		if child.closed {
			end++
		} else {
			end = max(last.end, len(strings.TrimRight(o.s[:end], " \t\r\n")))
		}
		list = append(list, documentSymbol{
			Name:           o.heading(child),
			Kind:           o.symbolKind(child),
			Range:          o.span(first.start, end, e),
			SelectionRange: o.span(first.start, last.end, e),
			Children:       o.blocks(child, e),
		})
	}
	return list
}

// heading is what stands before the brace of a block.
func (o *outline) heading(n *statement) string {
	var words []string
	for _, w := range n.words {
		words = append(words, o.s[w.start:w.end])
	}
	return clip(strings.Join(words, " "))
}

func (o *outline) symbolKind(n *statement) int {
	switch k := o.keyword(n); {
	case k == nil || k.Block == nil:
		return symbolObject
	case k.Block.Lines():
		return symbolArray
	case n.parent == o.root && len(n.words) > 1:
		return symbolClass
	case n.parent == o.root:
		return symbolNamespace
	}
	return symbolObject
}
