package syntax

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

// source is one opened file.
type source struct {
	name string // as the user gave it
	file fs.File
	size int64
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

// load opens a file within the bounds.
func (p *parser) load(name string) (*source, *fault) {
	if _, ok := p.rank[name]; !ok {
		p.rank[name] = len(p.names)
		p.names = append(p.names, name)
	}
	if info, err := fs.Stat(p.fsys, fsName(name)); err == nil && info.Mode()&noFile != 0 && !handedOver(name) {
		return nil, faultf("", "%s is a pipe, a socket or a device, which could be waited for without end", name)
	}
	f, err := p.fsys.Open(fsName(name))
	if err != nil {
		return nil, readFault(name, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		f.Close()
		return nil, readFault(name, err)
	case info.IsDir():
		f.Close()
		return nil, faultf("use "+path.Join(name, "*.conf"), "%s is a directory", name)
	case int64(p.read)+info.Size() > maxFile:
		f.Close()
		return nil, tooLarge(name, info.Size())
	}
	return &source{name: name, file: f, size: info.Size()}, nil
}

// noFile is what else a name can stand for.
const noFile = fs.ModeNamedPipe | fs.ModeSocket | fs.ModeDevice

// handedOver tells whether a name is that of an open descriptor, as the shell
// gives them: keepalived -f <(make-conf).
func handedOver(name string) bool {
	return name == "/dev/stdin" || strings.HasPrefix(name, "/dev/fd/") || strings.HasPrefix(name, "/proc/self/fd/")
}

func tooLarge(name string, size int64) *fault {
	return faultf("", "%s has %d bytes; a configuration may have %d with everything it includes", name, size, maxFile)
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

// notText says why the first block of a file is no text of lines; nil if it is.
func notText(s []byte) *fault {
	head := string(s[:min(len(s), 4096)])
	switch {
	case strings.HasPrefix(head, "\xff\xfe"), strings.HasPrefix(head, "\xfe\xff"):
		return faultf("save it as UTF-8", "the file is UTF-16")
	case strings.HasPrefix(head, "\x7fELF"):
		return faultf("", "this is a binary file (ELF)")
	case binary(head):
		return faultf("", "this is a binary file")
	case strings.Count(head, "\r") > 1 && bytes.IndexByte(s, '\n') < 0:
		return faultf("convert the line ends", "the file has CR-only line ends and is one long line")
	}
	return nil
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

// file reads a source line by line and closes it.
func (p *parser) file(src *source) {
	p.open = append(p.open, src)
	p.pending = nil
	if f := p.blocks(src); f != nil {
		p.fail(Pos{File: src.name, Line: 1, Col: 1}, 0, f.hint, "%v", f.cause)
	}
	src.file.Close()
	p.endDefinition()
	p.endStatement()
	p.open = p.open[:len(p.open)-1]
}

// blockSize is how much of a file is held at once, unless a line is longer.
const blockSize = 64 << 10

// blocks reads a file in blocks of whole lines.
func (p *parser) blocks(src *source) *fault {
	buf := make([]byte, min(max(src.size, 0)+1, blockSize))
	have, line := 0, 0 // bytes of a line whose end is still to come; lines read
	for !p.full {
		n, err := io.ReadFull(src.file, buf[have:])
		if p.read += n; p.read > maxFile {
			return tooLarge(src.name, int64(p.read))
		}
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return readFault(src.name, err)
		}
		have += n
		end := bytes.LastIndexByte(buf[:have], '\n') + 1
		if last {
			end = have
		}
		if line == 0 {
			if f := notText(buf[:have]); f != nil {
				return f
			}
		}
		line = p.block(src.name, string(buf[:end]), line)
		if last {
			return nil
		}
		have = copy(buf, buf[end:have])
		if have == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
	}
	return nil
}

// block takes a block of lines, of which line stand before it.
func (p *parser) block(name, rest string, line int) int {
	if line == 0 { // a byte order mark is no part of the first keyword
		rest = strings.TrimPrefix(rest, "\xef\xbb\xbf")
	}
	for rest != "" && !p.full {
		text, after, _ := strings.Cut(rest, "\n")
		rest = after
		line++
		if strings.HasSuffix(text, "\r") {
			text = strings.TrimRight(text, "\r")
		}
		p.physical(lineOf(name, text, line))
	}
	return line
}

func lineOf(name, text string, n int) line {
	return line{text: text, pos: Pos{File: name, Line: n, Col: 1}}
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
