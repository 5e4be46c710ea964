package syntax

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Path joins the names of blocks, outermost first, as Error.Path has them.
func Path(blocks ...string) string { return strings.Join(blocks, " > ") }

// Count is the number of findings of one severity.
func (l ErrorList) Count(s Severity) (n int) {
	for _, e := range l {
		if e.Severity == s {
			n++
		}
	}
	return n
}

// Write prints every finding with its source line and a mark under the words
// it is about. The function source gives the text of a file by the name that
// stands in the findings; it may be nil, and it may fail.
func (l ErrorList) Write(w io.Writer, source func(file string) ([]byte, error)) error {
	r := reporter{source: source, files: map[string][][]byte{}}
	for _, e := range l {
		r.finding(e)
	}
	_, err := w.Write(r.out.Bytes())
	return err
}

type reporter struct {
	out    bytes.Buffer
	source func(string) ([]byte, error)
	files  map[string][][]byte
}

func (r *reporter) finding(e *Error) {
	fmt.Fprintf(&r.out, "%s: %s\n", e.Severity, printable(e.Err.Error()))
	gutter := len(fmt.Sprint(max(e.Pos.Line, 1)))
	if e.Pos.File != "" || e.Pos.Line > 0 {
		fmt.Fprintf(&r.out, "%*s--> %s\n", gutter, "", printable(e.Pos.String()))
	}
	r.excerpt(e, gutter)
	if e.Path != "" {
		fmt.Fprintf(&r.out, "%*s = in: %s\n", gutter, "", printable(e.Path))
	}
	if e.Hint != "" {
		fmt.Fprintf(&r.out, "%*s = help: %s\n", gutter, "", printable(e.Hint))
	}
	r.out.WriteByte('\n')
}

// maxExcerpt is how much of a line is shown.
const maxExcerpt = 160

// excerpt prints the source line and the mark below it.
func (r *reporter) excerpt(e *Error, gutter int) {
	text, ok := r.line(e.Pos)
	if !ok {
		return
	}
	col := min(max(e.Pos.Col-1, 0), len(text))
	end := min(col+max(e.Len, 1), len(text))
	from := 0
	if end > maxExcerpt {
		from = max(0, col-20)
	}
	shown := text[from:min(len(text), from+maxExcerpt)]
	before := visible(text[from:min(col, from+maxExcerpt)])
	marked := visible(text[col:max(col, min(end, from+maxExcerpt))])
	fmt.Fprintf(&r.out, "%*s |\n", gutter, "")
	fmt.Fprintf(&r.out, "%*d | %s\n", gutter, e.Pos.Line, strings.TrimRight(visible(shown), " "))
	fmt.Fprintf(&r.out, "%*s | %s%s\n", gutter, "", strings.Repeat(" ", len(before)),
		strings.Repeat("^", max(1, len(marked))))
}

// line finds the text of a line.
func (r *reporter) line(at Pos) (string, bool) {
	if r.source == nil || at.Line == 0 {
		return "", false
	}
	lines, ok := r.files[at.File]
	if !ok {
		if data, err := r.source(at.File); err == nil {
			data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
			lines = bytes.Split(data, []byte("\n"))
		}
		r.files[at.File] = lines
	}
	if at.Line > len(lines) {
		return "", false
	}
	return strings.TrimRight(string(lines[at.Line-1]), "\r"), true
}

// visible renders source text in plain ASCII: tabs as four blanks, anything
// else unprintable as '?', so that the mark stands where it should.
func visible(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '\t':
			b.WriteString("    ")
		case c < ' ' || c > '~':
			b.WriteByte('?')
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// printable keeps control characters of a hostile file off the terminal.
func printable(s string) string {
	if len(s) > 400 {
		s = s[:400] + "..."
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '?'
		}
		return c
	}, s)
}
