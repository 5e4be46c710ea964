package lsp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
)

// tree draws an outline: a block a line, indented, with the words of each
// statement.
func tree(n *statement, indent string) string {
	var b strings.Builder
	for _, c := range n.body {
		b.WriteString(indent)
		for i, w := range c.words {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(w.text)
		}
		if c.braces {
			b.WriteString(" {")
		}
		b.WriteByte('\n')
		b.WriteString(tree(c, indent+" "))
	}
	return b.String()
}

func TestOutline(t *testing.T) {
	for _, one := range []struct{ text, want string }{
		{"a b # c { \n! d\n e \"f # } g\" h\\#i # x\n", "a b\ne f # } g h\\#i\n"},
		{"a { b {c} d }\ne", "a {\n b {\n  c\n d\ne\n"},
		{"a\n{\nb\n}\n", "a {\n b\n"},
		{"@id a {\n@^id b\n}\n", "a {\n b\n"},
		{"include a/{b,c}.conf # x\nd {\n include  \n}\n", "include a/{b,c}.conf\nd {\n include\n"},
		{"a ${X} ${Y {z}\n", "a ${X} ${Y {z}\n"},
		{"$X=a {\nb\n}\nc\n", "b\nc\n"},
		{"a\n$X={\n{\nc\n}\n", "a {\n c\n"},
		{"$X= \\\n a { \\\n # b\n b \\\n\nc }\nd {\n}\n", "c\nd {\n"},
		{"~SEQ(i,1,2) a $i {\n}\n~LST({i,j},{1,2}) b\n~SEQ(\n~SEQ)(\n", "a $i {\nb\n"},
		{"{\n a\n}\n} b\n", " {\n a\nb\n"},
		{"a \\\n b\r\nc\r\n", "a \\\nb\nc\n"},
		{byteOrderMark + "a\n", "a\n"},
		// closing braces are missing
		{"vrrp_instance A {\n track_script {\n x\nvrrp_instance B {\n}\n", "vrrp_instance A {\n track_script {\n  x\nvrrp_instance B {\n"},
		{"vrrp_instance A {\n authentication {\n priority 5\n}\n", "vrrp_instance A {\n authentication {\n priority 5\n"},
		{"global_defs {\n$X= a { \\\n vrrp_instance B { \\\n }\n router_id x\n}\n", "global_defs {\n router_id x\n"},
	} {
		if got := tree(newOutline(newText(one.text), nil).root, ""); got != one.want {
			t.Errorf("%q:\n%s\nwant\n%s", one.text, got, one.want)
		}
	}
}

