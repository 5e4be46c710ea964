package format

import (
	"strings"

	"keepgo/confparse/syntax"
)

// bare says that a word needs no quotes.
func bare(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("{}\"'#!\\$=;", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// quoted is a word as it is written so that it is read as it was.
func quoted(w syntax.Word) string {
	switch {
	case w.Quoted && bare(w.Text):
		return w.Text
	case w.Quoted && endsInBackslash(w.Text): // its quote was never closed; it was the last on its line
		return `"` + w.Text
	case w.Quoted:
		return `"` + w.Text + `"`
	case builtin(w.Text):
		return `"` + w.Text + `"`
	}
	return escaper.Replace(w.Text)
}

// escaper puts the backslashes back that the lexer took off.
var escaper = strings.NewReplacer("#", `\#`, "!", `\!`)

// builtin finds a $_NAME that was no reference where it stood, and would be
// one at the end of a line.
func builtin(s string) bool {
	i := strings.LastIndex(s, "$_")
	return i >= 0 && strings.Trim(s[i+2:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// first is the first word of a line: what the preprocessor would take for its
// own is quoted.
func first(w syntax.Word) string {
	s := quoted(w)
	if strings.HasPrefix(s, "include") || strings.ContainsAny(s[:1], "@~$") {
		return `"` + w.Text + `"`
	}
	return s
}

func endsInBackslash(s string) bool {
	n := len(s) - len(strings.TrimRight(s, `\`))
	return n%2 == 1
}

// plain keeps line ends and control characters out of a comment.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, s)
}
