package syntax

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// definition is the value of a $NAME.
type definition struct {
	name  string
	pos   Pos
	lines []line // one, or several for a multi-line definition
	skip  bool   // its condition failed: read and forgotten
}

// reference is a $NAME or ${NAME parameters} in a line.
type reference struct {
	name   string
	params []string
	end    int // index behind it
	pos    Pos
	quoted bool
	braces bool
}

// spend counts expanded text and says whether the bounds still hold.
func (p *parser) spend(l *line) bool {
	if p.full {
		return false
	}
	p.lines++
	p.bytes += len(l.text) + 16*len(l.marks) // what it costs to copy
	if p.lines > p.env.MaxExpansion || p.bytes > maxExpanded {
		p.full = true
		p.fail(l.at(0), len(l.text), "is a loop or a definition larger than meant?",
			"definitions and loops expand to more than %d lines or %d bytes; the rest is not read",
			p.env.MaxExpansion, maxExpanded)
		return false
	}
	return true
}

// expand takes a logical line through condition, definition, loop,
// substitution and include to the lexer. What a substitution yields is looked
// at again from the beginning.
func (p *parser) expand(l line, depth int) {
	if !p.spend(&l) {
		return
	}
	if depth > maxNesting {
		p.fail(l.at(0), len(l.text), "", "definitions are nested more than %d deep", maxNesting)
		return
	}
	l.text = decomment(l.text)
	l = l.trim()
	if l.text == "" {
		return
	}
	if l.text[0] == '@' && !p.condition(&l) {
		return
	}
	switch {
	case p.define(l):
	case strings.HasPrefix(l.text, "~SEQ"), strings.HasPrefix(l.text, "~LST"):
		p.repeat(l, depth)
	case p.substitute(l, depth):
	case p.include(l):
	default:
		p.lex(l)
	}
}

