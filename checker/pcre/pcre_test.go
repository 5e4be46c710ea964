package pcre

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// search compiles a pattern and looks for it: "yes", "no", or an error.
func search(p Pattern, body string) string {
	x, err := p.Compile(time.Second)
	if err != nil {
		return err.Error()
	}
	found, err := x.Match(iotest.HalfReader(strings.NewReader(body)))
	switch {
	case err != nil:
		return err.Error()
	case found:
		return "yes"
	}
	return "no"
}

// TestPatternMeansWhatPCRE2Means: the answers are those of pcre2test(1).
func TestPatternMeansWhatPCRE2Means(t *testing.T) {
	long := strings.Repeat("x", 9000)
	tests := []struct {
		text, options, body, want string
		min, max                  int
	}{
		{text: "a(li|ll)ve", body: long + "alive", want: "yes"},
		{text: "^ok$", body: "ok", want: "yes"},
		{text: "^ok$", body: "ok\n", want: "yes"}, // not so in RE2
		{text: "^ok$", body: "ok\n\n", want: "no"},
		{text: "^ok$", body: "ok\n", options: "dollar_endonly", want: "no"},
		{text: "^(ok$|fine$)", body: "ok\n", want: "yes"},
		{text: "^(?:ok$|fine$)", body: "ok\n", options: "dollar_endonly", want: "no"},
		{text: "^ok$", body: "a\nok\nb", want: "no"},
		{text: "^ok$", body: "a\nok\nb", options: "multiline", want: "yes"},
		{text: "(?m)^ok$(?=\n)", body: "a\nok\nb", want: "yes"},
		{text: "OK", body: "ok", want: "no"},
		{text: "OK", body: "ok", options: "caseless", want: "yes"},
		{text: "a.b", body: "a\nb", want: "no"},
		{text: "a.b", body: "a\nb", options: "dotall", want: "yes"},
		{text: "a b # said", body: "ab", options: "extended", want: "yes"},
		{text: "a(?=b)", body: "ab", want: "yes"},
		{text: "a(?!b)", body: "ab", want: "no"},
		{text: "(?<=x)a(?=b)", body: "xab", want: "yes"},
		{text: `(a|b)\1`, body: "abba", want: "yes"},
		{text: `(a|b)\1`, body: "abab", want: "no"},
		{text: `(?P<l>[[:alpha:]])(?P=l)`, body: "abb", want: "yes"},
		{text: `(?<l>.)\k{l}`, body: "abb", want: "yes"},
		{text: "a++b", body: "aaab", want: "yes"},
		{text: "a++ab", body: "aaab", want: "no"},
		{text: "(?>a+)ab", body: "aaab", want: "no"},
		{text: `^\h+\Rx`, body: " \t\r\nx", want: "yes"},
		{text: `a[\h]b`, body: "a b", want: "yes"},
		{text: `a\vb`, body: "a\nb", want: "yes"}, // not so in RE2
		{text: `a\Nb`, body: "a\nb", want: "no"},
		{text: `^[]$]+\Z(?!x)`, body: "]$]\n", want: "yes"},
		{text: `^[^]$[:digit:]]+(?!x)\z`, body: "ab", want: "yes"},
		{text: `\Qa$\E$(?!x)`, body: "a$\n", want: "yes"},
		{text: `^..$`, body: "é", want: "yes"}, // bytes
		{text: `^..$`, body: "é", options: "utf", want: "no"},
		{text: `^.(?!x)$`, body: "é", options: "utf", want: "yes"},
		{text: `é`, body: "caf\xc3\xa9", want: "yes"},
		{text: `\w(?!x)`, body: "\xe9", want: "no"}, // ASCII without ucp
		{text: "ok", body: "\xff\xfe\x00ok\xc3", want: "yes"},
		{text: "b", body: "aab", min: 2, want: "yes"},
		{text: "b", body: "aab", min: 3, want: "no"},
		{text: "b", body: "aab", min: 4, want: "no"},
		{text: "b", body: "bab", min: 1, max: 2, want: "no"},
		{text: "a", body: "bab", min: 1, max: 2, want: "yes"},
		{text: "^a", body: "aa", min: 1, want: "no"},
		{text: "b", body: "aab", max: 2, want: "no"},
		{text: "b", body: "aab", max: 3, want: "yes"},
		{text: "b", body: "éb", min: 2, max: 3, options: "utf", want: "yes"},
		{text: "b", body: "a\nb", options: "firstline", want: "no"},
		{text: "b", body: "ab\n", options: "firstline", want: "yes"},
		{text: "b(?=c)", body: "a\nbc", options: "firstline", want: "no"},
		{text: "a+?b", body: "aab", options: "ungreedy", want: "yes"},
		{text: "(?<n>a)(?<n>b)", body: "ab", options: "dupnames", want: "yes"},
		{text: "ab", body: "ab", options: "auto_callout no_auto_possess no_start_optimize no_dotstar_anchor never_utf never_ucp", want: "yes"},
	}
	for _, tt := range tests {
		p := Pattern{Text: tt.text, Options: strings.Fields(tt.options), Min: tt.min, Max: tt.max}
		if got := search(p, tt.body); got != tt.want {
			t.Errorf("%q (%s, %d-%d) in %q: %s, want %s", tt.text, tt.options, tt.min, tt.max, tt.body, got, tt.want)
		}
	}
}

