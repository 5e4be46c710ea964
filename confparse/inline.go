package confparse

import (
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"keepgo/confparse/syntax"
)

// The small languages inside a line are grammars over the words that the
// lexer of the file already made.

// wordToken is the one kind of token there is.
const wordToken lexer.TokenType = 1

// wordLexer satisfies participle; text never passes through it.
type wordLexer struct{}

// Symbols names the kinds of tokens.
func (wordLexer) Symbols() map[string]lexer.TokenType {
	return map[string]lexer.TokenType{"EOF": lexer.EOF, "Word": wordToken}
}

// Lex is never called: the parsers below are fed with words.
func (wordLexer) Lex(string, io.Reader) (lexer.Lexer, error) {
	return nil, errors.New("words only")
}

// words feeds a statement's words to a parser.
type words struct {
	left []syntax.Word
	i    int
}

// Next gives the next token.
func (w *words) Next() (lexer.Token, error) {
	if w.i >= len(w.left) {
		return lexer.EOFToken(lexer.Position{Column: w.i}), nil
	}
	w.i++
	return lexer.Token{Type: wordToken, Value: w.left[w.i-1].Text, Pos: lexer.Position{Column: w.i - 1}}, nil
}

// parser is the parser of one option, built when it is asked for first: most
// lines have no options.
type parser[G any] func() *participle.Parser[G]

// grammarOf makes the parser of one option.
func grammarOf[G any]() parser[G] {
	return sync.OnceValue(func() *participle.Parser[G] {
		return participle.MustBuild[G](participle.Lexer(wordLexer{}))
	})
}

const (
	maxOptions    = 256 // words on a line that is read by a grammar
	longestOption = 2   // words of the longest option of any grammar here
)

// options reads the words that are left as options of one grammar. Words that
// fit nowhere are reported one by one and passed over.
func options[G any](s *stmt, p parser[G], what string, names []string, each func(*G, syntax.Word)) {
	left := s.rest()
	if len(left) > maxOptions {
		s.fail(left[0], "", "the line has %d words", len(left)+1)
		return
	}
	for len(left) > 0 {
		lex, _ := lexer.Upgrade(&words{left: left[:min(len(left), longestOption)]})
		g, err := p().ParseFromLexer(lex, participle.AllowTrailing(true))
		if err == nil {
			each(g, left[0])
			left = left[lex.Cursor():]
			continue
		}
		if contains(names, left[0].Text) {
			s.fail(left[0], "", "'%s' needs %s", left[0].Text, needs(left[0].Text))
		} else if s.strange(left[0], what, names) {
			return
		}
		left = left[1:]
	}
}

// needs says what an option's value is.
func needs(option string) string {
	switch option {
	case "dev", "oif", "iif":
		return "an interface name"
	case "label":
		return "a label"
	case "brd", "broadcast", "peer":
		return "an address"
	}
	return "a value"
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// strange reports a word that is no option; it is true if the rest of the
// line is not worth looking at.
func (s *stmt) strange(w syntax.Word, what string, names []string) bool {
	switch {
	case strings.HasPrefix(w.Text, "//"), strings.HasPrefix(w.Text, "/*"):
		s.fail(w, "", "comments start with '#' or '!', not '%s'", w.Text[:2])
		return true
	case strings.Contains(w.Text, "="):
		k, v, _ := strings.Cut(w.Text, "=")
		s.fail(w, "", "write '%s %s %s'", s.name(), k, v)
		return false
	}
	hint := ""
	if near := nearest(w.Text, names); near != "" {
		hint = "did you mean '" + near + "'?"
	} else if near := extended(w.Text, names); near != "" {
		hint = "did you mean '" + near + "'?"
	}
	s.fail(w, hint, "unknown word '%s' %s", clip(w.Text), what)
	return false
}

// extended finds a name that a word spells out: device for dev, gateway for
// via is a synonym.
func extended(word string, names []string) string {
	for _, n := range names {
		if len(n) >= 3 && strings.HasPrefix(word, n) {
			return n
		}
	}
	if word == "gateway" && contains(names, "via") {
		return "via"
	}
	return ""
}
