package syntax

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

// source is one opened file.
type source struct {
	name string // as the user gave it
	text string
}

// fault is why a file cannot be used.
type fault struct {
	cause error
	hint  string
}

func faultf(hint, format string, args ...any) *fault {
	return &fault{cause: fmt.Errorf(format, args...), hint: hint}
}

// fsName turns a path into a name that an fs.FS knows.
func fsName(name string) string {
	return strings.TrimPrefix(path.Clean(name), "/")
}

// load reads a file within the bounds.
func (p *parser) load(name string) (*source, *fault) {
	if _, ok := p.rank[name]; !ok {
		p.rank[name] = len(p.names)
		p.names = append(p.names, name)
	}
	info, err := fs.Stat(p.fsys, fsName(name))
	if err != nil {
		return nil, readFault(name, err)
	}
	if info.IsDir() {
		return nil, faultf("use "+path.Join(name, "*.conf"), "%s is a directory", name)
	}
	if int64(p.read)+info.Size() > maxFile {
		return nil, faultf("", "%s has %d bytes; a configuration may have %d with everything it includes",
			name, info.Size(), maxFile)
	}
	data, err := fs.ReadFile(p.fsys, fsName(name))
	if err != nil {
		return nil, readFault(name, err)
	}
	p.read += len(data)
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // a byte order mark is no part of the first keyword
	return &source{name: name, text: string(data)}, nil
}

func readFault(name string, err error) *fault {
	if errors.Is(err, fs.ErrNotExist) {
		return faultf("", "%s does not exist", name)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return faultf("", "cannot read %s: %v", name, err)
}

// notText says why a file is no text of lines; why is empty if it is.
func notText(s string) (why, hint string) {
	head := s[:min(len(s), 4096)]
	switch {
	case strings.HasPrefix(s, "\xff\xfe"), strings.HasPrefix(s, "\xfe\xff"):
		return "the file is UTF-16", "save it as UTF-8"
	case strings.HasPrefix(s, "\x7fELF"):
		return "this is a binary file (ELF)", ""
	case binary(head):
		return "this is a binary file", ""
	case strings.Contains(head, "\r") && !strings.Contains(s, "\n") && strings.Count(head, "\r") > 1:
		return "the file has CR-only line ends and is one long line", "convert the line ends"
	}
	return "", ""
}

// binary tells machine data from text with accents of any encoding: more than
// one byte in twenty is a control character.
func binary(head string) bool {
	control := 0
	for i := range len(head) {
		if c := head[i]; c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != '\v' {
			control++
		}
	}
	return control > 1 && control*20 > len(head)
}

// file reads a source line by line.
func (p *parser) file(src *source) {
	if why, hint := notText(src.text); why != "" {
		p.fail(Pos{File: src.name, Line: 1, Col: 1}, 0, hint, "%s", why)
		return
	}
	p.open = append(p.open, src)
	p.pending = nil
	rest, n := src.text, 0
	for rest != "" && !p.full {
		var text string
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			text, rest = rest[:i], rest[i+1:]
		} else {
			text, rest = rest, ""
		}
		n++
		if strings.HasSuffix(text, "\r") {
			text = strings.TrimRight(text, "\r")
		}
		p.physical(line{text: text, pos: Pos{File: src.name, Line: n, Col: 1}})
	}
	p.endDefinition()
	p.endStatement()
	p.open = p.open[:len(p.open)-1]
}

// physical takes one line of a file. Lines that need no expansion go straight
// to the lexer: they are nearly all.
func (p *parser) physical(l line) {
	if p.pending != nil {
		p.extendDefinition(l)
		return
	}
	text := l.text
	i := 0
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	if i == len(text) || text[i] == '#' || text[i] == '!' {
		return
	}
	if strings.IndexByte(text, 0) >= 0 {
		p.fail(l.at(strings.IndexByte(text, 0)), 1, "the line is ignored", "NUL byte")
		return
	}
	if c := text[i]; c == '@' || c == '~' || strings.HasPrefix(text[i:], "include") || strings.IndexByte(text, '$') >= 0 {
		p.expand(l, 0)
		return
	}
	p.lex(l)
}

// Letters that pages and word processors put in the place of plain ones.
var lookalikes = []struct {
	r           rune
	name        string
	replacement string
	hint        string
}{
	{'\u00a0', "no-break space (U+00A0)", " ", "use a plain blank"},
	{'\u3000', "ideographic space (U+3000)", " ", "use a plain blank"},
	{'\u200b', "invisible character U+200B", "", "delete it"},
	{'\u200c', "invisible character U+200C", "", "delete it"},
	{'\u200d', "invisible character U+200D", "", "delete it"},
	{'\ufeff', "invisible character U+FEFF", "", "delete it"},
	{'\u201c', "typographic quotes \u201c \u201d", `"`, `use "`},
	{'\u201d', "typographic quotes \u201c \u201d", `"`, `use "`},
	{'\uff03', "full-width '\uff03' (U+FF03) is no comment mark", "#", "use '#'"},
}

// plain replaces look-alike letters outside comments and says so once a line.
func (p *parser) plain(l line) line {
	text := decomment(l.text)
	var out strings.Builder
	told := false
	for i, r := range text {
		k := lookalikeIndex(r)
		if k < 0 {
			_, n := utf8.DecodeRuneInString(text[i:])
			out.WriteString(text[i : i+n])
			continue
		}
		out.WriteString(lookalikes[k].replacement)
		if !told {
			p.fail(l.at(i), 1, lookalikes[k].hint, "%s %s", lookalikes[k].name, nearby(text, i, r))
			told = true
		}
	}
	l.text = out.String()
	return l
}

func lookalikeIndex(r rune) int {
	for i := range lookalikes {
		if lookalikes[i].r == r {
			return i
		}
	}
	return -1
}

// nearby names the word a look-alike stands in or after.
func nearby(text string, i int, r rune) string {
	start := strings.LastIndexAny(text[:i], " \t") + 1
	end := i
	if k := strings.IndexAny(text[i:], " \t"); k >= 0 {
		end = i + k
	}
	switch {
	case r == '\u00a0' || r == '\u3000':
		return "after '" + text[start:i] + "'"
	case r == '\u200b' || r == '\u200c' || r == '\u200d' || r == '\ufeff':
		return "in '" + strings.ReplaceAll(text[start:max(end, start)], string(r), "") + "'"
	}
	return "in this line"
}
