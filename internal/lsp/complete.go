package lsp

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"keepgo/confparse"
)

// style is what a client can show of a completion.
type style struct {
	encoding encoding
	format   string // of documentation
	snippets bool
}

// completer gathers what may stand at one place of a document.
type completer struct {
	*analysis
	*outline
	style
	file     string
	replaced span
	items    []completionItem
}

// complete lists what may stand at a byte; trigger is the letter that made the
// client ask, if one did.
func (a *analysis) complete(d *document, offset int, trigger string, st style) completionList {
	o := a.outline(d.name)
	c := &completer{analysis: a, outline: o, style: st, file: d.name, items: []completionItem{}}
	at := o.at(offset)
	start := o.dollar(offset)
	switch {
	case at.comment:
	case start >= 0:
		c.variables(start, offset)
	case trigger == "$" || trigger == "{":
	case trigger == " " && at.statement == nil: // indentation
	default:
		c.replaced = o.span(at.word.start, offset, st.encoding)
		c.words(at)
	}
	return completionList{Items: c.items}
}

// dollar is where the $NAME or ${NAME begins that ends at a byte; negative if
// none does.
func (o *outline) dollar(offset int) int {
	i := offset
	for i > 0 && isName(o.s[i-1]) {
		i--
	}
	if i > 0 && o.s[i-1] == '{' {
		i--
	}
	if i > 0 && o.s[i-1] == '$' {
		return i - 1
	}
	return -1
}

func (c *completer) add(kind int, label, detail string) *completionItem {
	c.items = append(c.items, completionItem{Label: label, Kind: kind, Detail: detail, SortText: fmt.Sprintf("%04d", len(c.items)),
		TextEdit: &textEdit{c.replaced, label}})
	return &c.items[len(c.items)-1]
}

func (c *completer) names(kind int, detail string, names ...string) {
	for _, n := range names {
		c.add(kind, n, detail)
	}
}

