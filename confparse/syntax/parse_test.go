package syntax_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"keepgo/confparse/syntax"
)

// parse reads text as the file k.conf.
func parse(text string, env syntax.Env) (*syntax.Tree, syntax.ErrorList) {
	return syntax.Parse(fstest.MapFS{"etc/k.conf": {Data: []byte(text)}}, "/etc/k.conf", env)
}

// show writes a tree on one line: words with blanks, quotes where they were,
// statements with semicolons.
func show(nodes []*syntax.Node) string {
	var parts []string
	for _, n := range nodes {
		var words []string
		for _, w := range n.Words {
			if w.Quoted {
				w.Text = `"` + w.Text + `"`
			}
			words = append(words, w.Text)
		}
		s := strings.Join(words, " ")
		if n.Braces {
			s += " {" + show(n.Body) + "}"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

func fixed(n int) int { return n / 2 }

var env = syntax.Env{ConfigID: "lb1", Random: fixed, Getenv: func(s string) string { return "env-" + s }}

// TestTree: texts without a fault and the trees they make.
func TestTree(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"words", "a b\tc", "a b c"},
		{"comments", "# x\n! x\na # b\nb ! c\n  # d", "a; b"},
		{"comment glued", "a b#c", "a b"},
		{"comment escaped", `a b\#c \!d`, "a b#c !d"},
		{"quotes", `a "b # c" ""`, `a "b # c" ""`},
		{"quote ends a word", `a"b c"d`, `a "b c" d`},
		{"single quotes are letters", "a 'b c'", "a 'b c'"},
		{"block", "a {\nb 1\n}\nc", "a {b 1}; c"},
		{"brace on the next line", "a x\n\n{\nb\n}", "a x {b}"},
		{"brace glued", "a x{\nb\n}", "a x {b}"},
		{"one line", "a { b 1 }", "a {b 1}"},
		{"several on one line", "a { b { c } d }\ne", "a {b {c}; d}; e"},
		{"empty block", "a {}", "a {}"},
		{"quoted braces", `a "{" "}"`, `a "{" "}"`},
		{"DOS", "a {\r\nb\r\n}\r\n", "a {b}"},
		{"byte order mark", "\xef\xbb\xbfa b", "a b"},
		{"no final newline", "a {\nb\n}", "a {b}"},
		{"Latin-1", "# caf\xe9\na caf\xe9", "a caf\xe9"},

		{"condition", "@lb1 a\n@lb2 b\n@^lb1 c\n@^lb2 d", "a; d"},
		{"conditions do not chain", "@lb1 @lb1 a", "@lb1 a"},
		{"definition", "$A=x y\nb $A", "b x y"},
		{"in braces", "$A=x\nb 1${A}2 \"${A}\"", `b 1x2 "x"`},
		{"before a comma", "$A=x\nb $A,$A)", "b x,x)"},
		{"not before a letter", "$A=x\nb $A.c $5", "b $A.c $5"},
		{"redefined", "$A=x\nb $A\n$A=y\nb $A", "b x; b y"},
		{"nested", "$A=x\n$B=${A}y\nc $B", "c xy"},
		{"late binding", "$B=$A\n$A=1\nc $B\n$A=2\nc $B", "c 1; c 2"},
		{"with a block", "$A={ b }\na $A", "a {b}"},
		{"several lines", "$A=b 1\\\n c 2 \\\n d 3\na {\n$A\n}", "a {b 1; c 2; d 3}"},
		{"text before several lines", "$A=b\\\nc\na $A", "a b; c"},
		{"comment in several lines", "$A= \\\n b \\\n # c \\\n \\\n d\n$A", "b; d"},
		{"blank line ends several", "$A=b \\\n\nc\n$A", "c; b"},
		{"condition in several lines", "$A=@lb1 b \\\n@lb2 c\n$A", "b"},
		{"condition on several lines", "@lb2 $A=b \\\n c \\\n d\ne", "e"},
		{"hash", "$X=${_HASH}\n$X a\nb ${_HASH} c", "b"},
		{"builtins", "a ${_PWD} ${_INSTANCE} ${_ENV HOME}", "a /etc lb1 env-HOME"},
		{"random", "a ${_RANDOM} ${_RANDOM 10} ${_RANDOM 1 4}", "a 16384 16389 3"},

		{"sequence", "~SEQ(i, 1, 3) a $i", "a 1; a 2; a 3"},
		{"sequence with step", "~SEQ(i, 5, -2, 0) a ${i}x", "a 5x; a 3x; a 1x"},
		{"sequence to", "~SEQ(i, 2) a $i\n~SEQ(j, -2) b $j", "a 1; a 2; b -1; b -2"},
		{"sequence bases", "~SEQ(i, 0x10, 021) a $i", "a 16; a 17"},
		{"sequence in hexadecimal", "~SEQx(i, 9, 11) a $i", "a 9; a a; a b"},
		{"sequence of references", "$N=2\n~SEQ(i, 1, $N) a $i", "a 1; a 2"},
		{"sequences nested", "~SEQ(i, 1, 2) ~SEQ(j, 1, 2) a $i $j", "a 1 1; a 1 2; a 2 1; a 2 2"},
		{"sequence of a block", "$B=v $i { \\\n w \\\n}\n~SEQ(i, 1, 2) $B", "v 1 {w}; v 2 {w}"},
		{"sequence in a definition", "$L=~SEQ(i, 1, 2) a $i\n$L", "a 1; a 2"},
		{"variable stays", "~SEQ(i, 1, 3) a\nb $i", "a; a; a; b 3"},
		{"list", "~LST(i, x, y) a $i", "a x; a y"},
		{"list of tuples", "~LST({i,j}, {1,2}, {3}) a $i.${j}b", "a $i.2b; a $i.b"},
	} {
		tree, errs := parse(c.text, env)
		if got := show(tree.Nodes); got != c.want {
			t.Errorf("%s: %q gives %s, want %s", c.name, c.text, got, c.want)
		}
		for _, e := range errs {
			if e.Severity == syntax.Failure {
				t.Errorf("%s: %v", c.name, e)
			}
		}
	}
}

// belongs is a grammar: what may stand in which block.
type belongs map[string][]string

func (b belongs) Allows(path []string, keyword string) bool {
	last := ""
	if len(path) > 0 {
		last = path[len(path)-1]
	}
	for _, kw := range b[last] {
		if kw == keyword {
			return true
		}
	}
	return false
}

func (b belongs) Opens(_ []string, keyword string) bool { return b[keyword] != nil }

// TestFaults: texts with one fault, where it is and what is said.
func TestFaults(t *testing.T) {
	grammar := belongs{"": {"a", "b"}, "a": {"c", "x"}, "b": {"d"}, "c": {"y"}}
	for _, c := range []struct {
		name, text string
		line, col  int
		says, tree string
	}{
		{"never closed", "a {\nx\n", 1, 1, "never closed", "a {x}"},
		{"not closed before", "a {\nc {\ny\nx\n}\n", 2, 1, "'c {' is not closed before 'x' (line 4)", "a {c {y}; x}"},
		{"inner of two", "a {\nc {\ny\nx\n}\nb {\nd\n}\n", 2, 1, "'c {' is not closed before 'x'", "a {c {y}; x}; b {d}"},
		{"outer not closed", "a {\nx\nb {\nd\n}\n", 1, 1, "'a {' is not closed before 'b'", "a {x}; b {d}"},
		{"surplus at the end", "a {\nx\n}\n}\n", 4, 1, "'}' without a matching '{'", "a {x}"},
		{"surplus in the middle", "a {\nx\n}\nc {\ny\n}\n}\n", 3, 1, "'}' closes a early", "a {x; c {y}}"},
		{"not opened", "a\nx\n}\nb {\nd\n}\n", 1, 1, "expected '{' after 'a'", "a {x}; b {d}"},
		{"surplus opening", "a { {\nx\n}\n}\n", 1, 5, "unexpected '{' after 'a {'", "a {x}"},
		{"no keyword", "{\na {\n}\n}\n", 1, 1, "without a keyword", "a {}"},
		{"quote", "x \"a b\ny", 1, 3, "quote is not closed", `x "a b"; y`},
		{"NUL", "x\ny \x00 z\nx", 2, 3, "NUL byte", "x; x"},
		{"no-break space", "x\u00a01", 1, 2, "no-break space (U+00A0) after 'x'", "x 1"},
		{"zero width", "xx\u200by 1", 1, 3, "invisible character U+200B in 'xxy'", "xxy 1"},
		{"typographic quotes", "x \u201ca b\u201d", 1, 3, "typographic quotes", `x "a b"`},
		{"full-width hash", "x 1 \uff03 c", 1, 5, "full-width", "x 1"},
		{"look-alike in a block", "a { x\u00a01 }", 1, 6, "no-break space", "a {x 1}"},
		{"backslash", "x \\\n1\ny", 1, 3, "backslash does not continue", "x 1; y"},
		{"template", "x {{ y }}\nz", 1, 3, "'{{ y }}' looks like an unrendered template", "z"},
		{"undefined", "x $Y", 1, 3, "$Y is not defined", "x $Y"},
		{"undefined in braces", "x ${Y}/24", 1, 3, "${Y} is not defined", "x ${Y}/24"},
		{"defined later", "x $Y\n$Y=1", 1, 3, "used before its definition (line 2)", "x $Y"},
		{"itself", "$Y=a${Y}\nx", 1, 1, "refers to itself", "x"},
		{"each other", "$Y=$Z\n$Z=$Y\nx", 2, 1, "$Z and $Y refer to each other", "x"},
		{"loop not closed", "~SEQ(i, 1, 3 x", 1, 1, "not closed by ')'", ""},
		{"loop without end", "~SEQ(i, 1, 0, 3) x", 1, 1, "step 0 never reaches 3", ""},
		{"loop the wrong way", "~SEQ(i, 1, -1, 3) x", 1, 1, "never reaches", ""},
		{"tuple too long", "~LST({i,j}, {1,2,3}) x", 1, 1, "3 values for 2 variables", ""},
		{"random range", "x ${_RANDOM 5 1}", 1, 3, "minimum 5 is above", "x ${_RANDOM 5 1}"},
		{"include nothing", "include", 1, 1, "needs a file name", ""},
		{"include missing", "x\ninclude y.conf", 2, 1, "/etc/y.conf does not exist", "x"},
		{"include itself", "include k.conf\nx", 1, 1, "k.conf includes itself", "x"},
		{"CR only", "x\ry\rz", 1, 1, "CR-only", ""},
		{"UTF-16", "\xff\xfex\x00", 1, 1, "UTF-16", ""},
		{"binary", "\x7fELF\x02\x01", 1, 1, "ELF", ""},
	} {
		e := env
		e.Grammar = grammar
		tree, errs := parse(c.text, e)
		if got := show(tree.Nodes); got != c.tree {
			t.Errorf("%s: %q gives %s, want %s", c.name, c.text, got, c.tree)
		}
		if len(errs) != 1 {
			t.Errorf("%s: %d findings: %v", c.name, len(errs), errs)
			continue
		}
		f := errs[0]
		if f.Severity != syntax.Failure || f.Pos.Line != c.line || f.Pos.Col != c.col || !strings.Contains(f.Error(), c.says) {
			t.Errorf("%s: %v, want %d:%d %q", c.name, f, c.line, c.col, c.says)
		}
	}
}

// TestTwoMissing: each of two missing braces is found.
func TestTwoMissing(t *testing.T) {
	e := env
	e.Grammar = belongs{"": {"a", "b"}, "a": {"c", "x"}, "b": {"d"}, "c": {"y"}}
	tree, errs := parse("a {\nc {\ny\nx\nb {\nd\n}\n", e)
	if got := show(tree.Nodes); got != "a {c {y}; x}; b {d}" {
		t.Errorf("tree %s", got)
	}
	if len(errs) != 2 || errs[0].Pos.Line != 1 || errs[1].Pos.Line != 2 {
		t.Errorf("findings %v", errs)
	}
}

// TestPlaces: words keep the place they came from, through definitions too.
func TestPlaces(t *testing.T) {
	tree, _ := parse("a  bc {\n\td \"e\"\n}\n$V=x\n$M=f g \\\n  h\ni $V j${V}k $V\n$M\n", env)
	var got []string
	for n := range flat(tree.Nodes) {
		for _, w := range n.Words {
			got = append(got, fmt.Sprintf("%s@%d:%d", w.Text, w.Pos.Line, w.Pos.Col))
		}
	}
	want := "a@1:1 bc@1:4 d@2:2 e@2:4 i@7:1 x@7:3 jxk@7:6 x@7:13 f@5:4 g@5:6 h@6:3"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("places %s\nwant   %s", s, want)
	}
}

