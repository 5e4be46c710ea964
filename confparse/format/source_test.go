package format_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"keepgo/confparse"
	"keepgo/confparse/format"
	"keepgo/confparse/syntax"
)

// TestSource: what is put in order and what is left, by example.
func TestSource(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"blanks, braces, line ends", "\n\n vrrp_instance   VI_1{ # one\r\nstate\tMASTER   \r\n\n\n\n! two\npriority 100   ! three\n  }\n\n",
			"vrrp_instance VI_1 { # one\n    state MASTER\n\n    ! two\n    priority 100   ! three\n}\n"},
		{"a brace of its own", "a b # x\n\n# y\n{ # z\nc\n}", "a b { # x\n    # z\n    # y\n    c\n}\n"},
		{"a block on one line", "a { b { c d } } # x", "a {\n    b {\n        c d\n    }\n} # x\n"},
		{"quotes", `a   "b   c"d   e`, `a "b   c"d e` + "\n"},
		{"a quote that is not closed", "{\n}\na {\n b   \"c   ", ""},
		{"single quotes and backslashes", "a {\nb   'c   d'   \n c   d\\#   e\n}", "a {\n    b   'c   d'\n    c   d\\#   e\n}\n"},
		{"a definition", "a {\n$X=b   c   \nd $X\n}", "a {\n    $X=b   c\n    d $X\n}\n"},
		{"a definition of lines", "$X=b { \\\n   c   d \\  \n # x\n }\na   b\n", "$X=b { \\\n   c   d \\  \n # x\n }\na b\n"},
		{"a brace in a definition", "$O=a {\n$C=}\n$O\n b\n$C\nc", "$O=a {\n$C=}\n$O\n    b\n$C\nc\n"},
		{"conditions", "a {\n @low  b   c\n @^low   b d\n}\n@x y {\n@z  y {\nb\n}", "a {\n@low    b c\n@^low   b d\n}\n@x  y {\n@z  y {\n    b\n}\n"},
		{"a loop", "a {\n~SEQ(i, 1,  3)  b   $i\n}", "a {\n    ~SEQ(i, 1,  3)  b   $i\n}\n"},
		{"an include", "a {\n include /etc/{a,b   c}.conf  \n}", "a {\n    include /etc/{a,b   c}.conf\n}\n"},
		{"a reference is not cut off", "a {   $X }\nb $X{\n}", "a { $X }\nb $X{\n}\n"},
		{"a line for the preprocessor is not made", "a {   @b c }", "a { @b c }\n"},
		{"a template", "a {{  b  }}", "a {{  b  }}\n"},
		{"look-alikes", "a \u201cb { c\u201d   d", "a \u201cb { c\u201d   d\n"},
		{"a mark", "\ufeffa  b", "\ufeffa b\n"},
		{"nothing", "\n \n", ""},
	} {
		got, err := format.Source("k.conf", []byte(c.text))
		if err != nil && c.want != "" || string(got) != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, got, c.want)
		}
	}
}

// TestSourceRefuses: text whose braces do not match stays as it is.
func TestSourceRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a {\nb {\n}\n", "k.conf:1:1: error: this '{' is never closed; add '}'"},
		{"a {\n}\n  }\n", "k.conf:3:3: error: '}' without a matching '{'; delete it"},
		{"a\x00b", "k.conf: error: this is no text of lines; save it as UTF-8 with LF at the end of each line"},
		{"a\rb\rc", "k.conf: error: this is no text of lines; save it as UTF-8 with LF at the end of each line"},
	} {
		got, err := format.Source("k.conf", []byte(c.text))
		var at *syntax.Error
		if !errors.As(err, &at) || err.Error() != c.want || got != nil {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

// overlay is a file system in which one file has another text.
type overlay struct {
	fs.FS
	name string
	text []byte
}

func (o overlay) Open(name string) (fs.File, error) {
	if name == o.name {
		return file(o.text).Open("k.conf")
	}
	return o.FS.Open(name)
}

// tidy fails if the ordered text means something else, or is not in order.
func tidy(t rapid.TB, fsys fs.FS, name string, text []byte) {
	t.Helper()
	before, found := confparse.Load(fsys, name, env())
	got, err := format.Source(name, text)
	if err != nil {
		if !slices.ContainsFunc(found, func(e *syntax.Error) bool { return e.Severity == syntax.Failure }) {
			t.Fatalf("a right file is refused: %v", err)
		}
		return
	}
	twice, err := format.Source(name, got)
	if err != nil || !bytes.Equal(got, twice) {
		t.Fatalf("order makes another order: %v\n%s\nthen\n%s", err, got, twice)
	}
	after, still := confparse.Load(overlay{fsys, strings.TrimPrefix(name, "/"), got}, name, env())
	compare(t, before, after, got)
	if a, b := told(found), told(still); !slices.Equal(a, b) {
		t.Fatalf("other findings:\n%s\nbefore\n%s\nin\n%s", strings.Join(b, "\n"), strings.Join(a, "\n"), got)
	}
}

var lineNumber = regexp.MustCompile(`lines? \d+(-\d+)?`)

// told is what findings say apart from where.
func told(list syntax.ErrorList) (says []string) {
	for _, e := range list {
		if strings.Contains(e.Err.Error(), "is set again") || strings.Contains(e.Err.Error(), " replaces '") {
			continue // told of statements that differ, and be it by a blank
		}
		text := lineNumber.ReplaceAllString(e.Severity.String()+" "+e.Path+" "+e.Err.Error()+" "+e.Hint, "line")
		says = append(says, strings.Join(strings.Fields(text), " "))
	}
	slices.Sort(says)
	return says
}

// TestSourceCorpus: every configuration of the collection keeps its meaning.
func TestSourceCorpus(t *testing.T) {
	for _, name := range corpus(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(name), func(t *testing.T) { tidy(t, os.DirFS("/"), name, text) })
	}
}

// TestSourceKeepsMeaning: so does any text.
func TestSourceKeepsMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawConfig(t)
		tidy(t, file(text), "k.conf", text)
	})
}

// TestSourceBounds: hostile text costs no more than its length.
func TestSourceBounds(t *testing.T) {
	const n = 50_000
	for name, text := range map[string]string{
		"deep":       strings.Repeat("a {\n", n) + strings.Repeat("}\n", n),
		"conditions": strings.Repeat("a {\n", n) + strings.Repeat("@x a\n@y a\n", n) + strings.Repeat("}\n", n),
		"one line":   strings.Repeat("a { ", n) + strings.Repeat("} ", n),
		"remarks":    strings.Repeat("a\n#\n", n) + strings.Repeat("{\n#\n", n) + strings.Repeat("}\n", n),
		"references": "$A=" + strings.Repeat("$A ", n) + "\n" + strings.Repeat("$A\n", n),
	} {
		got, err := format.Source("k.conf", []byte(text))
		if err != nil || len(got) > 150*len(text) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(text), err)
		}
	}
}