// condition resolves "@id text" and "@^id text".
func (p *parser) condition(l *line) bool {
	n := strings.IndexAny(l.text, " \t")
	if n < 0 {
		return false
	}
	id := l.text[1:n]
	want := true
	if strings.HasPrefix(id, "^") {
		id, want = id[1:], false
	}
	rest := l.cut(n, len(l.text))
	*l = rest.trim()
	if (id == p.env.ConfigID) == want {
		return l.text != ""
	}
	if p.env.ConfigID == "" {
		p.warn(rest.at(-n), n, Note, "set the config id with -i",
			"'@%s' does not match: no config id is set; the line is skipped", id)
	}
	if name, value, ok := splitDefinition(l.text); ok && strings.HasSuffix(value, `\`) {
		p.pending = &definition{name: name, skip: true}
	}
	return false
}

func letter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// nameLen is the length of the name that s begins with.
func nameLen(s string) int {
	if s == "" || !letter(s[0]) {
		return 0
	}
	n := 1
	for n < len(s) && (letter(s[n]) || digit(s[n])) {
		n++
	}
	return n
}

// splitDefinition recognises "$NAME=value".
func splitDefinition(text string) (name, value string, ok bool) {
	if !strings.HasPrefix(text, "$") {
		return "", "", false
	}
	n := nameLen(text[1:])
	if n == 0 || len(text) <= n+1 || text[n+1] != '=' {
		return "", "", false
	}
	return text[1 : n+1], text[n+2:], true
}

// define takes a line that is a definition.
func (p *parser) define(l line) bool {
	name, value, ok := splitDefinition(l.text)
	if !ok {
		return false
	}
	rest := l.cut(len(l.text)-len(value), len(l.text))
	d := &definition{name: name, pos: l.at(0)}
	if strings.HasSuffix(value, `\`) {
		d.add(rest)
		p.pending = d
		return true
	}
	d.lines = []line{rest.trim()}
	p.store(d)
	return true
}

// add appends a line that ends in a backslash or is the last.
func (d *definition) add(l line) {
	if strings.HasSuffix(l.text, `\`) {
		l = l.cut(0, len(l.text)-1)
	}
	if l = l.trim(); l.text != "" {
		d.lines = append(d.lines, l)
	}
}

// extendDefinition adds a physical line to the multi-line definition. A blank
// line ends it, and so does a line without a backslash at its end; a line
// that is all comment is left out.
func (p *parser) extendDefinition(l line) {
	raw := l.trim()
	if raw.text == "" {
		p.endDefinition()
		return
	}
	raw.text = decomment(raw.text)
	t := raw.trim()
	if t.text == "" {
		return
	}
	p.pending.add(t)
	if !strings.HasSuffix(t.text, `\`) {
		p.endDefinition()
	}
}

func (p *parser) endDefinition() {
	d := p.pending
	p.pending = nil
	if d == nil || d.skip {
		return
	}
	if len(d.lines) == 0 {
		d.lines = []line{{pos: d.pos}}
	}
	p.store(d)
}

// store keeps a definition unless its value leads back to itself.
func (p *parser) store(d *definition) {
	if via, ok := p.leadsTo(d, d.name, map[string]bool{}); ok {
		if via == "" {
			p.fail(d.pos, len(d.name)+1, "", "definitions are nested more than %d deep", maxNesting)
		} else if via == d.name {
			p.fail(d.pos, len(d.name)+1, "", "$%s refers to itself", d.name)
		} else {
			p.fail(d.pos, len(d.name)+1, "", "$%s and $%s refer to each other", d.name, via)
		}
		return
	}
	p.defs[d.name] = d
}

// leadsTo says whether expanding d meets name again, and through what; through
// "" when definitions are nested too deep to see.
func (p *parser) leadsTo(d *definition, name string, seen map[string]bool) (string, bool) {
	if len(seen) > maxNesting {
		return "", true
	}
	for i := range d.lines {
		if !p.spend(&d.lines[i]) {
			return "", false
		}
		for _, ref := range references(&d.lines[i]) {
			if ref.name == name {
				return d.name, true
			}
			next := p.defs[ref.name]
			if next == nil || seen[ref.name] {
				continue
			}
			seen[ref.name] = true
			if via, ok := p.leadsTo(next, name, seen); ok {
				return via, true
			}
			if p.full {
				return "", false
			}
		}
	}
	return "", false
}

// references lists what a line refers to.
func references(l *line) (refs []reference) {
	for i := 0; ; {
		j := strings.IndexByte(l.text[i:], '$')
		if j < 0 {
			return refs
		}
		i += j
		ref, ok := refAt(l.text, i)
		if !ok {
			i++
			continue
		}
		refs = append(refs, ref)
		i = ref.end
	}
}

// refAt recognises "$NAME" before a blank, a comma, a closing parenthesis or
// the end of the line, and "${NAME parameters}" anywhere.
func refAt(text string, i int) (ref reference, ok bool) {
	s := text[i+1:]
	if strings.HasPrefix(s, "{") {
		k := strings.IndexByte(s, '}')
		if k < 0 {
			return ref, false
		}
		inner := s[1:k]
		n := nameLen(inner)
		if n == 0 || n < len(inner) && inner[n] != ' ' {
			return ref, false
		}
		ref = reference{name: inner[:n], params: strings.Fields(inner[n:]), end: i + 1 + k + 1, braces: true}
		return ref, plainParams(ref.params)
	}
	n := nameLen(s)
	if n == 0 || n < len(s) && !strings.ContainsRune(" \t,)", rune(s[n])) {
		return ref, false
	}
	return reference{name: s[:n], end: i + 1 + n}, true
}

func plainParams(params []string) bool {
	for _, s := range params {
		for i := range len(s) {
			if !letter(s[i]) && !digit(s[i]) {
				return false
			}
		}
	}
	return true
}

// substitute replaces the references of a line and passes the outcome on. It
// is false if there was nothing to replace.
func (p *parser) substitute(l line, depth int) bool {
	changed, quoted := false, false
	for i, counted := 0, 0; ; {
		j := strings.IndexByte(l.text[i:], '$')
		if j < 0 {
			break
		}
		j += i
		quoted = quoted != (strings.Count(l.text[counted:j], `"`)%2 == 1)
		counted = j
		ref, ok := refAt(l.text, j)
		if !ok {
			p.halfReference(&l, j)
			i = j + 1
			continue
		}
		ref.pos, ref.quoted = l.at(j), quoted
		value, ok := p.value(ref)
		if !ok || len(value) > 1 && ref.end != len(l.text) {
			i = ref.end
			continue
		}
		if !p.spend(&l) {
			return true
		}
		changed = true
		if len(value) > 1 {
			p.spread(l.cut(0, j), value, depth)
			return true
		}
		piece := line{text: value[0].text, marks: []mark{{pos: ref.pos, fixed: true}}}
		l = join(l.cut(0, j), piece, l.cut(ref.end, len(l.text)))
		i = j
		if strings.HasPrefix(piece.text, "~") {
			break
		}
	}
	if changed {
		p.expand(l, depth+1)
	}
	return changed
}

