package lsp

import (
	"fmt"
	"strings"

	"keepgo/confparse"
)

// hover tells about what stands at a byte; nil if there is nothing to tell.
func (a *analysis) hover(d *document, offset int, e encoding, format string) *hover {
	o := a.outline(d.name)
	about, start, end := a.aboutVariable(o, d.name, offset)
	if about == "" {
		about, start, end = a.aboutWord(o, d.name, offset)
	}
	if about == "" {
		return nil
	}
	return &hover{Contents: marked(about, format), Range: o.span(start, end, e)}
}

// Formats of documentation: LSP 3.17 "MarkupKind".
const (
	markdown  = "markdown"
	plaintext = "plaintext"
)

// marked renders Markdown for clients that have it, and as it stands without
// its signs for others.
func marked(s, format string) markup {
	if format != markdown {
		s = strings.NewReplacer("```keepalived\n", "", "```\n", "", "**", "", "`", "", `\<`, "<").Replace(s)
		format = plaintext
	}
	return markup{Kind: format, Value: s}
}

func (a *analysis) aboutVariable(o *outline, file string, offset int) (about string, start, end int) {
	r, ok := o.reference(offset)
	if !ok {
		return "", 0, 0
	}
	if v, ok := lookup(a.variables(file), r.name, file, offset); ok {
		return a.tellVariable(v, file), r.start, r.end
	}
	if doc := builtins[r.name]; doc != "" {
		return "**$" + r.name + "**\n\n" + doc, r.start, r.end
	}
	return "**$" + r.name + "** is not defined.", r.start, r.end
}

// builtins are the names that are defined from the beginning:
// keepalived.conf(5), "PREDEFINED DEFINITIONS".
var builtins = map[string]string{
	"_PWD":      "The directory of this file.",
	"_INSTANCE": "The config id: option -i, or the host's name.",
	"_HASH":     "A `#` that begins no comment.",
	"_BANG":     "A `!` that begins no comment.",
	"_RANDOM":   "`${_RANDOM [MIN [MAX]]}`: a random number.",
	"_ENV":      "`${_ENV NAME}`: a variable of the environment.",
}

func (a *analysis) tellVariable(v located, file string) string {
	where := fmt.Sprintf("Defined in %s.", a.where(place{v.file, v.start, v.end}, file))
	if v.loop {
		return "**$" + v.name + "** takes its values from " + code(v.raw) + "\n\n" + where
	}
	own := v.value()
	s := "**$" + v.name + "** = " + code(own)
	if full := a.replaced(v, file); full != own {
		s += "\n\nthat is: " + code(full)
	}
	return s + "\n\n" + where
}

// code sets a piece of configuration off from the text around it.
func code(s string) string {
	if strings.Contains(s, "\n") {
		return "\n```keepalived\n" + clip(s) + "\n```\n"
	}
	return "`" + clip(s) + "`"
}

const maxShown = 2000 // bytes of a value

func clip(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + "..."
	}
	return s
}

// replaced is the value of a variable with the variables in it replaced, as
// far as they go.
func (a *analysis) replaced(v located, file string) string {
	all := a.variables(file)
	s := v.value()
	for range maxDepth {
		refs := references(s, 0, len(s))
		var b strings.Builder
		last := 0
		for _, r := range refs {
			inner, ok := lookup(all, r.name, v.file, v.start)
			if !ok || inner.loop || inner.name == v.name || b.Len() > maxShown {
				continue
			}
			b.WriteString(s[last:r.start] + inner.value())
			last = r.end
		}
		if last == 0 {
			break
		}
		s = b.String() + s[last:]
	}
	return s
}

// where names a place for a reader of a file.
func (a *analysis) where(p place, file string) string {
	line := 0
	if o := a.outline(p.file); o != nil {
		line = o.line(p.start) + 1
	}
	if p.file == file {
		return fmt.Sprintf("line %d", line)
	}
	return fmt.Sprintf("%s, line %d", p.file, line)
}

func (a *analysis) aboutWord(o *outline, file string, offset int) (about string, start, end int) {
	c := o.at(offset)
	if c.comment || c.statement == nil || c.word.text == "" {
		return "", 0, 0
	}
	if c.index == 0 {
		if k := o.keyword(c.statement); k != nil {
			return tellKeyword(k, o.opener(c.block)), c.word.start, c.word.end
		}
	}
	if k, _ := o.use(c.block, c.statement, c.index); k != noKind {
		return a.tellName(k, c.word.text, file), c.word.start, c.word.end
	}
	if k, within := o.option(c); k != nil {
		return tellKeyword(k, within), c.word.start, c.word.end
	}
	return "", 0, 0
}

// option is the row of a word behind the first, or of what a line of a list
// begins with, and the keyword it belongs to.
func (o *outline) option(c cursor) (k, within *confparse.Keyword) {
	within = o.opener(c.block)
	if within == nil || within.Block == nil || !within.Block.Lines() {
		if within = o.keyword(c.statement); within == nil || within.Options == nil {
			return nil, nil
		}
		return within.Options.Keyword(c.word.text), within
	}
	if k = within.Block.Keyword(c.word.text); k == nil && c.index == 0 {
		k = within.Item
	}
	return k, within
}

// tellName says where a name is defined, and what its block says.
func (a *analysis) tellName(k kind, name, file string) string {
	for _, m := range a.definitions(file, k) {
		if m.name == name {
			s := fmt.Sprintf("**%s %s**\n\nDefined in %s.", k, name, a.where(m.place, file))
			if m.block != nil && m.block.braces {
				s += "\n\n" + strings.TrimPrefix(code(a.excerpt(m)), "\n")
			}
			return s
		}
	}
	return fmt.Sprintf("**%s %s** is not defined.", k, name)
}

const maxExcerpt = 12 // lines of a block

// excerpt is the beginning of a block.
func (a *analysis) excerpt(m mention) string {
	o := a.outline(m.file)
	s := o.s[m.block.words[0].start:min(m.block.close+1, len(o.s))]
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > maxExcerpt {
		lines = append(lines[:maxExcerpt:maxExcerpt], "...")
	}
	return strings.Join(lines, "\n") + "\n"
}

// tellKeyword is the row of a keyword; block is what it stands in.
func tellKeyword(k, block *confparse.Keyword) string {
	s := "**" + k.Name + "**"
	if strings.HasPrefix(k.Name, "<") { // what begins a line, not a word
		s = "`" + k.Name + "`"
	}
	if k.Args != "" {
		s += " `" + k.Args + "`"
	}
	if block != nil {
		s += " in " + block.Name
	}
	return s + "\n\n" + describe(k)
}

// describe is what the table says of a keyword.
func describe(k *confparse.Keyword) string {
	s := k.Doc + "\n"
	for _, line := range [][2]string{{"range", k.Range}, {"default", k.Default}, {"since", k.Since}, {"status", status(k)}, spelling(k)} {
		if line[1] != "" {
			s += "\n- " + line[0] + ": " + line[1]
		}
	}
	return strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "<", `\<`) // or it would begin HTML
}

// spelling tells of the better name of a keyword.
func spelling(k *confparse.Keyword) [2]string {
	switch {
	case k.Old:
		return [2]string{"deprecated", "use `" + k.Alias + "`"}
	case k.Alias != "":
		return [2]string{"same as", "`" + k.Alias + "`"}
	}
	return [2]string{}
}

func status(k *confparse.Keyword) string {
	s := k.Status.String()
	if k.Why != "" {
		s += ": " + k.Why
	}
	return s
}
