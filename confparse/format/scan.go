package format

import (
	"regexp"
	"strings"
)

// token is a piece of a line: a word with the quotes glued to it, or a brace.
type token struct {
	text  string
	brace byte // '{', '}' or 0
	gap   bool // blanks before it
}

// lookalikes are letters that the lexer replaces by plain ones.
var lookalikes = strings.NewReplacer("\u00a0", " ", "\u3000", " ", "\u200b", "", "\u200c", "", "\u200d", "", "\ufeff", "",
	"\u201c", `"`, "\u201d", `"`, "\uff03", "#")

func blank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func trimRight(s string) string { return strings.TrimRight(s, " \t\v\f\r") }

func trimLeft(s string) string { return strings.TrimLeft(s, " \t\v\f\r") }

// Comment is the index of the comment of a line, or its length: the first #
// or ! that is neither in double quotes nor behind a backslash.
func Comment(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '#', '!':
			if !quoted {
				return i
			}
		}
	}
	return len(s)
}

// scan cuts the code of a line into words and braces as the lexer does. It is
// false where a quote is not closed.
func scan(code string) (tokens []token, closed bool) {
	gap := false
	for i := 0; i < len(code); {
		c := code[i]
		switch {
		case blank(c):
			gap = true
			i++
			continue
		case c == '{' || c == '}':
			tokens = append(tokens, token{code[i : i+1], c, gap})
			i++
		default:
			end, ok := word(code, i)
			tokens = append(tokens, token{code[i:end], 0, gap})
			if !ok {
				return tokens, false
			}
			i = end
		}
		gap = false
	}
	return tokens, true
}

// word is the index behind the word at i, with all that is glued to it.
func word(code string, i int) (end int, closed bool) {
	for i < len(code) && !blank(code[i]) {
		switch code[i] {
		case '{', '}':
			return i, true
		case '"':
			if i = quote(code, i); i < 0 {
				return len(code), false
			}
			continue
		case '\\':
			if i+1 < len(code) && !blank(code[i+1]) {
				i++
			}
		case '$':
			if k := strings.IndexByte(code[i:], '}'); k > 0 && strings.HasPrefix(code[i:], "${") {
				i += k
			}
		}
		i++
	}
	return i, true
}

// quote is the index behind the string that begins at i, or -1.
func quote(code string, i int) int {
	for i++; i < len(code); i++ {
		switch code[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// template finds the marks of an unrendered template; the lexer passes such a
// line over.
func template(code string) bool {
	for _, pair := range [][2]string{{"{{", "}}"}, {"{%", "%}"}} {
		if _, rest, ok := strings.Cut(code, pair[0]); ok && strings.Index(rest, pair[1]) > 0 {
			return true
		}
	}
	return false
}

var (
	definition = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z_0-9]*)=`)
	condition  = regexp.MustCompile(`^@[^ \t]*[ \t]+`)
	loop       = regexp.MustCompile(`^~(SEQ|LST)[^)]*\)`)
	reference  = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z_0-9]*)(?: [^}]*)?\}|([A-Za-z_][A-Za-z_0-9]*)(?:[ \t,)]|$))`)
	includes   = regexp.MustCompile(`^include[rmwba]?([ \t]|$)`)
)

// begun says that a line begins a definition of several lines, and which.
func begun(code string) (name string, ok bool) {
	code = trimRight(code)
	if !strings.HasSuffix(code, `\`) {
		return "", false
	}
	code = condition.ReplaceAllString(code, "")
	code = trimLeft(loop.ReplaceAllString(code, ""))
	if m := definition.FindStringSubmatch(code); m != nil {
		return m[1], true
	}
	return "", false
}

// special says that the preprocessor takes a line that begins like this.
func special(code string) bool {
	return code != "" && strings.IndexByte("@~$", code[0]) >= 0 || includes.MatchString(code)
}