func TestVariables(t *testing.T) {
	text := "$A=1 # one\n$B= \\\n  x { \\\n# nothing\n y \\\n }\n$C=\n~SEQ(i, 1, 3) $D=$i\n~LST({k,l}, {1,2}) z\n$=no\n$9=no\n"
	want := map[string]string{"A": "1", "B": "x {\ny\n}", "C": "", "D": "$i", "i": "~SEQ(i, 1, 3)", "k": "~LST({k,l}, {1,2})", "l": "~LST({k,l}, {1,2})"}
	o := newOutline(newText(text), nil)
	for _, v := range o.vars {
		if got, ok := want[v.name]; !ok || got != v.value() {
			t.Errorf("%s = %q, want %q", v.name, v.value(), got)
		}
		delete(want, v.name)
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
}

// everything asks all there is to ask about a place.
func everything(a *analysis, d *document, offset int) {
	st := style{utf16Encoding, markdown, true}
	a.hover(d, offset, st.encoding, markdown)
	a.complete(d, offset, "", st)
	a.locations(a.definition(d, offset), st.encoding)
	a.locations(a.references(d, offset, true), st.encoding)
}

func alone(s string) (*analysis, *document) {
	d := &document{text: newText(s), uri: "file:///a.conf", name: "/a.conf"}
	return analyse(workspace{docs: map[string]*document{d.name: d}, under: emptyFS{}}), d
}

// ordered fails unless every statement stands within its block and behind the
// one before it.
func ordered(t *testing.T, n *statement) {
	last := n.open
	for _, c := range n.body {
		for _, w := range c.words {
			if w.start < last || w.end <= w.start || n.parent != nil && w.end > n.close {
				t.Fatalf("word %+v in block %d-%d behind %d", w, n.open, n.close, last)
			}
			last = w.end
		}
		if c.braces {
			last = max(last, c.open)
			ordered(t, c)
			last = max(last, c.close)
		}
	}
}

func FuzzAnyTextAnyPlace(f *testing.F) {
	f.Add(good, 100)
	f.Add("vrrp_instance A {\n track_script {\n x\nvrrp_instance B {\n}\n", 50)
	f.Add("$X= \\\n a { \\\n${X}\n\n~SEQ(i,1,2) a $i {\ninclude a.conf\ninclude *\n", 30)
	f.Add("{{{{{ } \" ' \\", 5)
	f.Fuzz(func(t *testing.T, s string, offset int) {
		a, d := alone(s)
		offset = max(0, min(offset, len(s)))
		everything(a, d, offset)
		a.diagnostics(utf8Encoding)
		o := a.outline(d.name)
		o.symbols(utf16Encoding)
		ordered(t, o.root)
	})
}

// TestCorpus types every file of a collection of configurations from top to
// bottom, a word at a time.
func TestCorpus(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/corpus*/*")
	if len(files) == 0 {
		t.Skip("needs ../shared/corpus")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		s := string(data)
		a, d := alone(s)
		ordered(t, a.outline(d.name).root)
		step := max(1, len(s)/4)
		for i := 0; i <= len(s); i += step {
			everything(a, d, i)
			part, at := alone(s[:i])
			everything(part, at, i)
		}
	}
}

// TestKeywordsOfTheCorpus holds the outline against the tree of the parser:
// each keyword is found in its block, unless the parser complains of it.
func TestKeywordsOfTheCorpus(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/corpus/*.conf")
	if len(files) == 0 {
		t.Skip("needs ../shared/corpus")
	}
	checked := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a, d := alone(string(data))
		o := a.outline(d.name)
		told := map[int]bool{} // what the parser does not take either
		found := a.diagnostics(utf8Encoding)[d.name]
		if len(wrong(found)) > 0 {
			continue
		}
		for _, f := range found {
			told[o.offset(f.Range.Start, utf8Encoding)] = true
		}
		o.root.walk(func(n *statement) {
			b := o.block(n.parent)
			if b == nil || b.Lines() || len(n.words[0].text) == 0 || isInclude(n.words[0].text) || strings.Contains(n.words[0].text, "$") {
				return
			}
			if start := o.lines[o.line(n.words[0].start)]; o.s[start] == '@' {
				return // the parser leaves it out
			}
			if checked++; o.keyword(n) == nil && !told[n.words[0].start] {
				t.Errorf("%s: %q is not known in its block", filepath.Base(file), o.heading(n))
			}
		})
	}
	if checked < 100 {
		t.Errorf("only %d keywords were checked", checked)
	}
}

// TestHostileText ends within seconds as long as nothing is quadratic.
func TestHostileText(t *testing.T) {
	const n = 50_000
	for name, s := range map[string]string{
		"braces":      strings.Repeat("a {\n", n),
		"keywords":    "vrrp_instance A {\n" + strings.Repeat("priority 5\n", n),
		"one line":    strings.Repeat("a ", n),
		"variables":   strings.Repeat("$A=1\n", n/4) + strings.Repeat("x ${A}\n", n/4),
		"definition":  "$A= \\\n" + strings.Repeat("x \\\n", n),
		"unclosed":    strings.Repeat("vrrp_instance A {\nauthentication {\n", n/4),
		"dollars":     strings.Repeat("$", n),
		"open braces": strings.Repeat("${", n),
		"brackets":    "~SEQ(" + strings.Repeat("a", n) + strings.Repeat("{", n) + ")",
		"alternation": "include " + strings.Repeat("{a,b}", 1000),
		"loop":        "~SEQ(i,1,100000) vrrp_instance A$i { priority 300 }\n",
		"returns":     strings.Repeat("\r", n),
	} {
		begin := time.Now()
		a, d := alone(s)
		a.diagnostics(utf16Encoding)
		for _, offset := range []int{0, 5, len(s) / 2, len(s)} {
			everything(a, d, offset)
		}
		a.outline(d.name).symbols(utf16Encoding)
		t.Logf("%s: %v", name, time.Since(begin))
	}
}

func TestEverywhere(t *testing.T) {
	for _, name := range []string{"vrrp_instance", "priority", "connect_timeout", "path"} {
		if k := everywhere()[name]; k == nil || k.Name != name {
			t.Errorf("%s: %v", name, k)
		}
	}
	if confparse.Top().Keyword("priority") != nil {
		t.Error("priority is at the top level: the test proves nothing")
	}
}