// spread passes on a multi-line definition that stands behind prefix.
func (p *parser) spread(prefix line, value []line, depth int) {
	if prefix.text == "" {
		p.expand(value[0], depth+1)
	} else {
		p.expand(join(prefix, value[0]), depth+1)
	}
	for _, l := range value[1:] {
		p.expand(l, depth+1)
	}
}

// halfReference reports a defined $NAME that is not replaced because of the
// letter behind it.
func (p *parser) halfReference(l *line, i int) {
	n := nameLen(l.text[i+1:])
	at := l.at(i)
	if n == 0 || p.told[at] || p.defs[l.text[i+1:i+1+n]] == nil {
		return
	}
	p.told[at] = true
	name := l.text[i+1 : i+1+n]
	p.warn(at, n+1, Warning, "write '${"+name+"}'",
		"$%s is replaced only before a blank, a comma or ')'", name)
}

// value finds what a reference stands for.
func (p *parser) value(ref reference) ([]line, bool) {
	if d := p.defs[ref.name]; d != nil {
		return d.lines, true
	}
	text, ok, err := p.builtin(ref)
	if err != nil {
		p.fail(ref.pos, len(ref.name)+1, "", "${%s}: %v", ref.name, err)
	}
	if ok {
		return []line{{text: text}}, true
	}
	if err == nil && !p.told[ref.pos] && len(p.unresolved) < maxErrors {
		p.told[ref.pos] = true
		p.unresolved = append(p.unresolved, ref)
	}
	return nil, false
}

// builtin gives the values that are defined from the beginning.
func (p *parser) builtin(ref reference) (text string, ok bool, err error) {
	most := 0
	switch ref.name {
	case "_PWD":
		text = path.Dir(p.open[len(p.open)-1].name)
	case "_INSTANCE":
		text = p.env.ConfigID
	case "_HASH":
		text = "#"
	case "_BANG":
		text = "!"
	case "_RANDOM":
		most = 2
		text, err = p.random(ref.params)
	case "_ENV":
		most = 1
		if len(ref.params) == 0 {
			return "", false, fmt.Errorf("the name of a variable is missing")
		}
		if p.env.Getenv != nil {
			text = p.env.Getenv(ref.params[0])
		}
	default:
		return "", false, nil
	}
	if err == nil && len(ref.params) > most {
		err = fmt.Errorf("%d parameters, at most %d are allowed", len(ref.params), most)
	}
	return text, err == nil, err
}

// random is a number of the inclusive range; 0 to 32767 by default.
func (p *parser) random(params []string) (string, error) {
	bound := [2]int{0, 32767}
	for i, s := range params[:min(len(params), 2)] {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 1<<31-1 {
			return "", fmt.Errorf("'%s' is not a number of 0 to 2147483647", s)
		}
		bound[i] = n
	}
	if bound[0] > bound[1] {
		return "", fmt.Errorf("minimum %d is above maximum %d", bound[0], bound[1])
	}
	n := bound[0]
	if p.env.Random != nil {
		n += p.env.Random(bound[1] - bound[0] + 1)
	}
	return strconv.Itoa(n), nil
}

// reportUnresolved tells of references to what is not defined.
func (p *parser) reportUnresolved() {
	for _, ref := range p.unresolved {
		name := "$" + ref.name
		if ref.braces {
			name = "${" + ref.name + "}"
		}
		severity := Failure
		if ref.quoted {
			severity = Warning // a shell may be meant to see it
		}
		if d := p.defs[ref.name]; d != nil {
			p.warn(ref.pos, len(name), severity, "move the definition up",
				"%s is used before its definition (line %d)", name, d.pos.Line)
			continue
		}
		p.warn(ref.pos, len(name), severity, "define it: $"+ref.name+"=value", "%s is not defined", name)
	}
}