// flat visits a tree in the order of its text.
func flat(nodes []*syntax.Node) func(func(*syntax.Node) bool) {
	return func(yield func(*syntax.Node) bool) {
		for _, n := range nodes {
			if !yield(n) {
				return
			}
			for c := range flat(n.Body) {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// TestInclude: files in files, by name, by pattern, relative to the includer.
func TestInclude(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	fsys := fstest.MapFS{
		"etc/k.conf":         file("a\ninclude sub/*.conf\ninclude /opt/{x,y}.conf\n@lb1 include sub/z.txt\nb"),
		"etc/sub/1.conf":     file("one ${_PWD}\ninclude deeper.txt"),
		"etc/sub/2.conf":     file("two {"),
		"etc/sub/3.conf":     file("}"),
		"etc/sub/4.conf":     {Data: []byte("four"), Mode: 0o755},
		"etc/sub/z.txt":      file("zed"),
		"etc/sub/deeper.txt": file("deep"),
		"opt/x.conf":         file("ex"),
		"opt/y.conf":         file("why"),
	}
	tree, errs := syntax.Parse(fsys, "/etc/k.conf", env)
	if got, want := show(tree.Nodes), "a; one /etc/sub; deep; two {}; ex; why; zed; b"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "/etc/sub/4.conf is executable and not read") {
		t.Errorf("findings %v", errs)
	}
	if p := tree.Nodes[2].Words[0].Pos; p.String() != "/etc/sub/deeper.txt:1:1" {
		t.Errorf("place %v", p)
	}
	if got := strings.Join(tree.Files, " "); got != "/etc/k.conf /etc/sub/1.conf /etc/sub/deeper.txt /etc/sub/2.conf /etc/sub/3.conf /opt/x.conf /opt/y.conf /etc/sub/z.txt" {
		t.Errorf("files %s", got)
	}
}

// TestIncludeLoop: files that include each other are named in a chain.
// TestIncludeOfNoFile: what could be waited for is not opened.
func TestIncludeOfNoFile(t *testing.T) {
	for _, mode := range []fs.FileMode{fs.ModeNamedPipe, fs.ModeSocket, fs.ModeDevice | fs.ModeCharDevice} {
		files := fstest.MapFS{"etc/conf": {Data: []byte("include /other\n")}, "other": {Data: []byte("a 1\n"), Mode: mode}}
		if _, errs := syntax.Parse(files, "/etc/conf", env); len(errs) != 1 || !strings.Contains(errs[0].Error(), "/other is a pipe, a socket or a device") {
			t.Errorf("%v: %v", mode, errs)
		}
	}
	files := fstest.MapFS{"dev/fd/63": {Data: []byte("a 1\n"), Mode: fs.ModeNamedPipe}}
	if tree, errs := syntax.Parse(files, "/dev/fd/63", env); len(errs) != 0 || len(tree.Nodes) != 1 {
		t.Errorf("what the shell hands over: %v", errs)
	}
}

func TestIncludeLoop(t *testing.T) {
	fsys := fstest.MapFS{
		"a": {Data: []byte("include b")},
		"b": {Data: []byte("x\ninclude a")},
	}
	tree, errs := syntax.Parse(fsys, "a", env)
	if show(tree.Nodes) != "x" || len(errs) != 1 || errs[0].Pos.String() != "b:2:1" ||
		!strings.Contains(errs[0].Error(), "a -> b -> a") {
		t.Errorf("%s, %v", show(tree.Nodes), errs)
	}
}

// TestBounds: what is too large is refused, and quickly.
func TestBounds(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"loop", "~SEQ(i,1,4000000000000000000) x", "expand to more than"},
		{"loops", "~SEQ(i,1,99999) ~SEQ(j,1,99999) x $i", "expand to more than"},
		{"nesting", strings.Repeat("a {\n", 100000), "more faults are not shown"},
		{"doubling", doubling(60), "expand to more than"},
		{"many faults", strings.Repeat("}\n", 5000), "more faults are not shown"},
		{"pattern", "include " + strings.Repeat("{a,b}", 20000), "characters"},
		{"patterns", "include " + strings.Repeat("{a,b}", 40), "more than 1000 names"},
	} {
		e := env
		e.MaxExpansion = 10000
		_, errs := parse(c.text, e)
		if len(errs) == 0 || len(errs) > 1001 || !strings.Contains(errs[len(errs)-1].Error(), c.says) {
			t.Errorf("%s: %d findings, the last %v", c.name, len(errs), errs[max(0, len(errs)-1):])
		}
	}
	if _, errs := syntax.Parse(huge{}, "k.conf", env); len(errs) != 1 || !strings.Contains(errs[0].Error(), "bytes") {
		t.Errorf("huge file: %v", errs)
	}
}

// doubling is a text whose expansion has 2^n words.
func doubling(n int) string {
	s := "$A0=x\n"
	for i := range n {
		s += fmt.Sprintf("$A%d=${A%d} ${A%d}\n", i+1, i, i)
	}
	return s + fmt.Sprintf("y ${A%d}\n", n)
}

// huge holds one file that claims to be larger than any configuration.
type huge struct{ fs.FS }

func (huge) Open(string) (fs.File, error) { return hugeFile{}, nil }

type hugeFile struct{ fs.File }

func (hugeFile) Stat() (fs.FileInfo, error) {
	m := fstest.MapFS{"x": {}}
	info, err := m.Stat("x")
	return hugeInfo{info}, err
}

func (hugeFile) Close() error { return nil }

type hugeInfo struct{ fs.FileInfo }

func (hugeInfo) Size() int64 { return 1 << 40 }

// TestFields: how the text of a script is split twice.
func TestFields(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{`script a b`, `script|a|b`},
		{`script "a b" c`, `script|a b|c`},
		{`script 'a "b' c`, `script|a "b|c`},
		{`script "a"'b'c d`, `script|abc|d`},
		{`script "a\"b"`, `script|a\"b`},
		{`script ""`, `script|`},
	} {
		if got := strings.Join(syntax.Fields(c.raw), "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.raw, got, c.want)
		}
	}
	for _, c := range []struct{ command, want string }{
		{`/bin/a b  c`, `/bin/a|b|c`},
		{`a 'b c' "d 'e'"`, `a|b c|d 'e'`},
		{`a\ b \x41\102\n\cA\q`, "a b|AB\n\x01q"},
		{`a ''`, `a|`},
		{``, ``},
	} {
		if got := strings.Join(syntax.Argv(c.command), "|"); got != c.want {
			t.Errorf("%s: %q, want %q", c.command, got, c.want)
		}
	}
}