func TestPatternRefusesWhatItCannotMean(t *testing.T) {
	for _, tt := range []struct{ text, options, want string }{
		{"(", "", "missing closing"},
		{`a\K(?=b)`, "", `escape \K is not supported`},
		{`\G(?=b)`, "", `escape \G is not supported`},
		{`\X(?=b)`, "", `escape \X is not supported`},
		{`\g{1}(?=b)`, "", `escape \g is not supported`},
		{`[\H](?=b)`, "", `escape \H is not supported`},
		{"(?|(a)|(b))", "", "branch reset groups"},
		{"a(?R)?b", "", "recursion"},
		{"(a)(?1)(?=b)", "", "recursion"},
		{"(*UTF)a", "", "verbs"},
		{"a(?C1)b", "", "callouts"},
		{"[]", "allow_empty_class", "option allow_empty_class"},
		{`\w`, "ucp", "option ucp"},
		{`a++`, "ungreedy", "option ungreedy"},
	} {
		if got := search(Pattern{Text: tt.text, Options: strings.Fields(tt.options)}, "aab"); !strings.Contains(got, tt.want) {
			t.Errorf("%q: %s, want %s", tt.text, got, tt.want)
		}
	}
	if got := search(Pattern{Text: "a", Min: 2, Max: 2}, "aaa"); !strings.Contains(got, "leaves nothing") {
		t.Error(got)
	}
}

func TestPatternIsBounded(t *testing.T) {
	x, err := Pattern{Text: `^(a+)+(?=b)$`}.Compile(200 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Match(strings.NewReader(strings.Repeat("a", 40))); err == nil || !strings.Contains(err.Error(), "too much") {
		t.Errorf("evil pattern: %v", err)
	}
	if got := search(Pattern{Text: "b(?=c)"}, strings.Repeat("a", maxBacktrack+1)); !strings.Contains(got, "longer than 4 MiB") {
		t.Error(got)
	}
	broken := errors.New("cut")
	for _, text := range []string{"x", "x(?=y)"} {
		x, err := Pattern{Text: text}.Compile(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := x.Match(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(broken))); found || x.linear == nil && !errors.Is(err, broken) {
			t.Errorf("%s in a broken body: %v, %v", text, found, err)
		}
	}
}

func TestPatternStaysLinearWhereItCan(t *testing.T) {
	for text, want := range map[string]bool{"^a.*b$": true, "(?i)x|y": true, "a$b$": false, "a(?=b)": false, `\v`: false} {
		x, err := Pattern{Text: text}.Compile(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if (x.linear != nil) != want {
			t.Errorf("%q linear: %v", text, !want)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`a(?=b)[^]x\h[:alpha:]]$`, "ab\n", 0)
	f.Add(`(?m)^\Q$\E\R(?<n>.)\k{n}`, "$\nxx", 1)
	f.Fuzz(func(t *testing.T, text, body string, lower int) {
		x, err := Pattern{Text: text, Min: max(lower, 0)}.Compile(100 * time.Millisecond)
		if err == nil {
			x.Match(strings.NewReader(body))
		}
	})
}
