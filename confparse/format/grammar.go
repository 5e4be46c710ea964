package format

import (
	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// Grammar is the table of keywords as the builder of the tree asks for it:
// with it, syntax.Parse finds in text whose braces do not match the statements
// that confparse.Load finds.
func Grammar() syntax.Grammar { return grammar{} }

type grammar struct{}

// Allows says that a keyword may begin a statement in a block.
func (grammar) Allows(path []string, keyword string) bool {
	b := blockAt(path)
	switch {
	case b == nil:
		return false
	case b.Lines():
		return !knownAround(path, keyword)
	}
	return b.Keyword(keyword) != nil
}

// Opens says that a keyword begins a block there.
func (grammar) Opens(path []string, keyword string) bool {
	b := blockAt(path)
	if b == nil || b.Lines() {
		return false
	}
	k := b.Keyword(keyword)
	return k != nil && k.Block != nil
}

// knownAround says that a block around a list knows a keyword.
func knownAround(path []string, keyword string) bool {
	for n := range path {
		if b := blockAt(path[:n]); b != nil && b.Keyword(keyword) != nil {
			return true
		}
	}
	return false
}

// blockAt follows block keywords through the table.
func blockAt(path []string) confparse.Block {
	b := confparse.Top()
	for _, kw := range path {
		k := b.Keyword(kw)
		if k == nil || k.Block == nil {
			return nil
		}
		b = k.Block
	}
	return b
}