// FuzzParse: no text makes the parser panic, lose its way or run on.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a {\nb \"c\" # d\n}\n", "$A=x \\\n y\n~SEQ(i,1,3) $A ${i}\n", "~LST({a,b},{1,2}) x $a\n",
		"@lb1 include k.conf\n", "a {{ b }}\n}\n{", "x\u00a0\u201c\\\n", "a ${_RANDOM 1 2} \\#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := env
		e.MaxExpansion = 1000
		e.Grammar = belongs{"": {"a"}, "a": {"b"}, "b": {"a"}}
		tree, errs := parse(text, e)
		for n := range flat(tree.Nodes) {
			if len(n.Words) == 0 {
				t.Fatal("a statement without words")
			}
			for _, w := range n.Words {
				if w.Pos.Line < 1 || w.Pos.Col < 1 || w.Pos.File == "" {
					t.Fatalf("word %q has no place: %v", w.Text, w.Pos)
				}
			}
		}
		var out strings.Builder
		source := func(string) ([]byte, error) { return []byte(text), nil }
		if err := errs.Write(&out, source); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkParse reads about 10 MB of an ordinary configuration.
func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	for i := 0; text.Len() < 10<<20; i++ {
		fmt.Fprintf(&text, "virtual_server 10.0.%d.%d 80 { # service %d\n    delay_loop 6\n    lb_algo wlc\n"+
			"    real_server 10.1.%d.%d 8080 {\n        weight 1\n        TCP_CHECK {\n            connect_timeout 3\n        }\n    }\n}\n",
			i/256%256, i%256, i, i/256%256, i%256)
	}
	fsys := fstest.MapFS{"k.conf": {Data: []byte(text.String())}}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		syntax.Parse(fsys, "k.conf", syntax.Env{})
	}
}