// variables are the definitions in reach, written as the reference is begun.
func (c *completer) variables(start, offset int) {
	braces := strings.HasPrefix(c.s[start:offset], "${")
	if braces && strings.HasPrefix(c.s[offset:], "}") {
		offset++ // editors close a brace by themselves
	}
	c.replaced = c.span(start, offset, c.encoding)
	have := map[string]bool{}
	add := func(name, detail string) {
		if have[name] {
			return
		}
		have[name] = true
		label := "$" + name
		if braces {
			label = "${" + name + "}"
		}
		item := c.add(itemVariable, label, detail)
		item.FilterText = label
	}
	for _, v := range c.analysis.variables(c.file) {
		first, _, _ := strings.Cut(clip(v.value()), "\n")
		add(v.name, first)
	}
	if braces {
		for _, name := range sortedKeys(builtins) {
			add(name, strings.ReplaceAll(builtins[name], "`", ""))
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// words are what may stand as the word at a place.
func (c *completer) words(at cursor) {
	if at.statement != nil && len(at.statement.patterns(c.file)) > 0 {
		return
	}
	block := c.block(at.block)
	k, definition := c.use(at.block, at.statement, at.index)
	switch {
	case definition || block == nil:
	case k != noKind:
		c.defined(k, c.file)
	case block.Lines():
		c.line(at, block)
	case at.index == 0:
		c.keywords(block)
	default:
		c.values(at.statement, at.index)
	}
}

// defined are the names of a kind.
func (c *completer) defined(k kind, file string) {
	var names []string
	for _, m := range c.definitions(file, k) {
		if !slices.Contains(names[max(0, len(names)-1):], m.name) {
			names = append(names, m.name)
		}
	}
	slices.Sort(names)
	c.names(itemReference, string(k), slices.Compact(names)...)
}

// line are the words of a line in a list.
func (c *completer) line(at cursor, block confparse.Block) {
	if at.index == 0 {
		if k := c.opener(at.block); strings.Contains(k.Args, "{ <IF>") {
			c.names(itemModule, "interface", c.links(c.file)...)
			return
		}
		if block.Keyword("fwmark") != nil {
			c.keyword(block.Keyword("fwmark"))
		}
		return
	}
	if k := block.Keyword(at.statement.words[at.index-1].text); k != nil && k.Args != "" {
		c.argument(k, 1)
		return
	}
	for _, k := range block.Keywords() {
		c.keyword(k)
	}
}

// keywords are those of a block.
func (c *completer) keywords(block confparse.Block) {
	for _, k := range block.Keywords() {
		if k.Status == confparse.Removed {
			continue
		}
		item := c.keyword(k)
		if k.Block != nil {
			c.opening(item, k)
		}
	}
	if block == confparse.Top() {
		item := c.add(itemKeyword, "include", "<FILE>")
		item.Documentation = c.doc("Reads another file here; `*`, `?` and `{a,b}` match several.")
	}
}

func (c *completer) doc(s string) *markup {
	m := marked(s, c.format)
	return &m
}

func (c *completer) keyword(k *confparse.Keyword) *completionItem {
	item := c.add(itemKeyword, k.Name, k.Args)
	item.Documentation = c.doc(describe(k))
	if k.Old {
		item.Tags = []int{1}
		item.SortText = "9" + item.SortText // behind the others
	}
	return item
}

// opening makes the item of a block bring its braces, where the client can
// put the cursor between them.
func (c *completer) opening(item *completionItem, k *confparse.Keyword) {
	item.Kind = itemModule
	if !c.snippets {
		return
	}
	head, _, _ := strings.Cut(k.Args, "{")
	if head = strings.TrimSpace(head); head != "" {
		head = "${1:" + strings.NewReplacer("<", "", ">", "", "$", "", "}", "").Replace(head) + "} "
	}
	item.InsertTextFormat = 2
	item.TextEdit.NewText = k.Name + " " + head + "{\n\t$0\n}"
}

// values are what may stand behind a keyword.
func (c *completer) values(n *statement, index int) {
	k := c.outline.keyword(n)
	if k == nil {
		return
	}
	if k.Options != nil {
		if o := k.Options.Keyword(n.words[index-1].text); o != nil && index > 1 && o.Args != "" && !strings.HasPrefix(o.Args, "[+") {
			c.argument(o, 1)
			return
		}
	}
	c.argument(k, index)
}

// argument are the values of one argument of a keyword, as its row describes
// them: plain words, and what a sign stands for.
func (c *completer) argument(k *confparse.Keyword, index int) {
	args, _, _ := strings.Cut(k.Args, "{")
	for form := range strings.SplitSeq(args, " | ") {
		groups := arguments(form)
		if k.Options == nil || index <= len(groups) && groups[index-1][0] != '[' {
			c.argumentOf(groups, index)
			continue
		}
		for _, o := range k.Options.Keywords() {
			c.keyword(o)
		}
	}
}

// argumentOf offers one argument; those in brackets may be left out, so that a
// later one may stand in their place.
func (c *completer) argumentOf(groups []string, index int) {
	if index <= len(groups) && groups[index-1][0] != '[' {
		c.alternatives(groups[index-1])
		return
	}
	for i, g := range groups {
		if g[0] == '[' && (i == index-1 || !strings.HasPrefix(g, "[<")) {
			c.alternatives(g)
		}
	}
}

// arguments splits a description at its blanks outside of brackets.
func arguments(s string) (list []string) {
	depth, start := 0, 0
	for i, r := range s + " " {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case r == ' ' && depth == 0:
			if i > start {
				list = append(list, s[start:i])
			}
			start = i + 1
		}
	}
	return list
}

var booleans = []string{"on", "off", "true", "false", "yes", "no"}

// alternatives offers the words of one argument.
func (c *completer) alternatives(group string) {
	for _, w := range strings.FieldsFunc(group, func(r rune) bool { return strings.ContainsRune(" |[]", r) }) {
		switch w = strings.TrimSuffix(w, "..."); {
		case w == "":
		case w == "<BOOL>":
			c.names(itemValue, "", booleans...)
		case w == "<IF>" || w == "<IFNAME>":
			c.names(itemModule, "interface", c.links(c.file)...)
		case unicode.IsLetter(rune(w[0])) || unicode.IsDigit(rune(w[0])):
			c.add(itemEnum, w, "")
		}
	}
}
